"""OKX's `orders` channel: one push for every change, with the fill that made it; no first snapshot."""

from collections.abc import Iterator

import msgspec

from sandbox.venues.floor import Floor
from sandbox.venues.okx.wire import kind_of, order_row
from sandbox.venues.order_streams import Change
from sandbox.venues.spelling import plain

CHANNEL = "orders"


def orders_push(change: Change, floor: Floor) -> Iterator[tuple[str, str]]:
    fill = change.fill
    told = {
        "fillPx": plain(fill.price) if fill else "",
        "fillSz": plain(fill.qty) if fill else "0",
        "fillTime": str(fill.at_ms) if fill else "",
        "fillFee": plain(-fill.fee) if fill else "0",
        "fillFeeCcy": fill.fee_asset if fill else "",
        "fillPnl": plain(fill.realised) if fill else "0",
        "fillNotionalUsd": "",
        "tradeId": str(fill.id) if fill else "",
        "execType": ("M" if fill.maker else "T") if fill else "",
        "amendResult": "",
        "reqId": "",
        "code": "0",
        "msg": "",
        "notionalUsd": "",
    }
    row = order_row(change.order, floor) | told
    arg = {"channel": CHANNEL, "instType": kind_of(change.order.symbol), "uid": "77982378738415879"}
    yield CHANNEL, msgspec.json.encode({"arg": arg, "data": [row]}).decode()
