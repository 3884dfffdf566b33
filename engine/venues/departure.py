"""The moment at which a request's bytes leave: whether they still may, and when and by which way they did.

Whoever asked may have waited for a connection since it looked at the latch: up to seconds. So the way itself asks once
more, directly before it writes.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from engine.domain.errors import SendStopped


class Departure:
    """Of one call; `at_ns` is our monotonic clock, 0 while nothing has left."""

    __slots__ = ("at_ns", "path", "stopped")

    def __init__(self, stopped: Callable[[], str] | None = None) -> None:
        self.at_ns = 0
        self.path = ""
        self.stopped = stopped  # why nothing of it may leave any more, "" where it may


_watched: ContextVar[Departure | None] = ContextVar("departure", default=None)


def watch() -> Departure:
    """Whatever this task sends next is noted in it, the first time."""
    made = Departure()
    _watched.set(made)
    return made


@contextmanager
def guarded(stopped: Callable[[], str]) -> Iterator[Departure]:
    """`watch`, and whatever leaves within it is asked about once more; what the same task sends afterwards is not."""
    made = Departure(stopped)
    before = _watched.set(made)
    try:
        yield made
    finally:
        made.stopped = None  # tasks that were begun within it have it still
        _watched.reset(before)


def check() -> None:
    """Directly before bytes are written, with no await between. Raises SendStopped."""
    found = _watched.get()
    if found is not None and found.stopped is not None and (why := found.stopped()):
        raise SendStopped(why)


def left(path: str) -> None:
    """The bytes of a request are written just now."""
    found = _watched.get()
    if found is not None and not found.at_ns:
        found.at_ns, found.path = time.monotonic_ns(), path
