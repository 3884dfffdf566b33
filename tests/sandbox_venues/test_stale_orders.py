"""A query that tells an order as it stood a while ago: an old state, fills left out, the venue's own books right."""

from decimal import Decimal as D

import ccxt  # type: ignore[import-untyped]
import pytest

from engine.domain.errors import VenueRefused
from engine.domain.order import OrderStatus, Side, TimeInForce
from sandbox.faults import Fault
from sandbox.world import World, WorldConfig
from tests.sandbox_venues.conftest import SYMBOLS
from tests.sandbox_venues.test_faults import MARKETS, arm, buy, orders, shown
from tests.sandbox_venues.test_forgetting import by_lists, by_query, rest
from tests.venues.orders.test_against_sandbox import PATHS, Trader
from tests.venues.orders.test_perps_against_sandbox import HOUSES, holding

HOUR_MS = 3_600_000
OPEN = {"upbit": "wait", "bithumb": "wait", "binance": "NEW", "okx": "live"}
FILLED, CANCELLED = "filled0000000001", "cancelled0000001"


@pytest.mark.parametrize("venue", SYMBOLS)
async def test_what_has_ended_is_told_as_open_until_it_is_old(clients, world, venue):
    exchange, faults = clients[venue], world.floors[venue].faults
    await buy(exchange, world, venue, FILLED)
    world.floors[venue].cancel(await rest(exchange, world, venue, CANCELLED))
    true = [await by_query(exchange, venue, cid) for cid in (FILLED, CANCELLED)]
    assert OPEN[venue] not in true

    await arm(world, venue, "query_stale", behind_ms=HOUR_MS, symbol=MARKETS[venue])
    assert [await by_query(exchange, venue, cid) for cid in (FILLED, CANCELLED)] == [OPEN[venue]] * 2
    if venue != "binance":  # whose list is of everything
        assert not {FILLED, CANCELLED} & await by_lists(exchange, venue)
    assert shown(world, venue, "query_stale") >= 2
    assert [order.state.value for order in orders(world, venue)] == ["filled", "cancelled"]

    faults.clear()
    await arm(world, venue, "query_stale", behind_ms=HOUR_MS, symbol="another")
    assert [await by_query(exchange, venue, cid) for cid in (FILLED, CANCELLED)] == true
    faults.clear()
    await arm(world, venue, "query_stale", behind_ms=0)
    assert [await by_query(exchange, venue, cid) for cid in (FILLED, CANCELLED)] == true


async def test_fills_appear_as_they_age_and_a_cancel_knows_the_truth(clients, world):
    await buy(clients["upbit"], world, "upbit", FILLED)
    await arm(world, "upbit", "query_stale", behind_ms=HOUR_MS)
    told = await clients["upbit"].private_get_order({"identifier": FILLED})
    assert D(told["executed_volume"]) == 0 and not told["trades"]
    with pytest.raises(ccxt.BaseError):
        await clients["upbit"].private_delete_order({"identifier": FILLED})
    assert orders(world, "upbit")[0].filled == D("0.01")
    world.floors["upbit"].faults.clear()
    told = await clients["upbit"].private_get_order({"identifier": FILLED})
    assert D(told["executed_volume"]) == D("0.01") and told["trades"]


async def test_an_open_order_is_cancelled_as_ever(clients, world):
    order = await rest(clients["binance"], world, "binance", CANCELLED)
    await arm(world, "binance", "query_stale", behind_ms=HOUR_MS)
    await clients["binance"].cancel_order("", SYMBOLS["binance"], {"origClientOrderId": CANCELLED})
    assert order.state.value == "cancelled"
    assert await by_query(clients["binance"], "binance", CANCELLED) == "NEW"


async def is_never_final(trader, order):
    """With an old state for ever our client calls nothing done; its cancel changes nothing; then it finds the truth."""
    trader.floor.faults.arm(Fault(kind="query_stale", behind_ms=HOUR_MS))
    placed = await trader.orders.place(order)
    told = await trader.orders.look_up(trader.symbol, order.cid)
    assert (told.status, told.filled_qty, told.fees) == (OrderStatus.OPEN, 0, ())
    with pytest.raises(VenueRefused):
        await trader.orders.cancel(trader.symbol, order.cid, placed.venue_order_id)
    trader.floor.faults.clear()
    report = await trader.settled(order.cid)
    assert (report.status, report.filled_qty) == (OrderStatus.FILLED, order.qty) and report.fees
    assert len(trader.floor.exchange.orders) == 1

    trader.floor.faults.arm(Fault(kind="query_stale", behind_ms=300))
    order = trader.wish(Side.SELL, TimeInForce.IOC, away=D("0.02"))
    await trader.orders.place(order)
    report = await trader.settled(order.cid)
    assert (report.status, report.filled_qty) == (OrderStatus.FILLED, order.qty) and report.fees


@pytest.mark.parametrize("venue, path", PATHS)
async def test_our_client_takes_no_old_state_for_an_end(venue, path):
    async with World(WorldConfig(seed=7, episodes=False, houses=(venue,))) as world:
        trader = await Trader(world, venue, path).start()
        try:
            await is_never_final(trader, trader.wish(Side.BUY, TimeInForce.IOC, away=D("0.02")))
        finally:
            await trader.close()


@pytest.mark.parametrize("venue", HOUSES)
async def test_nor_does_it_of_a_perpetual(venue):
    async with holding(venue) as holder:
        await is_never_final(holder, holder.wish(Side.BUY, TimeInForce.IOC, away=D("0.02")))
