"""What Gate's futures REST answers. Source: Gate API v4, Futures."""

from decimal import Decimal

from msgspec import Struct

from engine.domain.money import ZERO
from engine.venues.reports import Finite

SETTLE = "USDT"
ONE_WAY = "single"
_FAILED = frozenset({"cancelled", "failed", "expired"})  # what a stop that made no order has finished as
_LONGEST_S = 10**12  # a larger time counts µs


class Order(Finite):
    id: int
    contract: str
    size: Decimal
    left: Decimal
    status: str  # open | finished
    text: str = ""
    create_time: Decimal = ZERO  # s
    finish_time: Decimal = ZERO


class Trade(Finite):
    size: Decimal
    price: Decimal
    fee: str = ""
    point_fee: str = ""
    text: str = ""


class PlacedStop(Struct):
    id: int


class Initial(Finite):
    """The order that a stop makes."""

    contract: str
    size: Decimal
    text: str = ""
    auto_size: str = ""


class Stop(Finite):
    id: int
    initial: Initial
    status: str  # open | finished; what belongs to another order may be inactive or invalid
    finish_as: str = ""  # cancelled | succeeded | failed | expired
    order_type: str = ""
    trade_id: int = 0  # the order that it made
    create_time: Decimal = ZERO  # s; in newer answers µs
    finish_time: Decimal = ZERO

    @property
    def waits(self) -> bool:
        return self.status == "open"

    @property
    def has_failed(self) -> bool:
        """It ended, and made no order."""
        return self.status == "finished" and self.finish_as in _FAILED and not self.trade_id

    @property
    def at_ms(self) -> int:
        at = self.finish_time or self.create_time
        return int(at / 1_000) if at > _LONGEST_S else int(at * 1_000)


class Account(Struct):
    total: str  # deposits and what was realised
    available: str
    user: int = 0
    currency: str = SETTLE
    in_dual_mode: bool = False


class Position(Finite):
    contract: str
    size: Decimal
    entry_price: str
    mark_price: str
    mode: str = ONE_WAY
    margin: str = ""
    initial_margin: str = ""
    liq_price: str = ""  # 0 where there is none
    leverage: str = ""  # 0: cross margin, whose limit is the next
    cross_leverage_limit: str = ""


class Contract(Finite):
    name: str
    quanto_multiplier: Decimal  # 0: it counts something else than its base
    order_price_round: Decimal
    order_size_min: Decimal
    status: str = "trading"
    in_delisting: bool = False


class Rate(Finite):
    taker_fee: Decimal
    maker_fee: Decimal


class Entry(Finite):
    time: Decimal  # s
    change: Decimal
    contract: str = ""
    text: str = ""  # the contract, in answers that name none
