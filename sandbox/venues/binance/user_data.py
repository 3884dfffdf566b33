"""Binance's user data events: the account's position and an execution report for every change of an order."""

from collections.abc import Iterator

import msgspec

from sandbox.venues.binance.wire import order_row
from sandbox.venues.floor import Floor
from sandbox.venues.ledger import ZERO
from sandbox.venues.order_streams import Change, Happened
from sandbox.venues.orders import End, Kind, Order
from sandbox.venues.spelling import fixed

CHANNEL = "user"
_CANCEL_ID = "sandboxCancel{}"  # a cancel has a client id of its own; the order's is then in `C`


def user_data(floor: Floor, change: Change) -> Iterator[tuple[str, str]]:
    now_ms = floor.clock()
    yield CHANNEL, _framed(execution_report(change, now_ms))
    rules = floor.rules.markets[change.order.symbol]
    balances = floor.ledger.balances(change.order.account)
    touched = [(asset, balances[asset]) for asset in (rules.base, rules.quote) if asset in balances]
    rows = [{"a": asset, "f": fixed(held.free), "l": fixed(held.held)} for asset, held in touched]
    yield CHANNEL, _framed({"e": "outboundAccountPosition", "E": now_ms, "u": now_ms, "B": rows})


def execution_report(change: Change, now_ms: int) -> dict[str, object]:
    order, fill = change.order, change.fill
    row = order_row(order)
    by_user = change.what is Happened.ENDED and order.end is End.USER
    return {
        "e": "executionReport",
        "E": now_ms,
        "s": order.symbol,
        "c": _CANCEL_ID.format(order.id) if by_user else order.client_id,
        "S": order.side.name,
        "o": row["type"],
        "f": row["timeInForce"],
        "q": row["origQty"],
        "p": row["price"],
        "P": row["stopPrice"],
        "F": fixed(ZERO),
        "g": -1,
        "C": order.client_id if by_user else "",
        "x": _execution(change),
        "X": row["status"],
        "r": "NONE",
        "i": order.id,
        "l": fixed(fill.qty if fill else ZERO),
        "z": fixed(order.filled),
        "L": fixed(fill.price if fill else ZERO),
        "n": fixed(fill.fee) if fill else "0",
        "N": fill.fee_asset if fill else None,
        "T": order.updated_ms,
        "t": fill.id if fill else -1,
        "I": 8_641_984 + order.id,
        "w": change.what is Happened.PLACED and order.kind is Kind.LIMIT,
        "m": bool(fill and fill.maker),
        "M": False,
        "O": order.created_ms,
        "Z": fixed(order.funds),
        "Y": fixed(fill.price * fill.qty if fill else ZERO),
        "Q": fixed(order.budget or ZERO),
        "W": order.created_ms,
        "V": row["selfTradePreventionMode"],
    }


def _execution(change: Change) -> str:
    if change.what is Happened.PLACED:
        return "NEW"
    return "TRADE" if change.what is Happened.TRADED else _ending(change.order)


def _ending(order: Order) -> str:
    return {End.USER: "CANCELED", End.TIF: "EXPIRED", End.SELF_TRADE: "TRADE_PREVENTION"}.get(order.end or End.TIF, "")


def _framed(event: dict[str, object]) -> str:
    return msgspec.json.encode({"subscriptionId": 0, "event": event}).decode()
