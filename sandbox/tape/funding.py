"""Funding of a perpetual that does not exist: a rate that wanders, settles by the clock and is forgotten."""

from decimal import Decimal
from random import Random

from sandbox.tape.premium import Wander
from sandbox.venues.floor import PerpState
from sandbox.venues.rules import MarketRules

_STEP = Decimal("0.000001")
_CAP = Decimal("0.003")
_DT_SECONDS = 0.5


class FundingPath:
    """One contract's rates. The same random stream and calls give the same states."""

    def __init__(self, rules: MarketRules, random: Random) -> None:
        if rules.perp is None:
            raise ValueError(f"{rules.symbol} is no perpetual")
        self._symbol = rules.symbol
        self._interval_ms = rules.perp.interval_ms
        self._tick = rules.tick_at
        share = self._interval_ms / 28_800_000  # rates are quoted per interval
        self._now = Wander(random, 0.0002 * share, 1_800, mean=random.uniform(-0.0001, 0.0003) * share)
        self._after = Wander(random, 0.0002 * share, 3_600, mean=0.0001 * share)
        self._settled = Decimal(0)
        self._next_ms = 0

    def state(self, mid: Decimal, index: Decimal, at_ms: int) -> PerpState:
        """What the venue says at `at_ms`. The instant of settlement charges the rate that stood before it."""
        rate = _rate(self._now.value)
        if at_ms >= self._next_ms:
            self._settled = rate
            self._next_ms = (at_ms // self._interval_ms + 1) * self._interval_ms
        self._now.step(_DT_SECONDS)
        self._after.step(_DT_SECONDS)
        tick = self._tick(mid)
        return PerpState(
            symbol=self._symbol,
            mark=round(mid / tick) * tick,
            index=round(index / tick) * tick,
            funding_rate=_rate(self._now.value),
            predicted_rate=_rate(self._after.value),
            settled_rate=self._settled,
            interval_ms=self._interval_ms,
            next_ms=self._next_ms,
            at_ms=at_ms,
        )


def _rate(value: float) -> Decimal:
    return max(-_CAP, min(_CAP, round(Decimal(repr(value)) / _STEP) * _STEP))
