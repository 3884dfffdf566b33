"""A process whose files may not grow: prints what the journal says while its disk is full, and after."""

import asyncio
import json
import resource
import sys
from pathlib import Path

from engine.domain.errors import JournalFailed
from engine.domain.event import JournalState, OrderRefused, OrderSent
from engine.storage.journal import Journal


async def main(path: Path) -> None:
    states: list[JournalState] = []
    changed = asyncio.Event()

    def note(state: JournalState) -> None:
        states.append(state)
        changed.set()

    journal = Journal(path, on_state=note, probe_every_ms=20)
    assert list(journal.read_all(0)) == []
    journal.start(asyncio.get_running_loop())
    await journal.append(OrderSent(cid="before", seen_ns=1))
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    failure = ""
    while not failure:
        try:
            await journal.append(OrderRefused(cid="filler", code="", text="x" * 20_000, seen_ns=2))
        except JournalFailed as error:
            failure = str(error)
    await changed.wait()
    try:
        await journal.append(OrderSent(cid="while full", seen_ns=3))
        refused_at_once = False
    except JournalFailed:
        refused_at_once = True
    changed.clear()
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await asyncio.wait_for(changed.wait(), 10)
    await journal.append(OrderSent(cid="after", seen_ns=4))
    journal.close()
    print(
        json.dumps({"failure": failure, "refused_at_once": refused_at_once, "writable": [s.writable for s in states]})
    )


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
