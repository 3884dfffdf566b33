"""Upbit's `myOrder` frames: numbers are doubles, the last fill of an order is told as a trade and then as its end."""

from collections.abc import Iterator
from uuid import UUID

from sandbox.venues.order_streams import Change, Happened
from sandbox.venues.orders import Kind, State
from sandbox.venues.spelling import fixed, java_double
from sandbox.venues.ticketed import as_object
from sandbox.venues.ticketed_orders import CHANNEL
from sandbox.venues.upbit.wire import order_row, order_uuid


def my_order(change: Change, now_ms: int) -> Iterator[tuple[str, bytes]]:
    if change.what is not Happened.TRADED:
        yield CHANNEL, _frame(change, _state(change), now_ms)
        return
    yield CHANNEL, _frame(change, "trade", now_ms)
    if change.order.state is State.FILLED:
        yield CHANNEL, _frame(Change(change.order, Happened.ENDED), _state(change), now_ms)


def _state(change: Change) -> str:
    return str(order_row(change.order)["state"])


def _frame(change: Change, state: str, now_ms: int) -> bytes:
    order, fill = change.order, change.fill
    price = fill.price if fill else order.price if order.price is not None else order.budget
    volume = fill.qty if fill else order.qty
    row: dict[str, str] = {
        "type": f'"{CHANNEL}"',
        "code": f'"{order.symbol}"',
        "uuid": f'"{order_uuid(order.id)}"',
        "ask_bid": f'"{order.side.value.upper()}"',
        "order_type": f'"{"price" if order.kind is Kind.BUDGET else order.kind.value}"',
        "state": f'"{state}"',
        "trade_uuid": f'"{UUID(int=(fill.id << 64) + order.id)}"' if fill else "null",
        "price": "null" if price is None else java_double(price),
        "avg_price": java_double(round(order.average, 8)),
        "volume": "null" if volume is None else fixed(volume),
        "remaining_volume": "null" if order.qty is None else fixed(order.qty - order.filled),
        "executed_volume": fixed(order.filled),
        "trades_count": str(len(order.fills)),
        "reserved_fee": "0.0",
        "remaining_fee": "0.0",
        "paid_fee": java_double(order.fee),
        "locked": java_double(order.held),
        "executed_funds": java_double(order.funds),
        "trade_fee": java_double(fill.fee) if fill else "null",
        "is_maker": str(fill.maker).lower() if fill else "null",
        "identifier": f'"{order.client_id}"' if order.client_id else "null",
        "smp_type": "null",
        "time_in_force": "null" if order.tif.value == "gtc" else f'"{order.tif.value}"',
        "trade_timestamp": str(fill.at_ms) if fill else "null",
        "order_timestamp": str(order.created_ms),
        "timestamp": str(now_ms),
        "stream_type": '"REALTIME"',
    }
    return as_object(row, None).encode()
