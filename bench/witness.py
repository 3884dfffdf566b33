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
_STOOD_NS, _AROUND_NS = 2_000_000, 1_000_000_000
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


def in_peace(at: Span, stood: list[Span], ends: list[int]) -> bool:
    """The machine did not stand within a second before and after; `stood` sorted, `ends` its second halves."""
    first = bisect_left(ends, at[0] - _AROUND_NS)
    return first == len(stood) or stood[first][0] > at[1] + _AROUND_NS


def longest_in_peace(pauses: Iterable[Span], stood: Iterable[Span]) -> int:
    """ns. After a stand-still the loop has a heap of frames before it: that, too, is not its own pause."""
    told = [span for span in stood if span[1] - span[0] > _STOOD_NS]
    ends = [until for _, until in told]
    return max((end - begin for begin, end in pauses if in_peace((begin, end), told, ends)), default=0)


def peace_s(begin: int, end: int, stood: Iterable[Span]) -> float:
    """Seconds between the two without a stand-still a second before or after."""
    peace, at = 0, begin
    for since, until in stood:
        if until - since > _STOOD_NS:
            peace += max(0, since - _AROUND_NS - at)
            at = max(at, until + _AROUND_NS)
    return (peace + max(0, end - at)) / 1e9


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
