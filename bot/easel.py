"""The worker process's side: what it imports is what it costs, so nothing of Telegram or of the engine."""

import signal

from bot.views import pictures


class CannotDraw(Exception):
    """This picture's data is not what its drawing needs: our own mistake, and no reason to keep the words back."""


def prepare() -> None:
    """The bot decides when the worker ends, not the terminal; fonts are loaded before the first picture is wanted."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pictures.warm()


def draw(kind: str, data: bytes) -> bytes:
    """PNG of one picture; with an empty `kind` nothing but the start of the worker. Raises CannotDraw."""
    try:
        return pictures.draw(kind, data) if kind else b""
    except (KeyError, ValueError, ArithmeticError) as error:
        raise CannotDraw(f"{type(error).__name__}: {error}") from error
