"""Binance futures' conditional orders as its algo service keeps them: rows, ids and words of their own.

Of their types only STOP is kept here. The order that one makes bears its client id.
"""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from sandbox.venues.binance.wire import number
from sandbox.venues.binance_usdm import rows
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor
from sandbox.venues.orders import End, OrderRequest, Reason, Refused, State
from sandbox.venues.public import symbol_of
from sandbox.venues.spelling import plain
from sandbox.venues.stops import Stop

_FIRST_ID = 1_000_000_000_000_000  # of another series than the orders'
_UNFILLED_KEPT_MS = 3 * 86_400_000


def wish(account: str, query: Mapping[str, str]) -> OrderRequest:
    """Raises Malformed."""
    if query.get("algoType") != "CONDITIONAL":
        raise Malformed("algoType")
    if query.get("type") != "STOP":
        raise Malformed("type")
    if query.get("workingType", "CONTRACT_PRICE") != "CONTRACT_PRICE":  # no mark sets one off here
        raise Malformed("workingType")
    client_id = query.get("clientAlgoId", "")
    as_order = {"timeInForce": "GTC", **query, "type": "LIMIT", "newClientOrderId": client_id}
    return replace(rows.wish(account, as_order), stop=number(query, "triggerPrice"))


def find(floor: Floor, account: str, query: Mapping[str, str]) -> Stop:
    """Raises Malformed, Refused."""
    if "algoId" in query:
        found = floor.find_stop(account, order_id=whole(query, "algoId", 0) - _FIRST_ID)
    elif query.get("clientAlgoId"):
        found = floor.find_stop(account, client_id=query["clientAlgoId"])
    else:
        raise Malformed("algoId")
    if not _is_kept(floor, found):
        raise Refused(Reason.UNKNOWN_ORDER, "too old")
    return found


def cancel(floor: Floor, account: str, query: Mapping[str, str]) -> dict[str, Any]:
    """What has gone off is as unknown as what never was."""
    try:
        stop = find(floor, account, query)
    except Refused as error:
        raise Refused(Reason.ALREADY_CLOSED, error.detail) from error
    if not stop.waits:
        raise Refused(Reason.ALREADY_CLOSED, f"stop {stop.order.id} waits no more")
    floor.cancel(stop.order)
    return {"algoId": _id(stop), "clientAlgoId": stop.order.client_id, "code": "200", "msg": "success"}


def waiting(floor: Floor, account: str, symbol: str | None) -> list[Stop]:
    """Raises Malformed."""
    wanted = None if symbol is None else symbol_of(floor, symbol)
    return [floor.stops.find(account, order_id=order.id) for order in floor.open_stops(account, wanted)]


def every(floor: Floor, account: str, query: Mapping[str, str], limit: int) -> list[Stop]:
    """The last ones, oldest first. Raises Malformed."""
    symbol, first = symbol_of(floor, query.get("symbol")), whole(query, "algoId", 0)
    newest_ms = floor.clock() - floor.faults.lag_ms()
    known = [
        stop
        for stop in reversed(floor.stops.of(account, symbol))
        if stop.order.created_ms <= newest_ms and _id(stop) >= first and _is_kept(floor, stop)
    ]
    return known[:limit] if first else known[-limit:]


def placed_row(stop: Stop) -> dict[str, Any]:
    """As the answer to a placement shows it."""
    order = stop.order
    as_order = rows.order_row(order)
    kept = ("symbol", "side", "positionSide", "timeInForce", "selfTradePreventionMode", "workingType", "priceMatch")
    same = {name: as_order[name] for name in (*kept, "closePosition", "priceProtect", "reduceOnly", "goodTillDate")}
    return same | {
        "algoId": _id(stop),
        "clientAlgoId": order.client_id,
        "algoType": "CONDITIONAL",
        "orderType": "STOP",
        "quantity": as_order["origQty"],
        "algoStatus": status(stop),
        "triggerPrice": plain(order.stop) if order.stop is not None else "0",
        "price": as_order["price"],
        "icebergQuantity": None,
        "createTime": order.created_ms,
        "updateTime": _changed_ms(stop),
        "triggerTime": stop.went_off_ms,
    }


def row(stop: Stop) -> dict[str, Any]:
    """As the queries show it: with what it made."""
    nothing = dict.fromkeys(("tpTriggerPrice", "tpPrice", "slTriggerPrice", "slPrice"), "0.000")
    made = stop.made
    named = {"actualOrderId": str(made.id) if made else "", "actualPrice": plain(made.average) if made else "0.00000"}
    return placed_row(stop) | named | nothing | {"tpOrderType": ""}


def update(stop: Stop) -> dict[str, Any]:
    """`o` of an ALGO_UPDATE."""
    said = row(stop)
    made = stop.made
    return {
        "caid": said["clientAlgoId"],
        "aid": said["algoId"],
        "at": said["algoType"],
        "o": said["orderType"],
        "s": said["symbol"],
        "S": said["side"],
        "ps": "BOTH",
        "f": said["timeInForce"],
        "q": said["quantity"],
        "X": said["algoStatus"],
        "ai": said["actualOrderId"],
        "ap": said["actualPrice"],
        "aq": plain(made.filled) if made else "0",
        "act": "LIMIT" if made else "",
        "tp": said["triggerPrice"],
        "p": said["price"],
        "V": said["selfTradePreventionMode"],
        "wt": said["workingType"],
        "pm": "NONE",
        "cp": False,
        "pP": False,
        "R": said["reduceOnly"],
        "tt": said["triggerTime"],
        "gtd": 0,
    }


def _id(stop: Stop) -> int:
    return _FIRST_ID + stop.order.id


def _changed_ms(stop: Stop) -> int:
    return max(stop.order.updated_ms, stop.made.updated_ms if stop.made else 0)


def _is_kept(floor: Floor, stop: Stop) -> bool:
    """What was cancelled or expired is forgotten after three days."""
    is_old = floor.clock() - stop.order.created_ms > _UNFILLED_KEPT_MS
    return not (is_old and status(stop) == "CANCELED")


def status(stop: Stop) -> str:
    if stop.made is not None:
        return "TRIGGERED" if stop.made.state is State.OPEN else "FINISHED"
    if stop.order.state is State.OPEN:
        return "NEW"
    return "REJECTED" if stop.order.end is End.REFUSED else "CANCELED"
