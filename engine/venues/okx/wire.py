"""OKX: what is read of its public frames. Source: OKX API v5, WebSocket > Public channels (order book, trades)."""

from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Struct, field

from engine.venues.decoder import Number
from engine.venues.tickers import Said

N = TypeVar("N")
NO_SEQUENCE = -2  # recordings before 2023 carry no sequence ids; -1 is the venue's own mark of a snapshot


class Row(Struct, Generic[N], array_like=True, gc=False):
    """[price, size, deprecated, number of orders]: the rest of the row is not read."""

    price: N
    size: N


class TextRow(Struct, array_like=True, gc=False):
    """The same row as it was spelled: the checksum runs over text."""

    price: str
    size: str


class Arg(Struct, frozen=True, gc=False):
    channel: str = ""
    symbol: str = field(name="instId", default="")


class BookData(Struct, Generic[N]):
    asks: list[N]
    bids: list[N]
    ts_ms: int = field(name="ts", default=0)
    checksum: int = 0  # retired 2026-06-23 and 0 since; older recordings carry a real one
    seq: int = field(name="seqId", default=NO_SEQUENCE)
    prev_seq: int = field(name="prevSeqId", default=NO_SEQUENCE)


class Books(Struct, Generic[N]):
    """One frame of books, books5, books50-l2-tbt or books-l2-tbt; books5 has no `action`."""

    arg: Arg
    data: Annotated[list[BookData[N]], msgspec.Meta(min_length=1)]
    action: str = ""


class Trade(Struct, Generic[N]):
    """`side` is the taker's."""

    symbol: str = field(name="instId")
    price: N = field(name="px")
    qty: N = field(name="sz")
    side: str
    ts_ms: int = field(name="ts")
    trade_id: str = field(name="tradeId", default="")


class Trades(Struct, Generic[N]):
    data: list[Trade[N]]


class Funding(Struct):
    """`funding-rate`: the rate due at fundingTime, and the settlement after it; the interval is the difference."""

    symbol: str = field(name="instId", default="")
    rate: Said = field(name="fundingRate", default=None)
    due: Said = field(name="fundingTime", default=None)
    rate_after: Said = field(name="nextFundingRate", default=None)
    due_after: Said = field(name="nextFundingTime", default=None)
    ts_ms: Said = field(name="ts", default=None)


class Mark(Struct):
    """`mark-price`."""

    symbol: str = field(name="instId", default="")
    mark: Said = field(name="markPx", default=None)
    ts_ms: Said = field(name="ts", default=None)


class Index(Struct):
    """`index-tickers`: of a pair (BTC-USDT), whatever is traded on it."""

    pair: str = field(name="instId", default="")
    index: Said = field(name="idxPx", default=None)
    ts_ms: Said = field(name="ts", default=None)


class Ticker(Struct):
    """`tickers`. `volCcy24h` is the quote turnover of spot; of swaps it counts the base asset."""

    symbol: str = field(name="instId", default="")
    inst_type: str = field(name="instType", default="")
    last: Said = None
    volume: Said = field(name="volCcy24h", default=None)
    ts_ms: Said = field(name="ts", default=None)


class RestBooks(Struct, Generic[N]):
    """GET /api/v5/market/books."""

    data: list[BookData[N]]


class Rows(Struct, Generic[N]):
    data: list[N]


class Kind(Struct):
    """Just enough of any frame to name it."""

    event: str = ""
    arg: Arg = Arg()
    data: msgspec.Raw = msgspec.Raw(b"")
    op: str = ""
    code: str = ""


class Decoders(Generic[N]):
    """The typed decoders of one number type."""

    def __init__(self, number: Number) -> None:
        self.books = msgspec.json.Decoder(Books[Row[number]], strict=False)  # type: ignore[valid-type]
        self.trades = msgspec.json.Decoder(Trades[number], strict=False)  # type: ignore[valid-type]
        self.rest = msgspec.json.Decoder(RestBooks[Row[number]], strict=False)  # type: ignore[valid-type]


text_books = msgspec.json.Decoder(Books[TextRow], strict=False)
fundings = msgspec.json.Decoder(Rows[Funding], strict=False)
marks = msgspec.json.Decoder(Rows[Mark], strict=False)
indices = msgspec.json.Decoder(Rows[Index], strict=False)
tickers = msgspec.json.Decoder(Rows[Ticker], strict=False)
kind = msgspec.json.Decoder(Kind)
