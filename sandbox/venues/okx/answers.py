"""How OKX answers: codes of its refusals and denials, rows in `data`, a code per row where several were asked."""

from collections.abc import Mapping, Sequence

import msgspec
from aiohttp import web

from sandbox.venues.auth import Why
from sandbox.venues.orders import Reason, Refused, Side

_PRICE = ("51006", "Order price is not within the price limit.")
_MINIMUM = ("51020", "Your order should meet or exceed the minimum order amount.")
_ENDED = ("51400", "Cancellation failed as the order has been filled, canceled or does not exist.")
_ERRORS = {
    Reason.UNKNOWN_MARKET: ("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist."),
    Reason.BAD_TICK: ("51000", "Parameter px error"),
    Reason.BAD_LOT: ("51121", "Order quantity must be a multiple of the lot size."),
    Reason.BELOW_MIN_QTY: _MINIMUM,
    Reason.BELOW_MIN_NOTIONAL: _MINIMUM,
    Reason.ABOVE_MAX_NOTIONAL: ("51201", "Value of per market order cannot exceed the maximum."),
    Reason.INSUFFICIENT_FUNDS: ("51008", "Order failed. Insufficient balance or margin in account."),
    Reason.DUPLICATE_CLIENT_ID: ("51016", "Client order ID already exists."),
    Reason.NO_LIQUIDITY: _PRICE,
    Reason.WOULD_TAKE: _PRICE,
    Reason.UNKNOWN_ORDER: ("51603", "Order does not exist"),
    Reason.ALREADY_CLOSED: _ENDED,
    Reason.REDUCE_ONLY: ("51169", "Order failed because you don't have any positions to reduce or close."),
    Reason.BAD_LEVERAGE: ("59102", "Leverage exceeds the maximum limit. Please lower the leverage."),
    Reason.ON_REQUEST: _PRICE,
}
_SWAP_ERRORS = {Reason.BELOW_MIN_QTY: ("51120", "Order quantity is less than the minimum, please try again.")}
_AMEND_ERRORS = {
    Reason.UNKNOWN_ORDER: ("51503", "Order modification failed as the order does not exist."),
    Reason.ALREADY_CLOSED: ("51509", "Order modification failed as the order has been canceled or filled."),
    Reason.INSUFFICIENT_FUNDS: ("51502", "Order modification failed for insufficient margin or balance."),
}
_ALGO_ERRORS = {Reason.DUPLICATE_CLIENT_ID: ("51068", "It already exists within algoClOrdId and attachAlgoClOrdId.")}
_TRIGGERED = {
    Side.BUY: ("51278", "SL trigger price cannot be lower than the last price"),
    Side.SELL: ("51280", "SL trigger price cannot be higher than the last price"),
}
_LEVERAGE_ERRORS = {Reason.INSUFFICIENT_FUNDS: ("59108", "Low leverage and insufficient margin.")}
DENIALS = {
    Why.NO_KEY: ("50103", 'Request header "OK-ACCESS-KEY" can\'t be empty.'),
    Why.UNKNOWN_KEY: ("50111", "Invalid OK-ACCESS-KEY"),
    Why.BAD_SIGNATURE: ("50113", "Invalid Sign"),
    Why.BAD_PASSPHRASE: ("50105", "Request header OK-ACCESS-PASSPHRASE incorrect."),
    Why.BAD_TIMESTAMP: ("50112", "Invalid OK-ACCESS-TIMESTAMP"),
    Why.EXPIRED: ("50102", "Timestamp request expired."),
    Why.AHEAD: ("50102", "Timestamp request expired."),
}
ENDED = _ENDED
OTHER_MODE = "51010"
_MESSAGES = {OTHER_MODE: "You can't complete this request under your current account mode."}


class Failed(Exception):
    """A request whose own answer says no; carries code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def refusal(error: Refused, *, is_swap: bool = False, amending: bool = False) -> tuple[str, str]:
    """Code and message. A fault may have named a code of its own."""
    special = {**(_SWAP_ERRORS if is_swap else {}), **(_AMEND_ERRORS if amending else {})}
    code, message = special.get(error.reason, _ERRORS[error.reason])
    return error.code or code, _MESSAGES.get(error.code, message)


def algo_refusal(error: Refused, *, is_swap: bool) -> tuple[str, str]:
    if error.reason is Reason.WOULD_TRIGGER and error.side is not None:
        return _TRIGGERED[error.side]
    return _ALGO_ERRORS.get(error.reason) or refusal(error, is_swap=is_swap)


def leverage_refusal(error: Refused) -> tuple[str, str]:
    return _LEVERAGE_ERRORS.get(error.reason, _ERRORS[error.reason])


def failed_row(body: Mapping[str, object], code: str, message: str, now_ms: int) -> dict[str, object]:
    ids: dict[str, object] = {"clOrdId": str(body.get("clOrdId") or ""), "ordId": str(body.get("ordId") or "")}
    return ids | {"sCode": code, "sMsg": message, "tag": "", "ts": str(now_ms)}


def operations(rows: list[dict[str, object]]) -> web.Response:
    """`code` 0 where all went well, 1 where none, 2 where some."""
    failed = sum(row["sCode"] != "0" for row in rows)
    if not failed:
        return answer(rows)
    return answer(rows, "1" if failed == len(rows) else "2", "All operations failed" if failed == len(rows) else "")


def answer(data: Sequence[Mapping[str, object]], code: str = "0", message: str = "", status: int = 200) -> web.Response:
    body = msgspec.json.encode({"code": code, "data": data, "msg": message})
    return web.Response(status=status, body=body, content_type="application/json")
