"""The measured side of `bench.daemon`: a desk for ten venues whose feeds look at loopback, and its clocks."""

import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, get_args

import msgspec

from bench.tapes import COIN_USDT, KOREAN, KRW_PER_USDT, VENUES, symbol_of
from bench.venue_load import bases
from engine.assemble import core_config
from engine.config import Config, StrategyConfig, VenueConfig, load
from engine.core.state import State
from engine.desk import Desk
from engine.domain import effect
from engine.domain.event import BookDelta, BookSnapshot, Event, FxRate, InstrumentsLoaded, Recovered, Started, Tick
from engine.domain.market import FeeSide, Instrument, Product
from engine.domain.money import NS_PER_MS, TickBand
from engine.net.limits import Limiter, Limits
from engine.venues.feeds import build_feed, native
from engine.venues.limits import Limiters
from engine.venues.native import Native
from engine.venues.protocol import Feed, FeedEvent

_CONFIGS = Path(__file__).parent.parent / "configs"
_GLOBAL = tuple(venue for venue in VENUES if venue not in KOREAN and venue != "binance_usdm")
_USD_KRW = Decimal("1390")
_SAMPLES = 100_000  # enough for a p99, too few to weigh in the memory figure
_WORTH_NS = 2_000_000


class _Unlimited(Limiters):
    """Loopback has no limits, and a run should not spend its minutes on four hundred REST books."""

    def of(self, venue: str, limits: Limits | None = None) -> Limiter:
        return Limiter(Limits(host=venue, rules=()), time.monotonic_ns)


def configured(symbols: int) -> Config:
    """configs/*.yaml with ten venues in place of its own; coins and venues of the strategies follow, the rest stays."""
    config = load(_CONFIGS)
    model = config.venues["binance"]
    venues: dict[str, VenueConfig] = {
        venue: msgspec.structs.replace(
            model,
            trade=False,
            symbols=tuple(symbol_of(venue, base) for base in bases(venue, symbols)),
            max_book_age_ms=config.venues["upbit"].max_book_age_ms if venue in KOREAN else model.max_book_age_ms,
        )
        for venue in VENUES
    }
    coins = [base for base in bases("binance", symbols) if base in bases("upbit", symbols)]
    changed: Mapping[str, dict[str, Any]] = {
        "spatial": {"coins": coins, "groups": [KOREAN, _GLOBAL]},
        "kimchi": {"coins": coins, "korean": KOREAN, "global": _GLOBAL},
    }
    strategies = {
        name: StrategyConfig(mode=held.mode, params=held.params | changed.get(name, {}))
        for name, held in config.strategies.items()
    }
    return msgspec.structs.replace(config, venues=venues, strategies=strategies)


class LoadedDesk:
    """Desk and feeds. `take` is the sink; it keeps the time from a frame's receipt to its strategies' end."""

    def __init__(self, symbols: int, ports: Mapping[str, int], rest_port: int) -> None:
        config = configured(symbols)
        self.state = State(core_config(config))
        self.desk = Desk(self.state, time.monotonic_ns, dict)
        self.effects = 0
        self.desk.wire(dict.fromkeys(get_args(effect.Effect), self._carry))
        self.books = self.longest_ns = 0
        self.pauses: list[tuple[int, int]] = []  # those worth asking a witness about
        self._sign_ns, self._sign_cpu_ns = time.monotonic_ns(), time.thread_time_ns()
        self.longest_cpu_ns = 0
        self.spent_ns: list[int] = []
        self.late_ms: list[float] = []
        self._start(config, symbols)
        limiters = _Unlimited(time.monotonic_ns)
        self.feeds: list[Feed] = [
            build_feed(
                venue,
                ws_base=f"ws://127.0.0.1:{ports[venue]}",
                rest_base=f"http://127.0.0.1:{rest_port}",
                symbols=config.venues[venue].symbols,
                sink=self.take,
                clock_ns=time.monotonic_ns,
                rng=Random(venue),
                top_of=lambda symbol, venue=venue: self._top(venue, symbol),  # type: ignore[misc]
                speaks=_alone(venue),
                limiters=limiters,
            )
            for venue in VENUES
        ]

    def _carry(self, effect: object) -> None:
        self.effects += 1

    def _start(self, config: Config, symbols: int) -> None:
        handle, now_ns = self.desk.handle, time.monotonic_ns()
        wall_ms = time.time_ns() // NS_PER_MS
        handle(Started(instance="bench", seed=1, wall_ms=wall_ms, utc_offset_ms=0, seen_ns=now_ns))
        for venue in VENUES:
            rules = tuple(_rules(venue, base, config.venues[venue]) for base in bases(venue, symbols))
            handle(InstrumentsLoaded(venue=venue, instruments=rules, seen_ns=now_ns))
        handle(Recovered(seen_ns=now_ns))
        handle(FxRate(source="bench", rate=_USD_KRW, as_of_ms=wall_ms, seen_ns=now_ns))

    def _top(self, venue: str, symbol: str) -> tuple[float, float] | None:
        book = self.state.market.book(venue, symbol)
        return (book.best_bid, book.best_ask) if book is not None and book.synced else None

    def take(self, event: FeedEvent) -> None:
        self.desk.handle(event)
        if type(event) is BookDelta or type(event) is BookSnapshot:
            now_ns = time.monotonic_ns()
            self.books += 1
            self.sign(now_ns)
            if len(self.spent_ns) < _SAMPLES:
                self.spent_ns.append(now_ns - event.seen_ns)
            if event.venue_ts_ms and not self.books & 15:
                self.late_ms.append(time.time_ns() / 1e6 - event.venue_ts_ms)

    def sign(self, now_ns: int) -> None:
        """The loop lives: how long was it away since the last sign, and how long did it work meanwhile?"""
        away_ns, cpu_ns = now_ns - self._sign_ns, time.thread_time_ns()
        self.longest_cpu_ns, self._sign_cpu_ns = max(self.longest_cpu_ns, cpu_ns - self._sign_cpu_ns), cpu_ns
        if away_ns > _WORTH_NS:
            self.pauses.append((self._sign_ns, now_ns))
        self.longest_ns, self._sign_ns = max(self.longest_ns, away_ns), now_ns

    def tick(self) -> None:
        wall_ms = time.time_ns() // NS_PER_MS
        event: Event = Tick(seen_ns=time.monotonic_ns(), wall_ms=wall_ms, local_day=wall_ms // 86_400_000)
        self.desk.handle(event)

    def synced(self) -> int:
        return sum(book.synced for book in self.state.market.books().values())

    def forget(self) -> None:
        self.books = 0
        self.spent_ns, self.late_ms = [], []


def _alone(venue: str) -> Native:
    """The venue's own entry without what has no place on loopback: side sockets, REST polls, waits between books."""
    found = native(venue)
    dialect = found.dialect
    if isinstance(dialect, type):
        dialect = type(dialect.__name__, (dialect,), {"asks_per_minute": 12_000.0, "connects_per_second": 50.0})
    return msgspec.structs.replace(found, dialect=dialect, sides=(), facts=(), time=None)


def _rules(venue: str, base: str, config: VenueConfig) -> Instrument:
    is_korean = venue in KOREAN
    price = (KRW_PER_USDT if base == "USDT" else COIN_USDT * KRW_PER_USDT) if is_korean else COIN_USDT
    return Instrument(
        venue=venue,
        symbol=symbol_of(venue, base),
        base=base,
        quote="KRW" if is_korean else "USDT",
        ticks=(TickBand(Decimal(0), Decimal(str(price / 1e6))),),
        qty_step=Decimal("0.0001"),
        min_qty=Decimal("0.0001"),
        min_notional=Decimal(5),
        maker_fee_bps=config.maker_fee_bps,
        taker_fee_bps=config.taker_fee_bps,
        fee_side=FeeSide.QUOTE if is_korean else FeeSide.RECEIVED,
        product=Product.PERP if venue == "binance_usdm" else Product.SPOT,
    )
