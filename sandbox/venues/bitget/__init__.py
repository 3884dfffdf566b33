"""Bitget v2: public REST and the socket of spot and USDT futures."""
