"""What spot and futures share of KuCoin's private REST: shapes, and how it says no. Source: KuCoin API."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from engine.domain.errors import VenueUnavailable
from engine.domain.order import OrderReport, OrderStatus, Side
from engine.venues.reports import Finite, unfilled
from engine.venues.verdict import Answer, Budgets, Dialect, retry_after_s

T = TypeVar("T")

BPS_PER_ONE = 10_000
_NO_ORDER = "order_not_exist"


class Data(Struct, Generic[T]):
    data: T


class Placed(Struct):
    orderId: str


class Rate(Finite):
    symbol: str
    takerFeeRate: Decimal
    makerFeeRate: Decimal


def waiting(venue: str, row: Any) -> OrderReport:
    """Of a stop that waits, whatever its row says: one that is odd must not hide the others."""
    texts = {name: value for name, value in row.items() if isinstance(value, str)} if isinstance(row, dict) else {}
    side = Side.SELL if texts.get("side", "").lower() == Side.SELL.value else Side.BUY
    symbol, cid, number = (texts.get(name, "") for name in ("symbol", "clientOid", "id"))
    return unfilled(venue, symbol, side, cid, number, OrderStatus.OPEN)


def ours(venue: str, rows: Sequence[Any], cid: str, shape: type[T]) -> list[T]:
    """Those of a list that bear this client id; the others may say what they want. Raises VenueUnavailable."""
    try:
        named = [row for row in rows if isinstance(row, dict) and row.get("clientOid") == cid]
        return [msgspec.convert(row, shape, strict=False) for row in named]
    except msgspec.ValidationError as error:
        raise VenueUnavailable(f"{venue}: {cid} is listed and cannot be read: {error}") from error


def _error_of(body: Any) -> tuple[str, str] | None:
    """Errors ride in HTTP 200. A missing order shares its code with bad parameters: its text tells them apart."""
    code = str(body.get("code", "200000")) if isinstance(body, dict) else "200000"
    if code in ("200000", "200"):
        return None
    text = str(body.get("msg", ""))
    is_missing = any(word in text.lower().replace("_", " ") for word in ("order not exist", "order does not exist"))
    return (_NO_ORDER if is_missing else code), text


def _obey(answer: Answer, budgets: Budgets) -> None:
    """`gw-ratelimit-remaining` counts a pool of thirty seconds down; who has used it up waits for its end."""
    if answer.headers.get("gw-ratelimit-remaining") == "0":
        budgets.reads.calm(_reset_s(answer, 1.0))


def _reset_s(answer: Answer, default_s: float) -> float:
    text = answer.headers.get("gw-ratelimit-reset", "")
    return max(int(text) / 1000, 0.1) if text.isdecimal() and len(text) < 8 else default_s


DIALECT = Dialect(
    error_of=_error_of,
    # Timeouts behind the door, and its own trouble.
    unknown=frozenset({"408000", "500000", "503000", "230005"}),
    limited=frozenset({"429000", "429", "200002"}),
    not_found=frozenset({_NO_ORDER, "100001", "126043"}),
    duplicate=("uplicate", "126044", "126033", "300018"),
    wait_s=lambda answer: retry_after_s(answer, _reset_s(answer, 10.0)),
    obey=_obey,
)
