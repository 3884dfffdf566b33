"""From the cursor to the end, page by page: rows, holes, then the cursor. A walk may be cut at any line."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from msgspec import Struct

from engine.collect.source import Page, Source
from engine.collect.store import Cursor, Series

_PAGES_PER_WRITE = 10
_LONGEST_FUNDING_MS = 8 * 3_600_000 + 60_000  # no venue of ours charges more seldom
NOT_SERVED = "not served"

Tell = Callable[[int], None]  # how far the walk is, ms
Span = tuple[int, int]  # [from, to) in ms


class Walk(Struct, kw_only=True):
    """One series to complete over [from, to). `is_stopped` is asked before every page."""

    source: Source
    out: Path
    kind: str  # candles | funding | trades
    spelled: str  # the venue's own symbol: the folder's name
    timeframe: str
    step_ms: int  # of one candle
    from_ms: int
    to_ms: int
    tell: Tell
    is_stopped: Callable[[], bool]
    rows: int = 0  # new ones
    pages: int = 0

    def series(self) -> Series:
        kind = f"candles-{self.timeframe}" if self.kind == "candles" else self.kind
        return Series(self.out, self.source.venue, kind, self.spelled)

    async def go(self) -> None:
        """Raises VenueRefused, VenueUnavailable, ConfigError, OSError; what was written until then stays."""
        symbol = await self.source.symbol(self.spelled)
        series = self.series()
        for begin, end in self._missing(series.cursor()):
            match self.kind:
                case "candles":
                    await self._candles(series, symbol, begin, end)
                case "funding":
                    await self._funding(series, symbol, begin, end)
                case _ if self.source.trades_go_forward:
                    await self._trades_on(series, symbol, begin, end)
                case _:
                    await self._trades_back(series, symbol, begin, end)

    def _missing(self, cursor: Cursor | None) -> list[Span]:
        """What is asked for and not stored, oldest first; what lies between two askings is closed, too."""
        if cursor is None:
            return [(self.from_ms, self.to_ms)] if self.from_ms < self.to_ms else []
        before = [(self.from_ms, cursor.from_ms)] if self.from_ms < cursor.from_ms else []
        return before + ([(cursor.next_ms, self.to_ms)] if cursor.next_ms < self.to_ms else [])

    def _store(self, series: Series, rows: Page, holes: list[Span], begin: int, at_ms: int, end: int) -> None:
        """Everything of [begin, at), and that it is known."""
        self.rows += series.add(rows)
        series.mark(holes, begin, at_ms, NOT_SERVED)
        cursor = series.cursor()
        if cursor is None:
            series.move(Cursor(begin, at_ms))
        elif begin >= cursor.from_ms:
            series.move(Cursor(cursor.from_ms, max(cursor.next_ms, at_ms)))
        elif at_ms >= end:  # an older stretch joins only when it is whole
            series.move(Cursor(self.from_ms, cursor.next_ms))
        self.tell(at_ms)

    async def _candles(self, series: Series, symbol: str, begin: int, end: int) -> None:
        span_ms = self.source.candles_per_page * self.step_ms
        start, at_ms, rows = begin, begin, Page()
        while at_ms < end and not self.is_stopped():
            page = await self.source.candles(symbol, self.timeframe, at_ms, self.step_ms)
            self.pages += 1
            at_ms = min(at_ms + span_ms, end)
            rows += [row for row in page if _at(row) < end]
            if self.pages % _PAGES_PER_WRITE == 0 or at_ms >= end or self.is_stopped():
                self._store(series, rows, _gaps(rows, start, at_ms, self.step_ms), start, at_ms, end)
                start, rows = at_ms, Page()

    async def _funding(self, series: Series, symbol: str, begin: int, end: int) -> None:
        at_ms = last_ms = begin
        while at_ms < end and not self.is_stopped():
            page = [row for row in await self.source.funding(symbol, at_ms) if _at(row) < end]
            self.pages += 1
            moments = [last_ms, *(map(_at, page)), *([] if page else [end])]
            holes = [(a + 1, b) for a, b in pairwise(moments) if b - a > _LONGEST_FUNDING_MS]
            next_ms = moments[-1] + 1 if page else end
            self._store(series, page, holes, at_ms, next_ms, end)
            at_ms, last_ms = next_ms, moments[-1]

    async def _trades_on(self, series: Series, symbol: str, begin: int, end: int) -> None:
        at_ms = begin
        known: set[object] = set()
        while at_ms < end and not self.is_stopped():
            page = [row for row in await self.source.trades(symbol, at_ms) if at_ms <= _at(row)]
            self.pages += 1
            fresh = [row for row in page if row[1] not in known and _at(row) < end]
            if len(page) >= self.source.trades_per_page:
                next_ms = _at(page[-1]) if fresh and _at(page[-1]) > at_ms else at_ms + 1
            else:  # all that there is, of the window or at all
                next_ms = at_ms + (self.source.trade_window_ms or end)
            next_ms = min(next_ms, end)
            known = {row[1] for row in page}
            self._store(series, fresh, [], at_ms, next_ms, end)
            at_ms = next_ms

    async def _trades_back(self, series: Series, symbol: str, begin: int, end: int) -> None:
        """From the newest to what is stored. The cursor moves at the end only: a walk that was cut begins anew."""
        oldest_ms, before = end, ""
        while not self.is_stopped():
            page = await self.source.trades(symbol, begin, before)
            self.pages += 1
            if not page:
                break
            oldest = min(page, key=_order)
            self.rows += series.add(row for row in page if begin <= _at(row) < end)
            if before == oldest[1]:
                break
            oldest_ms, before = min(oldest_ms, _at(oldest)), str(oldest[1])
            self.tell(begin + end - max(begin, oldest_ms))
            if oldest_ms < begin or not before:
                break
        else:
            return
        holes = [(begin, oldest_ms)] if oldest_ms > begin else []
        self._store(series, Page(), holes, begin, end, end)


def _at(row: tuple[object, ...]) -> int:
    return int(str(row[0]))


def _order(row: tuple[object, ...]) -> tuple[int, int]:
    name = str(row[1])
    return _at(row), int(name) if name.isdigit() else 0


def _gaps(rows: Page, begin: int, end: int, step_ms: int) -> list[Span]:
    """Stretches of [begin, end) without a candle."""
    found: list[Span] = []
    at_ms = begin
    for row in rows:
        if _at(row) > at_ms:
            found.append((at_ms, _at(row)))
        at_ms = _at(row) + step_ms
    if at_ms < end:
        found.append((at_ms, end))
    return found
