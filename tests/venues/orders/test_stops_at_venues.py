"""A stop-loss that rests at its venue: it waits while nobody watches, goes off at its price, and is always found."""

from contextlib import asynccontextmanager
from decimal import Decimal as D

import pytest
from msgspec.structs import replace

from engine.domain.errors import OrderNotFound, OutcomeUnknown, VenueRefused
from engine.domain.money import ceil_price, floor_price
from engine.domain.order import OrderKind, OrderStatus, Side, TimeInForce
from engine.venues.protocol import Conditional, everything_open
from sandbox.faults import Fault
from sandbox.venues import orders as house
from sandbox.world import World, WorldConfig
from tests.venues.orders.test_against_sandbox import LOST_AND_GONE, LOST_BUT_DONE, VENUES, Trader
from tests.venues.orders.test_perps_against_sandbox import HOUSES, holding

SPOT = ("binance", "bybit", "kucoin", "okx", "coinone", "bitget")
PERPS = ("bybit_linear", "kucoin_futures", "okx_swap", "binance_usdm", "gate_futures", "bitget_futures")
REFUSED_HERE = ("bitget", "bitget_futures")  # the venue takes one whose price is passed, and waits for it to return
AWAY, BAND = D("0.03"), D("0.05")  # the stop from the touch, and how far behind it the limit may be


class Every:
    """All client ids are ours, but none at all."""

    def __contains__(self, cid):
        return bool(cid)


class Anything:
    """Whatever is told is wanted."""

    def __contains__(self, cid):
        return True


class Watcher:
    """A trader with a stop, and the market that reaches it."""

    def __init__(self, trader):
        self.trader, self.orders, self.floor, self.symbol = trader, trader.orders, trader.floor, trader.symbol

    def stop(self, side=Side.SELL, **over):
        wish = self.trader.wish(side, TimeInForce.GTC, notional=D(100))
        ticks = self.trader.rules.ticks
        if side is Side.SELL:
            trigger, limit = ceil_price(ticks, wish.price * (1 - AWAY)), ceil_price(ticks, wish.price * (1 - BAND))
        else:
            trigger, limit = floor_price(ticks, wish.price * (1 + AWAY)), floor_price(ticks, wish.price * (1 + BAND))
        return replace(wish, kind=OrderKind.STOP_LOSS, tif=TimeInForce.GTC, stop_price=trigger, price=limit, **over)

    def trade_at(self, price):
        """Somebody trades there, a little; the book stays where it is."""
        aggressor = house.Side.SELL
        self.floor.show_print(house.Print(self.symbol, price, D(0), aggressor, self.floor.clock()))

    async def look_up(self, order):
        look_up = self.orders.look_up_stop if isinstance(self.orders, Conditional) else self.orders.look_up
        return await look_up(order.symbol, order.cid)

    async def cancel(self, order, venue_order_id=""):
        cancel = self.orders.cancel_stop if isinstance(self.orders, Conditional) else self.orders.cancel
        await cancel(order.symbol, order.cid, venue_order_id)

    async def listed(self):
        return [report.cid for report in await everything_open(self.orders, Every())]


@asynccontextmanager
async def watching(venue):
    if venue in HOUSES:
        async with holding(venue) as holder:
            yield Watcher(holder)
        return
    async with World(WorldConfig(seed=7, episodes=False, houses=(venue,))) as world:
        trader = await Trader(world, venue).start()
        watcher = Watcher(trader)
        watcher.trade_at(trader.wish(Side.SELL, TimeInForce.GTC).price)  # a market has a last price
        yield watcher
        await trader.close()


@pytest.fixture(params=SPOT + PERPS)
async def watcher(request):
    async with watching(request.param) as watcher:
        yield watcher


@pytest.mark.parametrize("venue", [*VENUES, *HOUSES])
async def test_these_venues_and_no_others_take_stops(venue):
    async with watching(venue) as watcher:
        assert (OrderKind.STOP_LOSS in watcher.orders.abilities.kinds) == (venue in SPOT + PERPS)


@pytest.mark.parametrize("side", Side)
async def test_a_stop_waits_and_goes_off_at_its_price(watcher, side):
    order = watcher.stop(side)
    await watcher.orders.place(order)
    waiting = await watcher.look_up(order)
    assert (waiting.status, waiting.filled_qty, waiting.side) == (OrderStatus.OPEN, 0, side)
    assert await watcher.listed() == [order.cid]
    watcher.trade_at(order.stop_price * (1 + (1 if side is Side.SELL else -1) * D("0.01")))
    assert (await watcher.look_up(order)).status is OrderStatus.OPEN
    before = await watcher.trader.wallet()
    watcher.trade_at(order.stop_price)
    done = await watcher.look_up(order)
    assert (done.status, done.filled_qty, done.cid) == (OrderStatus.FILLED, order.qty, order.cid)
    assert done.filled_quote > 0 and done.fees and await watcher.trader.wallet() != before
    assert not await watcher.listed()


async def test_a_stop_that_waits_is_cancelled(watcher):
    order = watcher.stop()
    placed = await watcher.orders.place(order)
    await watcher.cancel(order, placed.venue_order_id)
    ended = await watcher.look_up(order)
    assert (ended.status, ended.filled_qty) == (OrderStatus.CANCELLED, 0)
    watcher.trade_at(order.stop_price)
    assert (await watcher.look_up(order)).status is OrderStatus.CANCELLED and not await watcher.listed()


async def test_by_client_id_alone_too(watcher):
    order = watcher.stop()
    await watcher.orders.place(order)
    await watcher.cancel(order)
    assert (await watcher.look_up(order)).status is OrderStatus.CANCELLED


async def test_one_that_has_gone_off_and_rests_is_ours_still(watcher):
    order = watcher.stop()
    far = replace(order, price=ceil_price(watcher.trader.rules.ticks, order.stop_price * D("1.1")))  # nobody buys there
    placed = await watcher.orders.place(far)
    watcher.trade_at(far.stop_price)
    rests = await watcher.look_up(far)
    assert (rests.status, rests.filled_qty) == (OrderStatus.OPEN, 0)
    assert await watcher.listed() == [far.cid]
    await watcher.cancel(far, placed.venue_order_id)
    assert (await watcher.look_up(far)).status is OrderStatus.CANCELLED and not await watcher.listed()


async def test_what_has_ended_is_cancelled_no_more(watcher):
    order = watcher.stop()
    placed = await watcher.orders.place(order)
    watcher.trade_at(order.stop_price)
    with pytest.raises((VenueRefused, OrderNotFound)):
        await watcher.cancel(order, placed.venue_order_id)
    assert (await watcher.look_up(order)).status is OrderStatus.FILLED


@pytest.mark.parametrize("fault", LOST_BUT_DONE, ids=lambda fault: fault.kind)
async def test_a_lost_answer_is_unknown_and_then_found(watcher, fault):
    order = watcher.stop()
    watcher.floor.faults.arm(fault)
    with pytest.raises(OutcomeUnknown):
        await watcher.orders.place(order)
    assert (await watcher.look_up(order)).status is OrderStatus.OPEN
    assert await watcher.listed() == [order.cid]


@pytest.mark.parametrize("fault", LOST_AND_GONE, ids=lambda fault: fault.kind)
async def test_one_that_never_arrived_is_not_found(watcher, fault):
    order = watcher.stop()
    watcher.floor.faults.arm(fault)
    with pytest.raises(OutcomeUnknown):
        await watcher.orders.place(order)
    with pytest.raises(OrderNotFound):
        await watcher.look_up(order)
    assert not await watcher.listed()


async def test_one_that_nobody_can_pay_for_ends_without_a_fill(watcher):
    """Where nothing is held while it waits, the money may be gone by then."""
    if watcher.floor.rules.holds_stops or watcher.floor.rules.margined:
        pytest.skip("what it may cost is held from the start, or its margin is")
    order = watcher.stop()
    await watcher.orders.place(order)
    account, base = watcher.trader.credential.key, watcher.trader.rules.base
    whose = watcher.floor.keys[account].account
    free = watcher.floor.ledger.balance(whose, base).free
    watcher.floor.ledger.pay_free(whose, base, free, "elsewhere")
    watcher.trade_at(order.stop_price)
    ended = await watcher.look_up(order)
    assert (ended.status, ended.filled_qty) == (OrderStatus.CANCELLED, 0) and not await watcher.listed()


async def test_a_stop_whose_price_is_there_never_waits(watcher):
    """Where the venue would wait for the price to return (it is told no direction), the client refuses it."""
    order = watcher.stop()
    watcher.trade_at(order.stop_price * D("0.99"))
    if (
        watcher.floor.rules.stops_at_once and watcher.trader.venue not in REFUSED_HERE
    ):  # that venue takes it, and it goes off
        await watcher.orders.place(order)
        assert (await watcher.look_up(order)).status is OrderStatus.FILLED and not await watcher.listed()
        return
    with pytest.raises(VenueRefused):
        await watcher.orders.place(order)
    assert not await watcher.listed()


async def test_a_number_used_twice_makes_no_second_stop(watcher):
    order = watcher.stop()
    await watcher.orders.place(order)
    with pytest.raises(VenueRefused, match="duplicate"):
        await watcher.orders.place(order)
    assert await watcher.listed() == [order.cid]


async def test_a_slow_list_is_no_evidence(watcher):
    """What the venue does not show yet is missing from its queries, and turns up."""
    order = watcher.stop()
    watcher.floor.faults.arm(Fault(kind="query_lag", ms=60_000))
    await watcher.orders.place(order)
    with pytest.raises(OrderNotFound):
        await watcher.look_up(order)
    watcher.floor.faults.clear()
    assert (await watcher.look_up(order)).status is OrderStatus.OPEN
