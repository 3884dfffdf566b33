"""Which servers there are. A new venue is its own folder and one entry below."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from sandbox.venues import rules
from sandbox.venues.binance.feed import BinanceFeed
from sandbox.venues.binance.rest import Binance
from sandbox.venues.binance_usdm import rest as binance_usdm
from sandbox.venues.bitget import rest as bitget
from sandbox.venues.bithumb.frames import BithumbFrames
from sandbox.venues.bithumb.rest import Bithumb
from sandbox.venues.bybit import rest as bybit
from sandbox.venues.coinone import rest as coinone
from sandbox.venues.door import Dialect
from sandbox.venues.floor import Floor
from sandbox.venues.gate import rest as gate
from sandbox.venues.kraken.feed import KrakenFeed
from sandbox.venues.kraken.rest import Kraken
from sandbox.venues.kucoin import rest as kucoin
from sandbox.venues.okx.rest import Okx
from sandbox.venues.rules import VenueRules
from sandbox.venues.sockets import Sockets
from sandbox.venues.ticketed import TicketedFeed
from sandbox.venues.upbit.frames import UpbitFrames
from sandbox.venues.upbit.rest import Upbit

KRW_MARKETS = ("KRW-BTC", "KRW-ETH", "KRW-XRP", "KRW-USDT")


class Taste(Struct, frozen=True, kw_only=True):
    """What a world may want differently of its venues."""

    upbit_codes: tuple[str, ...] = ()  # more markets than the four of the desk
    bithumb_fee: Decimal = Decimal("0.0004")


class House(Struct, frozen=True, kw_only=True):
    """One server: one address, one or more venues (a product each: `bybit` and `bybit_linear`)."""

    venues: tuple[str, ...]  # as the engine names them, in the order of `rules`
    rules: Callable[[Taste], Sequence[VenueRules]]
    open: Callable[[Sequence[Floor], Sockets], Dialect]
    paths: Mapping[str, Mapping[str, str]]  # venue -> name of a socket -> its path; "ws" is the public one
    trades: bool = False  # it serves orders, too: the world opens an account with its first venue
    margined: tuple[str, ...] = ()  # venues of perpetuals that take orders, each with an account and a key of its own
    # Venues whose books another one of the house watches, too: such a one stands in a desk where it is traded.
    doubles: Mapping[str, str] = {}
    needs_passphrase: bool = False
    has_nonces: bool = False  # a request is known by a word of its own, not by its moment alone
    money: tuple[str, ...] = ("USDT",)

    def sockets(self, venue: str) -> Mapping[str, str]:
        return self.paths.get(venue, {})


HOUSES: dict[str, House] = {
    "upbit": House(
        venues=("upbit",),
        rules=lambda taste: (rules.upbit((*KRW_MARKETS, *taste.upbit_codes)),),
        open=lambda floors, sockets: Upbit(floors[0], TicketedFeed(floors[0], sockets, UpbitFrames())),
        paths={"upbit": {"ws": "/websocket/v1"}},
        trades=True,
        has_nonces=True,
        money=("KRW",),
    ),
    "bithumb": House(
        venues=("bithumb",),
        rules=lambda taste: (rules.bithumb(KRW_MARKETS, taste.bithumb_fee),),
        open=lambda floors, sockets: Bithumb(floors[0], TicketedFeed(floors[0], sockets, BithumbFrames())),
        paths={"bithumb": {"ws": "/websocket/v1"}},
        trades=True,
        has_nonces=True,
        money=("KRW",),
    ),
    "binance": House(
        venues=("binance",),
        rules=lambda _: (rules.binance(),),
        open=lambda floors, sockets: Binance(floors[0], BinanceFeed(floors[0], sockets), sockets),
        paths={"binance": {"ws": "/ws", "stream": "/stream", "orders": "/ws-api/v3"}},
        trades=True,
    ),
    "okx": House(
        venues=("okx", "okx_swap"),
        rules=lambda _: (rules.okx(), rules.okx_swap()),
        open=lambda floors, sockets: Okx(floors[0], floors[1], sockets),
        paths={venue: {"ws": "/ws/v5/public", "orders": "/ws/v5/private"} for venue in ("okx", "okx_swap")},
        trades=True,
        margined=("okx_swap",),
        doubles={"okx_swap": "okx"},
        needs_passphrase=True,
    ),
    "coinone": House(
        venues=("coinone",),
        rules=lambda _: (coinone.rules(),),
        open=lambda floors, sockets: coinone.Coinone(floors[0], sockets),
        paths={"coinone": {"ws": "/"}},
        trades=True,
        has_nonces=True,
        money=("KRW",),
    ),
    "bybit": House(
        venues=("bybit", "bybit_linear"),
        rules=lambda _: bybit.rules(),
        open=lambda floors, sockets: bybit.Bybit(floors[0], floors[1], sockets),
        paths={
            "bybit": {"ws": "/v5/public/spot", "orders": "/v5/trade"},
            "bybit_linear": {"ws": "/v5/public/linear", "orders": "/v5/trade"},
        },
        trades=True,
        margined=("bybit_linear",),
    ),
    "gate": House(
        venues=("gate", "gate_futures"),
        rules=lambda _: gate.rules(),
        open=lambda floors, sockets: gate.Gate(floors[0], floors[1], sockets),
        paths={"gate": {"ws": "/ws/v4/"}, "gate_futures": {"ws": "/v4/ws/usdt"}},
        trades=True,
        margined=("gate_futures",),
    ),
    "bitget": House(
        venues=("bitget", "bitget_futures"),
        rules=lambda _: bitget.rules(),
        open=lambda floors, sockets: bitget.Bitget(floors[0], floors[1], sockets),
        paths={"bitget": {"ws": "/v2/ws/public"}, "bitget_futures": {"ws": "/v2/ws/public"}},
        trades=True,
        margined=("bitget_futures",),
        needs_passphrase=True,
    ),
    "kucoin": House(
        venues=("kucoin", "kucoin_futures"),
        rules=lambda _: kucoin.rules(),
        open=lambda floors, sockets: kucoin.Kucoin(floors[0], floors[1], sockets),
        paths={"kucoin": {"ws": "/"}, "kucoin_futures": {"ws": "/"}},
        trades=True,
        margined=("kucoin_futures",),
        needs_passphrase=True,
    ),
    "binance_usdm": House(
        venues=("binance_usdm",),
        rules=lambda _: (binance_usdm.rules(),),
        open=lambda floors, sockets: binance_usdm.BinanceUsdm(floors[0], sockets),
        paths={"binance_usdm": {"ws": "/public/stream", "market": "/market/stream"}},
        margined=("binance_usdm",),
    ),
    "kraken": House(
        venues=("kraken",),
        rules=lambda _: (rules.kraken(),),
        open=lambda floors, sockets: Kraken(floors[0], KrakenFeed(floors[0], sockets)),
        paths={"kraken": {"ws": "/v2"}},
    ),
}
TRADED = tuple(name for name, house in HOUSES.items() if house.trades)
DESK = ("upbit", "bithumb", "binance", "okx")  # the desk's first four: what stands where a world names nothing else
NATIVE = tuple(name for name in HOUSES if name != "kraken")  # Kraken is read through ccxt, and only where asked for
