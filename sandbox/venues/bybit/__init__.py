"""Bybit v5: public REST and sockets of spot and linear."""
