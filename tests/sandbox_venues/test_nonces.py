"""A nonce that the venue calls used: Upbit, Bithumb and Coinone know requests by one, the others by their moment."""

from decimal import Decimal

import aiohttp
import ccxt  # type: ignore[import-untyped]
import pytest

from engine.domain.errors import OrderNotFound, OutcomeUnknown
from engine.domain.order import OrderStatus, Side, TimeInForce
from sandbox.faults import Fault
from sandbox.venues.opening import HOUSES
from sandbox.world import World, WorldConfig
from tests.sandbox_venues.test_faults import arm, buy, orders, shown
from tests.venues.orders.test_against_sandbox import PATHS, Trader

CID = "nonce00000000001"
WORDS = {"upbit": "nonce_used", "bithumb": "Jwt 토큰"}  # what Bithumb says is not documented
WITH_NONCES = ("upbit", "bithumb", "coinone")


@pytest.mark.parametrize("venue", WORDS)
@pytest.mark.parametrize("executed", [False, True])
async def test_a_placement_is_refused_whether_or_not_it_was_carried_out(clients, world, venue, executed):
    await arm(world, venue, "nonce_used", executed=executed)
    await clients[venue].fetch_balance()  # a query is none
    with pytest.raises(ccxt.BaseError, match=WORDS[venue]):
        await buy(clients[venue], world, venue, CID)
    assert len(orders(world, venue)) == executed and shown(world, venue, "nonce_used") == 1
    await buy(clients[venue], world, venue, CID[:-1] + "2")
    assert len(orders(world, venue)) == executed + 1


@pytest.mark.parametrize("venue", WORDS)
async def test_so_are_queries(clients, world, venue):
    await arm(world, venue, "nonce_used", scope="query", count=2)
    for _ in range(2):
        with pytest.raises(ccxt.BaseError, match=WORDS[venue]):
            await clients[venue].fetch_balance()
    await clients[venue].fetch_balance()


async def test_a_venue_without_nonces_has_no_such_fault(world):
    order = {"venue": "binance", "fault": {"kind": "nonce_used"}}
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{world.urls['control']['rest']}/world/faults", json=order) as answer:
            assert (answer.status, await answer.text()) == (400, "this venue has no nonces")
    assert world.floors["binance"].faults.report()["asked"] == {}
    assert tuple(name for name, house in HOUSES.items() if house.has_nonces) == WITH_NONCES


@pytest.mark.parametrize("venue, path", [each for each in PATHS if each[0] in WITH_NONCES])
@pytest.mark.parametrize("executed", [False, True])
async def test_our_client_does_not_take_it_for_a_refusal(venue, path, executed):
    """A nonce of ours is used once: whoever has seen it has seen the request."""
    async with World(WorldConfig(seed=7, episodes=False, houses=(venue,))) as world:
        trader = await Trader(world, venue, path).start()
        try:
            trader.floor.faults.arm(Fault(kind="nonce_used", executed=executed))
            order = trader.wish(Side.BUY, TimeInForce.IOC, away=Decimal("0.02"))
            with pytest.raises(OutcomeUnknown):
                await trader.orders.place(order)
            if executed:
                assert (await trader.settled(order.cid)).status is OrderStatus.FILLED
            else:
                with pytest.raises(OrderNotFound):
                    await trader.orders.look_up(trader.symbol, order.cid)
        finally:
            await trader.close()
