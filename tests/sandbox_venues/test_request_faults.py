"""What can happen to a cancel or a query on its way, and a request that arrives twice."""

import time

import ccxt  # type: ignore[import-untyped]
import pytest

from tests.sandbox_venues.conftest import SYMBOLS
from tests.sandbox_venues.test_faults import MARKETS, arm, buy, orders, shown
from tests.sandbox_venues.test_forgetting import by_query, rest

CID = "resting000000001"
VENUES = ("binance", "okx")


async def cancel(exchange, venue):
    await exchange.cancel_order("", SYMBOLS[venue], {"clientOrderId": CID, "clOrdId": CID})


async def ask(exchange, venue):
    assert await by_query(exchange, venue, CID)


ACTS = {"cancel": cancel, "query": ask}


async def unanswered(exchange, venue, scope):
    """It hangs past the client's patience: a socket that is only cut makes aiohttp ask again, all but POST."""
    exchange.timeout = 200
    with pytest.raises(ccxt.NetworkError):
        await ACTS[scope](exchange, venue)
    exchange.timeout = 10_000


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("scope", ACTS)
async def test_an_answer_is_lost(clients, world, venue, scope):
    order = await rest(clients[venue], world, venue, CID)
    await arm(world, venue, "drop_after", scope=scope, ms=600)
    if scope == "cancel":
        await ask(clients[venue], venue)  # a query is none
    await unanswered(clients[venue], venue, scope)
    assert (order.state.value == "cancelled") is (scope == "cancel") and shown(world, venue, "drop_after") == 1
    await ask(clients[venue], venue)


async def test_a_lost_cancel_never_arrived(clients, world):
    order = await rest(clients["binance"], world, "binance", CID)
    await arm(world, "binance", "drop_before", scope="cancel", ms=600)
    await unanswered(clients["binance"], "binance", "cancel")
    assert order.state.value == "open"


async def test_a_query_whose_socket_is_cut_is_asked_twice_by_the_client_itself(clients, world):
    await rest(clients["binance"], world, "binance", CID)
    await arm(world, "binance", "drop_after", scope="query", count=2)
    with pytest.raises(ccxt.NetworkError):
        await ask(clients["binance"], "binance")
    assert shown(world, "binance", "drop_after") == 2


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("scope", ACTS)
@pytest.mark.parametrize("kind", ["delay_before", "delay_after"])
async def test_an_answer_is_slow(clients, world, venue, scope, kind):
    await rest(clients[venue], world, venue, CID)
    await arm(world, venue, kind, scope=scope, ms=200)
    began = time.monotonic()
    await ACTS[scope](clients[venue], venue)
    assert time.monotonic() - began >= 0.2 and shown(world, venue, kind) == 1


async def test_faults_of_a_placement_leave_cancels_and_queries_alone_and_theirs_leave_it(clients, world):
    await arm(world, "binance", "drop_after", scope="cancel")
    await rest(clients["binance"], world, "binance", CID)
    world.floors["binance"].faults.clear()
    await arm(world, "binance", "drop_after")
    await ask(clients["binance"], "binance")
    await cancel(clients["binance"], "binance")
    assert shown(world, "binance", "drop_after") == 0


async def test_a_cancel_that_arrives_twice(clients, world):
    first = await rest(clients["binance"], world, "binance", CID)
    await arm(world, "binance", "twice", scope="cancel")
    await cancel(clients["binance"], "binance")
    assert first.state.value == "cancelled"
    second = await rest(clients["binance"], world, "binance", CID)
    await arm(world, "binance", "twice", scope="cancel", answers="last")
    with pytest.raises(ccxt.OrderNotFound):
        await cancel(clients["binance"], "binance")
    assert second.state.value == "cancelled" and shown(world, "binance", "twice") == 2


@pytest.mark.parametrize("answers", ["first", "last"])
@pytest.mark.parametrize("venue", MARKETS)
async def test_a_placement_that_arrives_twice(clients, world, venue, answers):
    """Binance takes both where the first has ended; the others refuse the second: by its id, or by its nonce."""
    await arm(world, venue, "twice", scope="placement", answers=answers)
    if answers == "first" or venue == "binance":
        await buy(clients[venue], world, venue, CID)
    else:
        with pytest.raises(ccxt.BaseError):
            await buy(clients[venue], world, venue, CID)
    assert len(orders(world, venue)) == (2 if venue == "binance" else 1)
    assert shown(world, venue, "twice") == 1
    await buy(clients[venue], world, venue, CID[:-1] + "2")
    assert shown(world, venue, "twice") == 1
