"""Public frames that come twice, in another order, or late: what stands on the wire. Our feeds: test_contract_books."""

import json
from itertools import pairwise

import pytest

from sandbox.faults import Fault
from sandbox.world import World, WorldConfig
from tests.sandbox_venues.listening import decode, listening
from tests.sandbox_venues.test_faults import BINANCE_STREAM, OKX_ASK, UPBIT_ASK, arm, shown

KRAKEN_ASK = json.dumps({"method": "subscribe", "params": {"channel": "book", "symbol": ["BTC/USDT"], "depth": 10}})
GATE_ASK = json.dumps(
    {"time": 1, "channel": "spot.order_book_update", "event": "subscribe", "payload": ["BTC_USDT", "100ms"]}
)
CASES = {  # what is asked, and where a book's frame says which it is
    "upbit": ([UPBIT_ASK], lambda frame: frame["timestamp"]),
    "binance": ([], lambda frame: frame["data"]["u"]),
    "okx": ([OKX_ASK], lambda frame: frame["data"][0]["seqId"]),
    "gate": ([GATE_ASK], lambda frame: frame["result"]["u"]),
    "kraken": ([KRAKEN_ASK], lambda frame: frame["data"][0]["timestamp"]),
}


def url_of(world, venue):
    return world.urls[venue]["stream"] + BINANCE_STREAM if venue == "binance" else world.urls[venue]["ws"]


def numbers(frames, number):
    found = []
    for frame in frames:
        try:
            found.append(number(decode(frame.data)))
        except (KeyError, TypeError, IndexError):
            continue  # an answer or a heartbeat, no book
    return found


async def told(world, venue, kind):
    """The numbers of a dozen books, the fault armed among them."""
    ask, number = CASES[venue]
    async with listening(url_of(world, venue), *ask) as heard:
        await heard.until(lambda frames: len(numbers(frames, number)) >= 3)
        world.floors[venue].faults.arm(Fault(kind=kind))
        frames = await heard.until(lambda frames: len(numbers(frames, number)) >= 12)
    assert shown(world, venue, kind) == 1
    return numbers(frames, number)


@pytest.mark.parametrize("venue", CASES)
async def test_a_book_comes_twice_and_another_before_the_one_it_follows(venue):
    async with World(WorldConfig(seed=7, episodes=False, houses=(venue,))) as world:
        seen = await told(world, venue, "ws_repeat")
        again = [b for a, b in pairwise(seen) if a == b]
        assert len(again) == 1 and seen == sorted(seen) and len(set(seen)) == len(seen) - 1
        world.floors[venue].faults.clear()
        seen = await told(world, venue, "ws_reorder")
        backwards = [(a, b) for a, b in pairwise(seen) if a > b]
        assert len(backwards) == 1 and len(set(seen)) == len(seen)


async def test_late_frames_keep_their_order_and_are_as_old_as_asked(world):
    def age_ms(frame):
        return world.clock() - decode(frame.data)["data"]["E"]

    async with listening(url_of(world, "binance")) as heard:
        await heard.until(lambda frames: len(frames) >= 2)
        await arm(world, "binance", "ws_late", behind_ms=500)
        frames = await heard.until(lambda frames: age_ms(frames[-1]) >= 500)  # what was said before may still come
        late_from = len(frames)
        for count in range(late_from + 1, late_from + 5):
            frames = await heard.until(lambda frames, count=count: len(frames) >= count)
            assert age_ms(frames[-1]) >= 500
        world.floors["binance"].faults.clear("ws_late")
        await heard.until(lambda frames: age_ms(frames[-1]) < 300)
    ids = [(decode(frame.data)["data"]["U"], decode(frame.data)["data"]["u"]) for frame in heard.frames]
    assert all(first == last + 1 for (_, last), (first, _) in pairwise(ids))
    assert shown(world, "binance", "ws_late") >= 4


async def test_an_answer_waits_as_well(world):
    """A socket has one way out: what is late is late for all that is said on it."""
    async with listening(world.urls["okx"]["ws"]) as heard:
        await arm(world, "okx", "ws_late", behind_ms=300, ms=60_000)
        began_ms = world.clock()
        await heard.ws.send_str(OKX_ASK)
        frames = await heard.until(lambda frames: len(frames) >= 2)
        assert world.clock() >= began_ms + 300 and decode(frames[0].data)["event"] == "subscribe"
