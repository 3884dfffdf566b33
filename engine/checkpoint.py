"""`python -m engine.checkpoint`: folds the journal into a checkpoint while the desk runs, in a process of its own.

A month of 1,000 trades a day is 270,000 entries: a minute of reading at a start. The journal itself is only read here
and stays whole; what the next start leaves out are the entries of trades that ended long ago.
"""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

from engine.assemble import core_config
from engine.config import Config, load
from engine.core import past
from engine.core.state import State
from engine.core.step import step
from engine.domain.effect import LatchChanged
from engine.domain.errors import InvariantBroken
from engine.domain.event import (
    CancelRefused,
    Commanded,
    IntentJournaled,
    LedgerOpened,
    OrderLost,
    OrderMissing,
    OrderNotSent,
    OrderRefused,
    OrderReported,
    OrderSent,
    ParentMoved,
    ParentOpened,
    PastRecalled,
    Started,
    TradeSettled,
)
from engine.domain.margin_event import FundingBooked, HedgeLost, MarginAligned
from engine.domain.order import TradeState
from engine.storage import checkpoint
from engine.storage.checkpoint import Carried, Checkpoint
from engine.storage.disk import Disk, ReadOnlyDisk
from engine.storage.journal import Journal, Recalled

log = logging.getLogger(__name__)

KEEP_MS = 2 * 3_600_000  # so long after its end a trade is read again: late evidence comes within minutes
KEEP_TRADES = 200  # and so many of the newest, for the lists that people see and rows that a kill took
_SUMMED = LedgerOpened | PastRecalled | FundingBooked | MarginAligned  # wholly in the sums of a checkpoint
_FIRST_S = 120.0  # a start has better things to do
_EVERY_S = 1_800.0
_WORTH_ENTRIES = 2_000  # fewer new ones are read within a second


def fold(
    config: Config, disk: Disk, path: Path, known: Checkpoint | None, wall_ms: int, keep_trades: int = KEEP_TRADES
) -> Checkpoint:
    """All that `disk` holds as one checkpoint, from `known` on. Raises InvariantBroken where it is not sound."""
    journal = Journal(path, on_state=lambda _: None, disk=disk, checkpoint=known)
    state = State(core_config(config))
    now_ns = time.monotonic_ns()
    offset_ms = utc_offset_ms(config.time_zone, wall_ms)
    begin = Started(instance=config.instance, seed=0, wall_ms=wall_ms, utc_offset_ms=offset_ms, seen_ns=now_ns)
    step(state, begin)
    rows: list[tuple[Carried, str]] = []  # with what it is about
    for row, recalled in journal.read_rows(now_ns):
        if isinstance(recalled, LatchChanged | Commanded):
            continue  # a start passes over them, too
        step(state, recalled)
        if row is not None and not isinstance(recalled, _SUMMED):
            rows.append((row, _subject(state, recalled)))
    kept = set(_kept(state, wall_ms, keep_trades))
    carried = tuple(row for row, subject in rows if subject in kept)
    head, runs = disk.head(), journal.runs
    ends = {run: runs[run] for run in sorted({row.run for row in carried} | {max(runs, default=0)} & runs.keys())}
    return Checkpoint(seq=head.seq, hash=head.hash, ends=ends, carried=carried, past=past.take(state))


def _subject(state: State, recalled: Recalled) -> str:
    """The trade, or the person's order, that an entry is about."""
    match recalled:
        case IntentJournaled():
            return recalled.orders[0].trade_id
        case TradeSettled() | HedgeLost():
            return recalled.trade_id
        case ParentOpened():
            return recalled.plan.parent_id
        case ParentMoved():
            return recalled.move.parent_id
        case OrderReported():
            return _owner(state, recalled.report.cid)
        case LedgerOpened() | PastRecalled() | LatchChanged() | Commanded() | FundingBooked() | MarginAligned():
            return ""
        case OrderSent() | OrderNotSent() | OrderRefused() | OrderLost() | OrderMissing() | CancelRefused():
            return _owner(state, recalled.cid)
        case _:
            raise InvariantBroken(f"{type(recalled).__name__}: nobody has said yet how it is folded")


def _owner(state: State, cid: str) -> str:
    found = state.orders.get(cid)
    return found[0].plan.trade_id if found is not None else ""


def _kept(state: State, wall_ms: int, keep_trades: int) -> Iterator[str]:
    """What the next start reads again: all that is not over, and what was over only lately."""
    yield from state.parents.all
    newest = {trade.plan.trade_id for trade in islice(reversed(state.trades.values()), keep_trades)}
    for trade in state.trades.values():
        has_ended = trade.state is TradeState.CLOSED and trade.settled and trade.plan.trade_id not in state.hedged
        is_old = has_ended and wall_ms - trade.closed_ms > KEEP_MS
        if not is_old or trade.plan.parent_id in state.parents.all or trade.plan.trade_id in newest:
            yield trade.plan.trade_id


def utc_offset_ms(time_zone: str, wall_ms: int) -> int:
    """Of that moment."""
    now = datetime.fromtimestamp(wall_ms / 1_000, UTC)
    return int((now.astimezone(ZoneInfo(time_zone)).utcoffset() or timedelta()).total_seconds() * 1_000)


async def fold_now_and_then(journal: Path, directory: Path, overlays: Sequence[Path]) -> None:
    """While the desk runs: a checkpoint whenever it would be worth it."""
    call = [sys.executable, "-m", "engine.checkpoint", str(journal), str(directory), *map(str, overlays)]
    await asyncio.sleep(_FIRST_S)
    while True:
        try:
            process = await asyncio.create_subprocess_exec(*call)
        except OSError as error:  # no memory, no descriptor: the next start reads longer, this life goes on
            log.error("checkpoint_not_begun error=%s", error)
        else:
            try:
                await process.wait()
            finally:
                if process.returncode is None:
                    process.kill()
        await asyncio.sleep(_EVERY_S)


def main(journal: Path, directory: Path, overlays: Sequence[Path]) -> int:
    """One look. Exit code 1 where the journal is not sound: the next start says the same, louder."""
    os.nice(19)
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s %(message)s")
    disk = ReadOnlyDisk(journal)
    at = checkpoint.beside(journal)
    known = checkpoint.read(at)
    if disk.head().seq - (known.seq if known is not None else 0) < _WORTH_ENTRIES:
        return 0
    began = time.monotonic()
    try:
        made = fold(load(directory, tuple(overlays)), disk, journal, known, time.time_ns() // 1_000_000)
        checkpoint.write(at, made)
    except (InvariantBroken, OSError) as error:
        log.error("checkpoint_failed error=%s", error)
        return 1
    log.info("checkpoint seq=%d carried=%d s=%.1f", made.seq, len(made.carried), time.monotonic() - began)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), [Path(overlay) for overlay in sys.argv[3:]]))
