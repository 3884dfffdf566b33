"""What the decoders of one venue tell of recorded and spoilt frames, as one digest per venue: `python -m …told VENUE…`.

Run once per build: what both print must be the same.
"""

import hashlib
import sys
from itertools import islice
from pathlib import Path
from random import Random

from engine.core.state import encode
from engine.domain.errors import BadFrame
from engine.native import which
from engine.recordings import Line, read_lines
from engine.venues.feeds import build_decoder
from tests.venues.feeds.test_any_frame import FOLDERS, sample, spoil

_SPOILT = 600
_IN_A_ROW = 400


def digest(shared: Path, venue: str) -> tuple[int, str]:
    """(events, digest of all of them and of every refusal). Raises AssertionError where a frame breaks a decoder."""
    frames = sample(shared, FOLDERS[venue])
    rng = Random(5)
    spoilt = [spoil(rng.choice(frames), rng).encode() for _ in range(_SPOILT)]
    found = hashlib.sha256()
    told = 0

    def sink(event: object) -> None:
        nonlocal told
        told += 1
        found.update(encode(event))

    in_a_row = [line.data for file in sorted((shared / "venues" / FOLDERS[venue]).iterdir()) for line in opening(file)]
    for batch in ([frame.encode() for frame in in_a_row], spoilt):
        decoder = build_decoder(venue, sink, lambda symbol, reason: found.update(f"{symbol} {reason}".encode()))
        for number, frame in enumerate(batch):
            try:
                decoder.on_frame(frame, number)
            except BadFrame as error:
                found.update(str(error).encode())
        found.update(encode(decoder.counts))
    return told, found.hexdigest()


def opening(file: Path) -> list[Line]:
    """The first frames of a recording, none left out: only so do changes follow their book."""
    lines = (line for line in read_lines(file) if line.dir == "in" and line.conn.startswith("ws"))
    return list(islice(lines, _IN_A_ROW))


def main() -> None:
    shared = Path(sys.argv[1])
    for venue in sys.argv[2:]:
        print(which().partition(" ")[0], venue, *digest(shared, venue))


if __name__ == "__main__":
    main()
