"""Waiting for what another task does: by a deadline, never for a fixed time."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], bool | Awaitable[bool]], deadline_s: float = 10.0) -> None:
    """Poll a plain or an async condition; TimeoutError when it never holds."""
    async with asyncio.timeout(deadline_s):
        while True:
            holds = condition()
            if await holds if inspect.isawaitable(holds) else holds:
                return
            await asyncio.sleep(0.005)
