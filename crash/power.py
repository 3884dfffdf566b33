"""A power cut: the engine's files as a disk holds them that has kept what was synced, and of the rest what it liked."""

import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple

_HEAD = struct.Struct("<c3xIQQ")
_SECTOR = 512  # what a disk writes whole
Mood = Literal["nothing", "some", "torn"]


class Call(NamedTuple):
    """One record of crash/shim.c."""

    kind: str
    path: str
    offset: int
    data: bytes


class File:
    """One inode: what is safe, and what came since."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = bytearray(content)
        self.waiting: list[Call] = []
        self.syncing = 0  # how many of them the sync under way covers

    def sync(self, count: int) -> None:
        for call in self.waiting[:count]:
            _apply(self.content, call)
        del self.waiting[:count]


class Platter:
    """`remember` before a life, `cut` after its end: `data` then holds what a disk without power would.

    A name is durable after a sync of its directory, content after a sync of its file: neither brings the other.
    """

    def __init__(self, data: Path, folder: Path, random: Random) -> None:
        self._data = data
        self._safe = folder / "safe"
        self.log = folder / "calls"
        self._random = random
        self.lost_writes = 0
        self.kept_writes = 0

    def remember(self) -> None:
        shutil.rmtree(self._safe, ignore_errors=True)
        shutil.copytree(self._data, self._safe, ignore=shutil.ignore_patterns("*.sock", "*-shm"))
        self.log.unlink(missing_ok=True)

    def cut(self) -> Mood:
        """Returns what became of the writes that nobody had synced."""
        mood: Mood = self._random.choice(("nothing", "some", "some", "torn"))
        names = {str(self._data / f.relative_to(self._safe)): File(f.read_bytes()) for f in _files(self._safe)}
        safe_names, pending = self._replay(names)
        # Names reach the disk in order: a journalling file system loses the newest changes, not one in between.
        for change in pending[: 0 if mood == "nothing" else self._random.randint(0, len(pending))]:
            _rename(safe_names, change)
        shutil.rmtree(self._data)
        self._data.mkdir()
        for name, file in safe_names.items():
            self._forget(file, mood)
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_bytes(file.content)
        return mood

    def _replay(self, names: dict[str, File]) -> tuple[dict[str, File], list[tuple[str, str, File]]]:
        """(what the directory surely names, changes of names that nobody synced); `names` is followed on the way."""
        safe, pending = dict(names), list[tuple[str, str, File]]()
        covered = 0
        for call in _calls(self.log):
            file = names.get(call.path)
            match call.kind:
                case "c":
                    names[call.path] = File()
                    pending.append(("", call.path, names[call.path]))
                case "r" if file is not None:
                    new = call.data.decode()
                    names[new] = names.pop(call.path)
                    pending.append((call.path, new, file))
                case "u" if file is not None:
                    pending.append((call.path, "", names.pop(call.path)))
                case "w" | "t" if file is not None:
                    file.waiting.append(call)
                case "s" if file is not None:
                    file.syncing = len(file.waiting)
                case "S" if file is not None:
                    file.sync(file.syncing)
                case "s":  # of the directory
                    covered = len(pending)
                case "S":
                    for change in pending[:covered]:
                        _rename(safe, change)
                    del pending[:covered]
        return safe, pending

    def _forget(self, file: File, mood: Mood) -> None:
        """What nobody synced: each write is kept or lost by itself, in any order a disk may choose."""
        for call in file.waiting:
            if mood == "nothing" or self._random.random() < 0.5:
                self.lost_writes += 1
                continue
            self.kept_writes += 1
            if mood == "torn" and len(call.data) > _SECTOR:
                whole = self._random.randrange(0, len(call.data), _SECTOR)
                call = call._replace(data=call.data[:whole])
            _apply(file.content, call)


def _rename(names: dict[str, File], change: tuple[str, str, File]) -> None:
    old, new, file = change
    names.pop(old, None)
    if new:
        names[new] = file


def _apply(content: bytearray, call: Call) -> None:
    if call.kind == "t":
        del content[call.offset :]
        content.extend(bytes(call.offset - len(content)))
        return
    content.extend(bytes(max(0, call.offset - len(content))))
    content[call.offset : call.offset + len(call.data)] = call.data


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]


def _calls(log: Path) -> Iterator[Call]:
    """Every whole record; a last one that was cut short never happened."""
    raw = log.read_bytes() if log.exists() else b""
    at = 0
    while at + _HEAD.size <= len(raw):
        kind, path, offset, size = _HEAD.unpack_from(raw, at)
        at += _HEAD.size
        data_at = at + path
        if data_at + size > len(raw):
            return
        yield Call(kind.decode(), raw[at:data_at].decode(), offset, raw[data_at : data_at + size])
        at = data_at + size
