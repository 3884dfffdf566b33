"""The tapes: a seed says everything, premiums open on time and on request, recordings come out as they went in."""

import gzip
import json
from decimal import Decimal
from itertools import pairwise

import aiohttp
import pytest

from sandbox.tape.events import BookTick, FxTick, PrintTick
from sandbox.tape.recorded import BINANCE_FILE, UPBIT_FILE, RecordedTape, UpbitTape, recordings
from sandbox.tape.recording import RecordingMissing
from sandbox.tape.seeded import SeededTape
from sandbox.venues import rules
from sandbox.venues.opening import KRW_MARKETS
from sandbox.world import World, WorldConfig
from tests.sandbox_venues.listening import binance_apply, decode, listening, rest_book

START_MS = 1_795_132_800_000


def venues():
    korean = (rules.upbit(KRW_MARKETS), rules.bithumb(KRW_MARKETS, Decimal("0.0004")))
    return {each.venue: each for each in (*korean, rules.binance(), rules.okx(), rules.okx_swap())}


def play(tape, seconds, until_s=0.0):
    """Everything the tape says, in steps of 20 ms of its own time."""
    events = []
    for step in range(int(until_s * 50), int((until_s + seconds) * 50)):
        events += tape.advance(START_MS + step * 20)
    return events


def test_same_seed_same_market_and_another_seed_another():
    first, second, other = (play(SeededTape(seed, venues()), 3) for seed in (7, 7, 8))
    assert first == second
    assert first != other


def test_a_hole_in_time_is_not_replayed():
    tape = SeededTape(7, venues())
    tape.advance(START_MS)
    assert len(tape.advance(START_MS + 60_000)) < 30


def test_books_are_sound_and_as_often_as_real_ones():
    events = play(SeededTape(7, venues()), 10)
    books = [event for event in events if isinstance(event, BookTick)]
    counts: dict[tuple[str, str], int] = {}
    for book in books:
        counts[book.venue, book.symbol] = counts.get((book.venue, book.symbol), 0) + 1
        market = venues()[book.venue].markets[book.symbol]
        assert book.bids[0][0] < book.asks[0][0]
        assert list(book.bids) == sorted(book.bids, reverse=True) and list(book.asks) == sorted(book.asks)
        for price, size in (*book.bids, *book.asks):
            assert price % market.tick_at(price) == 0 and size >= market.min_qty and size % market.lot == 0
    assert len(counts) == 17 and set(counts.values()) <= {100, 101}
    assert sum(isinstance(event, PrintTick) for event in events) > 100
    assert any(isinstance(event, FxTick) for event in events)


def net_premiums(tape, seconds, step_s=0.2):
    """Over time, the best net edge between any two venues of a coin, in per cent: kimchi by tether, spatial."""
    fees = {venue: float(each.taker_fee) for venue, each in venues().items()}
    touch, edges = {}, []
    steps = int(seconds / step_s)
    for step in range(steps):
        for event in tape.advance(START_MS + int(step * step_s * 1000)):
            if isinstance(event, BookTick):
                touch[event.venue, event.symbol] = float(event.bids[0][0]), float(event.asks[0][0])
        best = 0.0
        for coin in ("BTC", "ETH", "XRP"):
            for korea in ("upbit", "bithumb"):
                bid, ask = touch[korea, f"KRW-{coin}"]
                usdt_bid, usdt_ask = touch[korea, "KRW-USDT"]
                for abroad, symbol in (("binance", f"{coin}USDT"), ("okx", f"{coin}-USDT")):
                    far_bid, far_ask = touch[abroad, symbol]
                    costs = (1 + fees[korea]) * (1 + fees[abroad])
                    best = max(best, bid / (far_ask * usdt_ask * costs) - 1, far_bid * usdt_bid / (ask * costs) - 1)
            pair = [touch[korea, f"KRW-{coin}"] for korea in ("upbit", "bithumb")]
            costs = (1 + fees["upbit"]) * (1 + fees["bithumb"])
            best = max(best, pair[0][0] / (pair[1][1] * costs) - 1, pair[1][0] / (pair[0][1] * costs) - 1)
        edges.append(best * 100)
    return edges


@pytest.mark.parametrize("seed", [1, 7, 42])
def test_opportunities_come_soon_often_and_go_again(seed):
    edges = net_premiums(SeededTape(seed, venues()), 120)
    assert max(edges[: 20 * 5]) > 0.3, "the first within 20 s"
    openings = sum(a < 0.25 <= b for a, b in pairwise(edges))
    assert openings >= 5
    assert max(edges) < 2.5
    assert sum(edge < 0.25 for edge in edges) > 0.05 * len(edges)


def test_no_episodes_means_quiet_until_asked():
    tape = SeededTape(7, venues(), episodes=False)
    assert max(net_premiums(tape, 20)) < 0.15
    tape = SeededTape(7, venues(), episodes=False)
    play(tape, 1)
    tape.force("upbit", "ETH", 150, 8)
    prices = {}
    for event in play(tape, 4, until_s=1.0):
        if isinstance(event, BookTick) and event.symbol == "KRW-ETH":
            prices[event.venue] = float(event.bids[0][0])
    assert 0.010 < prices["upbit"] / prices["bithumb"] - 1 < 0.019
    for event in play(tape, 6, until_s=5.0):
        if isinstance(event, BookTick) and event.symbol == "KRW-ETH":
            prices[event.venue] = float(event.bids[0][0])
    assert abs(prices["upbit"] / prices["bithumb"] - 1) < 0.004


def test_the_tether_wanders_through_the_curve():
    tape, seen = SeededTape(7, venues()), []
    for second in range(250):
        play(tape, 1, until_s=second)
        seen.append(tape.tether_premium * 100)
    assert min(seen) < -0.2 and max(seen) > 2.2
    assert min(seen) > -1.6 and max(seen) < 3.8


# recordings


def joined(frames, last_id):
    """How many diffs among the latest frames are newer than the REST book."""
    newest = [decode(frame.data)["data"] for frame in frames[-2:]]
    if not any(event.get("e") == "depthUpdate" and event["u"] > last_id for event in newest):
        return 0
    events = (decode(frame.data)["data"] for frame in frames if "depthUpdate" in frame.data)
    return sum(event["u"] > last_id for event in events)


async def test_recorded_frames_leave_as_they_came(shared):
    """Byte for byte, with a REST book that joins them."""
    config = WorldConfig(tape="recorded", tape_path=shared / "venues", speed=20.0, episodes=False)
    async with World(config) as world:
        stream = f"{world.urls['binance']['stream']}?streams=btcusdt@depth@100ms/btcusdt@bookTicker/btcusdt@trade"
        async with listening(stream) as heard, aiohttp.ClientSession() as session:
            await heard.until(lambda frames: len(frames) >= 20)
            async with session.get(f"{world.urls['binance']['rest']}/api/v3/depth?symbol=BTCUSDT&limit=5000") as answer:
                rest = decode(await answer.text())
            heard_by_then = len(heard.frames)
            frames = await heard.until(lambda frames: joined(frames, rest["lastUpdateId"]) > 60)
            assert len(frames) > heard_by_then
    with gzip.open(shared / "venues" / BINANCE_FILE, "rt") as file:
        original = [json.loads(line)["data"] for line in file]
    sent = [frame.data for frame in frames]
    start = original.index(sent[0])
    depth = [text for text in original[start:] if "depthUpdate" in text]
    assert [text for text in sent if "depthUpdate" in text] == depth[: sum("depthUpdate" in text for text in sent)]
    assert set(sent) <= set(original)
    book = rest_book(rest)
    last_id, applied = rest["lastUpdateId"], 0
    for event in (decode(text)["data"] for text in sent if "depthUpdate" in text):
        new_id = binance_apply(book, last_id, event)
        applied, last_id = applied + (new_id != last_id), new_id
    assert applied > 50 and max(book[0]) < min(book[1])


def test_recorded_tape_builds_korea_around_the_recording(shared):
    tape = RecordedTape(shared / "venues", 7, venues(), episodes=False)
    assert "Synthetic" in tape.label and "No real capture" in tape.label
    touch, ratios = {}, []
    for event in play(tape, 60):
        if isinstance(event, BookTick):
            touch[event.venue, event.symbol] = float(event.bids[0][0] + event.asks[0][0]) / 2
            if event.symbol == "KRW-BTC" and event.venue == "upbit" and ("upbit", "KRW-USDT") in touch:
                dollars = touch["binance", "BTCUSDT"] * touch["upbit", "KRW-USDT"]
                ratios.append(touch["upbit", "KRW-BTC"] / dollars - 1)
    assert 61_000 < touch["binance", "BTCUSDT"] < 62_500
    assert abs(touch["okx", "BTC-USDT"] / touch["binance", "BTCUSDT"] - 1) < 0.001
    assert min(ratios) > -0.009 and max(ratios) < 0.009 and max(ratios) - min(ratios) > 0.003


async def test_upbit_recording_reaches_who_subscribes_its_codes(shared):
    config = WorldConfig(tape="upbit-20210405", tape_path=shared / "venues", speed=10.0)
    async with World(config) as world:
        kinds = [{"type": kind, "codes": ["KRW-IQ", "KRW-STX", "KRW-BTC"]} for kind in ("orderbook", "trade")]
        ask = json.dumps([{"ticket": "x"}, *kinds, {"format": "SIMPLE"}])
        async with listening(world.urls["upbit"]["ws"], ask) as heard:
            frames = await heard.until(lambda frames: len(frames) >= 150)
    with gzip.open(shared / "venues" / UPBIT_FILE, "rt") as file:
        original = {json.loads(line)["data"] for line in file}
    codes: dict[str, set[str]] = {"recorded": set(), "seeded": set()}
    for frame in frames:
        assert frame.type is aiohttp.WSMsgType.BINARY
        codes["recorded" if frame.data.decode() in original else "seeded"].add(decode(frame.data)["cd"])
    assert codes == {"recorded": {"KRW-IQ", "KRW-STX"}, "seeded": {"KRW-BTC"}}


def test_upbit_tape_repeats_itself(shared):
    tape = UpbitTape(shared / "venues", 7, venues() | {"upbit": rules.upbit(KRW_MARKETS)}, speed=100.0)
    books = [e.bids for e in play(tape, 3) if isinstance(e, BookTick) and e.symbol == "KRW-IQ"]
    half = next(i for i in range(1, len(books)) if books[i : i + 20] == books[:20])
    assert books[half : 2 * half] == books[: len(books[half : 2 * half])] and half > 50


@pytest.mark.parametrize("path", [None, "/nowhere"])
def test_a_missing_recording_is_named(path, tmp_path):
    with pytest.raises(RecordingMissing):
        recordings(tmp_path / path.lstrip("/") if path else None)
