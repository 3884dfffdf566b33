"""Upbit: Korea, spot; whole books on the socket, JWT on REST."""
