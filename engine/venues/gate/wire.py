"""Gate v4: what is read of its public frames, spot and USDT futures. Source: Gate API v4, WebSocket (spot, futures)."""

from typing import Generic, TypeVar

import msgspec
from msgspec import Struct, field

from engine.venues.decoder import Figure, Number
from engine.venues.tickers import Said

N = TypeVar("N")


class Row(Struct, Generic[N], array_like=True, gc=False):
    price: N
    size: N


class NamedRow(Struct, Generic[N], gc=False):
    """The same on the older futures channel and in the futures REST answer."""

    price: N = field(name="p")
    size: N = field(name="s")


class Changes(Struct, Generic[N]):
    """`obu` and `order_book_update`: update ids `first` to `last`, levels in any order, size 0 deletes.

    In `obu`, `symbol` is the stream (`ob.BTC_USDT.400`), `full` marks the snapshot, and a frame with neither side only
    moves the id. `order_book_update` sends no snapshot: its base is a REST answer.
    """

    symbol: str = field(name="s", default="")
    first: int = field(name="U", default=0)
    last: int = field(name="u", default=0)
    bids: list[N] | None = field(name="b", default=None)
    asks: list[N] | None = field(name="a", default=None)
    ts_ms: int = field(name="t", default=0)
    full: bool = False


class Top(Struct, Generic[N]):
    """`spot.order_book`: a few whole levels."""

    symbol: str = field(name="s")
    bids: list[N]
    asks: list[N]
    ts_ms: int = field(name="t", default=0)


class Trade(Struct, Generic[N]):
    """`spot.trades`. `side` is the taker's; milliseconds have decimals."""

    symbol: str = field(name="currency_pair")
    id: int
    side: str
    price: N
    qty: N = field(name="amount")
    trade_ms: Figure = field(name="create_time_ms", default=0.0)


class FuturesTrade(Struct, Generic[N]):
    """`futures.trades`. `size` counts contracts and is negative where the taker sold: decoded apart from its sign."""

    symbol: str = field(name="contract")
    id: int
    price: N
    size: str | int | float
    trade_ms: Figure = field(name="create_time_ms", default=0.0)
    trade_s: Figure = field(name="create_time", default=0.0)


class Ticker(Struct):
    """`spot.tickers` names currency_pair and quote_volume, `futures.tickers` the rest. No time, no next settlement."""

    pair: str = field(name="currency_pair", default="")
    contract: str = ""
    last: Said = None
    quote_volume: Said = None
    futures_volume: Said = field(name="volume_24h_quote", default=None)
    mark: Said = field(name="mark_price", default=None)
    index: Said = field(name="index_price", default=None)
    funding_rate: Said = None
    predicted_rate: Said = field(name="funding_rate_indicative", default=None)


class RestBook(Struct, Generic[N]):
    """GET /spot/order_book and /futures/usdt/order_book. `id` only with with_id=true; it shares the socket's ids."""

    bids: list[N]
    asks: list[N]
    id: int = 0


class Frame(Struct, Generic[N]):
    result: N


class Kind(Struct):
    """Just enough of any frame to name it."""

    channel: str = ""
    event: str = ""
    result: msgspec.Raw = msgspec.Raw(b"")


class Decoders(Generic[N]):
    """The typed decoders of one number type."""

    def __init__(self, number: Number) -> None:
        row, named = Row[number], NamedRow[number]  # type: ignore[valid-type]
        self.obu = msgspec.json.Decoder(Frame[Changes[row]], strict=False)  # type: ignore[valid-type]
        self.changes = msgspec.json.Decoder(Changes[row], strict=False)  # type: ignore[valid-type]
        self.named_changes = msgspec.json.Decoder(Changes[named], strict=False)  # type: ignore[valid-type]
        self.top = msgspec.json.Decoder(Top[row], strict=False)  # type: ignore[valid-type]
        self.trade = msgspec.json.Decoder(Trade[number], strict=False)  # type: ignore[valid-type]
        self.futures_trades = msgspec.json.Decoder(list[FuturesTrade[number]], strict=False)  # type: ignore[valid-type]
        self.rest = msgspec.json.Decoder(RestBook[row], strict=False)  # type: ignore[valid-type]
        self.named_rest = msgspec.json.Decoder(RestBook[named], strict=False)  # type: ignore[valid-type]


ticker = msgspec.json.Decoder(Ticker, strict=False)
tickers = msgspec.json.Decoder(list[Ticker], strict=False)
kind = msgspec.json.Decoder(Kind)
