"""When and by which way a request's bytes left: noted where they are written, read by whoever asked for it."""

import time
from contextvars import ContextVar


class Departure:
    """Of one call; `at_ns` is our monotonic clock, 0 while nothing has left."""

    __slots__ = ("at_ns", "path")

    def __init__(self) -> None:
        self.at_ns = 0
        self.path = ""


_watched: ContextVar[Departure | None] = ContextVar("departure", default=None)


def watch() -> Departure:
    """Whatever this task sends next is noted in it, the first time."""
    made = Departure()
    _watched.set(made)
    return made


def left(path: str) -> None:
    """The bytes of a request were written just now."""
    found = _watched.get()
    if found is not None and not found.at_ns:
        found.at_ns, found.path = time.monotonic_ns(), path
