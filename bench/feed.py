"""Frame -> checked book -> top, against three peers on the same frames: `python -m bench.feed --json`.

Every library gets the bytes or text that its socket would hand it, parses them by its own means, updates its own book
and reads its best bid and ask. They take turns over whole recordings; each frame's time is its median over the rounds.
All of them must end every frame at the same top, else there is no result.

What lies between a decoder and the books is left out of every one of them: our decoder feeds the books directly, as the
peers' adapters do here. `by_python` is ours with a Python function between, as the engine's streams have one.
"""

import argparse
import asyncio
import gc
import gzip
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, cast

from msgspec import Struct

from bench import feed_nautilus, feed_peers
from bench.feed_peers import Handle
from engine.market.book import Book
from engine.market.books import new_books
from engine.venues.feeds import build_decoder
from engine.venues.protocol import FeedEvent, Sink

REPOSITORY = Path(__file__).parent.parent
SHARED = Path(os.environ.get("PREMIA_SHARED", REPOSITORY.parent / "shared")) / "venues"
RECORDED = {
    "binance": ("ws-spot-20240808-btcusdt-346s", "BTCUSDT", "btcusdt@depth"),
    "okx": ("ws-20220513-3sym-12s", "BTC-USDT", '{"arg":{"channel":"books","instId":"BTC-USDT"'),
    "bybit": ("ws-v5-20260809-btc-sol-44s", "BTCUSDT", '"topic":"orderbook.200.BTCUSDT"'),
    "upbit": ("ws-20210405-10sym-120s", "", '"orderbook"'),
}
_CONNECTIONS = {"bybit": "ws-spot"}  # the recording holds the contract of the same spelling on another one


class Case(Struct):
    venue: str
    source: str
    frames: list[str]
    codes: list[str]  # of each frame
    base: dict[str, Any] | None  # Binance: the REST answer


def load_case(venue: str, limit: int) -> Case | None:
    """The recorded book frames of one venue: other projects' recordings where they lie, else our own captures."""
    name, code, mark = RECORDED[venue]
    path = SHARED / venue / f"{name}.jsonl.gz"
    if not path.is_file():
        captures = sorted((REPOSITORY / "tests" / "captures" / venue).glob("*.jsonl*"))
        if not captures:
            return None
        path = captures[0]
    case = Case(venue, path.name, [], [], None)
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            text = line["data"]
            if line["dir"] == "in" and "depth?symbol=" + (code or "-") in line.get("req", ""):
                case.base = json.loads(text)
            elif line["dir"] == "in" and line["conn"].startswith(_CONNECTIONS.get(venue, "ws")) and mark in text[:80]:
                case.frames.append(text)
                case.codes.append(code or re.findall(r'"(?:cd|code)":"([^"]+)"', text)[0])
    if venue == "binance" and case.base is not None:
        last = case.base["lastUpdateId"]
        keep = [i for i, text in enumerate(case.frames) if json.loads(text)["data"]["u"] > last]
        case.frames, case.codes = [case.frames[i] for i in keep], [case.codes[i] for i in keep]
    if venue == "okx":
        # Today's wire carries 0 here and nobody verifies it; in 2022 it was real.
        case.frames = [re.sub(r'"checksum":-?\d+', '"checksum":0', text) for text in case.frames]
    if venue == "upbit":
        case.frames = [respell(text, _SHORT) for text in case.frames]
    case.frames, case.codes = case.frames[:limit], case.codes[:limit]
    return case


def our_handle(case: Case, by_python: bool = False) -> Handle:
    books = new_books()
    books.by_symbol.update({code: Book() for code in case.codes})
    take = cast(Sink, books.take)

    def sink(event: FeedEvent) -> None:
        take(event)

    decoder = build_decoder(case.venue, sink if by_python else take, lambda symbol, reason: None)
    if case.base is not None:
        decoder.on_rest_book(case.codes[0], json.dumps(case.base).encode(), 1)
    on_frame = decoder.on_frame

    def handle(frame: bytes) -> tuple[float, float]:
        on_frame(frame, 1)
        book = books.last
        if book is None or book.is_crossed:
            raise RuntimeError("no book")
        return book.best_bid, book.best_ask

    return handle


# Upbit spells every key in two ways; ccxt reads the long one only, cryptofeed the short one only.
_SHORT = {"type": "ty", "code": "cd", "timestamp": "tms", "total_ask_size": "tas", "total_bid_size": "tbs"}
_SHORT |= {"orderbook_units": "obu", "stream_type": "st", "ask_price": "ap", "bid_price": "bp"}
_SHORT |= {"ask_size": "as", "bid_size": "bs", "level": "lv"}
_LONG = {short: long for long, short in _SHORT.items()}


def respell(text: str, names: dict[str, str]) -> str:
    """The same frame under other keys."""
    return re.sub(r'"(\w+)":', lambda found: f'"{names.get(found[1], found[1])}":', text)


def competitors(case: Case) -> dict[str, tuple[Callable[[], Handle], list[Any]]]:
    """Name -> (make it fresh, its frames as its socket would hand them over)."""
    codes = sorted(set(case.codes))

    def fresh_ccxt() -> Handle:
        handle = feed_peers.ccxt_handle(case.venue, case.base, codes)
        if case.venue == "upbit":
            feed_peers.ccxt_upbit_books(handle, codes)
        return handle

    frames: list[Any] = case.frames
    if case.venue == "upbit":
        symbols = [feed_peers.ccxt_symbol(case.venue, code) for code in case.codes]
        frames = list(zip(symbols, (respell(text, _LONG) for text in case.frames), strict=True))
    found = {
        "ours": (lambda: our_handle(case), [text.encode() for text in case.frames]),
        "by_python": (lambda: our_handle(case, by_python=True), [text.encode() for text in case.frames]),
        "ccxt.pro": (fresh_ccxt, frames),
    }
    if feed_peers.have_cryptofeed() and case.venue in feed_peers.CRYPTOFEED:
        names = [feed_peers.cryptofeed_symbol(case.venue, code) for code in case.codes]
        found["cryptofeed"] = (
            lambda: feed_peers.cryptofeed_handle(case.venue, case.base, codes),
            list(zip(names, case.frames, strict=True)),
        )
    if feed_nautilus.have_nautilus() and case.venue in feed_nautilus.NAUTILUS:
        found["nautilus_trader"] = (
            lambda: feed_nautilus.nautilus_handle(case.venue, case.base, codes),
            [text.encode() for text in case.frames],
        )
    return found


def run_once(handle: Handle, frames: list[Any]) -> tuple[list[int], list[tuple[float, float]]]:
    clock = time.perf_counter_ns
    times, tops = [], []
    for frame in frames:
        began = clock()
        top = handle(frame)
        times.append(clock() - began)
        tops.append(top)
    return times, tops


def measure(case: Case, rounds: int) -> dict[str, Any]:
    runners = competitors(case)
    samples: dict[str, list[list[int]]] = {name: [] for name in runners}
    for turn in range(rounds + 1):
        reference: list[tuple[float, float]] = []
        for name, (fresh, frames) in runners.items():
            handle = fresh()
            gc.collect()
            times, tops = run_once(handle, frames)
            if turn:  # the first round warms all of them up
                samples[name].append(times)
            # nautilus_trader gives 61837.63999999999 for 61837.64: its prices are fixed-point within.
            seen = [(round(float(bid), 8), round(float(ask), 8)) for bid, ask in tops]
            if reference and seen != reference:
                raise RuntimeError(f"{case.venue}: {name} ends at other tops than ours")
            reference = reference or seen
    spread = {name: percentiles([median(each) for each in zip(*rows, strict=True)]) for name, rows in samples.items()}
    ours, by_python = spread.pop("ours"), spread.pop("by_python")
    return {
        "case": f"{case.venue} {case.source}",
        "unit": "us",
        "frames": len(case.frames),
        "ours": ours,
        "peers": spread,
        "ratio": _ratios(ours, spread),
        "by_python": by_python | {"ratio": _ratios(by_python, spread)},
    }


def _ratios(ours: dict[str, float], peers: dict[str, dict[str, float]]) -> dict[str, float]:
    return {name: round(peer["p50"] / ours["p50"], 2) for name, peer in peers.items()}


def percentiles(nanoseconds: list[float]) -> dict[str, float]:
    ordered = sorted(nanoseconds)
    return {
        "p50": round(ordered[len(ordered) // 2] / 1e3, 2),
        "p99": round(ordered[int(len(ordered) * 0.99)] / 1e3, 2),
    }


async def measure_all(rounds: int, limit: int) -> dict[str, Any]:
    # Inside a loop, because the peers' objects ask for one; nothing here waits.
    cases = [case for case in (load_case(venue, limit) for venue in RECORDED) if case is not None]
    have = {"cryptofeed": feed_peers.have_cryptofeed(), "nautilus_trader": feed_nautilus.have_nautilus()}
    missing = [f"{name} (pip install premia[bench])" for name, there in have.items() if not there]
    return {"bench": "feed", "missing": missing, "cases": [measure(case, rounds) for case in cases]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--frames", type=int, default=2_000, help="at most so many frames of each recording")
    options = parser.parse_args()
    result = asyncio.run(measure_all(options.rounds, options.frames))
    if not options.json:
        for case in result["cases"]:
            print(f"{case['case']:44} {case['ours']}  peers {case['peers']}  ratio {case['ratio']}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
