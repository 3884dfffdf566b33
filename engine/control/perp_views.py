"""Open perpetuals as they cross the door."""

from decimal import Decimal

from engine.control.views import Message


class PerpView(Message):
    """One open perpetual. Sizes in base, prices in quote per base; shares are plain: 0.5 is 50 %."""

    venue: str
    symbol: str
    base: str
    quote: str
    qty: Decimal  # a short is negative
    entry: Decimal
    mark: Decimal
    worth_krw: Decimal
    unrealised: Decimal  # quote
    unrealised_krw: Decimal
    funding: Decimal  # quote, received so far
    liquidation: Decimal | None
    margin_usage: Decimal  # of the whole account
    leverage: int
    hedge_of: tuple[str, ...]  # trades
    difference: Decimal  # the venue's word minus ours
    age_ms: int
