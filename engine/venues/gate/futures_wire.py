"""What Gate's futures REST answers. Source: Gate API v4, Futures."""

from decimal import Decimal

from msgspec import Struct

from engine.domain.money import ZERO
from engine.venues.reports import Finite

SETTLE = "USDT"
ONE_WAY = "single"


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
