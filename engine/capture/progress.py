"""What a capture says of itself: a live table on a terminal, a line every few seconds elsewhere."""

from collections.abc import Mapping

import msgspec
from msgspec import Struct
from rich.table import Column, Table

from engine.capture.track import Tally, Track


class VenueProgress(Struct, frozen=True, kw_only=True):
    """One venue's capture so far."""

    frames: int
    frames_per_s: float  # since the progress before this one
    bytes: int  # on disk, compressed, raw and normalised
    age_ms: int  # of the newest frame or book; -1: none yet
    books: int  # trusted now
    book_rows: int
    trade_rows: int
    lost: int  # lines that found no place
    torn: int  # blocks cut off at start
    errors: int  # frames that could not be decoded; they are captured all the same
    reconnects: int
    stopped: bool  # the disk takes nothing


class Watched(Struct, frozen=True, kw_only=True):
    """Where one venue's numbers are read from."""

    raw: Track
    books: Track
    trades: Track
    counters: Mapping[str, int]
    synced: int

    def progress(self, frames_before: int, seconds: float, now_ns: int) -> VenueProgress:
        raw = self.raw.tally
        last_ns = max(raw.last_ns, self.books.tally.last_ns)  # a venue read through ccxt shows no frames
        return VenueProgress(
            frames=raw.lines,
            frames_per_s=round((raw.lines - frames_before) / seconds, 1) if seconds > 0 else 0.0,
            bytes=sum(tally.bytes for tally in self._tallies),
            age_ms=(now_ns - last_ns) // 1_000_000 if last_ns else -1,
            books=self.synced,
            book_rows=self.books.tally.lines,
            trade_rows=self.trades.tally.lines,
            lost=sum(tally.lost for tally in self._tallies),
            torn=sum(tally.torn for tally in self._tallies),
            errors=self.counters.get("errors", 0),
            reconnects=self.counters.get("reconnects", 0),
            stopped=any(track.is_stopped for track in (self.raw, self.books, self.trades)),
        )

    @property
    def _tallies(self) -> tuple[Tally, ...]:
        return self.raw.tally, self.books.tally, self.trades.tally


def json_line(progress: Mapping[str, VenueProgress], final: bool) -> str:
    return msgspec.json.encode({"final": final, "venues": progress}).decode()


def text_line(name: str, one: VenueProgress) -> str:
    parts = f"{name} frames={one.frames} rate={one.frames_per_s}/s bytes={one.bytes} age_ms={one.age_ms}"
    more = f" books={one.books} lost={one.lost} reconnects={one.reconnects}"
    return parts + more + (" DISK FULL" if one.stopped else "")


def table(progress: Mapping[str, VenueProgress]) -> Table:
    made = Table(
        Column("venue", no_wrap=True, min_width=14),
        "frames",
        "frames/s",
        "MB",
        "age ms",
        "books",
        "lost",
        "reconnects",
        "disk",
    )
    for name, one in progress.items():
        numbers = (f"{one.frames:,}", f"{one.frames_per_s:,.1f}", f"{one.bytes / 1e6:,.2f}", str(one.age_ms))
        disk = "[red]full[/red]" if one.stopped else "ok"
        made.add_row(name, *numbers, str(one.books), str(one.lost), str(one.reconnects), disk)
    return made
