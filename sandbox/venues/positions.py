"""What a venue of linear perpetuals tells an account: positions, margin, and why its wallet changed.

Sizes are contracts, as in the books; money is the quote asset.
"""

from decimal import Decimal
from enum import Enum

from msgspec import Struct

from sandbox.venues.ledger import ZERO


class FlowKind(Enum):
    """Why a wallet changed. Deposits are no flows."""

    REALISED = "realised"
    FEE = "fee"
    FUNDING = "funding"
    COVER = "cover"  # what a liquidation left below zero


class Flow(Struct, frozen=True, kw_only=True):
    """One change of a wallet, as the venue's statement tells it."""

    id: int
    account: str
    symbol: str
    kind: FlowKind
    asset: str
    amount: Decimal  # positive: received by the account
    at_ms: int
    fill_id: int = 0  # of a result or a fee
    rate: Decimal = ZERO  # of funding; and the contracts (signed) and the mark that it was charged on
    qty: Decimal = ZERO
    mark: Decimal = ZERO


class Mark(Struct, frozen=True, kw_only=True):
    """What counts for margin and funding of one perpetual, now."""

    price: Decimal
    settled_rate: Decimal  # of the settlement one interval before `next_ms`
    interval_ms: int
    next_ms: int


class Position(Struct, frozen=True, kw_only=True):
    """One account's position as the venue shows it, results without fees."""

    account: str
    symbol: str
    qty: Decimal  # contracts; a short is negative
    contract: Decimal  # base per contract
    entry: Decimal  # average price, to twelve decimals
    mark: Decimal
    leverage: int
    notional: Decimal  # at the mark, unsigned
    unrealised: Decimal
    initial: Decimal  # margin that it takes
    maintenance: Decimal  # margin below which it is taken away
    liquidation: Decimal | None  # the mark at which the account is, all else equal; None: there is none
    realised: Decimal  # since it was opened
    updated_ms: int


class Margin(Struct, frozen=True, kw_only=True):
    """One account's margin."""

    wallet: Decimal  # deposits and flows
    unrealised: Decimal
    positions: Decimal  # initial margin of positions
    orders: Decimal  # and of what resting orders may open
    maintenance: Decimal
    available: Decimal  # for new margin; below zero where the market went against the account

    @property
    def equity(self) -> Decimal:
        return self.wallet + self.unrealised


class Liquidation(Struct, frozen=True):
    """A position that the venue closed."""

    account: str
    symbol: str
    qty: Decimal  # contracts, signed as the position was
    price: Decimal  # average of the closing
    order_id: int
    at_ms: int
