"""Binance spot: what is read of its frames. Source: Binance Spot API, WebSocket Streams (depth, trade, aggTrade)."""

from typing import Generic, TypeVar

import msgspec
from msgspec import Struct, field

from engine.venues.decoder import Number
from engine.venues.tickers import Said

N = TypeVar("N")


class Depth(Struct, Generic[N]):
    """`<symbol>@depth`: changed levels between update ids `first_id` and `last_id`; size 0 deletes."""

    symbol: str = field(name="s")
    first_id: int = field(name="U")
    last_id: int = field(name="u")
    bids: list[tuple[N, N]] = field(name="b")
    asks: list[tuple[N, N]] = field(name="a")
    event_ms: int = field(name="E", default=0)
    futures_id: int = field(name="pu", default=0)  # only futures carry it: another product


class Trade(Struct, Generic[N]):
    """`<symbol>@trade` and `<symbol>@aggTrade`: both name price, size, time and the maker alike."""

    symbol: str = field(name="s")
    price: N = field(name="p")
    qty: N = field(name="q")
    trade_ms: int = field(name="T")
    buyer_is_maker: bool = field(name="m")
    trade_id: int = field(name="t", default=0)
    aggregate_id: int = field(name="a", default=0)  # in `trade` of old recordings: the seller's order id


class DayTicker(Struct):
    """`<symbol>@ticker` and `@miniTicker`: of the last 24 hours."""

    symbol: str = field(name="s")
    event_ms: int = field(name="E", default=0)
    last: Said = field(name="c", default=None)
    quote_volume: Said = field(name="q", default=None)


class PartialBook(Struct, Generic[N]):
    """REST /api/v3/depth, and the data of `<symbol>@depth{5,10,20}`."""

    last_id: int = field(name="lastUpdateId")
    bids: list[tuple[N, N]]
    asks: list[tuple[N, N]]


class Enveloped(Struct, Generic[N]):
    """The wrapper of a combined stream (`/stream?streams=…`)."""

    data: N


class Kind(Struct):
    """Just enough of any frame to name it."""

    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")
    event: str = field(name="e", default="")
    id: int | str | None = None
    status: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"")
    error: msgspec.Raw = msgspec.Raw(b"")
    best_bid: msgspec.Raw = field(name="b", default=msgspec.Raw(b""))
    best_bid_qty: msgspec.Raw = field(name="B", default=msgspec.Raw(b""))
    last_update_id: int = field(name="lastUpdateId", default=0)


class Decoders(Generic[N]):
    """The typed decoders of one number type."""

    def __init__(self, number: Number) -> None:
        # strict=False turns text into numbers in C: no str object is made for a price.
        self.depth = msgspec.json.Decoder(Depth[number], strict=False)  # type: ignore[valid-type]
        self.trade = msgspec.json.Decoder(Trade[number], strict=False)  # type: ignore[valid-type]
        self.partial = msgspec.json.Decoder(PartialBook[number], strict=False)  # type: ignore[valid-type]
        self.combined_depth = msgspec.json.Decoder(Enveloped[Depth[number]], strict=False)  # type: ignore[valid-type]
        self.combined_trade = msgspec.json.Decoder(Enveloped[Trade[number]], strict=False)  # type: ignore[valid-type]


day_ticker = msgspec.json.Decoder(DayTicker, strict=False)
kind = msgspec.json.Decoder(Kind)
