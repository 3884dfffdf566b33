"""nautilus_trader's adapters of Binance and Bybit, set up to take one recorded frame at a time.

The way is that of `_handle_ws_message` in its data clients: the wrapper is decoded to find the channel, then the whole
frame into the adapter's structs, these into `OrderBookDeltas`, and those are applied to the `OrderBook` that its engine
keeps. Left out, in its favour: the message bus and the data engine between the last two. Its OKX client decodes inside
its compiled socket and takes no bytes from Python; its Upbit client does not exist.
"""

import importlib.util
from collections.abc import Callable
from importlib import import_module
from typing import Any

import msgspec

from bench.feed_peers import Handle

NAUTILUS = ("binance", "bybit")
_Deltas = Callable[[bytes], Any]


def have_nautilus() -> bool:
    return importlib.util.find_spec("nautilus_trader") is not None


def _module(name: str) -> Any:
    return import_module(f"nautilus_trader.{name}")  # its types reach nobody: the extra may not be installed


def nautilus_handle(venue: str, base: dict[str, Any] | None, codes: list[str]) -> Handle:
    instrument_id = _module("model.identifiers").InstrumentId.from_str(f"{codes[0]}.{venue.upper()}")
    book = _module("model.book").OrderBook(instrument_id, _module("model.enums").BookType.L2_MBP)
    deltas_of = _binance(instrument_id) if venue == "binance" else _bybit(instrument_id)
    if base is not None:
        book.apply_deltas(_binance_base(base, codes[0], instrument_id))

    def handle(frame: bytes) -> tuple[float, float]:
        book.apply_deltas(deltas_of(frame))
        return book.best_bid_price(), book.best_ask_price()

    return handle


def _binance(instrument_id: Any) -> _Deltas:
    market = _module("adapters.binance.common.schemas.market")
    wrapper = msgspec.json.Decoder(market.BinanceDataMsgWrapper).decode
    message = msgspec.json.Decoder(market.BinanceOrderBookMsg).decode

    def deltas_of(frame: bytes) -> Any:
        if "@depth" not in wrapper(frame).stream:
            raise RuntimeError("no depth")
        return message(frame).data.parse_to_order_book_deltas(instrument_id=instrument_id, ts_init=1)

    return deltas_of


def _binance_base(base: dict[str, Any], code: str, instrument_id: Any) -> Any:
    market = _module("adapters.binance.common.schemas.market")
    bids, asks = ([market.BinanceOrderBookDelta(*row) for row in base[side]] for side in ("bids", "asks"))
    last = base["lastUpdateId"]
    whole = market.BinanceOrderBookData("depthUpdate", 1, code, last, last, bids, asks)
    return whole.parse_to_order_book_deltas(instrument_id=instrument_id, ts_init=1, snapshot=True)


def _bybit(instrument_id: Any) -> _Deltas:
    schemas, to_nanos = _module("adapters.bybit.schemas.ws"), _module("core.datetime").millis_to_nanos
    general = msgspec.json.Decoder(schemas.BybitWsMessageGeneral).decode
    message = schemas.decoder_ws_orderbook().decode

    def deltas_of(frame: bytes) -> Any:
        topic = general(frame).topic
        if topic is None or "orderbook" not in topic:
            raise RuntimeError("no book")
        said = message(frame)
        return said.data.parse_to_deltas(
            instrument_id=instrument_id,
            price_precision=2,
            size_precision=6,
            ts_event=to_nanos(said.ts),
            ts_init=1,
            snapshot=said.type == "snapshot",
        )

    return deltas_of
