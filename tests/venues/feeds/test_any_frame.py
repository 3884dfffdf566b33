"""Any bytes may come: a decoder takes them or says BadFrame, and what it tells is always a book."""

import json
from math import isfinite
from random import Random

import pytest

from engine.domain.errors import BadFrame
from engine.domain.event import BookDelta, BookSnapshot
from engine.recordings import read_lines
from engine.venues.feeds import VENUES, build_decoder

FOLDERS = {venue: venue.removesuffix("_linear").removesuffix("_futures").removesuffix("_swap") for venue in VENUES}
WORDS = ('""', '"1e-7"', "null", "-1", "[]", "{}", '"x"', "1e400", "0", '"nan"', '"9"', "true", '"a.b"')
_SAMPLE = 400


def sample(shared, folder):
    """Frames of every recording of a venue, a few of each."""
    frames = []
    for file in sorted((shared / "venues" / folder).iterdir()):
        found = [line.data for line in read_lines(file) if line.dir == "in" and line.conn.startswith("ws")]
        frames += found[:: max(1, len(found) // 60)]
    return frames


def leaves(value, at=()):
    """Paths to everything inside a frame, containers too."""
    if at:
        yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from leaves(inner, (*at, key))


def spoil(text, rng):
    if rng.random() < 0.2:
        cut = rng.randrange(len(text) + 1)
        return text[:cut]
    try:
        frame = json.loads(text)
    except ValueError:
        return text[::-1]
    places = list(leaves(frame))
    if not places:
        return text
    *way, last = rng.choice(places)
    inner = frame
    for key in way:
        inner = inner[key]
    if rng.random() < 0.3 and isinstance(inner, dict):
        del inner[last]
    else:
        inner[last] = json.loads(rng.choice(WORDS))
    return json.dumps(frame, separators=(",", ":"), ensure_ascii=False)


@pytest.mark.parametrize("venue", VENUES)
def test_spoilt_frames_are_taken_or_refused(shared, venue):
    rng = Random(20)
    frames = sample(shared, FOLDERS[venue])
    told: list[object] = []
    decoder = build_decoder(venue, told.append, lambda symbol, reason: None)
    refused = 0
    for number in range(_SAMPLE):
        good = frames[number % len(frames)]
        for text in (good, spoil(good, rng)):
            try:
                decoder.on_frame(text.encode(), number)
            except BadFrame:
                refused += 1
    assert refused > 0
    assert decoder.counts.frames == 2 * _SAMPLE
    for event in told:
        if isinstance(event, BookSnapshot | BookDelta):
            for price, size in [*event.bids, *event.asks]:
                assert isfinite(price) and isfinite(size), event
                assert price >= 0 and size >= 0, event
                assert isinstance(event, BookDelta) or price * size > 0, event
