"""Every house's public REST through ccxt: rules, tops, trades, currencies and funding, in ccxt's own reading."""

from decimal import Decimal
from typing import Any

import pytest

from sandbox.world import World, WorldConfig
from tests.sandbox_venues.test_contract_books import CASES, COINS, IDS
from tests.waiting import until

WITHOUT_CURRENCIES = ("upbit", "bithumb", "binance", "binance_usdm", "okx", "bybit")  # ccxt asks these with a key only


@pytest.mark.parametrize("case", CASES, ids=IDS)
async def test_ccxt_reads_the_rules_and_the_market(case):
    async with World(WorldConfig(seed=11, episodes=False, houses=(case.house,))) as world:
        rest = world.urls[case.venue]["rest"]
        floor = world.floors[case.venue]
        client = case.kind({"enableRateLimit": True, "options": case.options})
        client.timeout_on_exit = 0
        case.point(client, rest, rest.replace("http", "ws"))
        try:
            await client.load_markets()
            for coin, symbol in zip(COINS, case.symbols, strict=True):
                rules, market = floor.rules.markets[symbol], client.market(case.market.format(coin))
                assert market["base"] == coin and market["quote"] == rules.quote
                if rules.perp is not None:
                    assert market["swap"] and Decimal(str(market["contractSize"])) == rules.perp.contract
            unified = case.market.format("BTC")
            await until(lambda: floor.exchange.book(case.symbols[0])[0])
            book = await client.fetch_order_book(unified)
            assert book["bids"][0][0] < book["asks"][0][0]
            ticker = await client.fetch_ticker(unified)
            assert ticker["last"] is None or ticker["last"] >= 0
            trades: list[Any] = []
            while not trades:  # the first trade of a quiet world takes a moment; the test's own time limit ends this
                trades = await client.fetch_trades(unified)
            assert trades and trades[-1]["price"] > 0 and trades[-1]["side"] in ("buy", "sell")
            if case.house not in WITHOUT_CURRENCIES:
                coins = await client.fetch_currencies()
                assert {"BTC", "ETH", "XRP"} <= set(coins) and coins["BTC"]["deposit"] in (True, None)
            if floor.rules.markets[case.symbols[0]].perp is not None:
                rate = await client.fetch_funding_rate(unified)
                state = floor.perps[case.symbols[0]]
                assert abs(rate["fundingRate"]) <= 0.003
                assert state.next_ms in (rate["fundingTimestamp"], rate["nextFundingTimestamp"])
        finally:
            await client.close()
