"""Disk work beside the watch: a disk that is slow or hangs holds up its own thread, and nobody else."""

import asyncio
from collections.abc import Callable


class Aside:
    """One job at a time, whoever asks: of a disk that hangs no second thread is taken."""

    def __init__(self) -> None:
        self._newest: asyncio.Future[str] | None = None

    async def do(self, job: Callable[[], str], patience_s: float | None = None) -> str:
        """`job` in a thread, begun after this call; why it failed, in its own words, "" where it did not.

        When patience ends first the job goes on. It must not raise: nobody may be left to take an exception.
        """
        try:
            async with asyncio.timeout(patience_s):
                # What began earlier may not know of this call: it is waited for, and followed by another.
                while self._newest is not None and not self._newest.done():
                    await asyncio.wait([self._newest])
                newest = self._newest = asyncio.get_running_loop().run_in_executor(None, job)
                await asyncio.wait([newest])  # a plain await would cancel what a thread goes on doing
        except TimeoutError:
            return f"no answer within {patience_s:g} s"
        return newest.result()
