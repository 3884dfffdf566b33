"""Stops at Bitget's house: what has gone off bears another id, and is ours still, also for who knows nothing of it."""

from decimal import Decimal as D

import pytest
from msgspec.structs import replace

from engine.domain.money import ceil_price
from engine.domain.order import OrderStatus
from engine.venues.protocol import Conditional
from engine.venues.registry import build_orders
from sandbox.faults import Fault
from sandbox.venues import orders as house
from tests.venues.orders.listening import Listener
from tests.venues.orders.test_stops_at_venues import watching


@pytest.fixture(params=["bitget", "bitget_futures"])
async def watcher(request):
    async with watching(request.param) as watcher:
        yield watcher


async def gone_off(watcher):
    """A stop whose order nobody takes."""
    order = watcher.stop()
    order = replace(order, price=ceil_price(watcher.trader.rules.ticks, order.stop_price * D("1.1")))
    await watcher.orders.place(order)
    watcher.trade_at(order.stop_price)
    return order


async def test_after_a_restart_what_rests_is_listed_and_cancelled_as_ours(watcher):
    order, trader = await gone_off(watcher), watcher.trader
    foreign = house.OrderRequest(
        account=watcher.floor.keys[trader.credential.key].account,
        symbol=order.symbol,
        side=house.Side.SELL,
        kind=house.Kind.LIMIT,
        tif=house.Tif.GTC,
        price=order.price,
        qty=order.qty,
        client_id="1111503385931620352",
    )
    await watcher.floor.place(foreign)
    anew = build_orders(trader.venue, trader.settings, trader.credential)
    assert isinstance(anew, Conditional)
    try:
        resting = {report.cid: report for report in await anew.open_orders()}
        assert resting.keys() == {order.cid, foreign.client_id}
        await anew.cancel_stop(order.symbol, order.cid, resting[order.cid].venue_order_id)
        assert [report.cid for report in await anew.open_orders()] == [foreign.client_id]
        assert (await anew.look_up_stop(order.symbol, order.cid)).status is OrderStatus.CANCELLED
    finally:
        await anew.close()


async def test_one_filled_in_part_and_cancelled_keeps_its_money(watcher):
    order = watcher.stop()
    watcher.floor.faults.arm(Fault(kind="partial", ratio=D("0.5")))
    await watcher.orders.place(order)
    watcher.trade_at(order.stop_price)
    part = await watcher.look_up(order)
    if part.status is OrderStatus.OPEN:
        await watcher.cancel(order)
    report = await watcher.look_up(order)
    assert report.status is OrderStatus.CANCELLED and 0 < report.filled_qty < order.qty
    assert report.filled_quote > 0 and report.fees


async def test_the_stream_tells_its_fill_as_ours(watcher):
    listener = await Listener(watcher.trader).up()
    order = watcher.stop()
    await watcher.orders.place(order)
    watcher.trade_at(order.stop_price)
    ended = await listener.ended(order.cid)
    looked_up = await watcher.look_up(order)
    assert (ended.status, ended.filled_qty, ended.fees) == (OrderStatus.FILLED, order.qty, looked_up.fees)
    assert all(each.report.cid == order.cid for each in listener.told)
    await listener.close()


async def test_one_that_waits_holds_nothing(watcher):
    before = {each.asset: each.free for each in await watcher.orders.balances()}
    await watcher.orders.place(watcher.stop())
    assert {each.asset: each.free for each in await watcher.orders.balances()} == before


async def test_a_venue_whose_clock_we_read_late_still_shows_what_is_new(watcher):
    watcher.floor.faults.arm(Fault(kind="clock_offset", offset_ms=2_000))
    order = await gone_off(watcher)
    assert (await watcher.look_up(order)).status is OrderStatus.OPEN
    assert await watcher.listed() == [order.cid]


async def test_one_that_waits_for_the_price_to_return_is_never_told_open(watcher):
    """It came in behind a lost answer, when the price had passed it: whoever looks it up takes it back."""
    order, trader = watcher.stop(), watcher.trader
    watcher.trade_at(order.stop_price * D("0.99"))
    late = house.OrderRequest(
        account=watcher.floor.keys[trader.credential.key].account,
        symbol=order.symbol,
        side=house.Side.SELL,
        kind=house.Kind.LIMIT,
        tif=house.Tif.GTC,
        price=order.price,
        qty=order.qty,
        stop=order.stop_price,
        client_id=order.cid,
    )
    await watcher.floor.place(late)
    assert await watcher.listed() == [order.cid]
    assert (await watcher.look_up(order)).status is OrderStatus.CANCELLED
    assert not await watcher.listed()
