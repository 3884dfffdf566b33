"""OKX's answers about one account: orders, fills, balances, rules, fees, and its codes. Source: OKX API v5."""

from enum import StrEnum
from typing import Any

from msgspec import Struct

from engine.domain.order import OrderStatus
from engine.venues.verdict import Answer, Budgets, Dialect, retry_after_s


class State(StrEnum):
    LIVE = "live"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    MMP_CANCELED = "mmp_canceled"


STATUS = {
    State.LIVE: OrderStatus.OPEN,
    State.PARTIALLY_FILLED: OrderStatus.OPEN,
    State.FILLED: OrderStatus.FILLED,
    State.CANCELED: OrderStatus.CANCELLED,
    State.MMP_CANCELED: OrderStatus.CANCELLED,
}


class Placed(Struct):
    ordId: str
    ts: int = 0


class Placement(Struct):
    data: list[Placed]


class Order(Struct):
    instId: str
    ordId: str
    clOrdId: str
    state: State
    side: str
    accFillSz: str  # number fields may be empty text
    uTime: int
    algoId: str = ""
    algoClOrdId: str = ""  # of the stop that made it

    @property
    def cid(self) -> str:
        """Ours, where it has one: what a stop makes bears a `clOrdId` of the venue's own, or none."""
        return self.algoClOrdId or self.clOrdId


class Orders(Struct):
    data: list[Order]


class Fill(Struct):
    fillSz: str
    fillPx: str
    fee: str  # negative: paid by us
    feeCcy: str
    billId: str


class Fills(Struct):
    data: list[Fill]


class Detail(Struct):
    """One asset. Of an account with margin, `availEq` is what may become margin; without, it is empty."""

    ccy: str
    availBal: str
    cashBal: str  # without what open positions have won or lost
    availEq: str = ""


class Details(Struct):
    details: list[Detail]


class Account(Struct):
    data: list[Details]


class Market(Struct):
    """`public/instruments`. Sizes of a swap count contracts; its base and quote stand in other fields."""

    instId: str
    baseCcy: str
    quoteCcy: str
    tickSz: str
    lotSz: str
    minSz: str
    instIdCode: int | None = None  # what the order socket calls it
    ctVal: str = ""
    ctMult: str = ""
    ctValCcy: str = ""
    ctType: str = ""  # linear | inverse
    settleCcy: str = ""


class Markets(Struct):
    data: list[Market]


class Rate(Struct):
    """Negative: paid by us. The fields that end in U are of contracts margined in USDT."""

    maker: str
    taker: str
    makerU: str = ""
    takerU: str = ""


class Rates(Struct):
    data: list[Rate]


class Clock(Struct):
    ts: int


class Time(Struct):
    data: list[Clock]


def error_of(body: Any) -> tuple[str, str] | None:
    """The first row's own code where there is one: the outer code then only says that something failed."""
    if not isinstance(body, dict):
        return None
    rows = body.get("data") or []
    first = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
    if first.get("sCode", "0") != "0":
        return str(first["sCode"]), str(first.get("sMsg", ""))
    code = str(body.get("code", "0"))
    return None if code == "0" else (code, str(body.get("msg", "")))


def _obey(answer: Answer, budgets: Budgets) -> None:
    """The venue sends no limit headers."""


DIALECT = Dialect(
    error_of=error_of,
    # 50004, 51149 and 51054 are timeouts behind the door; 50001, 50013, 50026 and a socket's 64007 are its own trouble.
    unknown=frozenset({"50001", "50004", "50005", "50013", "50026", "51054", "51149", "64007"}),
    limited=frozenset({"50011", "50040", "50061", "60014"}),
    not_found=frozenset({"51603"}),
    about_rules=("51000 Parameter px", "51020", "51120", "51121"),
    duplicate=("51016", "51065", "51068"),  # the latter two of stops: the reference has both, clients meet the second
    wait_s=lambda answer: retry_after_s(answer, 2.0),  # its windows are two seconds long
    obey=_obey,
)
