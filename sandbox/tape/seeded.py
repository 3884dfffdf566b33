"""An endless market from a seed: the same seed, start and script give the same events."""

import math
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from random import Random

from sandbox.tape.book import BookMaker, Shape
from sandbox.tape.events import BookTick, FxTick, PerpTick, PrintTick, TapeEvent
from sandbox.tape.funding import FundingPath
from sandbox.tape.premium import Bump, Bumps, Wander
from sandbox.venues.rules import MarketRules, VenueRules

SLOT_MS = 20
_PERP_EVERY = 5  # rounds between two words about funding: every half second
SLOTS = 5  # each market speaks once per 100 ms, in its own slot: venues do not speak in chorus
COINS: dict[str, tuple[float, float]] = {"BTC": (68_000.0, 0.25), "ETH": (3_500.0, 0.35), "XRP": (2.2, 0.45)}
KOREAN = ("upbit", "bithumb")
_TETHER = (-0.009, 0.031)  # where the tether premium turns back

_SHAPES: dict[tuple[bool, str], Shape] = {  # (Korean, base) -> shape
    (True, "BTC"): Shape(half_spread_bps=1.0, gap_bps=0.9, top_notional=9_000_000, print_chance=0.2),
    (True, "ETH"): Shape(half_spread_bps=1.6, gap_bps=2.2, top_notional=8_000_000, print_chance=0.12),
    (True, "XRP"): Shape(half_spread_bps=1.6, gap_bps=3.0, top_notional=12_000_000, print_chance=0.15),
    (True, "USDT"): Shape(half_spread_bps=1.5, gap_bps=7.0, top_notional=30_000_000, print_chance=0.12),
    (False, "BTC"): Shape(half_spread_bps=0.2, gap_bps=0.4, top_notional=25_000, print_chance=0.25),
    (False, "ETH"): Shape(half_spread_bps=0.3, gap_bps=0.6, top_notional=18_000, print_chance=0.2),
    (False, "XRP"): Shape(half_spread_bps=0.6, gap_bps=0.9, top_notional=12_000, print_chance=0.15),
}


class SeededTape:
    """`anchors` moves a coin's price in dollars from outside; `drift` adds a premium by venue, coin and tape time;
    markets in `skip` (venue, symbol) are left to somebody else."""

    def __init__(
        self,
        seed: int,
        venues: Mapping[str, VenueRules],
        *,
        episodes: bool = True,
        skip: Collection[tuple[str, str]] = (),
        drift: Callable[[str, str, float], float] = lambda _venue, _coin, _now: 0.0,
    ) -> None:
        self.label = f"seeded market, seed {seed}: every price and size is synthetic"
        self.recorded: dict[str, set[str]] = {}
        self.anchors: dict[str, float] = {}
        self._drift = drift
        self._slot = -1
        self._next_ms = 0

        def stream(name: str) -> Random:
            """One market's draws never move another's."""
            return Random(f"{seed}/{name}")

        self._coins = {c: Wander(stream(f"coin {c}"), 0.006, 3600) for c in COINS}
        self._jitter = {c: Wander(stream(f"jitter {c}"), bps * 5 / 10_000, 3) for c, (_, bps) in COINS.items()}
        self._fx = Wander(stream("fx"), 1.5, 600, mean=1380.0)
        self._tether = Wander(stream("tether"), 0.0012, 20)
        self._tether_phase = stream("tether phase").uniform(-0.4, 0.4)
        self._bumps = Bumps(stream("episodes"), tuple(COINS), random_episodes=episodes)
        self._basis: dict[tuple[str, str], Wander] = {}
        self._makers: dict[tuple[str, str], BookMaker] = {}
        self._funding: dict[tuple[str, str], FundingPath] = {}
        self._slots: dict[int, list[tuple[str, MarketRules]]] = {slot: [] for slot in range(SLOTS)}
        everything = [(v, rules) for v, venue in venues.items() for rules in venue.markets.values()]
        markets = [(v, rules) for v, rules in everything if (v, rules.symbol) not in skip]
        for i, (venue, rules) in enumerate(markets):
            korean = rules.quote == "KRW"
            self._slots[i % SLOTS].append((venue, rules))
            self._basis[venue, rules.base] = Wander(stream(f"basis {venue} {rules.base}"), 3e-4 if korean else 5e-5, 8)
            shape = _SHAPES[korean, rules.base]
            self._makers[venue, rules.symbol] = BookMaker(rules, shape, stream(f"book {venue} {rules.symbol}"))
            if rules.perp is not None:
                self._funding[venue, rules.symbol] = FundingPath(rules, stream(f"funding {venue} {rules.symbol}"))

    def advance(self, at_ms: int) -> list[TapeEvent]:
        events: list[TapeEvent] = []
        if self._slot < 0:
            self._next_ms = at_ms - (SLOTS - 1) * SLOT_MS  # one whole round: every book stands at once
        if at_ms - self._next_ms > 2_000:  # the machine slept: go on from here, do not replay the hole
            self._next_ms = at_ms
        while self._next_ms <= at_ms:
            self._slot += 1
            events += self._speak(self._next_ms)
            self._next_ms += SLOT_MS
        return events

    def force(self, venue: str, coin: str, bps: float, seconds: float) -> None:
        for each in (venue,) if venue else KOREAN:
            self._bumps.add(Bump(each, coin, bps, self._now, self._now + seconds, ramp=min(0.3, seconds / 4)))

    @property
    def _now(self) -> float:
        """Seconds of tape time."""
        return max(0, self._slot) * SLOT_MS / 1000

    @property
    def tether_premium(self) -> float:
        """A slow swing through its whole range with noise on it."""
        low, high = _TETHER
        swing = 0.65 * math.sin(self._now / 47 + self._tether_phase) + 0.35 * math.sin(self._now / 17.3)
        return (low + high) / 2 + (high - low) / 2 * swing + self._tether.value

    def _speak(self, at_ms: int) -> list[TapeEvent]:
        slot = self._slot % SLOTS
        events: list[TapeEvent] = []
        if slot == 0:
            self._step(SLOT_MS * SLOTS / 1000)
            if self._slot % (SLOTS * 10) == 0:
                events.append(FxTick(Decimal(f"{self._fx.value:.2f}")))
        for venue, rules in self._slots[slot]:
            maker = self._makers[venue, rules.symbol]
            bids, asks = maker.make(self._fair(venue, rules))
            events.append(BookTick(venue, rules.symbol, bids, asks))
            trade = maker.trade(bids, asks, rules.symbol, at_ms)
            if trade is not None:
                events.append(PrintTick(venue, trade))
            if rules.perp is not None and self._slot // SLOTS % _PERP_EVERY == 0:
                index = Decimal(repr(self._dollars(rules.base)))
                mid = (bids[0][0] + asks[0][0]) / 2
                events.append(PerpTick(venue, self._funding[venue, rules.symbol].state(mid, index, at_ms)))
        return events

    def _step(self, dt_seconds: float) -> None:
        for path in (*self._coins.values(), *self._jitter.values(), self._fx, self._tether, *self._basis.values()):
            path.step(dt_seconds)
        self._bumps.step(self._now)

    def _fair(self, venue: str, rules: MarketRules) -> float:
        wander = self._basis[venue, rules.base].value + self._drift(venue, rules.base, self._now)
        shift = 1 + wander + self._bumps.shift(venue, rules.base, self._now)
        tether = self._fx.value * (1 + self.tether_premium)
        if rules.base == "USDT":
            return tether * shift
        return self._dollars(rules.base) * shift * (tether if rules.quote == "KRW" else 1.0)

    def _dollars(self, coin: str) -> float:
        """The coin's price abroad, before any venue's own displacement."""
        anchored = self.anchors.get(coin)
        if anchored is not None:
            return anchored
        return COINS[coin][0] * math.exp(self._coins[coin].value + self._jitter[coin].value)
