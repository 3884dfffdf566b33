"""Market data of the daemon: a feed per venue, the rules of its markets, wallets, FX. Composes; decides nothing."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random

from engine.catalogue import Asked, Told, ask_process
from engine.config import Config, VenueConfig, secret
from engine.desk import Desk
from engine.domain.board import OrderStreamView
from engine.domain.event import InstrumentsLoaded, LoansReported, WalletsReported
from engine.domain.market import Instrument
from engine.domain.money import NS_PER_MS
from engine.feed_processes.supervisor import FeedProcess, divide
from engine.feed_processes.wire import Venue
from engine.identity import Identity
from engine.traded import Pace, TradedVenue
from engine.venues.dialect import TopOf
from engine.venues.feeds import build_feed
from engine.venues.fx import FxPoll
from engine.venues.protocol import Orders
from engine.wires import Wiring

log = logging.getLogger(__name__)

_RULES_EVERY_S = 3_600.0
_WALLETS_EVERY_S = 120.0
_LOANS_EVERY_S = 600.0
_RETRY_S = 30.0


class Markets:
    """Life: construct → `start` in the daemon's group of tasks."""

    def __init__(self, config: Config, identity: Identity, desk: Desk) -> None:
        self._config = config
        self._identity = identity
        self._desk = desk
        self._venues = {name: venue for name, venue in config.venues.items() if venue.enabled}
        self._traded: dict[str, TradedVenue] = {}
        watched = frozenset(name for name, venue in self._venues.items() if not venue.trade)
        self._wiring = Wiring(desk.handle, time.monotonic_ns, watched)
        desk.wires = self._wiring.told

    def show(self, order_streams: Callable[[], Mapping[str, OrderStreamView]]) -> None:
        """Beside the feeds, on the same boards."""
        self._wiring.order_streams = order_streams

    def start(self, tasks: asyncio.TaskGroup, orders: Mapping[str, Orders]) -> None:
        seed = Random(self._config.seed)
        tasks.create_task(self._wiring.run(), name="rate budgets")
        for name, config in self._venues.items():
            if name in orders:
                at = TradedVenue(orders[name], config.symbols, self._desk, self._tell_rules, Pace(), config.leverage)
                self._traded[name] = at
                tasks.create_task(at.run(), name=f"traded {name}")
            if not self._config.feed_processes:
                tasks.create_task(self._feed(name, config, Random(seed.random())), name=f"feed {name}")
        if self._config.feed_processes:
            self._start_processes(tasks, seed)
        watched = {name: v for name, v in self._venues.items() if name not in orders or v.also_watch}
        if watched:
            tasks.create_task(self._catalogue(watched), name="catalogue")
        for name, source in self._config.fx.sources.items():
            key = secret(source.key_name) if source.key_name else ""
            if source.key_name and not key:
                log.warning("fx_left_out source=%s: the secret %s is not set", name, source.key_name)
                continue
            url = source.url.replace("{key}", key)
            poll = FxPoll(name, source.kind, url, source.every_s, self._desk.handle, time.monotonic_ns)
            tasks.create_task(poll.run(), name=f"fx {name}")

    def _start_processes(self, tasks: asyncio.TaskGroup, seed: Random) -> None:
        """The same feeds in processes of their own, venues dealt out."""
        asked = [
            Venue(
                name=name,
                ws_base=config.ws_base,
                rest_base=config.rest_base,
                symbols=config.symbols,
                seed=seed.random(),
                bad_frames=str(Path(self._config.data_dir) / "bad_frames" / f"{name}.jsonl"),
                ccxt_id=config.ccxt_id,
                levels=config.book_levels,
            )
            for name, config in self._venues.items()
        ]
        for part in divide(asked, self._config.feed_processes):
            rng, level = Random(seed.random()), self._config.log_level
            process = FeedProcess(part, self._desk.handle, time.monotonic_ns, rng, level)
            for feed in process.feeds.values():
                self._wiring.add(feed)
            tasks.create_task(process.run(), name=f"feeds {', '.join(process.feeds)}")

    async def _feed(self, name: str, config: VenueConfig, rng: Random) -> None:
        feed = build_feed(
            name,
            ws_base=config.ws_base,
            rest_base=config.rest_base,
            symbols=(*config.symbols, *config.also_watch),
            sink=self._desk.handle,
            clock_ns=time.monotonic_ns,
            rng=rng,
            top_of=self._top_of(name),
            bad_frames=Path(self._config.data_dir) / "bad_frames" / f"{name}.jsonl",
            ccxt_id=config.ccxt_id,
            levels=config.book_levels,
            limiters=self._wiring.limiters,
        )
        self._wiring.add(feed)
        await feed.run()

    @property
    def skew_ms(self) -> dict[str, int]:
        """A traded venue's clock minus ours, newest reading."""
        return {name: at.skew_ms for name, at in self._traded.items() if at.skew_ms is not None}

    def _tell_rules(self, name: str, asked: Sequence[str], rules: tuple[Instrument, ...]) -> tuple[Instrument, ...]:
        """Only what is certainly the asset that its name says, and returns it; the rest is told, never compared."""
        known, doubtful = self._identity.sort(rules, time.time_ns() // NS_PER_MS)
        missing = set(asked) - {found.symbol for found in rules}
        doubtful |= {symbol: "the venue does not list it" for symbol in sorted(missing)}
        event = InstrumentsLoaded(venue=name, instruments=known, doubtful=doubtful, seen_ns=time.monotonic_ns())
        self._desk.handle(event)
        return known

    async def _catalogue(self, watched: Mapping[str, VenueConfig]) -> None:
        """Rules hourly, loans every ten minutes, wallets every two, by a process of its own: megabytes of JSON."""
        due_s = loans_due_s = 0.0
        waiting = set(watched)
        while True:
            with_rules = time.monotonic() >= due_s
            names = sorted(watched) if with_rules or not waiting else sorted(waiting)
            with_loans = time.monotonic() >= loans_due_s
            if with_loans:
                loans_due_s = time.monotonic() + _LOANS_EVERY_S
            asked = [
                Asked.of(name, watched[name], with_rules=with_rules or name in waiting, with_loans=with_loans)
                for name in names
            ]
            if with_rules:
                due_s = time.monotonic() + _RULES_EVERY_S
            async for told in ask_process(asked):
                self._take(told, waiting)
            await asyncio.sleep(_RETRY_S if waiting else _WALLETS_EVERY_S)

    def _take(self, told: Told, waiting: set[str]) -> None:
        if told.error:
            log.warning("catalogue_failed venue=%s error=%s", told.venue, told.error)
        if told.instruments:
            waiting.discard(told.venue)
            self._tell_rules(told.venue, told.asked, told.instruments)
        if told.wallets:
            seen_ns = time.monotonic_ns()
            event = WalletsReported(venue=told.venue, wallets=told.wallets, source=told.source, seen_ns=seen_ns)
            self._desk.handle(event)
        if told.loans is not None:
            source = f"{told.venue} public loans"
            seen_ns = time.monotonic_ns()
            self._desk.handle(LoansReported(venue=told.venue, loans=told.loans, source=source, seen_ns=seen_ns))

    def _top_of(self, venue: str) -> TopOf:
        def top(symbol: str) -> tuple[float, float] | None:
            book = self._desk.state.market.book(venue, symbol)
            return (book.best_bid, book.best_ask) if book is not None and book.synced else None

        return top
