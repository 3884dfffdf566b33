"""What a durable intent costs: `python -m bench.journal --json`; the peer writes it through SQLAlchemy + aiosqlite."""

import argparse
import asyncio
import json
import sqlite3
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from engine.domain.effect import Submit
from engine.domain.errors import JournalFailed
from engine.domain.event import JournalState
from engine.domain.order import LegRole, OrderRequest, Side, TimeInForce
from engine.storage.journal import Journal

GROUP = 64
PEER = "sqlalchemy+aiosqlite"


def intent(number: int) -> Submit:
    """Two legs, as a trade's first record has them."""
    orders = tuple(
        OrderRequest(
            cid=f"pm{number:022d}{leg}",
            trade_id=f"t{number}",
            leg=leg,
            role=LegRole.ENTRY,
            venue=venue,
            symbol=symbol,
            side=side,
            qty=Decimal("0.01234500"),
            price=price,
            tif=TimeInForce.IOC,
        )
        for leg, (venue, symbol, side, price) in enumerate(
            (
                ("binance", "BTCUSDT", Side.BUY, Decimal("60012.34")),
                ("upbit", "KRW-BTC", Side.SELL, Decimal("84120000")),
            )
        )
    )
    return Submit(plan=None, orders=orders, trigger_ns=number)


def halted(state: JournalState) -> None:
    raise JournalFailed(state.reason)


async def peer_engine(path: Path) -> AsyncEngine:
    """The same durability: WAL with synchronous = FULL."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")

    @event.listens_for(engine.sync_engine, "connect")
    def _durable(connection: Any, _: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE entries (seq INTEGER PRIMARY KEY, payload BLOB NOT NULL)"))
    return engine


async def peer_append(engine: AsyncEngine, intents: list[Submit]) -> None:
    rows = [{"payload": msgspec.json.encode(entry)} for entry in intents]
    async with engine.begin() as connection:
        await connection.execute(text("INSERT INTO entries (payload) VALUES (:payload)"), rows)


async def ours_append(journal: Journal, intents: list[Submit]) -> None:
    for promise in [journal.append(entry) for entry in intents]:
        await promise


def percentiles(samples_us: list[float]) -> dict[str, float]:
    ordered = sorted(samples_us)
    return {"p50": round(ordered[len(ordered) // 2], 1), "p99": round(ordered[int(len(ordered) * 0.99)], 1)}


async def measure(directory: Path, rounds: int) -> dict[str, Any]:
    journal = Journal(directory / "journal.db", on_state=halted)
    for _ in journal.read_all(0):
        pass
    journal.start(asyncio.get_running_loop())
    peer = await peer_engine(directory / "peer.db")
    cases = []
    for case, size, count in (("one durable intent", 1, rounds), (f"group of {GROUP} intents", GROUP, rounds // 10)):
        ours, theirs = [], []
        for turn in range(-20, count):  # the first 20 warm both up; the two take turns
            intents = [intent(20 * size + turn * size + i) for i in range(size)]
            began = time.perf_counter_ns()
            await ours_append(journal, intents)
            between = time.perf_counter_ns()
            await peer_append(peer, intents)
            if turn >= 0:
                ours.append((between - began) / 1e3)
                theirs.append((time.perf_counter_ns() - between) / 1e3)
        mine, other = percentiles(ours), percentiles(theirs)
        cases.append(
            {
                "case": case,
                "unit": "us",
                "ours": mine,
                "peers": {PEER: other},
                "ratio": {PEER: round(other["p50"] / mine["p50"], 2)},
            }
        )
    journal.close()
    await peer.dispose()
    cases.append({"case": "read back and verify, per entry", "unit": "us", **read_back(directory / "journal.db")})
    return {"bench": "journal", "sqlite": sqlite3.sqlite_version, "cases": cases}


def read_back(path: Path) -> dict[str, Any]:
    journal = Journal(path, on_state=halted)
    began = time.perf_counter_ns()
    count = sum(1 for _ in journal.read_all(0))
    each_us = round((time.perf_counter_ns() - began) / 1e3 / count, 2)
    journal.close()
    return {"ours": {"p50": each_us, "p99": each_us}, "peers": {}, "ratio": {}, "entries": count}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--rounds", type=int, default=2_000)
    parser.add_argument("--dir", type=Path, default=None, help="where to write: durability costs what this disk costs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as directory:
        result = asyncio.run(measure(Path(directory), options.rounds))
    if not options.json:
        for case in result["cases"]:
            print(f"{case['case']:34} {case['ours']}  peers {case['peers']}  ratio {case['ratio']}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
