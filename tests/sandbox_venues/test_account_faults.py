"""Balances that lag, are zero or are missing, and positions that are not told: what clients receive of them."""

from decimal import Decimal as D

import pytest

from engine.domain.order import Side
from sandbox.faults import Fault
from sandbox.world import World, WorldConfig
from tests.sandbox_venues.conftest import SYMBOLS
from tests.sandbox_venues.test_faults import arm, buy, orders, shown, until
from tests.venues.orders.test_against_sandbox import NATIVE, VENUES, Trader
from tests.venues.orders.test_perps_against_sandbox import HOUSES, holding

HELD = D("0.4")  # BTC, and ETH below: what every account begins with
LONG_MS = 3_600_000
CID = "lagging000000001"


async def told(exchange, asset="BTC"):
    """Free of an asset, None where the answer does not name it."""
    free = (await exchange.fetch_balance()).get(asset, {}).get("free")
    return None if free is None else D(str(free))


@pytest.mark.parametrize("venue", SYMBOLS)
async def test_balances_of_a_while_ago(clients, world, venue):
    floor, exchange = world.floors[venue], clients[venue]
    await arm(world, venue, "balance_lag", behind_ms=LONG_MS)  # before the world began there was no money
    assert not await told(exchange)
    floor.faults.clear()
    await arm(world, venue, "balance_lag", behind_ms=600)
    before_ms = world.clock()
    await until(lambda: world.clock() > before_ms + 700)
    await buy(exchange, world, venue, CID)
    bought_ms, true = world.clock(), floor.ledger.balance("trader", "BTC").free
    assert true > HELD
    assert await told(exchange) == HELD or world.clock() > bought_ms + 500  # a machine that stands still proves nothing
    await until(lambda: world.clock() > bought_ms + 600)
    assert await told(exchange) == true and shown(world, venue, "balance_lag")


@pytest.mark.parametrize("venue", SYMBOLS)
async def test_zero_and_missing_of_one_asset_and_of_all(clients, world, venue):
    exchange, floor = clients[venue], world.floors[venue]
    before = floor.ledger.balances("trader")
    for kind in ("balance_zero", "balance_empty"):
        await arm(world, venue, kind, symbol="BTC")
        assert not await told(exchange) and await told(exchange, "ETH") == 6
        floor.faults.clear()
        await arm(world, venue, kind)
        assert not await told(exchange) and not await told(exchange, "ETH")
        floor.faults.clear()
        assert await told(exchange) == HELD
    assert floor.ledger.balances("trader") == before
    assert shown(world, venue, "balance_zero") and shown(world, venue, "balance_empty")


async def test_zero_is_a_row_and_missing_is_none(clients, world):
    for kind, expected in (("balance_zero", 0), ("balance_empty", None)):
        await arm(world, "binance", kind, symbol="BTC")
        assert await told(clients["binance"]) == expected
        world.floors["binance"].faults.clear()


async def test_it_ends_by_itself_and_the_match_never_believed_it(clients, world):
    began_ms = world.clock()
    await arm(world, "binance", "balance_empty", ms=500)
    await buy(clients["binance"], world, "binance", CID)
    assert orders(world, "binance")[0].filled == D("0.01")
    await until(lambda: world.clock() >= began_ms + 700)
    assert await told(clients["binance"]) > HELD


@pytest.mark.parametrize("path", ["ccxt", "native"])
@pytest.mark.parametrize("venue", VENUES)
async def test_our_client_tells_what_it_is_told_and_invents_nothing(venue, path):
    """A missing asset is not told as zero by it where the venue names zeros: the desk must tell them apart."""
    if path == "native" and venue not in NATIVE:
        pytest.skip(f"{venue} is spoken to through ccxt alone")
    async with World(WorldConfig(seed=7, episodes=False, houses=(venue,))) as world:
        trader = await Trader(world, venue, path).start()
        try:
            true = await trader.wallet()
            trader.floor.faults.arm(Fault(kind="balance_empty", symbol="ETH"))
            assert await trader.wallet() == {asset: total for asset, total in true.items() if asset != "ETH"}
            trader.floor.faults.clear()
            trader.floor.faults.arm(Fault(kind="balance_zero", symbol="ETH"))
            assert await trader.wallet() in (true | {"ETH": D(0)}, {a: t for a, t in true.items() if a != "ETH"})
            trader.floor.faults.clear()
            trader.floor.faults.arm(Fault(kind="balance_lag", behind_ms=LONG_MS))
            assert not any((await trader.wallet()).values())
            trader.floor.faults.clear()
            assert await trader.wallet() == true
        finally:
            await trader.close()


@pytest.mark.parametrize("venue", HOUSES)
async def test_an_account_on_margin_without_wallet_and_without_position(venue):
    async with holding(venue) as holder:
        await holder.take(Side.BUY, holder.lots(10))
        before, held, faults = await holder.money(), await holder.held(), holder.floor.faults
        faults.arm(Fault(kind="position_empty"))
        assert await holder.held() is None
        faults.clear()
        assert (await holder.held()).qty == held.qty
        for kind in ("balance_zero", "balance_lag"):
            faults.arm(Fault(kind=kind, behind_ms=LONG_MS))
            assert {each.total for each in await holder.orders.balances()} <= {D(0)}
            faults.clear()
        assert (await holder.money()).total == before.total
        assert faults.shown["position_empty"] and faults.shown["balance_lag"]
