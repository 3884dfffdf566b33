"""OKX's private socket for placements: login, then `op: order`. Source: OKX API v5 reference, WS Place order.

Its answers have the shape of REST's. A market is named by the number that /public/instruments gives it.
"""

from typing import Any

import msgspec
from msgspec import Struct

from engine.domain.errors import BadFrame
from engine.net.ws import Heartbeat
from engine.venues.line import Params
from engine.venues.okx.signing import login
from engine.venues.settings import Key, OrderSettings
from engine.venues.socket_line import LOGIN, Heard
from engine.venues.verdict import Answer, exact_json

_PONG = b"pong"


class _Frame(Struct):
    id: str = ""
    event: str = ""  # login, error, notice …: no answer to an operation, but for an error with its id
    op: str = ""
    code: str = "0"
    msg: str = ""


_frame = msgspec.json.Decoder(_Frame)


class OkxOrderDialect:
    """`codes` are the markets that the venue has numbered for us; another one's placements go by REST."""

    path = "trade/order"
    heartbeat = Heartbeat(every_ms=10_000, idle_ms=2_000, text=b"ping", pong=_PONG)

    def __init__(self, config: OrderSettings, credential: Key, venue: str = "okx") -> None:
        self.venue = venue
        self.codes: dict[str, int] = {}
        self._base = config.order_ws_base or config.ws_base
        self._key = credential.key
        self._secret = credential.secret.encode()
        self._passphrase = credential.passphrase
        self._expiry_ms = config.order_timeout_ms

    def url(self) -> str:
        return f"{self._base.rstrip('/')}/ws/v5/private"

    def login(self, wall_ms: int) -> bytes | None:
        stamp_s = wall_ms // 1000
        arg = {
            "apiKey": self._key,
            "passphrase": self._passphrase,
            "timestamp": str(stamp_s),
            "sign": login(self._secret, stamp_s),
        }
        return msgspec.json.encode({"op": "login", "args": [arg]})

    def can_say(self, params: Params) -> bool:
        return params.get("instId") in self.codes

    def write(self, key: str, params: Params, stamp_ms: int) -> bytes:
        arg: dict[str, Any] = {"instIdCode": self.codes[params["instId"]], **params}
        # Past this moment of its own clock the venue drops the order unprocessed.
        expires = str(stamp_ms + self._expiry_ms)
        return msgspec.json.encode({"id": key, "op": "order", "expTime": expires, "args": [arg]})

    def read(self, frame: bytes) -> Heard | None:
        if frame == _PONG:
            return None
        try:
            wire, body = _frame.decode(frame), exact_json(frame.decode())
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise BadFrame(f"okx order socket: {error}") from error
        text = frame.decode("utf-8", "replace")
        if wire.event == "login" or (wire.event == "error" and not wire.id):
            return Heard(LOGIN, Answer(200 if wire.event == "login" and wire.code == "0" else 401, {}, body, text))
        is_answer = bool(wire.id) and (wire.op == "order" or wire.event == "error")
        return Heard(wire.id, Answer(200, {}, body, text)) if is_answer else None
