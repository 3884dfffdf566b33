"""The tape's book of one market, less what our accounts have eaten from it."""

from decimal import Decimal

Level = tuple[Decimal, Decimal]  # price, quantity
Levels = tuple[Level, ...]  # best first


class Liquidity:
    """What was eaten of a level stays eaten until the tape prints another size at that price."""

    def __init__(self) -> None:
        self._sides: dict[str, Levels] = {"bid": (), "ask": ()}
        self._eaten: dict[str, dict[Decimal, Level]] = {"bid": {}, "ask": {}}  # price -> (tape size, eaten)

    def show(self, bids: Levels, asks: Levels) -> None:
        """The tape's next whole book."""
        for side, levels in (("bid", bids), ("ask", asks)):
            self._sides[side] = levels
            eaten = self._eaten[side]
            if eaten:
                sizes = dict(levels)
                for price in [p for p, (size, _) in eaten.items() if sizes.get(p) != size]:
                    del eaten[price]

    def side(self, side: str) -> Levels:
        """What is left, best first."""
        eaten = self._eaten[side]
        if not eaten:
            return self._sides[side]
        left = []
        for price, size in self._sides[side]:
            rest = size - eaten[price][1] if price in eaten else size
            if rest > 0:
                left.append((price, rest))
        return tuple(left)

    def best(self, side: str) -> Level | None:
        eaten = self._eaten[side]
        for price, size in self._sides[side]:
            if price not in eaten:
                return price, size
            if size > eaten[price][1]:
                return price, size - eaten[price][1]
        return None

    def eat(self, side: str, price: Decimal, qty: Decimal) -> None:
        """Raises KeyError where the tape shows no such price."""
        size = dict(self._sides[side])[price]
        self._eaten[side][price] = (size, self._eaten[side].get(price, (size, Decimal(0)))[1] + qty)

    @property
    def untouched(self) -> bool:
        return not self._eaten["bid"] and not self._eaten["ask"]
