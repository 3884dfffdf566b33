"""nautilus_trader's adapters of Binance and Bybit, set up to take one recorded frame at a time.

What runs is the `_handle_ws_message` of its own data clients, over what these hold: decoders, clock and the cache with
the instrument. Instead of the message bus, the data engine and its book behind them, which is in its favour, the
`OrderBookDeltas` go straight to an `OrderBook`. Its OKX client decodes inside its compiled socket and takes no bytes
from Python; its Upbit client does not exist.
"""

import importlib.util
from functools import partial
from importlib import import_module
from types import MethodType, SimpleNamespace
from typing import Any

import msgspec

from bench.feed_peers import Handle

NAUTILUS = ("binance", "bybit")


def have_nautilus() -> bool:
    return importlib.util.find_spec("nautilus_trader") is not None


def _module(name: str) -> Any:
    return import_module(f"nautilus_trader.{name}")  # its types reach nobody: the extra may not be installed


def nautilus_handle(venue: str, base: dict[str, Any] | None, codes: list[str]) -> Handle:
    name = codes[0] if venue == "binance" else f"{codes[0]}-SPOT"
    instrument_id = _module("model.identifiers").InstrumentId.from_str(f"{name}.{venue.upper()}")
    book = _module("model.book").OrderBook(instrument_id, _module("model.enums").BookType.L2_MBP)
    client = _binance() if venue == "binance" else _bybit(instrument_id, codes[0])
    client._handle_data, client._log = book.apply_deltas, _Loud()
    client._clock = _module("common.component").TestClock()  # stands still: in its favour
    take = client.take
    if base is not None:
        book.apply_deltas(_binance_base(base, codes[0], instrument_id))

    def handle(frame: bytes) -> tuple[float, float]:
        take(frame)
        return book.best_bid_price(), book.best_ask_price()

    return handle


class _Loud:
    """In place of its logger, which would hide that a frame was not read."""

    def error(self, text: str) -> None:
        raise RuntimeError(text)

    def exception(self, text: str, error: Exception) -> None:
        raise RuntimeError(text) from error


def _binance() -> Any:
    data, market = _module("adapters.binance.data"), _module("adapters.binance.common.schemas.market")
    kind = data.BinanceCommonDataClient
    client = SimpleNamespace(
        venue=_module("adapters.binance.common.constants").BINANCE_VENUE,
        _binance_account_type=_module("adapters.binance.common.enums").BinanceAccountType.SPOT,
        _instrument_ids={},
        _book_buffer={},
        _decoder_data_msg_wrapper=msgspec.json.Decoder(market.BinanceDataMsgWrapper),
        _decoder_order_book_msg=msgspec.json.Decoder(market.BinanceOrderBookMsg),
    )
    client._get_cached_instrument_id = MethodType(kind._get_cached_instrument_id, client)
    client._ws_handlers = {"@depth@": MethodType(kind._handle_book_diff_update, client)}
    client.take = MethodType(kind._handle_ws_message, client)
    return client


def _binance_base(base: dict[str, Any], code: str, instrument_id: Any) -> Any:
    market = _module("adapters.binance.common.schemas.market")
    bids, asks = ([market.BinanceOrderBookDelta(*row) for row in base[side]] for side in ("bids", "asks"))
    last = base["lastUpdateId"]
    whole = market.BinanceOrderBookData("depthUpdate", 1, code, last, last, bids, asks)
    return whole.parse_to_order_book_deltas(instrument_id=instrument_id, ts_init=1, snapshot=True)


def _bybit(instrument_id: Any, code: str) -> Any:
    schemas, kind = _module("adapters.bybit.schemas.ws"), _module("adapters.bybit.data").BybitDataClient
    cache = _module("cache.cache").Cache()
    cache.add_instrument(_instrument(instrument_id, code))
    client = SimpleNamespace(
        _cache=cache,
        _tob_quotes=set(),
        _decoder_ws_msg_general=msgspec.json.Decoder(schemas.BybitWsMessageGeneral),
        _decoder_ws_orderbook=schemas.decoder_ws_orderbook(),
    )
    client._get_cached_instrument_id = MethodType(kind._get_cached_instrument_id, client)
    client._handle_orderbook = MethodType(kind._handle_orderbook, client)
    spot = _module("adapters.bybit.common.enums").BybitProductType.SPOT
    client.take = partial(MethodType(kind._handle_ws_message, client), spot)
    return client


def _instrument(instrument_id: Any, code: str) -> Any:
    objects, currencies = _module("model.objects"), _module("model.currencies")
    return _module("model.instruments").CurrencyPair(
        instrument_id=instrument_id,
        raw_symbol=_module("model.identifiers").Symbol(code),
        base_currency=currencies.BTC,
        quote_currency=currencies.USDT,
        price_precision=2,
        size_precision=6,
        price_increment=objects.Price(0.01, precision=2),
        size_increment=objects.Quantity(0.000001, precision=6),
        ts_event=0,
        ts_init=0,
    )
