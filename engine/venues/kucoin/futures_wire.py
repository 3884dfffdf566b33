"""What KuCoin's futures REST answers. Its numbers are JSON numbers as often as text. Source: KuCoin API, Futures."""

from decimal import Decimal
from typing import Generic, Literal, TypeVar

from msgspec import Struct

from engine.domain.money import ZERO
from engine.venues.reports import Finite

T = TypeVar("T")

SETTLE = "USDT"
BOTH = "BOTH"  # the one side of one-way mode


class Page(Struct, Generic[T]):
    items: list[T]
    totalPage: int = 1


class Order(Finite):
    id: str
    symbol: str
    side: Literal["buy", "sell"]
    size: Decimal
    filledSize: Decimal
    isActive: bool
    status: str = ""  # open | done
    clientOid: str | None = None
    updatedAt: int = 0


class Fill(Finite):
    tradeId: str
    size: Decimal
    price: Decimal
    fee: Decimal
    feeCurrency: str = SETTLE


class Overview(Finite):
    marginBalance: Decimal  # deposits and what was realised
    availableBalance: Decimal
    currency: str = SETTLE
    availableMargin: Decimal | None = None  # of a cross-margin account


class Position(Finite):
    symbol: str
    currentQty: Decimal  # contracts, signed
    avgEntryPrice: Decimal = ZERO
    markPrice: Decimal = ZERO
    posInit: Decimal = ZERO
    posMargin: Decimal = ZERO
    liquidationPrice: Decimal | None = None  # 0 where there is none
    positionSide: str = BOTH


class Contract(Finite):
    symbol: str
    baseCurrency: str
    quoteCurrency: str
    settleCurrency: str
    multiplier: Decimal  # below zero where a contract counts dollars
    lotSize: Decimal
    tickSize: Decimal
    status: str = "Open"


class Mode(Struct):
    positionMode: int  # 0: one-way


class Margin(Struct):
    marginMode: str  # CROSS | ISOLATED


class Leverage(Finite):
    leverage: Decimal


class Payment(Finite):
    id: int
    symbol: str
    timePoint: int
    funding: Decimal  # positive: received
    settleCurrency: str = SETTLE


class Payments(Struct):
    dataList: list[Payment]
    hasMore: bool = False
