"""Bybit v5: what is read of its public frames, spot and linear alike. Source: Bybit V5 API, WebSocket > Public."""

from typing import Generic, TypeVar

import msgspec
from msgspec import Struct, field

from engine.venues.decoder import Number

N = TypeVar("N")


class BookData(Struct, Generic[N]):
    """`u` rises by one per frame; 1 after a restart of the venue's service. Size 0 deletes."""

    symbol: str = field(name="s")
    bids: list[tuple[N, N]] = field(name="b")
    asks: list[tuple[N, N]] = field(name="a")
    update_id: int = field(name="u")
    ts_ms: int = field(name="ts", default=0)  # REST only


class Orderbook(Struct, Generic[N]):
    """`orderbook.{depth}.{symbol}`. `ts` is when it was sent, `cts` when the engine matched."""

    topic: str
    type: str
    data: BookData[N]
    ts: int
    cts: int = 0


class Trade(Struct, Generic[N]):
    """`S` is the taker's side: Buy or Sell."""

    symbol: str = field(name="s")
    price: N = field(name="p")
    qty: N = field(name="v")
    side: str = field(name="S")
    trade_ms: int = field(name="T")
    trade_id: str = field(name="i")


class Trades(Struct, Generic[N]):
    data: list[Trade[N]]


class RestOrderbook(Struct, Generic[N]):
    """GET /v5/market/orderbook."""

    result: BookData[N]
    code: int = field(name="retCode", default=0)


class Kind(Struct):
    """Just enough of any frame to name it."""

    topic: str = ""
    op: str = ""
    success: bool | None = None


class Decoders(Generic[N]):
    """The typed decoders of one number type."""

    def __init__(self, number: Number) -> None:
        self.orderbook = msgspec.json.Decoder(Orderbook[number], strict=False)  # type: ignore[valid-type]
        self.trades = msgspec.json.Decoder(Trades[number], strict=False)  # type: ignore[valid-type]


kind = msgspec.json.Decoder(Kind)
