"""What a venue should not send: counted, said, healed; never a wrong book, never the end of a feed."""

import asyncio
import json
import logging
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from engine.domain.errors import BadFrame
from engine.venues.dialect import Patience
from engine.venues.feeds import VENUES, build_decoder, native
from tests.venues.feeds.test_pool import CALM, names, pool, speaking
from tests.waiting import until

HTML = b"<!DOCTYPE html><html><title>502 Bad Gateway</title></html>"


@pytest.mark.parametrize("size", [4 * 1024 * 1024 + 1, 10_000_000])
async def test_a_flood_costs_one_connection_and_is_counted(size):
    symbols = names(4)
    async with pool(symbols, speaking(2), CALM) as (there, feed, story):
        await until(lambda: story.all_synced(symbols))
        victim = next(ws for ws, carried in there.sockets.items() if symbols[0] in carried)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(there.drown(victim, b"[" * size))
            await until(lambda: f"{symbols[0]} reconnect" in story.lost)
        await until(lambda: story.all_synced(symbols))
        (line,) = [line for line in feed.health() if symbols[0] in line.symbols]
        assert (line.errors, line.reconnects) == (1, 1)
        assert line.reason.startswith("flooded")
        assert {lost.split()[0] for lost in story.lost} == set(line.symbols)  # the others never noticed
        assert "down" not in story.told


PRICES = [  # as it stands in a book, what becomes of it
    ('"1e-7"', 1e-7),
    ("1e-7", 1e-7),
    ('""', None),
    ("null", None),
    ('"-1"', None),
    ('"NaN"', None),
    ('"Infinity"', None),
    ("1e999", None),
    ("[]", None),
]


@pytest.mark.parametrize("price, outcome", PRICES)
async def test_a_number_that_is_none_loses_one_book_until_it_comes_anew(price, outcome):
    symbols = names(2)
    async with pool(symbols, speaking(2), CALM, every_s=60) as (there, feed, story):
        await until(lambda: story.all_synced(symbols))
        (ws,) = there.sockets
        data = {"s": symbols[0], "b": [["PRICE", "5"]], "a": [], "u": there.now + 2, "seq": 1}
        frame = {"topic": f"orderbook.50.{symbols[0]}", "ts": 1, "type": "delta", "data": data, "cts": 1}
        text = json.dumps(frame, separators=(",", ":")).replace('"PRICE"', price)
        there.now += 1
        await ws.send_bytes(text.encode())
        if outcome is None:
            await until(lambda: feed.counters()["errors"] == 1)
            await until(lambda: feed.counters()["resyncs"] == 1)
            assert story.lost == [f"{symbols[0]} bad_frame"]
        else:
            await until(lambda: len(story.levels(symbols[0], 9)[0]) == 2)
            assert story.levels(symbols[0], 9)[0][-1] == (outcome, 5.0)
            assert (story.lost, feed.counters()["errors"]) == ([], 0)
        assert story.all_synced(symbols)
        assert feed.counters()["reconnects"] == 0


async def test_a_symbol_that_is_acknowledged_and_never_served_costs_the_others_nothing(caplog):
    symbols = names(3)
    native = speaking(3)
    native.dialect.first_book_ms = 200
    with caplog.at_level(logging.INFO, "engine.venues"):
        async with pool(symbols, native, CALM) as (there, feed, story):
            there.unlisted = symbols[1]
            await until(lambda: story.all_synced((symbols[0], symbols[2])))
            again = [f"orderbook.50.{symbols[1]}"]
            await until(lambda: there.subscribed.count(again) >= 2)
            begun = feed.counters()["frames"]
            await until(lambda: feed.counters()["frames"] > begun + 50)
            assert there.subscribed.count(again) <= 4  # each try doubles the wait for the next
            assert story.lost == []
            assert (feed.counters()["reconnects"], feed.counters()["moves"]) == (0, 0)
            assert story.top(symbols[1]) is None
    assert f"symbol={symbols[1]} reason=undelivered" in caplog.text


async def test_rest_that_answers_html_neither_condemns_nor_confirms_a_silent_book(caplog):
    symbols = names(2)
    hasty = Patience(silence_ms=300, second_look_ms=50, dead_ms=60_000)
    async with pool(symbols, speaking(2), hasty) as (there, feed, story):
        row = {"s": symbols[0], "b": [["100", "1"]], "a": [["101", "1"]], "u": 1, "seq": 1, "ts": 1}
        right = json.dumps({"retCode": 0, "result": row}).encode()
        there.rest = [HTML]
        await until(lambda: story.all_synced(symbols))
        await until(lambda: len(story.ids.get(symbols[0], [])) > 15)
        for carried in there.sockets.values():
            carried.discard(symbols[0])  # it says nothing more of this pair
        await until(lambda: feed.counters()["rest_errors"] >= 2)
        assert story.lost == []
        assert "confirmed " + symbols[0] not in story.told
        there.rest = [right]
        await until(lambda: "confirmed " + symbols[0] in story.told)
        assert story.lost == []
    assert "feed_look_failed" in caplog.text


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("body", [HTML, b"", b"null", b"[]", b"{}", b"\xff\xfe", b"[" * 9_000])
def test_a_rest_answer_that_is_no_book_is_a_bad_frame(venue, body):
    told: list[Any] = []
    dialect = native(venue).dialect("ws://x", "http://x", ("S",), Random(1))
    decoder = build_decoder(venue, told.append, lambda symbol, reason: None)
    with pytest.raises(BadFrame):
        dialect.top("S", body)
    with suppress(BadFrame):
        decoder.on_rest_book("S", body, 1)
    assert told == []
