"""A venue forgets what has ended: after a while its query and its lists say that such an order never was."""

import ccxt  # type: ignore[import-untyped]
import pytest

from tests.sandbox_venues.conftest import SYMBOLS
from tests.sandbox_venues.test_faults import MARKETS, arm, buy, orders, shown, until

HOUR_MS = 3_600_000


async def by_query(exchange, venue, cid):
    """The state that the order's own query tells, None where it knows none."""
    try:
        match venue:
            case "upbit":
                return (await exchange.private_get_order({"identifier": cid}))["state"]
            case "bithumb":
                return (await exchange.private_get_v1_order({"client_order_id": cid}))["state"]
            case "binance":
                named = {"symbol": MARKETS[venue], "origClientOrderId": cid}
                return (await exchange.private_get_order(named))["status"]
            case _:
                found = await exchange.private_get_trade_order({"instId": MARKETS[venue], "clOrdId": cid})
                return found["data"][0]["state"]
    except ccxt.ExchangeError as error:  # Bithumb's words have no class of their own there
        assert isinstance(error, ccxt.OrderNotFound) or "주문을 찾지 못했습니다" in str(error)
        return None


async def by_lists(exchange, venue):
    """Client ids in the list of what has ended (at Binance of everything)."""
    match venue:
        case "upbit":
            return {row["identifier"] for row in await exchange.private_get_orders_closed({"market": MARKETS[venue]})}
        case "bithumb":
            asked = {"market": MARKETS[venue], "states": ["done", "cancel"]}
            return {row["client_order_id"] for row in await exchange.private_get_v1_orders(asked)}
        case "binance":
            return {row["clientOrderId"] for row in await exchange.private_get_allorders({"symbol": MARKETS[venue]})}
        case _:
            told = await exchange.private_get_trade_orders_history({"instType": "SPOT"})
            return {row["clOrdId"] for row in told["data"]}


async def rest(exchange, world, venue, cid):
    """A bid at the far end of the book."""
    price = float(world.floors[venue].exchange.book(MARKETS[venue])[0][-1][0])
    await exchange.create_order(SYMBOLS[venue], "limit", "buy", 0.01, price, {"clientOrderId": cid})
    return next(order for order in orders(world, venue) if order.client_id == cid)


@pytest.mark.parametrize("venue", list(MARKETS))
async def test_query_and_lists_forget_what_has_ended_long_enough(clients, world, venue):
    exchange, filled, empty, open_ = clients[venue], "filled0000000001", "empty00000000001", "open000000000001"
    await buy(exchange, world, venue, filled)
    world.floors[venue].cancel(await rest(exchange, world, venue, empty))
    await rest(exchange, world, venue, open_)

    await arm(world, venue, "forgets_ended", forgets_after_ms=HOUR_MS)
    assert all([await by_query(exchange, venue, cid) for cid in (filled, empty, open_)])
    assert {filled, empty} <= await by_lists(exchange, venue)
    assert shown(world, venue, "forgets_ended") == 0

    world.floors[venue].faults.clear()
    await arm(world, venue, "forgets_ended", forgets_after_ms=0, unfilled=True)
    assert await by_query(exchange, venue, empty) is None and await by_query(exchange, venue, filled)
    listed = await by_lists(exchange, venue)
    assert filled in listed and empty not in listed

    world.floors[venue].faults.clear()
    await arm(world, venue, "forgets_ended", forgets_after_ms=0)
    assert [await by_query(exchange, venue, cid) for cid in (filled, empty)] == [None, None]
    assert not {filled, empty} & await by_lists(exchange, venue)
    assert await by_query(exchange, venue, open_), "an open order is never forgotten"
    assert shown(world, venue, "forgets_ended") >= 4

    world.floors[venue].faults.clear()
    assert await by_query(exchange, venue, filled), "the venue's books were never wrong"


async def test_age_counts_from_the_end(clients, world):
    floor, age_ms = world.floors["binance"], 400
    await arm(world, "binance", "forgets_ended", forgets_after_ms=age_ms)
    order = await rest(clients["binance"], world, "binance", "rests00000000001")
    await until(lambda: floor.clock() > order.created_ms + age_ms)
    assert await by_query(clients["binance"], "binance", order.client_id) == "NEW"
    floor.cancel(order)
    assert not floor.has_forgotten(order)
    await until(lambda: floor.clock() >= order.updated_ms + age_ms)
    assert await by_query(clients["binance"], "binance", order.client_id) is None


async def test_trades_outlive_their_order(clients, world):
    await buy(clients["binance"], world, "binance", "traded0000000001")
    await arm(world, "binance", "forgets_ended", forgets_after_ms=0)
    assert await by_query(clients["binance"], "binance", "traded0000000001") is None
    trades = await clients["binance"].private_get_mytrades({"symbol": MARKETS["binance"]})
    assert [trade["qty"] for trade in trades] == ["0.01000000"]
