"""Reads the journal beside the watch: a disk that is slow or hangs holds up its own thread, and nobody else."""

import asyncio
from collections.abc import Callable

from engine.domain.errors import JournalFailed


class JournalReader:
    """One read at a time, whoever asks. `read` runs in a thread; it raises JournalFailed."""

    def __init__(self, read: Callable[[], None]) -> None:
        self._read = read
        self._newest: asyncio.Future[str] | None = None

    async def read(self, patience_s: float | None = None) -> None:
        """All that was journaled before this call. Raises JournalFailed; when patience ends first, the read goes on."""
        try:
            async with asyncio.timeout(patience_s):
                # One that began earlier may lack what was journaled since: it is waited for, and followed by another.
                while self._newest is not None and not self._newest.done():
                    await asyncio.wait([self._newest])
                newest = self._newest = asyncio.get_running_loop().run_in_executor(None, self._attempt)
                await asyncio.wait([newest])  # a plain await would cancel what a thread goes on doing
        except TimeoutError as error:
            raise JournalFailed(f"no answer within {patience_s:g} s") from error
        if failure := newest.result():
            raise JournalFailed(failure)

    def _attempt(self) -> str:
        """Why it failed, as text: nobody may be left to take an exception."""
        try:
            self._read()
        except JournalFailed as error:
            return str(error)
        return ""
