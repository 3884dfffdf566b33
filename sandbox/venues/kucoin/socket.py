"""KuCoin's two dialects: Pro (`obu` brings its own snapshot, binary) and classic (snapshot by REST, text)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from sandbox.venues.floor import Floor, PerpState
from sandbox.venues.ledger import ZERO
from sandbox.venues.liquidity import Level, Levels
from sandbox.venues.orders import Print, Side
from sandbox.venues.public import Frame, Stream, Update
from sandbox.venues.sockets import Socket
from sandbox.venues.spelling import plain
from sandbox.venues.tickers import Day

_NS_PER_MS = 1_000_000
_PRO_CHANNELS = ("obu", "trade")
_CLASSIC = {
    "SPOT": ("/market/level2", "/market/match", "/market/ticker"),
    "FUTURES": ("/contractMarket/level2", "/contractMarket/execution", "/contract/instrument"),
}


class _ProRequest(Struct):
    id: str | int = ""
    action: str = ""
    type: str = ""
    channel: str = ""
    tradeType: str = ""
    symbol: str = ""
    depth: str = ""


class _ClassicRequest(Struct):
    id: str | int = ""
    type: str = ""
    topic: str = ""
    response: bool = False


def rows(levels: Sequence[Level]) -> list[tuple[str, str]]:
    return [(plain(price), plain(qty)) for price, qty in levels]


class Frames:
    """A Writer of one product."""

    ids_per_change = True

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self.is_futures = floor.rules.venue.endswith("_futures")
        self.product = "FUTURES" if self.is_futures else "SPOT"
        self.level2, self.match, _ = _CLASSIC[self.product]

    def topics(self, symbol: str) -> Iterable[str]:
        return (f"obu {symbol}", f"{self.level2}:{symbol}")

    def book(self, update: Update) -> Iterable[Frame]:
        at_ns = update.at_ms * _NS_PER_MS
        data = {"s": update.symbol, "O": update.first_id, "C": update.last_id, "M": at_ns}
        data |= {"a": rows(update.asks), "b": rows(update.bids)}
        yield f"obu {update.symbol}", self._obu("delta", data)
        topic = f"{self.level2}:{update.symbol}"
        for frame in self._one_by_one(update) if self.is_futures else (self._range(update),):
            yield topic, _json({"type": "message", "topic": topic, "subject": _SUBJECTS[self.product], "data": frame})

    def _range(self, update: Update) -> dict[str, Any]:
        """Every level with its own sequence, inside the range of the frame."""
        ids = iter(range(update.first_id, update.last_id + 1))
        changes = {
            name: [(plain(price), plain(qty), str(next(ids, update.last_id))) for price, qty in levels]
            for name, levels in (("asks", update.asks), ("bids", update.bids))
        }
        span = {"sequenceStart": update.first_id, "sequenceEnd": update.last_id}
        return {"changes": changes, **span, "symbol": update.symbol, "time": update.at_ms}

    def _one_by_one(self, update: Update) -> Iterable[dict[str, Any]]:
        """One level per frame; a lie of a fault borrows the last sequence."""
        sides = [(level, "sell") for level in update.asks] + [(level, "buy") for level in update.bids]
        for i, ((price, qty), side) in enumerate(sides):
            sequence = min(update.first_id + i, update.last_id)
            yield {"sequence": sequence, "change": f"{plain(price)},{side},{plain(qty)}", "timestamp": update.at_ms}

    def snapshot(self, symbol: str, book: tuple[Levels, Levels], at_ms: int, last_id: int) -> bytes:
        data = {
            "s": symbol,
            "O": last_id,
            "C": last_id,
            "M": at_ms * _NS_PER_MS,
            "a": rows(book[1]),
            "b": rows(book[0]),
        }
        return self._obu("snapshot", data)

    def _obu(self, kind: str, data: dict[str, Any]) -> bytes:
        head = {"T": f"obu.{self.product}", "P": self._floor.clock() * _NS_PER_MS, "dp": "increment@10ms", "t": kind}
        return msgspec.json.encode({**head, "d": data})

    def trade(self, number: int, trade: Print, day: Day) -> Iterable[Frame]:
        at_ns = trade.at_ms * _NS_PER_MS
        side = "buy" if trade.aggressor is Side.BUY else "sell"
        text = {"p": plain(trade.price), "q": plain(trade.qty)}
        data = {"s": trade.symbol, "S": side, **text, "ti": str(number), "M": at_ns}
        yield f"trade {trade.symbol}", msgspec.json.encode({"T": f"trade.{self.product}", "P": at_ns, "d": data})
        topic = f"{self.match}:{trade.symbol}"
        said = {"symbol": trade.symbol, "side": side, "price": plain(trade.price), "tradeId": str(number)}
        said |= {"sequence": str(number), "makerOrderId": "m", "takerOrderId": "t"}
        timed: dict[str, Any] = (
            {"size": int(trade.qty), "ts": at_ns} if self.is_futures else {"size": plain(trade.qty), "time": str(at_ns)}
        )
        subject = "match" if self.is_futures else "trade.l3match"
        yield topic, _json({"type": "message", "topic": topic, "subject": subject, "data": {**said, **timed}})

    def perp(self, state: PerpState) -> Iterable[Frame]:
        topic = f"/contract/instrument:{state.symbol}"
        said = {"markPrice": float(state.mark), "indexPrice": float(state.index), "granularity": 1000}
        data = {**said, "timestamp": state.at_ms}
        yield topic, _json({"type": "message", "topic": topic, "subject": "mark.index.price", "data": data})


_SUBJECTS = {"SPOT": "trade.l2update", "FUTURES": "level2"}
Products = Mapping[str, tuple[Stream, Frames]]


class ProTalk:
    """One symbol per frame. An unknown one is acknowledged and stays silent."""

    def __init__(self, products: Products) -> None:
        self._products = products

    def greet(self, socket: Socket) -> None:
        socket.send(b'{"sessionId":"sandbox","data":"welcome","pingInterval":18000,"pingTimeout":10000}')

    def hear(self, socket: Socket, text: str) -> None:
        try:
            asked = msgspec.json.decode(text, type=_ProRequest)
        except msgspec.MsgspecError:
            socket.send(b'{"id":"","result":false,"code":"400","msg":"bad request"}')
            return
        if asked.type == "ping":
            now_ns = next(iter(self._products.values()))[0].floor.clock() * _NS_PER_MS
            socket.send(msgspec.json.encode({"id": asked.id, "type": "pong", "ts": now_ns}))
            return
        found = self._products.get(asked.tradeType)
        if found is None or asked.channel not in _PRO_CHANNELS or asked.action not in ("SUBSCRIBE", "UNSUBSCRIBE"):
            socket.send(msgspec.json.encode({"id": asked.id, "result": False, "msg": "unsupported"}))
            return
        socket.send(msgspec.json.encode({"id": asked.id, "result": True}))
        stream, frames = found
        topic = f"{asked.channel} {asked.symbol}"
        if asked.action == "UNSUBSCRIBE":
            stream.topics[socket].pop(topic, None)
        elif asked.symbol in stream.shown:
            stream.topics[socket][topic] = None
            shown = stream.shown[asked.symbol]
            if asked.channel == "obu" and shown.at_ms and not stream.is_silent(asked.symbol):
                book = (shown.bids, shown.asks)
                socket.send(frames.snapshot(asked.symbol, book, shown.at_ms, shown.last_id))


class ClassicTalk:
    """Topics name their product by their channel; many symbols in one topic, parted by commas."""

    def __init__(self, products: Products) -> None:
        self._products = products

    def greet(self, socket: Socket) -> None:
        socket.send('{"id":"sandbox","type":"welcome"}')

    def hear(self, socket: Socket, text: str) -> None:
        try:
            asked = msgspec.json.decode(text, type=_ClassicRequest)
        except msgspec.MsgspecError:
            socket.send('{"type":"error","code":400,"data":"bad request"}')
            return
        if asked.type == "ping":
            now_us = next(iter(self._products.values()))[0].floor.clock() * 1_000
            socket.send(_json({"id": asked.id, "type": "pong", "timestamp": now_us}))
            return
        channel, _, names = asked.topic.partition(":")
        product = next((name for name, channels in _CLASSIC.items() if channel in channels), "")
        if asked.type not in ("subscribe", "unsubscribe") or not product:
            socket.send(
                _json({"id": asked.id, "type": "error", "code": 404, "data": f"topic {asked.topic} is not found"})
            )
            return
        topics = self._products[product][0].topics[socket]
        for name in names.split(","):
            if asked.type == "subscribe":
                topics[f"{channel}:{name}"] = None
            else:
                topics.pop(f"{channel}:{name}", None)
        if asked.response:
            socket.send(_json({"id": asked.id, "type": "ack"}))


def _json(said: object) -> str:
    return msgspec.json.encode(said).decode()


def lots(levels: Sequence[Level]) -> list[tuple[float, int]]:
    """Futures REST writes numbers."""
    return [(float(price), int(qty)) for price, qty in levels if qty != ZERO]
