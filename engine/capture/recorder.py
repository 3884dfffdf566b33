"""Raw frames of one venue as lines that `premia frames` reads."""

from base64 import b64encode
from collections.abc import Callable

import msgspec
from msgspec import Struct

from engine.capture.track import Track
from engine.venues.tap import TappedDecoder


class Row(Struct, omit_defaults=True):
    """docs/frames.md; `ns` and `mono_ns` are when we received it."""

    t: float
    ns: int
    mono_ns: int
    dir: str
    conn: str
    data: str
    ev: str = ""
    url: str = ""
    req: str = ""
    b64: bool = False
    lost: int = 0  # with ev `hole`: lines that found no place


_encode = msgspec.json.Encoder().encode


class Recorder:
    """A Tap (engine.venues.tap) into one track."""

    def __init__(self, track: Callable[[Callable[[int], None]], Track], wall_of: Callable[[int], int]) -> None:
        """`track(on_hole)` makes the track; `wall_of(mono_ns)` is our wall clock then, UTC ns."""
        self.track = track(self._on_hole)
        self._wall_of = wall_of
        self._connections: list[TappedDecoder] = []
        self._urls: dict[str, str] = {}
        self._seen_ns = 0

    def joined(self, connection: TappedDecoder) -> str:
        self._connections.append(connection)
        return f"ws{len(self._connections)}"

    def opened(self, name: str, url: str, seen_ns: int) -> None:
        self._urls[name] = url
        self._write(seen_ns, "out", name, b"", ev="open", url=url)

    def frame(self, name: str, data: bytes, seen_ns: int) -> None:
        self._write(seen_ns, "in", name, data)

    def answer(self, name: str, url: str, body: bytes, seen_ns: int) -> None:
        self._write(seen_ns, "in", f"rest-{name}", body, req=f"GET {url}")

    def _write(
        self,
        seen_ns: int,
        direction: str,
        conn: str,
        data: bytes,
        ev: str = "",
        url: str = "",
        req: str = "",
        lost: int = 0,
    ) -> None:
        wall_ns = self._wall_of(seen_ns)
        try:
            text, is_b64 = data.decode(), False
        except UnicodeDecodeError:
            text, is_b64 = b64encode(data).decode(), True
        at = round(wall_ns / 1e9, 6)
        row = Row(at, wall_ns, seen_ns, direction, conn, text, ev, url, req, is_b64, lost)
        self._seen_ns = seen_ns
        self.track.add(_encode(row) + b"\n", seen_ns)

    def _on_hole(self, lost: int) -> None:
        """What follows must not be played onto what was before: every connection begins again, with whole books."""
        self._write(self._seen_ns, "out", "", b"", ev="hole", lost=lost)
        for name, url in self._urls.items():
            self.opened(name, url, self._seen_ns)
        for connection in self._connections:
            connection.start_over(self._seen_ns)
