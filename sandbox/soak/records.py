"""What the engine left on disk, read without the engine: its journal (chain checked anew) and its store."""

import hashlib
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field


class Journaled(Struct):
    """The journal as far as the proof needs it."""

    entries: int = 0
    broken: str = ""  # where the chain does not hold
    plans: dict[str, dict[str, Any]] = field(default_factory=dict)  # trade id -> plan
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)  # client id -> request
    first: set[str] = field(default_factory=set)  # client ids of a trade's first record
    intent_ms: dict[str, int] = field(default_factory=dict)  # client id -> when it was to be written
    sent_ms: dict[str, int] = field(default_factory=dict)  # client id -> when it was handed to the socket
    repeated: list[str] = field(default_factory=list)  # client ids planned or sent twice


def our_id(venue: str, client_id: str) -> str:
    """The desk's own client id: Gate's dialect wants a prefix before it."""
    return client_id.removeprefix("t-") if venue == "gate" else client_id


def read_journal(path: Path) -> Journaled:
    """Every row of the journal, in order. A chain that does not hold is named, never raised."""
    found = Journaled()
    chained = bytes(32)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as sql:
        rows = sql.execute(
            "SELECT seq, run, kind, wall_ms, mono_ns, CAST(payload AS BLOB), hash FROM entries ORDER BY seq"
        )
        for seq, run, kind, wall_ms, mono_ns, payload, stored in rows:
            found.entries += 1
            head = f"{seq}|{run}|{kind}|{wall_ms}|{mono_ns}|".encode()
            chained = hashlib.sha256(chained + head + payload).digest()
            if (seq, chained) != (found.entries, stored) and not found.broken:
                found.broken = f"entry {seq} (number {found.entries})"
            _take(found, msgspec.json.decode(payload), wall_ms)
        named = sql.execute("SELECT seq, hash FROM head").fetchone()
    if found.entries and tuple(named) != (found.entries, chained):
        found.broken = found.broken or f"the head names entry {named[0]}, there are {found.entries}"
    return found


def _take(found: Journaled, entry: dict[str, Any], wall_ms: int) -> None:
    if entry["type"] == "Submit":
        plan = entry["plan"]
        if plan is not None:
            found.plans[plan["trade_id"]] = plan
        for request in entry["orders"]:
            if request["cid"] in found.orders:
                found.repeated.append(request["cid"])
            found.orders[request["cid"]] = request
            found.intent_ms[request["cid"]] = wall_ms
            if plan is not None:
                found.first.add(request["cid"])
    elif entry["type"] == "OrderSent":
        if entry["cid"] in found.sent_ms:
            found.repeated.append(entry["cid"])
        found.sent_ms[entry["cid"]] = wall_ms


class StoredTrade(Struct):
    state: str
    outcome: str
    net_krw: Decimal


def read_trades(path: Path) -> dict[str, StoredTrade]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as sql:
        rows = sql.execute("SELECT id, state, outcome, net_krw FROM trades").fetchall()
    return {row[0]: StoredTrade(row[1], row[2], Decimal(str(row[3]))) for row in rows}


def read_refusals(path: Path) -> dict[str, str]:
    """Refusal id -> rule."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as sql:
        return dict(sql.execute("SELECT id, rule FROM refusals").fetchall())


def recorded_refusals(log: Path) -> set[str]:
    """Ids of the refusals that the engine's newest life asked to store, from its event log."""
    found: set[str] = set()
    with log.open("rb") as lines:
        for line in lines:
            if b'{"event":{"type":"Started"' in line:
                found.clear()
            if b'"table":"refusals"' in line and line.endswith(b"\n"):
                effects = msgspec.json.decode(line)["effects"]
                found |= {effect["key"] for effect in effects if effect.get("table") == "refusals"}
    return found


def read_entries(path: Path) -> list[dict[str, Any]]:
    """Every entry of the journal, in order, as it was written."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as sql:
        rows = sql.execute("SELECT CAST(payload AS BLOB) FROM entries ORDER BY seq").fetchall()
    return [msgspec.json.decode(row[0]) for row in rows]
