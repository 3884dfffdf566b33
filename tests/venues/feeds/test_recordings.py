"""Every recorded frame through the live decoders: no error, and captures end in the books of a plain replay."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.domain.event import TradePrint
from engine.frames import Player
from engine.market.book import Book
from engine.recordings import read_lines
from engine.venues.feeds import VENUES, build_decoder
from tests.venues.feeds.plain_replay import Plain

FOLDERS = ("upbit", "bithumb", "coinone", "binance", "binance_usdm", "bybit", "bitget", "gate", "kucoin", "okx")
CAPTURES = [  # venue, files, frames and events as the list of recordings names them
    ("upbit", ["ws-20210405-10sym-120s"], 1733, {"book": 1061, "trade": 672}),
    ("binance", ["ws-spot-20210404-btc-eth-dot-92s"], 4716, {"book": 2688, "trade": 1910, "ignored": 118}),
    ("binance", ["ws-spot-20210405-10sym-120s"], 11357, {"book": 4709, "trade": 1240, "ticker": 5408}),
    ("binance", ["ws-spot-20210814-4sym-31s"], 1003, {"book": 546, "trade": 28, "ticker": 412, "ignored": 17}),
    (
        "binance",
        ["ws-spot-20240808-btcusdt-346s", "ws-spot-20240809-btcusdt-305s-continuation"],
        41248 + 58325,
        {"book": 3451 + 3044, "trade": 9757 + 10147, "ticker": 28040 + 45134},
    ),
    ("binance_usdm", ["ws-20210405-5sym-120s"], 8421, {"book": 4423, "trade": 574, "ticker": 3424}),
    ("binance_usdm", ["ws-20210722-4sym-31s"], 1535, {"book": 764, "trade": 91, "ticker": 613, "ignored": 67}),
    ("binance_usdm", ["ws-20240808-btcusdt-345s"], 93953, {"book": 6551, "trade": 21313, "ticker": 66089}),
    ("coinone", ["fixtures-probed"], 13, {"book": 2, "trade": 1, "ticker": 1, "ack": 4, "ignored": 5}),
    ("bybit", ["ws-v5-20250613-linear-bbo-31s"], 202, {"book": 198, "ack": 4}),
    (
        "bybit",
        ["ws-v5-20260809-btc-sol-44s"],
        1686,
        {"book": 1097, "trade": 232, "ticker": 419, "ack": 24, "ignored": 62},
    ),
    (
        "bitget",
        ["ws-v1-20220407-spot-mix-31s"],
        1157,
        {"book": 637, "trade": 555, "ticker": 345, "ack": 40, "ignored": 70},
    ),
    (
        "gate",
        ["ws-spot-20210422-31s-a"],
        170,
        {"book": 115, "trade": 7, "ticker": 18, "ack": 22, "ignored": 8},
    ),
    ("gate", ["ws-futures-20230524-31s-a"], 337, {"book": 263, "ticker": 51, "ack": 22, "ignored": 1}),
    (
        "kucoin",
        ["ws-spot-20210425-31s-a"],
        4151,
        {"book": 3472, "trade": 6, "ticker": 656, "ack": 14, "ignored": 3},
    ),
    ("okx", ["ws-20210722-10sym-31s"], 1616, {"book": 1504, "trade": 36, "ticker": 46, "ack": 30}),
    ("okx", ["ws-20220513-3sym-12s"], 410, {"book": 290, "trade": 74, "ticker": 28, "ack": 18}),
]


def recording(shared: Path, venue: str, name: str) -> Path:
    plain = shared / "venues" / venue / f"{name}.jsonl"
    return plain if plain.is_file() else plain.with_suffix(".jsonl.gz")


@pytest.mark.parametrize("venue, names, frames, events", CAPTURES, ids=[f"{c[0]}-{c[1][0]}" for c in CAPTURES])
def test_a_capture_ends_in_the_books_of_a_plain_replay(shared, venue, names, frames, events):
    files = [recording(shared, venue, name) for name in names]
    player = Player(venue)
    for file in files:
        player.play(file)
    result = player.result()
    assert (result.frames, result.errors, result.gaps, result.resyncs) == (frames, 0, 0, 0)
    assert {kind: count for kind, count in result.events.items() if count} == events
    expected = getattr(Plain(), venue)(*files)
    assert set(player.books) == set(expected.books)
    for symbol, book in player.books.items():
        assert book.synced
        assert (list(book.bids()), list(book.asks())) == expected.books[symbol].levels(), symbol
    assert {s: (t.count, t.base_qty, t.last_price) for s, t in player.trades.items()} == {
        s: (len(prints), sum((qty for _, qty in prints), Decimal(0)), prints[-1][0])
        for s, prints in expected.trades.items()
    }


@pytest.mark.parametrize("venue", FOLDERS)
def test_every_frame_of_every_other_recording_decodes(shared, venue):
    compared = {name for case in CAPTURES for name in case[1]}  # read by the test above
    files = sorted(f for f in (shared / "venues" / venue).iterdir() if f.name.partition(".")[0] not in compared)
    assert files
    for file in files:
        player = Player(venue)
        player.play(file)
        result = player.result()
        assert result.errors == 0, file
        if result.frames:
            assert sum(result.events.values()) >= result.frames, file
        assert_sane(player.books)


REPOSITORY_CAPTURES = sorted((Path(__file__).parents[2] / "captures").glob("*/*.jsonl*"))


@pytest.mark.parametrize("file", REPOSITORY_CAPTURES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_every_frame_of_our_own_captures_decodes(file):
    if file.parent.name not in VENUES:
        pytest.skip(f"no native feed for {file.parent.name}")
    player = Player(file.parent.name)
    player.play(file)
    result = player.result()
    assert (result.errors, result.gaps) == (0, 0)
    assert result.events["book"] > 0
    assert any(book.synced for book in player.books.values())
    assert_sane(player.books)


def assert_sane(books: dict[str, Book]) -> None:
    for symbol, book in books.items():
        assert not book.is_crossed, symbol
        for side in (book.bids(), book.asks()):
            assert all(price > 0 and size > 0 for price, size in side), symbol


@pytest.mark.parametrize(
    "venue, name", [("upbit", CAPTURES[0][1][0]), ("binance", CAPTURES[1][1][0]), ("okx", CAPTURES[-1][1][0])]
)
def test_floats_and_decimals_tell_the_same_events(shared, venue, name):
    told = []
    for number in (float, Decimal):
        events: list[Any] = []
        decoder = build_decoder(venue, events.append, lambda symbol, reason: None, number)
        for line in read_lines(shared / "venues" / venue / f"{name}.jsonl.gz"):
            if line.dir == "in" and line.conn == "ws1":
                decoder.on_frame(line.data.encode(), 1)
            elif "depth?" in line.req:
                decoder.on_rest_book(line.req.split("symbol=")[1].split("&")[0], line.data.encode(), 1)
        told.append(events)
    floats, decimals = told
    assert len(floats) == len(decimals) > 100
    for first, second in zip(floats, decimals, strict=True):
        assert type(first) is type(second)
        if hasattr(first, "bids"):
            for side in ("bids", "asks"):
                assert getattr(first, side) == [(float(p), float(q)) for p, q in getattr(second, side)]
        elif isinstance(first, TradePrint):
            assert (first.price, first.qty) == (float(second.price), float(second.qty))
        else:
            assert first == second
