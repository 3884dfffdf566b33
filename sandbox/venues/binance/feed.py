"""Binance's sockets: diffs with U/u on a 100 ms grid, trades and best prices, `/ws` and `/stream`."""

from decimal import Decimal

import msgspec
from aiohttp import web
from msgspec import Struct, field

from sandbox.venues.floor import Floor, RawFrame
from sandbox.venues.ledger import ZERO
from sandbox.venues.liquidity import Level, Levels
from sandbox.venues.orders import Print, Side
from sandbox.venues.sockets import OnText, Socket, Sockets
from sandbox.venues.spelling import fixed
from sandbox.venues.tickers import Day

PING_SECONDS = 20.0
PONG_WITHIN_SECONDS = 60.0
_CHANNELS = ("depth@100ms", "depth", "depth20@100ms", "trade", "bookTicker")


class Published(Struct):
    """The book as the stream left it; `update_id` is what REST calls lastUpdateId."""

    update_id: int
    bids: dict[Decimal, Decimal] = field(default_factory=dict)
    asks: dict[Decimal, Decimal] = field(default_factory=dict)
    best: tuple[Levels, Levels] = ((), ())
    lies: list[Decimal] = field(default_factory=list)  # bids sent by a fault: taken back with the next diff


class _Command(Struct):
    method: str
    params: list[str] = []
    id: int | str | None = None


class BinanceFeed:
    def __init__(self, floor: Floor, sockets: Sockets) -> None:
        self._floor = floor
        self._sockets = sockets
        self._streams: dict[Socket, dict[str, None]] = {}
        self._combined: dict[Socket, bool] = {}
        self._published = {symbol: Published(update_id=1_000_000 + i) for i, symbol in enumerate(floor.rules.markets)}
        self.days = {symbol: Day() for symbol in floor.rules.markets}
        self._next_trade = 1_000_000
        self._held: dict[str, str] = {}  # a diff that a fault sends after the one that follows it
        floor.listen(self)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        combined = request.path.startswith("/stream")
        text = request.query.get("streams", "") if combined else request.match_info.get("streams", "")
        first = [name for name in text.split("/") if name]

        def join(socket: Socket) -> OnText:
            self._combined[socket] = combined
            self._streams[socket] = dict.fromkeys(first)
            return self._reader(socket)

        return await self._sockets.serve(
            request, join, self._leave, idle_seconds=PONG_WITHIN_SECONDS, ping_seconds=PING_SECONDS
        )

    # the floor says

    def book(self, symbol: str, at_ms: int) -> None:
        if symbol in self._floor.recorded:
            return
        bids, asks = self._floor.exchange.book(symbol)
        published = self._published[symbol]
        new_bids, new_asks = dict(bids), dict(asks)
        b, a = _changes(published.bids, new_bids), _changes(published.asks, new_asks)
        if not b and not a:
            return
        first_id = published.update_id + 1
        published.update_id += len(b) + len(a)
        published.bids, published.asks = new_bids, new_asks
        b += [(price, ZERO) for price in published.lies if price not in new_bids]
        published.lies = []
        self._send_best(symbol, bids, asks)
        self._send_diff(symbol, first_id, b, a, at_ms)
        self._send_top(symbol, bids, asks)

    def trade(self, trade: Print) -> None:
        self._next_trade += 1
        self.days[trade.symbol].add(self._next_trade, trade)
        if trade.symbol in self._floor.recorded:
            return
        maker = "true" if trade.aggressor is Side.SELL else "false"
        text = (
            f'{{"e":"trade","E":{trade.at_ms + 1},"s":"{trade.symbol}","t":{self._next_trade},'
            f'"p":"{fixed(trade.price)}","q":"{fixed(trade.qty)}","T":{trade.at_ms},"m":{maker},"M":true}}'
        )
        self._send(trade.symbol, "trade", text)
        day = self.days[trade.symbol]
        self._send(
            trade.symbol,
            "miniTicker",
            f'{{"e":"24hrMiniTicker","E":{trade.at_ms},"s":"{trade.symbol}","c":"{fixed(day.last)}","o":"{fixed(day.open)}",'
            f'"h":"{fixed(day.high)}","l":"{fixed(day.low)}","v":"{fixed(day.volume)}","q":"{fixed(day.funds)}"}}',
        )

    def raw(self, frame: RawFrame) -> None:
        self._send(frame.symbol, frame.channel, frame.text)

    # frames

    def _send_diff(self, symbol: str, first_id: int, b: list[Level], a: list[Level], at_ms: int) -> None:
        if self._is_silent(symbol):
            return
        published = self._published[symbol]
        heard = self._readers(symbol, "depth@100ms") or self._readers(symbol, "depth")
        fault = self._floor.faults.for_frame(symbol) if heard else None
        if fault is not None and fault.kind == "ws_gap":
            return
        if fault is not None and fault.kind == "ws_crossed" and published.asks:
            lie = max(published.asks)
            published.lies.append(lie)
            b = [*b, (lie, Decimal(1))]
        text = (
            f'{{"e":"depthUpdate","E":{at_ms},"s":"{symbol}","U":{first_id},"u":{published.update_id},'
            f'"b":[{_rows(b)}],"a":[{_rows(a)}]}}'
        )
        if fault is not None and fault.kind == "ws_malformed":
            text = text[: len(text) * 2 // 3]
        if fault is not None and fault.kind == "ws_reorder" and symbol not in self._held:
            self._held[symbol] = text
            return
        times = 2 if fault is not None and fault.kind == "ws_repeat" else 1
        for each in (*[text] * times, self._held.pop(symbol, "")):
            if each:
                self._send(symbol, "depth@100ms", each)
                self._send(symbol, "depth", each)

    def _send_top(self, symbol: str, bids: Levels, asks: Levels) -> None:
        if self._is_silent(symbol) or not self._readers(symbol, "depth20@100ms"):
            return
        update_id = self._published[symbol].update_id
        self._send(
            symbol,
            "depth20@100ms",
            f'{{"lastUpdateId":{update_id},"bids":[{_rows(bids[:20])}],"asks":[{_rows(asks[:20])}]}}',
        )

    def _send_best(self, symbol: str, bids: Levels, asks: Levels) -> None:
        published = self._published[symbol]
        best = (bids[:1], asks[:1])
        if best == published.best or not bids or not asks:
            return
        published.best = best
        if self._is_silent(symbol):
            return
        (bid, bid_qty), (ask, ask_qty) = bids[0], asks[0]
        self._send(
            symbol,
            "bookTicker",
            f'{{"u":{published.update_id},"s":"{symbol}","b":"{fixed(bid)}","B":"{fixed(bid_qty)}",'
            f'"a":"{fixed(ask)}","A":"{fixed(ask_qty)}"}}',
        )

    def _is_silent(self, symbol: str) -> bool:
        return self._floor.faults.lasting("ws_silence", symbol) is not None

    def _readers(self, symbol: str, channel: str) -> list[Socket]:
        stream = f"{symbol.lower()}@{channel}"
        return [socket for socket, streams in self._streams.items() if stream in streams]

    def _send(self, symbol: str, channel: str, text: str) -> None:
        for socket in self._readers(symbol, channel):
            if self._combined[socket]:
                socket.send(f'{{"stream":"{symbol.lower()}@{channel}","data":{text}}}')
            else:
                socket.send(text)

    # REST asks

    def rest_depth(self, symbol: str, limit: int) -> dict[str, object]:
        published = self._published[symbol]
        bids = sorted(published.bids.items(), reverse=True)[:limit]
        asks = sorted(published.asks.items())[:limit]
        return {
            "lastUpdateId": published.update_id,
            "bids": [[fixed(price), fixed(qty)] for price, qty in bids],
            "asks": [[fixed(price), fixed(qty)] for price, qty in asks],
        }

    def depth(self, symbol: str, update_id: int, bids: dict[Decimal, Decimal], asks: dict[Decimal, Decimal]) -> None:
        """A recording's own book: REST shows it, the frames come raw. The dicts stay the recording's."""
        published = self._published[symbol]
        published.update_id, published.bids, published.asks = update_id, bids, asks

    # a socket says

    def _reader(self, socket: Socket) -> OnText:
        async def on_text(text: str) -> None:
            try:
                command = msgspec.json.decode(text, type=_Command)
            except msgspec.MsgspecError:
                socket.send('{"error":{"code":3,"msg":"Invalid JSON: expected value at line 1 column 1"}}')
                return
            streams = self._streams[socket]
            if command.method == "SUBSCRIBE":
                streams.update(dict.fromkeys(command.params))
            elif command.method == "UNSUBSCRIBE":
                for name in command.params:
                    streams.pop(name, None)
            elif command.method == "LIST_SUBSCRIPTIONS":
                listed = msgspec.json.encode({"result": list(streams), "id": command.id})
                socket.send(listed.decode())
                return
            else:
                socket.send(f'{{"error":{{"code":2,"msg":"Invalid request: unknown variant {command.method}"}}}}')
                return
            socket.send(msgspec.json.encode({"result": None, "id": command.id}).decode())

        return on_text

    def _leave(self, socket: Socket) -> None:
        self._streams.pop(socket, None)
        self._combined.pop(socket, None)


def _changes(old: dict[Decimal, Decimal], new: dict[Decimal, Decimal]) -> list[Level]:
    """Levels that are new, differ or are gone (quantity zero)."""
    changed = [(price, qty) for price, qty in new.items() if old.get(price) != qty]
    return changed + [(price, ZERO) for price in old if price not in new]


def _rows(levels: Levels | list[Level]) -> str:
    return ",".join(f'["{fixed(price)}","{fixed(qty)}"]' for price, qty in levels)
