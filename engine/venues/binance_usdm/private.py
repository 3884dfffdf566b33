"""What Binance futures' signed REST answers, and how it says no. Source: Binance USD-M Futures API."""

from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from ccxt.async_support.binance import binance  # type: ignore[import-untyped]
from msgspec import Struct

from engine.domain.money import ZERO
from engine.domain.order import OrderStatus
from engine.venues.ccxt_orders import Hooked, wall_ms
from engine.venues.reports import Finite
from engine.venues.verdict import Answer, Budgets, Dialect, retry_after_s

_WEIGHT_PER_MINUTE = 2_400
_ORDERS_PER_10_S, _ORDERS_PER_MINUTE = 300, 1_200
_NEARLY = Decimal("0.9")  # from here on only urgent calls go out until the venue's window ends
V3 = "fapiPrivateV3"
_SECTIONS = {"private": "fapiPrivate", "public": "fapiPublic"}


class Exchange(Hooked, binance):  # type: ignore[misc]
    """The library's class of the venue, speaking to its futures alone."""

    def sign(self, path: str, api: Any = "public", *rest: Any) -> Any:
        return super().sign(path, [_SECTIONS.get(api[0], api[0])], *rest)


class State(StrEnum):
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"  # an IOC or FOK remainder, or nothing was left to reduce
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"  # self-trade prevention
    REJECTED = "REJECTED"
    NEW_INSURANCE = "NEW_INSURANCE"  # while the account is liquidated
    NEW_ADL = "NEW_ADL"


ENDED = {
    State.FILLED: OrderStatus.FILLED,
    State.CANCELED: OrderStatus.CANCELLED,
    State.EXPIRED: OrderStatus.CANCELLED,
    State.EXPIRED_IN_MATCH: OrderStatus.CANCELLED,
    State.REJECTED: OrderStatus.REJECTED,
}


class Order(Finite):
    symbol: str
    orderId: int
    clientOrderId: str
    executedQty: Decimal
    cumQuote: Decimal
    status: State
    side: Literal["BUY", "SELL"]
    updateTime: int = 0


class Fill(Finite):
    id: int
    qty: Decimal
    commission: Decimal
    commissionAsset: str


class Balance(Finite):
    asset: str
    balance: Decimal  # of the wallet: without unrealised results
    availableBalance: Decimal


class Filter(Finite):
    filterType: str
    tickSize: Decimal = ZERO
    stepSize: Decimal = ZERO
    minQty: Decimal = ZERO
    notional: Decimal = ZERO


class Symbol(Struct):
    symbol: str
    contractType: str
    status: str
    baseAsset: str
    quoteAsset: str
    marginAsset: str
    deliveryDate: int  # ms, UTC; of a perpetual the year 2100, until its end has a date
    filters: list[Filter]


class ExchangeInfo(Struct):
    symbols: list[Symbol]


class Commission(Finite):
    """Before any discount for paying in BNB."""

    makerCommissionRate: Decimal
    takerCommissionRate: Decimal


class Position(Finite):
    symbol: str
    positionSide: str  # BOTH in one-way mode
    positionAmt: Decimal  # base, signed
    entryPrice: Decimal
    markPrice: Decimal
    liquidationPrice: Decimal = ZERO  # and where there is none
    initialMargin: Decimal = ZERO


class Mode(Struct):
    dualSidePosition: bool


class SymbolConfig(Struct):
    symbol: str
    marginType: str
    leverage: int


class Income(Finite):
    symbol: str
    income: Decimal
    asset: str
    time: int
    tranId: int


class Time(Struct):
    serverTime: int


def _error_of(body: Any) -> tuple[str, str] | None:
    """A yes of some calls has a code, too: 200."""
    if not isinstance(body, dict) or "code" not in body or "msg" not in body or str(body["code"]) == "200":
        return None
    return str(body["code"]), str(body["msg"])


def _obey(answer: Answer, budgets: Budgets) -> None:
    left_s = 60 - wall_ms() % 60_000 / 1000
    if _count(answer, "x-mbx-used-weight-1m") >= _WEIGHT_PER_MINUTE * _NEARLY:
        budgets.reads.calm(left_s)
        budgets.orders.calm(left_s)
    if _count(answer, "x-mbx-order-count-1m") >= _ORDERS_PER_MINUTE:
        budgets.orders.calm(left_s)
    elif _count(answer, "x-mbx-order-count-10s") >= _ORDERS_PER_10_S:
        budgets.orders.calm(10 - wall_ms() % 10_000 / 1000)


def _count(answer: Answer, header: str) -> int:
    text = answer.headers.get(header, "")
    return int(text) if text.isdecimal() and len(text) < 10 else 0


DIALECT = Dialect(
    error_of=_error_of,
    # -1006 and -1007 say so themselves; the others are the server's own trouble.
    unknown=frozenset({"-1000", "-1001", "-1004", "-1006", "-1007", "-1008", "-1016"}),
    limited=frozenset({"-1003", "-1015"}),
    # ccxt takes a bad key for a ban once a key has worked, and these plain noes for outages.
    refused=frozenset({"-2015", "-1112", "-2020", "-2023"}),
    not_found=frozenset({"-2013"}),
    about_rules=("-1111", "-1013", "-4003", "-4004", "-4013", "-4014", "-4023", "-4164"),
    duplicate=("-4116", "-4111", "is duplicated"),  # by its words, too: no page gives the code for a stop's id
    wait_s=lambda answer: retry_after_s(answer, 120.0 if answer.status == 418 else 10.0),
    obey=_obey,
)
