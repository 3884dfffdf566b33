"""FX sources: recorded answers, nonsense refused, and the poll loop against a local server."""

import asyncio
import time
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from aiohttp import web

from engine.domain.errors import BadFrame, ConfigError
from engine.domain.event import FxRate
from engine.venues.fx import FxPoll, decode_dunamu, decode_frankfurter
from tests.venues.feeds.plain_replay import lines
from tests.waiting import until

DUNAMU = b'[{"code":"FRX.KRWUSD","currencyCode":"USD","basePrice":1169.00,"timestamp":1628852510337}]'
FRANKFURTER = b'{"amount":1.0,"base":"USD","date":"2024-01-15","rates":{"KRW":1323.4}}'


def test_dunamu_and_frankfurter_answers():
    assert decode_dunamu(DUNAMU) == (Decimal("1169.00"), 1628852510337)
    assert decode_frankfurter(FRANKFURTER) == (Decimal("1323.4"), 1705276800000)


def test_the_recorded_dunamu_answer(shared):
    recorded = [line for line in lines(shared / "venues" / "_fx" / "usdkrw-samples.jsonl") if "dunamu" in line["req"]]
    assert [decode_dunamu(line["data"].encode())[0] for line in recorded] == [Decimal("1169.00")]


@pytest.mark.parametrize(
    "decode, body",
    [
        (decode_dunamu, b"<html>"),
        (decode_dunamu, b"[]"),
        (decode_dunamu, b'[{"code":"FRX.KRWJPY","basePrice":900,"timestamp":1}]'),
        (decode_dunamu, b'[{"code":"FRX.KRWUSD","basePrice":0,"timestamp":1}]'),
        (decode_dunamu, b'[{"code":"FRX.KRWUSD","basePrice":null,"timestamp":1}]'),
        (decode_frankfurter, b'{"base":"USD","date":"2024-01-15","rates":{"EUR":0.9}}'),
        (decode_frankfurter, b'{"base":"EUR","date":"2024-01-15","rates":{"KRW":1445.1}}'),
        (decode_frankfurter, b'{"base":"USD","date":"yesterday","rates":{"KRW":1323.4}}'),
        (decode_frankfurter, b'{"base":"USD","date":"2024-01-15","rates":{"KRW":0.00075}}'),
    ],
)
def test_nonsense_is_refused(decode, body):
    with pytest.raises(BadFrame):
        decode(body)


def test_an_unknown_kind_names_its_key():
    with pytest.raises(ConfigError, match=r"fx\.sources\.mine\.kind"):
        FxPoll("mine", "tarot", "http://localhost", 60, print, time.monotonic_ns)


@asynccontextmanager
async def polling(answers, every_s=0.02):
    """A server that gives `answers` one after the other (the last one for ever), and a poll of it."""
    asked = []

    async def handler(request):
        asked.append(request.path)
        status, body = answers[min(len(asked), len(answers)) - 1]
        return web.Response(status=status, body=body)

    app = web.Application()
    app.router.add_get("/fx", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        told: list[FxRate] = []
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/fx"
        poll = FxPoll("bank", "dunamu", url, every_s, told.append, time.monotonic_ns, first_retry_s=0.01)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(poll.run())
            try:
                yield poll, told, asked
            finally:
                task.cancel()
    finally:
        await runner.cleanup()


async def test_rates_come_again_and_again():
    before = time.monotonic_ns()
    async with polling([(200, DUNAMU)]) as (poll, told, _asked):
        await until(lambda: len(told) >= 3)
        assert (told[0].source, told[0].rate, told[0].as_of_ms) == ("bank", Decimal("1169.00"), 1628852510337)
        assert before < told[0].seen_ns < told[1].seen_ns <= time.monotonic_ns()
        assert poll.failures == 0


async def test_failures_tell_nothing_and_are_tried_again():
    async with polling([(500, b""), (200, b"<html>"), (404, b""), (200, DUNAMU)]) as (poll, told, asked):
        await until(lambda: told)
        assert len(asked) >= 4
        assert poll.failures == 0


async def test_the_local_sources_are_understood():
    from sandbox.world import World, WorldConfig

    told: list[FxRate] = []
    async with World(WorldConfig(seed=2, episodes=False)) as world:
        rest = world.urls["fx"]["rest"]
        urls = {"frankfurter": "/v1/latest?base=USD&symbols=KRW", "dunamu": "/v1/forex/recent?codes=FRX.KRWUSD"}
        async with asyncio.TaskGroup() as tasks:
            polls = [
                tasks.create_task(FxPoll(name, name, rest + path, 60, told.append, time.monotonic_ns).run())
                for name, path in urls.items()
            ]
            await until(lambda: len(told) == 2)
            for poll in polls:
                poll.cancel()
    assert {rate.source for rate in told} == set(urls)
    assert all(1_300 < rate.rate < 1_500 for rate in told)
