"""One engine per data directory: a lock that the kernel gives back when its holder dies."""

import fcntl
import os
import time
from pathlib import Path
from typing import Self

from engine.domain.errors import ConfigError


class Lease:
    """Held from `take` until `release` or the end of the process, however it ends."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self.taken_ns = time.monotonic_ns()

    @classmethod
    def take(cls, path: Path) -> Self:
        """Raises ConfigError naming the holder when another process has it."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise ConfigError(f"{path}: another engine (pid {holder}) works in this directory") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        return cls(path, descriptor)

    @classmethod
    def of(cls, journal: Path) -> Self:
        """Of the folder that this journal lies in, which is made where it is missing."""
        journal.parent.mkdir(parents=True, exist_ok=True)
        return cls.take(journal.with_name(journal.name + ".lock"))

    def release(self) -> None:
        os.close(self._descriptor)
