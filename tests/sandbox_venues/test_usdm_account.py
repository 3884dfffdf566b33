"""Binance futures' signed REST, asked plainly: codes, settings, what is forgotten, and a liquidation as it is told."""

import asyncio
import hashlib
import hmac
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import aiohttp
import ccxt.pro as ccxt  # type: ignore[import-untyped]

from sandbox.world import World, WorldConfig
from tests.sandbox_venues.test_contract_margined import point_usdm
from tests.waiting import until

DAY_MS = 86_400_000
SYMBOL = "BTCUSDT"


class Account:
    """The house at a time that stands still, and one who knows its key."""

    def __init__(self, world, session, now):
        self.world, self.session, self.now = world, session, now
        self.floor, self.key = world.floors["binance_usdm"], world.credentials["binance_usdm"]
        self.clearing = self.floor.exchange.clearing
        self.headers = {}
        self.bids, self.asks = self.floor.exchange.book(SYMBOL)

    async def ask(self, method, path, *, secret=None, key=None, **fields):
        """The status of the answer and what it says."""
        query = urlencode({"symbol": SYMBOL, "timestamp": self.world.clock()} | fields)
        signature = hmac.new((secret or self.key.secret).encode(), query.encode(), hashlib.sha256).hexdigest()
        url = f"{self.world.urls['binance_usdm']['rest']}/fapi/{path}?{query}&signature={signature}"
        headers = {"X-MBX-APIKEY": self.key.key if key is None else key}
        async with self.session.request(method, url, headers=headers) as answer:
            self.headers = answer.headers
            return answer.status, await answer.json()

    async def tell(self, **order):
        """The world's own door: what becomes of the perpetual."""
        url = f"{self.world.urls['control']['rest']}/world/perps"
        async with self.session.post(url, json={"venue": "binance_usdm", "symbol": SYMBOL} | order) as answer:
            return await answer.json()

    async def code(self, method, path, **fields):
        """Of a no."""
        status, said = await self.ask(method, path, **fields)
        assert status in (400, 401, 429), said
        return said["code"]

    async def place(self, side="BUY", qty="0.01", price=None, **fields):
        kind = {"type": "MARKET"} if price is None else {"type": "LIMIT", "price": str(price), "timeInForce": "GTC"}
        status, said = await self.ask("POST", "v1/order", side=side, quantity=qty, **(kind | fields))
        assert status == 200, said
        return said


@asynccontextmanager
async def account():
    now = [1_790_000_000_000]
    config = WorldConfig(seed=7, episodes=False, houses=("binance_usdm",))
    async with World(config, lambda: now[0]) as world, aiohttp.ClientSession() as session:
        yield Account(world, session, now)


async def test_whose_request_it_is():
    async with account() as who:
        assert await who.code("GET", "v3/account", key="") == -2014
        assert await who.code("GET", "v3/account", key="nobody") == -2015
        assert await who.code("GET", "v3/account", secret="another") == -1022
        assert await who.code("GET", "v3/account", timestamp=who.now[0] - 5_001) == -1021
        assert await who.code("GET", "v3/account", timestamp=who.now[0] + 1_001) == -1021
        assert await who.code("GET", "v3/account", timestamp="") == -1102
        status, _ = await who.ask("GET", "v3/account", timestamp=who.now[0] - 59_000, recvWindow=60_000)
        assert status == 200


async def test_every_no_has_the_venues_own_code():
    async with account() as who:
        low, high = who.bids[-1][0], who.asks[0][0]
        limit = {"type": "LIMIT", "side": "BUY", "timeInForce": "GTC", "quantity": "0.01", "price": str(low)}
        market = {"type": "MARKET", "side": "BUY", "quantity": "0.01"}
        cases = [
            (-1121, limit | {"symbol": "NOPE"}),
            (-1116, limit | {"type": "ICEBERG"}),
            (-4120, limit | {"type": "STOP"}),
            (-1117, limit | {"side": "LONG"}),
            (-1115, limit | {"timeInForce": "GTD"}),
            (-1102, limit | {"quantity": ""}),
            (-1106, market | {"price": str(low)}),
            (-4015, limit | {"newClientOrderId": "no blanks"}),
            (-4014, limit | {"price": f"{low}1"}),
            (-1111, limit | {"quantity": "0.0015"}),
            (-4164, limit | {"quantity": "0.001", "price": "4000"}),
            (-2019, limit | {"quantity": "50"}),
            (-2022, market | {"reduceOnly": "true"}),
            (-5022, limit | {"timeInForce": "GTX", "price": str(high)}),
            (-4061, limit | {"positionSide": "LONG"}),
            (-4131, market | {"quantity": "100"}),
        ]
        who.floor.show_book(SYMBOL, who.bids, (), who.now[0])
        assert await who.code("POST", "v1/order", **cases.pop()[1]) == -4131
        who.floor.show_book(SYMBOL, who.bids, who.asks, who.now[0])
        for expected, fields in cases:
            assert await who.code("POST", "v1/order", **fields) == expected, fields
        assert not who.floor.exchange.orders
        await who.ask("POST", "v1/order", newClientOrderId="same", **limit)
        assert await who.code("POST", "v1/order", newClientOrderId="same", **limit) == -4116
        named = {"origClientOrderId": "same", "side": "BUY"}
        assert await who.code("PUT", "v1/order", quantity="0.01", price=str(low), **named) == -5027
        assert await who.code("PUT", "v1/order", quantity="0.01", price=str(low), **named | {"side": "SELL"}) == -1117
        assert await who.code("GET", "v1/order", origClientOrderId="other") == -2013
        assert await who.code("GET", "v1/order") == -1102
        assert await who.code("DELETE", "v1/order", origClientOrderId="other") == -2011


async def test_answers_to_placements_say_what_was_asked_for():
    async with account() as who:
        said = await who.place()
        assert (said["status"], said["executedQty"], said["avgPrice"]) == ("NEW", "0", "0")
        said = await who.place(newOrderRespType="RESULT", newClientOrderId="mine")
        assert (said["status"], said["executedQty"], said["clientOrderId"]) == ("FILLED", "0.01", "mine")
        assert (who.headers["X-MBX-ORDER-COUNT-10S"], who.headers["X-MBX-ORDER-COUNT-1M"]) == ("2", "2")
        _, trades = await who.ask("GET", "v1/userTrades", orderId=said["orderId"])
        assert sum(Decimal(each["qty"]) for each in trades) == Decimal("0.01")
        _, later = await who.ask("GET", "v1/userTrades", fromId=trades[0]["id"])
        assert later == trades
        _, both = await who.ask("GET", "v1/allOrders")
        assert [each["status"] for each in both] == ["FILLED", "FILLED"]


async def test_an_order_of_ones_own_gives_way_to_the_next():
    async with account() as who:
        price = who.bids[0][0] + who.floor.rules.markets[SYMBOL].tick_at(who.bids[0][0])
        assert price < who.asks[0][0]
        resting = await who.place(price=price)
        await who.place("SELL", price=price, timeInForce="IOC")
        _, first = await who.ask("GET", "v1/order", orderId=resting["orderId"])
        assert (first["status"], first["executedQty"]) == ("EXPIRED_IN_MATCH", "0")


async def test_reduce_only_orders_shrink_to_what_others_leave_of_the_position():
    async with account() as who:
        await who.place(qty="0.05")
        reducing = {"side": "SELL", "reduceOnly": "true", "timeInForce": "GTC", "type": "LIMIT"}
        far = str(round(who.asks[-1][0] * Decimal("1.01"), 1))
        first = await who.place(qty="0.03", price=far, **reducing)
        second = await who.place(qty="0.04", price=far, **reducing)
        assert (first["origQty"], second["origQty"], second["reduceOnly"]) == ("0.03", "0.02", True)
        assert await who.code("POST", "v1/order", quantity="0.01", price=far, **reducing) == -2022
        await who.place("SELL", qty="0.05")
        _, both = await who.ask("GET", "v1/allOrders")
        assert [each["status"] for each in both] == ["FILLED", "EXPIRED", "EXPIRED", "FILLED"]


async def test_a_change_may_end_an_order():
    async with account() as who:
        low = who.bids[-1][0]
        await who.place(price=low, timeInForce="GTX", newClientOrderId="post")
        named = {"origClientOrderId": "post", "side": "BUY"}
        assert await who.code("PUT", "v1/order", quantity="50", price=str(low), **named) == -2019
        _, said = await who.ask("PUT", "v1/order", quantity="0.02", price=str(low), **named)
        assert (said["status"], said["origQty"]) == ("NEW", "0.02")
        _, said = await who.ask("PUT", "v1/order", quantity="0.02", price=str(who.asks[0][0]), **named)
        assert (said["status"], said["executedQty"]) == ("CANCELED", "0")
        assert await who.code("PUT", "v1/order", quantity="0.02", price=str(low), **named) == -2011


async def test_what_ended_without_a_trade_is_forgotten_after_three_days():
    async with account() as who:
        low = who.bids[-1][0]
        traded = await who.place()
        for name in ("rest", "gone"):
            await who.place(price=low, newClientOrderId=name)
        await who.ask("DELETE", "v1/order", origClientOrderId="gone")
        who.now[0] += 3 * DAY_MS + 1
        assert await who.code("GET", "v1/order", origClientOrderId="gone") == -2013
        assert (await who.ask("GET", "v1/order", origClientOrderId="rest"))[1]["status"] == "NEW"
        assert (await who.ask("GET", "v1/order", orderId=traded["orderId"]))[1]["status"] == "FILLED"


async def test_settings_are_kept_and_refused_where_something_stands():
    async with account() as who:
        mode = "v1/positionSide/dual"
        assert (await who.ask("GET", mode))[1] == {"dualSidePosition": False}
        assert await who.code("POST", mode, dualSidePosition="false") == -4059
        assert (await who.ask("POST", mode, dualSidePosition="true"))[1]["code"] == 200
        assert await who.code("POST", "v1/order", side="BUY", type="MARKET", quantity="0.01") == -4061
        assert (await who.ask("POST", mode, dualSidePosition="false"))[0] == 200
        assert await who.code("POST", "v1/marginType", marginType="CROSSED") == -4046
        assert await who.code("POST", "v1/marginType", marginType="ISOLATED") == -4168
        assert await who.code("POST", "v1/leverage", leverage=101) == -4028
        assert (await who.ask("POST", "v1/leverage", leverage=50))[1]["leverage"] == 50
        [kept] = (await who.ask("GET", "v1/symbolConfig"))[1]
        assert (kept["leverage"], kept["marginType"]) == (50, "CROSSED")
        await who.place(qty="1", price=who.bids[-1][0], newClientOrderId="rest")
        assert await who.code("POST", mode, dualSidePosition="true") == -4067
        assert await who.code("POST", "v1/leverage", leverage=1) == -2028
        assert (await who.ask("DELETE", "v1/allOpenOrders"))[1]["code"] == 200
        await who.place()
        assert await who.code("POST", mode, dualSidePosition="true") == -4068


async def test_a_liquidation_is_told_in_orders_trades_and_income():
    async with account() as who:
        await who.ask("POST", "v1/leverage", leverage=100)
        price = who.asks[0][0]
        who.floor.ledger.deposit("trader", "USDT", -29_000)
        await who.place(qty="0.8")
        resting = await who.place(price=who.bids[-1][0])
        [held] = (await who.ask("GET", "v3/positionRisk"))[1]
        edge = Decimal(held["liquidationPrice"])
        assert Decimal(held["positionAmt"]) == Decimal("0.8") and 0 < edge < price
        _, shown = await who.ask("GET", "v3/account")
        assert Decimal(shown["totalMaintMargin"]) == Decimal(held["maintMargin"]) > 0
        told = await who.tell(mark=str(round(edge, 1) - 1))
        assert told["positions"] == {}
        assert (await who.ask("GET", "v3/positionRisk"))[1] == []
        assert (await who.ask("GET", "v1/order", orderId=resting["orderId"]))[1]["status"] == "CANCELED"
        forced = (await who.ask("GET", "v1/allOrders"))[1][-1]
        assert forced["clientOrderId"].startswith("autoclose-")
        assert (forced["status"], forced["reduceOnly"]) == ("FILLED", True)
        _, income = await who.ask("GET", "v1/income", limit=1_000)
        wallet = sum(Decimal(each["income"]) for each in income) + 1_000
        [balance] = (await who.ask("GET", "v3/balance"))[1]
        assert Decimal(balance["balance"]) == wallet >= 0
        _, lost = await who.ask("GET", "v1/income", incomeType="REALIZED_PNL")
        assert sum(Decimal(each["income"]) for each in lost) < 0
        _, pages = await who.ask("GET", "v1/income", limit=1, page=2)
        assert pages == income[1:2]


async def test_funding_may_be_charged_at_any_moment_by_the_worlds_door():
    async with account() as who:
        await who.place("SELL", qty="0.5")
        told = await who.tell(mark="60000", funding="0.0001")
        assert told["positions"] == {"trader": {SYMBOL: "-0.5"}}
        [paid] = (await who.ask("GET", "v1/income", incomeType="FUNDING_FEE"))[1]
        assert (Decimal(paid["income"]), paid["time"], paid["symbol"]) == (Decimal(3), who.now[0], SYMBOL)


async def test_ccxt_pro_hears_of_its_orders_fees_and_results():
    async with account() as who:
        keys = {"apiKey": who.key.key, "secret": who.key.secret}
        client = ccxt.binanceusdm({**keys, "enableRateLimit": False, "newUpdates": True})
        client.timeout_on_exit = 0
        rest = who.world.urls["binance_usdm"]["rest"]
        point_usdm(client, rest, "")
        client.urls["api"]["ws"] = {"linear": f"ws{rest.removeprefix('http')}/ws"}
        client.milliseconds = who.world.clock
        heard: list[dict[str, Any]] = []

        async def watch() -> None:
            await client.load_markets()
            while True:
                heard.extend(dict(order) for order in await client.watch_orders())

        watching = asyncio.create_task(watch())
        try:
            for number in range(100):
                placed = await who.place(price=who.bids[-1][0], newClientOrderId=f"standing{number}")
                if await _comes(lambda placed=placed: any(each["id"] == str(placed["orderId"]) for each in heard)):
                    break
            assert not watching.done(), watching.exception()
            placed = await who.place("SELL", qty="0.02", newClientOrderId="taken")
            await until(lambda: any(e["id"] == str(placed["orderId"]) and e["status"] == "closed" for e in heard), 20.0)
            told = [each for each in heard if each["id"] == str(placed["orderId"])][-1]
            truth = who.floor.exchange.orders[placed["orderId"]]
            assert (told["filled"], told["clientOrderId"], told["side"]) == (0.02, "taken", "sell")
            assert Decimal(str(told["average"])) == truth.average.normalize()
        finally:
            watching.cancel()
            await asyncio.wait([watching])
            await client.close()


async def _comes(claim) -> bool:
    try:
        await until(claim, 0.5)
    except TimeoutError:
        return False
    return True
