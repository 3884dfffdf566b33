"""Bybit's trade socket for placements: `auth`, then `order.create`. Source: Bybit V5 API, Websocket Trade Guideline.

Its answers become the REST answers that they stand for.
"""

from typing import Any

import msgspec
from msgspec import Struct

from engine.domain.errors import BadFrame
from engine.net.ws import Heartbeat
from engine.venues.bybit.signing import login
from engine.venues.line import Params
from engine.venues.settings import Key, OrderSettings
from engine.venues.socket_line import LOGIN, Heard
from engine.venues.verdict import Answer

_LOGIN_VALID_MS = 10_000


class _Frame(Struct):
    op: str = ""
    reqId: str = ""
    retCode: int = 0
    retMsg: str = ""
    data: Any = None
    header: dict[str, str] = {}


_frame = msgspec.json.Decoder(_Frame)


class BybitOrderDialect:
    path = "v5/order/create"
    heartbeat = Heartbeat(every_ms=10_000, idle_ms=2_000, text=b'{"op":"ping"}', pong=b'"pong"')

    def __init__(self, config: OrderSettings, credential: Key, recv_window_ms: int, venue: str = "bybit") -> None:
        self.venue = venue
        self._base = config.order_ws_base or config.ws_base
        self._key = credential.key
        self._secret = credential.secret.encode()
        self._recv_window = str(recv_window_ms)

    def url(self) -> str:
        return f"{self._base.rstrip('/')}/v5/trade"

    def login(self, wall_ms: int) -> bytes | None:
        expires_ms = wall_ms + _LOGIN_VALID_MS
        args = [self._key, expires_ms, login(self._secret, expires_ms)]
        return msgspec.json.encode({"op": "auth", "args": args})

    def can_say(self, params: Params) -> bool:
        return True

    def write(self, key: str, params: Params, stamp_ms: int) -> bytes:
        header = {"X-BAPI-TIMESTAMP": str(stamp_ms), "X-BAPI-RECV-WINDOW": self._recv_window}
        return msgspec.json.encode({"reqId": key, "header": header, "op": "order.create", "args": [params]})

    def read(self, frame: bytes) -> Heard | None:
        try:
            wire = _frame.decode(frame)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise BadFrame(f"{self.venue} order socket: {error}") from error
        text = frame.decode("utf-8", "replace")
        if wire.op == "auth":
            return Heard(LOGIN, Answer(200 if wire.retCode == 0 else 401, {}, None, text))
        if wire.op != "order.create" or not wire.reqId:
            return None
        body = {"retCode": wire.retCode, "retMsg": wire.retMsg, "result": wire.data}
        headers = {name.lower(): value for name, value in wire.header.items()}
        return Heard(wire.reqId, Answer(200, headers, body, text))
