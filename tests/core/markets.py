"""What the rig's desk sees of the world: ticks, FX, market data, instruments."""

from abc import abstractmethod
from decimal import Decimal
from typing import Any

from engine.core.state import State
from engine.domain import event as ev
from engine.domain.money import NS_PER_MS, exact
from tests.core.timeline import Timeline
from tests.core.venue_model import VenueModel

SEOUL_MS = 9 * 3_600_000


class Markets(Timeline):
    """Books as they are at the venues; a running desk is told of every change."""

    def __init__(self, venues: dict[str, VenueModel]) -> None:
        super().__init__()
        self.venues = venues
        self.books: dict[tuple[str, str], tuple[list[tuple[float, float]], list[tuple[float, float]]]] = {}
        self.mute: set[str] = set()  # venues that tell no rules
        self.state: State

    @abstractmethod
    def handle(self, event: Any) -> None:
        """Give an event to the desk."""

    def _tick(self) -> None:
        self.later(100 * NS_PER_MS, self._tick)
        for name, connected in sorted(self.state.market.connected.items()):
            if connected:
                self.handle(ev.FeedAlive(venue=name, seen_ns=self.now_ns))
        day = (self.wall_ms + SEOUL_MS) // 86_400_000
        self.handle(ev.Tick(seen_ns=self.now_ns, wall_ms=self.wall_ms, local_day=day))

    def _fx(self) -> None:
        self.later(30_000 * NS_PER_MS, self._fx)
        for source, rate in (("a", "1395"), ("b", "1396")):
            as_of_ms = self.wall_ms
            self.handle(ev.FxRate(source=source, rate=Decimal(rate), as_of_ms=as_of_ms, seen_ns=self.now_ns))

    def _connect(self, venue: str) -> None:
        self.handle(ev.FeedState(venue=venue, connected=True, reason="", seen_ns=self.now_ns))
        rules = tuple(self.venues[venue].instruments.values())
        if venue not in self.mute:
            self.later(
                30 * NS_PER_MS,
                lambda: self.handle(ev.InstrumentsLoaded(venue=venue, instruments=rules, seen_ns=self.now_ns)),
            )
        for at, symbol in self.books:
            if at == venue:
                self.later(40 * NS_PER_MS, lambda symbol=symbol: self.show_book(venue, symbol))  # type: ignore[misc]

    def show_book(self, venue: str, symbol: str) -> None:
        bids, asks = self.books[venue, symbol]
        self.handle(
            ev.BookSnapshot(
                venue=venue, symbol=symbol, bids=bids, asks=asks, venue_ts_ms=self.wall_ms, seen_ns=self.now_ns
            )
        )

    def set_book(self, venue: str, symbol: str, mid: float, size: float = 0.2, half: float = 0.00001) -> None:
        """Five levels a side around `mid`; told to a running desk at once."""
        step = mid * half
        bids = [(round(mid - step * (1 + 3 * i), 2), size) for i in range(5)]
        asks = [(round(mid + step * (1 + 3 * i), 2), size) for i in range(5)]
        self.books[venue, symbol] = (bids, asks)
        self.venues[venue].tops[symbol] = (exact(bids[0][0]), exact(asks[0][0]))
        if self.run and self.state.market.connected.get(venue):
            self.show_book(venue, symbol)

    def show_all(self) -> None:
        for venue, symbol in self.books:
            self.show_book(venue, symbol)

    def lay_out(self, krw: float, usdt: float, tether: float) -> None:
        for venue in ("upbit", "bithumb"):
            self.set_book(venue, "KRW-BTC", krw)
            self.set_book(venue, "KRW-USDT", tether, size=50_000, half=0.0004)
        self.set_book("binance", "BTCUSDT", usdt)
        self.set_book("okx", "BTC-USDT", usdt)
