"""KuCoin: what is read of its public frames. Source: KuCoin API, Classic WebSocket and Pro ("UTA") WebSocket.

Classic spot sends ranges of changes, classic futures one change per frame; both need a base from REST. Pro sends both
products alike (`obu`) and brings the base itself. Nanoseconds pass 2^53.
"""

from typing import Generic, TypeVar

import msgspec
from msgspec import Struct, field

from engine.venues.decoder import Number
from engine.venues.tickers import Said

N = TypeVar("N")


class Row(Struct, Generic[N], array_like=True, gc=False):
    """[price, size] and on classic spot the sequence of this very level. Price 0: only the sequence moved."""

    price: N
    size: N
    seq: int = 0


class Changes(Struct, Generic[N]):
    asks: list[Row[N]]
    bids: list[Row[N]]


class Level2(Struct, Generic[N]):
    """Classic `/market/level2`: all changes of sequences `first` to `last`; size 0 deletes."""

    symbol: str
    first: int = field(name="sequenceStart")
    last: int = field(name="sequenceEnd")
    changes: Changes[N]
    ts_ms: int = field(name="time", default=0)


class OneChange(Struct):
    """Classic `/contractMarket/level2`. `change` is "price,side,size"; size 0 deletes."""

    seq: int = field(name="sequence")
    change: str
    ts_ms: int = field(name="timestamp", default=0)


class Depth(Struct, Generic[N]):
    """Classic `…level2Depth5` and `…level2Depth50`: always whole."""

    asks: list[Row[N]]
    bids: list[Row[N]]
    ts_ms: int = field(name="timestamp", default=0)


class Trade(Struct, Generic[N]):
    """Classic `/market/match` (time) and `/contractMarket/execution` (ts), both in ns. `side` is the taker's."""

    symbol: str
    side: str
    price: N
    qty: N = field(name="size")
    trade_id: str = field(name="tradeId")
    time_ns: int = field(name="time", default=0)
    ts_ns: int = field(name="ts", default=0)


class Classic(Struct, Generic[N]):
    """The wrapper of every classic message: topic is `channel:symbol`."""

    topic: str
    data: N


class ObuData(Struct, Generic[N]):
    """Sequences `first` to `last`; size 0 deletes."""

    symbol: str = field(name="s")
    first: int = field(name="O")
    last: int = field(name="C")
    asks: list[Row[N]] = field(name="a")
    bids: list[Row[N]] = field(name="b")
    matched_ns: int = field(name="M", default=0)


class Obu(Struct, Generic[N]):
    """Pro `obu`. `depth` increment@10ms: `kind` is snapshot or delta; depths 1, 5 and 50 are whole books."""

    data: ObuData[N] = field(name="d")
    depth: str = field(name="dp", default="")
    kind: str = field(name="t", default="")


class ProTradeData(Struct, Generic[N]):
    symbol: str = field(name="s")
    side: str = field(name="S")
    price: N = field(name="p")
    qty: N = field(name="q")
    trade_id: str = field(name="ti")
    matched_ns: int = field(name="M")


class ProTrade(Struct, Generic[N]):
    data: ProTradeData[N] = field(name="d")


class MarkData(Struct):
    """Pro `mark-price`."""

    symbol: str = field(name="s")
    mark: Said = field(name="mp", default=None)
    index: Said = field(name="ip", default=None)
    ts_ms: int = field(name="ts", default=0)


class Mark(Struct):
    data: MarkData = field(name="d")


class FundingData(Struct):
    """Pro `funding-fee`: the rate of the running interval, the moment it ends, and its length in ms."""

    symbol: str = field(name="s")
    rate: Said = field(name="fr", default=None)
    next_funding: Said = field(name="nt", default=None)
    interval_ms: Said = field(name="gl", default=None)


class Funding(Struct):
    data: FundingData = field(name="d")
    pushed_ns: int = field(name="P", default=0)


class ClassicMark(Struct):
    """Classic `/contract/instrument`, subject mark.index.price.

    Not read: subject funding.rate, which mixes forecasts (granularity one minute) with charged rates.
    """

    mark: Said = field(name="markPrice", default=None)
    index: Said = field(name="indexPrice", default=None)
    ts_ms: int = field(name="timestamp", default=0)


class RestBook(Struct, Generic[N]):
    """The data of GET /api/v3/market/orderbook/level2 and of futures /api/v1/level2/snapshot."""

    seq: int = field(name="sequence")
    asks: list[Row[N]]
    bids: list[Row[N]]


class Answer(Struct, Generic[N]):
    """An error is HTTP 200 with a code other than 200000 and no data."""

    data: N
    code: str = ""


class Kind(Struct):
    """Just enough of any frame to name it."""

    type: str = ""
    topic: str = ""
    subject: str = ""
    pro: str = field(name="T", default="")
    result: bool | None = None


class Decoders(Generic[N]):
    """The typed decoders of one number type."""

    def __init__(self, number: Number) -> None:
        self.level2 = msgspec.json.Decoder(Classic[Level2[number]], strict=False)  # type: ignore[valid-type]
        self.depth = msgspec.json.Decoder(Classic[Depth[number]], strict=False)  # type: ignore[valid-type]
        self.trade = msgspec.json.Decoder(Classic[Trade[number]], strict=False)  # type: ignore[valid-type]
        self.obu = msgspec.json.Decoder(Obu[number], strict=False)  # type: ignore[valid-type]
        self.pro_trade = msgspec.json.Decoder(ProTrade[number], strict=False)  # type: ignore[valid-type]
        self.rest = msgspec.json.Decoder(Answer[RestBook[number]], strict=False)  # type: ignore[valid-type]


one_change = msgspec.json.Decoder(Classic[OneChange], strict=False)
mark = msgspec.json.Decoder(Mark, strict=False)
funding = msgspec.json.Decoder(Funding, strict=False)
classic_mark = msgspec.json.Decoder(Classic[ClassicMark], strict=False)
kind = msgspec.json.Decoder(Kind)
