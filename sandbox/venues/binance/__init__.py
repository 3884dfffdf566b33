"""Binance spot: deltas on the socket, HMAC on REST."""
