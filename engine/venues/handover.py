"""From one connection to fresh ones of the same symbols without a gap. Pure: times are arguments.

Both sides are subscribed for a while. A symbol changes hands with the first whole book of a fresh connection: from then
on the old one is not heard on it. Trades come from both, each once: which side is ahead is not known.
"""

from collections.abc import Sequence
from typing import Protocol

from engine.domain.event import BookLost, BookSnapshot, TradePrint
from engine.venues.protocol import FeedEvent, Sink


class Line(Protocol):
    """What a handover knows of a connection."""

    venue: str
    name: str
    symbols: tuple[str, ...]

    def is_live(self, symbol: str) -> bool: ...


class Handover:
    """One at a time per connection. `from_old` and `from_new` are the sinks of the two sides while it lasts."""

    def __init__(self, old: Line, fresh: Sequence[Line], sink: Sink, deadline_ns: int) -> None:
        self.old = old
        self.fresh = tuple(fresh)
        self.deadline_ns = deadline_ns
        self.taken: set[str] = set()
        self._told: set[str] = set()
        self._trades: set[tuple[str, str]] = set()
        self._sink = sink

    def from_old(self, event: FeedEvent) -> None:
        if type(event) is TradePrint:
            self._trade(event)
        elif getattr(event, "symbol", "") not in self.taken:
            self._sink(event)

    def from_new(self, event: FeedEvent) -> None:
        kind = type(event)
        if kind is TradePrint:
            self._trade(event)  # type: ignore[arg-type]
            return
        symbol = getattr(event, "symbol", "")
        if kind is BookSnapshot:
            self.taken.add(symbol)
        if symbol in self.taken:
            self._sink(event)

    def _trade(self, trade: TradePrint) -> None:
        key = (trade.symbol, trade.trade_id or f"{trade.venue_ts_ms} {trade.price} {trade.qty}")
        if key not in self._trades:
            self._trades.add(key)
            self._sink(trade)

    def newly_taken(self, line: Line) -> tuple[str, ...]:
        """What `line` took since this was asked last."""
        found = tuple(symbol for symbol in line.symbols if symbol in self.taken and symbol not in self._told)
        self._told.update(found)
        return found

    def is_complete(self) -> bool:
        """Every book that the old connection still follows has changed hands."""
        return all(symbol in self.taken or not self.old.is_live(symbol) for symbol in self.old.symbols)

    def lose_rest(self, seen_ns: int) -> None:
        """The old connection goes before these were taken: nobody follows them."""
        for symbol in self.old.symbols:
            if symbol not in self.taken and self.old.is_live(symbol):
                self._sink(BookLost(venue=self.old.venue, symbol=symbol, reason="reconnect", seen_ns=seen_ns))
                self.taken.add(symbol)
