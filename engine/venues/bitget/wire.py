"""Bitget: what is read of its public frames. Source: Bitget API v2 and v3 (unified account), WebSocket > Public.

v2 names channel, instId, asks and bids; v3 topic, symbol, a and b. The retired v1 is v2 with other instType names and
trades as rows; it is read because recordings of whole sessions exist only of it.
"""

from typing import Generic, TypeVar

import msgspec
from msgspec import Struct, field

from engine.venues.decoder import Number
from engine.venues.tickers import Said

N = TypeVar("N")
NO_SEQUENCE = -1  # recordings before 2025 carry no sequence ids; 0 is the venue's own mark of a snapshot


class Arg(Struct, frozen=True, gc=False):
    inst_type: str = field(name="instType", default="")
    channel: str = ""
    topic: str = ""
    inst_id: str = field(name="instId", default="")
    symbol: str = ""


class BookData(Struct, Generic[N]):
    """Sorted levels [price, size]; size 0 deletes. `checksum` 0 or absent: none."""

    asks: list[tuple[N, N]]
    bids: list[tuple[N, N]]
    ts_ms: int = field(name="ts", default=0)
    checksum: int = 0
    seq: int = NO_SEQUENCE
    prev_seq: int = field(name="pseq", default=NO_SEQUENCE)


class BookDataV3(Struct, Generic[N]):
    asks: list[tuple[N, N]] = field(name="a")
    bids: list[tuple[N, N]] = field(name="b")
    ts_ms: int = field(name="ts", default=0)
    checksum: int = 0
    seq: int = NO_SEQUENCE
    prev_seq: int = field(name="pseq", default=NO_SEQUENCE)


class Frame(Struct, Generic[N]):
    """`action` is snapshot or update. `N` is what `data` lists."""

    action: str
    arg: Arg
    data: list[N]


class Trade(Struct, Generic[N]):
    """`side` is the taker's. Newest first in a frame."""

    ts_ms: int = field(name="ts")
    price: N
    qty: N = field(name="size")
    side: str
    trade_id: str = field(name="tradeId", default="")


class TradeRow(Struct, Generic[N], array_like=True):
    """v1."""

    ts_ms: int
    price: N
    qty: N
    side: str
    trade_id: str = ""


class TradeV3(Struct, Generic[N]):
    ts_ms: int = field(name="T")
    price: N = field(name="p")
    qty: N = field(name="v")
    side: str = field(name="S")
    trade_id: str = field(name="i", default="")


class Ticker(Struct):
    """v2 and v3 in one: only the last price and the turnover have other names. Dated contracts: next time 0."""

    last: Said = field(name="lastPr", default=None)
    last_v3: Said = field(name="lastPrice", default=None)
    quote_volume: Said = field(name="quoteVolume", default=None)
    turnover: Said = field(name="turnover24h", default=None)
    mark: Said = field(name="markPrice", default=None)
    index: Said = field(name="indexPrice", default=None)
    funding_rate: Said = field(name="fundingRate", default=None)
    next_funding: Said = field(name="nextFundingTime", default=None)
    ts_ms: Said = field(name="ts", default=None)


class RestBook(Struct, Generic[N]):
    """GET /api/v2/spot/market/orderbook and /api/v2/mix/market/merge-depth."""

    data: BookData[N]
    code: str = ""


class Kind(Struct):
    """Just enough of any frame to name it."""

    event: str = ""
    action: str = ""
    arg: Arg = Arg()
    data: msgspec.Raw = msgspec.Raw(b"")


class Decoders(Generic[N]):
    """The typed decoders of one number type."""

    def __init__(self, number: Number) -> None:
        self.books = msgspec.json.Decoder(Frame[BookData[number]], strict=False)  # type: ignore[valid-type]
        self.books_v3 = msgspec.json.Decoder(Frame[BookDataV3[number]], strict=False)  # type: ignore[valid-type]
        self.trades = msgspec.json.Decoder(Frame[Trade[number]], strict=False)  # type: ignore[valid-type]
        self.trades_v3 = msgspec.json.Decoder(Frame[TradeV3[number]], strict=False)  # type: ignore[valid-type]
        self.trade_rows = msgspec.json.Decoder(Frame[TradeRow[number]], strict=False)  # type: ignore[valid-type]


text_books = msgspec.json.Decoder(Frame[BookData[str]], strict=False)
text_books_v3 = msgspec.json.Decoder(Frame[BookDataV3[str]], strict=False)
tickers = msgspec.json.Decoder(Frame[Ticker], strict=False)
kind = msgspec.json.Decoder(Kind)
