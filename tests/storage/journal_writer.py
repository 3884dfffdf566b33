"""A process that appends until it is killed: `python journal_writer.py <journal> <first number>`.

Prints each number once its entry is acknowledged, unbuffered, so that the reader knows what was promised.
"""

import asyncio
import os
import sys
from pathlib import Path

from engine.domain.event import JournalState, OrderSent
from engine.storage.journal import Journal


def fail(state: JournalState) -> None:
    raise SystemExit(f"journal state: {state}")


async def append_for_ever(path: Path, number: int) -> None:
    journal = Journal(path, on_state=fail)
    for _ in journal.read_all(0):
        pass
    journal.start(asyncio.get_running_loop())
    while True:
        promises = [journal.append(OrderSent(cid=f"n{number + i}", seen_ns=number + i)) for i in range(1 + number % 7)]
        for promise in promises:
            await promise
            os.write(1, f"{number}\n".encode())
            number += 1


if __name__ == "__main__":
    asyncio.run(append_for_ever(Path(sys.argv[1]), int(sys.argv[2])))
