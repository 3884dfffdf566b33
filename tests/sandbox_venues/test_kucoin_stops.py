"""KuCoin's stops at its house: ccxt, untouched but for its addresses, places, reads and cancels them."""

from decimal import Decimal as D

import ccxt.async_support as ccxt  # type: ignore[import-untyped]
import pytest

from sandbox.venues.orders import End, Print, Side, State
from sandbox.world import World, WorldConfig
from tests.sandbox_venues.test_contract_books import point_kucoin

SPOT, PERP, STOP = "BTC/USDT", "ETH/USDT:USDT", {"stop": True}


@pytest.fixture
async def world():
    async with World(WorldConfig(seed=7, episodes=False, houses=("kucoin",))) as world:
        yield world


async def client_of(world, venue, kind, types):
    key = world.credentials[venue]
    keys = {"apiKey": key.key, "secret": key.secret, "password": key.passphrase, "enableRateLimit": False}
    exchange = kind(keys | {"options": {"defaultType": types, "fetchMarkets": {"types": [types]}}})
    exchange.timeout_on_exit = 0
    point_kucoin(exchange, world.urls["kucoin"]["rest"], "")
    await exchange.load_markets()
    return exchange


@pytest.fixture
async def spot(world):
    exchange = await client_of(world, "kucoin", ccxt.kucoin, "spot")
    yield exchange
    await exchange.close()


@pytest.fixture
async def perp(world):
    exchange = await client_of(world, "kucoin_futures", ccxt.kucoinfutures, "swap")
    yield exchange
    await exchange.close()


def trade_at(floor, symbol, price):
    floor.show_print(Print(symbol, D(price), D(0), Side.SELL, floor.clock()))


def bid(floor, symbol):
    return floor.exchange.book(symbol)[0][0][0]


async def test_spot_a_stop_is_apart_until_it_goes_off(world, spot):
    floor, cid = world.floors["kucoin"], "stop0001"
    price = bid(floor, "BTC-USDT")
    trigger, limit = int(price * D("0.97")), int(price * D("0.95"))
    params = {"stopLossPrice": trigger, "clientOid": cid, "timeInForce": "GTC"}
    placed = await spot.create_order(SPOT, "limit", "sell", 0.01, limit, params)
    assert placed["id"].startswith("vs9")
    [waits] = await spot.fetch_open_orders(SPOT, params=STOP)
    assert (waits["id"], waits["clientOrderId"], waits["status"]) == (placed["id"], cid, "open")
    assert (waits["triggerPrice"], waits["amount"]) == (trigger, 0.01)
    assert await spot.fetch_open_orders(SPOT, params={"hf": True}) == []
    assert floor.ledger.balance("trader", "BTC").held == 0
    trade_at(floor, "BTC-USDT", trigger)
    assert await spot.fetch_open_orders(SPOT, params=STOP) == []
    gone_off = await spot.fetch_order(None, SPOT, STOP | {"clientOid": cid})
    assert (gone_off["id"], gone_off["info"]["status"]) == (placed["id"], "TRIGGERED")
    made = await spot.fetch_order(None, SPOT, {"clientOid": cid, "hf": True})
    assert made["id"] != placed["id"] and (made["status"], made["filled"]) == ("closed", 0.01)


async def test_spot_a_stop_is_cancelled_by_both_its_names_and_all_at_once(world, spot):
    floor = world.floors["kucoin"]
    limit = int(bid(floor, "BTC-USDT") * D("0.9"))
    params = {"stopLossPrice": limit, "timeInForce": "GTC"}
    for cid in ("stop0001", "stop0002", "stop0003"):
        await spot.create_order(SPOT, "limit", "sell", 0.01, limit, params | {"clientOid": cid})
    first = await spot.fetch_order(None, SPOT, STOP | {"clientOid": "stop0001"})
    await spot.cancel_order(first["id"], SPOT, STOP)
    await spot.cancel_order(None, SPOT, STOP | {"clientOid": "stop0002"})
    with pytest.raises(ccxt.OrderNotFound):
        await spot.cancel_order(first["id"], SPOT, STOP)
    await spot.cancel_all_orders(SPOT, STOP)
    assert await spot.fetch_open_orders(SPOT, params=STOP) == []
    assert {stop.order.end for stop in floor.stops.of("trader")} == {End.USER}
    with pytest.raises(ccxt.ExchangeError, match="stop"):  # the default is `loss`, and a buy waits for a rise here
        params = {"triggerPrice": limit * 2, "timeInForce": "GTC"}
        await spot.create_order(SPOT, "limit", "buy", 0.01, limit, params)


async def test_a_perpetuals_stop_is_one_order_all_its_life(world, perp):
    floor, cid = world.floors["kucoin_futures"], "stop0001"
    price = bid(floor, "ETHUSDTM")
    trigger, limit = int(price * D("0.97")), int(price * D("0.95"))
    params = {"triggerPrice": trigger, "triggerPriceType": "last", "clientOid": cid, "marginMode": "cross"}
    placed = await perp.create_order(PERP, "limit", "sell", 3, limit, params)
    [waits] = await perp.fetch_open_orders(PERP, params=STOP)
    assert (waits["id"], waits["status"], waits["triggerPrice"]) == (placed["id"], "open", trigger)
    assert await perp.fetch_open_orders(PERP) == []
    named = await perp.fetch_order(None, PERP, {"clientOid": cid})
    assert (named["id"], named["info"]["stopTriggered"]) == (placed["id"], False)
    with pytest.raises(ccxt.ExchangeError, match="100004"):
        await perp.cancel_order(None, PERP, {"clientOid": cid})
    trade_at(floor, "ETHUSDTM", trigger)
    done = await perp.fetch_order(placed["id"], PERP)
    assert (done["status"], done["filled"], done["info"]["stopTriggered"]) == ("closed", 3, True)
    with pytest.raises(ccxt.ExchangeError, match="stop"):  # of the last price alone
        await perp.create_order(PERP, "limit", "sell", 3, limit, params | {"triggerPriceType": "mark"})


async def test_a_perpetuals_stops_are_cancelled_apart_from_its_orders(world, perp):
    floor = world.floors["kucoin_futures"]
    limit = int(bid(floor, "ETHUSDTM") * D("0.9"))
    rests = await perp.create_order(PERP, "limit", "buy", 3, limit, {"marginMode": "cross"})
    params = {"triggerPrice": limit, "triggerPriceType": "last", "marginMode": "cross"}
    stops = [await perp.create_order(PERP, "limit", "sell", 3, limit, params) for _ in range(2)]
    await perp.cancel_order(stops[0]["id"], PERP)
    assert [each["id"] for each in await perp.fetch_open_orders(PERP, params=STOP)] == [stops[1]["id"]]
    await perp.cancel_all_orders(PERP, STOP)
    assert await perp.fetch_open_orders(PERP, params=STOP) == []
    assert [each["id"] for each in await perp.fetch_open_orders(PERP)] == [rests["id"]]
    ended = await perp.fetch_closed_orders(PERP, params={"type": "limit_stop"})
    assert {each["id"] for each in ended} == {each["id"] for each in stops}
    assert {each["status"] for each in ended} == {"canceled"}


async def test_a_reduce_only_stop_without_a_position_ends_unfilled(world, perp):
    floor, cid = world.floors["kucoin_futures"], "stop0001"
    limit = int(bid(floor, "ETHUSDTM") * D("0.9"))
    params = {"triggerPrice": limit, "triggerPriceType": "last", "marginMode": "cross", "clientOid": cid}
    await perp.create_order(PERP, "limit", "sell", 3, limit, params | {"reduceOnly": True})
    trade_at(floor, "ETHUSDTM", limit)
    order = await perp.fetch_order(None, PERP, {"clientOid": cid})
    assert (order["status"], order["filled"]) == ("canceled", 0)
    assert floor.find("trader", client_id=cid).state is State.CANCELLED
