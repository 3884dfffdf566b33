"""How long each venue takes, by stage and path, and when that is no longer its own normal. No I/O, no clock."""

from collections import deque
from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct, field

from engine.domain.money import NS_PER_S

_KEPT = 512
_WINDOW_NS = 900 * NS_PER_S  # what is shown
_NORMALS = 60  # stretches that the usual time is the median of
_FOLD_NS, _FOLD_LEAST = 60 * NS_PER_S, 5  # one stretch: so long, and so many samples
_FOLDS_LEAST = 3  # before anything is judged
_JUDGED_BY, _JUDGED_LEAST = 9, 5  # of the newest samples
_FRESH_NS = 180 * NS_PER_S
_SLOW_TIMES, _SLOW_MORE_US = 3.0, 150_000
_CALM_TIMES, _CALM_MORE_US = 1.5, 75_000
_PATIENCE_NS = 20 * NS_PER_S  # before either word is believed
_TRY_AGAIN_NS = 300 * NS_PER_S  # a slow venue gets no orders: without news it is tried again
_NEW_USUAL_NS = 1_800 * NS_PER_S  # slow for so long: that is what it is like now


class Stage(StrEnum):
    DECISION_WIRE = "decision_wire"  # the event that caused an order -> its bytes are written
    WIRE_ACK = "wire_ack"  # -> the venue has answered
    ACK_FILL = "ack_fill"  # -> its end is known; of orders that end at once
    READ = "read"  # one question and its answer: the way and the door, whatever is traded


JUDGED = frozenset({Stage.WIRE_ACK, Stage.READ})  # the others are ours, or the market's


class Figures(Struct, frozen=True, kw_only=True):
    """Of the newest quarter of an hour, in µs; 0 where nothing is known."""

    count: int
    p50: int
    p99: int
    usual: int


class Line(Struct, kw_only=True):
    """One stage of one venue on one path."""

    samples: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=_KEPT))  # (when, µs)
    normals: deque[int] = field(default_factory=lambda: deque(maxlen=_NORMALS))
    folded_ns: int = 0
    unfolded: list[int] = field(default_factory=list)
    is_slow: bool = False
    turned_ns: int = 0
    doubted_ns: int = 0  # since when the newest samples say the other word

    def take(self, us: int, now_ns: int) -> None:
        self.samples.append((now_ns, us))
        if self.is_slow:
            return
        self.folded_ns = self.folded_ns or now_ns
        self.unfolded.append(us)
        if len(self.unfolded) >= _FOLD_LEAST and now_ns - self.folded_ns >= _FOLD_NS and not self.doubted_ns:
            self.normals.append(rank(self.unfolded, 0.5))
            self.unfolded, self.folded_ns = [], now_ns
        elif len(self.unfolded) > _KEPT:
            del self.unfolded[: _KEPT // 2]

    @property
    def usual(self) -> int:
        """Its normal time; 0 while too little is known."""
        return rank(self.normals, 0.5) if len(self.normals) >= _FOLDS_LEAST else 0

    def newest(self, now_ns: int) -> int:
        """The median of the newest samples; 0 where they are few or old."""
        last = [us for at_ns, us in list(self.samples)[-_JUDGED_BY:] if now_ns - at_ns <= _FRESH_NS]
        return rank(last, 0.5) if len(last) >= _JUDGED_LEAST else 0

    def turned(self, now_ns: int) -> bool:
        """Whether it has just become slow, or is as usual again."""
        usual, newest = self.usual, self.newest(now_ns)
        if self.is_slow and self._is_forgotten(now_ns):
            self.samples.clear()
            return self._turn(now_ns)
        if not usual or not newest:
            self.doubted_ns = 0
            return False
        times, more = (_CALM_TIMES, _CALM_MORE_US) if self.is_slow else (_SLOW_TIMES, _SLOW_MORE_US)
        is_over = newest > max(usual * times, usual + more)
        if is_over is self.is_slow:
            self.doubted_ns = 0
            return False
        self.doubted_ns = self.doubted_ns or now_ns
        return now_ns - self.doubted_ns >= _PATIENCE_NS and self._turn(now_ns)

    def figures(self, now_ns: int) -> Figures:
        found = [us for at_ns, us in self.samples if now_ns - at_ns <= _WINDOW_NS]
        return Figures(count=len(found), p50=rank(found, 0.5), p99=rank(found, 0.99), usual=self.usual)

    def _is_forgotten(self, now_ns: int) -> bool:
        if not self.samples or now_ns - self.samples[-1][0] > _TRY_AGAIN_NS:
            return True
        if now_ns - self.turned_ns > _NEW_USUAL_NS:
            self.normals.clear()
            return True
        return False

    def _turn(self, now_ns: int) -> bool:
        self.is_slow, self.turned_ns, self.doubted_ns = not self.is_slow, now_ns, 0
        self.unfolded, self.folded_ns = [], now_ns
        return True


class Latency:
    """Every line, by venue, path and stage. Written by the core alone."""

    def __init__(self) -> None:
        self.lines: dict[tuple[str, str, Stage], Line] = {}
        self.acked: dict[str, int] = {}  # orders that end at once: acknowledged, their end not known yet

    def take(self, venue: str, path: str, stage: Stage, us: int, now_ns: int) -> None:
        line = self.lines.get((venue, path, stage))
        if line is None:
            line = self.lines[venue, path, stage] = Line()
        line.take(us, now_ns)

    def turned(self, now_ns: int) -> Iterator[tuple[str, str, Stage, Line]]:
        """Lines that have just become slow, or are as usual again."""
        for (venue, path, stage), line in self.lines.items():
            if stage in JUDGED and line.turned(now_ns):
                yield venue, path, stage, line

    def of(self, venue: str) -> list[tuple[str, Stage, Line]]:
        order = list(Stage)
        found = [(path, stage, line) for (where, path, stage), line in self.lines.items() if where == venue]
        return sorted(found, key=lambda item: (order.index(item[1]), item[0]))

    def why_slow(self, venue: str, now_ns: int) -> str:
        """Which of its times is far above its usual one; "" where none is."""
        for path, stage, line in self.of(venue):
            if line.is_slow:
                what = "orders" if stage is Stage.WIRE_ACK else "questions"
                took, usual = (line.newest(now_ns) or line.samples[-1][1]) / 1_000, line.usual / 1_000
                return f"it is slow: {what} ({path}) take {took:.0f} ms, usually {usual:.0f} ms"
        return ""


def rank(values: "deque[int] | list[int]", share: float) -> int:
    """The value at that share of them in order; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0
