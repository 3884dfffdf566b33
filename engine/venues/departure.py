"""The moment at which a request's bytes leave: whether they still may, and when and by which way they did.

Whoever asked may have waited for a connection since it looked at the latch: up to seconds. So the way itself asks once
more, directly before it writes.
"""

import asyncio
import time
from collections.abc import Callable
from contextvars import ContextVar

from engine.domain.errors import SendStopped


class Departure:
    """Of one call; `at_ns` is our monotonic clock, 0 while nothing has left."""

    __slots__ = ("at_ns", "given", "path", "stopped", "task")

    def __init__(self, stopped: Callable[..., str] | None, given: tuple[object, ...]) -> None:
        self.at_ns = 0
        self.path = ""
        self.stopped = stopped  # called with `given`: why nothing of it may leave any more, "" where it may
        self.given = given
        # A task that is begun meanwhile inherits this: a cancel that the halt itself has asked for must leave.
        self.task = asyncio.current_task() if stopped is not None else None

    def over(self) -> None:
        """What the same task sends from here on is another call's."""
        self.stopped = None


_watched: ContextVar[Departure | None] = ContextVar("departure", default=None)


def watch(stopped: Callable[..., str] | None = None, *given: object) -> Departure:
    """Whatever this task sends next is noted in it, the first time. With `stopped` it is asked about until `over`."""
    made = Departure(stopped, given)
    _watched.set(made)
    return made


def check() -> None:
    """Directly before bytes are written, with no await between; aiohttp's leave one turn of the loop later.

    Raises SendStopped. Of the order's own task alone: no way may put its request into a task of its own.
    """
    found = _watched.get()
    if found is None or found.stopped is None or found.task is not asyncio.current_task():
        return
    if why := found.stopped(*found.given):
        raise SendStopped(why)


def left(path: str, at_ns: int = 0) -> None:
    """The bytes of a request are written just now, or were at that time by another call that this one shares."""
    found = _watched.get()
    if found is not None and not found.at_ns:
        found.at_ns, found.path = at_ns or time.monotonic_ns(), path
