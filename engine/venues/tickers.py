"""What venues say beside the book: marks, funding, the day's turnover. Venues say it in pieces; told is the whole."""

from math import isfinite

import msgspec

from engine.domain.event import DayTicker, PerpState
from engine.venues.protocol import Sink

# As it came: text, a number, empty text or nothing at all.
Said = str | float | None


def number(said: Said) -> float | None:
    """None where nothing was said. Raises ValidationError for what is no number."""
    if said is None or said == "":
        return None
    try:
        value = float(said)
    except ValueError as error:
        raise msgspec.ValidationError(str(error)) from error
    if not isfinite(value):
        raise msgspec.ValidationError(f"not finite: {said}")
    return value


def moment(said: Said) -> int | None:
    """Milliseconds since 1970. None where nothing was said; 0 says nothing too (dated contracts)."""
    value = number(said)
    return int(value) if value else None


class Tickers:
    """The last state of every contract of one connection; tells it when something in it changed."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._perps: dict[tuple[str, str], PerpState] = {}
        self._days: dict[tuple[str, str], tuple[float | None, float | None]] = {}  # last price, turnover

    def perp(
        self,
        venue: str,
        symbol: str,
        *,
        mark: float | None = None,
        index: float | None = None,
        funding_rate: float | None = None,
        predicted_rate: float | None = None,
        interval_ms: int | None = None,
        next_funding_ms: int | None = None,
        venue_ts_ms: int,
        seen_ns: int,
    ) -> None:
        before = self._perps.get((venue, symbol)) or PerpState(venue=venue, symbol=symbol, seen_ns=seen_ns)
        said = {
            "mark": mark,
            "index": index,
            "funding_rate": funding_rate,
            "predicted_rate": predicted_rate,
            "interval_ms": interval_ms,
            "next_funding_ms": next_funding_ms,
        }
        news = {name: value for name, value in said.items() if value is not None and value != getattr(before, name)}
        if news:
            after = msgspec.structs.replace(before, **news, venue_ts_ms=venue_ts_ms, seen_ns=seen_ns)
            self._perps[venue, symbol] = after
            self._sink(after)

    def day(
        self, venue: str, symbol: str, last: float | None, quote_volume: float | None, venue_ts_ms: int, seen_ns: int
    ) -> None:
        before = self._days.get((venue, symbol), (None, None))
        last = last or before[0]  # 0: nothing was traded yet
        quote_volume = before[1] if quote_volume is None else quote_volume
        self._days[venue, symbol] = (last, quote_volume)
        if last is not None and quote_volume is not None and before != (last, quote_volume):
            self._sink(
                DayTicker(
                    venue=venue,
                    symbol=symbol,
                    last=last,
                    quote_volume=quote_volume,
                    venue_ts_ms=venue_ts_ms,
                    seen_ns=seen_ns,
                )
            )

    def hear(self, event: PerpState | DayTicker) -> None:
        """What another `Tickers` told: merged into what is known of the symbol."""
        if isinstance(event, DayTicker):
            self.day(event.venue, event.symbol, event.last, event.quote_volume, event.venue_ts_ms, event.seen_ns)
            return
        self.perp(
            event.venue,
            event.symbol,
            mark=event.mark,
            index=event.index,
            funding_rate=event.funding_rate,
            predicted_rate=event.predicted_rate,
            interval_ms=event.interval_ms,
            next_funding_ms=event.next_funding_ms,
            venue_ts_ms=event.venue_ts_ms,
            seen_ns=event.seen_ns,
        )

    def forget(self) -> None:
        """A new connection: what the old one said is no longer merged into what comes."""
        self._perps.clear()
        self._days.clear()
