"""The journal keeps its promises: through kill -9, a full disk, a foreign lock, a changed byte."""

import asyncio
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.domain.command import Confirm, ResolveUnknown
from engine.domain.effect import LatchChanged, OpenLedger, Submit
from engine.domain.errors import ConfigError, InvariantBroken, JournalFailed
from engine.domain.event import (
    Commanded,
    IntentJournaled,
    JournalState,
    LedgerOpened,
    OrderLost,
    OrderMissing,
    OrderSent,
    TradeSettled,
)
from engine.domain.market import Balance
from engine.domain.order import LegRole, OrderRequest, Side, TimeInForce
from engine.storage.disk import Done, Row, SqliteDisk
from engine.storage.journal import Entry, Journal
from tests.waiting import until

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def order(cid: str) -> OrderRequest:
    return OrderRequest(
        cid=cid,
        trade_id="t1",
        leg=0,
        role=LegRole.ENTRY,
        venue="upbit",
        symbol="KRW-BTC",
        side=Side.SELL,
        qty=Decimal("0.01000000"),
        price=Decimal("139000000"),
        tif=TimeInForce.IOC,
    )


def intent(cid: str) -> Submit:
    return Submit(plan=None, orders=(order(cid),), trigger_ns=1)


@contextmanager
def opened(path: Path, on_state: Callable[[JournalState], None] = lambda state: None, **options) -> Iterator[Journal]:
    journal = Journal(path, on_state=on_state, **options)
    try:
        yield journal
    finally:
        journal.close()


async def write(path: Path, *entries: Entry, **options) -> None:
    with opened(path, **options) as journal:
        list(journal.read_all(0))
        journal.start(asyncio.get_running_loop())
        for promise in [journal.append(entry) for entry in entries]:
            await promise


def read(path: Path, now_ns: int = 0) -> list[Any]:
    with opened(path) as journal:
        return list(journal.read_all(now_ns))


async def test_what_was_appended_comes_back_in_order_and_typed(tmp_path):
    path = tmp_path / "journal.db"
    opening = (Balance("KRW", Decimal("1000000.5"), Decimal("1000000.5")),)
    latch = LatchChanged(level=2, reason="kill", actor="telegram:1", wall_ms=5)
    settled = TradeSettled(trade_id="t1", state="closed", outcome="balanced", wall_ms=9, seen_ns=7)
    word = Commanded(
        request_id="r",
        actor="telegram:1",
        role="owner",
        command=ResolveUnknown(cid="a", evidence="venue support says no"),
        seen_ns=7,
    )
    entries = (OpenLedger(venue="upbit", balances=opening), intent("a"), OrderSent(cid="a", seen_ns=7))
    await write(path, *entries, latch, word, settled, mono_ns=lambda: 7)
    assert read(path, now_ns=7) == [
        LedgerOpened(venue="upbit", balances=opening, seen_ns=7),
        IntentJournaled(plan=None, orders=(order("a"),), seen_ns=7),
        OrderSent(cid="a", seen_ns=7),
        latch,
        word,
        settled,
    ]


async def test_many_appends_share_one_transaction_and_keep_their_order(tmp_path):
    path = tmp_path / "journal.db"
    with opened(path) as journal:
        list(journal.read_all(0))
        journal.start(asyncio.get_running_loop())
        promises = [journal.append(OrderSent(cid=str(i), seen_ns=i)) for i in range(1_000)]
        assert [await promise for promise in promises] == list(range(1, 1_001))
    assert [event.cid for event in read(path)] == [str(i) for i in range(1_000)]


class Watched(SqliteDisk):
    """Remembers the kinds of entries that became durable together."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.groups: list[list[str]] = []

    def write(self, rows: Sequence[Row], done: Done) -> None:
        self.groups.append([row.kind for row in rows])
        super().write(rows, done)


async def test_a_note_has_no_sync_of_its_own_when_an_intent_follows(tmp_path):
    path = tmp_path / "journal.db"
    disk = Watched(path)
    with opened(path, disk=disk) as journal:
        list(journal.read_all(0))
        journal.start(asyncio.get_running_loop())
        journal.note(OrderSent(cid="a", seen_ns=1))
        assert await journal.append(intent("b")) == 2
        assert disk.groups == [["event", "intent"]]
        journal.note(OrderSent(cid="b", seen_ns=2))
        await until(lambda: len(disk.groups) == 2)  # by itself, soon
        journal.note(OrderSent(cid="c", seen_ns=3))  # and at the end at the latest
    assert [type(entry).__name__ for entry in read(path)] == ["OrderSent", "IntentJournaled", "OrderSent", "OrderSent"]


async def test_times_of_a_former_process_end_now_and_keep_their_order(tmp_path):
    path = tmp_path / "journal.db"
    lost = OrderLost(cid="a", reason="timeout", final_after_ns=5_000, seen_ns=1_000)
    missing = OrderMissing(cid="a", asked_ns=6_000, seen_ns=6_500)
    clock = iter([500, 1_000, 6_500])  # the first: when the lease is its own
    await write(path, lost, missing, mono_ns=lambda: next(clock))
    lost_again, missing_again = read(path, now_ns=100)
    assert missing_again.seen_ns == 100
    assert (lost_again.final_after_ns, missing_again.asked_ns) == (-1_400, -400)  # evidence stays evidence


async def test_each_process_has_its_own_shift(tmp_path):
    path = tmp_path / "journal.db"
    await write(path, OrderSent(cid="a", seen_ns=900_000), mono_ns=lambda: 900_000)
    await write(path, OrderSent(cid="b", seen_ns=50), mono_ns=lambda: 50)  # the machine was restarted
    assert [event.seen_ns for event in read(path, now_ns=1_000)] == [1_000, 1_000]


COPY_4 = "INSERT INTO entries SELECT 5, run, kind, wall_ms, mono_ns, payload, hash FROM entries WHERE seq = 4"
HASH_1 = "(SELECT hash FROM entries WHERE seq = 1)"
TAMPERINGS = [  # why          sql                                                                 entry named
    ("a changed payload", "UPDATE entries SET payload = replace(payload, 'c2', 'cX') WHERE seq = 2", "entry 2"),
    ("a changed time", "UPDATE entries SET mono_ns = mono_ns + 1 WHERE seq = 3", "entry 3"),
    ("a row taken out", "DELETE FROM entries WHERE seq = 2", "entry 2"),
    ("the first row taken out", "DELETE FROM entries WHERE seq = 1", "entry 1"),
    ("the tail torn off", "DELETE FROM entries WHERE seq = 4", "entry 4"),
    ("a row put in", COPY_4, "entry 5"),
    ("another row's hash", f"UPDATE entries SET hash = {HASH_1} WHERE seq = 2", "entry 2"),
]


@pytest.mark.parametrize("why, sql, named", TAMPERINGS, ids=[case[0] for case in TAMPERINGS])
async def test_a_changed_journal_is_refused_by_entry(tmp_path, why, sql, named):
    path = tmp_path / "journal.db"
    await write(path, *[intent(f"c{i}") for i in range(1, 5)])
    foreign = sqlite3.connect(path)
    assert foreign.execute(sql).rowcount == 1
    foreign.commit()
    foreign.close()
    with pytest.raises(InvariantBroken, match=named):
        read(path)


async def test_a_torn_file_is_refused(tmp_path):
    path = tmp_path / "journal.db"
    await write(path, *[intent(f"c{i}") for i in range(200)])
    whole = path.read_bytes()
    assert len(whole) > 40_000
    path.write_bytes(whole[:20_000])
    with pytest.raises(InvariantBroken, match="journal"):
        read(path)


def test_it_does_not_start_unread(tmp_path):
    with opened(tmp_path / "journal.db") as journal, pytest.raises(InvariantBroken, match="before it was read"):
        journal.start(asyncio.new_event_loop())


def test_it_does_not_take_what_it_cannot_write_yet(tmp_path):
    with opened(tmp_path / "journal.db") as journal, pytest.raises(InvariantBroken, match="not started"):
        journal.append(intent("a"))


def test_a_second_engine_is_told_who_is_there(tmp_path):
    with opened(tmp_path / "journal.db"):
        script = (
            "import sys; from pathlib import Path; from engine.storage.journal import Journal\n"
            "Journal(Path(sys.argv[1]), on_state=print)"
        )
        second = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "journal.db")], cwd=ROOT, capture_output=True, text=True
        )
    assert second.returncode != 0
    assert f"another engine (pid {os.getpid()}) works in this directory" in second.stderr
    with pytest.raises(ConfigError), opened(tmp_path / "journal.db"), opened(tmp_path / "journal.db"):
        pass
    read(tmp_path / "journal.db")  # the lease came back


@contextmanager
def locked(path: Path) -> Iterator[tuple[Journal, "asyncio.Queue[JournalState]", sqlite3.Connection]]:
    """A journal that begins to write while somebody else holds its file, and what it says of its state."""
    states: asyncio.Queue[JournalState] = asyncio.Queue()
    with opened(path, on_state=states.put_nowait, probe_every_ms=20) as journal:
        list(journal.read_all(0))
        journal.start(asyncio.get_running_loop())
        foreign = sqlite3.connect(path, isolation_level=None)
        foreign.execute("BEGIN IMMEDIATE")
        yield journal, states, foreign


async def test_a_foreign_lock_halts_and_its_end_is_noticed(tmp_path):
    path = tmp_path / "journal.db"
    with locked(path) as (journal, states, foreign):
        with pytest.raises(JournalFailed, match="locked"):
            await journal.append(intent("a"))
        down = await asyncio.wait_for(states.get(), 5)
        assert (down.writable, "locked" in down.reason) == (False, True)
        with pytest.raises(JournalFailed):
            await journal.append(intent("b"))
        foreign.execute("ROLLBACK")
        up = await asyncio.wait_for(states.get(), 5)
        assert up.writable
        assert await journal.append(intent("c")) == 1
        foreign.close()
    assert [recalled.orders[0].cid for recalled in read(path)] == ["c"]


async def test_notes_are_kept_while_the_disk_fails_and_written_once_after_it(tmp_path):
    """Found by chaos, seed 1005823: what a person had cancelled meanwhile went on after the next start."""
    path = tmp_path / "journal.db"
    with locked(path) as (journal, states, foreign):
        journal.note(OrderSent(cid="in the write that fails", seen_ns=1))
        refused = journal.append(intent("a"))
        journal.note(OrderSent(cid="behind it", seen_ns=2))
        with pytest.raises(JournalFailed):
            await refused
        journal.note(OrderSent(cid="while it fails", seen_ns=3))
        foreign.execute("ROLLBACK")
        assert not (await asyncio.wait_for(states.get(), 5)).writable
        assert (await asyncio.wait_for(states.get(), 5)).writable
        assert await journal.append(intent("b")) == 4
        foreign.close()
    *notes, last = read(path)
    assert [note.cid for note in notes] == ["in the write that fails", "behind it", "while it fails"]
    assert last.orders[0].cid == "b"


async def test_what_a_write_kept_although_it_failed_is_not_written_again(tmp_path):
    class Misread(SqliteDisk):
        """Says once that it failed although it is durable."""

        lies = True

        def write(self, rows: Sequence[Row], done: Done) -> None:
            says = "misread" if self.lies else ""
            self.lies = False
            super().write(rows, lambda reason: done(reason or says))

    path = tmp_path / "journal.db"
    states: asyncio.Queue[JournalState] = asyncio.Queue()
    with opened(path, on_state=states.put_nowait, probe_every_ms=20, disk=Misread(path)) as journal:
        list(journal.read_all(0))
        journal.start(asyncio.get_running_loop())
        journal.note(OrderSent(cid="durable", seen_ns=1))
        with pytest.raises(JournalFailed, match="misread"):
            await journal.append(intent("a"))
        assert not (await asyncio.wait_for(states.get(), 5)).writable
        assert (await asyncio.wait_for(states.get(), 5)).writable
        assert await journal.append(intent("b")) == 3
    kept = read(path)
    assert kept[0].cid == "durable" and [each.orders[0].cid for each in kept[1:]] == ["a", "b"]


def test_a_full_disk_halts_and_space_is_noticed(tmp_path):
    path = tmp_path / "journal.db"
    ran = subprocess.run(
        [sys.executable, str(HERE / "full_disk.py"), str(path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["writable"] == [False, True]
    assert told["refused_at_once"]
    cids = [event.cid for event in read(path)]
    assert (cids[0], cids[-1], "while full" in cids) == ("before", "after", False)


async def test_short_lives_do_not_leave_an_ever_longer_wal(tmp_path):
    """Each ends by a kill, long before it has written as many rows as a checkpoint waits for."""
    for life in range(24):
        if life:  # what the kill of the one before left
            shutil.copytree(tmp_path / str(life - 1), tmp_path / str(life), ignore=shutil.ignore_patterns("*.lock"))
        path = tmp_path / str(life) / "journal.db"
        path.parent.mkdir(exist_ok=True)
        journal = Journal(path, on_state=lambda state: None)
        list(journal.read_all(0))
        journal.start(asyncio.get_running_loop())
        for number in range(100):
            await journal.append(intent(f"{life}-{number}"))
        shutil.copytree(path.parent, tmp_path / f"{life}-killed")
        journal.close()
        shutil.rmtree(path.parent)
        (tmp_path / f"{life}-killed").rename(path.parent)
    left = path.with_name("journal.db-wal").stat().st_size
    assert len(read(path)) == 2_400
    assert left < 2 * 2_000 * 4_096


def test_every_acknowledged_append_outlives_kill_9(tmp_path):
    path = tmp_path / "journal.db"
    rng = random.Random(20261120)
    promised = -1
    for _ in range(20):
        last = kill_while_appending(path, promised + 1, pause_s=rng.uniform(0, 0.03), lines=rng.randint(1, 200))
        promised = max(promised, last)
        there = [int(event.cid[1:]) for event in read(path)]
        assert set(range(promised + 1)) <= set(there)
    assert promised > 200


def kill_while_appending(path: Path, first: int, pause_s: float, lines: int) -> int:
    """Run a writer until it has acknowledged `lines` entries and a little more, kill it; its last promise."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(HERE / "journal_writer.py"), str(path), str(first)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    assert writer.stdout is not None
    heard = b"".join(writer.stdout.readline() for _ in range(lines))
    try:
        writer.wait(pause_s)
        raise AssertionError(f"the writer ended by itself: {writer.returncode}")
    except subprocess.TimeoutExpired:
        writer.send_signal(signal.SIGKILL)
    heard += writer.stdout.read()
    writer.wait()
    return int(heard.split()[-1])


async def test_a_confirm_is_kept_with_its_actor(tmp_path):
    tap = Commanded(
        request_id="r", actor="telegram:1", role="trader", command=Confirm(token="t", user_id=1, chat_id=1), seen_ns=3
    )
    await write(tmp_path / "journal.db", tap, mono_ns=lambda: 3)
    assert read(tmp_path / "journal.db", now_ns=3) == [tap]
