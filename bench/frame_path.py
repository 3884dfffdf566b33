"""The way of a frame without its socket: `python -m bench.frame_path --json`, CPU time of one process.

The tapes of `bench.daemon` (10 venues x 200 symbols), each frame from its bytes through decoder, door, core, book and
strategies. The same frames once more as `feed_processes: 1` divides the way: what the feed's process does until its
message is ready, and what is left to the engine. No socket and no second core are in it, so that a busy machine
disturbs it less than it does `bench.daemon`: the least of the rounds is told beside the median.
"""

import argparse
import gc
import json
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from bench.desk_load import LoadedDesk
from bench.tapes import VENUES, symbol_of
from bench.venue_load import Load
from engine.feed_processes.outbox import Outbox
from engine.feed_processes.wire import Batch, decode_batch, encode
from engine.native import which
from engine.venues.decoder import Decoder
from engine.venues.feeds import build_decoder
from engine.venues.protocol import FeedEvent

_FROM_REST = ("binance", "binance_usdm")
_BATCH = 10  # frames in one message: at 10,000 a second, one per millisecond
Frame = tuple[Decoder, bytes]


class Path:
    """Books of all venues, each made by its decoder; where a decoder's events go is changed between the rounds."""

    def __init__(self, symbols: int) -> None:
        self._desk = LoadedDesk(symbols, dict.fromkeys(VENUES, 1), 1)
        self._load = Load(symbols, 1)
        self._outbox = Outbox()
        self._at = 0
        self._sink: Callable[[FeedEvent], None] = self._both
        self._decoders = {venue: build_decoder(venue, self._hear, lambda symbol, reason: None) for venue in VENUES}
        for market, (venue, base) in zip(self._load.markets.values(), self._load.markets, strict=True):
            decoder, symbol = self._decoders[venue], symbol_of(venue, base)
            if venue in _FROM_REST:
                decoder.on_frame(market.next(), time.monotonic_ns())
                decoder.on_rest_book(symbol, self._load.rest_book(venue, symbol), time.monotonic_ns())
            else:
                decoder.on_frame(market.frame(market.shape.whole), time.monotonic_ns())
        self._outbox.empty()

    def _hear(self, event: FeedEvent) -> None:
        self._sink(event)

    def _both(self, event: FeedEvent) -> None:
        self._desk.desk.handle(event)
        self._outbox.take(event)

    def frames(self, count: int) -> list[Frame]:
        """The next ones of the tape, in the order in which `bench.daemon` plays them."""
        markets = [self._load.order[(self._at + step) % len(self._load.order)] for step in range(count)]
        self._at += count
        return [(self._decoders[market.venue], market.next()) for market in markets]

    def alone(self, frames: list[Frame]) -> float:
        """µs of CPU per frame in a desk of one process."""
        self._sink = self._desk.desk.handle
        return _timed(lambda: _read(frames), len(frames))

    def divided(self, frames: list[Frame]) -> tuple[float, float]:
        """The same of a feed's process and of the engine beside it."""
        messages: list[bytes] = []
        self._sink = self._outbox.take

        def feed() -> None:
            for begin in range(0, len(frames), _BATCH):
                _read(frames[begin : begin + _BATCH])
                messages.append(encode(Batch(events=self._outbox.empty())))

        def engine() -> None:
            handle = self._desk.desk.handle
            for message in messages:
                for event in decode_batch(message).events:
                    handle(event)

        return _timed(feed, len(frames)), _timed(engine, len(frames))


def _read(frames: list[Frame]) -> None:
    clock = time.monotonic_ns
    for decoder, data in frames:
        decoder.on_frame(data, clock())


def _timed(work: Callable[[], None], count: int) -> float:
    began = time.process_time_ns()
    work()
    return (time.process_time_ns() - began) / count / 1e3


def measure(symbols: int, rounds: int, count: int) -> dict[str, Any]:
    path = Path(symbols)
    gc.collect()
    gc.freeze()
    found: dict[str, list[float]] = {"one process": [], "feed process": [], "engine beside it": []}
    for turn in range(rounds + 1):
        alone = path.alone(path.frames(count))
        feed, engine = path.divided(path.frames(count))
        if turn:  # the first round warms up
            for name, value in zip(found, (alone, feed, engine), strict=True):
                found[name].append(value)
    cases = [
        {"case": name, "unit": "us", "ours": {"p50": round(median(values), 2), "least": round(min(values), 2)}}
        for name, values in found.items()
    ]
    return {"bench": "frame_path", "books": which(), "markets": symbols * len(VENUES), "cases": cases}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="as every bench: the last line is one JSON object")
    parser.add_argument("--symbols", type=int, default=200, help="per venue")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--frames", type=int, default=2_000, help="in each round")
    options = parser.parse_args()
    print(json.dumps(measure(options.symbols, options.rounds, options.frames)))


if __name__ == "__main__":
    main()
