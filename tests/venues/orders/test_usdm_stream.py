"""Binance futures' user data against the sandbox: what it tells is what a look-up tells; its key lives and ends."""

import time
from contextlib import asynccontextmanager
from decimal import Decimal as D

import msgspec
import pytest
from msgspec.structs import replace

from engine.domain.errors import BadFrame
from engine.domain.order import Fee, OrderStatus, Side, TimeInForce
from engine.venues.binance_usdm.order_stream import BinanceUsdmStream, BinanceUsdmStreamDialect
from engine.venues.binance_usdm.orders import BinanceUsdmOrders
from engine.venues.order_stream import Refused
from engine.venues.protocol import OrderTold
from engine.venues.registry import build_orders
from sandbox.world import World, WorldConfig
from tests.venues.orders.listening import Listener, same
from tests.venues.orders.test_against_sandbox import Trader

NEAR = D("0.02")


@asynccontextmanager
async def listening(clock=None):
    async with World(WorldConfig(seed=7, episodes=False, houses=("binance_usdm",)), clock) as world:
        trader = await Trader(world, "binance_usdm", order_timeout_ms=5_000).start()
        ear = await Listener(trader).up()
        yield ear
        await ear.close()
        await trader.close()


async def test_fills_ends_and_reductions_are_told_as_a_look_up_tells_them():
    async with listening() as ear:
        for side, more in ((Side.BUY, {}), (Side.SELL, {"reduce_only": True})):
            order = replace(ear.trader.wish(side, TimeInForce.IOC, away=NEAR, notional=D(3_000)), **more)
            await ear.trader.orders.place(order)
            told = await ear.ended(order.cid)
            assert told.filled_qty and told.fees and same(told, await ear.trader.settled(order.cid))
        assert ear.of(order.cid)[0].report.status is OrderStatus.OPEN
        resting = ear.trader.wish(Side.SELL, TimeInForce.POST_ONLY, away=D("-0.05"))
        placed = await ear.trader.orders.place(resting)
        await ear.trader.orders.cancel(resting.symbol, resting.cid, placed.venue_order_id)
        told = await ear.ended(resting.cid)
        assert (told.status, told.filled_qty, told.fees) == (OrderStatus.CANCELLED, 0, ())


async def test_a_missed_fill_is_never_told_as_whole_and_a_cut_stream_comes_back():
    async with listening() as ear:
        ear.arm("orders_miss")
        ear.arm("orders_miss")
        order = ear.trader.wish(Side.BUY, TimeInForce.IOC, away=NEAR)
        await ear.trader.orders.place(order)
        looked_up = await ear.trader.settled(order.cid)
        assert looked_up.filled_qty
        ear.trader.floor.faults.clear()
        ear.arm("orders_cut")
        await ear.comes(lambda: len(ear.states) >= 3 and ear.states[-1].connected)
        assert all(not each.is_whole or same(each.report, looked_up) for each in ear.of(order.cid) if each.report.fees)
        again = ear.trader.wish(Side.BUY, TimeInForce.IOC, away=NEAR)
        await ear.trader.orders.place(again)
        assert same(await ear.ended(again.cid), await ear.trader.settled(again.cid))


async def test_a_key_that_ends_is_replaced():
    ahead_ms = [0]
    async with listening(lambda: time.time_ns() // 1_000_000 + ahead_ms[0]) as ear:
        ahead_ms[0] = 3_600_001
        await ear.comes(lambda: len(ear.states) >= 3 and ear.states[-1].connected)
        assert "expired" in ear.stream.health().reason
        await ear.trader.orders.server_time_ms()
        order = ear.trader.wish(Side.BUY, TimeInForce.IOC, away=NEAR)
        await ear.trader.orders.place(order)
        assert same(await ear.ended(order.cid), await ear.trader.settled(order.cid))


async def test_a_key_that_is_named_in_time_lives_on():
    ahead_ms = [0]
    async with listening(lambda: time.time_ns() // 1_000_000 + ahead_ms[0]) as ear:
        kept = build_orders("binance_usdm", ear.trader.settings, ear.trader.credential)
        assert isinstance(kept, BinanceUsdmOrders)
        kept.stream = BinanceUsdmStream(ear.trader.settings.ws_base, kept._client, keep_s=0.05)
        other = await Listener(ear.trader, kept).up()
        user_data = ear.trader.world._dialects["binance_usdm"]._user_data
        [key] = user_data._keys.values()
        for _ in range(3):
            ahead_ms[0] += 1_900_000
            due_ms = ear.trader.world.clock() + 3_500_000
            await ear.comes(lambda due_ms=due_ms: key.until_ms >= due_ms)
        assert len(ear.states) == len(other.states) == 1
        await other.close()
        await kept.close()


async def test_another_api_key_hears_nothing():
    async with listening() as ear:
        wrong = msgspec.structs.replace(ear.trader.credential, key="nobody")
        other = build_orders("binance_usdm", ear.trader.settings, wrong)
        deaf = Listener(ear.trader, other)
        order = ear.trader.wish(Side.BUY, TimeInForce.IOC, away=NEAR)
        await ear.trader.orders.place(order)
        await ear.ended(order.cid)
        assert not deaf.told and not deaf.states and deaf.stream.health().state != "up"
        await deaf.close()
        await other.close()


def update(**over):
    """As the venue's page shows one; the fields that are not read are left out."""
    order = {
        "s": "BTCUSDT",
        "c": "cid",
        "S": "SELL",
        "x": "TRADE",
        "X": "PARTIALLY_FILLED",
        "i": 8886774,
        "l": "0.002",
        "z": "0.002",
        "L": "60000.5",
        "n": "0.06",
        "N": "USDT",
        "T": 1_568_879_465_651,
        "t": 1,
    }
    return msgspec.json.encode({"e": "ORDER_TRADE_UPDATE", "E": 1, "T": 1, "o": order | over})


async def key() -> str:
    return "k"


def read(dialect: BinanceUsdmStreamDialect, frame: bytes) -> OrderTold:
    [told] = dialect.read(frame)
    assert isinstance(told, OrderTold)
    return told


def test_frames_are_summed_and_what_is_odd_is_no_report():
    dialect = BinanceUsdmStreamDialect("wss://fstream.binance.com/", key)
    first = read(dialect, update())
    last = read(dialect, update(t=2, l="0.001", z="0.003", L="60001", n="0.0001", N="BNB", X="FILLED"))
    assert first.is_whole and first.report.fees == (Fee("USDT", D("0.06")),)
    assert last.is_whole and last.report.filled_quote == D("180.002")
    assert last.report.fees == (Fee("USDT", D("0.06")), Fee("BNB", D("0.0001")))
    gap = read(dialect, update(i=9, t=7, l="0.001", z="0.004"))
    assert not gap.is_whole
    strange = read(dialect, update(i=10, X="PONDERED"))
    assert not strange.is_whole and strange.report.status is OrderStatus.OPEN
    assert dialect.read(b'{"e":"ACCOUNT_UPDATE","a":{}}') == ()
    assert isinstance(dialect.read(b'{"e":"listenKeyExpired","E":1,"listenKey":"k"}')[0], Refused)
    free = read(dialect, update(i=11, n="0", N=None))
    assert not free.is_whole  # a fee that is not named is not zero
    for odd in (b"[]", b"{", update(S="UP"), update(z="x"), update(l="NaN"), b'{"e":"ORDER_TRADE_UPDATE"}'):
        with pytest.raises(BadFrame):
            dialect.read(odd)
