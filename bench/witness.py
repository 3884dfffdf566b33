"""Was it the loop that stood still, or the machine under it? A real-time process on the measured core answers.

It sleeps a millisecond and looks at the clock, above every other process in the kernel's order (SCHED_FIFO): only the
machine itself can keep it waiting. On a virtual machine whose processor is lent to a neighbour it is kept waiting as
long as the loop beside it is.
"""

import multiprocessing
import os
import time
from bisect import bisect_left
from collections.abc import Iterable
from multiprocessing.connection import Connection

_BEAT_S, _LATE_NS = 0.001, 500_000
Span = tuple[int, int]  # from, to; ns of the monotonic clock, which all processes of a machine share


class Witness:
    """`spans()` are the times in which the machine ran nothing on that core. `is_alone`: the kernel let it be first."""

    def __init__(self, core: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_watch, args=(theirs, core), daemon=True)
        self._process.start()
        self.is_alone: bool = self._ours.recv()

    def spans(self) -> list[Span]:
        """Since the last question."""
        self._ours.send("spans")
        found: list[Span] = self._ours.recv()
        return found

    def close(self) -> None:
        self._process.terminate()
        self._process.join()


def own_ns(pause: Span, stood: Iterable[Span]) -> int:
    """What is left of a pause without the times in which the machine stood; `stood` sorted, apart from each other."""
    begin, end = pause
    return end - begin - sum(max(0, min(end, until) - max(begin, since)) for since, until in stood)


def longest_own_ns(pauses: Iterable[Span], stood: list[Span]) -> int:
    ends = [until for _, until in stood]
    longest = 0
    for begin, end in pauses:
        first = bisect_left(ends, begin)
        near = [span for span in stood[first : first + 1_000] if span[0] < end]
        longest = max(longest, own_ns((begin, end), near))
    return longest


def _watch(pipe: Connection, core: int) -> None:
    os.sched_setaffinity(0, {core})
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    except PermissionError:
        pipe.send(False)
    else:
        pipe.send(True)
    spans: list[Span] = []
    due = time.monotonic_ns() + int(_BEAT_S * 1e9)
    while True:
        time.sleep(_BEAT_S)
        now = time.monotonic_ns()
        if now - due > _LATE_NS:
            spans.append((due, now))
        if pipe.poll():
            pipe.recv()
            pipe.send(spans)
            spans = []
            now = time.monotonic_ns()  # what sending took is not the machine's
        due = now + int(_BEAT_S * 1e9)
