"""A start from a checkpoint and one from the whole journal are the same start, wherever the fold was made."""

import hashlib
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from engine.assemble import core_config
from engine.checkpoint import KEEP_MS, fold
from engine.core import past
from engine.core.state import State
from engine.core.step import step
from engine.domain.command import IssueToken
from engine.domain.effect import LatchChanged
from engine.domain.event import Commanded, Started
from engine.storage import checkpoint
from engine.storage.checkpoint import Checkpoint
from engine.storage.disk import GENESIS, Done, Head, Row
from engine.storage.journal import Journal
from tests.core.harness import USER, Rig
from tests.core.markets import SEOUL_MS
from tests.core.venue_model import Outcome

NOWHERE = Path("journal.db")
LATER_MS = KEEP_MS + 60_000  # everything that has ended by now ended long ago
FILLS = Outcome()
HALF = Outcome(fill=Decimal("0.5"))
NOTHING = Outcome(fill=Decimal(0))
REFUSED = Outcome(answer="refused")
LOST = Outcome(answer="lost")
NEVER_CAME = Outcome(answer="lost", reaches=False)
OUTCOMES = (FILLS, HALF, NOTHING, REFUSED, LOST, NEVER_CAME)
KEY = "kimchi:BTC:binance>upbit"


class ListDisk:
    """A disk that is only read."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def head(self) -> Head:
        return Head(self._rows[-1].seq, self._rows[-1].hash) if self._rows else Head(0, GENESIS)

    def ends(self, since: int = 0) -> dict[int, int]:
        return {row.run: row.mono_ns for row in self.rows(since)}

    def rows(self, since: int = 0) -> Iterator[Row]:
        return (row for row in self._rows if row.seq >= since)

    def start(self, _: object) -> None: ...
    def write(self, rows: Sequence[Row], done: Done) -> None: ...
    def probe(self, done: Done) -> None: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...


def rows_of(rig: Rig) -> list[Row]:
    rows, chained = [], GENESIS
    for seq, (run, mono_ns, payload) in enumerate(rig.journal.saved, 1):
        chained = hashlib.sha256(chained + f"{seq}|{run}|event|0|{mono_ns}|".encode() + payload).digest()
        rows.append(Row(seq, run, "event", 0, mono_ns, payload, chained))
    return rows


def attempt(rig: Rig, outcomes: list[Outcome]) -> None:
    """A premium and a tap, where the desk wishes it and its limits let it."""
    rig.set_book("upbit", "KRW-BTC", 141_400_000)
    found = rig.state.by_key.get(KEY)
    if found is None:
        return
    rig.outcomes.clear()
    rig.outcomes.extend(outcomes)
    issued = rig.ask(
        IssueToken(token=f"tok{rig.now_ns}", opportunity_id=found.id, user_id=USER, chat_id=USER, fraction=Decimal(1))
    )
    if issued.ok:
        rig.tap(f"tok{rig.now_ns}")


def busy_days(seed: int) -> Rig:
    """Trades of every outcome, kills between and within them; perhaps a dead letter, or one under way at the end."""
    random = Random(seed)
    rig = Rig().ready()
    for _ in range(random.randint(3, 6)):
        attempt(rig, random.choices(OUTCOMES, k=random.randint(0, 5)))
        rig.run_for(random.choice((0.5, 8, 60, 5_000)))
        if random.random() < 0.4:
            rig.loses_tail = random.random() < 0.5
            rig.restart()
        if random.random() < 0.9:
            rig.settle()
        rig.run_for(random.choice((1_000, 10_000, 40_000)))
    rig.journal.save()
    return rig


def start(rig: Rig, rows: Sequence[Row], found: Checkpoint | None, wall_ms: int) -> tuple[State, int]:
    """A State that has read the journal, and up to which entry the checkpoint stood for it."""
    state = State(core_config(rig.config))
    step(state, Started(instance="premia-1", seed=0, wall_ms=wall_ms, utc_offset_ms=SEOUL_MS, seen_ns=rig.now_ns))
    journal = Journal(NOWHERE, on_state=lambda _: None, disk=ListDisk(rows), checkpoint=found)
    for event in journal.read_all(rig.now_ns):
        if not isinstance(event, LatchChanged | Commanded):
            step(state, event)
    return state, journal.folded


def picture(state: State, trades: set[str]) -> dict[str, Any]:
    """All that a start goes on with, of these trades."""
    return {
        "past": past.take(state),
        "live": [trade for trade in state.live_trades.values()],
        "trades": {name: trade for name, trade in state.trades.items() if name in trades},
        "blocked": state.blocked_keys,
        "opened": {name: held.opened for name, held in state.venues.items()},
        "available": state.available,
        "reserved": {
            (name, asset): state.reservations.total(name, asset)
            for name in state.venues
            for asset in state.ledger.assets(name)
        },
    }


@pytest.mark.parametrize("seed", range(12))
def test_a_checkpoint_changes_nothing_that_a_start_goes_on_with(seed: int):
    rig = busy_days(seed)
    rows, wall_ms, random = rows_of(rig), rig.wall_ms + LATER_MS, Random(seed)
    cuts = sorted(random.sample(range(1, len(rows) + 1), 2))
    found: Checkpoint | None = None
    for cut in cuts:  # the second goes on from the first
        found = fold(rig.config, ListDisk(rows[:cut]), NOWHERE, found, wall_ms, keep_trades=0)
        whole, _ = start(rig, rows, None, wall_ms)
        short, folded = start(rig, rows, found, wall_ms)
        assert folded in (0, cut)
        assert picture(short, set(short.trades)) == picture(whole, set(short.trades))
        assert set(whole.live_trades) | set(whole.blocked_keys.values()) <= set(short.trades)


def test_what_ended_long_ago_is_left_out_and_the_newest_is_not():
    rig = Rig().ready()
    while len(rig.state.trades) < 3:
        attempt(rig, [])
        rig.settle()
        rig.run_for(10_000)
    names = list(rig.state.trades)
    rig.journal.save()
    rows, wall_ms = rows_of(rig), rig.wall_ms + LATER_MS
    found = fold(rig.config, ListDisk(rows), NOWHERE, None, wall_ms, keep_trades=1)
    short, folded = start(rig, rows, found, wall_ms)
    assert folded == len(rows)
    assert list(short.trades) == names[-1:]
    young = fold(rig.config, ListDisk(rows), NOWHERE, None, rig.wall_ms, keep_trades=0)
    assert list(start(rig, rows, young, wall_ms)[0].trades) == names


def test_late_word_on_a_trade_that_was_folded_away_takes_the_whole_journal():
    rig = Rig().ready()
    rig.execute()
    rig.settle()
    rig.journal.save()
    first = rows_of(rig)
    found = fold(rig.config, ListDisk(first), NOWHERE, None, rig.wall_ms + LATER_MS, keep_trades=0)
    report = next(payload for _, _, payload in rig.journal.saved if b'"OrderReported"' in payload)
    rig.journal.saved.append((rig.run, rig.now_ns, report))
    state, folded = start(rig, rows_of(rig), found, rig.wall_ms + LATER_MS)
    assert folded == 0
    assert len(state.trades) == 1


def test_a_checkpoint_that_is_torn_or_of_another_journal_is_not_used(tmp_path: Path):
    rig = Rig().ready()
    rig.execute()
    rig.settle()
    rig.journal.save()
    rows = rows_of(rig)
    made = fold(rig.config, ListDisk(rows), NOWHERE, None, rig.wall_ms, keep_trades=0)
    at = tmp_path / "journal.db.checkpoint"
    assert checkpoint.read(at) is None
    checkpoint.write(at, made)
    assert checkpoint.read(at) == made
    whole = at.read_bytes()
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        at.write_bytes(whole[:size])
        assert checkpoint.read(at) is None
    at.write_bytes(whole.replace(b'"pnl_total_krw":"', b'"pnl_total_krw":"1', 1))
    assert checkpoint.read(at) is None
    other = [row._replace(hash=bytes(32)) for row in rows]
    journal = Journal(NOWHERE, on_state=lambda _: None, disk=ListDisk(other), checkpoint=made)
    assert not journal._holds(made)
