"""Bithumb: Korea, spot; whole books on the socket, timestamped JWT on REST."""
