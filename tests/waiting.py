"""Waiting for what another task does: by a deadline, never for a fixed time."""

import asyncio
import inspect
from collections.abc import Callable


async def until(condition: Callable[[], object], deadline_s: float = 10.0) -> None:
    """Poll a plain or an async condition until it is true; TimeoutError when it never is."""
    async with asyncio.timeout(deadline_s):
        while True:
            holds = condition()
            if inspect.isawaitable(holds):
                holds = await holds
            if holds:
                return
            await asyncio.sleep(0.005)
