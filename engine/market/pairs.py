"""Which markets make premiums, and their prices per coin, whatever a contract is priced for and counted in."""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from engine.market.view import Market, Seat

Key = tuple[str, str]


class Tables(Struct, frozen=True, kw_only=True):
    """Which markets make premiums: by coin its Korean and its global ones, by Korean venue its USDT/KRW."""

    korean: Mapping[str, tuple[Key, ...]]
    world: Mapping[str, tuple[Key, ...]]
    tether: Mapping[str, Key]

    def coins(self) -> list[str]:
        return sorted(coin for coin in self.korean if coin in self.world)

    def tether_of(self, korean: str) -> Key | None:
        """A Korean venue's own USDT/KRW, for KRW cannot be moved in a trade; where it has none, the first."""
        return self.tether.get(korean) or next(iter(self.tether.values()), None)


def tables(market: Market) -> Tables:
    """Sort every known instrument into its place. About a microsecond for each: once a second at most."""
    korean: dict[str, list[Key]] = {}
    world: dict[str, list[Key]] = {}
    tether: dict[str, Key] = {}
    for key in sorted(market.instruments):
        at = market.instruments[key]
        if at.quote == "KRW" and at.base == "USDT":
            tether.setdefault(key[0], key)
        elif at.quote == "KRW":
            korean.setdefault(at.base, []).append(key)
        elif at.quote == "USDT":
            world.setdefault(at.base, []).append(key)
    return Tables(
        korean={coin: tuple(keys) for coin, keys in korean.items()},
        world={coin: tuple(keys) for coin, keys in world.items()},
        tether=tether,
    )


def bids(seat: Seat) -> Iterator[tuple[float, float]]:
    """Levels best first, in price per coin and coins, whatever the contract counts in."""
    return _per_coin(seat, seat.book.bids())


def asks(seat: Seat) -> Iterator[tuple[float, float]]:
    return _per_coin(seat, seat.book.asks())


def _per_coin(seat: Seat, levels: Iterable[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    per, size_of = float(seat.instrument.price_per), float(seat.instrument.contract_size)
    return ((price / per, size * size_of) for price, size in levels)


def mid(seat: Seat) -> float | None:
    """Per coin; None without two sides."""
    book = seat.book
    if not book.synced or not book.is_two_sided:
        return None
    per = seat.instrument.price_per
    middle = (book.best_bid + book.best_ask) / 2
    return middle if per == 1 else middle / float(per)
