"""Which native feed speaks to which venue."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

from engine import plugins
from engine.domain.errors import ConfigError
from engine.net.clock import Clock
from engine.net.http import Http
from engine.venues.bad_frames import BadFrames
from engine.venues.binance.feed import BinanceDecoder, BinanceDialect
from engine.venues.binance_usdm import facts as binance_usdm_facts
from engine.venues.binance_usdm.dialect import BinanceUsdmDialect
from engine.venues.binance_usdm.feed import BinanceUsdmDecoder
from engine.venues.binance_usdm.market import BinanceUsdmMarket
from engine.venues.bitget import facts as bitget_facts
from engine.venues.bitget.dialect import BitgetDialect
from engine.venues.bitget.feed import BitgetDecoder
from engine.venues.bithumb.feed import BithumbDecoder, BithumbDialect
from engine.venues.bybit.dialect import BybitDialect
from engine.venues.bybit.feed import BybitDecoder
from engine.venues.ccxt_bridge import CcxtBridge
from engine.venues.ccxt_client import Bridged
from engine.venues.clocks import TimeCall
from engine.venues.coinone.feed import CoinoneDecoder, CoinoneDialect
from engine.venues.decoder import Ask, Decoder, Figure, Number
from engine.venues.dialect import Patience, TopOf
from engine.venues.gate import facts as gate_facts
from engine.venues.gate.dialect import GateDialect
from engine.venues.gate.feed import GateDecoder
from engine.venues.kucoin import facts as kucoin_facts
from engine.venues.kucoin.classic import KucoinClassic
from engine.venues.kucoin.dialect import KucoinDialect
from engine.venues.kucoin.feed import KucoinDecoder
from engine.venues.limits import Limiters
from engine.venues.native import Connector, Native, Surroundings
from engine.venues.okx.dialect import OkxDialect
from engine.venues.okx.feed import OkxDecoder
from engine.venues.pool import Plan, Pool
from engine.venues.protocol import Feed, Sink
from engine.venues.tap import Tap
from engine.venues.upbit.feed import UpbitDecoder, UpbitDialect

_BINANCE_BASES = {
    "/api/v3/depth": ("symbol", "binance"),
    "/api/v1/depth": ("symbol", "binance"),  # its name before 2021, same body
}
_GATE_BASES = {
    "/api/v4/spot/order_book": ("currency_pair", "gate"),
    "/api/v4/futures/usdt/order_book": ("contract", "gate_futures"),
}
_KUCOIN_BASES = {
    "/api/v3/market/orderbook/level2": ("symbol", "kucoin"),
    "/api/v1/level2/snapshot": ("symbol", "kucoin_futures"),
}
_BYBIT_TIME = TimeCall("/v5/market/time", ("time",))
_BITGET_TIME = TimeCall("/api/v2/public/time", ("data", "serverTime"))
_GATE_TIME = TimeCall("/api/v4/spot/time", ("server_time",))
_KUCOIN_TIME = TimeCall("/api/v1/timestamp", ("data",))
_OKX_TIME = TimeCall("/api/v5/public/time", ("data", 0, "ts"))
_NATIVE = {
    "upbit": Native(decoder=UpbitDecoder, dialect=UpbitDialect, time=TimeCall("/v1/orderbook?markets=KRW-BTC&count=1")),
    "bithumb": Native(decoder=BithumbDecoder, dialect=BithumbDialect, time=TimeCall("/v1/orderbook?markets=KRW-BTC")),
    "coinone": Native(
        decoder=CoinoneDecoder,
        dialect=CoinoneDialect,
        time=TimeCall("/public/v2/ticker_new/KRW/BTC", ("server_time",)),
    ),
    "binance": Native(
        decoder=BinanceDecoder,
        dialect=BinanceDialect,
        bases=_BINANCE_BASES,
        time=TimeCall("/api/v3/time", ("serverTime",)),
    ),
    "binance_usdm": Native(
        decoder=BinanceUsdmDecoder,
        dialect=BinanceUsdmDialect,
        sides=(BinanceUsdmMarket,),
        facts=binance_usdm_facts.FACTS,
        bases={"/fapi/v1/depth": ("symbol", "binance_usdm")},
        time=TimeCall("/fapi/v1/time", ("serverTime",)),
    ),
    "bybit": Native(
        decoder=BybitDecoder,
        dialect=BybitDialect,
        time=_BYBIT_TIME,
        sockets={"/v5/public/linear": "bybit_linear"},
    ),
    "bybit_linear": Native(
        decoder=partial(BybitDecoder, venue="bybit_linear"),
        dialect=partial(BybitDialect, category="linear"),
        time=_BYBIT_TIME,
    ),
    "bitget": Native(decoder=BitgetDecoder, dialect=BitgetDialect, time=_BITGET_TIME),
    "bitget_futures": Native(
        decoder=BitgetDecoder,
        dialect=partial(BitgetDialect, inst_type="USDT-FUTURES"),
        facts=bitget_facts.FUTURES_FACTS,
        time=_BITGET_TIME,
    ),
    "gate": Native(
        decoder=GateDecoder,
        dialect=GateDialect,
        bases=_GATE_BASES,
        time=_GATE_TIME,
        sockets={"//fx-ws": "gate_futures"},
    ),
    "gate_futures": Native(
        decoder=partial(GateDecoder, venue="gate_futures"),
        dialect=partial(GateDialect, product="futures"),
        facts=gate_facts.FUTURES_FACTS,
        bases=_GATE_BASES,
        time=_GATE_TIME,
    ),
    "kucoin": Native(
        decoder=KucoinDecoder,
        dialect=KucoinDialect,
        facts=kucoin_facts.SPOT_FACTS,
        bases=_KUCOIN_BASES,
        time=_KUCOIN_TIME,
    ),
    "kucoin_futures": Native(
        decoder=KucoinDecoder,
        dialect=partial(KucoinDialect, product="FUTURES"),
        sides=(KucoinClassic,),
        facts=kucoin_facts.FUTURES_FACTS,
        bases=_KUCOIN_BASES,
        time=_KUCOIN_TIME,
    ),
    "okx": Native(decoder=OkxDecoder, dialect=OkxDialect, time=_OKX_TIME),
    "okx_swap": Native(
        decoder=partial(OkxDecoder, venue="okx_swap"), dialect=partial(OkxDialect, venue="okx_swap"), time=_OKX_TIME
    ),
}
VENUES = tuple(_NATIVE)


def native(venue: str) -> Native:
    """Our own, or a plug-in's. Raises ConfigError for a venue without a native feed."""
    if venue in _NATIVE:
        return _NATIVE[venue]
    others = plugins.installed(plugins.VENUES, VENUES)
    if venue not in others:
        raise ConfigError(f"no native feed for venue `{venue}`; there are: {', '.join((*VENUES, *sorted(others)))}")
    return plugins.load(others[venue], Native)


def build_decoder(venue: str, sink: Sink, ask: Ask, number: Number = Figure) -> Decoder:
    """The decoder of one connection. Raises ConfigError for a venue without a native feed."""
    return native(venue).decoder(sink, ask, number)


def build_feed(
    venue: str,
    *,
    ws_base: str,
    rest_base: str,
    symbols: tuple[str, ...],
    sink: Sink,
    clock_ns: Callable[[], int],
    rng: Random,
    top_of: TopOf,
    bad_frames: Path | None = None,
    patience: Patience | None = None,
    tap: Tap | None = None,
    speaks: Native | None = None,
    ccxt_id: str = "",
    levels: int = 0,
    limiters: Limiters | None = None,
) -> Feed:
    """One venue's public market data, not yet running.

    `top_of(symbol)` is the best bid and ask of the book that the sink's events built, None where it is not trusted.
    `bad_frames` is the file that keeps the last hundred frames that could not be decoded. `tap` is shown every frame
    and every REST base before it is decoded. `speaks` stands in for the venue's own entry in the table above.
    `limiters` are those of the process; without them this feed keeps to the venue's limits by itself.
    With `ccxt_id` the venue is read through ccxt: `levels` a side, without tap or bad frames. Raises ConfigError.
    """
    if ccxt_id:
        bridged = Bridged(
            venue=venue, ccxt_id=ccxt_id, rest_base=rest_base, ws_base=ws_base, symbols=symbols, levels=levels
        )
        return CcxtBridge(bridged, sink, clock_ns, rng, top_of, patience)
    plugins.installed(plugins.VENUES, VENUES)  # a clash of names is refused, whichever venue is meant
    found, limiters = speaks or native(venue), limiters or Limiters(clock_ns)
    around = Surroundings(
        ws_base=ws_base.rstrip("/"),
        rest_base=rest_base.rstrip("/"),
        clock_ns=clock_ns,
        rng=rng,
        top_of=top_of,
        http=Http(
            limiter=limiters.of(venue, found.limits), clock=Clock(), dates=found.time is None or not found.time.keys
        ),
        connects=limiters.connects(venue, found.dialect(ws_base, rest_base, (), rng).connects_per_second),
        bad=BadFrames(venue, bad_frames),
        patience=patience or Patience(),
        tap=tap,
    )
    connector = Connector(found, around)
    plan = Plan(venue, symbols, connector.limits(), connector.connect)
    return Pool(plan, sink, clock_ns, rng, around.patience, connector.polls(venue, symbols), around.http)
