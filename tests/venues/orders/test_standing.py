"""What the venues say of wallets, warnings and ended markets, read by our own adapters over the sandbox's sockets."""

from decimal import Decimal as D

import aiohttp
import pytest

from engine.config import Credential
from engine.domain.errors import VenueUnavailable
from engine.domain.market import Gate
from engine.venues.bithumb.standing import WalletRow as BithumbRow
from engine.venues.registry import build_orders
from engine.venues.upbit.standing import WalletRow as UpbitRow
from engine.venues.verdict import exact_json
from sandbox.world import World, WorldConfig
from tests.venues.orders.stage import CREDENTIAL, Say, config, stage
from tests.venues.orders.test_against_sandbox import KRW_TICKS

SYMBOLS = {"upbit": "KRW-ETH", "bithumb": "KRW-ETH", "binance": "ETHUSDT", "okx": "ETH-USDT"}
NETWORKS = {"upbit": "ETH", "bithumb": "ETH", "binance": "ETH", "okx": "ERC20"}
END_MS = 1_795_000_000_000


@pytest.fixture(params=tuple(SYMBOLS))
async def venue(request):
    """(world, orders) of one venue."""
    name = request.param
    async with World(WorldConfig(seed=7, episodes=False, houses=(name,))) as world:
        key = world.credentials[name]
        settings = config(
            world.urls[name]["rest"],
            symbols=(SYMBOLS[name],),
            ticks=KRW_TICKS if name in ("upbit", "bithumb") else (),
            order_timeout_ms=3_000,
        )
        credential = Credential(key.key, key.secret, getattr(key, "passphrase", ""))
        orders = build_orders(name, settings, credential)
        await orders.warm()
        yield world, orders
        await orders.close()


async def say(world, door, **order):
    url = f"{world.urls['control']['rest']}/world/{door}"
    async with aiohttp.ClientSession() as session, session.post(url, json=order) as answer:
        assert answer.status == 200, await answer.text()


async def test_a_closed_way_is_read_in_each_venues_words(venue):
    world, orders = venue
    [before] = await orders.wallets(["ETH"])
    assert (before.asset, before.network) == ("ETH", NETWORKS[orders.venue])
    assert (before.deposit, before.withdraw) == (Gate.OPEN, Gate.OPEN)
    await say(world, "wallets", venue=orders.venue, asset="ETH", deposits=False)
    await say(world, "wallets", venue=orders.venue, asset="XRP", withdrawals=False)
    told = {wallet.asset: (wallet.deposit, wallet.withdraw) for wallet in await orders.wallets(["ETH", "XRP"])}
    assert told == {"ETH": (Gate.CLOSED, Gate.OPEN), "XRP": (Gate.OPEN, Gate.CLOSED)}


async def test_fees_and_minimums_of_a_withdrawal_come_where_the_venue_names_them(venue):
    _, orders = venue
    [wallet] = await orders.wallets(["ETH"])
    expected = {"binance": (D("0.0012"), D("0.0024")), "okx": (D("0.0004"), D("0.0008"))}
    assert (wallet.fee, wallet.min_withdraw) == expected.get(orders.venue, (None, None))


KINDS = {
    "upbit": (
        ["WARNING", "GLOBAL_PRICE_DIFFERENCES"],
        [("warning", "WARNING"), ("caution", "GLOBAL_PRICE_DIFFERENCES")],
    ),
    "bithumb": (["PRICE_DIFFERENCE_HIGH"], [("caution", "PRICE_DIFFERENCE_HIGH")]),
    "binance": (["BREAK", f"end:{END_MS}"], [("delisting", "DELIST_SCHEDULE"), ("suspended", "BREAK")]),
    "okx": (["suspend", f"end:{END_MS}"], [("suspended", "suspend"), ("delisting", "expTime")]),
}


async def test_warnings_are_read_in_each_venues_words(venue):
    world, orders = venue
    symbol = SYMBOLS[orders.venue]
    assert await orders.warnings([symbol]) == []
    kinds, expected = KINDS[orders.venue]
    await say(world, "warnings", venue=orders.venue, symbol=symbol, kinds=kinds)
    found = await orders.warnings([symbol])
    assert [(warning.kind, warning.text) for warning in found] == expected
    assert {warning.symbol for warning in found} == {symbol}
    ends = [warning.at_ms for warning in found if warning.kind == "delisting"]
    assert ends == ([END_MS] if orders.venue in ("binance", "okx") else [])
    await say(world, "warnings", venue=orders.venue, symbol=symbol)
    assert await orders.warnings([symbol]) == []


async def test_a_market_that_is_not_listed_leaves_the_others_their_rules(venue):
    _, orders = venue
    symbol = SYMBOLS[orders.venue]
    gone = symbol.replace("ETH", "NOPE")
    found = await orders.instruments([symbol, gone])
    assert [(rules.symbol, rules.fee_source or rules.source) for rules in found] == [(symbol, "account")]
    assert found[0].as_of_ms > 0
    assert await orders.instruments([gone]) in ([], ())
    [warning] = await orders.warnings([symbol, gone])
    assert (warning.symbol, warning.kind, warning.text) == (gone, "suspended", "not listed any more")


async def test_changed_rules_are_read_anew(venue):
    world, orders = venue
    symbol = SYMBOLS[orders.venue]
    [before] = await orders.instruments([symbol])
    await say(world, "rules", venue=orders.venue, symbol=symbol, min_notional="7000", min_qty="0.02", lot="0.01")
    [after] = await orders.instruments([symbol])
    if orders.venue in ("upbit", "bithumb"):
        assert (before.min_notional, after.min_notional) == (5_000, 7_000)
    else:
        assert after.min_qty == D("0.02") and after.qty_step == D("0.01") != before.qty_step


STATES = [  # wallet_state, block_state, deposit, withdraw
    ("working", "normal", Gate.OPEN, Gate.OPEN),
    ("working", "delayed", Gate.DELAYED, Gate.DELAYED),
    ("working", "inactive", Gate.DELAYED, Gate.DELAYED),
    ("working", None, Gate.OPEN, Gate.OPEN),
    ("withdraw_only", "normal", Gate.CLOSED, Gate.OPEN),
    ("deposit_only", "delayed", Gate.DELAYED, Gate.CLOSED),
    ("paused", "normal", Gate.CLOSED, Gate.CLOSED),
    ("unsupported", None, Gate.CLOSED, Gate.CLOSED),
    ("resting", "normal", Gate.UNKNOWN, Gate.UNKNOWN),
]


@pytest.mark.parametrize("row", [UpbitRow, BithumbRow])
@pytest.mark.parametrize("state, block, deposit, withdraw", STATES)
def test_every_state_of_a_korean_wallet(row, state, block, deposit, withdraw):
    wallet = row(currency="XRP", wallet_state=state, block_state=block, net_type="XRP").wallet()
    assert (wallet.deposit, wallet.withdraw) == (deposit, withdraw)


@pytest.mark.parametrize("body", ["<html>busy</html>", [{"currency": 5}], "nonsense", {"data": []}])
async def test_what_is_no_list_of_wallets_is_no_word_on_them(body):
    async with stage() as play:
        play.says("GET /v1/status/wallet", Say(body))
        orders = build_orders("upbit", config(play.base), CREDENTIAL)
        try:
            with pytest.raises(VenueUnavailable):
                await orders.wallets(["BTC"])
        finally:
            await orders.close()


def test_fractions_are_kept_as_they_were_written():
    told = exact_json('{"a": 0.10, "b": 1e-7, "c": 12345678901234567890, "d": "0.10"}')
    assert (told["a"], told["b"], told["c"], told["d"]) == (D("0.10"), D("1e-7"), 12345678901234567890, "0.10")
    for text in ("", "<html>", "[1,", "[" * 100_000, "1e99999999999999999999"):
        with pytest.raises(ValueError):
            exact_json(text)
