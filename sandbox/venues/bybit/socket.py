"""Bybit's public topics: a snapshot and deltas on one counter, trades, tickers; spot and linear alike."""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from sandbox.venues.floor import Floor, PerpState
from sandbox.venues.liquidity import Level, Levels
from sandbox.venues.orders import Print, Side
from sandbox.venues.public import Frame, Stream, Update
from sandbox.venues.sockets import Socket
from sandbox.venues.spelling import plain
from sandbox.venues.tickers import Day

DEPTHS = (1, 50, 200, 1000)
_ARGS = 10  # per subscribe frame on the spot socket
_SEQ = 7_000_000_000  # `seq` counts for all depths and symbols


class _Request(Struct):
    op: str = ""
    args: list[str] = []
    req_id: str | int = ""  # as it was sent


def rows(levels: Levels | list[Level]) -> list[tuple[str, str]]:
    return [(plain(price), plain(qty)) for price, qty in levels]


class Frames:
    """A Writer."""

    ids_per_change = False

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self.is_linear = floor.rules.venue.endswith("_linear")

    def topics(self, symbol: str) -> Iterable[str]:
        return (f"orderbook.{depth}.{symbol}" for depth in DEPTHS)

    def book(self, update: Update) -> Iterable[Frame]:
        data = {
            "s": update.symbol,
            "b": rows(update.bids),
            "a": rows(update.asks),
            "u": update.last_id,
            "seq": _SEQ + update.last_id,
        }
        for depth in DEPTHS[1:]:
            topic = f"orderbook.{depth}.{update.symbol}"
            yield topic, _frame(topic, "delta", data, update.at_ms)
        yield from self._top(update)

    def _top(self, update: Update) -> Iterable[Frame]:
        """Depth 1 sends whole tops."""
        topic = f"orderbook.1.{update.symbol}"
        yield topic, self.whole(topic, update.symbol, update.book, update.at_ms, update.last_id, 1)

    def whole(self, topic: str, symbol: str, book: tuple[Levels, Levels], at_ms: int, last_id: int, depth: int) -> str:
        bids, asks = rows(book[0][:depth]), rows(book[1][:depth])
        data = {"s": symbol, "b": bids, "a": asks, "u": last_id, "seq": _SEQ + last_id}
        return _frame(topic, "snapshot", data, at_ms)

    def trade(self, number: int, trade: Print, day: Day) -> Iterable[Frame]:
        topic = f"publicTrade.{trade.symbol}"
        row = {
            "T": trade.at_ms,
            "s": trade.symbol,
            "S": "Buy" if trade.aggressor is Side.BUY else "Sell",
            "v": plain(trade.qty),
            "p": plain(trade.price),
            "L": "PlusTick",
            "i": str(2_290_000_000_000 + number),
            "BT": False,
        }
        yield topic, _json({"topic": topic, "type": "snapshot", "ts": trade.at_ms, "data": [row]})
        ticker = f"tickers.{trade.symbol}"
        said = {"symbol": trade.symbol, **day_of(day)}
        yield ticker, _frame(ticker, "delta" if self.is_linear else "snapshot", said, trade.at_ms)

    def perp(self, state: PerpState) -> Iterable[Frame]:
        topic = f"tickers.{state.symbol}"
        yield topic, _frame(topic, "delta", {"symbol": state.symbol, **contract_of(state)}, state.at_ms)

    def first_ticker(self, symbol: str, day: Day) -> str:
        state = self._floor.perps.get(symbol)
        said = {"symbol": symbol, **day_of(day), **(contract_of(state) if state else {})}
        return _frame(f"tickers.{symbol}", "snapshot", said, self._floor.clock())


def day_of(day: Day) -> dict[str, str]:
    percent = day.change / day.open if day.open else day.change
    return {
        "lastPrice": plain(day.last),
        "highPrice24h": plain(day.high),
        "lowPrice24h": plain(day.low),
        "prevPrice24h": plain(day.open),
        "volume24h": plain(day.volume),
        "turnover24h": plain(day.funds),
        "price24hPcnt": f"{percent:.4f}",
    }


def contract_of(state: PerpState) -> dict[str, str]:
    return {
        "markPrice": plain(state.mark),
        "indexPrice": plain(state.index),
        "fundingRate": plain(state.funding_rate),
        "nextFundingTime": str(state.next_ms),
        "fundingIntervalHour": str(state.interval_ms // 3_600_000),
        "openInterest": "50000",
        "openInterestValue": plain(state.mark * 50_000),
    }


class Talk:
    """What clients say and hear back on one product's socket."""

    def __init__(self, floor: Floor, stream: Stream, frames: Frames) -> None:
        self._floor = floor
        self._stream = stream
        self._frames = frames

    def hear(self, socket: Socket, text: str) -> None:
        try:
            asked = msgspec.json.decode(text, type=_Request)
        except msgspec.MsgspecError:
            socket.send(self._answer("", False, "", "Request format is invalid"))
            return
        if asked.op == "ping":
            socket.send(self._pong(asked.req_id))
            return
        if asked.op not in ("subscribe", "unsubscribe"):
            socket.send(self._answer(asked.op, False, asked.req_id, f"error:unknown op {asked.op}"))
            return
        wrong = [topic for topic in asked.args if not self._is_known(topic)]
        if wrong or (not self._frames.is_linear and len(asked.args) > _ARGS):
            why = f"error:handler not found,topic:{wrong[0]}" if wrong else "args size >10"
            socket.send(self._answer(asked.op, False, asked.req_id, why))
            return
        socket.send(self._answer(asked.op, True, asked.req_id, asked.op if not self._frames.is_linear else ""))
        for topic in asked.args:
            if asked.op == "subscribe":
                self._subscribe(socket, topic)
            else:
                self._stream.topics[socket].pop(topic, None)

    def _is_known(self, topic: str) -> bool:
        channel, _, rest = topic.partition(".")
        depth, _, symbol = rest.partition(".") if channel == "orderbook" else ("1", "", rest)
        known = channel in ("orderbook", "publicTrade", "tickers") and depth.isdigit() and int(depth) in DEPTHS
        return known and symbol in self._floor.rules.markets

    def _subscribe(self, socket: Socket, topic: str) -> None:
        self._stream.topics[socket][topic] = None
        symbol = topic.rpartition(".")[2]
        if self._stream.is_silent(symbol):
            return
        shown = self._stream.shown[symbol]
        if topic.startswith("orderbook.") and shown.at_ms:
            depth = int(topic.split(".")[1])
            book = (shown.bids, shown.asks)
            socket.send(self._frames.whole(topic, symbol, book, shown.at_ms, shown.last_id, depth))
        elif topic.startswith("tickers."):
            socket.send(self._frames.first_ticker(symbol, self._stream.days[symbol]))

    def _pong(self, req_id: str | int) -> str:
        said = {"success": True, "ret_msg": "pong", "conn_id": "sandbox", "req_id": req_id, "op": "ping"}
        return _json(said)

    def _answer(self, op: str, ok: bool, req_id: str | int, text: str) -> str:
        return _json({"success": ok, "ret_msg": text, "conn_id": "sandbox", "req_id": req_id, "op": op})


def _frame(topic: str, kind: str, data: object, at_ms: int) -> str:
    return _json({"topic": topic, "type": kind, "ts": at_ms + 1, "data": data, "cts": at_ms})


def _json(said: object) -> str:
    return msgspec.json.encode(said).decode()
