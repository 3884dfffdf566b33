"""Wallets, rules and ended markets of the five later venues, read by our adapters over the sandbox's sockets."""

import pytest

from engine.config import Credential
from engine.domain.market import FeeSide, Gate
from engine.domain.money import tick_at
from engine.venues.registry import build_orders
from sandbox.venues.wallets import Wallet
from sandbox.world import World, WorldConfig
from tests.venues.orders.stage import config

SYMBOLS = {
    "coinone": ("KRW-ETH", "KRW-NONE"),
    "bybit": ("ETHUSDT", "NONEUSDT"),
    "kucoin": ("ETH-USDT", "NONE-USDT"),
    "gate": ("ETH_USDT", "NONE_USDT"),
    "bitget": ("ETHUSDT", "NONEUSDT"),
}


@pytest.fixture(params=list(SYMBOLS))
async def venue(request):
    """(floor, orders) of one venue."""
    name = request.param
    async with World(WorldConfig(seed=7, episodes=False, houses=(name,))) as world:
        key = world.credentials[name]
        settings = config(
            world.urls[name]["rest"],
            symbols=SYMBOLS[name][:1],
            ticks=(),
            order_timeout_ms=5_000,
            fee_side=FeeSide.QUOTE,
        )
        orders = build_orders(name, settings, Credential(key.key, key.secret, key.passphrase))
        await orders.warm()
        yield world.floors[name], orders
        await orders.close()


async def test_a_closed_way_is_read_in_each_venues_words(venue):
    floor, orders = venue
    before = await orders.wallets(["ETH"])
    assert before and {(row.asset, row.deposit, row.withdraw) for row in before} == {("ETH", Gate.OPEN, Gate.OPEN)}
    floor.wallets.set("ETH", "", Wallet(deposits=False, withdrawals=True))
    floor.wallets.set("XRP", "", Wallet(deposits=True, withdrawals=False))
    told = {(row.asset, row.deposit, row.withdraw) for row in await orders.wallets(["ETH", "XRP"])}
    assert told == {("ETH", Gate.CLOSED, Gate.OPEN), ("XRP", Gate.OPEN, Gate.CLOSED)}


async def test_a_market_that_is_gone_has_no_rules_and_a_warning(venue):
    floor, orders = venue
    here, gone = SYMBOLS[orders.venue]
    [rules] = await orders.instruments([here, gone])
    market = floor.rules.markets[here]
    assert (rules.symbol, rules.base, rules.quote) == (here, market.base, market.quote)
    assert (rules.qty_step, rules.min_qty, rules.min_notional) == (market.lot, market.min_qty, market.min_notional)
    assert all(tick_at(rules.ticks, band.from_price or band.tick) == band.tick for band in market.bands)
    assert (rules.source, rules.fee_source) == ("venue", "account")
    assert rules.taker_fee_bps == floor.rules.taker_fee * 10_000
    [warning] = await orders.warnings([here, gone])
    assert (warning.symbol, warning.kind) == (gone, "suspended")
