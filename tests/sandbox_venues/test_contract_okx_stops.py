"""ccxt, untouched but for its address, places, lists, reads and cancels stop-losses at OKX's stand-in."""

from decimal import Decimal

import ccxt as plain_ccxt  # type: ignore[import-untyped]
import pytest

from sandbox.venues.orders import Print, Side
from tests.sandbox_venues.test_contract_margined import CASES, PAIR, standing

CASE = next(case for case in CASES if case.venue == "okx_swap")
ALGO = {"trigger": True, "ordType": "conditional"}


@pytest.fixture
async def house():
    async with standing(CASE) as (floor, exchange, world):
        world.player.cancel()  # the market stands still
        yield floor, exchange


def trade_at(floor, price):
    floor.show_print(Print(CASE.symbol, price, Decimal(0), Side.SELL, floor.clock()))


async def place(floor, exchange, away, **over):
    """Sells once the last price is so far below the touch, then a little lower still."""
    touch = floor.exchange.book(CASE.symbol)[0][0][0]
    stop, limit = (touch * (1 - away)) // 1, (touch * (1 - away * 2)) // 1
    params = {"stopLossPrice": float(stop), "slOrdPx": float(limit), "algoClOrdId": "stop0001"} | over
    placed = await exchange.create_order(PAIR, "conditional", "sell", 1.0, None, params)
    return placed["id"], stop


async def test_one_is_placed_listed_goes_off_and_names_its_order(house):
    floor, exchange = house
    number, stop = await place(floor, exchange, Decimal("0.01"))
    [listed] = await exchange.fetch_open_orders(PAIR, params=ALGO)
    assert (listed["id"], listed["info"]["algoClOrdId"], listed["info"]["state"]) == (number, "stop0001", "live")
    assert (Decimal(str(listed["stopLossPrice"])), listed["amount"]) == (stop, 1.0)
    assert await exchange.fetch_open_orders(PAIR) == []
    trade_at(floor, stop)
    [made] = floor.exchange.orders.values()
    read = await exchange.fetch_order(number, PAIR, {"trigger": True})
    assert (read["info"]["state"], read["info"]["actualSide"]) == ("effective", "sl")
    child = await exchange.fetch_order(read["info"]["ordIdList"][0], PAIR)
    assert (child["status"], child["filled"], made.filled) == ("closed", 1.0, Decimal(1))
    assert (child["info"]["clOrdId"], child["info"]["algoClOrdId"], child["info"]["algoId"]) == ("", "stop0001", number)
    [ended] = await exchange.fetch_closed_orders(PAIR, params=ALGO)
    assert ended["id"] == number and await exchange.fetch_open_orders(PAIR, params=ALGO) == []
    with pytest.raises(plain_ccxt.OrderNotFound):
        await exchange.cancel_order(number, PAIR, {"trigger": True})


async def test_one_is_cancelled_once(house):
    floor, exchange = house
    number, stop = await place(floor, exchange, Decimal("0.01"))
    await exchange.cancel_order(number, PAIR, {"trigger": True})
    [ended] = await exchange.fetch_canceled_orders(PAIR, params=ALGO)
    assert (ended["id"], ended["info"]["state"]) == (number, "canceled")
    with pytest.raises(plain_ccxt.OrderNotFound):
        await exchange.cancel_order(number, PAIR, {"trigger": True})
    trade_at(floor, stop)
    assert not floor.exchange.orders


REFUSALS = [
    ("its price is there", {"stopLossPrice": 1e6, "slOrdPx": 1e6}, "51280"),
    ("another's margin", {"tdMode": "cash"}, "51000"),
    ("a client id with a dash", {"algoClOrdId": "a-b"}, "51000"),
    ("by the mark", {"slTriggerPxType": "mark"}, "51000"),
    ("seen before", {"algoClOrdId": "stop0000"}, "51068"),
]


@pytest.mark.parametrize("why, over, code", REFUSALS, ids=[why for why, *_ in REFUSALS])
async def test_what_the_venue_refuses(house, why, over, code):
    floor, exchange = house
    await place(floor, exchange, Decimal("0.02"), algoClOrdId="stop0000")
    trade_at(floor, floor.exchange.book(CASE.symbol)[0][0][0])
    with pytest.raises(plain_ccxt.ExchangeError, match=code):
        await place(floor, exchange, Decimal("0.01"), **over)
    assert len(floor.stops.of("trader")) == 1


LISTS = [
    ("PrivateGetTradeOrdersAlgoPending", {}, "51000"),
    ("PrivateGetTradeOrdersAlgoHistory", {"ordType": "conditional"}, "50015"),
    ("PrivateGetTradeOrdersAlgoHistory", {"ordType": "conditional", "state": "live"}, "51000"),
    ("PrivateGetTradeOrderAlgo", {}, "51000"),
    ("PrivateGetTradeOrderAlgo", {"algoClOrdId": "nobody"}, "51603"),
]


@pytest.mark.parametrize("call, params, code", LISTS, ids=[f"{call[18:]} {params}" for call, params, _ in LISTS])
async def test_what_a_question_must_say(house, call, params, code):
    _, exchange = house
    with pytest.raises(plain_ccxt.ExchangeError, match=code):
        await getattr(exchange, call[0].lower() + call[1:])(params)
