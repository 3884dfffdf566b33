"""An order is absent only where two places of a venue say so (reliability.md §3.2): its own query, and a list."""

import asyncio
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from decimal import Decimal as D
from typing import Any

import msgspec
import pytest

from engine.domain.errors import OrderNotFound, RateLimited, VenueRefused, VenueUnavailable
from engine.domain.order import OrderReport, OrderStatus
from engine.venues.binance.orders import BinanceOrders
from engine.venues.binance_usdm.orders import BinanceUsdmOrders
from engine.venues.bitget.futures import BitgetFuturesOrders
from engine.venues.bitget.orders import BitgetOrders
from engine.venues.bithumb.orders import BithumbOrders
from engine.venues.gate.futures import GateFuturesOrders
from engine.venues.gate.orders import GateOrders
from engine.venues.kucoin.futures import KucoinFuturesOrders
from engine.venues.kucoin.orders import KucoinOrders
from engine.venues.okx.orders import OkxOrders
from engine.venues.okx.swap_orders import OkxSwapOrders
from engine.venues.purse import budgets
from engine.venues.upbit.orders import UpbitOrders
from engine.venues.verdict import Budgets
from tests.venues.orders import test_binance_offline as binance
from tests.venues.orders import test_binance_usdm_offline as usdm
from tests.venues.orders import test_bithumb_offline as bithumb
from tests.venues.orders import test_okx_offline as okx
from tests.venues.orders import test_okx_swap_offline as swap
from tests.venues.orders import test_upbit_offline as upbit
from tests.venues.orders.stage import CID, CREDENTIAL, Open, Say, config, stage


class Venue(msgspec.Struct, frozen=True, kw_only=True):
    """One client, and what its venue says: no to the order's own query, a list in which a row may stand."""

    make: Callable[..., Any]
    symbol: str
    query: str
    none: Say
    listed: str
    asked: str  # the query string of the list, without what every request of the venue carries
    rows: Callable[..., Say]
    row: dict[str, Any]
    other_id: dict[str, Any]  # makes it another order's row
    told: tuple[Any, ...]  # status, quantity, quote, fees
    others: tuple[tuple[str, Say], ...] = ()


def plainly(*rows: Any) -> Say:
    return Say(list(rows))


ENDED = {"state": "cancel", "executed_volume": "0.2", "executed_funds": "20000000", "paid_fee": "10000.5"}
KRW = (OrderStatus.CANCELLED, D("0.2"), D(20_000_000), {"KRW": D("10000.5")})
WITHOUT_TRADES = {key: value for key, value in upbit.ROW.items() if key != "trades"}  # as both lists show it
GATE_NONE = Say({"label": "ORDER_NOT_FOUND", "message": "none"}, 400)
KUCOIN_NONE = Say({"code": "100001", "msg": "order not exist"})
BITGET_NONE = Say({"code": "43001", "msg": "The order does not exist", "data": None}, 400)
VENUES = {
    "upbit": Venue(
        make=UpbitOrders,
        symbol="KRW-BTC",
        query="GET /v1/order",
        none=upbit.no("order_not_found", status=404),
        listed="GET /v1/orders/closed",
        asked="market=KRW-BTC&limit=1000",
        rows=plainly,
        row=WITHOUT_TRADES | ENDED,
        other_id={"identifier": "another"},
        told=KRW,
    ),
    "bithumb": Venue(
        make=BithumbOrders,
        symbol="KRW-BTC",
        query="GET /v1/order",
        none=bithumb.no("order_not_found", status=404),
        listed="GET /v1/orders",
        asked="market=KRW-BTC&states[]=done&states[]=cancel&order_by=desc&limit=100&page=1",
        rows=plainly,
        row={key: value for key, value in bithumb.ROW.items() if key != "trades"} | ENDED,
        other_id={"client_order_id": "another"},
        told=KRW,
    ),
    "binance": Venue(
        make=BinanceOrders,
        symbol="BTCUSDT",
        query="GET /api/v3/order",
        none=binance.no(-2013),
        listed="GET /api/v3/allOrders",
        asked="symbol=BTCUSDT&limit=1000",
        rows=plainly,
        row=binance.PART,
        other_id={"clientOrderId": "another", "orderId": 27},
        told=(OrderStatus.CANCELLED, D("0.5"), D(33_500), {"BTC": D("0.0002"), "BNB": D("0.01")}),
        others=(("GET /api/v3/myTrades", Say(binance.FILLS)),),
    ),
    "binance_usdm": Venue(
        make=BinanceUsdmOrders,
        symbol="BTCUSDT",
        query=usdm.LOOK_UP,
        none=usdm.no(-2013),
        listed="GET /fapi/v1/allOrders",
        asked="symbol=BTCUSDT&limit=1000",
        rows=plainly,
        row=usdm.ROW | usdm.PART | {"status": "EXPIRED"},
        other_id={"clientOrderId": "another", "orderId": 27},
        told=(OrderStatus.CANCELLED, D("0.003"), D("201.3"), {"USDT": D("0.05"), "BNB": D("0.0001")}),
        others=((usdm.FILLS, Say(usdm.PAID)),),
    ),
    "okx": Venue(
        make=OkxOrders,
        symbol="BTC-USDT",
        query="GET /api/v5/trade/order",
        none=okx.no("51603"),
        listed="GET /api/v5/trade/orders-history",
        asked="instType=SPOT&instId=BTC-USDT&limit=100",
        rows=okx.yes,
        row=okx.ROW | {"accFillSz": "0.5"},
        other_id={"clOrdId": "another"},
        told=(OrderStatus.CANCELLED, D("0.5"), D(okx.QUOTE), {"BTC": D("0.0002"), "USDT": D("-0.00005")}),
        others=(("GET /api/v5/trade/fills", okx.yes(*okx.FILLS)),),
    ),
    "okx_swap": Venue(
        make=OkxSwapOrders,
        symbol=swap.BTC,
        query="GET /api/v5/trade/order",
        none=okx.no("51603"),
        listed="GET /api/v5/trade/orders-history",
        asked=f"instType=SWAP&instId={swap.BTC}&limit=100",
        rows=okx.yes,
        row=swap.ROW,
        other_id={"clOrdId": "another"},
        told=(OrderStatus.FILLED, D("0.015"), D("1005.002"), {"USDT": D("0.5025")}),
        others=(
            ("GET /api/v5/public/instruments", okx.yes(swap.MARKET)),
            ("GET /api/v5/trade/fills", okx.yes(*swap.FILLS)),
        ),
    ),
}


@asynccontextmanager
async def clients(venue, budgets=None, **over):
    async with stage() as play:
        settings = config(play.base, symbols=(venue.symbol,), leverage=2, **over)
        orders = venue.make(settings, CREDENTIAL, budgets or Budgets(Open(), Open()))
        play.says(venue.query, venue.none)
        for request, say in venue.others:
            play.says(request, say)
        yield play, orders
        await orders.close()


def lists_asked(play, venue):
    return [heard.query for heard in play.heard if f"{heard.method} {heard.path}" == venue.listed]


@pytest.fixture(params=VENUES.values(), ids=list(VENUES))
def venue(request):
    return request.param


async def test_what_only_the_list_knows_is_told_with_its_fills_and_fees(venue):
    async with clients(venue) as (play, orders):
        play.says(venue.listed, venue.rows(venue.row | venue.other_id, venue.row, venue.row | venue.other_id))
        report = await orders.look_up(venue.symbol, CID)
        fees = {fee.asset: fee.amount for fee in report.fees}
        assert (report.status, report.filled_qty, report.filled_quote, fees) == venue.told
        assert report.cid == CID and report.symbol == venue.symbol
        [asked] = lists_asked(play, venue)
        assert venue.asked in asked.replace("%5B%5D", "[]")


async def test_what_its_query_knows_costs_no_second_question(venue):
    async with clients(venue) as (play, orders):
        play.forget()
        for request, say in venue.others:
            play.says(request, say)
        found = venue.rows(venue.row)
        play.says(venue.query, Say(venue.row) if isinstance(found.body, list) else found)
        assert (await orders.look_up(venue.symbol, CID)).filled_qty == venue.told[1]
        assert not lists_asked(play, venue)


async def test_what_neither_knows_is_not_found(venue):
    async with clients(venue) as (play, orders):
        play.says(venue.listed, venue.rows(), venue.rows(venue.row | venue.other_id))
        for _ in range(2):
            with pytest.raises(OrderNotFound):
                await orders.look_up(venue.symbol, CID)
        assert len(lists_asked(play, venue)) == 2


@pytest.mark.parametrize("name, second", [("bithumb", "page=2"), ("okx", "after=p99"), ("okx_swap", "after=p99")])
async def test_a_short_page_is_not_the_whole_list(name, second):
    venue = VENUES[name]
    id_field = "uuid" if name == "bithumb" else "ordId"
    page = [venue.row | venue.other_id | {id_field: f"p{n}"} for n in range(100)]
    async with clients(venue) as (play, orders):
        play.says(venue.listed, venue.rows(*page), venue.rows(venue.row))
        assert (await orders.look_up(venue.symbol, CID)).filled_qty == venue.told[1]
        assert second in lists_asked(play, venue)[1]
    async with clients(venue) as (play, orders):
        play.says(venue.listed, venue.rows(*page))  # an account with a long past: where its newest end, we stop
        with pytest.raises(OrderNotFound):
            await orders.look_up(venue.symbol, CID)
        assert len(lists_asked(play, venue)) == 3


FAILURES = [
    ("cut", Say(happens="cut"), VenueUnavailable),
    ("hang", Say(happens="hang"), VenueUnavailable),
    ("html 502", Say("<html>502</html>", 502), VenueUnavailable),
    ("html 404", Say("<html>404</html>", 404), VenueUnavailable),
    ("another shape", Say({"surprise": 1}), (VenueUnavailable, VenueRefused)),
    ("no JSON", Say("nothing"), VenueUnavailable),
    ("429", Say("", 429), RateLimited),
]


@pytest.mark.parametrize("say, error", [case[1:] for case in FAILURES], ids=[case[0] for case in FAILURES])
async def test_a_list_that_fails_leaves_it_open(venue, say, error):
    async with clients(venue) as (play, orders):
        play.says(venue.listed, say)
        with pytest.raises(error):
            await orders.look_up(venue.symbol, CID)


async def test_a_list_that_says_not_found_is_no_second_witness(venue):
    """The code means the order where one is asked for; of a list nobody knows what it means."""
    async with clients(venue) as (play, orders):
        play.says(venue.listed, venue.none)
        with pytest.raises(VenueUnavailable):
            await orders.look_up(venue.symbol, CID)


async def test_both_questions_are_paid_as_look_ups(venue):
    looks = Open()
    async with clients(venue, Budgets(Open(), Open(), looks)) as (play, orders):
        play.says(venue.listed, venue.rows())
        with pytest.raises(OrderNotFound):
            await orders.look_up(venue.symbol, CID)
        assert looks.taken == [True, True]


async def test_look_ups_that_wait_for_the_same_list_share_it(venue):
    """After a start dozens of orders are asked for at once, and a list may cost as much as five of their questions."""
    calm = budgets(D(20), D(20), time.monotonic_ns)  # ten look-ups a second
    async with clients(venue, calm, order_timeout_ms=20_000) as (play, orders):
        play.says(venue.listed, venue.rows(venue.row))
        ids = [f"{number:02d}{CID[2:]}" for number in range(8)]
        asked = [orders.look_up(venue.symbol, cid) for cid in (*ids, CID)]
        *missing, found = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(each, OrderNotFound) for each in missing), missing
        assert isinstance(found, OrderReport) and (found.cid, found.status) == (CID, venue.told[0]), (
            "each reads its own row of it"
        )
        heard = [f"{each.method} {each.path}" for each in play.heard]
        assert heard.count(venue.query) >= len(ids) and 0 < heard.count(venue.listed) < len(ids)


async def test_who_shares_a_list_that_fails_is_told_so(venue):
    calm = budgets(D(20), D(20), time.monotonic_ns)
    async with clients(venue, calm, order_timeout_ms=20_000) as (play, orders):
        play.says(venue.listed, Say("<html>", 502))
        ids = [f"{number:02d}{CID[2:]}" for number in range(8)]
        ends = await asyncio.gather(*(orders.look_up(venue.symbol, cid) for cid in ids), return_exceptions=True)
        assert [type(each) for each in ends] == [VenueUnavailable] * len(ids), ends


OTHERS = [
    (GateOrders, "BTC_USDT", f"GET /api/v4/spot/orders/t-{CID}", "GET /api/v4/spot/orders", GATE_NONE),
    (
        GateFuturesOrders,
        "BTC_USDT",
        f"GET /api/v4/futures/usdt/orders/t-{CID}",
        "GET /api/v4/futures/usdt/orders",
        GATE_NONE,
    ),
    (KucoinOrders, "BTC-USDT", f"GET /api/v1/hf/orders/client-order/{CID}", "GET /api/v1/hf/orders/done", KUCOIN_NONE),
    (KucoinFuturesOrders, "XBTUSDTM", "GET /api/v1/orders/byClientOid", "GET /api/v1/recentDoneOrders", KUCOIN_NONE),
    (BitgetOrders, "BTCUSDT", "GET /api/v2/spot/trade/orderInfo", "GET /api/v2/spot/trade/history-orders", BITGET_NONE),
    (
        BitgetFuturesOrders,
        "BTCUSDT",
        "GET /api/v2/mix/order/detail",
        "GET /api/v2/mix/order/orders-history",
        BITGET_NONE,
    ),
]


@pytest.mark.parametrize("make, symbol, query, listed, none", OTHERS, ids=[case[0].__name__ for case in OTHERS])
async def test_nor_is_it_one_on_the_venues_that_asked_two_places_before(make, symbol, query, listed, none):
    async with stage() as play:
        orders = make(config(play.base, symbols=(symbol,), leverage=2), CREDENTIAL, Budgets(Open(), Open()))
        play.says(query, none)
        play.says(listed, none)
        with pytest.raises(VenueUnavailable):
            await orders.look_up(symbol, CID)
        assert [f"{heard.method} {heard.path}" for heard in play.heard][-2:] == [query, listed]
        await orders.close()
