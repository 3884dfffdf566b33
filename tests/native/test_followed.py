"""The follower beside the decoder's own way: the same events, refusals, counters and books that live, of any frame."""

import gc
import json
import sys
import weakref
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from engine.core.state import encode
from engine.domain.errors import BadFrame
from engine.domain.event import BookDelta
from engine.native import native as loaded
from engine.venues.decoder import Counts
from engine.venues.feeds import VENUES, build_decoder
from engine.venues.followed import followed
from tests.native.told import opening
from tests.venues.feeds.test_any_frame import FOLDERS, spoil

native: Any = loaded
pytestmark = pytest.mark.skipif(native is None, reason="the book is not compiled here")


def bybit(seq, bids, asks, whole):
    book = {"s": "BTCUSDT", "b": bids, "a": asks, "u": seq, "seq": 9}
    kind = "snapshot" if whole else "delta"
    return {"topic": "orderbook.50.BTCUSDT", "ts": 1786310822816, "type": kind, "data": book, "cts": 1786310822791}


def okx(seq, bids, asks, whole):
    sides = {"asks": [[*row, "0", "1"] for row in asks], "bids": [[*row, "0", "2"] for row in bids]}
    book = {**sides, "ts": "1786310822791", "checksum": 0, "seqId": seq, "prevSeqId": -1 if whole else seq - 1}
    arg = {"channel": "books", "instId": "BTC-USDT"}
    return {"arg": arg, "action": "snapshot" if whole else "update", "data": [book]}


def binance(seq, bids, asks, whole):
    if whole:
        return {"lastUpdateId": seq, "bids": bids, "asks": asks}
    diff = {"e": "depthUpdate", "E": 1786310822791, "s": "BTCUSDT", "U": seq, "u": seq, "b": bids, "a": asks}
    return {"stream": "btcusdt@depth@100ms", "data": diff}


def binance_usdm(seq, bids, asks, whole):
    if whole:
        return binance(seq, bids, asks, whole) | {"E": 5, "T": 5}
    diff = binance(seq, bids, asks, whole)
    return {"stream": diff["stream"], "data": diff["data"] | {"T": 1786310822790, "pu": seq - 1}}


def bitget(seq, bids, asks, whole, product="SPOT"):
    ids = {"seq": seq, "pseq": 0 if whole else seq - 1, "ts": "1786310822791"}
    arg = {"instType": product, "channel": "books", "instId": "BTCUSDT"}
    action = "snapshot" if whole else "update"
    return {"action": action, "arg": arg, "data": [{"asks": asks, "bids": bids, **ids}], "ts": 1786310822793}


def bitget_futures(seq, bids, asks, whole):
    return bitget(seq, bids, asks, whole, "USDT-FUTURES")


def gate(seq, bids, asks, whole, channel="spot.obu"):
    full = {"full": True} if whole else {}
    sides = {name: rows for name, rows in (("b", bids), ("a", asks)) if rows}
    changes = {"t": 1786310822791, **full, "s": "ob.BTC_USDT.400", "U": seq, "u": seq, **sides}
    return {"channel": channel, "result": changes, "time_ms": 1786310822792, "event": "update"}


def gate_futures(seq, bids, asks, whole):
    return gate(seq, bids, asks, whole, "futures.obu")


def kucoin(seq, bids, asks, whole, product="SPOT", symbol="BTC-USDT"):
    book = {"s": symbol, "O": seq, "C": seq, "M": 1786310822791999999, "a": asks, "b": bids}
    kind = "snapshot" if whole else "delta"
    return {"T": f"obu.{product}", "P": 1786310822792000000, "dp": "increment@10ms", "t": kind, "d": book}


def kucoin_futures(seq, bids, asks, whole):
    return kucoin(seq, bids, asks, whole, "FUTURES", "XBTUSDTM")


SPEECH = {
    "bybit": bybit,
    "bybit_linear": bybit,
    "okx": okx,
    "okx_swap": okx,
    "binance": binance,
    "binance_usdm": binance_usdm,
}
SPEECH |= {"bitget": bitget, "bitget_futures": bitget_futures, "gate": gate, "gate_futures": gate_futures}
SPEECH |= {"kucoin": kucoin, "kucoin_futures": kucoin_futures}
SYMBOLS = {
    "okx": "BTC-USDT",
    "okx_swap": "BTC-USDT",
    "gate": "BTC_USDT",
    "gate_futures": "BTC_USDT",
    "kucoin": "BTC-USDT",
}
SYMBOLS |= {"kucoin_futures": "XBTUSDTM"}


def written(frame):
    return json.dumps(frame, separators=(",", ":")).encode()


def shuffled(value, rng, is_first_kept=True):
    """The same frame, its members in another order; a decoder knows a frame by the first ones."""
    if isinstance(value, dict):
        keys = list(value)
        kept, rest = (keys[:2], keys[2:]) if is_first_kept else ([], keys)
        rng.shuffle(rest)
        return {key: shuffled(value[key], rng, key in ("arg", "stream")) for key in (*kept, *rest)}
    return [shuffled(item, rng, False) for item in value] if isinstance(value, list) else value


class Twins:
    """Two decoders of one venue: `fast` has a follower before it, `plain` is asked by its own way alone."""

    def __init__(self, venue):
        self.venue = venue
        self.heard: tuple[list[bytes], list[bytes]] = ([], [])
        made = [self.decoder(venue, told) for told in self.heard]
        self.fast: Any
        self.plain: Any
        self.fast, self.plain = made
        self.symbol = SYMBOLS.get(venue, "BTCUSDT")

    @staticmethod
    def decoder(venue, told):
        def hear(event):
            told.append(encode(event))

        def ask(symbol, reason):
            told.append(f"{symbol} {reason}".encode())

        return build_decoder(venue, hear, ask)

    def take(self, data):
        """Both take it; what they told and counted must be the same."""
        refusals = []
        for decode in (self.fast.on_frame, self.plain._on_frame):
            try:
                decode(data, 7)
                refusals.append("")
            except BadFrame as error:
                refusals.append(str(error))
        assert refusals[0] == refusals[1], data
        self.compare(data)

    def compare(self, data):
        assert self.heard[0] == self.heard[1], data
        assert self.fast.counts == self.plain.counts, data
        assert self.fast.is_live(self.symbol) == self.plain.is_live(self.symbol), data
        for told in self.heard:
            told.clear()

    def start(self, seq):
        """A whole book, whatever was before."""
        bids, asks = [["9.5", "1"], ["9.25", "2"]], [["10.5", "1"]]
        body = written(SPEECH[self.venue](seq, bids, asks, True))
        if not self.venue.startswith("binance"):
            self.take(body)
            return
        for decoder in (self.fast, self.plain):
            decoder.drop(self.symbol, "test", 7)
            decoder.on_rest_book(self.symbol, body, 7)
        self.compare(body)
        if self.venue == "binance_usdm":
            self.take(written(binance_usdm(seq, [], [], False)))  # the one that joins stream and base


NUMBERS: tuple[str, ...] = (
    *("9.5", "0", "9.25", "0.000001", "1e-7", "1E2", "123456789.12345678", "0.123456789012345678901", "8", "8.0"),
    *("12345.67", "1234567.8", "12345678", "123456789", "0.1234567", "99999999.9", "1.12345678", "10.10"),
)


def random_rows(rng):
    return [[rng.choice(NUMBERS), rng.choice(NUMBERS)] for _ in range(rng.randrange(5))]


@pytest.mark.parametrize("venue", SPEECH)
def test_any_course_of_frames_is_taken_as_the_decoder_itself_takes_it(venue):
    rng, twins, speak = Random(venue), Twins(venue), SPEECH[venue]
    seq = 40
    for _ in range(30):
        twins.take(written(speak(seq, [], [], False)))  # before there is a book, or after
        twins.start(seq)
        for _ in range(12):
            seq += rng.choice((1, 1, 1, 1, 1, 1, 0, 2, -1))
            frame = speak(seq, random_rows(rng), random_rows(rng), False)
            data = written(shuffled(frame, rng))
            if rng.random() < 0.1:
                data = json.dumps(frame).encode()  # with spaces
            elif rng.random() < 0.1:
                data = spoil(data.decode(), rng).encode()
            twins.take(data)
        twins.take(written(speak(seq + 1, random_rows(rng), [], True)))
        seq += 2
    assert twins.fast.on_frame.taken > 50


@pytest.mark.parametrize("venue", SPEECH)
def test_no_byte_of_a_change_can_be_lost_or_changed_unnoticed(venue):
    """Each prefix, each byte left out, each byte replaced: as the decoder itself takes it."""
    twins, speak = Twins(venue), SPEECH[venue]
    before = written(speak(42, [["9.25", "1"]], [], False))
    frame = written(speak(43, [["9.5", "0.75"]], [["10.5", "0"], ["11.123456789", "3e0"]], False))
    spoilt = [frame[:at] for at in range(len(frame))]
    spoilt += [frame[:at] + frame[at + 1 :] for at in range(len(frame))]
    for other in b'"}]0.':
        spoilt += [frame[:at] + bytes([other]) + frame[at + 1 :] for at in range(len(frame))]
    rng = Random(7)
    others = b"\\\x00\xff -,:{[1e9aZ"
    spoilt += [frame[:at] + bytes([rng.choice(others)]) + frame[at + 1 :] for at in range(len(frame))]
    twins.start(41)
    twins.take(before)
    twins.take(frame)
    assert twins.fast.on_frame.taken == 2
    for one in [frame + b" ", frame + b"x", frame + b"\x00", b" " + frame, frame + frame, b"", *spoilt]:
        twins.start(41)
        twins.take(before)  # taken: the follower keeps trying
        twins.take(one)
    assert twins.fast.on_frame.taken > len(spoilt)


@pytest.mark.parametrize("venue", [venue for venue in VENUES if venue in SPEECH])
def test_recorded_frames_are_taken_as_the_decoder_itself_takes_them(shared, venue):
    twins = Twins(venue)
    for file in sorted((shared / "venues" / FOLDERS[venue]).iterdir()):
        for line in opening(file):
            twins.take(line.data.encode())


def test_most_of_what_was_recorded_goes_the_fast_way(shared):
    twins = Twins("bybit")
    file = next((shared / "venues" / "bybit").glob("ws-v5-2026*"))
    frames = [line.data.encode() for line in opening(file) if line.conn == "ws-spot"]
    for data in frames:
        twins.take(data)
    deltas = sum(b'"type":"delta"' in data and data.startswith(b'{"topic":"orderbook') for data in frames)
    assert 0 < deltas - 5 <= twins.fast.on_frame.taken


def decoded(frames, sink):
    decoder: Any = build_decoder("bybit", sink, lambda symbol, reason: None)
    for number, frame in enumerate(frames):
        decoder.on_frame(written(frame), number)
    return decoder


def course(count):
    return [bybit(40, [["9", "1"]], [["10", "1"]], True)] + [
        bybit(41 + step, [["9", str(step)]], [["10", str(2 + step)]], False) for step in range(count)
    ]


def test_an_event_is_as_python_makes_it():
    told: list[Any] = []
    decoded(course(1), told.append)
    made = BookDelta(
        venue="bybit", symbol="BTCUSDT", bids=[(9.0, 0.0)], asks=[(10.0, 2.0)], venue_ts_ms=1786310822791, seen_ns=1
    )
    assert type(told[1]) is BookDelta
    assert told[1] == made
    assert encode(told[1]) == encode(made)
    assert told[1].symbol is told[0].symbol


@pytest.mark.parametrize(
    "keep", [lambda event: event, lambda event: (event.bids, event.asks), lambda event: event.asks]
)
def test_what_a_sink_keeps_stays_as_it_was(keep):
    """An event that nobody kept lends its memory to the next one: whoever keeps a part of it must not see that."""
    kept: list[Any] = []
    spelled: list[str] = []

    def sink(event):
        if len(spelled) % 3:
            kept.append(keep(event))
            spelled.append(repr(kept[-1]))
        else:
            spelled.append("")

    decoded(course(40), sink)
    assert [repr(one) for one in kept] == [text for text in spelled if text]
    assert len(set(spelled)) > 20


def test_a_sink_may_bring_the_next_frame_itself():
    frames = [written(frame) for frame in course(30)]
    told: list[tuple[Any, Any]] = []

    def sink(event):
        before = event.venue_ts_ms, list(event.bids), list(event.asks)
        if frames:
            decoder.on_frame(frames.pop(0), 1)
        told.append((before, (event.venue_ts_ms, list(event.bids), list(event.asks))))

    decoder: Any = build_decoder("bybit", sink, lambda symbol, reason: None)
    decoder.on_frame(frames.pop(0), 1)
    assert len(told) == 31
    assert all(before == after for before, after in told)
    assert [after[1] for _, after in told] == [[(9.0, float(step))] for step in range(29, -1, -1)] + [[(9.0, 1.0)]]


def test_what_a_sink_raises_is_heard_and_the_frame_is_not_taken_twice():
    def sink(event):
        if isinstance(event, BookDelta):
            raise KeyError(event.symbol)

    decoder = decoded(course(0), sink)
    with pytest.raises(KeyError, match="BTCUSDT"):
        decoder.on_frame(written(course(1)[1]), 1)
    assert decoder.counts == Counts(frames=2, book=2)
    decoder.on_frame(written(course(1)[1]), 1)  # a repeat
    assert decoder.on_frame.taken == 1


def test_frames_that_are_never_taken_are_soon_read_once_only():
    """Changes in another dialect: the follower looks at one in many, and takes them up where they become plain."""
    told: list[Any] = []
    frames = course(600)
    for frame in frames[1:300]:
        frame["data"]["ts"] = "no number of ours: 1e3"
    for frame in frames[300:]:
        frame["data"]["u"] -= 299
    decoder: Any = build_decoder("bybit", told.append, lambda symbol, reason: None)
    refused = 0
    for number, frame in enumerate(frames):
        try:
            decoder.on_frame(written(frame), number)
        except BadFrame:
            refused += 1
            decoder.on_frame(written(frames[0]), number)
    assert refused == 299
    assert 301 - 64 <= decoder.on_frame.taken <= 301
    assert sum(isinstance(event, BookDelta) for event in told) == 301


def test_prices_as_decimals_go_the_decoders_own_way():
    told: list[Any] = []
    decoder: Any = build_decoder("bybit", told.append, lambda symbol, reason: None, Decimal)
    for frame in course(1):
        decoder.on_frame(written(frame), 1)
    assert not isinstance(decoder.on_frame, native.Follower)
    assert str(told[1].asks[0][0]) == "10"


def test_other_arguments_are_the_decoders_to_refuse():
    decoder = decoded(course(0), print)
    decoder.on_frame(data=b'{"op":"ping"}', seen_ns=1)
    assert decoder.counts.ack == 1
    for arguments in ((), (b"",), (b"", 1, 2)):
        with pytest.raises(TypeError):
            decoder.on_frame(*arguments)


def test_a_decoder_is_let_go_with_its_follower():
    decoder = decoded(course(3), [].append)
    seen = weakref.ref(decoder)
    del decoder
    gc.collect()
    assert seen() is None


def test_nothing_is_kept_of_frames():
    frames = [written(frame) for frame in course(400)]
    spoilt = [frame[:-9] for frame in frames[::20]]

    def live():
        decoder: Any = build_decoder("bybit", lambda event: None, lambda symbol, reason: None)
        for frame in frames:
            decoder.on_frame(frame, 1)
        assert decoder.on_frame.taken == 400
        for frame in spoilt:
            with pytest.raises(BadFrame):
                decoder.on_frame(frame, 1)

    live()
    gc.collect()
    counts, blocks = [sys.getrefcount(frame) for frame in frames], sys.getallocatedblocks()
    for _ in range(5):
        live()
    gc.collect()
    assert [sys.getrefcount(frame) for frame in frames] == counts
    assert sys.getallocatedblocks() - blocks < 500  # of 2,000 frames


class Plain:
    __slots__ = ("guard", "last")


def part(role, **more):
    return ((b'"a":', role, True, more.get("text"), more.get("members")),)


SLOTS = (vars(Plain)["guard"], vars(Plain)["last"])
GOOD: tuple[Any, ...] = (b"{", None, part(0), {}, "v", *SLOTS, None, (), 0, True, False, 1)
WRONG: list[tuple[int, Any]] = [
    *((0, "{"), (1, "x"), (2, ()), (2, part(99)), (2, part(14)), (2, part(12)), (2, part(0) * 99), (3, [])),
    *((5, Plain), (6, property()), (7, 1), (8, ((1, 2),)), (8, (1,)), (9, 2), (12, 0)),
]


@pytest.mark.parametrize("at, wrong", WRONG)
def test_what_is_no_track_is_refused(at, wrong):
    fields = [getattr(BookDelta, name) for name in ("venue", "symbol", "bids", "asks", "venue_ts_ms", "seen_ns")]
    rest = [print, print, tuple(fields), Counts(), *(vars(Counts)[name] for name in ("frames", "book"))]
    native.Follower(*rest, (GOOD,))
    with pytest.raises((TypeError, ValueError, SystemError)):
        native.Follower(*rest, ((*GOOD[:at], wrong, *GOOD[at + 1 :]),))
    with pytest.raises((TypeError, ValueError)):
        native.Follower(*rest[:2], tuple(fields[:5]), *rest[3:], (GOOD,))


def test_without_the_compiled_one_the_way_is_the_decoders_own():
    assert followed(print, print, Counts(), Decimal, ()) is print  # type: ignore[arg-type]
