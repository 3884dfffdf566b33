"""Perpetuals through ccxt: books, marks and funding over the sandbox's sockets, and what is no figure."""

import asyncio
import importlib
import random
import time
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from engine.domain.event import PerpState
from engine.venues.ccxt_perps import CcxtPerps
from engine.venues.feeds import build_feed
from sandbox.world import World, WorldConfig
from tests.venues.feeds.rig import Listener
from tests.waiting import until

SYMBOL = "BTC/USDT:USDT"


class Ear(Listener):
    """Also the newest state of every contract."""

    def __init__(self) -> None:
        super().__init__()
        self.perps: dict[str, PerpState] = {}

    def take(self, event: Any) -> None:
        super().take(event)
        if isinstance(event, PerpState):
            self.perps[event.symbol] = event


@pytest.mark.parametrize(
    "venue, house, ccxt_id", [("bybit_linear", "bybit", "bybit"), ("gate_futures", "gate", "gate")]
)
async def test_a_bridged_perpetual_has_its_book_mark_and_funding(venue, house, ccxt_id):
    async with World(WorldConfig(seed=11, episodes=False, houses=(house,))) as world:
        rest, ear = world.urls[house]["rest"], Ear()
        feed = build_feed(
            venue,
            ws_base=rest.replace("http", "ws"),
            rest_base=rest,
            symbols=(SYMBOL, "ETH/USDT:USDT"),
            sink=ear.take,
            clock_ns=time.monotonic_ns,
            rng=random.Random(3),
            top_of=ear.top,
            ccxt_id=ccxt_id,
        )
        running = asyncio.create_task(feed.run())

        def whole() -> bool:
            found = [ear.perps.get(symbol) for symbol in (SYMBOL, "ETH/USDT:USDT")]
            return all(
                perp is not None and perp.mark and perp.index and perp.interval_ms and perp.funding_rate is not None
                for perp in found
            )

        try:
            await until(whole, 60)
            await until(lambda: ear.top(SYMBOL), 60)
            truth = next(state for state in world.floors[venue].perps.values() if state.symbol.startswith("BTC"))
            perp = ear.perps[SYMBOL]
            assert (perp.interval_ms, perp.next_funding_ms) == (truth.interval_ms, truth.next_ms)
            assert perp.funding_rate == pytest.approx(float(truth.funding_rate), abs=2e-4)
            assert perp.mark == pytest.approx(float(truth.mark), rel=0.02)
            top = ear.top(SYMBOL)
            assert top is not None and perp.mark is not None
            bid, ask = top
            assert bid < ask and bid == pytest.approx(perp.mark, rel=0.02)
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


FIGURES = [  # why, what ccxt says, what is known of it
    ("a rate without its time", {"fundingRate": 1e-4}, {"funding_rate": 1e-4}),
    (
        "a tiny rate is a rate",
        {"fundingRate": -1e-7, "interval": "1h"},
        {"funding_rate": -1e-7, "interval_ms": 3_600_000},
    ),
    ("text is no rate", {"fundingRate": "1e-4", "interval": "8h"}, {"interval_ms": 28_800_000}),
    ("no number is no rate", {"fundingRate": float("nan"), "markPrice": 2.0}, {"mark": 2.0}),
    ("an odd interval is not guessed", {"fundingRate": 1e-4, "interval": "daily"}, {"funding_rate": 1e-4}),
    ("a mark of zero is none", {"markPrice": 0.0, "indexPrice": 3.0}, {"index": 3.0}),
    ("empty text is none", {"markPrice": "", "indexPrice": 3}, {"index": 3.0}),
    ("nothing", {}, {}),
]


@pytest.mark.parametrize("why, told, known", FIGURES, ids=[case[0] for case in FIGURES])
def test_what_is_no_figure_stays_unknown(why, told, known):
    heard: list[Any] = []
    perps = CcxtPerps("x", heard.append, lambda: 7, importlib.import_module("ccxt.base.errors"))
    perps.on_funding(SYMBOL, told)
    said = {} if not heard else msgspec.structs.asdict(heard[-1])
    names = ("mark", "index", "funding_rate", "predicted_rate", "interval_ms", "next_funding_ms")
    assert {name: said[name] for name in names if said.get(name) is not None} == known


async def test_a_venue_that_refuses_funding_keeps_its_books(caplog):
    errors = importlib.import_module("ccxt.base.errors")

    class Away:
        has = {"fetchFundingRates": False, "fetchFundingRate": True}

        async def fetch_funding_rate(self, symbol: str) -> Any:
            raise errors.ExchangeNotAvailable("maintenance")

    perps = CcxtPerps("x", lambda event: None, time.monotonic_ns, errors)
    asking = asyncio.create_task(perps.run(Away(), (SYMBOL,)))
    try:
        await until(lambda: "funding_failed venue=x" in caplog.text)
        assert not asking.done()
    finally:
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
