"""Bithumb, the socket of 2024 and later: what is read of its frames. Source: Bithumb API 2.1, WebSocket > Public.

It looks like Upbit's and is not: microseconds on books, sizes of 0 at live prices, no `level`, other option names.
"""

from typing import Generic, TypeVar

import msgspec
from msgspec import Struct, field

from engine.venues.decoder import Number
from engine.venues.tickers import Said

N = TypeVar("N")


class Unit(Struct, Generic[N], gc=False):
    """One row: the n-th best ask beside the n-th best bid."""

    ask_price: N
    ask_size: N
    bid_price: N
    bid_size: N


class SimpleUnit(Struct, Generic[N], gc=False):
    ask_price: N = field(name="ap")
    ask_size: N = field(name="as")
    bid_price: N = field(name="bp")
    bid_size: N = field(name="bs")


class Orderbook(Struct, Generic[N]):
    """A whole book of at most 15 levels."""

    symbol: str = field(name="code")
    units: list[Unit[N]] = field(name="orderbook_units")
    ts_us: int = field(name="timestamp", default=0)


class SimpleOrderbook(Struct, Generic[N]):
    symbol: str = field(name="cd")
    units: list[SimpleUnit[N]] = field(name="obu")
    ts_us: int = field(name="tms", default=0)


class Trade(Struct, Generic[N]):
    """`ask_bid` is the taker's side: ASK sold. Ids pass 2^53."""

    symbol: str = field(name="code")
    price: N = field(name="trade_price")
    qty: N = field(name="trade_volume")
    ask_bid: str
    trade_ms: int = field(name="trade_timestamp")
    trade_id: int | str = field(name="sequential_id", default=0)


class SimpleTrade(Struct, Generic[N]):
    symbol: str = field(name="cd")
    price: N = field(name="tp")
    qty: N = field(name="tv")
    ask_bid: str = field(name="ab")
    trade_ms: int = field(name="ttms")
    trade_id: int | str = field(name="sid", default=0)


class Ticker(Struct):
    """In both spellings at once. `turnover` is of the last 24 hours, in the quote asset."""

    symbol: str = field(name="code", default="")
    last: Said = field(name="trade_price", default=None)
    turnover: Said = field(name="acc_trade_price_24h", default=None)
    ts_ms: int = field(name="timestamp", default=0)
    simple_symbol: str = field(name="cd", default="")
    simple_last: Said = field(name="tp", default=None)
    simple_turnover: Said = field(name="atp24h", default=None)
    simple_ts_ms: int = field(name="tms", default=0)


class RestOrderbook(Struct, Generic[N]):
    """One entry of GET /v1/orderbook: milliseconds here."""

    symbol: str = field(name="market")
    ts_ms: int = field(name="timestamp")
    units: list[Unit[N]] = field(name="orderbook_units")


class Kind(Struct):
    """Just enough of any frame to name it. `content` and `resmsg` belong to the retired socket."""

    type: str = ""
    simple_type: str = field(name="ty", default="")
    status: str = ""
    error: msgspec.Raw = msgspec.Raw(b"")
    content: msgspec.Raw = msgspec.Raw(b"")
    resmsg: msgspec.Raw = msgspec.Raw(b"")


class Decoders(Generic[N]):
    """The typed decoders of one number type."""

    def __init__(self, number: Number) -> None:
        # strict=False: documentation samples quote their numbers, and a quoted number costs nothing to take.
        self.orderbook = msgspec.json.Decoder(Orderbook[number], strict=False)  # type: ignore[valid-type]
        self.simple_orderbook = msgspec.json.Decoder(SimpleOrderbook[number], strict=False)  # type: ignore[valid-type]
        self.trade = msgspec.json.Decoder(Trade[number], strict=False)  # type: ignore[valid-type]
        self.simple_trade = msgspec.json.Decoder(SimpleTrade[number], strict=False)  # type: ignore[valid-type]
        self.rest = msgspec.json.Decoder(list[RestOrderbook[number]], strict=False)  # type: ignore[valid-type]


ticker = msgspec.json.Decoder(Ticker, strict=False)
kind = msgspec.json.Decoder(Kind)
raws = msgspec.json.Decoder(list[msgspec.Raw])
