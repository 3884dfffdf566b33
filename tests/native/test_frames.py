"""Frames of every venue under both builds: the same events, the same refusals, the same words."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.native import native as loaded
from engine.venues.bybit import wire as bybit
from engine.venues.decoder import Figure
from engine.venues.feeds import VENUES
from engine.venues.okx import wire as okx
from engine.venues.typed import compiled
from engine.venues.upbit import wire as upbit

native: Any = loaded
pytestmark = pytest.mark.skipif(native is None, reason="the book is not compiled here")
REPOSITORY = Path(__file__).parents[2]


def told(shared, pure):
    command = [sys.executable, "-m", "tests.native.told", str(shared), *VENUES]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=os.environ | {"PREMIA_PURE": pure}, capture_output=True, text=True, check=True
    )
    return [line.split() for line in done.stdout.splitlines()]


def test_both_builds_tell_the_same_of_recorded_and_spoilt_frames(shared):
    fast, plain = told(shared, ""), told(shared, "1")
    assert {row[0] for row in fast} == {"compiled"}
    assert {row[0] for row in plain} == {"plain"}
    assert [row[1:] for row in fast] == [row[1:] for row in plain]
    assert len(fast) == len(VENUES)
    assert all(int(row[2]) > 0 for row in fast)


BYBIT = '{"topic":"orderbook.50.A","ts":1,"type":"delta","data":{"s":"A","b":[["%s","5"]],"a":[],"u":2},"cts":3}'
NUMBERS: tuple[str, ...] = (
    *("0.1", "1e-7", "123456789012345678.9", "0.000000000000000000000012345", "9007199254740993", "1E5", "0"),
    *("5e-324", "1.7976931348623157e308", "", "-1", "-0", "NaN", "inf", "01", "1.", ".5", "1_0", " 1", "1 ", "0x1"),
    *("1e", "+1"),
)


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_are_read_as_the_typed_decoder_reads_them(number):
    decoder = msgspec.json.Decoder(bybit.Orderbook[Figure], strict=False)
    read = compiled(decoder)
    for frame in ((BYBIT % number).encode(), (BYBIT % number).replace(f'"{number}"', number or "null", 1).encode()):
        assert outcome(read, frame) == outcome(decoder.decode, frame)


def outcome(read, frame):
    try:
        book = read(frame).data
    except msgspec.MsgspecError as error:
        return str(error)
    return book.symbol, list(book.bids), list(book.asks), book.update_id


SHAPES = [
    (bybit.Orderbook[Figure], False, BYBIT % "1"),
    (
        okx.Books[okx.Row[Figure]],
        False,
        '{"arg":{"channel":"books","instId":"A"},"action":"update","data":[{"asks":[["1","2","0","3"]],"bids":[],'
        '"ts":"5","checksum":-1,"seqId":7,"prevSeqId":-1}]}',
    ),
    (
        upbit.SimpleOrderbook[Figure],
        True,
        '{"ty":"orderbook","cd":"KRW-A","tms":5,"obu":[{"ap":2.5,"bp":1.0,"as":3,"bs":4}],"lv":0,"st":"REALTIME"}',
    ),
]


@pytest.mark.parametrize("kind, strict, text", SHAPES, ids=["bybit", "okx", "upbit"])
def test_no_byte_of_a_frame_can_be_lost_or_changed_unnoticed(kind, strict, text):
    """Each prefix, each byte left out and each byte replaced: an outcome as the typed decoder's, never a crash."""
    decoder = msgspec.json.Decoder(kind, strict=strict)
    read = compiled(decoder)
    assert type(read) is native.Reader
    frame = text.encode()
    spoilt = [frame[:at] for at in range(len(frame))]
    spoilt += [frame[:at] + frame[at + 1 :] for at in range(len(frame))]
    for other in b'"{}[],:0 9.-e\\\x00\xffn':
        spoilt += [frame[:at] + bytes([other]) + frame[at + 1 :] for at in range(len(frame))]
    for one in [frame, frame + b" ", frame + b"x", frame + frame, *spoilt]:
        assert whole(read, one) == whole(decoder.decode, one), one


def whole(read, frame):
    try:
        return flat(read(frame))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return type(error).__name__, str(error)


def flat(value):
    """A decoded frame with its levels in one form, whichever reader made them."""
    if isinstance(value, tuple) and value and type(value[0]) is native.Levels:
        return [list(side) for side in value]
    if type(value) is native.Levels:
        return list(value)
    if isinstance(value, list) and value and hasattr(value[0], "bid_price"):
        bids = [(unit.bid_price, unit.bid_size) for unit in value]
        return [bids, [(unit.ask_price, unit.ask_size) for unit in value]]
    if isinstance(value, list):
        return [(row.price, row.size) if hasattr(row, "price") else flat(row) for row in value]
    if isinstance(value, msgspec.Struct):
        return {name: flat(getattr(value, name)) for name in value.__struct_fields__}
    return value


def test_what_nobody_asked_for_is_passed_over_and_what_is_there_twice_is_left_to_the_typed_decoder():
    decoder = msgspec.json.Decoder(bybit.Orderbook[Figure], strict=False)
    read = compiled(decoder)
    more = (BYBIT % "1").replace('"ts":1', '"ts":1,"x":{"y":[1,-2.5e3,null,true,{"z":"w"}],"q":{}},"r":[]')
    twice = (BYBIT % "1").replace('"ts":1', '"ts":1,"ts":9')
    deep = (BYBIT % "1").replace('"ts":1', '"ts":1,"x":' + "[" * 500 + "]" * 500)
    for text in (more, twice, deep):
        assert whole(read, text.encode()) == whole(decoder.decode, text.encode())
    assert read(twice.encode()).ts == 9


def test_a_symbol_is_the_same_text_again():
    read = compiled(msgspec.json.Decoder(bybit.Orderbook[Figure], strict=False))
    assert read((BYBIT % "1").encode()).data.symbol is read((BYBIT % "2").encode()).data.symbol
    crowd = [read((BYBIT % "1").replace('"A"', f'"S{number}"').encode()).data.symbol for number in range(20_000)]
    assert crowd == [f"S{number}" for number in range(20_000)]
