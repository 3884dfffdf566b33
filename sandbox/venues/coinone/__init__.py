"""Coinone: its public REST and socket."""
