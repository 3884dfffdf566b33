"""Bithumb's JSON: `order_type` in requests, `ord_type` in answers; an IOC that filled partly is `done`."""

import re
from collections.abc import Mapping

from sandbox.venues.door import Malformed
from sandbox.venues.orders import End, Kind, Order, OrderRequest, Reason, Refused, Side, State, Tif
from sandbox.venues.spelling import kst, plain
from sandbox.venues.upbit.wire import choice, number

_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")


def wish(account: str, body: Mapping[str, object]) -> OrderRequest:
    """Raises Malformed."""
    side = choice(body, "side", {"bid": Side.BUY, "ask": Side.SELL})
    kinds = {"limit": Kind.LIMIT, "price": Kind.BUDGET, "market": Kind.MARKET, "best": Kind.BEST}
    kind = choice(body, "order_type", kinds)
    by_money = kind is Kind.BUDGET or (kind is Kind.BEST and side is Side.BUY)
    if kind in (Kind.BUDGET, Kind.MARKET) and (kind is Kind.BUDGET) != (side is Side.BUY):
        raise Malformed("order_type")
    tif = choice(body, "time_in_force", {"ioc": Tif.IOC, "fok": Tif.FOK, "post_only": Tif.POST_ONLY, "": Tif.GTC})
    if (tif is Tif.GTC and kind is Kind.BEST) or (tif is Tif.POST_ONLY and kind is not Kind.LIMIT):
        raise Malformed("time_in_force")
    client_id = str(body.get("client_order_id") or "")
    if client_id and not _CLIENT_ID.fullmatch(client_id):
        raise Malformed("client_order_id")
    return OrderRequest(
        account=account,
        symbol=str(body.get("market", "")),
        side=side,
        kind=kind,
        tif=tif,
        price=number(body, "price") if kind is Kind.LIMIT else None,
        budget=number(body, "price") if by_money else None,
        qty=None if by_money else number(body, "volume"),
        client_id=client_id,
    )


def order_id(order: Order) -> str:
    return f"C0101{order.id:015d}"


def order_number(text: str) -> int:
    """Raises Refused for what was never an order's id."""
    if not re.fullmatch(r"C0101\d{15}", text):
        raise Refused(Reason.UNKNOWN_ORDER, text)
    return int(text[5:])


def placed_row(order: Order) -> dict[str, object]:
    """The answer to a placement: no word about fills."""
    row: dict[str, object] = {
        "order_id": order_id(order),
        "market": order.symbol,
        "side": order.side.value,
        "order_type": type_name(order),
        "created_at": kst(order.created_ms),
        "stp_type": "cancel_taker",
    }
    return row | {"client_order_id": order.client_id} if order.client_id else row


def order_row(order: Order) -> dict[str, object]:
    row: dict[str, object] = {
        "uuid": order_id(order),
        "side": order.side.value,
        "ord_type": type_name(order),
        "price": plain(order.budget) if order.budget is not None else order.price and plain(order.price),
        "state": state_name(order),
        "market": order.symbol,
        "created_at": kst(order.created_ms),
        "volume": None if order.qty is None else plain(order.qty),
        "remaining_volume": None if order.qty is None else plain(order.open_qty),
        "reserved_fee": "0",
        "remaining_fee": "0",
        "paid_fee": plain(order.fee),
        "locked": plain(order.held),
        "executed_volume": plain(order.filled),
        "executed_funds": plain(order.funds),
        "trades_count": len(order.fills),
        "stp_type": "cancel_taker",
    }
    if order.tif is not Tif.GTC:
        row["time_in_force"] = order.tif.value
    if order.client_id:
        row["client_order_id"] = order.client_id
    if order.end is not None:
        row["cancel_type"] = {End.USER: "user", End.TIF: "tif_cancel", End.SELF_TRADE: "stp_cancel"}[order.end]
    return row


def trade_rows(order: Order) -> list[dict[str, object]]:
    return [
        {
            "market": order.symbol,
            "uuid": f"C0101{fill.id:015d}",
            "price": plain(fill.price),
            "volume": plain(fill.qty),
            "funds": plain(fill.price * fill.qty),
            "side": order.side.value,
            "created_at": kst(fill.at_ms),
        }
        for fill in order.fills
    ]


def type_name(order: Order) -> str:
    return "price" if order.kind is Kind.BUDGET else order.kind.value


def state_name(order: Order) -> str:
    if order.state is State.OPEN:
        return "wait"
    partly = order.end is End.TIF and order.filled > 0
    return "done" if order.state is State.FILLED or partly else "cancel"
