"""Bybit v5: what is read of its public frames, spot and linear alike. Source: Bybit V5 API, WebSocket > Public."""

from typing import Generic, TypeVar

import msgspec
from msgspec import Struct, field

from engine.venues.decoder import Number
from engine.venues.tickers import Said

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


class TickerData(Struct):
    """Linear: a snapshot, then only what changed. Spot has no mark, index or funding; its frames are whole."""

    symbol: str
    last: Said = field(name="lastPrice", default=None)
    turnover: Said = field(name="turnover24h", default=None)  # in the quote asset, spot and linear
    mark: Said = field(name="markPrice", default=None)
    index: Said = field(name="indexPrice", default=None)
    funding_rate: Said = field(name="fundingRate", default=None)
    next_funding: Said = field(name="nextFundingTime", default=None)
    interval_hours: Said = field(name="fundingIntervalHour", default=None)


class Ticker(Struct):
    data: TickerData
    ts: int = 0


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


ticker = msgspec.json.Decoder(Ticker, strict=False)
kind = msgspec.json.Decoder(Kind)
