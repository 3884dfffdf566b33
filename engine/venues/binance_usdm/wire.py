"""Binance USD-M futures: what is read of its frames. Source: Binance USD-M Futures API, WebSocket Market Streams."""

from typing import Generic, TypeVar

import msgspec
from msgspec import Struct, field

from engine.venues.decoder import Number
from engine.venues.tickers import Said

N = TypeVar("N")


class Depth(Struct, Generic[N]):
    """`<symbol>@depth`: the changes after `prev_id` up to `last_id`; size 0 deletes. `@depth5|10|20` look the same.

    Update ids are shared by all symbols, so consecutive diffs of one do not touch: the chain is `prev_id` alone.
    """

    symbol: str = field(name="s")
    last_id: int = field(name="u")
    prev_id: int = field(name="pu")
    bids: list[tuple[N, N]] = field(name="b")
    asks: list[tuple[N, N]] = field(name="a")
    event_ms: int = field(name="E", default=0)


class Trade(Struct, Generic[N]):
    """`<symbol>@trade` and `<symbol>@aggTrade`. A `kind` other than MARKET is the insurance fund or ADL."""

    symbol: str = field(name="s")
    price: N = field(name="p")
    qty: N = field(name="q")
    trade_ms: int = field(name="T")
    buyer_is_maker: bool = field(name="m")
    trade_id: int = field(name="t", default=0)
    aggregate_id: int = field(name="a", default=0)
    kind: str = field(name="X", default="MARKET")


class MarkPrice(Struct):
    """`<symbol>@markPrice`. Dated contracts have rate and next time 0 or empty."""

    symbol: str = field(name="s")
    event_ms: int = field(name="E")
    mark: Said = field(name="p", default=None)
    index: Said = field(name="i", default=None)
    funding_rate: Said = field(name="r", default=None)
    next_funding: Said = field(name="T", default=None)


class DayTicker(Struct):
    """`<symbol>@ticker` and `@miniTicker`: of the last 24 hours."""

    symbol: str = field(name="s")
    event_ms: int = field(name="E", default=0)
    last: Said = field(name="c", default=None)
    quote_volume: Said = field(name="q", default=None)


class RestBook(Struct, Generic[N]):
    """GET /fapi/v1/depth."""

    last_id: int = field(name="lastUpdateId")
    bids: list[tuple[N, N]]
    asks: list[tuple[N, N]]
    event_ms: int = field(name="E", default=0)


class Enveloped(Struct, Generic[N]):
    """The wrapper of a combined stream (`/stream?streams=…`)."""

    data: N
    stream: str = ""


class Kind(Struct):
    """Just enough of any frame to name it."""

    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")
    event: str = field(name="e", default="")
    id: int | str | None = None
    status: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"")
    error: msgspec.Raw = msgspec.Raw(b"")


class Decoders(Generic[N]):
    """The typed decoders of one number type."""

    def __init__(self, number: Number) -> None:
        self.depth = msgspec.json.Decoder(Depth[number], strict=False)  # type: ignore[valid-type]
        self.trade = msgspec.json.Decoder(Trade[number], strict=False)  # type: ignore[valid-type]
        self.rest = msgspec.json.Decoder(RestBook[number], strict=False)  # type: ignore[valid-type]
        self.combined_depth = msgspec.json.Decoder(Enveloped[Depth[number]], strict=False)  # type: ignore[valid-type]
        self.combined_trade = msgspec.json.Decoder(Enveloped[Trade[number]], strict=False)  # type: ignore[valid-type]


mark_price = msgspec.json.Decoder(MarkPrice, strict=False)
day_ticker = msgspec.json.Decoder(DayTicker, strict=False)
kind = msgspec.json.Decoder(Kind)
raws = msgspec.json.Decoder(list[msgspec.Raw])
