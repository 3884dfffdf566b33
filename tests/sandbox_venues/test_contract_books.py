"""Every house and two clients: ccxt.pro and our feed agree on every book; after faults ours agrees with the venue."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import ccxt.pro  # type: ignore[import-untyped]
import pytest
from msgspec import Struct

from sandbox.faults import Fault, Kind
from tests.sandbox_venues.agreement import MINUTE_S, Levels, Pair, agreement, notebook, watching
from tests.waiting import until

COINS = ("BTC", "ETH", "XRP")


class Case(Struct, frozen=True, kw_only=True):
    """One product of one house, and how ccxt is pointed at it."""

    house: str
    venue: str
    spell: Callable[[str], str]  # coin -> the venue's symbol
    market: str  # ccxt's symbol of a coin: "{}/USDT"
    kind: Any
    options: dict[str, Any] = {}
    point: Callable[[Any, str, str], None]  # (client, REST address, socket address)
    shift_ms: int = 0  # ccxt's time of a book minus ours
    method: str = "handle_order_book"
    depth: int = 15
    places: int = 12  # decimals of sizes on the wire; what rounds to nothing is no level
    faulted: int = 3  # symbols that each fault hits; a venue that allows few bases a minute heals few

    def coin(self, symbol: str) -> str:
        return COINS[self.symbols.index(symbol)]

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self.spell(coin) for coin in COINS)


def everywhere(client: Any, rest: str, path: str = "") -> None:
    """Every REST host of a client is the house's."""
    client.urls["api"] = {
        name: (value if name == "ws" else _pointed(value, rest + path)) for name, value in client.urls["api"].items()
    }


def _pointed(value: Any, to: str) -> Any:
    return {name: _pointed(inner, to) for name, inner in value.items()} if isinstance(value, dict) else to


def point_bybit(client: Any, rest: str, ws: str) -> None:
    everywhere(client, rest)
    client.urls["api"]["ws"] = {"public": {name: f"{ws}/v5/public/{name}" for name in ("spot", "linear")}}


def point_coinone(client: Any, rest: str, ws: str) -> None:
    client.urls["api"] = {
        "rest": rest,
        "v2Public": f"{rest}/public/v2",
        "v2Private": f"{rest}/v2",
        "v2_1Private": f"{rest}/v2.1",
        "ws": ws,
    }


def point_gate(client: Any, rest: str, ws: str) -> None:
    everywhere(client, rest, "/api/v4")
    client.urls["api"] |= {"spot": f"{ws}/ws/v4/", "swap": {"usdt": f"{ws}/v4/ws/usdt"}}


def point_bitget(client: Any, rest: str, ws: str) -> None:
    everywhere(client, rest)
    client.urls["api"]["ws"] = {"public": f"{ws}/v2/ws/public"}


def point_kucoin(client: Any, rest: str, _: str) -> None:
    everywhere(client, rest)


def point_binance_usdm(client: Any, rest: str, ws: str) -> None:
    everywhere(client, rest, "/fapi/v1")
    client.urls["api"]["ws"] |= {"linear": f"{ws}/ws"}


def point_okx(client: Any, rest: str, ws: str) -> None:
    client.urls["api"] = {"rest": rest, "ws": f"{ws}/ws/v5"}


def point_binance(client: Any, rest: str, ws: str) -> None:
    everywhere(client, rest, "/api/v3")
    client.urls["api"]["ws"] |= {"spot": f"{ws}/ws"}


def point_ticketed(client: Any, rest: str, ws: str) -> None:
    socket = f"{ws}/websocket/v1"
    client.urls["api"] = {"public": rest, "private": rest}
    client.urls["api"]["ws"] = {"publicGen2": socket} if client.id == "bithumb" else socket


CASES = [
    Case(
        house="coinone",
        venue="coinone",
        spell=lambda coin: f"KRW-{coin}",
        market="{}/KRW",
        kind=ccxt.pro.coinone,
        point=point_coinone,
    ),
    Case(
        house="bybit",
        venue="bybit",
        spell=lambda coin: f"{coin}USDT",
        market="{}/USDT",
        kind=ccxt.pro.bybit,
        options={"fetchMarkets": {"types": ["spot", "linear"]}},
        point=point_bybit,
        shift_ms=1,
    ),
    Case(
        house="bybit",
        venue="bybit_linear",
        spell=lambda coin: f"{coin}USDT",
        market="{}/USDT:USDT",
        kind=ccxt.pro.bybit,
        options={"fetchMarkets": {"types": ["spot", "linear"]}},
        point=point_bybit,
        shift_ms=1,
    ),
    Case(
        house="gate",
        venue="gate",
        spell=lambda coin: f"{coin}_USDT",
        market="{}/USDT",
        kind=ccxt.pro.gate,
        options={"fetchMarkets": {"types": ["spot", "swap"]}},
        point=point_gate,
    ),
    Case(
        house="gate",
        venue="gate_futures",
        spell=lambda coin: f"{coin}_USDT",
        market="{}/USDT:USDT",
        kind=ccxt.pro.gate,
        options={"fetchMarkets": {"types": ["spot", "swap"]}},
        point=point_gate,
    ),
    Case(
        house="bitget",
        venue="bitget",
        spell=lambda coin: f"{coin}USDT",
        market="{}/USDT",
        kind=ccxt.pro.bitget,
        point=point_bitget,
        faulted=1,
    ),
    Case(
        house="bitget",
        venue="bitget_futures",
        spell=lambda coin: f"{coin}USDT",
        market="{}/USDT:USDT",
        kind=ccxt.pro.bitget,
        point=point_bitget,
        faulted=1,
    ),
    Case(
        house="kucoin",
        venue="kucoin",
        spell=lambda coin: f"{coin}-USDT",
        market="{}/USDT",
        kind=ccxt.pro.kucoin,
        point=point_kucoin,
    ),
    Case(
        house="kucoin",
        venue="kucoin_futures",
        spell=lambda coin: f"{'XBT' if coin == 'BTC' else coin}USDTM",
        market="{}/USDT:USDT",
        kind=ccxt.pro.kucoin,
        point=point_kucoin,
    ),
    Case(
        house="binance_usdm",
        venue="binance_usdm",
        spell=lambda coin: f"{coin}USDT",
        market="{}/USDT:USDT",
        kind=ccxt.pro.binanceusdm,
        options={"fetchMarkets": {"types": ["linear"]}, "defaultType": "swap"},
        point=point_binance_usdm,
        method="handle_order_book_message",
        faulted=1,
    ),
    Case(
        house="okx",
        venue="okx",
        spell=lambda coin: f"{coin}-USDT",
        market="{}/USDT",
        kind=ccxt.pro.okx,
        options={"fetchMarkets": {"types": ["spot", "swap"]}},
        point=point_okx,
        faulted=1,
    ),
    Case(
        house="okx",
        venue="okx_swap",
        spell=lambda coin: f"{coin}-USDT-SWAP",
        market="{}/USDT:USDT",
        kind=ccxt.pro.okx,
        options={"fetchMarkets": {"types": ["spot", "swap"]}},
        point=point_okx,
        faulted=1,
    ),
    Case(
        house="binance",
        venue="binance",
        spell=lambda coin: f"{coin}USDT",
        market="{}/USDT",
        kind=ccxt.pro.binance,
        options={"fetchMarkets": {"types": ["spot"]}},
        point=point_binance,
        method="handle_order_book_message",
        faulted=1,
    ),
    Case(
        house="upbit",
        venue="upbit",
        spell=lambda coin: f"KRW-{coin}",
        market="{}/KRW",
        kind=ccxt.pro.upbit,
        point=point_ticketed,
    ),
    Case(
        house="bithumb",
        venue="bithumb",
        spell=lambda coin: f"KRW-{coin}",
        market="{}/KRW",
        kind=ccxt.pro.bithumb,
        point=point_ticketed,
        places=4,
    ),
]
IDS = [case.venue if "SWAP" not in case.symbols[0] else "okx swap" for case in CASES]


async def follow(client: Any, symbol: str) -> None:
    while True:
        await client.watch_order_book(symbol)


@pytest.mark.parametrize("case", CASES, ids=IDS)
async def test_ccxt_pro_and_our_feed_agree_on_every_book_of_a_minute(case):
    async with watching(case.house, case.venue, case.symbols, speed=20.0) as pair:
        client = notebook(case.kind, case.method)({"enableRateLimit": False, "options": case.options})
        client.timeout_on_exit = 0
        case.point(client, pair.rest, pair.rest.replace("http", "ws"))
        try:
            await client.load_markets()
            followed = [asyncio.create_task(follow(client, case.market.format(coin))) for coin in COINS]
            await until(
                lambda: (
                    any(task.done() for task in followed)
                    or (pair.clock.seconds >= MINUTE_S and min(len(client.pages), len(pair.heard.pages)) >= 400)
                ),
                90.0,
            )
            # A venue that is asked for its days may have had no trade of a coin yet when it was asked first; in a crowd
            # the minute of its clock passes with fewer trades.
            await until(lambda: pair.heard.trades > 20 and set(pair.heard.days) == set(case.symbols), 60.0)
            assert [task.exception() for task in followed if task.done()] == []
            for task in followed:
                task.cancel()
        finally:
            await client.close()
        common, different = agreement(pair.heard.pages, client.pages, case.coin, case.shift_ms, case.depth)
        counters = pair.feed.counters()
    assert different == []
    assert common >= 350, (common, len(pair.heard.pages), len(client.pages))
    assert (counters["errors"], counters["gaps"], pair.heard.lost) == (0, 0, [])
    assert pair.heard.trades > 20 and set(pair.heard.days) == set(case.symbols)


FAULTS: tuple[Kind, ...] = ("ws_gap", "ws_repeat", "ws_reorder", "ws_crossed", "ws_malformed")


@pytest.mark.parametrize("case", CASES, ids=IDS)
async def test_after_every_fault_our_books_are_the_venues_and_none_was_wrong(case):
    async with watching(case.house, case.venue, case.symbols, speed=4.0) as pair:
        truth = truth_of(pair, case.places, case.depth)
        await until(lambda: pair.heard.is_whole(case.symbols))
        for kind in FAULTS:
            for symbol in case.symbols[: case.faulted]:
                pair.floor.faults.arm(Fault(kind=kind, symbol=symbol))
            await until(partial(was_shown, pair, kind, case.faulted))
            await fresh(pair)
        pair.floor.faults.arm(Fault(kind="ws_disconnect"))
        await until(lambda: not pair.heard.is_whole(case.symbols))
        await fresh(pair)
    common = [key for key in pair.heard.pages if key in truth]
    assert [key for key in common if cut(pair.heard.pages[key], case.depth) not in truth[key]] == []
    assert len(common) >= 30


def was_shown(pair: Pair, kind: str, times: int) -> bool:
    return bool(pair.floor.faults.report()["shown"].get(kind, 0) >= times)


async def fresh(pair: Pair) -> None:
    """Until every book stands and has moved on since now."""
    since = len(pair.heard.pages)
    await until(lambda: pair.heard.is_whole(pair.symbols) and len(pair.heard.pages) > since + 2 * len(COINS))


def cut(book: tuple[Levels, Levels], depth: int) -> tuple[Levels, Levels]:
    return book[0][:depth], book[1][:depth]


def truth_of(pair: Pair, places: int, depth: int) -> dict[tuple[str, int], list[tuple[Levels, Levels]]]:
    """What the venue's own matching engine held at each moment: a hurried world moves twice in a millisecond."""
    pages: dict[tuple[str, int], list[tuple[Levels, Levels]]] = defaultdict(list)

    class Scribe:
        def book(self, symbol: str, at_ms: int) -> None:
            sides = pair.floor.exchange.book(symbol)
            shown = ([(float(price), float(round(qty, places))) for price, qty in side] for side in sides)
            bids, asks = ([level for level in side if level[1]] for side in shown)
            pages[symbol, at_ms].append(cut((bids, asks), depth))

        def trade(self, trade: object) -> None: ...
        def raw(self, frame: object) -> None: ...
        def depth(self, *_: object) -> None: ...

    pair.floor.listen(Scribe())
    return pages
