"""Paths that wander and come back, and the episodes in which a premium opens."""

import math
from random import Random

from msgspec import Struct


class Wander:
    """A mean-reverting walk: `sd` in its own unit, memory of `seconds`."""

    def __init__(self, random: Random, sd: float, seconds: float, mean: float = 0.0) -> None:
        self._random = random
        self._mean = mean
        self._sd = sd
        self._seconds = seconds
        self.value = mean

    def step(self, dt_seconds: float) -> float:
        keep = math.exp(-dt_seconds / self._seconds)
        noise = self._sd * math.sqrt(1 - keep * keep) * self._random.gauss(0, 1)
        self.value = self._mean + (self.value - self._mean) * keep + noise
        return self.value


class Bump(Struct, frozen=True):
    """A price displaced by `bps` from `start` to `end` (seconds of tape time), with short ramps."""

    venue: str
    coin: str
    bps: float
    start: float
    end: float
    ramp: float = 0.6

    def at(self, now: float) -> float:
        if not self.start <= now <= self.end:
            return 0.0
        return self.bps * min(1.0, (now - self.start) / self.ramp, (self.end - now) / self.ramp)


class Bumps:
    """Scripted and random episodes. Random ones come every 10–20 s and are worth 0.3–1.5 % after fees."""

    def __init__(self, random: Random, coins: tuple[str, ...], *, random_episodes: bool) -> None:
        self._random = random
        self._coins = coins
        self._bumps: list[Bump] = []
        self._next = 3.0 if random_episodes else math.inf

    def add(self, bump: Bump) -> None:
        self._bumps.append(bump)

    def step(self, now: float) -> None:
        self._bumps = [bump for bump in self._bumps if bump.end > now]
        if now >= self._next:
            self._next = now + self._random.uniform(10, 20)
            self._bumps += self._episode(now)

    def shift(self, venue: str, coin: str, now: float) -> float:
        """As a ratio: 0.01 is one per cent."""
        bps = sum(b.at(now) for b in self._bumps if b.venue == venue and b.coin in ("", coin))
        return bps / 10_000

    def _episode(self, now: float) -> list[Bump]:
        """One Korean venue (spatial and kimchi), both (kimchi alone) or a global one (spatial abroad)."""
        where = self._random.choices(
            [("upbit",), ("bithumb",), ("upbit", "bithumb"), ("binance",), ("okx",)], [30, 30, 20, 10, 10]
        )[0]
        coin = self._random.choice(self._coins)
        costs_bps = 35  # both fees and the spreads on the way
        bps = self._random.choice((-1, 1)) * (costs_bps + self._random.uniform(30, 150))
        seconds = self._random.uniform(5, 20)
        return [Bump(venue, coin, bps, now, now + seconds) for venue in where]
