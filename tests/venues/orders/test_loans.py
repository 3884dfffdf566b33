"""What a loan costs, by each venue that tells: over the sandbox's sockets, by adapter and by the catalogue."""

import asyncio
import sys
from decimal import Decimal as D

import msgspec
import pytest

from engine.catalogue import Asked, ask_process
from engine.config import Credential
from engine.domain.market import FeeSide
from engine.venues.ccxt_client import Fallback
from engine.venues.protocol import Lender
from engine.venues.registry import build_orders
from sandbox.world import World, WorldConfig
from tests.venues.orders.stage import config
from tests.venues.orders.test_standing import say

_FALLBACK = Fallback(maker_fee_bps=D(10), taker_fee_bps=D(10), fee_side=FeeSide.RECEIVED)


@pytest.mark.parametrize("venue", ["binance", "okx", "bybit", "upbit"])
async def test_an_account_that_may_borrow_is_told_the_rate_per_hour(venue):
    async with World(WorldConfig(seed=7, episodes=False, houses=(venue,))) as world:
        key = world.credentials[venue]
        credential = Credential(key.key, key.secret, getattr(key, "passphrase", ""))
        orders = build_orders(venue, config(world.urls[venue]["rest"], order_timeout_ms=3_000), credential)
        try:
            assert isinstance(orders, Lender) == (venue != "upbit")
            if not isinstance(orders, Lender):
                return
            await orders.warm()
            await say(world, "loans", venue=venue, asset="BTC", hourly="0.00003")
            await say(world, "loans", venue=venue, asset="XRP")
            asked = [*(f"COIN{number}" for number in range(30)), "BTC", "ETH", "XRP"]
            found = {loan.asset: loan.hourly for loan in await orders.loans(asked)}
            assert found == {"BTC": D("0.00003"), "ETH": D("0.00000185")}
        finally:
            await orders.close()


async def test_the_catalogue_reads_what_a_loan_costs_where_it_is_public():
    houses = ("bybit", "bitget")
    async with World(WorldConfig(seed=7, episodes=False, houses=houses)) as world:
        await say(world, "loans", venue="bitget", asset="ETH")
        asked = [
            Asked(
                venue=venue,
                ccxt_id=venue,
                kind="spot",
                rest_base=world.urls[venue]["rest"],
                symbols=("BTCUSDT", "ETHUSDT"),
                with_rules=False,
                with_loans=True,
                fallback=_FALLBACK,
            )
            for venue in houses
        ]
        told = {answer.venue: answer async for answer in ask_process(asked)}
    assert {answer.error for answer in told.values()} == {""}
    found = {venue: {loan.asset: loan.hourly for loan in answer.loans or ()} for venue, answer in told.items()}
    assert found["bybit"] == {"BTC": D("0.0000014"), "ETH": D("0.00000185"), "USDT": D("0.0000046")}
    assert found["bitget"] == {"BTC": D("0.0000014"), "USDT": D("0.0000046")}, "what is not lent is left out"


async def test_the_catalogue_leaves_with_the_engine_that_asked_it():
    asked_of = asyncio.Event()

    async def never(reader, writer):
        asked_of.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(never, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "engine.catalogue"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        asked = Asked(
            venue="gate",
            ccxt_id="gate",
            kind="spot",
            rest_base=f"http://127.0.0.1:{port}",
            symbols=("BTC_USDT",),
            with_rules=True,
            fallback=_FALLBACK,
        )
        assert child.stdin is not None
        child.stdin.write(msgspec.json.encode([asked]) + b"\n")
        await asyncio.wait_for(asked_of.wait(), 90)  # it waits for the venue now
        child.stdin.close()  # what the kernel does with a killed engine's
        assert await asyncio.wait_for(child.wait(), 30) == 1
