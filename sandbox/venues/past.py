"""A market's past before the world stood, drawn from its name alone, and what it traded since: for candles.

Any minute can be asked for by itself and is always the same: the price is a sum of waves in time, a minute's trades
are drawn from a seed made of venue, symbol and minute. Some minutes have no trade at all, as on a real quiet market.
The level joins the live market's only roughly.
"""

import math
from decimal import ROUND_DOWN, Decimal
from random import Random

from msgspec import Struct

from sandbox.venues.floor import Floor, RawFrame, Side
from sandbox.venues.ledger import ZERO
from sandbox.venues.orders import Print
from sandbox.venues.rules import MarketRules

MINUTE_MS = 60_000
_DOLLARS = {"BTC": 68_000.0, "ETH": 3_500.0, "XRP": 2.2, "USDT": 1.0}
_WON = 1_380.0
_WAVES = ((0.06, 5_760), (0.012, 377), (0.003, 41), (0.0008, 7))  # share of the price, minutes
_QUIET = 0.04  # of the minutes
_NOTIONAL = 800.0  # dollars, of a usual trade


class Candle(Struct):
    """The trades of one span; at least one."""

    start_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO  # base
    funds: Decimal = ZERO  # quote
    count: int = 0
    last_ms: int = 0

    def add(self, price: Decimal, qty: Decimal, at_ms: int) -> None:
        self.high, self.low, self.close = max(self.high, price), min(self.low, price), price
        self.volume += qty
        self.funds += price * qty
        self.count += 1
        self.last_ms = at_ms


class Past:
    """Every minute of one floor. Listens to the floor: what is traded now is the past later."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._since_ms = floor.clock() // MINUTE_MS * MINUTE_MS
        self._live: dict[tuple[str, int], Candle] = {}
        floor.listen(self)

    def candles(self, symbol: str, step_ms: int, from_ms: int, to_ms: int) -> list[Candle]:
        """Oldest first, of spans that begin in [from, to) and not in the future; spans without a trade are left out."""
        found: dict[int, Candle] = {}
        start = max(0, from_ms) // step_ms * step_ms
        start += step_ms if start < from_ms else 0
        end = min(-(-to_ms // step_ms) * step_ms, self._floor.clock() + 1)
        for minute_ms in range(start, end, MINUTE_MS):
            minute = self.minute(symbol, minute_ms)
            if minute is None:
                continue
            whole = found.get(minute_ms // step_ms)
            if whole is None:
                found[minute_ms // step_ms] = Candle(
                    minute_ms // step_ms * step_ms,
                    minute.open,
                    minute.high,
                    minute.low,
                    minute.close,
                    minute.volume,
                    minute.funds,
                    minute.count,
                    minute.last_ms,
                )
                continue
            whole.high, whole.low = max(whole.high, minute.high), min(whole.low, minute.low)
            whole.close, whole.last_ms = minute.close, minute.last_ms
            whole.volume += minute.volume
            whole.funds += minute.funds
            whole.count += minute.count
        return list(found.values())

    def minute(self, symbol: str, start_ms: int) -> Candle | None:
        if start_ms >= self._since_ms:
            return self._live.get((symbol, start_ms))
        rng = Random(f"{self._floor.rules.venue}/{symbol}/{start_ms}")
        if rng.random() < _QUIET:
            return None
        rules = self._floor.rules.markets[symbol]
        made: Candle | None = None
        at_ms = start_ms
        for left in range(rng.randint(1, 6), 0, -1):
            at_ms += rng.randrange(1, (start_ms + MINUTE_MS - at_ms) // left)
            price = _price(rules, at_ms, rng)
            size = Decimal(f"{_NOTIONAL * rng.lognormvariate(0, 0.8) / _dollars(rules, price):.10f}")
            made = made or Candle(start_ms, price, price, price, price)
            made.add(price, max(rules.lot, size.quantize(rules.lot, ROUND_DOWN)), at_ms)
        return made

    # the floor says

    def trade(self, trade: Print) -> None:
        start_ms = trade.at_ms // MINUTE_MS * MINUTE_MS
        candle = self._live.get((trade.symbol, start_ms))
        if candle is None:
            price = trade.price
            candle = self._live[trade.symbol, start_ms] = Candle(start_ms, price, price, price, price)
        candle.add(trade.price, trade.qty, trade.at_ms)

    def book(self, symbol: str, at_ms: int) -> None:
        """Books make no candle."""

    def raw(self, frame: RawFrame) -> None:
        """A recording's frames are not read again here."""

    def depth(self, symbol: str, update_id: int, bids: Side, asks: Side) -> None:
        """Books make no candle."""


def _dollars(rules: MarketRules, price: Decimal) -> float:
    return float(price) / (_WON if rules.quote == "KRW" else 1.0)


def _price(rules: MarketRules, at_ms: int, rng: Random) -> Decimal:
    phase = Random(f"phase {rules.base}")
    minutes = at_ms / MINUTE_MS
    turn = sum(size * math.sin(minutes / span + phase.uniform(0, math.tau)) for size, span in _WAVES)
    fair = _DOLLARS.get(rules.base, 10.0) * (_WON if rules.quote == "KRW" else 1.0) * math.exp(turn)
    raw = Decimal(f"{fair * (1 + rng.gauss(0, 2e-4)):.10f}")
    tick = rules.tick_at(raw)
    return (raw / tick).to_integral_value() * tick
