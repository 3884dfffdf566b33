"""Binance futures streams, split by path: depth and bookTicker under /public, all else under /market."""

from collections.abc import Iterable, Sequence

import msgspec
from aiohttp import web
from msgspec import Struct

from sandbox.venues.floor import Floor, PerpState
from sandbox.venues.liquidity import Level
from sandbox.venues.orders import Print, Side
from sandbox.venues.public import Frame, Public, Stream, Update
from sandbox.venues.sockets import Socket
from sandbox.venues.spelling import plain
from sandbox.venues.tickers import Day

_PUBLIC = ("depth@100ms", "depth", "depth20@100ms", "bookTicker")
_MARKET = ("aggTrade", "trade", "markPrice@1s", "markPrice", "miniTicker", "ticker")
_RAW = "raw "  # before a topic: its reader gets the data without the stream's name
_PING_SECONDS = 180.0
_PONG_WITHIN_SECONDS = 600.0


class _Command(Struct):
    method: str
    params: list[str] = []
    id: int | str | None = None


def rows(levels: Sequence[Level]) -> list[tuple[str, str]]:
    return [(plain(price), plain(qty)) for price, qty in levels]


class Frames:
    """A Writer. Ids of consecutive frames do not touch: only `pu` chains."""

    ids_per_change = True

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def topics(self, symbol: str) -> Iterable[str]:
        names = (f"{symbol.lower()}@{name}" for name in ("depth@100ms", "depth"))
        return (mark + name for name in names for mark in ("", _RAW))

    def book(self, update: Update) -> Iterable[Frame]:
        name, at_ms = update.symbol.lower(), update.at_ms
        head = {"e": "depthUpdate", "E": at_ms, "T": at_ms - 1, "s": update.symbol, "ps": update.symbol}
        ids = {"U": update.first_id, "u": update.last_id, "pu": update.first_id - 1}
        said = {**head, **ids, "b": rows(update.bids), "a": rows(update.asks), "st": 1}
        for channel in ("depth@100ms", "depth"):
            yield from _frames(f"{name}@{channel}", said)
        top = {"b": rows(update.book[0][:20]), "a": rows(update.book[1][:20])}
        yield from _frames(f"{name}@depth20@100ms", {**head, **ids, **top, "st": 1})
        bids, asks = update.book
        if bids and asks:
            best = {"b": plain(bids[0][0]), "B": plain(bids[0][1]), "a": plain(asks[0][0]), "A": plain(asks[0][1])}
            ticker = {"e": "bookTicker", "u": update.last_id, "s": update.symbol, **best, "T": at_ms - 1, "E": at_ms}
            yield from _frames(f"{name}@bookTicker", ticker)

    def trade(self, number: int, trade: Print, day: Day) -> Iterable[Frame]:
        name, at_ms = trade.symbol.lower(), trade.at_ms
        said = {"E": at_ms + 1, "s": trade.symbol, "p": plain(trade.price), "q": plain(trade.qty), "T": at_ms}
        said["m"] = trade.aggressor is Side.SELL
        agg = {"e": "aggTrade", "a": number, "f": number, "l": number, **said}
        yield from _frames(f"{name}@aggTrade", agg)
        yield from _frames(f"{name}@trade", {"e": "trade", "t": number, "X": "MARKET", **said})
        mini = {"e": "24hrMiniTicker", "E": at_ms, "s": trade.symbol, "c": plain(day.last), "o": plain(day.open)}
        mini |= {"h": plain(day.high), "l": plain(day.low), "v": plain(day.volume), "q": plain(day.funds)}
        yield from _frames(f"{name}@miniTicker", mini)
        yield from _frames(f"{name}@ticker", {**mini, "e": "24hrTicker"})

    def perp(self, state: PerpState) -> Iterable[Frame]:
        said = {
            "e": "markPriceUpdate",
            "E": state.at_ms,
            "s": state.symbol,
            "p": plain(state.mark),
            "i": plain(state.index),
            "P": plain(state.mark),
            "r": plain(state.funding_rate),
            "T": state.next_ms,
        }
        for channel in ("markPrice@1s", "markPrice"):
            yield from _frames(f"{state.symbol.lower()}@{channel}", said)


def _frames(stream: str, said: object) -> Iterable[Frame]:
    """On a combined stream with its name; `/ws` sends the data alone."""
    data = msgspec.json.encode(said).decode()
    yield stream, f'{{"stream":"{stream}","data":{data}}}'
    yield _RAW + stream, data


class Streams:
    """Serves both halves. A stream of the other half is acknowledged and never comes."""

    def __init__(self, floor: Floor, public: Public) -> None:
        self.stream = Stream(floor, Frames(floor), 1_900_000_000_000)
        self._public = public

    async def public(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, _PUBLIC)

    async def market(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, _MARKET)

    async def _serve(self, request: web.Request, channels: Sequence[str]) -> web.StreamResponse:
        named = request.query.get("streams", "").split("/")
        mark = _RAW if "/ws" in request.path else ""

        def first(socket: Socket) -> None:
            self._add(socket, named, channels, mark)

        def hear(socket: Socket, text: str) -> None:
            try:
                command = msgspec.json.decode(text, type=_Command)
            except msgspec.MsgspecError:
                socket.send('{"error":{"code":3,"msg":"Invalid JSON: expected value at line 1 column 1"}}')
                return
            if command.method == "SUBSCRIBE":
                self._add(socket, command.params, channels, mark)
            elif command.method == "UNSUBSCRIBE":
                for name in command.params:
                    self.stream.topics[socket].pop(mark + name, None)
            else:
                socket.send('{"error":{"code":2,"msg":"Invalid request: unknown method"}}')
                return
            socket.send(msgspec.json.encode({"result": None, "id": command.id}).decode())

        return await self._public.run_socket(
            request,
            (self.stream,),
            hear,
            idle_seconds=_PONG_WITHIN_SECONDS,
            ping_seconds=_PING_SECONDS,
            first=first,
        )

    def _add(self, socket: Socket, names: Sequence[str], channels: Sequence[str], mark: str) -> None:
        for name in names:
            if name.partition("@")[2] in channels:
                self.stream.topics[socket][mark + name] = None
