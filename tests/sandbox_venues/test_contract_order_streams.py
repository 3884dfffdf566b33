"""ccxt.pro, untouched but for its addresses, hears of its own orders at every house that tells of them."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any

import ccxt.pro as ccxt  # type: ignore[import-untyped]
import pytest

from sandbox.venues.orders import State
from sandbox.world import World, WorldConfig
from tests.sandbox_venues.test_contract_books import point_bitget, point_bybit, point_gate, point_kucoin
from tests.waiting import until

Point = Callable[[Any, str, str], None]


def _binance(client: Any, rest: str, ws: str) -> None:
    client.urls["api"] |= {"public": f"{rest}/api/v3", "private": f"{rest}/api/v3", "sapi": f"{rest}/sapi/v1"}
    client.urls["api"]["ws"] |= {"ws-api": {"spot": f"{ws}/ws-api/v3"}}


def _okx(client: Any, rest: str, ws: str) -> None:
    client.urls["api"] = {"rest": rest, "ws": f"{ws}/ws/v5"}


def _bybit(client: Any, rest: str, ws: str) -> None:
    point_bybit(client, rest, ws)
    client.urls["api"]["ws"]["private"] = {"contract": f"{ws}/v5/private"}


def _upbit(client: Any, rest: str, ws: str) -> None:
    client.urls["api"] = {"public": rest, "private": rest, "ws": f"{ws}/websocket/v1"}


def _bithumb(client: Any, rest: str, ws: str) -> None:
    client.urls["api"] = {"public": rest, "private": rest, "ws": {"privateGen2": f"{ws}/websocket/v2/private"}}


def _bitget(client: Any, rest: str, ws: str) -> None:
    point_bitget(client, rest, ws)
    client.urls["api"]["ws"]["private"] = f"{ws}/v2/ws/private"


HOUSES: dict[str, tuple[str, Point]] = {
    "binance": ("BTC/USDT", _binance),
    "okx": ("BTC/USDT", _okx),
    "bybit": ("BTC/USDT", _bybit),
    "upbit": ("BTC/KRW", _upbit),
    "bithumb": ("BTC/KRW", _bithumb),
    "gate": ("BTC/USDT", point_gate),
    "bitget": ("BTC/USDT", _bitget),
    "kucoin": ("BTC/USDT", point_kucoin),
}
TELLS_FEES = ("okx", "upbit", "bithumb", "bitget")  # as ccxt reads them; all of it is held in tests/venues/orders
NAMES_NO_CID = ("bithumb",)  # ccxt leaves it out


class Ear:
    """Every state of every order that watch_orders gave, by the venue's id."""

    def __init__(self, world: World, venue: str) -> None:
        self.pair, point = HOUSES[venue]
        key = world.credentials[venue]
        self.client = getattr(ccxt, venue)(
            {
                "apiKey": key.key,
                "secret": key.secret,
                "password": key.passphrase,
                "enableRateLimit": False,
                "newUpdates": True,
                "options": {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}},
            }
        )
        self.client.timeout_on_exit = 0
        rest = world.urls[venue]["rest"]
        point(self.client, rest, "ws" + rest.removeprefix("http"))
        self.floor = world.floors[venue]
        self.heard: dict[str, list[Any]] = {}
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        await self.client.load_markets()
        while True:
            for order in await self.client.watch_orders():
                self.heard.setdefault(order["id"], []).append(dict(order))

    async def close(self) -> None:
        self._watching.cancel()
        await asyncio.wait([self._watching])
        await self.client.close()

    async def place(self, side: str, price: float, cid: str, **params: Any) -> str:
        placed = await self.client.create_order(
            self.pair, "limit", side, 0.01, price, {"clientOrderId": self.spelled(cid), **params}
        )
        return str(placed["id"])

    def spelled(self, cid: str) -> str:
        return f"t-{cid}" if self.client.id == "gate" else cid

    async def hears(self) -> None:
        """Its subscription stands: an order is told."""
        await until(lambda: bool(self.client.markets), 20.0)
        bids = (await self.client.fetch_order_book(self.pair, 20))["bids"]
        for number in range(100):
            placed = await self.place("buy", bids[-1][0], f"standing{number}")
            with suppress(TimeoutError):
                await until(lambda placed=placed: placed in self.heard or self._watching.done(), 0.5)  # type: ignore[misc]
                break
        assert not self._watching.done(), self._watching.exception()

    def state(self, order_id: str) -> str:
        return str(self.heard[order_id][-1]["status"]) if order_id in self.heard else ""


@asynccontextmanager
async def listening(venue: str):
    async with World(WorldConfig(seed=7, episodes=False, houses=(venue,))) as world:
        ear = Ear(world, venue)
        try:
            await ear.hears()
            yield ear
        finally:
            await ear.close()


@pytest.mark.parametrize("venue", list(HOUSES))
async def test_ccxt_hears_an_ioc_open_fill_and_end(venue):
    async with listening(venue) as ear:
        asks = (await ear.client.fetch_order_book(ear.pair, 20))["asks"]
        placed = await ear.place("buy", asks[8][0], "a1b2c3d4e5f6g7h2", timeInForce="IOC")
        await until(lambda: ear.state(placed) == "closed", 20.0)
        truth = max(ear.floor.exchange.orders.values(), key=lambda order: order.id)
        told = ear.heard[placed][-1]
        assert truth.state is State.FILLED
        assert Decimal(str(told["filled"])) == truth.filled == Decimal("0.01")
        assert ear.heard[placed][0]["status"] == "open"
        if venue not in NAMES_NO_CID:
            assert told["clientOrderId"] == truth.client_id
        if venue in TELLS_FEES:
            assert Decimal(str(told["fee"]["cost"])) == truth.fee and told["fee"]["currency"] == truth.fee_asset


@pytest.mark.parametrize("venue", list(HOUSES))
async def test_ccxt_hears_a_cancel_under_the_orders_own_id(venue):
    async with listening(venue) as ear:
        bids = (await ear.client.fetch_order_book(ear.pair, 20))["bids"]
        placed = await ear.place("buy", bids[-1][0], "rest0001")
        await until(lambda: ear.state(placed) == "open", 20.0)
        await ear.client.cancel_order(placed, ear.pair)
        await until(lambda: ear.state(placed) == "canceled", 20.0)
        if venue not in NAMES_NO_CID:
            assert {told["clientOrderId"] for told in ear.heard[placed]} == {ear.spelled("rest0001")}
