"""A book around a price: ticks, lots, spread and depth as the market has them, most levels standing still."""

import math
from decimal import Decimal
from random import Random

from msgspec import Struct

from sandbox.venues.liquidity import Level, Levels
from sandbox.venues.orders import Print, Side
from sandbox.venues.rules import MarketRules

LEVELS = 30


class Shape(Struct, frozen=True, kw_only=True):
    half_spread_bps: float
    gap_bps: float  # between levels
    top_notional: float  # quote asset at the first level, on average; deeper levels hold more
    print_chance: float  # of a trade, per update


class BookMaker:
    """One market's book. The same random stream and prices give the same books."""

    def __init__(self, rules: MarketRules, shape: Shape, random: Random) -> None:
        self._rules = rules
        self._shape = shape
        self._random = random
        self._sizes: dict[Side, dict[int, Decimal]] = {Side.BUY: {}, Side.SELL: {}}

    def make(self, mid: float) -> tuple[Levels, Levels]:
        tick = float(self._rules.tick_at(Decimal(repr(mid))))
        half = mid * self._shape.half_spread_bps / 10_000
        best_bid = math.floor((mid - half) / tick)
        best_ask = max(best_bid + 1, math.ceil((mid + half) / tick))
        gap = max(1, round(mid * self._shape.gap_bps / 10_000 / tick))
        return self._side(Side.BUY, best_bid, -gap, mid), self._side(Side.SELL, best_ask, gap, mid)

    def trade(self, bids: Levels, asks: Levels, symbol: str, at_ms: int) -> Print | None:
        """A trade at the touch, now and then."""
        if self._random.random() >= self._shape.print_chance or not bids or not asks:
            return None
        aggressor = Side.BUY if self._random.random() < 0.5 else Side.SELL
        price, size = asks[0] if aggressor is Side.BUY else bids[0]
        qty = self._round(float(size) * (0.05 + 0.5 * self._random.random()))
        return Print(symbol, price, qty, aggressor, at_ms)

    def _side(self, side: Side, best: int, step: int, mid: float) -> Levels:
        """The first level stands at `best`, the others on a grid, so that they outlive a small move."""
        old, new = self._sizes[side], dict[int, Decimal]()
        unit = self._rules.tick_at(Decimal(repr(mid)))
        anchor = best // abs(step) * abs(step) + (abs(step) if step > 0 else 0)
        if anchor == best:
            anchor += step
        levels: list[Level] = []
        for i in range(LEVELS):
            ticks = best if i == 0 else anchor + (i - 1) * step
            if ticks <= 0:
                break
            size = old.get(ticks)
            if size is None or self._random.random() < 0.12:
                size = self._draw(i, mid)
            new[ticks] = size
            levels.append((ticks * unit, size))
        self._sizes[side] = new
        return tuple(levels)

    def _draw(self, i: int, mid: float) -> Decimal:
        notional = self._shape.top_notional * (0.6 + 0.2 * i) * self._random.lognormvariate(0, 0.6)
        contract = float(self._rules.perp.contract) if self._rules.perp else 1.0
        return self._round(notional / mid / contract)

    def _round(self, qty: float) -> Decimal:
        lot = self._rules.lot
        return max(self._rules.min_qty, round(qty / float(lot)) * lot)
