"""Binance futures' conditional orders, asked plainly: their endpoints, words and codes, and what leaves them alone."""

import asyncio
from decimal import Decimal

from sandbox.venues.orders import Print, Side
from tests.sandbox_venues.test_usdm_account import DAY_MS, SYMBOL, account


def stop_of(who, **over):
    """A stop to sell, under the market."""
    low = who.bids[-1][0]
    at = str(round(low * Decimal("0.97"), 1))
    fields = {"algoType": "CONDITIONAL", "type": "STOP", "side": "SELL", "quantity": "0.01", "timeInForce": "GTC"}
    return fields | {"triggerPrice": at, "price": at, "clientAlgoId": "one"} | over


def trade_at(who, price):
    who.floor.show_print(Print(SYMBOL, Decimal(price), Decimal(0), Side.SELL, who.now[0]))


async def place(who, **over):
    status, said = await who.ask("POST", "v1/algoOrder", **stop_of(who, **over))
    assert status == 200, said
    return said


async def test_every_no_has_the_venues_own_code():
    async with account() as who:
        cases = [
            (-1102, {"algoType": ""}),
            (-1116, {"type": "LIMIT"}),
            (-1117, {"side": "LONG"}),
            (-1115, {"timeInForce": "GTD"}),
            (-1102, {"triggerPrice": ""}),
            (-1102, {"price": ""}),
            (-1102, {"quantity": ""}),
            (-4014, {"triggerPrice": f"{who.bids[0][0]}01"}),
            (-1111, {"quantity": "0.0015"}),
            (-4015, {"clientAlgoId": "no blanks"}),
            (-4061, {"positionSide": "LONG"}),
        ]
        for code, over in cases:
            assert await who.code("POST", "v1/algoOrder", **stop_of(who, **over)) == code, over
        for kind in ("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"):
            assert await who.code("POST", "v1/order", **(stop_of(who) | {"type": kind})) == -4120
        await place(who)
        assert await who.code("POST", "v1/algoOrder", **stop_of(who)) == -4116
        await who.ask("DELETE", "v1/algoOrder", clientAlgoId="one")
        trade_at(who, Decimal(stop_of(who)["triggerPrice"]) - 1)
        assert await who.code("POST", "v1/algoOrder", **stop_of(who, clientAlgoId="two")) == -2021
        for method, code in (("GET", -2013), ("DELETE", -2011)):
            assert await who.code(method, "v1/algoOrder", clientAlgoId="nobody") == code
            assert await who.code(method, "v1/algoOrder") == -1102


async def test_its_life_in_the_venues_words():
    async with account() as who:
        placed = await place(who)
        assert "actualOrderId" not in placed and placed["algoStatus"] == "NEW" and placed["orderType"] == "STOP"
        assert placed["workingType"] == "CONTRACT_PRICE"
        for by in ({"clientAlgoId": "one"}, {"algoId": placed["algoId"]}):
            _, row = await who.ask("GET", "v1/algoOrder", **by)
            assert (row["algoStatus"], row["actualOrderId"]) == ("NEW", "")
        assert await who.code("GET", "v1/order", origClientOrderId="one") == -2013
        assert (await who.ask("GET", "v1/openOrders"))[1] == []
        trade_at(who, placed["triggerPrice"])
        _, row = await who.ask("GET", "v1/algoOrder", clientAlgoId="one")
        assert row["algoStatus"] == "FINISHED" and row["triggerTime"] == who.now[0]
        _, made = await who.ask("GET", "v1/order", orderId=row["actualOrderId"])
        assert (made["clientOrderId"], made["type"], made["status"]) == ("one", "LIMIT", "FILLED")
        assert (await who.ask("GET", "v1/openAlgoOrders"))[1] == []
        assert [row["algoId"] for row in (await who.ask("GET", "v1/allAlgoOrders"))[1]] == [placed["algoId"]]
        assert await who.code("DELETE", "v1/algoOrder", clientAlgoId="one") == -2011


async def test_one_that_would_only_reduce_and_finds_nothing_is_denied_when_it_goes_off():
    async with account() as who:
        placed = await place(who, reduceOnly="true")
        trade_at(who, placed["triggerPrice"])
        _, row = await who.ask("GET", "v1/algoOrder", clientAlgoId="one")
        assert (row["algoStatus"], row["actualOrderId"]) == ("REJECTED", "")


async def test_only_their_own_endpoints_take_them_back_and_no_countdown_does():
    async with account() as who:
        await place(who)
        assert (await who.ask("DELETE", "v1/allOpenOrders"))[0] == 200
        assert (await who.ask("POST", "v1/countdownCancelAll", countdownTime=1))[0] == 200
        await asyncio.sleep(0.05)
        assert [row["clientAlgoId"] for row in (await who.ask("GET", "v1/openAlgoOrders"))[1]] == ["one"]
        assert (await who.ask("DELETE", "v1/algoOpenOrders"))[0] == 200
        assert (await who.ask("GET", "v1/openAlgoOrders"))[1] == []


async def test_what_was_cancelled_is_forgotten_after_three_days():
    async with account() as who:
        await place(who)
        _, said = await who.ask("DELETE", "v1/algoOrder", clientAlgoId="one")
        assert (said["code"], said["msg"]) == ("200", "success")
        assert (await who.ask("GET", "v1/algoOrder", clientAlgoId="one"))[1]["algoStatus"] == "CANCELED"
        who.now[0] += 3 * DAY_MS + 1
        assert await who.code("GET", "v1/algoOrder", clientAlgoId="one") == -2013
        assert (await who.ask("GET", "v1/allAlgoOrders"))[1] == []
