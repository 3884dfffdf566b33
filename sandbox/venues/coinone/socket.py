"""Coinone's frames: every book whole, 16 levels a side, asks worst first; one topic per request."""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from sandbox.venues.floor import Floor, PerpState
from sandbox.venues.liquidity import Levels
from sandbox.venues.orders import Print, Side
from sandbox.venues.public import Frame, Stream, Update
from sandbox.venues.sockets import Socket
from sandbox.venues.spelling import plain
from sandbox.venues.tickers import Day

LEVELS = 16
_CHANNELS = ("ORDERBOOK", "TICKER", "TRADE")


class _Topic(Struct, frozen=True):
    quote_currency: str = ""
    target_currency: str = ""


class _Request(Struct):
    request_type: str = ""
    channel: str = ""
    topic: _Topic = _Topic()
    format: str = "DEFAULT"


def rows(levels: Levels) -> list[dict[str, str]]:
    return [{"price": plain(price), "qty": plain(qty)} for price, qty in levels[:LEVELS]]


class Frames:
    """A Writer."""

    ids_per_change = False

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._ids: dict[str, tuple[int, int]] = {}  # symbol -> the stream's last id, and how its book is numbered

    def topics(self, symbol: str) -> Iterable[str]:
        return (f"ORDERBOOK {symbol}",)

    def book_id(self, symbol: str, at_ms: int, last_id: int) -> str:
        """Milliseconds and a counter of three digits; rising, unless the clock is set back."""
        known, number = self._ids.get(symbol, (-1, 0))
        if last_id != known:
            number = number + 1 if 0 <= number - at_ms * 1_000 < 1_000_000 else at_ms * 1_000
            self._ids[symbol] = (last_id, number)
        return str(number)

    def book(self, update: Update) -> Iterable[Frame]:
        yield f"ORDERBOOK {update.symbol}", self.whole(update.symbol, update.book, update.at_ms, update.last_id)

    def whole(self, symbol: str, book: tuple[Levels, Levels], at_ms: int, last_id: int, lag_ms: int = 0) -> str:
        """`lag_ms`: the first frame after a subscribe dates itself ten seconds back."""
        quote, base = symbol.split("-")
        return _data(
            "ORDERBOOK",
            {
                "quote_currency": quote,
                "target_currency": base,
                "timestamp": at_ms - lag_ms,
                "id": self.book_id(symbol, at_ms, last_id),
                "asks": rows(book[1])[::-1],
                "bids": rows(book[0]),
            },
        )

    def trade(self, number: int, trade: Print, day: Day) -> Iterable[Frame]:
        quote, base = trade.symbol.split("-")
        pair = {"quote_currency": quote, "target_currency": base, "timestamp": trade.at_ms}
        said: dict[str, object] = {
            **pair,
            "id": f"{trade.at_ms}{number % 1000:03d}",
            "price": plain(trade.price),
            "qty": plain(trade.qty),
            "is_seller_maker": trade.aggressor is Side.BUY,
        }
        yield f"TRADE {trade.symbol}", _data("TRADE", said)
        yield (
            f"TICKER {trade.symbol}",
            _data("TICKER", {**pair, **day_of(day), "id": f"{trade.at_ms}{number % 1000:03d}"}),
        )

    def perp(self, state: PerpState) -> Iterable[Frame]:
        return ()


def day_of(day: Day) -> dict[str, str]:
    """Of the last 24 hours, as the ticker says it."""
    return {
        "quote_volume": plain(day.funds),
        "target_volume": plain(day.volume),
        "high": plain(day.high),
        "low": plain(day.low),
        "first": plain(day.open),
        "last": plain(day.last),
        "volume_power": "100",
    }


class Talk:
    """What clients say and hear back."""

    def __init__(self, floor: Floor, stream: Stream, frames: Frames) -> None:
        self._floor = floor
        self._stream = stream
        self._frames = frames

    def greet(self, socket: Socket) -> None:
        socket.send('{"response_type":"CONNECTED","data":{"session_id":"sandbox"}}')

    def hear(self, socket: Socket, text: str) -> None:
        try:
            asked = msgspec.json.decode(text, type=_Request)
        except msgspec.MsgspecError:
            socket.send(_error(160000, "Invalid request"))
            return
        symbol = f"{asked.topic.quote_currency.upper()}-{asked.topic.target_currency.upper()}"
        if asked.request_type == "PING":
            socket.send('{"response_type":"PONG"}')
        elif asked.request_type not in ("SUBSCRIBE", "UNSUBSCRIBE") or asked.channel not in _CHANNELS:
            socket.send(_error(160011, "Invalid request"))
        else:
            socket.send(_answer(f"{asked.request_type}D", asked.channel, symbol))
            if symbol not in self._floor.rules.markets:
                socket.send(_error(160012, "Invalid topic"))
            elif asked.request_type == "SUBSCRIBE":
                self._subscribe(socket, asked.channel, symbol)
            else:
                self._stream.topics[socket].pop(f"{asked.channel} {symbol}", None)

    def _subscribe(self, socket: Socket, channel: str, symbol: str) -> None:
        self._stream.topics[socket][f"{channel} {symbol}"] = None
        shown = self._stream.shown[symbol]
        if channel == "ORDERBOOK" and shown.at_ms and not self._stream.is_silent(symbol):
            socket.send(self._frames.whole(symbol, (shown.bids, shown.asks), shown.at_ms, shown.last_id, 10_000))


def _data(channel: str, said: dict[str, object]) -> str:
    return msgspec.json.encode({"response_type": "DATA", "channel": channel, "data": said}).decode()


def _answer(kind: str, channel: str, symbol: str) -> str:
    quote, base = symbol.split("-", 1)
    topic = {"quote_currency": quote, "target_currency": base}
    return msgspec.json.encode({"response_type": kind, "channel": channel, "data": topic}).decode()


def _error(code: int, message: str) -> str:
    return msgspec.json.encode({"response_type": "ERROR", "error_code": code, "message": message}).decode()
