"""What Bybit's private REST answers, and how it says no: alike for every category. Source: Bybit v5, Trade."""

from decimal import Decimal
from enum import StrEnum
from typing import Any, Generic, Literal, TypeVar

from msgspec import Struct

from engine.domain.order import OrderReport, OrderStatus, Side
from engine.venues.ccxt_orders import wall_ms
from engine.venues.reports import Finite, unfilled
from engine.venues.verdict import Answer, Budgets, Dialect

T = TypeVar("T")

_IP_BAN_S = 600.0  # an address that asks too much is shut out with HTTP 403 for ten minutes
_LONGEST_CALM_S = 5.0


class State(StrEnum):
    NEW = "New"
    CREATED = "Created"
    PARTIALLY_FILLED = "PartiallyFilled"
    UNTRIGGERED = "Untriggered"
    TRIGGERED = "Triggered"
    FILLED = "Filled"
    CANCELLED = "Cancelled"
    PARTIALLY_FILLED_CANCELED = "PartiallyFilledCanceled"
    DEACTIVATED = "Deactivated"
    REJECTED = "Rejected"  # a post-only that would take, too


ENDED = {
    State.FILLED: OrderStatus.FILLED,
    State.CANCELLED: OrderStatus.CANCELLED,
    State.PARTIALLY_FILLED_CANCELED: OrderStatus.CANCELLED,
    State.DEACTIVATED: OrderStatus.CANCELLED,
    State.REJECTED: OrderStatus.CANCELLED,  # accepted first, ended by the venue without a trade
}


class Result(Struct, Generic[T]):
    result: T


class Page(Struct, Generic[T]):
    list: list[T]
    nextPageCursor: str = ""


class Placed(Struct):
    orderId: str


class Order(Struct):
    symbol: str
    orderId: str
    orderLinkId: str
    side: Literal["Buy", "Sell"]
    orderStatus: State
    cumExecQty: str  # number fields may be empty text
    cumExecValue: str
    updatedTime: int
    triggerPrice: str | None = None  # of a stop


NOT_YET = (State.UNTRIGGERED, State.TRIGGERED)


def rests(row: Any) -> bool:
    """Of a row of the open orders: it is an order by now; a state that nobody has explained is none."""
    word = row.get("orderStatus") if isinstance(row, dict) else None
    return isinstance(word, str) and word in set(State) - set(NOT_YET)


def waiting(venue: str, row: Any) -> OrderReport:
    """Of a row that is no order yet, whatever it says: one that is odd must not hide the others."""
    texts = {name: value for name, value in row.items() if isinstance(value, str)} if isinstance(row, dict) else {}
    side = Side.SELL if texts.get("side", "").lower() == Side.SELL.value else Side.BUY
    symbol, cid, number = (texts.get(name, "") for name in ("symbol", "orderLinkId", "orderId"))
    return unfilled(venue, symbol, side, cid, number, OrderStatus.OPEN)


class Fill(Finite):
    execQty: Decimal
    execFee: Decimal
    feeCurrency: str = ""  # empty on some contracts: they settle in what they are quoted in


class Coin(Struct):
    coin: str
    walletBalance: str
    locked: str  # by spot orders
    equity: str = ""  # with unrealised results
    totalOrderIM: str = ""
    totalPositionIM: str = ""


class Account(Struct):
    coin: list[Coin]


class Rate(Finite):
    takerFeeRate: Decimal
    makerFeeRate: Decimal


class Prices(Finite):
    tickSize: Decimal


class Time(Struct):
    timeNano: int


def _error_of(body: Any) -> tuple[str, str] | None:
    """Errors ride in HTTP 200."""
    code = str(body.get("retCode", "0")) if isinstance(body, dict) else "0"
    return None if code == "0" else (code, str(body.get("retMsg", "")))


def _obey(answer: Answer, budgets: Budgets) -> None:
    """`X-Bapi-Limit-Status`: calls left of this endpoint's second. Which endpoint is not said: both budgets rest."""
    if answer.headers.get("x-bapi-limit-status") != "0":
        return
    reset = answer.headers.get("x-bapi-limit-reset-timestamp", "")
    left_s = (int(reset) - wall_ms()) / 1000 if reset.isdecimal() and len(reset) < 16 else 1.0
    for budget in (budgets.orders, budgets.reads):
        budget.calm(min(max(left_s, 0.1), _LONGEST_CALM_S))


def _wait_s(answer: Answer) -> float:
    return _IP_BAN_S if answer.status == 403 else 1.0  # windows are a second long


DIALECT = Dialect(
    error_of=_error_of,
    # 10000 and 170007 are timeouts behind the door, 170146 says that creating took too long; the rest is its trouble.
    unknown=frozenset(
        {"10000", "10016", "10019", "170001", "170007", "170032", "170035", "170146", "170149", "170234"}
    ),
    limited=frozenset({"10006", "10018", "10403", "10429", "170005", "170222"}),
    not_found=frozenset({"110001", "170213"}),
    duplicate=("170141", "110072", "12141"),
    wait_s=_wait_s,
    obey=_obey,
)
