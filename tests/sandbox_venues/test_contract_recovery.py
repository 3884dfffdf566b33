"""Silence, half-open and refused sockets, wrong checksums: our feed notices, and shows the venue's books alone."""

import asyncio

import pytest

from engine.venues.dialect import Patience
from sandbox.faults import Fault
from tests.sandbox_venues.agreement import agreement, notebook, watching
from tests.sandbox_venues.test_contract_books import CASES, COINS, IDS, cut, follow, fresh, truth_of
from tests.waiting import until

HURRIED = Patience(silence_ms=700, second_look_ms=200, dead_ms=1_500)
BY_ID = dict(zip(IDS, CASES, strict=True))
WATCHED = ("bitget_futures", "okx swap", "binance_usdm", "coinone", "bybit", "bybit_linear")
PROVED = ("bitget", "bitget_futures", "okx", "okx swap")


@pytest.mark.parametrize("name", WATCHED)
async def test_silence_of_a_pair_of_a_socket_and_of_a_door_is_noticed_and_healed(name):
    case = BY_ID[name]
    async with watching(case.house, case.venue, case.symbols, speed=4.0, patience=HURRIED) as pair:
        faults, quiet = pair.floor.faults, case.symbols[0]
        truth = truth_of(pair, case.places, case.depth)
        await fresh(pair)

        faults.arm(Fault(kind="ws_silence", symbol=quiet))
        await until(lambda: f"{quiet} silent" in pair.heard.lost, 20)
        faults.clear("ws_silence")
        if name == "binance_usdm":  # it opens a new socket for a new base; the others are mended by the next stage
            await fresh(pair)

        before = pair.feed.counters()["reconnects"]
        faults.arm(Fault(kind="ws_half_open"))
        await until(lambda: pair.feed.counters()["reconnects"] > before, 20)
        await fresh(pair)

        if name != "binance_usdm":  # two seconds between its connects: the same door is tried elsewhere
            faults.arm(Fault(kind="ws_refuse"))
            faults.arm(Fault(kind="ws_disconnect"))
            await until(lambda: faults.report()["shown"].get("ws_refuse"))
            assert not any(map(pair.heard.top, case.symbols))
            faults.clear("ws_refuse")
            await fresh(pair)
    common = [key for key in pair.heard.pages if key in truth]
    assert [key for key in common if cut(pair.heard.pages[key], case.depth) not in truth[key]] == []
    assert len(common) >= 30


@pytest.mark.parametrize("name", PROVED)
async def test_checksums_prove_every_book_and_a_wrong_one_condemns_it(name):
    """A house that sends checksums as the venue once did; ccxt.pro checks Bitget's with its own code."""
    case = BY_ID[name]
    async with watching(case.house, case.venue, case.symbols, speed=4.0, checksums=True) as pair:
        truth = truth_of(pair, case.places, case.depth)
        client = notebook(case.kind, case.method)({"enableRateLimit": False, "options": case.options})
        client.timeout_on_exit = 0
        case.point(client, pair.rest, pair.rest.replace("http", "ws"))
        try:
            await client.load_markets()
            followed = [asyncio.create_task(follow(client, case.market.format(coin))) for coin in COINS]
            await until(
                lambda: any(task.done() for task in followed) or min(len(client.pages), len(pair.heard.pages)) >= 60
            )
            assert [task.exception() for task in followed if task.done()] == []
            assert (pair.feed.counters()["gaps"], pair.heard.lost) == (0, [])
            for task in followed:
                task.cancel()
        finally:
            await client.close()
        wrong = case.symbols[0]
        pair.floor.faults.arm(Fault(kind="ws_checksum", symbol=wrong))
        await until(lambda: f"{wrong} gap" in pair.heard.lost)
        await fresh(pair)
        assert pair.feed.counters()["gaps"] == 1
    assert agreement(pair.heard.pages, client.pages, case.coin, case.shift_ms, case.depth)[1] == []
    common = [key for key in pair.heard.pages if key in truth]
    assert [key for key in common if cut(pair.heard.pages[key], case.depth) not in truth[key]] == []
    assert len(common) >= 60
