"""Bithumb's `myOrder` frames, Private v2: what has no value is left out; a last fill is told as trade and as end."""

from collections.abc import Iterator

from sandbox.venues.bithumb.wire import order_id, state_name, type_name
from sandbox.venues.order_streams import Change, Happened
from sandbox.venues.orders import End, State, Tif
from sandbox.venues.spelling import java_double
from sandbox.venues.ticketed import as_object
from sandbox.venues.ticketed_orders import CHANNEL

_CANCELS = {End.USER: "user", End.TIF: "tif_cancel", End.SELF_TRADE: "stp_cancel"}


def my_order(change: Change, now_ms: int) -> Iterator[tuple[str, bytes]]:
    if change.what is not Happened.TRADED:
        yield CHANNEL, _frame(change, state_name(change.order), now_ms)
        return
    yield CHANNEL, _frame(change, "trade", now_ms)
    if change.order.state is State.FILLED:
        yield CHANNEL, _frame(Change(change.order, Happened.ENDED), state_name(change.order), now_ms)


def _frame(change: Change, state: str, now_ms: int) -> bytes:
    order, fill = change.order, change.fill
    row = {
        "type": f'"{CHANNEL}"',
        "stream_type": '"REALTIME"',
        "code": f'"{order.symbol}"',
        "order_id": f'"{order_id(order)}"',
        "side": f'"{order.side.name.lower()}"',
        "order_type": f'"{type_name(order)}"',
        "state": f'"{state}"',
        "order_price": "0.0" if order.price is None else java_double(order.price),
        "order_quantity": "0.0" if order.qty is None else java_double(order.qty),
        "executed_quantity": java_double(order.filled),
        "executed_amount": java_double(order.funds),
        "reserved_fee": "0.0",
        "remaining_fee": "0.0",
        "paid_fee": java_double(order.fee),
        "order_timestamp": str(order.created_ms),
        "timestamp": str(now_ms),
    }
    if order.qty is not None:
        row["remaining_quantity"] = java_double(order.qty - order.filled)
    if order.client_id:
        row["client_order_id"] = f'"{order.client_id}"'
    if order.tif is not Tif.GTC:
        row["time_in_force"] = f'"{order.tif.value}"'
    if order.end is not None:
        row["cancel_type"] = f'"{_CANCELS[order.end]}"'
    if fill is not None:
        row |= {
            "trade_id": f'"C0101{fill.id:015d}"',
            "trade_price": java_double(fill.price),
            "trade_quantity": java_double(fill.qty),
            "trade_amount": java_double(fill.price * fill.qty),
            "trade_timestamp": str(fill.at_ms),
        }
    return as_object(row, None).encode()
