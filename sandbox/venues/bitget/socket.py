"""Bitget's v2 channels: books chained by pseq and seq, trades, tickers with mark, index and funding."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from sandbox.venues.checksums import of_book
from sandbox.venues.floor import Floor, PerpState
from sandbox.venues.liquidity import Level, Levels
from sandbox.venues.orders import Print, Side
from sandbox.venues.public import Frame, Stream, Update
from sandbox.venues.sockets import Socket
from sandbox.venues.spelling import plain
from sandbox.venues.tickers import Day

_CHANNELS = ("books", "books1", "books5", "books15", "trade", "ticker")
_MOST_BYTES = 4_096


class _Arg(Struct, frozen=True):
    instType: str = ""
    channel: str = ""
    instId: str = ""


class _Request(Struct):
    op: str = ""
    args: list[_Arg] = []


def rows(levels: Sequence[Level]) -> list[tuple[str, str]]:
    return [(plain(price), plain(qty)) for price, qty in levels]


class Frames:
    """A Writer of one product."""

    ids_per_change = True

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self.inst_type = "USDT-FUTURES" if floor.rules.venue.endswith("_futures") else "SPOT"

    def topics(self, symbol: str) -> Iterable[str]:
        return (f"books {symbol}",)

    def book(self, update: Update) -> Iterable[Frame]:
        ids = {"ts": str(update.at_ms), "seq": update.last_id, "pseq": update.first_id - 1}
        bids = rows(sorted(update.bids, reverse=True))
        proof = self._checksum(update.book, is_wrong=update.bad_checksum)
        data = {"asks": rows(sorted(update.asks)), "bids": bids, **ids, **proof}
        yield f"books {update.symbol}", self._frame("update", "books", update.symbol, [data])
        for depth in (1, 5, 15):
            yield (
                f"books{depth} {update.symbol}",
                self.whole(f"books{depth}", update.symbol, update.book, update.at_ms, update.last_id, depth),
            )

    def whole(
        self, channel: str, symbol: str, book: tuple[Levels, Levels], at_ms: int, last_id: int, depth: int = 500
    ) -> str:
        bids, asks = rows(book[0][:depth]), rows(book[1][:depth])
        data = {"asks": asks, "bids": bids, "ts": str(at_ms), "seq": last_id, "pseq": 0, **self._checksum(book)}
        return self._frame("snapshot", channel, symbol, [data])

    def _checksum(self, book: tuple[Levels, Levels], *, is_wrong: bool = False) -> dict[str, int]:
        if not self._floor.sends_checksums:
            return {}
        return {"checksum": of_book(*book) ^ is_wrong}

    def trade(self, number: int, trade: Print, day: Day) -> Iterable[Frame]:
        yield f"trade {trade.symbol}", self._frame("update", "trade", trade.symbol, [print_of(number, trade)])
        yield f"ticker {trade.symbol}", self.ticker(trade.symbol, day)

    def perp(self, state: PerpState) -> Iterable[Frame]:
        return ()  # the ticker carries it with the next trade

    def ticker(self, symbol: str, day: Day) -> str:
        said = {"instId": symbol, **ticker_of(self._floor, symbol, day)}
        return self._frame("snapshot", "ticker", symbol, [said])

    def _frame(self, action: str, channel: str, symbol: str, data: Any) -> str:
        arg = _Arg(self.inst_type, channel, symbol)
        return msgspec.json.encode({"action": action, "arg": arg, "data": data, "ts": self._floor.clock()}).decode()


def print_of(number: int, trade: Print) -> dict[str, str]:
    return {
        "ts": str(trade.at_ms),
        "price": plain(trade.price),
        "size": plain(trade.qty),
        "side": "buy" if trade.aggressor is Side.BUY else "sell",
        "tradeId": str(1_100_000_000_000 + number),
    }


def ticker_of(floor: Floor, symbol: str, day: Day) -> dict[str, str]:
    bids, asks = floor.exchange.book(symbol)
    change = day.change / day.open if day.open else day.change
    said = {
        "lastPr": plain(day.last),
        "open24h": plain(day.open),
        "high24h": plain(day.high),
        "low24h": plain(day.low),
        "change24h": f"{change:.5f}",
        "baseVolume": plain(day.volume),
        "quoteVolume": plain(day.funds),
        "ts": str(floor.clock()),
    }
    for name, levels in (("bid", bids), ("ask", asks)):
        if levels:
            said |= {f"{name}Pr": plain(levels[0][0]), f"{name}Sz": plain(levels[0][1])}
    state = floor.perps.get(symbol)
    if state is not None:
        said |= {
            "symbolType": "1",
            "markPrice": plain(state.mark),
            "indexPrice": plain(state.index),
            "fundingRate": plain(state.funding_rate),
            "nextFundingTime": str(state.next_ms),
        }
    return said


class Talk:
    """Both products speak at one address; `instType` names the product."""

    def __init__(self, products: Mapping[str, tuple[Stream, Frames]]) -> None:
        self._products = products

    def hear(self, socket: Socket, text: str) -> None:
        if text == "ping":
            socket.send("pong")
            return
        if len(text.encode()) > _MOST_BYTES:
            socket.cut()
            return
        try:
            asked = msgspec.json.decode(text, type=_Request)
        except msgspec.MsgspecError:
            socket.send(_error(30_003, "Invalid op", None))
            return
        if asked.op not in ("subscribe", "unsubscribe"):
            socket.send(_error(30_003, "Invalid op", None))
            return
        for arg in asked.args:
            self._obey(socket, asked.op, arg)

    def _obey(self, socket: Socket, op: str, arg: _Arg) -> None:
        """One answer per argument."""
        found = self._products.get(arg.instType)
        if arg.channel not in _CHANNELS:
            socket.send(_error(30_016, "Param error", arg))
            return
        is_listed = any(arg.instId in stream.shown for stream, _ in self._products.values())
        if not is_listed:
            text = f"instType:{arg.instType},channel:{arg.channel},instId:{arg.instId} doesn't exist"
            socket.send(_error(30_001, text, arg))
            return
        socket.send(msgspec.json.encode({"event": op, "arg": arg}).decode())
        if found is None or arg.instId not in found[0].shown:
            return  # listed under another product: acknowledged, never served
        stream, frames = found
        topic = f"{arg.channel} {arg.instId}"
        if op == "unsubscribe":
            stream.topics[socket].pop(topic, None)
            return
        stream.topics[socket][topic] = None
        shown = stream.shown[arg.instId]
        if stream.is_silent(arg.instId) or not shown.at_ms:
            return
        if arg.channel.startswith("books"):
            depth = int(arg.channel.removeprefix("books") or 500)
            book = (shown.bids, shown.asks)
            socket.send(frames.whole(arg.channel, arg.instId, book, shown.at_ms, shown.last_id, depth))
        elif arg.channel == "ticker":
            socket.send(frames.ticker(arg.instId, stream.days[arg.instId]))


def _error(code: int, text: str, arg: _Arg | None) -> str:
    said: dict[str, Any] = {"event": "error", "code": code, "msg": text, "op": "subscribe"}
    return msgspec.json.encode(said | ({"arg": arg} if arg else {})).decode()
