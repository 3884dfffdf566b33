"""History as Parquet: venue=…/kind=…/symbol=…/date=…/data.parquet, each day written whole and atomically.

The only user of pyarrow; no process but `premia collect` loads it.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from msgspec import Struct

from engine.domain.errors import ConfigError

DAY_MS = 86_400_000
Row = tuple[object, ...]

_HOLES = pa.schema([("from_ms", pa.int64()), ("to_ms", pa.int64()), ("reason", pa.string())])
_SCHEMAS = {
    "candles": pa.schema([("at_ms", pa.int64())] + [(n, pa.float64()) for n in "open high low close volume".split()]),
    "funding": pa.schema([("at_ms", pa.int64()), ("rate", pa.float64())]),
    "trades": pa.schema(
        [
            ("at_ms", pa.int64()),
            ("id", pa.string()),
            ("price", pa.float64()),
            ("qty", pa.float64()),
            ("taker", pa.string()),
        ]
    ),
}


class Cursor(Struct, frozen=True):
    """What is stored of one series: everything that the venue served in [from, next)."""

    from_ms: int
    next_ms: int


class Series:
    """One venue's one kind of one symbol. `kind` is candles-1m, funding or trades."""

    def __init__(self, out: Path, venue: str, kind: str, symbol: str) -> None:
        self.kind = kind
        self._schema = _SCHEMAS[kind.partition("-")[0]]
        name = quote(symbol, safe="-_.")
        self._folder = out / f"venue={venue}" / f"kind={kind}" / f"symbol={name}"
        self._hole_folder = out / f"venue={venue}" / f"kind={kind}-holes" / f"symbol={name}"

    def cursor(self) -> Cursor | None:
        """None where nothing is stored. Raises ConfigError for a file that is not ours."""
        path = self._folder / "cursor.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=Cursor)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError as error:
            raise ConfigError(f"{path}: {error}") from error

    def move(self, cursor: Cursor) -> None:
        """After the rows: a kill in between costs a page, never a row. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        _replace(self._folder / "cursor.json", msgspec.json.encode(cursor))

    def add(self, rows: Iterable[Row]) -> int:
        """Merge rows (at_ms first) into their days; how many were new. Raises OSError."""
        days: dict[str, dict[Row, Row]] = {}
        for row in rows:
            days.setdefault(date_of(_at(row)), {})[self._key(row)] = row
        fresh = 0
        for date, found in days.items():
            path = self._folder / f"date={date}" / "data.parquet"
            stored = {self._key(row): row for row in _read(path)}
            fresh += len(found.keys() - stored.keys())
            _write(path, sorted((stored | found).values(), key=_at), self._schema)
        return fresh

    def rows(self, from_ms: int, to_ms: int) -> list[Row]:
        """What is stored of [from, to), oldest first."""
        return [row for date in _dates(from_ms, to_ms) for row in self._day(date) if from_ms <= _at(row) < to_ms]

    def mark(self, holes: Sequence[tuple[int, int]], from_ms: int, to_ms: int, reason: str) -> None:
        """The holes of [from, to), instead of those known of it before; one that crosses midnight becomes two."""
        for date in _dates(from_ms, to_ms):
            path = self._hole_folder / f"date={date}" / "data.parquet"
            start = _start_of(date)
            begin, end = max(from_ms, start), min(to_ms, start + DAY_MS)
            kept = [row for row in _read(path) if _at(row) < begin or _at(row) >= end]
            found = [(max(a, begin), min(b, end), reason) for a, b in holes if a < end and b > begin]
            if kept or found or path.exists():
                _write(path, sorted([*kept, *found], key=_at), _HOLES)

    def holes(self, from_ms: int, to_ms: int) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for date in _dates(from_ms, to_ms):
            for row in _read(self._hole_folder / f"date={date}" / "data.parquet"):
                begin, end = _at(row), int(str(row[1]))
                if found and found[-1][1] == begin:
                    begin = found.pop()[0]
                found.append((begin, end))
        return found

    def _day(self, date: str) -> list[Row]:
        return _read(self._folder / f"date={date}" / "data.parquet")

    def _key(self, row: Row) -> Row:
        return row if self.kind == "trades" else row[:1]


def _at(row: Row) -> int:
    return int(str(row[0]))


def date_of(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%d")


def _start_of(date: str) -> int:
    return int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp()) * 1000


def _dates(from_ms: int, to_ms: int) -> list[str]:
    first = from_ms // DAY_MS * DAY_MS
    return [date_of(at_ms) for at_ms in range(first, max(to_ms, first + 1), DAY_MS)]


def _read(path: Path) -> list[Row]:
    """Raises ConfigError for a file that is no Parquet."""
    if not path.exists():
        return []
    try:
        columns: Mapping[str, list[object]] = pq.read_table(path, partitioning=None).to_pydict()
    except pa.ArrowInvalid as error:
        raise ConfigError(f"{path}: {error}") from error
    return list(zip(*columns.values(), strict=True))


def _write(path: Path, rows: Sequence[Row], schema: pa.Schema) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    table = pa.Table.from_arrays(
        [pa.array(c, type=f.type) for c, f in zip(columns, schema, strict=True)], schema=schema
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    _replace(path, sink.getvalue().to_pybytes())


def _replace(path: Path, data: bytes) -> None:
    fresh = path.with_suffix(".new")
    try:
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
