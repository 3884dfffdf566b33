"""The socket that Upbit and Bithumb share in shape: a ticketed array subscribes, frames are binary, nothing is
acknowledged, a second request replaces the first. What a frame says is each venue's own (`Frames`)."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

import msgspec
from aiohttp import web
from msgspec import Struct, field

from sandbox.venues.floor import Floor, RawFrame, Side
from sandbox.venues.ledger import ZERO
from sandbox.venues.liquidity import Level, Levels
from sandbox.venues.orders import Print
from sandbox.venues.sockets import OnText, Socket, Sockets
from sandbox.venues.tickers import Day

_PAD: Level = (ZERO, ZERO)
MESSAGES = {
    "WRONG_FORMAT": "Format이 맞지 않습니다.",
    "NO_TICKET": "티켓이 존재하지 않거나, 유효하지 않습니다.",
    "NO_TYPE": "타입이 존재하지 않습니다.",
    "NO_CODES": "코드가 존재하지 않습니다.",
    "INVALID_PARAM": "파라미터가 유효하지 않습니다.",
}


Flags = tuple[tuple[str, ...], tuple[str, ...]]  # spellings of "only snapshot" and "only realtime"


class Wanted(Struct):
    """What one socket subscribed: per type its codes, for books with their depth."""

    simple: bool = False
    as_list: bool = False
    codes: dict[str, dict[str, int]] = field(default_factory=dict)
    snapshots: dict[str, bool] = field(default_factory=dict)
    realtime: dict[str, bool] = field(default_factory=dict)


class Shown(Struct, frozen=True):
    """A book as it was last published."""

    bids: Levels = ()
    asks: Levels = ()
    at_ms: int = 0


class Frames(Protocol):
    """How one venue writes its frames; `stream` is SNAPSHOT or REALTIME."""

    idle_seconds: float
    repeats_books: bool  # publishes an unchanged book again
    depths: dict[str, int]  # suffix of a code -> levels; any other suffix gives the deepest
    flags: Flags

    def book(self, wanted: Wanted, symbol: str, depth: int, shown: Shown, stream: str) -> str: ...
    def trade(self, wanted: Wanted, number: int, trade: Print, day: Day, touch: Shown, stream: str) -> str: ...
    def ticker(self, wanted: Wanted, symbol: str, day: Day, stream: str) -> str: ...
    def crossed(self, text: str) -> str: ...


class BadRequest(Exception):
    """Carries the venue's error name."""


class TicketedFeed:
    def __init__(self, floor: Floor, sockets: Sockets, frames: Frames) -> None:
        self._floor = floor
        self.sockets = sockets
        self._frames = frames
        self._wanted: dict[Socket, Wanted] = {}
        self._held: dict[str, list[tuple[Socket, bytes]]] = {}  # books that a fault sends after the next one
        self._beats: dict[Socket, asyncio.Task[None]] = {}
        self._next_trade = 0
        self.shown: dict[str, Shown] = {symbol: Shown() for symbol in floor.rules.markets}
        self.days = {symbol: Day() for symbol in floor.rules.markets}
        floor.listen(self)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        return await self.sockets.serve(request, self._join, self._leave, idle_seconds=self._frames.idle_seconds)

    # the floor says

    def book(self, symbol: str, at_ms: int) -> None:
        bids, asks = self._floor.exchange.book(symbol)
        last = self.shown[symbol]
        if (last.bids, last.asks) != (bids, asks):
            self.shown[symbol] = Shown(bids, asks, at_ms)
        elif not self._frames.repeats_books:
            return
        shown = self.shown[symbol]
        if symbol not in self._floor.recorded:
            self._send("orderbook", symbol, lambda w, depth: self._frames.book(w, symbol, depth, shown, "REALTIME"))

    def trade(self, trade: Print) -> None:
        self._next_trade += 1
        number = trade.at_ms * 10_000 + self._next_trade % 10_000
        symbol, day = trade.symbol, self.days[trade.symbol]
        day.add(number, trade)
        if symbol in self._floor.recorded:
            return
        touch = self.shown[symbol]
        self._send("trade", symbol, lambda w, _: self._frames.trade(w, number, trade, day, touch, "REALTIME"))
        self._send("ticker", symbol, lambda w, _: self._frames.ticker(w, symbol, day, "REALTIME"))

    def raw(self, frame: RawFrame) -> None:
        for socket, wanted in tuple(self._wanted.items()):
            if frame.symbol in wanted.codes.get(frame.channel, ()):
                socket.send(frame.text.encode())

    def depth(self, symbol: str, update_id: int, bids: Side, asks: Side) -> None:
        """No recording of these venues has books deeper than its frames."""

    def _send(self, kind: str, symbol: str, text: Callable[[Wanted, int], str]) -> None:
        readers = [(s, w) for s, w in self._wanted.items() if symbol in w.codes.get(kind, ()) and w.realtime[kind]]
        if not readers or self._floor.faults.lasting("ws_silence", symbol) is not None:
            return
        fault = self._floor.faults.for_frame(symbol) if kind == "orderbook" else None
        if fault is not None and fault.kind == "ws_gap":
            return
        made: dict[tuple[bool, bool, int], bytes] = {}
        for _, wanted in readers:
            depth, form = wanted.codes[kind][symbol], _form(wanted, kind, symbol)
            if form not in made:
                made[form] = self._encode(text(wanted, depth), wanted, fault.kind if fault else "")
        late = [(socket, made[_form(wanted, kind, symbol)]) for socket, wanted in readers]
        if fault is not None and fault.kind == "ws_reorder":
            self._held[symbol] = self._held.get(symbol, []) + late
            return
        times = 2 if fault is not None and fault.kind == "ws_repeat" else 1
        for socket, frame in late * times + (self._held.pop(symbol, []) if kind == "orderbook" else []):
            socket.send(frame)

    def _encode(self, text: str, wanted: Wanted, fault: str = "") -> bytes:
        if fault == "ws_malformed":
            text = text[: len(text) * 2 // 3]
        elif fault == "ws_crossed":
            text = self._frames.crossed(text)
        return (f"[{text}]" if wanted.as_list else text).encode()

    # a socket says

    def _join(self, socket: Socket) -> OnText:
        async def on_text(text: str) -> None:
            if text == "PING":
                if socket not in self._beats:
                    self._beats[socket] = asyncio.get_running_loop().create_task(beat(socket))
                return
            try:
                self._wanted[socket] = wanted = parse_request(text, self._frames)
            except BadRequest as error:
                name = str(error)
                socket.send(f'{{"error":{{"name":"{name}","message":"{MESSAGES[name]}"}}}}'.encode())
                await socket.close()
                return
            self._send_snapshots(socket, wanted)

        return on_text

    def _leave(self, socket: Socket) -> None:
        self._wanted.pop(socket, None)
        beat = self._beats.pop(socket, None)
        if beat is not None:
            beat.cancel()

    def _send_snapshots(self, socket: Socket, wanted: Wanted) -> None:
        for kind, codes in wanted.codes.items():
            for symbol, depth in codes.items() if wanted.snapshots[kind] else ():
                if symbol not in self.days or symbol in self._floor.recorded:
                    continue  # unknown codes are met with silence
                shown, day = self.shown[symbol], self.days[symbol]
                if kind == "orderbook" and shown.at_ms:
                    text = self._frames.book(wanted, symbol, depth, shown, "SNAPSHOT")
                elif kind == "trade" and day.trades:
                    text = self._frames.trade(wanted, *day.trades[-1], day, shown, "SNAPSHOT")
                elif kind == "ticker" and day.trades:
                    text = self._frames.ticker(wanted, symbol, day, "SNAPSHOT")
                else:
                    continue
                socket.send(self._encode(text, wanted))


def parse_request(text: str, frames: Frames) -> Wanted:
    """Raises BadRequest with the venue's error name."""
    try:
        parts = msgspec.json.decode(text, type=list[dict[str, object]])
    except msgspec.MsgspecError as error:
        raise BadRequest("WRONG_FORMAT") from error
    if not any("ticket" in part for part in parts):
        raise BadRequest("NO_TICKET")
    kinds = [part for part in parts if "type" in part]
    if not kinds:
        raise BadRequest("NO_TYPE")
    form = next((str(part["format"]) for part in parts if "format" in part), "DEFAULT")
    wanted = Wanted(simple=form.startswith("SIMPLE"), as_list=form.endswith("LIST"))
    only_snapshot, only_realtime = frames.flags
    for part in kinds:
        kind, codes = str(part["type"]), part.get("codes")
        if not isinstance(codes, list) or not codes:
            raise BadRequest("NO_CODES")
        if kind not in ("orderbook", "trade", "ticker"):
            raise BadRequest("INVALID_PARAM")
        wanted.codes[kind] = dict(_code(str(code), frames.depths) for code in codes)
        wanted.snapshots[kind] = not any(part.get(flag) for flag in only_realtime)
        wanted.realtime[kind] = not any(part.get(flag) for flag in only_snapshot)
    return wanted


def _code(text: str, depths: dict[str, int]) -> tuple[str, int]:
    """`KRW-BTC.5` -> code and depth."""
    code, _, depth = text.partition(".")
    return code, depths.get(depth, max(depths.values()))


async def beat(socket: Socket) -> None:
    """One text PING starts a line every 10 s for as long as the socket lives."""
    while True:
        socket.send(b'{"status":"UP"}')
        await asyncio.sleep(10)


def pairs(bids: Levels, asks: Levels, depth: int) -> list[tuple[Level, Level]]:
    """Ask and bid of each unit; the thin side is padded with zeros."""
    count = min(depth, max(len(bids), len(asks)))
    return [(asks[i] if i < len(asks) else _PAD, bids[i] if i < len(bids) else _PAD) for i in range(count)]


def total(levels: Levels) -> Decimal:
    return sum((qty for _, qty in levels), ZERO)


def as_object(row: dict[str, str], short: dict[str, str] | None) -> str:
    """A JSON object from values that are JSON already, its keys shortened where `short` says so."""
    names = short or {}
    return "{" + ",".join(f'"{names.get(key, key)}":{value}' for key, value in row.items()) + "}"


def swap_sides(text: str) -> str:
    """The bids stand above the asks."""
    for ask, bid in (("ask_price", "bid_price"), ("ap", "bp")):
        text = text.replace(f'"{ask}"', '"~"').replace(f'"{bid}"', f'"{ask}"').replace('"~"', f'"{bid}"')
    return text


SHORT_NAMES = {
    "type": "ty",
    "code": "cd",
    "timestamp": "tms",
    "trade_date": "td",
    "trade_time": "ttm",
    "trade_timestamp": "ttms",
    "trade_price": "tp",
    "trade_volume": "tv",
    "ask_bid": "ab",
    "prev_closing_price": "pcp",
    "change": "c",
    "change_price": "cp",
    "sequential_id": "sid",
    "best_ask_price": "bap",
    "best_ask_size": "bas",
    "best_bid_price": "bbp",
    "best_bid_size": "bbs",
    "stream_type": "st",
    "opening_price": "op",
    "high_price": "hp",
    "low_price": "lp",
    "signed_change_price": "scp",
    "change_rate": "cr",
    "signed_change_rate": "scr",
    "acc_trade_volume": "atv",
    "acc_trade_volume_24h": "atv24h",
    "acc_trade_price": "atp",
    "acc_trade_price_24h": "atp24h",
    "highest_52_week_price": "h52wp",
    "highest_52_week_date": "h52wdt",
    "lowest_52_week_price": "l52wp",
    "lowest_52_week_date": "l52wdt",
    "market_state": "ms",
    "is_trading_suspended": "its",
    "delisting_date": "dd",
    "market_warning": "mw",
}


def _form(wanted: Wanted, kind: str, symbol: str) -> tuple[bool, bool, int]:
    """Readers of the same form get the same bytes."""
    return wanted.simple, wanted.as_list, wanted.codes[kind][symbol]
