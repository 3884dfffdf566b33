"""Accounts of perpetuals against the venue servers: sizes in base, positions, margin and money to the last digit."""

import asyncio
import time
from contextlib import asynccontextmanager
from decimal import Decimal as D

import pytest
from msgspec.structs import replace

from engine.config import Credential
from engine.domain.errors import OrderNotFound, OutcomeUnknown, VenueRefused
from engine.domain.market import Product
from engine.domain.order import OrderKind, OrderStatus, Side, TimeInForce
from engine.venues.protocol import Lender, Margined
from engine.venues.registry import build_orders, lines_of
from sandbox.faults import Fault
from sandbox.world import World, WorldConfig
from tests.venues.orders.test_against_sandbox import LOST_AND_GONE, LOST_BUT_DONE, Trader

HOUSES = {
    "binance_usdm": "binance_usdm",
    "bybit_linear": "bybit",
    "gate_futures": "gate",
    "kucoin_futures": "kucoin",
    "okx_swap": "okx",
    "bitget_futures": "bitget",
}
EXPIRING = ("binance_usdm", "bybit_linear", "okx_swap")
NATIVE = ("binance_usdm", "bybit_linear", "okx_swap")
NEAR, FAR = D("0.02"), D("-0.05")
USDT = "USDT"


class Holder(Trader):
    """A trader of perpetuals, and what it holds."""

    async def take(self, side, qty, **over):
        """Fill an IOC whole; its report."""
        order = replace(self.wish(side, TimeInForce.IOC, away=NEAR, qty=qty), **over)
        await self.orders.place(order)
        report = await self.settled(order.cid)
        assert (report.status, report.filled_qty) == (OrderStatus.FILLED, qty)
        return report

    async def held(self):
        """The position, None where there is none."""
        assert isinstance(self.orders, Margined)
        found = await self.orders.positions()
        assert all(each.symbol == self.symbol for each in found) and len(found) <= 1
        return found[0] if found else None

    async def money(self):
        [balance] = await self.orders.balances()
        assert balance.asset == USDT
        return balance

    def lots(self, count):
        return self.rules.qty_step * count


@asynccontextmanager
async def holding(venue, path="ccxt", clock=None):
    async with World(WorldConfig(seed=7, episodes=False, houses=(HOUSES[venue],)), clock) as world:
        holder = await Holder(world, venue, path).start()
        await holder.orders.prepare([holder.symbol], 2)
        try:
            yield holder
        finally:
            await holder.close()


@pytest.fixture(params=HOUSES)
async def holder(request):
    async with holding(request.param) as holder:
        yield holder


def paid(report):
    assert {fee.asset for fee in report.fees} == {USDT}
    return sum(fee.amount for fee in report.fees)


async def test_a_long_and_its_end_explain_the_wallet_to_the_last_digit(holder):
    assert isinstance(holder.orders, Margined) and not isinstance(holder.orders, Lender)
    before, qty = await holder.money(), holder.lots(20)
    assert before.free == before.total and await holder.held() is None
    bought = await holder.take(Side.BUY, qty)
    position, between = await holder.held(), await holder.money()
    assert position.qty == qty
    assert abs(position.entry - bought.filled_quote / qty) < D("1e-8")
    assert between.total == before.total - paid(bought)
    assert abs(position.margin - qty * position.mark / 2) < D("0.01")
    assert abs(between.free - (between.total - position.margin)) < between.total / 1_000  # gains may count
    sold = await holder.take(Side.SELL, holder.lots(8), reduce_only=True)
    assert (await holder.held()).qty == holder.lots(12)
    rest = await holder.take(Side.SELL, holder.lots(12), reduce_only=True)
    after = await holder.money()
    assert await holder.held() is None and after.free == after.total
    result = sold.filled_quote + rest.filled_quote - bought.filled_quote
    assert abs(after.total - (before.total + result - paid(bought) - paid(sold) - paid(rest))) <= D("2e-8")


async def test_a_sale_goes_short_a_larger_buy_turns_it_and_the_market_ends_it(holder):
    await holder.take(Side.SELL, holder.lots(10))
    short = await holder.held()
    assert short.qty == -holder.lots(10)
    assert short.liquidation is None or short.liquidation > short.mark
    await holder.take(Side.BUY, holder.lots(25))
    long = await holder.held()
    assert long.qty == holder.lots(15) and (long.liquidation is None or long.liquidation < long.mark)
    await holder.take(Side.BUY, holder.lots(5), kind=OrderKind.MARKET)
    await holder.take(Side.SELL, holder.lots(20), kind=OrderKind.MARKET, reduce_only=True)
    assert await holder.held() is None


async def test_reduce_only_never_opens(holder):
    lone = replace(holder.wish(Side.SELL, TimeInForce.IOC, away=NEAR, qty=holder.lots(5)), reduce_only=True)
    with pytest.raises(VenueRefused):
        await holder.orders.place(lone)
    assert await holder.held() is None
    await holder.take(Side.BUY, holder.lots(5))
    more = replace(holder.wish(Side.BUY, TimeInForce.IOC, away=NEAR, qty=holder.lots(5)), reduce_only=True)
    with pytest.raises(VenueRefused):
        await holder.orders.place(more)
    large = replace(holder.wish(Side.SELL, TimeInForce.IOC, away=NEAR, qty=holder.lots(9)), reduce_only=True)
    try:
        await holder.orders.place(large)
    except VenueRefused:  # some venues refuse what is larger than the position, others cut it
        assert (await holder.held()).qty == holder.lots(5)
    else:
        assert (await holder.settled(large.cid)).filled_qty == holder.lots(5)
        assert await holder.held() is None


async def test_a_resting_order_is_listed_in_base_changed_and_cancelled(holder):
    order = holder.wish(Side.BUY, TimeInForce.POST_ONLY, away=FAR, qty=holder.lots(30))
    before = await holder.money()
    placed = await holder.orders.place(order)
    during = await holder.money()
    assert during.total == before.total and during.free < before.free
    with pytest.raises(VenueRefused) as caught:
        await holder.orders.place(order)
    assert caught.value.code == "duplicate"
    [listed] = await holder.orders.open_orders()
    assert (listed.cid, listed.symbol, listed.status) == (order.cid, holder.symbol, OrderStatus.OPEN)
    if holder.orders.abilities.amend:
        price = order.price - holder.rules.ticks[0].tick
        await holder.orders.amend(holder.symbol, order.cid, placed.venue_order_id, holder.lots(20), price)
        [kept] = holder.floor.open_orders("trader")
        assert (kept.qty * kept.contract, kept.price) == (holder.lots(20), price)
        assert during.free < (await holder.money()).free < before.free
    else:
        with pytest.raises(VenueRefused, match="unsupported"):
            await holder.orders.amend(holder.symbol, order.cid, placed.venue_order_id, order.qty, order.price)
    await holder.orders.cancel(holder.symbol, order.cid, placed.venue_order_id)
    report = await holder.settled(order.cid)
    assert (report.status, report.filled_qty, report.fees) == (OrderStatus.CANCELLED, 0, ())
    assert await holder.orders.open_orders() == [] and await holder.money() == before
    with pytest.raises(VenueRefused):
        await holder.orders.cancel(holder.symbol, order.cid, placed.venue_order_id)


async def test_a_part_of_an_ioc_is_a_part_of_a_position(holder):
    holder.floor.faults.arm(Fault(kind="partial", ratio=D("0.4")))
    order = holder.wish(Side.SELL, TimeInForce.IOC, away=NEAR, qty=holder.lots(10))
    await holder.orders.place(order)
    report = await holder.settled(order.cid)
    assert (report.status, report.filled_qty) == (OrderStatus.CANCELLED, holder.lots(4))
    assert (await holder.held()).qty == -holder.lots(4)


@pytest.mark.parametrize("venue", HOUSES)
async def test_funding_is_told_once_with_its_time_and_moves_the_wallet(venue):
    ahead_ms = [0]
    async with holding(venue, clock=lambda: time.time_ns() // 1_000_000 + ahead_ms[0]) as holder:
        await holder.take(Side.BUY, holder.lots(40))
        holder.world.player.cancel()  # the market stands still until the settlement
        since_ms = holder.world.clock()
        assert await holder.orders.funding_since(since_ms) == []
        before, due = await holder.money(), holder.floor.perps[holder.symbol]
        for settlement, rate in ((1, D("0.0003")), (2, D("-0.0001"))):
            next_ms = due.next_ms + settlement * due.interval_ms
            holder.floor.show_perp(replace(due, next_ms=next_ms, settled_rate=rate))
        ahead_ms[0] = due.next_ms + due.interval_ms + 60_000 - since_ms
        await holder.orders.server_time_ms()  # its stamps follow the venue's clock
        found = await holder.orders.funding_since(since_ms)
        notional = holder.lots(40) * due.mark
        assert [(each.symbol, each.asset) for each in found] == [(holder.symbol, USDT)] * 2
        assert [each.at_ms for each in found] == [due.next_ms, due.next_ms + due.interval_ms]
        assert [round(each.amount, 6) for each in found] == [
            round(notional * D("-0.0003"), 6),
            round(notional * D("0.0001"), 6),
        ]
        assert (await holder.money()).total == before.total + sum(each.amount for each in found)
        assert await holder.orders.funding_since(since_ms) == found and len({each.id for each in found}) == 2
        assert await holder.orders.funding_since(due.next_ms + 1_000) == found[1:]


async def test_leverage_is_set_again_and_again_and_refused_where_margin_lacks(holder):
    await holder.orders.prepare([holder.symbol], 2)  # as it is
    await holder.orders.prepare([holder.symbol], 5)
    before = await holder.money()
    touch = holder.floor.exchange.book(holder.symbol)[1][0][0]
    step = holder.rules.qty_step
    order = holder.wish(Side.BUY, TimeInForce.GTC, away=FAR, qty=before.total * 3 / touch // step * step)
    placed = await holder.orders.place(order)
    with pytest.raises(VenueRefused):
        await holder.orders.prepare([holder.symbol], 1)
    await holder.orders.cancel(holder.symbol, order.cid, placed.venue_order_id)
    await holder.orders.prepare([holder.symbol], 1)
    for qty in (before.total * D("1.2") / touch // step * step, step / 2):
        with pytest.raises(VenueRefused):
            await holder.orders.place(holder.wish(Side.BUY, TimeInForce.IOC, away=NEAR, qty=qty))
    assert await holder.money() == before and await holder.held() is None


async def test_the_rules_are_in_base_and_another_key_opens_nothing(holder):
    market = holder.floor.rules.markets[holder.symbol]
    size = market.perp.contract
    assert holder.rules.product is Product.PERP and holder.rules.contract_size == size
    assert (holder.rules.qty_step, holder.rules.min_qty) == (market.lot * size, market.min_qty * size)
    assert (holder.rules.base, holder.rules.quote) == (market.base, USDT)
    assert holder.rules.taker_fee_bps == holder.floor.rules.taker_fee * 10_000
    assert await holder.orders.instruments(["NOPE"]) == []
    [warning] = await holder.orders.warnings([holder.symbol, "NOPE"])
    assert (warning.symbol, warning.kind) == ("NOPE", "suspended")
    # The key of the house's spot account; where there is none, one that nobody has.
    key = holder.world.credentials[HOUSES[holder.venue]]
    if HOUSES[holder.venue] == holder.venue:
        key = replace(key, key="nobody")
    other = build_orders(holder.venue, holder.settings, Credential(key.key, key.secret, key.passphrase))
    assert isinstance(other, Margined)
    try:
        with pytest.raises(VenueRefused):
            await other.positions()
        with pytest.raises(VenueRefused):
            await other.place(holder.wish(Side.BUY, TimeInForce.IOC, away=NEAR, qty=holder.lots(3)))
    finally:
        await other.close()
    assert not holder.floor.exchange.orders


async def test_a_lost_answer_is_unknown_and_then_found_or_not(holder):
    for fault in (LOST_BUT_DONE[0], LOST_BUT_DONE[3]):
        holder.floor.faults.arm(fault)
        order = holder.wish(Side.BUY, TimeInForce.IOC, away=NEAR, qty=holder.lots(3))
        with pytest.raises(OutcomeUnknown):
            await holder.orders.place(order)
        assert (await holder.settled(order.cid)).filled_qty == order.qty
    assert (await holder.held()).qty == holder.lots(6)
    for fault in LOST_AND_GONE:
        holder.floor.faults.arm(fault)
        order = holder.wish(Side.BUY, TimeInForce.IOC, away=NEAR, qty=holder.lots(3))
        with pytest.raises(OutcomeUnknown):
            await holder.orders.place(order)
        with pytest.raises(OrderNotFound):
            await holder.orders.look_up(holder.symbol, order.cid)
    assert (await holder.held()).qty == holder.lots(6)


async def test_an_ended_order_that_its_own_query_does_not_know_is_in_a_list(holder):
    order = holder.wish(Side.BUY, TimeInForce.IOC, away=NEAR, qty=holder.lots(20))
    await holder.orders.place(order)
    known = await holder.settled(order.cid)
    holder.floor.faults.arm(Fault(kind="query_blind"))
    assert known.filled_qty == order.qty and known.fees
    assert await holder.orders.look_up(holder.symbol, order.cid) == known
    with pytest.raises(OrderNotFound):
        await holder.orders.look_up(holder.symbol, order.cid[:-2])


async def test_where_requests_expire_a_late_one_is_never_executed(holder):
    if holder.venue not in EXPIRING:
        assert not holder.orders.abilities.expiry
        return
    holder.floor.faults.arm(Fault(kind="delay_before", ms=holder.settings.order_timeout_ms + 200))
    order = holder.wish(Side.BUY, TimeInForce.IOC, away=NEAR, qty=holder.lots(3))
    sent = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        await holder.orders.place(order)
    while time.monotonic() < sent + (holder.orders.late_acceptance_ms + 250) / 1000:
        with pytest.raises(OrderNotFound):
            await holder.orders.look_up(holder.symbol, order.cid)
        await asyncio.sleep(0.1)
    with pytest.raises(OrderNotFound):
        await holder.orders.look_up(holder.symbol, order.cid)
    assert await holder.held() is None


@pytest.mark.parametrize("venue", [venue for venue in HOUSES if venue in NATIVE])
async def test_native_placements_leave_by_the_line(venue):
    async with holding(venue, "native") as holder:
        [line] = lines_of([holder.orders])
        await holder.take(Side.SELL, holder.lots(10))
        with pytest.raises(VenueRefused):
            await holder.orders.place(replace(holder.wish(Side.SELL, TimeInForce.IOC, away=NEAR), reduce_only=True))
        assert line.sent == 2 and (await holder.held()).qty == -holder.lots(10)
