"""ccxt, untouched but for its addresses, trades at the houses that came after the first four."""

import asyncio
from contextlib import asynccontextmanager
from decimal import Decimal

import ccxt as plain_ccxt  # type: ignore[import-untyped]
import ccxt.async_support as ccxt  # type: ignore[import-untyped]
import pytest
from msgspec.structs import replace

from sandbox.faults import Fault
from sandbox.venues.orders import State
from sandbox.world import World, WorldConfig
from tests.sandbox_venues.test_contract_books import point_bitget, point_bybit, point_coinone, point_gate, point_kucoin
from tests.waiting import until

POINTS = {"bybit": point_bybit, "gate": point_gate, "bitget": point_bitget, "kucoin": point_kucoin}
VENUES = list(POINTS)
SYMBOLS = {"bybit": "BTCUSDT", "gate": "BTC_USDT", "bitget": "BTCUSDT", "kucoin": "BTC-USDT"}
PAIR, QTY = "BTC/USDT", 0.01


def client_of(world, venue, secret=None):
    key = world.credentials[venue]
    exchange = getattr(ccxt, venue)(
        {
            "apiKey": key.key,
            "secret": secret or key.secret,
            "password": key.passphrase,
            "enableRateLimit": False,
            "options": {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}},
        }
    )
    exchange.timeout_on_exit = 0
    {**POINTS, "coinone": point_coinone}[venue](exchange, world.urls[venue]["rest"], "")
    return exchange


@asynccontextmanager
async def standing(venue):
    async with World(WorldConfig(seed=7, episodes=False, houses=(venue,))) as world:
        exchange = client_of(world, venue)
        try:
            yield world.floors[venue], exchange, world
        finally:
            await exchange.close()


def cid_of(venue, text):
    return f"t-{text}" if venue == "gate" else text


async def place(exchange, venue, side, price, cid, *, qty=QTY, tif=None):
    params = {"clientOrderId": cid_of(venue, cid)} | ({"timeInForce": tif} if tif else {})
    return await exchange.create_order(PAIR, "limit", side, qty, price, params)


def order_at(floor, venue, cid):
    return floor.exchange.find("trader", client_id=cid_of(venue, cid))


async def look(exchange, number):
    """By the venue's id; the parameter is Bybit's, to silence a warning of ccxt."""
    return await exchange.fetch_order(number, PAIR, {"acknowledged": True} if exchange.id == "bybit" else {})


async def agrees(exchange, floor):
    """Every balance that ccxt reads is the house's own."""
    balance = await exchange.fetch_balance()
    for asset, held in floor.ledger.balances("trader").items():
        free, used = (Decimal(str(balance[part].get(asset) or 0)) for part in ("free", "used"))
        assert (free, free + used) == (held.free, held.total), asset


@pytest.mark.parametrize("venue", VENUES)
async def test_an_ioc_fills_and_the_balances_are_the_houses(venue):
    async with standing(venue) as (floor, exchange, _):
        asks = (await exchange.fetch_order_book(PAIR, 20))["asks"]
        placed = await place(exchange, venue, "buy", asks[8][0], "ioc00001", tif="IOC")
        truth = order_at(floor, venue, "ioc00001")
        assert truth.state is State.FILLED and truth.filled == Decimal(str(QTY))
        order = await look(exchange, placed["id"])
        assert (order["status"], Decimal(str(order["filled"]))) == ("closed", truth.filled)
        assert order["clientOrderId"] == truth.client_id
        await agrees(exchange, floor)
        fills = await exchange.fetch_my_trades(PAIR)
        assert sum(Decimal(str(fill["amount"])) for fill in fills) == truth.filled
        fees = {fill["fee"]["currency"] for fill in fills}
        assert fees == {truth.fee_asset}
        assert sum(Decimal(str(fill["fee"]["cost"])) for fill in fills) == truth.fee


@pytest.mark.parametrize("venue", VENUES)
async def test_a_resting_order_is_listed_holds_money_and_ends_by_cancel(venue):
    async with standing(venue) as (floor, exchange, _):
        bids = (await exchange.fetch_order_book(PAIR, 20))["bids"]
        placed = await place(exchange, venue, "buy", bids[-1][0], "rest0001")
        mine = await exchange.fetch_open_orders(PAIR)
        assert [order["clientOrderId"] for order in mine] == [cid_of(venue, "rest0001")]
        assert floor.ledger.balance("trader", "USDT").held > 0
        await agrees(exchange, floor)
        await exchange.cancel_order(placed["id"], PAIR)
        assert await exchange.fetch_open_orders(PAIR) == []
        assert (await look(exchange, placed["id"]))["status"] == "canceled"
        await agrees(exchange, floor)


@pytest.mark.parametrize("venue", VENUES)
async def test_a_part_is_filled_and_the_rest_taken_back(venue):
    async with standing(venue) as (floor, exchange, _):
        floor.faults.arm(Fault(kind="partial", ratio=Decimal("0.4")))
        asks = (await exchange.fetch_order_book(PAIR, 20))["asks"]
        placed = await place(exchange, venue, "buy", asks[8][0], "part0001", tif="IOC")
        order = await look(exchange, placed["id"])
        ended = "closed" if venue == "bybit" else "canceled"  # so ccxt reads Bybit's PartiallyFilledCanceled
        assert (order["status"], Decimal(str(order["filled"]))) == (ended, Decimal("0.004"))
        await agrees(exchange, floor)


@pytest.mark.parametrize("venue", VENUES)
async def test_a_cancel_that_comes_after_the_fill_is_refused(venue):
    async with standing(venue) as (floor, exchange, world):
        world.player.cancel()  # the tape rests: nobody else moves the book
        _, asks = floor.exchange.book(SYMBOLS[venue])
        placed = await place(exchange, venue, "sell", float(asks[0][0]), "race0001")
        floor.show_book(SYMBOLS[venue], ((asks[0][0], Decimal(2)),), asks[1:], world.clock())
        assert order_at(floor, venue, "race0001").state is State.FILLED
        with pytest.raises(plain_ccxt.ExchangeError):
            await exchange.cancel_order(placed["id"], PAIR)
        assert (await look(exchange, placed["id"]))["status"] == "closed"
        await agrees(exchange, floor)


REFUSALS = [("too little money", "58000", 20.0), ("under the minimum", "58000", 0.00002)]


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("why, price, qty", REFUSALS, ids=[row[0] for row in REFUSALS])
async def test_refusals_reach_ccxt(venue, why, price, qty):
    async with standing(venue) as (floor, exchange, _):
        error = plain_ccxt.InsufficientFunds if why == "too little money" else plain_ccxt.ExchangeError
        with pytest.raises(error):
            await place(exchange, venue, "buy", float(price), "no000001", qty=qty)
        assert not floor.exchange.orders


@pytest.mark.parametrize("venue", VENUES)
async def test_a_client_id_twice(venue):
    """Open ones are refused everywhere; an ended one's is taken again where the venue promises no more."""
    async with standing(venue) as (_, exchange, _):
        bids = (await exchange.fetch_order_book(PAIR, 20))["bids"]
        first = await place(exchange, venue, "buy", bids[-1][0], "same0001")
        with pytest.raises(plain_ccxt.ExchangeError, match=r"(?i)duplicate|repeated"):
            await place(exchange, venue, "buy", bids[-1][0], "same0001")
        await exchange.cancel_order(first["id"], PAIR)
        if venue in ("gate", "kucoin"):
            assert (await place(exchange, venue, "buy", bids[-1][0], "same0001"))["id"] != first["id"]
        else:
            with pytest.raises(plain_ccxt.ExchangeError, match=r"(?i)duplicate"):
                await place(exchange, venue, "buy", bids[-1][0], "same0001")


@pytest.mark.parametrize("venue", [*VENUES, "coinone"])
async def test_a_wrong_secret_is_denied(venue):
    async with standing(venue) as (_, _, world):
        exchange = client_of(world, venue, "not the secret")
        try:
            with pytest.raises(plain_ccxt.ExchangeError):
                await BALANCES[venue](exchange)
        finally:
            await exchange.close()


BALANCES = {
    "bybit": lambda client: client.request("v5/account/wallet-balance", ["private"], "GET", {"accountType": "UNIFIED"}),
    "gate": lambda client: client.request("accounts", ["private", "spot"], "GET", {}),
    "bitget": lambda client: client.request("v2/spot/account/assets", ["private", "spot"], "GET", {}),
    "kucoin": lambda client: client.request("accounts", ["private"], "GET", {}),
    "coinone": lambda client: client.request("account/balance/all", ["v2_1Private"], "POST", {}),
}
LATE_MS = {"bybit": 6_000, "gate": 62_000, "bitget": 31_000, "kucoin": 6_000}


@pytest.mark.parametrize("venue", VENUES)
async def test_a_stamp_outside_the_window_is_denied(venue):
    async with standing(venue) as (_, exchange, _):
        await BALANCES[venue](exchange)
        true_ms = exchange.milliseconds
        for off_ms in (-LATE_MS[venue], LATE_MS[venue]):
            exchange.nonce = lambda off_ms=off_ms: true_ms() + off_ms
            with pytest.raises((plain_ccxt.ExchangeError, plain_ccxt.InvalidNonce)):
                await BALANCES[venue](exchange)


async def test_gate_drops_what_comes_after_its_own_expiry():
    async with standing("gate") as (floor, exchange, _):
        exchange.headers = {"x-gate-exptime": "1000"}
        with pytest.raises(plain_ccxt.ExchangeError, match="EXPIRED"):
            await place(exchange, "gate", "buy", 50_000, "late0001")
        assert not floor.exchange.orders


async def test_gate_forgets_the_text_of_what_ended_an_hour_ago():
    start_ms, ahead_ms = 1_790_000_000_000, [0]
    world_config = WorldConfig(seed=7, episodes=False, houses=("gate",))
    async with World(world_config, clock=lambda: start_ms + ahead_ms[0]) as world:
        exchange = client_of(world, "gate")
        exchange.milliseconds = world.clock
        try:
            bids = (await exchange.fetch_order_book(PAIR, 20))["bids"]
            placed = await place(exchange, "gate", "buy", bids[-1][0], "hour0001")
            await exchange.cancel_order(placed["id"], PAIR)
            assert (await exchange.fetch_order("t-hour0001", PAIR))["status"] == "canceled"
            ahead_ms[0] = 3_601_000
            with pytest.raises(plain_ccxt.OrderNotFound):
                await exchange.fetch_order("t-hour0001", PAIR)
            assert (await look(exchange, placed["id"]))["status"] == "canceled"
        finally:
            await exchange.close()


ARMS = {
    "gate": lambda client, s: client.request("countdown_cancel_all", ["private", "spot"], "POST", {"timeout": s}),
    "kucoin": lambda client, s: client.request("hf/orders/dead-cancel-all", ["private"], "POST", {"timeout": s}),
}


async def test_the_dead_mans_countdown_cancels_unless_it_is_told_again():
    async def rests_and_is_struck(venue):
        async with standing(venue) as (floor, exchange, _):
            bids = (await exchange.fetch_order_book(PAIR, 20))["bids"]
            await place(exchange, venue, "buy", bids[-1][0], "dead0001")
            with pytest.raises(plain_ccxt.ExchangeError):
                await ARMS[venue](exchange, 4)  # five seconds at least
            await ARMS[venue](exchange, 86_400)
            await ARMS[venue](exchange, 5)
            assert order_at(floor, venue, "dead0001").state is State.OPEN
            await until(lambda: order_at(floor, venue, "dead0001").state is State.CANCELLED, 30.0)
            assert floor.ledger.balance("trader", "USDT").held == 0
            await place(exchange, venue, "buy", bids[-1][0], "dead0002")
            await ARMS[venue](exchange, 5)
            await ARMS[venue](exchange, {"gate": 0, "kucoin": -1}[venue])  # disarmed
            assert order_at(floor, venue, "dead0002").state is State.OPEN

    await asyncio.gather(*(rests_and_is_struck(venue) for venue in ARMS))


async def test_coinone_takes_signed_orders_and_keeps_their_ids_for_good():
    """ccxt signs with the secret in upper case, and knows no client id: its requests are used, not its orders."""
    async with standing("coinone") as (floor, exchange, world):
        key = world.credentials["coinone"]
        floor.keys[key.key] = replace(key, secret=key.secret.upper())

        async def ask(path, **fields):
            pair = {"quote_currency": "KRW", "target_currency": "BTC"}
            return await exchange.request(path, ["v2_1Private"], "POST", pair | fields)

        bids, _ = floor.exchange.book("KRW-BTC")
        wish = {"side": "BUY", "type": "LIMIT", "price": f"{bids[-1][0]:f}", "qty": "0.001", "user_order_id": "mine.1"}
        with pytest.raises(plain_ccxt.BadRequest, match="post_only"):
            await ask("order", **wish)
        placed = await ask("order", **wish, post_only=False)
        [listed] = (await ask("order/active_orders"))["active_orders"]
        assert (listed["order_id"], listed["user_order_id"]) == (placed["order_id"], "mine.1")
        held = {row["currency"]: Decimal(row["limit"]) for row in (await ask("account/balance/all"))["balances"]}
        assert held["KRW"] == floor.ledger.balance("trader", "KRW").held > 0
        with pytest.raises(plain_ccxt.ExchangeError, match="order_id"):
            await ask("order/detail", order_id=placed["order_id"], user_order_id="mine.1")  # one of them, not both
        await ask("order/cancel", user_order_id="mine.1")
        assert (await ask("order/detail", user_order_id="mine.1"))["order"]["status"] == "CANCELED"
        with pytest.raises(plain_ccxt.ExchangeError, match="user_order_id"):
            await ask("order", **wish, post_only=False)
        with pytest.raises(plain_ccxt.ExchangeError, match="312"):
            await ask("order", **(wish | {"user_order_id": "Upper"}), post_only=False)
        with pytest.raises(plain_ccxt.ExchangeError):
            await ask("order/cancel", user_order_id="mine.1")


@pytest.mark.parametrize("venue", ["bybit", "gate"])
async def test_an_open_order_gets_another_price_in_place(venue):
    async with standing(venue) as (floor, exchange, _):
        low = floor.exchange.book(SYMBOLS[venue])[0][0][0] * Decimal("0.97") // 1
        placed = await place(exchange, venue, "buy", float(low), "moves")
        before = order_at(floor, venue, "moves")
        size = None if venue == "gate" else QTY  # it changes one of the two at a time
        await exchange.edit_order(placed["id"], PAIR, "limit", "buy", size, float(low - 10))
        moved = order_at(floor, venue, "moves")
        assert (moved.id, moved.price, moved.qty) == (before.id, low - 10, Decimal(str(QTY)))
        assert (await look(exchange, placed["id"]))["price"] == float(low - 10)
        await agrees(exchange, floor)


async def test_gate_changes_not_both_at_once():
    async with standing("gate") as (floor, exchange, _):
        low = floor.exchange.book(SYMBOLS["gate"])[0][0][0] * Decimal("0.97") // 1
        placed = await place(exchange, "gate", "buy", float(low), "both")
        with pytest.raises(ccxt.BadRequest):
            await exchange.edit_order(placed["id"], PAIR, "limit", "buy", QTY / 2, float(low - 10))
        assert order_at(floor, "gate", "both").price == low
