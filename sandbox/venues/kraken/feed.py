"""Kraken's public socket v2: book of a chosen depth with CRC32, trades, ticker, heartbeat, ping as a method."""

import asyncio
from binascii import crc32
from decimal import Decimal

import msgspec
from aiohttp import web
from msgspec import Struct

from sandbox.venues.floor import Floor, RawFrame, Side
from sandbox.venues.ledger import ZERO
from sandbox.venues.liquidity import Level, Levels
from sandbox.venues.orders import Print
from sandbox.venues.orders import Side as OrderSide
from sandbox.venues.sockets import OnText, Socket, Sockets
from sandbox.venues.spelling import fixed, utc_parts
from sandbox.venues.tickers import Day

DEPTHS = (10, 25, 100, 500, 1000)
CHECKED = 10  # levels a side in the checksum
LOT_PLACES = 8
_HEARTBEAT_S = 1.0
_IDLE_S = 60.0
_CHANNELS = ("book", "trade", "ticker")


class _Params(Struct):
    channel: str = ""
    symbol: list[str] = []
    depth: int = 10
    snapshot: bool = True


class _Operation(Struct):
    method: str
    params: _Params = msgspec.field(default_factory=_Params)
    req_id: int | None = None


class Shown(Struct):
    """What one subscription of a book was sent so far."""

    bids: Levels = ()
    asks: Levels = ()


class Client:
    """One socket's subscriptions."""

    def __init__(self) -> None:
        self.books: dict[str, tuple[int, Shown]] = {}  # symbol -> depth, what it was sent
        self.channels: set[tuple[str, str]] = set()
        self.held: dict[str, tuple[str, ...]] = {}  # symbol -> frames that a fault keeps back for one update


class KrakenFeed:
    def __init__(self, floor: Floor, sockets: Sockets) -> None:
        self._floor = floor
        self._sockets = sockets
        self._clients: dict[Socket, Client] = {}
        self._next_trade = 4_000_000
        self.days = {symbol: Day() for symbol in floor.rules.markets}
        self._places = {
            symbol: -int(rules.bands[-1].tick.as_tuple().exponent) for symbol, rules in floor.rules.markets.items()
        }
        floor.listen(self)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        return await self._sockets.serve(request, self._join, self._leave, idle_seconds=_IDLE_S, sending_counts=True)

    # the floor says

    def book(self, symbol: str, at_ms: int) -> None:
        if self._floor.faults.lasting("ws_silence", symbol) is not None:
            return
        bids, asks = self._floor.exchange.book(symbol)
        heard = any(symbol in client.books for client in self._clients.values())
        fault = self._floor.faults.for_frame(symbol) if heard else None
        kind = fault.kind if fault is not None else ""
        for socket, client in self._clients.items():
            if symbol in client.books:
                depth, shown = client.books[symbol]
                now = Shown(bids[:depth], asks[:depth])
                client.books[symbol] = depth, now
                b, a = _changes(shown.bids, now.bids, bids), _changes(shown.asks, now.asks, asks)
                if kind == "ws_crossed" and asks:
                    b = [(asks[-1][0], Decimal(1)), *b]
                if (b or a) and kind != "ws_gap":
                    text = self._book_text("update", symbol, b, a, now, at_ms)
                    text = text[: len(text) * 2 // 3] if kind == "ws_malformed" else text
                    late = client.held.pop(symbol, ())
                    if kind == "ws_reorder":
                        client.held[symbol] = (*late, text)
                        continue
                    for each in (*[text] * (2 if kind == "ws_repeat" else 1), *late):
                        socket.send(each)

    def trade(self, trade: Print) -> None:
        self._next_trade += 1
        self.days[trade.symbol].add(self._next_trade, trade)
        side = "buy" if trade.aggressor is OrderSide.BUY else "sell"
        places = self._places[trade.symbol]
        row = (
            f'{{"symbol":"{trade.symbol}","side":"{side}","price":{fixed(trade.price, places)},'
            f'"qty":{fixed(trade.qty, LOT_PLACES)},"ord_type":"market","trade_id":{self._next_trade},'
            f'"timestamp":"{stamp(trade.at_ms)}"}}'
        )
        self._send("trade", trade.symbol, f'{{"channel":"trade","type":"update","data":[{row}]}}')
        self._send("ticker", trade.symbol, self._ticker_text(trade.symbol, "update"))

    def raw(self, frame: RawFrame) -> None:
        """No recording speaks through this socket."""

    def depth(self, symbol: str, update_id: int, bids: Side, asks: Side) -> None:
        """No recording speaks through this socket."""

    def _send(self, channel: str, symbol: str, text: str) -> None:
        for socket, client in self._clients.items():
            if (channel, symbol) in client.channels:
                socket.send(text)

    def _ticker_text(self, symbol: str, kind: str) -> str:
        day, places = self.days[symbol], self._places[symbol]
        bids, asks = self._floor.exchange.book(symbol)
        (bid, bid_qty), (ask, ask_qty) = bids[0] if bids else (ZERO, ZERO), asks[0] if asks else (ZERO, ZERO)
        vwap = day.funds / day.volume if day.volume else day.last
        percent = day.change / day.open * 100 if day.open else ZERO
        prices = {"bid": bid, "ask": ask, "last": day.last, "vwap": vwap, "low": day.low, "high": day.high}
        row = ",".join(f'"{name}":{fixed(value, places)}' for name, value in prices.items())
        sizes = {"bid_qty": bid_qty, "ask_qty": ask_qty, "volume": day.volume}
        row += "," + ",".join(f'"{name}":{fixed(value, LOT_PLACES)}' for name, value in sizes.items())
        row += f',"change":{fixed(day.change, places)},"change_pct":{fixed(percent, 2)}'
        return f'{{"channel":"ticker","type":"{kind}","data":[{{"symbol":"{symbol}",{row}}}]}}'

    def _book_text(
        self, kind: str, symbol: str, bids: Levels | list[Level], asks: Levels | list[Level], now: Shown, at_ms: int
    ) -> str:
        places = self._places[symbol]

        def rows(levels: Levels | list[Level]) -> str:
            return ",".join(f'{{"price":{fixed(p, places)},"qty":{fixed(q, LOT_PLACES)}}}' for p, q in levels)

        return (
            f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{symbol}","bids":[{rows(bids)}],'
            f'"asks":[{rows(asks)}],"checksum":{checksum(now.bids, now.asks, places)},"timestamp":"{stamp(at_ms)}"}}]}}'
        )

    # a socket says

    def _join(self, socket: Socket) -> OnText:
        self._clients[socket] = Client()
        status = {"version": "2.0.10", "system": "online", "api_version": "v2", "connection_id": id(socket)}
        socket.send(msgspec.json.encode({"channel": "status", "type": "update", "data": [status]}).decode())
        self._beat(socket)

        async def on_text(text: str) -> None:
            try:
                operation = msgspec.json.decode(text, type=_Operation)
            except msgspec.MsgspecError:
                self._say(socket, None, success=False, error="Malformed request", method="subscribe")
                return
            if operation.method == "ping":
                self._say(socket, operation.req_id, method="pong")
            elif operation.method in ("subscribe", "unsubscribe"):
                for symbol in operation.params.symbol:
                    self._take(socket, operation, symbol)
            else:
                self._say(socket, operation.req_id, success=False, error="Malformed request", method=operation.method)

        return on_text

    def _take(self, socket: Socket, operation: _Operation, symbol: str) -> None:
        params, client = operation.params, self._clients[socket]
        error = ""
        if symbol not in self.days:
            error = f"Currency pair not supported {symbol}"
        elif params.channel not in _CHANNELS:
            error = f"Subscription name invalid {params.channel}"
        elif params.channel == "book" and params.depth not in DEPTHS:
            error = "Subscription depth not supported"
        if error:
            self._say(socket, operation.req_id, success=False, error=error, method=operation.method, symbol=symbol)
            return
        result = {"channel": params.channel, "symbol": symbol}
        self._say(socket, operation.req_id, success=True, method=operation.method, result=result)
        if operation.method == "unsubscribe":
            client.books.pop(symbol, None)
            client.channels.discard((params.channel, symbol))
        elif params.channel == "book":
            bids, asks = self._floor.exchange.book(symbol)
            now = Shown(bids[: params.depth], asks[: params.depth])
            client.books[symbol] = params.depth, now
            socket.send(self._book_text("snapshot", symbol, now.bids, now.asks, now, self._floor.clock()))
        else:
            client.channels.add((params.channel, symbol))
            if params.channel == "ticker":
                socket.send(self._ticker_text(symbol, "snapshot"))

    def _beat(self, socket: Socket) -> None:
        if socket in self._clients:
            if self._floor.faults.lasting("ws_silence", "") is None:
                socket.send('{"channel":"heartbeat"}')
            asyncio.get_running_loop().call_later(_HEARTBEAT_S, self._beat, socket)

    def _say(self, socket: Socket, req_id: int | None, **fields: object) -> None:
        now = stamp(self._floor.clock())
        named = {} if req_id is None else {"req_id": req_id}
        socket.send(msgspec.json.encode({**fields, **named, "time_in": now, "time_out": now}).decode())

    def _leave(self, socket: Socket) -> None:
        self._clients.pop(socket, None)


def checksum(bids: Levels, asks: Levels, places: int) -> int:
    """CRC32 of the ten best asks, then bids: price and size as written, without point and leading zeros."""

    def digits(levels: Levels) -> str:
        return "".join(
            fixed(price, places).replace(".", "").lstrip("0") + fixed(qty, LOT_PLACES).replace(".", "").lstrip("0")
            for price, qty in levels[:CHECKED]
        )

    return crc32((digits(asks) + digits(bids)).encode())


def stamp(ms: int) -> str:
    """`2023-10-06T17:35:55.440000Z`."""
    date, time = utc_parts(ms)
    return f"{date}T{time}.{ms % 1000:03}000Z"


def _changes(sent: Levels, now: Levels, whole: Levels) -> list[Level]:
    """New and other sizes, and zero for what left the market; what only fell out of the depth is not mentioned."""
    before, standing = dict(sent), dict(whole)
    changed = [(price, qty) for price, qty in now if before.get(price) != qty]
    return [(price, ZERO) for price in before if price not in standing] + changed
