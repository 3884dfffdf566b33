"""Binance futures' user data: a listen key by the API key alone, a socket under `/private/ws`, an event per change."""

import hashlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct, field

from sandbox.venues.auth import Denied, Why
from sandbox.venues.binance_usdm import stops
from sandbox.venues.binance_usdm.refusals import refusal
from sandbox.venues.binance_usdm.rows import order_row, position_row
from sandbox.venues.floor import Floor, PerpState
from sandbox.venues.order_streams import Change, Happened, OrderStreams
from sandbox.venues.orders import End
from sandbox.venues.sockets import OnText, Socket, Sockets
from sandbox.venues.spelling import fixed, plain

_CHANNEL = "user"
_LIVES_MS = 3_600_000
_PING_SECONDS = 180.0
_PONG_WITHIN_SECONDS = 600.0
_EXECUTIONS = {End.USER: "CANCELED", End.SELF_TRADE: "EXPIRED", End.LIQUIDATION: "CANCELED"}


class _Key(Struct):
    account: str
    until_ms: int
    sockets: list[Socket] = field(default_factory=list)


class UserData:
    """Of one floor. A key is its account's only one, and ends an hour after it was last asked for."""

    def __init__(self, floor: Floor, sockets: Sockets) -> None:
        self._floor = floor
        self._sockets = sockets
        self._keys: dict[str, _Key] = {}
        self._given = 0
        self._streams = OrderStreams(floor, self._events)
        self._stops: dict[int, str] = {}  # the last word on each
        floor.on_orders.append(self._tell_stops)  # after their orders' own events
        floor.listen_perps(self)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/fapi/v1/listenKey", self._give),
            web.put("/fapi/v1/listenKey", self._keep),
            web.delete("/fapi/v1/listenKey", self._end),
            web.get("/private/ws/{key}", self._serve),
            web.get("/private/ws", self._serve),
        ]

    def perp(self, _: PerpState) -> None:
        """A mark is as good a moment as any to look which keys have ended."""
        now_ms = self._floor.clock()
        for name in [name for name, key in self._keys.items() if key.until_ms <= now_ms]:
            for socket in self._keys.pop(name).sockets:
                self._streams.leave(socket)
                socket.send(msgspec.json.encode({"e": "listenKeyExpired", "E": now_ms, "listenKey": name}).decode())

    async def _give(self, request: web.Request) -> web.Response:
        account = self._whose(request)
        known = self._key_of(account)
        if known is None:
            self._given += 1
            known = hashlib.sha256(f"{account}/{self._given}".encode()).hexdigest()
            self._keys[known] = _Key(account, 0)
        self._keys[known].until_ms = self._floor.clock() + _LIVES_MS
        return _say({"listenKey": known})

    async def _keep(self, request: web.Request) -> web.Response:
        known = self._key_of(self._whose(request))
        if known is None:
            raise refusal(-1125)
        self._keys[known].until_ms = self._floor.clock() + _LIVES_MS
        return _say({"listenKey": known})

    async def _end(self, request: web.Request) -> web.Response:
        known = self._key_of(self._whose(request))
        if known is None:
            raise refusal(-1125)
        for socket in self._keys.pop(known).sockets:
            socket.cut()
        return _say({})

    def _whose(self, request: web.Request) -> str:
        """By the API key: these calls are not signed. Raises Denied."""
        credential = self._floor.keys.get(request.headers.get("X-MBX-APIKEY", ""))
        if credential is None:
            raise Denied(Why.UNKNOWN_KEY)
        return credential.account

    def _key_of(self, account: str) -> str | None:
        return next((name for name, key in self._keys.items() if key.account == account), None)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        key = self._keys.get(request.match_info.get("key") or request.query.get("listenKey", ""))
        if key is None:
            return web.Response(status=401)

        def join(socket: Socket) -> OnText:
            key.sockets.append(socket)
            self._streams.join(socket, key.account, _CHANNEL)

            async def hear(_: str) -> None:
                """Nothing is asked on this socket."""

            return hear

        def leave(socket: Socket) -> None:
            key.sockets.remove(socket)
            self._streams.leave(socket)

        return await self._sockets.serve(
            request, join, leave, idle_seconds=_PONG_WITHIN_SECONDS, ping_seconds=_PING_SECONDS
        )

    def _events(self, change: Change) -> Iterator[tuple[str, str]]:
        now_ms = self._floor.clock()
        if change.what is Happened.TRADED:
            yield _CHANNEL, _framed("ACCOUNT_UPDATE", now_ms, change, "a", self._account(change))
        yield _CHANNEL, _framed("ORDER_TRADE_UPDATE", now_ms, change, "o", _order(change))

    def _tell_stops(self) -> None:
        now_ms = self._floor.clock()
        for account in {credential.account for credential in self._floor.keys.values()}:
            for stop in reversed(self._floor.stops.of(account)):
                word = stops.status(stop)
                if self._stops.get(stop.order.id) == word:
                    continue
                self._stops[stop.order.id] = word
                if self._floor.faults.lasting("orders_silence", stop.order.symbol) is not None:
                    continue
                frame = {"e": "ALGO_UPDATE", "T": stop.order.updated_ms, "E": now_ms, "o": stops.update(stop)}
                for socket in [each for key in self._keys.values() if key.account == account for each in key.sockets]:
                    socket.send(msgspec.json.encode(frame).decode())

    def _account(self, change: Change) -> dict[str, Any]:
        """Wallet and position as they are now."""
        account, clearing = change.order.account, self._floor.exchange.clearing
        wallet = fixed(clearing.margin(account).wallet)
        held = position_row(clearing.position(account, change.order.symbol))
        position = {
            "s": held["symbol"],
            "pa": held["positionAmt"],
            "ep": held["entryPrice"],
            "bep": held["breakEvenPrice"],
            "cr": fixed(clearing.position(account, change.order.symbol).realised),
            "up": held["unRealizedProfit"],
            "mt": "cross",
            "iw": "0",
            "ps": "BOTH",
        }
        return {"m": "ORDER", "B": [{"a": "USDT", "wb": wallet, "cw": wallet, "bc": "0"}], "P": [position]}


def _order(change: Change) -> dict[str, Any]:
    order, fill = change.order, change.fill
    row = order_row(order)
    said = {
        "s": order.symbol,
        "c": order.client_id,
        "S": order.side.name,
        "o": row["type"],
        "f": row["timeInForce"],
        "q": row["origQty"],
        "p": row["price"],
        "ap": row["avgPrice"],
        "sp": "0",
        "x": _execution(change),
        "X": row["status"],
        "i": order.id,
        "l": plain(fill.qty if fill else Decimal(0)),
        "z": row["executedQty"],
        "L": plain(fill.price if fill else Decimal(0)),
        "T": order.updated_ms,
        "t": fill.id if fill else 0,
        "b": "0",
        "a": "0",
        "m": bool(fill and fill.maker),
        "R": order.reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": row["type"],
        "ps": "BOTH",
        "cp": False,
        "rp": fixed(fill.realised if fill else Decimal(0)),
        "V": row["selfTradePreventionMode"],
        "pm": "NONE",
        "gtd": 0,
    }
    return said | ({"n": fixed(fill.fee), "N": fill.fee_asset} if fill else {})


def _execution(change: Change) -> str:
    if change.what is Happened.PLACED:
        return "NEW"
    return "TRADE" if change.what is Happened.TRADED else _EXECUTIONS.get(change.order.end or End.TIF, "EXPIRED")


def _framed(name: str, now_ms: int, change: Change, part: str, said: dict[str, Any]) -> str:
    head = {"e": name, "E": now_ms, "T": change.order.updated_ms}
    return msgspec.json.encode(head | {part: said}).decode()


def _say(said: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(said), content_type="application/json")
