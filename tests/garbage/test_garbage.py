"""Garbage is looked for by the task alone, and by Python again when the task has ended."""

import asyncio
import gc

from engine.garbage import sweep
from tests.waiting import until


class Ring:
    def __init__(self) -> None:
        self.itself = self


async def test_rings_are_found_and_python_takes_over_again():
    found: list[str] = []

    def on_gc(phase: str, info: dict[str, int]) -> None:
        if phase == "stop" and not gc.isenabled() and info["collected"]:
            found.append("ring")

    gc.callbacks.append(on_gc)
    task = asyncio.create_task(sweep())
    try:
        await until(lambda: not gc.isenabled())
        Ring()
        await until(lambda: found)
    finally:
        gc.callbacks.remove(on_gc)
        task.cancel()
        await asyncio.wait([task])
        gc.unfreeze()
    assert gc.isenabled()
