"""Coinone: what is read of its frames, in the DEFAULT spelling. Source: Coinone API, Public WebSocket; probed."""

from typing import Generic, TypeVar

import msgspec
from msgspec import Struct, field

from engine.venues.decoder import Number
from engine.venues.tickers import Said

N = TypeVar("N")


class Row(Struct, Generic[N], gc=False):
    price: N
    size: N = field(name="qty")


class Orderbook(Struct, Generic[N]):
    """A whole book, 16 levels a side; asks arrive worst first. Also the answer of GET /public/v2/orderbook.

    `id` is text: milliseconds and a three-digit counter, rising, shared by socket and REST. It dates the book: the
    `timestamp` of the first frame lies ten seconds in the past.
    """

    quote: str = field(name="quote_currency")
    base: str = field(name="target_currency")
    id: int
    bids: list[Row[N]]
    asks: list[Row[N]]


class Trade(Struct, Generic[N]):
    """A seller who is the maker means that the taker bought."""

    quote: str = field(name="quote_currency")
    base: str = field(name="target_currency")
    id: str
    ts_ms: int = field(name="timestamp")
    price: N
    qty: N
    is_seller_maker: bool


class Ticker(Struct):
    """Of the last 24 hours."""

    quote: str = field(name="quote_currency")
    base: str = field(name="target_currency")
    ts_ms: int = field(name="timestamp", default=0)
    last: Said = None
    quote_volume: Said = None


class Enveloped(Struct, Generic[N]):
    data: N


class Kind(Struct):
    """Just enough of any frame to name it."""

    type: str = field(name="response_type", default="")
    channel: str = ""


class Decoders(Generic[N]):
    """The typed decoders of one number type."""

    def __init__(self, number: Number) -> None:
        self.orderbook = msgspec.json.Decoder(Enveloped[Orderbook[number]], strict=False)  # type: ignore[valid-type]
        self.trade = msgspec.json.Decoder(Enveloped[Trade[number]], strict=False)  # type: ignore[valid-type]
        self.rest = msgspec.json.Decoder(Orderbook[number], strict=False)  # type: ignore[valid-type]


ticker = msgspec.json.Decoder(Enveloped[Ticker], strict=False)
kind = msgspec.json.Decoder(Kind)
