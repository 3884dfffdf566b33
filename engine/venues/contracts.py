"""Between base, in which the desk counts, and whole contracts, in which some venues do."""

from collections.abc import Awaitable, Callable
from decimal import Decimal

from engine.domain.errors import VenueRefused
from engine.venues.ccxt_orders import plain


class Contracts:
    """Base per contract of one venue's symbols: each is asked for once, and learnt anew with its rules."""

    def __init__(self, venue: str, ask: Callable[[str], Awaitable[Decimal | None]]) -> None:
        """`ask(symbol)` -> base per contract; None where the venue lists no such contract, or none that counts base."""
        self._venue = venue
        self._ask = ask
        self._sizes: dict[str, Decimal] = {}

    def learn(self, symbol: str, size: Decimal) -> None:
        self._sizes[symbol] = size

    def known(self, symbol: str) -> Decimal | None:
        """Without asking."""
        return self._sizes.get(symbol)

    async def size(self, symbol: str) -> Decimal:
        """Raises VenueRefused for what is no contract of base, and what asking raises."""
        if symbol not in self._sizes:
            size = await self._ask(symbol)
            if not size:
                raise VenueRefused("unsupported", f"{self._venue}: {symbol} is no contract that counts base")
            self._sizes[symbol] = size
        return self._sizes[symbol]

    async def whole(self, symbol: str, qty: Decimal) -> int:
        """Raises VenueRefused where `qty` is no whole number of contracts: nothing is rounded here."""
        size = await self.size(symbol)
        count = qty / size
        if count != count.to_integral_value() or count * size != qty or not count:
            text = f"{plain(qty)} is no multiple of {plain(size)}"
            raise VenueRefused("lot", f"{self._venue}: {symbol}: {text}", about_rules=True)
        return int(count)
