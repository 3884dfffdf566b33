"""Upbit's socket: whole books in binary frames, no acknowledgement; a second request replaces the first."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import msgspec
from aiohttp import web
from msgspec import Struct, field

from sandbox.venues.floor import Floor, RawFrame
from sandbox.venues.ledger import ZERO
from sandbox.venues.liquidity import Level, Levels
from sandbox.venues.orders import Print, Side
from sandbox.venues.sockets import OnText, Socket, Sockets
from sandbox.venues.spelling import KST, fixed, java_double, java_plain, plain, utc_parts
from sandbox.venues.tickers import Day

IDLE_SECONDS = 60.5  # documented 120; the wire closes here
_PAD: Level = (ZERO, ZERO)
_DEPTHS = {"1": 1, "5": 5, "15": 15, "30": 30}
_MESSAGES = {
    "WRONG_FORMAT": "Format이 맞지 않습니다.",
    "NO_TICKET": "티켓이 존재하지 않거나, 유효하지 않습니다.",
    "NO_TYPE": "타입이 존재하지 않습니다.",
    "NO_CODES": "코드가 존재하지 않습니다.",
    "INVALID_PARAM": "파라미터가 유효하지 않습니다.",
}


class Wanted(Struct):
    """What one socket subscribed: per type its codes, for books with their depth."""

    simple: bool = False
    as_list: bool = False
    codes: dict[str, dict[str, int]] = field(default_factory=dict)
    snapshots: dict[str, bool] = field(default_factory=dict)
    realtime: dict[str, bool] = field(default_factory=dict)


class BadRequest(Exception):
    """Carries the venue's error name."""


class UpbitFeed:
    def __init__(self, floor: Floor, sockets: Sockets) -> None:
        self._floor = floor
        self._sockets = sockets
        self._wanted: dict[Socket, Wanted] = {}
        self._shown: dict[str, tuple[Levels, Levels, int]] = {}
        self._days = {symbol: Day() for symbol in floor.rules.markets}
        self._next_trade = 0
        self._beats: dict[Socket, asyncio.Task[None]] = {}
        floor.listen(self)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        return await self._sockets.serve(request, self._join, self._leave, idle_seconds=IDLE_SECONDS)

    # the floor says

    def book(self, symbol: str, at_ms: int) -> None:
        bids, asks = self._floor.exchange.book(symbol)
        shown = self._shown.get(symbol)
        if shown is not None and shown[:2] == (bids, asks):
            return
        self._shown[symbol] = (bids, asks, at_ms)
        if symbol not in self._floor.recorded:
            self._send("orderbook", symbol, lambda wanted, depth: self._book_text(wanted, symbol, depth, "REALTIME"))

    def trade(self, trade: Print) -> None:
        self._next_trade += 1
        number = trade.at_ms * 10_000 + self._next_trade % 10_000
        day = self._days[trade.symbol]
        day.add(number, trade)
        if trade.symbol not in self._floor.recorded:
            self._send("trade", trade.symbol, lambda wanted, _: self._trade_text(wanted, number, trade, "REALTIME"))
            self._send("ticker", trade.symbol, lambda wanted, _: self._ticker_text(wanted, trade.symbol, "REALTIME"))

    def raw(self, frame: RawFrame) -> None:
        for socket, wanted in tuple(self._wanted.items()):
            if frame.symbol in wanted.codes.get(frame.channel, ()):
                socket.send(frame.text.encode())

    def depth(self, symbol: str, update_id: int, bids: dict[Decimal, Decimal], asks: dict[Decimal, Decimal]) -> None:
        """No recording of this venue has books deeper than its frames."""

    def _send(self, kind: str, symbol: str, text: Callable[[Wanted, int], str]) -> None:
        readers = [(s, w) for s, w in self._wanted.items() if symbol in w.codes.get(kind, ()) and w.realtime[kind]]
        if not readers or self._floor.faults.lasting("ws_silence", symbol) is not None:
            return
        fault = self._floor.faults.for_frame(symbol) if kind == "orderbook" else None
        if fault is not None and fault.kind == "ws_gap":
            return
        made: dict[tuple[bool, bool, int], bytes] = {}
        for socket, wanted in readers:
            depth = wanted.codes[kind][symbol]
            form = (wanted.simple, wanted.as_list, depth)
            if form not in made:
                made[form] = _encode(text(wanted, depth), wanted, fault.kind if fault else "")
            socket.send(made[form])

    # REST asks

    def rest_book(self, symbol: str, count: int) -> dict[str, object]:
        """The socket's book of the same timestamp, numbers plain."""
        bids, asks, at_ms = self._shown.get(symbol, ((), (), 0))
        units = [
            {"ask_price": ask[0], "bid_price": bid[0], "ask_size": ask[1], "bid_size": bid[1]}
            for ask, bid in _pairs(bids, asks, min(30, max(1, count)))
        ]
        totals = {"total_ask_size": _total(asks[:30]), "total_bid_size": _total(bids[:30])}
        return {"market": symbol, "timestamp": at_ms, **totals, "orderbook_units": units, "level": 0}

    def rest_ticker(self, symbol: str) -> dict[str, object]:
        row = {k: v for k, v in self._ticker(symbol).items() if k not in ("type", "code")}
        return {"market": symbol, **row}

    def rest_trades(self, symbol: str, count: int) -> list[dict[str, object]]:
        """Newest first."""
        rows = []
        for number, trade in reversed(self._days[symbol].trades):
            date, time = utc_parts(trade.at_ms)
            rows.append(
                {
                    "market": symbol,
                    "trade_date_utc": date,
                    "trade_time_utc": time,
                    "timestamp": trade.at_ms,
                    "trade_price": trade.price,
                    "trade_volume": trade.qty,
                    "prev_closing_price": self._days[symbol].open,
                    "change_price": trade.price - self._days[symbol].open,
                    "ask_bid": _aggressor(trade),
                    "sequential_id": number,
                }
            )
        return rows[:count]

    # a socket says

    def _join(self, socket: Socket) -> OnText:
        async def on_text(text: str) -> None:
            if text == "PING":
                self._beats.setdefault(socket, asyncio.get_running_loop().create_task(_beat(socket)))
                return
            try:
                self._wanted[socket] = wanted = parse_request(text)
            except BadRequest as error:
                name = str(error)
                socket.send(f'{{"error":{{"name":"{name}","message":"{_MESSAGES[name]}"}}}}'.encode())
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
            if not wanted.snapshots[kind]:
                continue
            for symbol, depth in codes.items():
                if symbol not in self._days or symbol in self._floor.recorded:
                    continue  # unknown codes are met with silence
                trades = self._days[symbol].trades
                if kind == "orderbook" and symbol in self._shown:
                    socket.send(_encode(self._book_text(wanted, symbol, depth, "SNAPSHOT"), wanted))
                elif kind == "trade" and trades:
                    socket.send(_encode(self._trade_text(wanted, *trades[-1], "SNAPSHOT"), wanted))
                elif kind == "ticker" and trades:
                    socket.send(_encode(self._ticker_text(wanted, symbol, "SNAPSHOT"), wanted))

    # frames

    def _book_text(self, wanted: Wanted, symbol: str, depth: int, stream: str) -> str:
        bids, asks, at_ms = self._shown[symbol]
        price, size = (java_plain, java_double) if wanted.simple else (java_double, fixed)
        names = ("ap", "bp", "as", "bs") if wanted.simple else ("ask_price", "bid_price", "ask_size", "bid_size")
        a, b, c, d = names
        units = ",".join(
            f'{{"{a}":{price(ask[0])},"{b}":{price(bid[0])},"{c}":{size(ask[1])},"{d}":{size(bid[1])}}}'
            for ask, bid in _pairs(bids, asks, depth)
        )
        ask_total, bid_total = size(_total(asks[:depth])), size(_total(bids[:depth]))
        if wanted.simple:
            return (
                f'{{"ty":"orderbook","cd":"{symbol}","tms":{at_ms},"tas":{ask_total},"tbs":{bid_total},'
                f'"obu":[{units}],"st":"{stream}","lv":0}}'
            )
        return (
            f'{{"type":"orderbook","code":"{symbol}","timestamp":{at_ms},"total_ask_size":{ask_total},'
            f'"total_bid_size":{bid_total},"orderbook_units":[{units}],"stream_type":"{stream}","level":0}}'
        )

    def _trade_text(self, wanted: Wanted, number: int, trade: Print, stream: str) -> str:
        day = self._days[trade.symbol]
        date, time = utc_parts(trade.at_ms)
        change = trade.price - day.open
        row: dict[str, str] = {
            "type": '"trade"',
            "code": f'"{trade.symbol}"',
            "timestamp": str(trade.at_ms + 40),
            "trade_date": f'"{date}"',
            "trade_time": f'"{time}"',
            "trade_timestamp": str(trade.at_ms),
            "trade_price": java_double(trade.price),
            "trade_volume": fixed(trade.qty),
            "ask_bid": f'"{_aggressor(trade)}"',
            "prev_closing_price": java_double(day.open),
            "change": f'"{_direction(change)}"',
            "change_price": java_double(abs(change)),
            "sequential_id": str(number),
        }
        bids, asks, _ = self._shown.get(trade.symbol, ((), (), 0))
        if bids and asks:
            row |= {"best_ask_price": java_double(asks[0][0]), "best_ask_size": fixed(asks[0][1])}
            row |= {"best_bid_price": java_double(bids[0][0]), "best_bid_size": fixed(bids[0][1])}
        row["stream_type"] = f'"{stream}"'
        return _object(row, _SHORT_TRADE if wanted.simple else None)

    def _ticker_text(self, wanted: Wanted, symbol: str, stream: str) -> str:
        row = {key: _json_text(value) for key, value in self._ticker(symbol).items()}
        row["stream_type"] = f'"{stream}"'
        return _object(row, _SHORT_TICKER if wanted.simple else None)

    def _ticker(self, symbol: str) -> dict[str, object]:
        day = self._days[symbol]
        date, time = utc_parts(day.last_ms)
        kst_date, kst_time = utc_parts(day.last_ms, KST)
        last = day.trades[-1][1] if day.trades else None
        rate = day.change / day.open if day.open else ZERO
        return {
            "type": "ticker",
            "code": symbol,
            "opening_price": day.open,
            "high_price": day.high,
            "low_price": day.low,
            "trade_price": day.last,
            "prev_closing_price": day.open,
            "change": _direction(day.change),
            "change_price": abs(day.change),
            "signed_change_price": day.change,
            "change_rate": round(abs(rate), 10),
            "signed_change_rate": round(rate, 10),
            "ask_bid": _aggressor(last) if last else "BID",
            "trade_volume": last.qty if last else ZERO,
            "acc_trade_volume": day.volume,
            "acc_trade_volume_24h": day.volume,
            "acc_trade_price": day.funds,
            "acc_trade_price_24h": day.funds,
            "trade_date": date.replace("-", ""),
            "trade_time": time.replace(":", ""),
            "trade_date_kst": kst_date.replace("-", ""),
            "trade_time_kst": kst_time.replace(":", ""),
            "trade_timestamp": day.last_ms,
            "highest_52_week_price": day.high,
            "highest_52_week_date": date,
            "lowest_52_week_price": day.low,
            "lowest_52_week_date": date,
            "market_state": "ACTIVE",
            "is_trading_suspended": False,
            "delisting_date": None,
            "market_warning": "NONE",
            "timestamp": day.last_ms,
        }


_SHORT_TRADE = {
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
}
_SHORT_TICKER = _SHORT_TRADE | {
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


def parse_request(text: str) -> Wanted:
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
    for part in kinds:
        kind, codes = str(part["type"]), part.get("codes")
        if not isinstance(codes, list) or not codes:
            raise BadRequest("NO_CODES")
        if kind not in ("orderbook", "trade", "ticker"):
            raise BadRequest("INVALID_PARAM")
        wanted.codes[kind] = dict(_code(str(code)) for code in codes)
        wanted.snapshots[kind] = not (part.get("is_only_realtime") or part.get("isOnlyRealtime"))
        wanted.realtime[kind] = not (part.get("is_only_snapshot") or part.get("isOnlySnapshot"))
    return wanted


def _code(text: str) -> tuple[str, int]:
    """`KRW-BTC.5` -> code and depth; any other depth silently gives 30."""
    code, _, depth = text.partition(".")
    return code, _DEPTHS.get(depth, 30)


async def _beat(socket: Socket) -> None:
    """One text PING starts a line every 10 s for as long as the socket lives."""
    while True:
        socket.send(b'{"status":"UP"}')
        await asyncio.sleep(10)


def _encode(text: str, wanted: Wanted, fault: str = "") -> bytes:
    if fault == "ws_malformed":
        text = text[: len(text) * 2 // 3]
    elif fault == "ws_crossed":
        text = _crossed(text)
    return (f"[{text}]" if wanted.as_list else text).encode()


def _crossed(text: str) -> str:
    """Swap the sides' names: the bids stand above the asks."""
    for ask, bid in (("ask_price", "bid_price"), ("ap", "bp")):
        text = text.replace(f'"{ask}"', '"~"').replace(f'"{bid}"', f'"{ask}"').replace('"~"', f'"{bid}"')
    return text


def _pairs(bids: Levels, asks: Levels, depth: int) -> list[tuple[Level, Level]]:
    """Ask and bid of each unit; the thin side is padded with zeros."""
    count = min(depth, max(len(bids), len(asks)))
    return [(asks[i] if i < len(asks) else _PAD, bids[i] if i < len(bids) else _PAD) for i in range(count)]


def _total(levels: Levels) -> Decimal:
    return sum((qty for _, qty in levels), ZERO)


def _aggressor(trade: Print) -> str:
    return "BID" if trade.aggressor is Side.BUY else "ASK"


def _direction(change: Decimal) -> str:
    return "RISE" if change > 0 else "FALL" if change < 0 else "EVEN"


def _object(row: dict[str, str], short: dict[str, str] | None) -> str:
    names = short or {}
    return "{" + ",".join(f'"{names.get(key, key)}":{value}' for key, value in row.items()) + "}"


def _json_text(value: object) -> str:
    if isinstance(value, Decimal):
        return java_double(value) if abs(value) >= 10_000_000 else plain(value)
    return msgspec.json.encode(value).decode()
