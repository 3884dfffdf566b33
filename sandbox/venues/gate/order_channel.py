"""Gate's private channels, on the same sockets as the books: each subscription is signed by itself."""

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from sandbox.venues.floor import Floor
from sandbox.venues.gate import futures_rows
from sandbox.venues.gate.orders import order_row
from sandbox.venues.order_sockets import say
from sandbox.venues.order_streams import Change, Happened, OrderStreams, Write
from sandbox.venues.orders import State
from sandbox.venues.sockets import Socket

_SPOT = "spot.orders"
_FUTURES, _FUTURES_TRADES = "futures.orders", "futures.usertrades"
_STAMP_S = 60


class _Auth(Struct):
    KEY: str = ""
    SIGN: str = ""


class _Request(Struct):
    channel: str = ""
    event: str = ""
    time: int = 0
    payload: list[str] = []
    auth: _Auth | None = None
    id: int | str | None = None


class OrderChannels:
    """What one floor tells its accounts."""

    def __init__(self, floor: Floor, names: Iterable[str], write: Write, user: str = "") -> None:
        """`user`: the id that a payload must begin with; "" where none is asked for."""
        self._floor = floor
        self._names = frozenset(names)
        self._user = user
        self._streams = OrderStreams(floor, write)

    def join(self, socket: Socket) -> None:
        """Nothing comes before a subscription."""

    def leave(self, socket: Socket) -> None:
        self._streams.leave(socket)

    def hear(self, socket: Socket, text: str) -> bool:
        """False where it is another channel's business."""
        try:
            asked = msgspec.json.decode(text, type=_Request)
        except msgspec.MsgspecError:
            return False
        if asked.channel not in self._names:
            return False
        account = self._account(asked)
        if account is None or (self._user and asked.payload[:1] != [self._user]):
            self._answer(socket, asked, error={"code": 4, "message": "authentication failed"})
            return True
        named = asked.payload[1:] if self._user else asked.payload
        wanted = [] if "!all" in named else named
        if any(symbol not in self._floor.rules.markets for symbol in wanted):
            self._answer(socket, asked, error={"code": 2, "message": "unknown currency pair"})
        elif asked.event == "subscribe":
            self._streams.join(socket, account, asked.channel, wanted)
            self._answer(socket, asked, result={"status": "success"})
        else:
            self._streams.part(socket, asked.channel)
            self._answer(socket, asked, result={"status": "success"})
        return True

    def _account(self, asked: _Request) -> str | None:
        credential = self._floor.keys.get(asked.auth.KEY) if asked.auth is not None else None
        if credential is None or asked.auth is None:
            return None
        if abs(self._floor.clock() // 1_000 - asked.time) > _STAMP_S:
            return None
        signed = f"channel={asked.channel}&event={asked.event}&time={asked.time}"
        expected = hmac.new(credential.secret.encode(), signed.encode(), hashlib.sha512).hexdigest()
        return credential.account if hmac.compare_digest(expected, asked.auth.SIGN) else None

    def _answer(self, socket: Socket, asked: _Request, **said: Any) -> None:
        more = {} if asked.id is None else {"id": asked.id}
        say(socket, {**_head(asked.channel, asked.event, self._floor.clock()), **more, **{"result": None, **said}})


def spot_channels(floor: Floor) -> OrderChannels:
    return OrderChannels(floor, (_SPOT,), lambda change: _spot(change, floor.clock()))


def futures_channels(floor: Floor) -> OrderChannels:
    names = (_FUTURES, _FUTURES_TRADES)
    return OrderChannels(floor, names, lambda change: _futures(change, floor), str(futures_rows.USER))


def _head(channel: str, event: str, now_ms: int) -> dict[str, object]:
    return {"time": now_ms // 1_000, "time_ms": now_ms, "channel": channel, "event": event}


def _update(channel: str, row: dict[str, Any], now_ms: int) -> tuple[str, str]:
    return channel, msgspec.json.encode({**_head(channel, "update", now_ms), "result": [row]}).decode()


def _spot(change: Change, now_ms: int) -> Iterator[tuple[str, str]]:
    order = change.order
    row = order_row(order)
    is_over = change.what is Happened.ENDED or order.state is State.FILLED
    event = "put" if change.what is Happened.PLACED else "finish" if is_over else "update"
    for name in ("create_time_ms", "update_time_ms"):
        row[name] = str(row[name])
    row |= {"event": event, "user": 10_001, "stp_id": 0, "stp_act": "-", "biz_info": "-", "amend_text": "-"}
    del row["status"]  # REST alone shows it
    yield _update(_SPOT, row, now_ms)


def _futures(change: Change, floor: Floor) -> Iterator[tuple[str, str]]:
    """The trade first, then the order that it belongs to; an order's own frame names no fee."""
    order, fill, now_ms = change.order, change.fill, floor.clock()
    if fill is not None:
        trade = futures_rows.trade_row(order, fill, floor.stops)
        yield _update(_FUTURES_TRADES, trade | {"id": str(trade["id"]), "create_time_ms": fill.at_ms}, now_ms)
    row = futures_rows.order_row(order, floor.stops)
    ended = {} if order.state is State.OPEN else {"finish_time_ms": order.updated_ms}
    yield _update(_FUTURES, row | ended | {"create_time_ms": order.created_ms}, now_ms)
