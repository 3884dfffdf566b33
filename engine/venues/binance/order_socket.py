"""Binance's socket for placements: `order.place`, signed one by one. Source: binance-spot-api-docs, WebSocket API.

Spot and futures speak it alike, at hosts and paths of their own. Its answers carry what REST says in headers; here they
become the REST answer again.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from engine.domain.errors import BadFrame
from engine.net.ws import Heartbeat
from engine.venues.binance.signing import query_text, signer
from engine.venues.line import Params
from engine.venues.settings import Key, OrderSettings
from engine.venues.socket_line import Heard
from engine.venues.verdict import Answer, exact_json


class Place(Struct, frozen=True):
    """Where one product's orders are taken. The host follows from that of the streams; one not named is both."""

    venue: str
    path: str
    hosts: Mapping[str, str]


SPOT = Place(
    "binance",
    "/ws-api/v3",
    {
        "stream.binance.com": "wss://ws-api.binance.com:443",
        "demo-stream.binance.com": "wss://demo-ws-api.binance.com:443",
        "stream.testnet.binance.vision": "wss://ws-api.testnet.binance.vision:443",
    },
)
USDM = Place("binance_usdm", "/ws-fapi/v1", {"fstream.binance.com": "wss://ws-fapi.binance.com"})
_HEADERS = {
    ("REQUEST_WEIGHT", "MINUTE", 1): "x-mbx-used-weight-1m",
    ("ORDERS", "SECOND", 10): "x-mbx-order-count-10s",
    ("ORDERS", "MINUTE", 1): "x-mbx-order-count-1m",
}


class _Limit(Struct):
    rateLimitType: str
    interval: str
    intervalNum: int
    count: int = 0


class _Wait(Struct):
    serverTime: int = 0
    retryAfter: int = 0  # ms, UTC


class _Error(Struct):
    code: int
    msg: str
    data: _Wait | None = None


class _Frame(Struct):
    id: str | int | None = None  # None: no request could be read out of what we sent
    status: int = 0  # 0: an event, which answers nothing
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _Error | None = None
    rateLimits: list[_Limit] = []


_frame = msgspec.json.Decoder(_Frame)


def socket_base(config: OrderSettings, place: Place = SPOT) -> str:
    """Of the WebSocket API, which carries placements; of spot its user data, too."""
    return config.order_ws_base or place.hosts.get(urlsplit(config.ws_base).hostname or "", config.ws_base)


class BinanceOrderDialect:
    path = "order"
    # The venue pings every 20 s; ours ask sooner whether it is still there.
    heartbeat = Heartbeat(every_ms=10_000, idle_ms=2_000)

    def __init__(self, config: OrderSettings, credential: Key, recv_window_ms: int, place: Place = SPOT) -> None:
        self.venue = place.venue
        self._url = socket_base(config, place).rstrip("/") + place.path
        self._key = credential.key
        self._sign = signer(credential.secret)
        self._recv_window_ms = recv_window_ms

    def url(self) -> str:
        return self._url

    def login(self, wall_ms: int) -> bytes | None:
        return None

    def can_say(self, params: Params) -> bool:
        return True

    def write(self, key: str, params: Params, stamp_ms: int) -> bytes:
        signed: dict[str, Any] = {
            **params,
            "apiKey": self._key,
            "recvWindow": self._recv_window_ms,
            "timestamp": stamp_ms,
        }
        signed["signature"] = self._sign(query_text(sorted(signed.items())).encode())
        return msgspec.json.encode({"id": key, "method": "order.place", "params": signed})

    def read(self, frame: bytes) -> Heard | None:
        try:
            wire = _frame.decode(frame)
            body = exact_json(bytes(wire.result).decode()) if wire.error is None else None
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise BadFrame(f"{self.venue} order socket: {error}") from error
        if wire.status == 0:
            return None
        headers = {
            name: str(limit.count)
            for limit in wire.rateLimits
            if (name := _HEADERS.get((limit.rateLimitType, limit.interval, limit.intervalNum)))
        }
        if wire.error is not None:
            body = {"code": wire.error.code, "msg": wire.error.msg}
            if wire.error.data is not None and wire.error.data.retryAfter:
                left_ms = max(wire.error.data.retryAfter - wire.error.data.serverTime, 0)
                headers["retry-after"] = f"{left_ms / 1000:.1f}"
        return Heard(str(wire.id), Answer(wire.status, headers, body, frame.decode("utf-8", "replace")))
