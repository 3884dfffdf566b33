"""Plan orders at Bitget's house: ccxt, untouched, places, lists and cancels them; what the venue refuses is refused."""

from contextlib import asynccontextmanager
from decimal import Decimal

import ccxt as plain_ccxt  # type: ignore[import-untyped]
import ccxt.async_support as ccxt  # type: ignore[import-untyped]
import pytest

from sandbox.venues.orders import Print, Side
from sandbox.world import World, WorldConfig
from tests.sandbox_venues.test_contract_books import point_bitget

PAIRS = {"bitget": "ETH/USDT", "bitget_futures": "ETH/USDT:USDT"}
LAST = {"triggerType": "fill_price", "oneWayMode": True}
SPOT, MIX = "v2/spot/trade", "v2/mix/order"
CONTRACT = {"productType": "USDT-FUTURES", "symbol": "ETHUSDT", "planType": "normal_plan"}


@asynccontextmanager
async def standing(venue):
    async with World(WorldConfig(seed=7, episodes=False, houses=("bitget",))) as world:
        key = world.credentials[venue]
        exchange = ccxt.bitget(
            {
                "apiKey": key.key,
                "secret": key.secret,
                "password": key.passphrase,
                "enableRateLimit": False,
                "options": {"fetchMarkets": {"types": ["spot" if venue == "bitget" else "swap"]}},
            }
        )
        exchange.timeout_on_exit = 0
        point_bitget(exchange, world.urls[venue]["rest"], "")
        try:
            yield world.floors[venue], exchange
        finally:
            await exchange.close()


def trade_at(floor, price):
    floor.show_print(Print("ETHUSDT", Decimal(price), Decimal(0), Side.SELL, floor.clock()))


@pytest.mark.parametrize("venue", PAIRS)
async def test_ccxt_places_lists_and_cancels_a_plan(venue):
    async with standing(venue) as (floor, exchange):
        trade_at(floor, 3_000)
        named = LAST | {"triggerPrice": 2_000, "clientOrderId": "a-stop", "marginMode": "cross"}
        if venue == "bitget":
            del named["marginMode"]
        made = await exchange.create_order(PAIRS[venue], "limit", "sell", 0.5, 1_900, named)
        [waiting] = await exchange.fetch_open_orders(PAIRS[venue], params={"trigger": True})
        assert (waiting["id"], waiting["clientOrderId"], waiting["status"]) == (made["id"], "a-stop", "open")
        assert (waiting["side"], waiting["triggerPrice"], waiting["amount"]) == ("sell", 2_000, 0.5)
        assert await exchange.fetch_open_orders(PAIRS[venue]) == []
        await exchange.cancel_order(made["id"], PAIRS[venue], {"trigger": True})
        [ended] = await exchange.fetch_canceled_and_closed_orders(PAIRS[venue], params={"trigger": True})
        assert (ended["id"], ended["status"]) == (made["id"], "canceled")
        assert await exchange.fetch_open_orders(PAIRS[venue], params={"trigger": True}) == []


@pytest.mark.parametrize("venue", PAIRS)
async def test_what_a_plan_makes_bears_its_id(venue):
    async with standing(venue) as (floor, exchange):
        trade_at(floor, 1_500)
        named = LAST | {"triggerPrice": 2_000, "clientOrderId": "a-stop"}
        plan = await exchange.create_order(PAIRS[venue], "limit", "sell", 0.5, 9_000, named)
        trade_at(floor, 1_999)  # it waits for a rise: that is where it found the market
        assert await exchange.fetch_open_orders(PAIRS[venue]) == []
        trade_at(floor, 2_000)
        [made] = await exchange.fetch_open_orders(PAIRS[venue])
        assert made["id"] != plan["id"] and made["clientOrderId"] == plan["id"]
        if venue == "bitget":
            [named] = (await ask(exchange, "GET", f"{SPOT}/plan-sub-order", {"planOrderId": plan["id"]}))["data"]
            assert (named["orderId"], named["status"]) == (made["id"], "success")
        else:
            answer = await ask(exchange, "GET", f"{MIX}/orders-plan-history", CONTRACT | {"clientOid": "a-stop"})
            [row] = answer["data"]["entrustedList"]
            assert (row["orderId"], row["executeOrderId"], row["planStatus"]) == (plan["id"], made["id"], "executed")


async def ask(exchange, method, path, params):
    return await exchange.request(path, ["private", path.split("/")[1]], method, params)


WISH = {"symbol": "ETHUSDT", "side": "sell", "orderType": "limit", "size": "0.5", "triggerPrice": "2000"}
PLANS = {
    "bitget": (f"{SPOT}/place-plan-order", WISH | {"triggerType": "fill_price", "executePrice": "1900"}),
    "bitget_futures": (
        f"{MIX}/place-plan-order",
        WISH | CONTRACT | {"triggerType": "fill_price", "price": "1900", "marginMode": "crossed", "marginCoin": "USDT"},
    ),
}


@pytest.mark.parametrize("venue", PAIRS)
async def test_what_must_be_there_must_be_there(venue):
    path, whole = PLANS[venue]
    async with standing(venue) as (_, exchange):
        for name in whole.keys() - {"planType"} if venue == "bitget" else whole:
            with pytest.raises(plain_ccxt.ExchangeError):
                await ask(exchange, "POST", path, {key: value for key, value in whole.items() if key != name})
        await ask(exchange, "POST", path, whole | {"clientOid": "one"})
        for wrong in ({"clientOid": "one"}, {"triggerPrice": "2000.0001"}, {"size": "0.00001"}, {"orderType": "so"}):
            with pytest.raises(plain_ccxt.ExchangeError):
                await ask(exchange, "POST", path, whole | {"clientOid": "two"} | wrong)


async def test_spot_pages_and_refuses_what_has_ended():
    path, whole = PLANS["bitget"]
    async with standing("bitget") as (floor, exchange):
        for n in range(3):
            await ask(exchange, "POST", path, whole | {"clientOid": f"n{n}"})
        first = (await ask(exchange, "GET", f"{SPOT}/current-plan-order", {"limit": 2}))["data"]["orderList"]
        assert [row["clientOid"] for row in first] == ["n2", "n1"]
        asked = {"limit": 2, "idLessThan": first[-1]["orderId"]}
        rest = (await ask(exchange, "GET", f"{SPOT}/current-plan-order", asked))["data"]["orderList"]
        assert [(row["clientOid"], row["status"]) for row in rest] == [("n0", "live")]
        with pytest.raises(plain_ccxt.ExchangeError, match="40307"):
            await ask(exchange, "GET", f"{SPOT}/plan-sub-order", {"planOrderId": rest[0]["orderId"]})
        cancelled = await ask(exchange, "POST", f"{SPOT}/cancel-plan-order", {"clientOid": "n0"})
        assert cancelled["data"] == {"result": "success"}
        for named, code in (({"clientOid": "n0"}, "43026"), ({"orderId": "5"}, "43025"), ({}, "40034")):
            with pytest.raises(plain_ccxt.ExchangeError, match=code):
                await ask(exchange, "POST", f"{SPOT}/cancel-plan-order", named)
        long_ago = {"startTime": "1", "endTime": str(floor.clock())}
        with pytest.raises(plain_ccxt.ExchangeError, match="40034"):
            await ask(exchange, "GET", f"{SPOT}/history-plan-order", long_ago)


async def test_a_contracts_cancel_says_which_were_and_which_were_not():
    path, whole = PLANS["bitget_futures"]
    async with standing("bitget_futures") as (_, exchange):
        await ask(exchange, "POST", path, whole | {"clientOid": "here"})
        ids = {"orderIdList": [{"clientOid": "here"}, {"clientOid": "nowhere"}]}
        answer = (await ask(exchange, "POST", f"{MIX}/cancel-plan-order", CONTRACT | ids))["data"]
        assert [row["clientOid"] for row in answer["successList"]] == ["here"]
        assert [row["errorMsg"] for row in answer["failureList"]] == ["notExistend"]
        with pytest.raises(plain_ccxt.ExchangeError, match="40812"):
            await ask(exchange, "GET", f"{MIX}/orders-plan-pending", CONTRACT | {"planType": "some"})
        pending = await ask(exchange, "GET", f"{MIX}/orders-plan-pending", CONTRACT)
        assert pending["data"]["entrustedList"] is None
