"""Prices of one coin at four venues: long quiet stretches, and episodes in which a premium opens and books move."""

import math
from collections.abc import Callable
from decimal import Decimal
from random import Random
from statistics import NormalDist

from chaos.bank import Bank
from chaos.perps import PerpBank
from engine.domain import event as ev
from sandbox.venues.liquidity import Levels
from sandbox.venues.rules import MarketRules

LEVELS = 4
_DOLLARS, _FX = 68_000.0, 1_390.0
_HALF_SPREAD = {"KRW": 0.0001, "USDT": 0.00002}
_TOP = {"KRW": 9_000_000.0, "USDT": 25_000.0}  # quote asset at the first level
_DEPTHS = tuple(math.exp(0.8 * NormalDist().inv_cdf((i + 0.5) / 64)) for i in range(64))  # log-normal, 64 quantiles


class Market:
    """`tell` hands events to the desk that runs now; the venues' own books move whether one runs or not."""

    def __init__(self, random: Random, banks: dict[str, Bank], tell: Callable[[ev.Event], None]) -> None:
        self._random = random
        self._banks = banks
        self._tell = tell
        self._walk = 0.0  # of the coin's price, logarithmic
        self._tether = 0.01
        self.premiums: dict[str, float] = {}
        self.shown_ns: dict[str, int] = {}  # venue -> when the desk was shown its books, or would have been
        self.dark: set[str] = set()  # venues whose socket is down
        self.crossed: set[str] = set()  # venues that show a crossed book
        self.crossing = 0.01  # so far above the best ask stands the false bid; negative: a false ask below the best bid

    def mid(self, venue: str, rules: MarketRules) -> float:
        tether = _FX * (1 + self._tether)
        if rules.base == "USDT":
            return tether * (1 + self.premiums.get(f"{venue}:USDT", 0.0))
        dollars = _DOLLARS * math.exp(self._walk) * (1 + self.premiums.get(venue, 0.0))
        return dollars * (tether if rules.quote == "KRW" else 1.0)

    def step(self, dt_s: float) -> None:
        """Time passes for prices: about 60 % a year of the coin, 30 bp an hour of the tether."""
        self._walk += self._random.gauss(0, 0.00011 * math.sqrt(dt_s))
        self._tether += self._random.gauss(0, 0.00005 * math.sqrt(dt_s)) - 0.001 * (self._tether - 0.01)

    def show_all(self, now_ns: int, wall_ms: int) -> None:
        """A whole round: every mark and market of every venue, in an order of chance."""
        markets = [(bank, rules) for bank in self._banks.values() for rules in bank.rules.markets.values()]
        self._random.shuffle(markets)
        for bank, rules in markets:
            mid = self.mid(bank.name, rules)
            bids, asks = self._book(mid, rules)
            bank.show(rules.symbol, bids, asks)
            marked = bank.show_mark(mid, now_ns) if isinstance(bank, PerpBank) else None
            if marked is not None and bank.name not in self.dark:
                self._tell(marked)
            if bank.name not in self.dark:
                self.shown_ns[bank.name] = now_ns
                self._tell(self._event(bank, rules.symbol, now_ns, wall_ms))

    def show_one(self, venue: str, now_ns: int, wall_ms: int) -> None:
        """A feed that has just connected brings every book whole."""
        self.shown_ns[venue] = now_ns
        for symbol in self._banks[venue].rules.markets:
            self._tell(self._event(self._banks[venue], symbol, now_ns, wall_ms))

    def _event(self, bank: Bank, symbol: str, now_ns: int, wall_ms: int) -> ev.BookSnapshot:
        bids, asks = ([(float(price), float(qty)) for price, qty in side] for side in bank.exchange.book(symbol))
        if bank.name in self.crossed and bids and asks:
            if self.crossing > 0:
                bids = [(asks[0][0] * (1 + self.crossing), 1.0), *bids]
            else:
                asks = [(bids[0][0] * (1 + self.crossing), 1.0), *asks]
        return ev.BookSnapshot(
            venue=bank.name, symbol=symbol, bids=bids, asks=asks, venue_ts_ms=wall_ms, seen_ns=now_ns
        )

    def _book(self, mid: float, rules: MarketRules) -> tuple[Levels, Levels]:
        """Prices as whole ticks, sizes as whole lots: one Decimal product each."""
        tick = rules.tick_at(Decimal(repr(mid)))
        size = float(tick)
        half = max(mid * _HALF_SPREAD[rules.quote], size / 2)
        bid = math.floor((mid - half) / size)
        ask = max(bid + 1, math.ceil((mid + half) / size))
        gap = max(1, math.floor(mid * 0.0001 / size))
        lots = _TOP[rules.quote] / mid / float(rules.lot)
        least = rules.min_qty
        bids = tuple((tick * (bid - gap * i), max(least, rules.lot * self._lots(lots, i))) for i in range(LEVELS))
        asks = tuple((tick * (ask + gap * i), max(least, rules.lot * self._lots(lots, i))) for i in range(LEVELS))
        return bids, asks

    def _lots(self, top: float, i: int) -> int:
        return int(top * (0.4 + 0.4 * i) * _DEPTHS[int(self._random.random() * len(_DEPTHS))])
