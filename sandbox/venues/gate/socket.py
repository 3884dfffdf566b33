"""Gate's channels: `obu` brings its own snapshot, `order_book_update` rests on REST; acks prove nothing."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from sandbox.venues.floor import Floor, PerpState
from sandbox.venues.liquidity import Level, Levels
from sandbox.venues.orders import Print, Side
from sandbox.venues.public import Frame, Stream, Update
from sandbox.venues.sockets import Socket
from sandbox.venues.spelling import plain
from sandbox.venues.tickers import Day

_DEPTHS = ("50", "400")
_CHANNELS = ("obu", "order_book_update", "trades", "tickers")


class _Request(Struct):
    channel: str = ""
    event: str = ""
    payload: list[str] = []
    id: int | str | None = None


def pairs(levels: Sequence[Level]) -> list[tuple[str, str]]:
    return [(plain(price), plain(qty)) for price, qty in levels]


def named(levels: Sequence[Level]) -> list[dict[str, Any]]:
    """As futures REST and `order_book_update` write them: sizes are numbers."""
    return [{"p": plain(price), "s": int(qty)} for price, qty in levels]


class Frames:
    """A Writer."""

    ids_per_change = True

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self.is_futures = floor.rules.venue.endswith("_futures")
        self.product = "futures" if self.is_futures else "spot"

    def topics(self, symbol: str) -> Iterable[str]:
        return (*(f"obu ob.{symbol}.{depth}" for depth in _DEPTHS), f"order_book_update {symbol}")

    def book(self, update: Update) -> Iterable[Frame]:
        ids = {"t": update.at_ms, "U": update.first_id, "u": update.last_id}
        for depth in _DEPTHS:
            stream = f"ob.{update.symbol}.{depth}"
            sides = {"b": pairs(update.bids)[::-1], "a": pairs(update.asks)[::-1]}  # unordered inside a delta
            yield f"obu {stream}", self.frame("obu", "update", {**ids, "s": stream, **sides})
        write = named if self.is_futures else pairs
        rows = {"b": write(update.bids), "a": write(update.asks)}
        said = {**ids, "s": update.symbol, "E": update.at_ms, "e": "depthUpdate", **rows}
        yield f"order_book_update {update.symbol}", self.frame("order_book_update", "update", said)

    def snapshot(self, stream: str, book: tuple[Levels, Levels], at_ms: int, last_id: int) -> str:
        said = {"t": at_ms, "full": True, "s": stream, "u": last_id, "b": pairs(book[0]), "a": pairs(book[1])}
        return self.frame("obu", "update", said)

    def trade(self, number: int, trade: Print, day: Day) -> Iterable[Frame]:
        yield f"trades {trade.symbol}", self.frame("trades", "update", self._print(number, trade))
        yield f"tickers {trade.symbol}", self.frame("tickers", "update", self._tickers(trade.symbol, day))

    def _print(self, number: int, trade: Print) -> Any:
        ms = f"{trade.at_ms}.000000"
        if not self.is_futures:
            side = "buy" if trade.aggressor is Side.BUY else "sell"
            row = {"id": number, "create_time": trade.at_ms // 1_000, "create_time_ms": ms, "side": side}
            return {**row, "currency_pair": trade.symbol, "amount": plain(trade.qty), "price": plain(trade.price)}
        size = int(trade.qty) if trade.aggressor is Side.BUY else -int(trade.qty)
        row = {"id": number, "create_time": trade.at_ms // 1_000, "create_time_ms": trade.at_ms}
        return [{**row, "contract": trade.symbol, "size": size, "price": plain(trade.price)}]

    def _tickers(self, symbol: str, day: Day) -> Any:
        ticker = ticker_of(self._floor, symbol, day)
        return [ticker] if self.is_futures else ticker

    def perp(self, state: PerpState) -> Iterable[Frame]:
        return ()  # the tickers carry mark, index and rate with the next trade

    def frame(self, channel: str, event: str, result: Any, **more: object) -> str:
        at_ms = self._floor.clock()
        head = {"time": at_ms // 1_000, "time_ms": at_ms, "channel": f"{self.product}.{channel}", "event": event}
        return msgspec.json.encode({**head, **more, "result": result}).decode()


def ticker_of(floor: Floor, symbol: str, day: Day) -> dict[str, str]:
    percent = day.change / day.open * 100 if day.open else day.change
    last = {"last": plain(day.last), "change_percentage": f"{percent:.2f}"}
    span = {"high_24h": plain(day.high), "low_24h": plain(day.low)}
    state = floor.perps.get(symbol)
    perp = floor.rules.markets[symbol].perp
    if perp is None or state is None:
        volumes = {"base_volume": plain(day.volume), "quote_volume": plain(day.funds)}
        return {"currency_pair": symbol, **last, **span, **volumes}
    return {
        "contract": symbol,
        **last,
        **span,
        "total_size": "100000",
        "volume_24h": plain(day.volume),
        "volume_24h_base": plain(day.volume * perp.contract),
        "volume_24h_quote": plain(day.funds * perp.contract),
        "volume_24h_settle": plain(day.funds * perp.contract),
        "mark_price": plain(state.mark),
        "index_price": plain(state.index),
        "funding_rate": plain(state.funding_rate),
        "funding_rate_indicative": plain(state.predicted_rate),
        "quanto_base_rate": "",
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
            socket.send(self._refusal("", "", None, 1, "invalid json"))
            return
        product, _, channel = asked.channel.partition(".")
        if channel == "ping":
            socket.send(self._frames.frame("pong", "", None))
        elif product != self._frames.product or channel not in _CHANNELS:
            socket.send(self._refusal(channel, asked.event, asked.id, 2, f"unknown channel {asked.channel}"))
        elif asked.event not in ("subscribe", "unsubscribe"):
            socket.send(self._refusal(channel, asked.event, asked.id, 2, f"unknown event {asked.event}"))
        else:
            self._obey(socket, asked, channel)

    def _obey(self, socket: Socket, asked: _Request, channel: str) -> None:
        """`obu` acknowledges what it does not know and stays silent; other channels name it."""
        names = asked.payload[:1] if channel == "order_book_update" else asked.payload
        unknown = [name for name in names if channel != "obu" and name not in self._floor.rules.markets]
        if unknown:
            text = f"unknown currency pair {unknown[0]}"
            socket.send(self._refusal(channel, asked.event, asked.id, 2, text))
            return
        more = {} if asked.id is None else {"id": asked.id}
        snapshots = [self._first(name) for name in names if channel == "obu" and asked.event == "subscribe"]
        for name in names:
            if asked.event == "subscribe":
                self._stream.topics[socket][f"{channel} {name}"] = None
            else:
                self._stream.topics[socket].pop(f"{channel} {name}", None)
        for snapshot in snapshots:  # it may come before its ack
            if snapshot:
                socket.send(snapshot)
        socket.send(self._frames.frame(channel, asked.event, {"status": "success"}, payload=asked.payload, **more))

    def _first(self, name: str) -> str:
        parts = name.split(".")
        if len(parts) != 3 or parts[2] not in _DEPTHS or parts[1] not in self._floor.rules.markets:
            return ""
        shown = self._stream.shown[parts[1]]
        if not shown.at_ms or self._stream.is_silent(parts[1]):
            return ""
        return self._frames.snapshot(name, (shown.bids, shown.asks), shown.at_ms, shown.last_id)

    def _refusal(self, channel: str, event: str, number: int | str | None, code: int, text: str) -> str:
        more = {} if number is None else {"id": number}
        return self._frames.frame(channel, event, None, error={"code": code, "message": text}, **more)
