"""A stop that goes off is told by its account's stream, under its own client id, as a look-up tells it."""

from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from engine.domain.money import ceil_price
from engine.domain.order import OrderStatus, Side
from sandbox.venues.binance.user_data import execution_report
from sandbox.venues.order_streams import Watch
from sandbox.venues.spelling import fixed
from tests.venues.orders.listening import Listener, same
from tests.venues.orders.test_stops_at_venues import watching


@asynccontextmanager
async def hearing(venue):
    async with watching(venue) as watcher:
        ear = await Listener(watcher.trader).up()
        yield watcher, ear
        await ear.close()


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("venue", ["binance", "coinone", "binance_usdm"])
async def test_a_stop_that_fills_is_told_as_a_look_up_tells_it(venue, side):
    async with hearing(venue) as (watcher, ear):
        order = watcher.stop(side)
        await watcher.orders.place(order)
        watcher.trade_at(order.stop_price)
        told = await ear.ended(order.cid)
        assert told.filled_qty == order.qty and told.fees and same(told, await watcher.look_up(order))


@pytest.mark.parametrize("venue", ["binance", "coinone", "binance_usdm"])
async def test_one_that_has_gone_off_and_rests_is_told_open_and_then_cancelled(venue):
    async with hearing(venue) as (watcher, ear):
        order = watcher.stop()
        order = replace(order, price=ceil_price(watcher.trader.rules.ticks, order.stop_price * 11 / 10))
        placed = await watcher.orders.place(order)
        watcher.trade_at(order.stop_price)
        await ear.comes(lambda: bool(ear.of(order.cid)))
        assert ear.of(order.cid)[0].report.status is OrderStatus.OPEN
        await watcher.cancel(order, placed.venue_order_id)
        assert same(await ear.ended(order.cid), await watcher.look_up(order))


async def test_a_perpetuals_stop_is_told_while_it_waits_and_where_it_ends_without_an_order():
    """Cancelled by hand, and denied when it goes off: nothing is left to reduce."""
    async with hearing("binance_usdm") as (watcher, ear):
        cancelled, denied = watcher.stop(), watcher.stop(reduce_only=True)
        for order in (cancelled, denied):
            await watcher.orders.place(order)
            await ear.comes(lambda order=order: bool(ear.of(order.cid)))
            [first] = ear.of(order.cid)
            assert first.is_whole and same(first.report, await watcher.look_up(order))
        await watcher.cancel(cancelled)
        watcher.trade_at(denied.stop_price)
        for order in (cancelled, denied):
            told = await ear.ended(order.cid)
            assert told.status is OrderStatus.CANCELLED and same(told, await watcher.look_up(order))


async def test_binance_names_a_stop_and_its_price_once_it_has_gone_off():
    async with watching("binance") as watcher:
        watch, order = Watch(watcher.floor.exchange), watcher.stop()
        placed = await watcher.orders.place(order)
        assert not watch.look()  # nobody hears of one that waits, here
        watcher.trade_at(order.stop_price)
        reports = [execution_report(change, 0) for change in watch.look()]
        assert [(report["x"], report["X"]) for report in reports] == [("NEW", "NEW"), ("TRADE", "FILLED")]
        for report in reports:
            assert (report["o"], report["P"]) == ("STOP_LOSS_LIMIT", fixed(order.stop_price))
            assert (report["c"], str(report["i"])) == (order.cid, placed.venue_order_id)
        limit = watcher.trader.wish(Side.SELL, order.tif)
        await watcher.orders.place(limit)
        plain = execution_report(watch.look()[0], 0)
        assert (plain["o"], plain["P"]) == ("LIMIT", "0.00000000")
