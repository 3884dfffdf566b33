"""Which native feed speaks to which venue."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from random import Random

from msgspec import Struct

from engine.domain.errors import ConfigError
from engine.net.http import Http
from engine.net.ratelimit import TokenBucket
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
from engine.venues.coinone.feed import CoinoneDecoder, CoinoneDialect
from engine.venues.decoder import Ask, Decoder, Figure, Number
from engine.venues.dialect import Dialect, Patience, SideDialect, TokenDialect, TopOf
from engine.venues.facts import FactPoll, Facts
from engine.venues.gate import facts as gate_facts
from engine.venues.gate.dialect import GateDialect
from engine.venues.gate.feed import GateDecoder
from engine.venues.kucoin import facts as kucoin_facts
from engine.venues.kucoin.classic import KucoinClassic
from engine.venues.kucoin.dialect import KucoinDialect
from engine.venues.kucoin.feed import KucoinDecoder
from engine.venues.okx.dialect import OkxDialect
from engine.venues.okx.feed import OkxDecoder
from engine.venues.pool import Plan, Pool
from engine.venues.protocol import Feed, Sink
from engine.venues.stream import Owner, Stream
from engine.venues.tap import Tap, tapped
from engine.venues.upbit.feed import UpbitDecoder, UpbitDialect


class Native(Struct, frozen=True, kw_only=True):
    """What there is of one venue's market data. A new venue is one line below and its own folder."""

    decoder: Callable[[Sink, Ask, Number], Decoder]
    dialect: Callable[[str, str, tuple[str, ...], Random], Dialect]
    # Connections beside the books, for what the venue serves at other addresses.
    sides: tuple[Callable[[str, str, tuple[str, ...], Random], SideDialect], ...] = ()
    facts: tuple[Facts, ...] = ()  # what REST alone tells
    # REST paths whose answer is the base of a book: the query parameter that names the symbol, and whose book it is.
    bases: Mapping[str, tuple[str, str]] = {}
    # Parts of socket addresses that carry another product of the same venue, and the name of that product here.
    sockets: Mapping[str, str] = {}


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
_NATIVE = {
    "upbit": Native(decoder=UpbitDecoder, dialect=UpbitDialect),
    "bithumb": Native(decoder=BithumbDecoder, dialect=BithumbDialect),
    "coinone": Native(decoder=CoinoneDecoder, dialect=CoinoneDialect),
    "binance": Native(decoder=BinanceDecoder, dialect=BinanceDialect, bases=_BINANCE_BASES),
    "binance_usdm": Native(
        decoder=BinanceUsdmDecoder,
        dialect=BinanceUsdmDialect,
        sides=(BinanceUsdmMarket,),
        facts=binance_usdm_facts.FACTS,
        bases={"/fapi/v1/depth": ("symbol", "binance_usdm")},
    ),
    "bybit": Native(decoder=BybitDecoder, dialect=BybitDialect, sockets={"/v5/public/linear": "bybit_linear"}),
    "bybit_linear": Native(
        decoder=partial(BybitDecoder, venue="bybit_linear"), dialect=partial(BybitDialect, category="linear")
    ),
    "bitget": Native(decoder=BitgetDecoder, dialect=BitgetDialect),
    "bitget_futures": Native(
        decoder=BitgetDecoder,
        dialect=partial(BitgetDialect, inst_type="USDT-FUTURES"),
        facts=bitget_facts.FUTURES_FACTS,
    ),
    "gate": Native(decoder=GateDecoder, dialect=GateDialect, bases=_GATE_BASES, sockets={"//fx-ws": "gate_futures"}),
    "gate_futures": Native(
        decoder=partial(GateDecoder, venue="gate_futures"),
        dialect=partial(GateDialect, product="futures"),
        facts=gate_facts.FUTURES_FACTS,
        bases=_GATE_BASES,
    ),
    "kucoin": Native(decoder=KucoinDecoder, dialect=KucoinDialect, facts=kucoin_facts.SPOT_FACTS, bases=_KUCOIN_BASES),
    "kucoin_futures": Native(
        decoder=KucoinDecoder,
        dialect=partial(KucoinDialect, product="FUTURES"),
        sides=(KucoinClassic,),
        facts=kucoin_facts.FUTURES_FACTS,
        bases=_KUCOIN_BASES,
    ),
    "okx": Native(decoder=OkxDecoder, dialect=OkxDialect),
}
VENUES = tuple(_NATIVE)


def native(venue: str) -> Native:
    """Raises ConfigError for a venue without a native feed."""
    if venue not in _NATIVE:
        raise ConfigError(f"no native feed for venue `{venue}`; there are: {', '.join(VENUES)}")
    return _NATIVE[venue]


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
) -> Feed:
    """One venue's public market data, not yet running.

    `top_of(symbol)` is the best bid and ask of the book that the sink's events built, None where it is not trusted.
    `bad_frames` is the file that keeps the last hundred frames that could not be decoded. `tap` is shown every frame
    and every REST base before it is decoded. `speaks` stands in for the venue's own entry in the table above.
    With `ccxt_id` the venue is read through ccxt: `levels` a side, without tap or bad frames. Raises ConfigError.
    """
    if ccxt_id:
        bridged = Bridged(
            venue=venue, ccxt_id=ccxt_id, rest_base=rest_base, ws_base=ws_base, symbols=symbols, levels=levels
        )
        return CcxtBridge(bridged, sink, clock_ns, rng, top_of, patience)
    found, patience = speaks or native(venue), patience or Patience()
    ws_base, rest_base = ws_base.rstrip("/"), rest_base.rstrip("/")
    makers = (found.dialect, *found.sides)
    model = found.dialect(ws_base, rest_base, symbols, rng)
    connects = TokenBucket(model.connects_per_second, 1, clock_ns)
    bad = BadFrames(venue, bad_frames)
    http = Http()

    def connect(name: str, part: tuple[str, ...], kind: int, owner: Owner, sinks: tuple[Sink, Sink]) -> Stream:
        dialect = makers[kind](ws_base, rest_base, part, rng)

        def make(deliver: Sink, ask: Ask) -> Decoder:
            return found.decoder(deliver, ask, Figure)

        async def address(bearer: TokenDialect) -> str:
            return bearer.with_token(await http.post(bearer.url()))

        return Stream(
            name,
            dialect,
            part,
            make if tap is None else tapped(make, tap, dialect.url(), model.book_url),
            owner,
            sinks,
            clock_ns,
            rng,
            http,
            connects,
            bad,
            patience,
            None if kind else top_of,
            partial(address, dialect) if isinstance(dialect, TokenDialect) else None,
        )

    limits = tuple(maker(ws_base, rest_base, (), rng).limits for maker in makers)
    plan = Plan(venue, symbols, limits, connect)
    polls = [FactPoll(venue, facts, rest_base, symbols, http, clock_ns).run for facts in found.facts]
    return Pool(plan, sink, clock_ns, rng, patience, polls, http.close)
