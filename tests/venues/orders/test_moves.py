"""A price changed in place: the same order, at its new price, with what it had filled; what has ended is refused."""

from decimal import Decimal as D

import pytest

from engine.domain.errors import VenueRefused
from engine.domain.order import OrderStatus, Side, TimeInForce
from sandbox.world import World, WorldConfig
from tests.venues.orders.test_against_sandbox import Trader


@pytest.mark.parametrize("venue", ["okx", "bybit", "gate"])
async def test_an_open_order_moves_and_one_that_has_ended_does_not(venue: str) -> None:
    async with World(WorldConfig(seed=7, episodes=False, houses=(venue,))) as world:
        trader = await Trader(world, venue).start()
        assert trader.orders.abilities.moves
        wish = trader.wish(Side.BUY, TimeInForce.POST_ONLY, away=D("-0.02"))
        report = await trader.orders.place(wish)
        [placed] = trader.floor.exchange.orders.values()
        higher = trader.wish(Side.BUY, TimeInForce.POST_ONLY, away=D("-0.01")).price
        await trader.orders.amend(wish.symbol, wish.cid, report.venue_order_id, wish.qty, higher)
        [moved] = trader.floor.exchange.orders.values()
        assert (moved.price, moved.qty, moved.id) == (higher, wish.qty, placed.id)
        assert (await trader.orders.look_up(wish.symbol, wish.cid)).status is OrderStatus.OPEN
        await trader.orders.cancel(wish.symbol, wish.cid, report.venue_order_id)
        with pytest.raises(VenueRefused):
            await trader.orders.amend(wish.symbol, wish.cid, report.venue_order_id, wish.qty, higher)
        await trader.close()


@pytest.mark.parametrize("venue", ["okx", "bybit", "gate"])
async def test_the_house_holds_what_the_moved_order_may_cost_and_no_more(venue: str) -> None:
    async with World(WorldConfig(seed=7, episodes=False, houses=(venue,))) as world:
        trader = await Trader(world, venue).start()
        account = trader.floor.ledger
        wish = trader.wish(Side.BUY, TimeInForce.POST_ONLY, away=D("-0.02"))
        report = await trader.orders.place(wish)
        [placed] = trader.floor.exchange.orders.values()
        total = account.total("USDT")
        for away in ("-0.01", "-0.03"):
            price = trader.wish(Side.BUY, TimeInForce.POST_ONLY, away=D(away)).price
            await trader.orders.amend(wish.symbol, wish.cid, report.venue_order_id, wish.qty, price)
            assert account.balance(placed.account, "USDT").held == placed.held >= wish.qty * price
            assert placed.held < wish.qty * price * D("1.01") and account.total("USDT") == total
        taking = trader.wish(Side.BUY, TimeInForce.POST_ONLY, away=D("0.01")).price
        with pytest.raises(VenueRefused):
            await trader.orders.amend(wish.symbol, wish.cid, report.venue_order_id, wish.qty, taking)
        assert placed.price == price and account.balance(placed.account, "USDT").held == placed.held
        if venue != "gate":  # it changes one of the two at a time: the price
            with pytest.raises(VenueRefused):
                await trader.orders.amend(wish.symbol, wish.cid, report.venue_order_id, wish.qty * 1_000_000, price)
        assert placed.qty == wish.qty and account.balance(placed.account, "USDT").held == placed.held
        await trader.close()
