"""Private streams of orders against the venue servers: what they tell is what a look-up tells, sooner."""

from decimal import Decimal as D

import msgspec
import pytest

from engine.domain.order import OrderStatus, Side, TimeInForce
from engine.venues.registry import build_orders
from sandbox.world import World, WorldConfig
from tests.venues.orders.listening import STREAMED, Listener, same
from tests.venues.orders.test_against_sandbox import Trader
from tests.venues.orders.test_perps_against_sandbox import holding

PERPETUAL = ("okx_swap", "bitget_futures", "bybit_linear", "gate_futures", "kucoin_futures")
# Faults come from one place in the sandbox: four ways to know that a report is whole, and three to prove a key.
FAULTED = pytest.mark.parametrize("ear", ("binance", "bybit", "upbit", "coinone"), indirect=True)
PROVED = pytest.mark.parametrize("ear", ("okx", "kucoin", "upbit"), indirect=True)


@pytest.fixture(params=STREAMED)
async def ear(request):
    async with World(WorldConfig(seed=7, episodes=False, houses=(request.param,))) as world:
        trader = await Trader(world, request.param, order_timeout_ms=5_000).start()
        ear = await Listener(trader).up()
        yield ear
        await ear.close()
        await trader.close()


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
async def test_the_stream_tells_a_fill_as_the_look_up_does(ear, side):
    order = ear.trader.wish(side, TimeInForce.IOC, away=D("0.02"))
    await ear.trader.orders.place(order)
    told = await ear.ended(order.cid)
    looked_up = await ear.trader.settled(order.cid)
    assert told.filled_qty and told.fees and same(told, looked_up), (told, looked_up)


async def test_a_resting_order_is_told_when_it_opens_and_when_it_ends(ear):
    order = ear.trader.wish(Side.SELL, TimeInForce.POST_ONLY, away=D("-0.05"))
    report = await ear.trader.orders.place(order)
    await ear.comes(lambda: bool(ear.of(order.cid)))
    first = ear.of(order.cid)[0]
    assert first.is_whole and first.report.status is OrderStatus.OPEN and not first.report.filled_qty
    await ear.trader.orders.cancel(order.symbol, order.cid, report.venue_order_id)
    told = await ear.ended(order.cid)
    assert told.status is OrderStatus.CANCELLED and told.venue_order_id == first.report.venue_order_id


async def test_another_hands_order_is_told_under_its_own_id(ear):
    elsewhere = build_orders(ear.trader.venue, ear.trader.settings, ear.trader.credential)
    placed = await elsewhere.place(ear.trader.wish(Side.SELL, TimeInForce.POST_ONLY, away=D("-0.05")))
    await ear.comes(lambda: any(each.report.venue_order_id == placed.venue_order_id for each in ear.told))
    await elsewhere.close()


@FAULTED
async def test_repeated_frames_tell_the_same_twice(ear):
    ear.arm("orders_repeat", 20)
    order = ear.trader.wish(Side.BUY, TimeInForce.IOC, away=D("0.02"))
    await ear.trader.orders.place(order)
    told = await ear.ended(order.cid)
    assert same(told, await ear.trader.settled(order.cid))
    assert max(each.report.filled_qty for each in ear.of(order.cid)) == told.filled_qty


@FAULTED
async def test_frames_in_another_order_lose_nothing(ear):
    ear.arm("orders_reorder")
    order = ear.trader.wish(Side.BUY, TimeInForce.IOC, away=D("0.02"))
    await ear.trader.orders.place(order)
    assert same(await ear.ended(order.cid), await ear.trader.settled(order.cid))


@FAULTED
async def test_a_missed_fill_is_never_told_as_whole(ear):
    """Where fees are told fill by fill; Upbit tells all of them with each frame."""
    first = ear.trader.wish(Side.SELL, TimeInForce.POST_ONLY, away=D("-0.05"))
    await ear.trader.orders.place(first)
    await ear.comes(lambda: bool(ear.of(first.cid)))
    ear.arm("orders_silence")
    order = ear.trader.wish(Side.BUY, TimeInForce.IOC, away=D("0.02"))
    await ear.trader.orders.place(order)
    looked_up = await ear.trader.settled(order.cid)
    assert looked_up.filled_qty and not ear.of(order.cid)
    ear.trader.floor.faults.clear("orders_silence")
    await ear.trader.orders.cancel(first.symbol, first.cid, "")
    await ear.ended(first.cid)
    assert all(not each.is_whole or same(each.report, looked_up) for each in ear.of(order.cid))


@PROVED
async def test_a_cut_stream_says_so_and_comes_back(ear):
    ear.arm("orders_cut")
    await ear.comes(lambda: len(ear.states) >= 3 and ear.states[-1].connected)
    assert [state.connected for state in ear.states[:3]] == [True, False, True]
    health = ear.stream.health()
    assert health.state == "up" and health.reconnects == 1 and health.reason
    order = ear.trader.wish(Side.BUY, TimeInForce.IOC, away=D("0.02"))
    await ear.trader.orders.place(order)
    assert same(await ear.ended(order.cid), await ear.trader.settled(order.cid))


@PROVED
async def test_a_wrong_key_hears_nothing(ear):
    wrong = msgspec.structs.replace(ear.trader.credential, secret="nothing")
    other = build_orders(ear.trader.venue, ear.trader.settings, wrong)
    deaf = Listener(ear.trader, other)
    await deaf.comes(lambda: bool(deaf.stream.health().reason))
    order = ear.trader.wish(Side.BUY, TimeInForce.IOC, away=D("0.02"))
    await ear.trader.orders.place(order)
    await ear.ended(order.cid)
    assert not deaf.told and not deaf.states and deaf.stream.health().state != "up"
    await deaf.close()
    await other.close()


@pytest.mark.parametrize("venue", PERPETUAL)
async def test_a_stream_of_perpetuals_counts_base_and_hears_its_own_account(venue):
    async with holding(venue) as holder:
        ear = await Listener(holder).up()
        try:
            for side, reduces in ((Side.SELL, False), (Side.BUY, True)):
                order = holder.wish(side, TimeInForce.IOC, away=D("0.02"), qty=holder.lots(20))
                order = msgspec.structs.replace(order, reduce_only=reduces)
                await holder.orders.place(order)
                told = await ear.ended(order.cid)
                assert told.filled_qty == holder.lots(20) and {fee.asset for fee in told.fees} == {"USDT"}
                assert same(told, await holder.settled(order.cid))
            resting = holder.wish(Side.SELL, TimeInForce.POST_ONLY, away=D("-0.05"), qty=holder.lots(20))
            placed = await holder.orders.place(resting)
            await ear.comes(lambda: bool(ear.of(resting.cid)))
            await holder.orders.cancel(resting.symbol, resting.cid, placed.venue_order_id)
            assert (await ear.ended(resting.cid)).status is OrderStatus.CANCELLED
        finally:
            await ear.close()
