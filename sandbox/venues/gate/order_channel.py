"""Gate's `spot.orders`, on the same socket as the books: each subscription is signed by itself."""

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from sandbox.venues.floor import Floor
from sandbox.venues.gate.orders import order_row
from sandbox.venues.order_sockets import say
from sandbox.venues.order_streams import Change, Happened, OrderStreams
from sandbox.venues.orders import State
from sandbox.venues.sockets import Socket

_CHANNEL = "spot.orders"
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


class OrderChannel:
    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._streams = OrderStreams(floor, self._frames)

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
        if asked.channel != _CHANNEL:
            return False
        account = self._account(asked)
        if account is None:
            self._answer(socket, asked, error={"code": 4, "message": "authentication failed"})
            return True
        wanted = [] if "!all" in asked.payload else asked.payload
        if any(symbol not in self._floor.rules.markets for symbol in wanted):
            self._answer(socket, asked, error={"code": 2, "message": "unknown currency pair"})
        elif asked.event == "subscribe":
            self._streams.join(socket, account, _CHANNEL, wanted)
            self._answer(socket, asked, result={"status": "success"})
        else:
            self._streams.part(socket, _CHANNEL)
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
        say(socket, {**self._head(asked.event), **more, **{"result": None, **said}})

    def _head(self, event: str) -> dict[str, object]:
        now_ms = self._floor.clock()
        return {"time": now_ms // 1_000, "time_ms": now_ms, "channel": _CHANNEL, "event": event}

    def _frames(self, change: Change) -> Iterator[tuple[str, str]]:
        order = change.order
        row = order_row(order)
        is_over = change.what is Happened.ENDED or order.state is State.FILLED
        event = "put" if change.what is Happened.PLACED else "finish" if is_over else "update"
        for name in ("create_time_ms", "update_time_ms"):
            row[name] = str(row[name])
        row |= {"event": event, "user": 10_001, "stp_id": 0, "stp_act": "-", "biz_info": "-", "amend_text": "-"}
        del row["status"]  # REST alone shows it
        yield _CHANNEL, msgspec.json.encode({**self._head("update"), "result": [row]}).decode()
