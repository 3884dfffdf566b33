"""When Python looks for garbage: little and often, at times of our choosing, never in the middle of a frame's way.

Left to itself it counts objects made less objects gone. Books replace their levels one for one, so the count stands
still while the young ones become tens of thousands, and one look at all of them stops the loop for 5 to 20 ms.
"""

import asyncio
import gc
import resource
from pathlib import Path

_YOUNG_EVERY_S = 0.1
_MIDDLE_EVERY = 10  # young looks: what a second left behind, 2,000 objects while books come, is 1 to 2 ms
_ALL_EVERY = 6_000  # ten minutes
_SETTLED = 600  # by now every book stands: none of them is walked again


async def sweep() -> None:
    """Runs as long as the process. What exists now, and what exists after a minute, is never walked again."""
    gc.collect()
    gc.freeze()
    gc.disable()
    looks = 0
    try:
        while True:
            await asyncio.sleep(_YOUNG_EVERY_S)
            looks += 1
            gc.collect(2 if looks % _ALL_EVERY == 0 else 1 if looks % _MIDDLE_EVERY == 0 else 0)
            if looks == _SETTLED:
                gc.freeze()
    finally:
        gc.enable()


def resident_mb() -> int:
    """Memory held now. What the kernel keeps as the most ever begins, after exec too, with our starter's."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:  # no Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return pages * resource.getpagesize() // 1_048_576
