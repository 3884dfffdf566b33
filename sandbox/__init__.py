"""The outside world on loopback: venues, FX sources and a Telegram Bot API server."""
