"""The rig's journal tells what the real one tells: what is proved with one holds for the other."""

import asyncio
from pathlib import Path

import msgspec

from engine.storage.journal import Entry, Journal
from tests.core.harness import Rig
from tests.core.venue_model import Outcome


async def test_both_journals_recall_the_same(tmp_path: Path):
    rig = Rig().ready()
    rig.execute(Outcome(), Outcome(answer="lost", misses=2))
    rig.run_for(700)
    rig.restart()
    rig.settle()
    rig.execute(Outcome(), Outcome(answer="lost", reaches=False), ratio=0.011)
    rig.settle()
    rig.journal.save()

    path = tmp_path / "journal.db"
    decode = msgspec.json.Decoder(Entry).decode
    for run in sorted({run for run, _, _ in rig.journal.saved}):
        entries = [(mono_ns, payload) for of, mono_ns, payload in rig.journal.saved if of == run]
        clock = iter([0, *(mono_ns for mono_ns, _ in entries)])  # the first: when the lease is its own
        journal = Journal(path, on_state=lambda state: None, mono_ns=lambda clock=clock: next(clock))  # type: ignore[misc]
        list(journal.read_all(0))
        journal.start(asyncio.get_running_loop())
        for _, payload in entries:
            await journal.append(decode(payload))
        journal.close()

    journal = Journal(path, on_state=lambda state: None)
    told = list(journal.read_all(123_456_789_000_000))
    journal.close()
    assert told == rig.recall(123_456_789_000_000)
    assert len(told) >= 20
