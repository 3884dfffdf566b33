"""Bitget's answers about an account of USDT perpetuals. Source: Bitget API v2, Contract."""

from decimal import Decimal
from typing import Annotated, Any

from msgspec import Meta, Struct

from engine.domain.order import OrderStatus

STATUS = {
    "init": OrderStatus.OPEN,
    "live": OrderStatus.OPEN,
    "partially_filled": OrderStatus.OPEN,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELLED,
}


class Order(Struct):
    symbol: str
    orderId: str
    clientOid: str
    side: str
    baseVolume: str  # number fields may be empty text
    uTime: int
    cTime: int | str | None = None
    state: str = ""  # of one order; lists call it `status`
    status: str = ""


class Listed(Struct):
    entrustedList: list[Order] | None = None


class Plans(Struct):
    entrustedList: list[Any] | None


class NotEnded(Struct):
    errorMsg: str = ""


class Ended(Struct):
    """What became of a request to cancel stops."""

    successList: list[dict[str, str | None]] | None = None
    failureList: list[NotEnded] | None = None


class FeeDetail(Struct):
    feeCoin: str
    totalFee: Annotated[str, Meta(min_length=1)]  # negative: paid by us


class Fill(Struct):
    tradeId: str
    price: str
    baseVolume: str
    feeDetail: list[FeeDetail]


class Fills(Struct):
    fillList: list[Fill] | None = None


class Wallet(Struct):
    """`accountEquity` knows what open positions have won or lost."""

    marginCoin: str
    accountEquity: str
    crossedMaxAvailable: str  # what may become margin
    unrealizedPL: str | None = None


class Mode(Struct):
    posMode: str
    marginMode: str
    crossedMarginLeverage: Decimal


class Position(Struct):
    symbol: str
    holdSide: str  # long | short
    total: str
    openPriceAvg: str
    markPrice: str
    marginSize: str
    posMode: str = "one_way_mode"
    liquidationPrice: str = ""  # zero or less where nothing would liquidate it


class Bill(Struct):
    billId: str
    symbol: str
    amount: str
    coin: str
    businessType: str
    cTime: int


class Bills(Struct):
    bills: list[Bill] | None = None


class Market(Struct):
    symbol: str
    baseCoin: str
    quoteCoin: str
    pricePlace: Annotated[int, Meta(ge=0, le=18)]
    priceEndStep: str  # of the last decimal
    sizeMultiplier: str
    minTradeNum: str
    minTradeUSDT: str = ""


class State(Struct):
    symbolStatus: str  # normal | listed | maintain | limit_open | restrictedAPI | off
    offTime: str = "-1"  # ms, UTC: when it is taken off
