"""What each perpetual charged: drawn from its name and the instant before the world stood, since then as it was."""

import math
from decimal import Decimal
from random import Random

from msgspec import Struct

from sandbox.venues.floor import Floor, PerpState

_STEP = Decimal("0.000001")
_CALM = 0.0001  # of eight hours: where rates rest
_SWING = 0.0002
_DAYS = 11  # of one swing


class Settlement(Struct, frozen=True):
    at_ms: int
    rate: Decimal


class Settlements:
    """Of one floor. Every page asked for twice is the same."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._told: dict[tuple[str, int], Decimal] = {}
        floor.listen_perps(self)

    def perp(self, state: PerpState) -> None:
        self._told.setdefault((state.symbol, state.next_ms - state.interval_ms), state.settled_rate)

    def newest(self, symbol: str, count: int, from_ms: int = 0, to_ms: int | None = None) -> list[Settlement]:
        """The last `count` within [from, to], newest first; nothing of a market that never spoke of funding."""
        state = self._floor.perps.get(symbol)
        if state is None:
            return []
        last_ms = state.next_ms - state.interval_ms
        if to_ms is not None and to_ms < last_ms:
            last_ms -= -(-(last_ms - to_ms) // state.interval_ms) * state.interval_ms
        instants = range(last_ms, max(0, from_ms) - 1, -state.interval_ms)[:count]
        return [Settlement(at_ms, self._rate(state, at_ms)) for at_ms in instants]

    def oldest(self, symbol: str, count: int, from_ms: int, to_ms: int | None = None) -> list[Settlement]:
        """The first `count` within [from, to], oldest first."""
        state = self._floor.perps.get(symbol)
        if state is None:
            return []
        end_ms = from_ms + count * state.interval_ms - 1
        return self.newest(symbol, count, from_ms, end_ms if to_ms is None else min(to_ms, end_ms))[::-1]

    def _rate(self, state: PerpState, at_ms: int) -> Decimal:
        told = self._told.get((state.symbol, at_ms))
        if told is not None:
            return told
        rng = Random(f"{self._floor.rules.venue}/{state.symbol}/{at_ms}")
        share = state.interval_ms / 28_800_000
        wave = math.sin(at_ms / 86_400_000 / _DAYS * math.tau)
        rate = share * (_CALM + _SWING * wave + rng.gauss(0, _CALM / 2))
        return round(Decimal(repr(rate)) / _STEP) * _STEP
