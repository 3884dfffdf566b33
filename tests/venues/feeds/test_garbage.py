"""Bytes that are no frame: every decoder says BadFrame and nothing else, for anything else would end the daemon."""

import re
from pathlib import Path
from random import Random

import pytest

from engine.domain.errors import BadFrame
from engine.recordings import read_lines
from engine.venues.feeds import build_decoder
from engine.venues.fx import decode_dunamu, decode_frankfurter

CAPTURES = Path(__file__).parents[2] / "captures"
NOT_UTF8 = b'{"type":"\xfe\xff"}'
ENDLESS = b"[" * 5_000
ODD = [NOT_UTF8, ENDLESS, b"", b"null", b'{"e":"depthUpdate","s":"\xc8"}', b'[{"code":"\xfe"}]', b'{"base":"\xfe"}']
VALUES = [b"NaN", b"1e999", b"-1", b"null", b'""', b'"x"', b"[]", b"{}", b"9" * 40, b'"-5"', b'"Infinity"', b"\xff"]


def damaged(frame: bytes, random: Random) -> bytes:
    """Cut short, a byte changed, or a number replaced by something that is none."""
    at = random.randrange(len(frame))
    match random.randrange(3):
        case 0:
            return frame[:at]
        case 1:
            return frame[:at] + bytes([random.randrange(256)]) + frame[at + 1 :]
        case _:
            spots = [found.span() for found in re.finditer(rb'"?-?\d+(\.\d+)?"?', frame)]
            begin, end = random.choice(spots or [(0, 0)])
            return frame[:begin] + random.choice(VALUES) + frame[end:]


@pytest.mark.parametrize("venue", ["upbit", "bithumb", "binance", "okx"])
def test_damaged_frames_are_bad_frames(venue: str):
    random = Random(7)
    decoder = build_decoder(venue, lambda event: None, lambda symbol, reason: None)
    recorded = [line.data.encode() for line in read_lines(CAPTURES / venue / "ws-seeded.jsonl.gz") if line.data]
    bad = 0
    for frame in [*ODD, *recorded[:500]]:
        for data in (frame, damaged(frame or b"{}", random), damaged(frame or b"{}", random)):
            try:
                decoder.on_frame(data, 1)
                decoder.on_rest_book("KRW-BTC", data, 1)
            except BadFrame:
                bad += 1
    assert bad > len(ODD)
    with pytest.raises(BadFrame):
        decoder.on_frame(ENDLESS, 1)


@pytest.mark.parametrize("decode", [decode_dunamu, decode_frankfurter])
@pytest.mark.parametrize("body", ODD, ids=range(len(ODD)))
def test_no_rate_is_a_bad_frame(decode, body: bytes):
    with pytest.raises(BadFrame):
        decode(body)
