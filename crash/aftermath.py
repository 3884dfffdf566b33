"""What one end left behind, read before the next life begins: journal against venues."""

import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec import Struct

from sandbox.soak.records import Journaled, read_entries, read_journal


class Aftermath(Struct, kw_only=True):
    """`without_intent`: orders at a venue that the journal does not know. `found`: how far the desk had come."""

    journal: Journaled
    found: str
    without_intent: list[str]


def look(data: Path, scratch: Path, at_venues: Iterable[str]) -> Aftermath:
    """Reads a copy: opening the journal itself would be a recovery. `at_venues`: client ids of all orders there."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for name in ("journal.db", "journal.db-wal"):
        if (data / name).exists():
            shutil.copy(data / name, scratch / name)
    if not _has_tables(scratch / "journal.db"):
        return Aftermath(journal=Journaled(), found="no journal yet", without_intent=sorted(at_venues))
    placed = set(at_venues)
    journal = read_journal(scratch / "journal.db")
    found = _stage(list(read_entries(scratch / "journal.db")), placed)
    return Aftermath(journal=journal, found=found, without_intent=sorted(placed - set(journal.orders)))


def _has_tables(path: Path) -> bool:
    """A first life may have ended before its journal had all of them."""
    with closing(sqlite3.connect(path)) as sql:
        names = {name for (name,) in sql.execute("SELECT name FROM sqlite_master")}
    return {"entries", "head"} <= names


def _stage(entries: list[dict[str, Any]], placed: set[str]) -> str:
    """The most delicate thing that was under way."""
    orders: dict[str, str] = {}  # client id -> trade
    ended, sent, answered = set[str](), set[str](), set[str]()
    for entry in entries:
        match entry["type"]:
            case "Submit":
                orders |= {request["cid"]: request["trade_id"] for request in entry["orders"]}
            case "TradeSettled":
                ended.add(entry["trade_id"])
            case "OrderSent":
                sent.add(entry["cid"])
            case "OrderReported":
                answered.add(entry["report"]["cid"])
            case "OrderRefused" | "OrderNotSent":
                answered.add(entry["cid"])
    live = {cid for cid, trade in orders.items() if trade not in ended}
    silent = live - answered
    if silent & placed:
        return "one leg at its venue, unanswered" if len(silent & placed) < len(live) else "at the venue, unanswered"
    if silent & sent:
        return "sent, not at the venue"
    if silent:
        return "intended, not sent"
    return "answered, not settled" if live else "nothing under way"
