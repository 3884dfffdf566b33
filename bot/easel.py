"""The worker process's side: what it imports is what it costs, so nothing of Telegram or of the engine."""

import signal

from bot.views import pictures


def prepare() -> None:
    """The bot decides when the worker ends, not the terminal; fonts are loaded before the first picture is wanted."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pictures.warm()


def draw(kind: str, data: bytes) -> bytes:
    """PNG of one picture; with an empty `kind` nothing but the start of the worker."""
    return pictures.draw(kind, data) if kind else b""
