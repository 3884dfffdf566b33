"""After the storm: what must hold between the venues' own accounts, the journal, the store and the desk."""

import asyncio
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from msgspec import Struct

from sandbox.soak.records import (
    Journaled,
    StoredTrade,
    our_id,
    read_journal,
    read_refusals,
    read_trades,
    recorded_refusals,
)
from sandbox.soak.run import Soak
from sandbox.stage import Stage

ZERO = Decimal(0)
_DUST_KRW = 16_000  # two legs apart by less than the larger of the venues' minimums (10 USDT) cannot be repaired
_PNL_KRW = Decimal(1)  # rounding of a trade's result
_REDUCES = ("unwind", "flatten")


class Placed(Struct):
    """One order as the venue has it."""

    venue: str
    cid: str
    side: int  # +1 bought, -1 sold
    filled: Decimal
    funds: Decimal
    fee: Decimal
    fee_asset: str


class Proof:
    """`violations` is empty when everything held; `figures` are what the run amounts to."""

    def __init__(self, stage: Stage, soak: Soak) -> None:
        self._stage = stage
        self._soak = soak
        self.violations: list[str] = []
        self.figures: dict[str, object] = {}

    async def take(self) -> None:
        """Reads the desk while it runs, then its files after a clean stop."""
        rows = await self._soak.world("orders")
        placed = [_placed(venue, row) for venue, all_ in rows.items() for row in all_]
        await self._ledger()
        self._life()
        await self._stage.engine.stop()
        data = self._stage.data_dir
        journal, trades = read_journal(data / "journal.db"), read_trades(data / "premia.db")
        self._journal(journal, placed)
        self._halts(journal)
        self._trades(journal, trades, placed)
        if (data / "events.jsonl").exists():
            self._refusals()
            await self._replay()
        self.figures["open_at_venues"] = sum(row["state"] == "open" for all_ in rows.values() for row in all_)
        if self.figures["open_at_venues"]:
            self.violations.append(f"{self.figures['open_at_venues']} orders still rest at the venues")

    def _hold(self, what: str, breaches: list[str]) -> None:
        """Keep the first few breaches of one law."""
        if breaches:
            self.violations.append(f"{what}: {len(breaches)}: {'; '.join(breaches[:5])}")

    async def _ledger(self) -> None:
        """Ledger minus the venue's own account, per venue and asset."""
        accounts = await self._soak.world("accounts")
        apart = []
        for row in await self._soak.door.get("/balances"):
            held = accounts[row["venue"]].values()
            total = sum((Decimal(assets.get(row["asset"], {"total": "0"})["total"]) for assets in held), ZERO)
            if Decimal(row["ledger"]) != total:
                apart.append(f"{row['venue']} {row['asset']} {Decimal(row['ledger']) - total:+f}")
        self.figures["ledger_differences"] = len(apart)
        self._hold("ledger differs from the venue's account", apart)

    def _life(self) -> None:
        soak = self._soak
        self._hold("the engine ended by itself", soak.deaths)
        self._hold("not resumed within 25 s", soak.not_resumed)
        if soak.not_settled:
            self.violations.append(f"not settled: {soak.not_settled}")

    def _journal(self, journal: Journaled, placed: list[Placed]) -> None:
        self.figures["journal_entries"] = journal.entries
        if journal.broken:
            self.violations.append(f"the journal's chain is broken at {journal.broken}")
        self._hold("planned or sent twice", journal.repeated)
        self._hold("an order that no intent names", [p.cid for p in placed if p.cid not in journal.orders])
        often = Counter((p.venue, p.cid) for p in placed)
        self._hold("placed twice", [f"{venue} {cid}" for (venue, cid), count in often.items() if count > 1])
        self.figures["orders_planned"] = len(journal.orders)
        self.figures["orders_at_venues"] = len(placed)

    def _halts(self, journal: Journaled) -> None:
        breaches = []
        for halted in self._soak.halts:
            for cid, sent_ms in journal.sent_ms.items():
                request = journal.orders[cid]
                until_ms = halted.to_ms or sent_ms + 1
                if halted.from_ms < sent_ms < until_ms and not _allowed(halted.level, request, cid in journal.first):
                    late = sent_ms - halted.from_ms
                    breaches.append(f"{request['role']} {cid} sent {late} ms after a halt at L{halted.level}")
        self._hold("sent while halted", breaches)

    def _trades(self, journal: Journaled, stored: dict[str, StoredTrade], placed: list[Placed]) -> None:
        by_trade: dict[str, list[tuple[dict[str, Any], Placed]]] = defaultdict(list)
        for order in placed:
            if order.cid in journal.orders:
                request = journal.orders[order.cid]
                by_trade[request["trade_id"]].append((request, order))
        ended = ("closed", "dead_letter")
        self._hold("without a row", [name for name in journal.plans if name not in stored])
        self._hold("not ended", [f"{name} {t.state}" for name, t in stored.items() if t.state not in ended])
        exposed, wrong, total, stored_total = [], [], ZERO, ZERO
        for name, plan in journal.plans.items():
            row = stored.get(name)
            if row is None:
                continue
            naked, net = _result(plan, by_trade[name])
            total, stored_total = total + net, stored_total + row.net_krw
            if len(plan["legs"]) > 1 and row.outcome != "dead_letter" and abs(naked * _mark(plan)) > _DUST_KRW:
                exposed.append(f"{name} {naked} {plan['legs'][0]['base']} ({row.outcome})")
            if abs(net - row.net_krw) > _PNL_KRW:
                wrong.append(f"{name} {row.net_krw:.2f} instead of {net:.2f}")
        self._hold("closed with an exposure", exposed)
        self._hold("P&L differs from the venues' cash", wrong)
        self.figures["trades"] = len(journal.plans)
        self.figures["outcomes"] = dict(Counter(trade.outcome for trade in stored.values()))
        self.figures["pnl_krw"] = {"stored": f"{stored_total:.2f}", "from_venues": f"{total:.2f}"}

    def _refusals(self) -> None:
        data = self._stage.data_dir
        stored, asked = read_refusals(data / "premia.db"), recorded_refusals(data / "events.jsonl")
        self._hold("refusals not stored", sorted(asked - set(stored)))
        self.figures["refusals"] = dict(Counter(stored.values()).most_common())

    async def _replay(self) -> None:
        overlay = ["--config", "configs", "--overlay", str(self._stage.overlay_path)]
        log = str(self._stage.data_dir / "events.jsonl")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "engine", "replay", log, *overlay),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        text = said.decode("utf-8", "replace").strip()
        self.figures["replay"] = text.splitlines()[-1][:300] if text else ""
        if process.returncode:
            self.violations.append(f"replay differs: {text[:1500]}")


def _placed(venue: str, row: dict[str, Any]) -> Placed:
    return Placed(
        venue=venue,
        cid=our_id(venue, row["client_id"]),
        side=1 if row["side"] == "bid" else -1,
        filled=Decimal(row["filled"]),
        funds=Decimal(row["funds"]),
        fee=Decimal(row["fee"]),
        fee_asset=row["fee_asset"],
    )


def _allowed(level: int, request: dict[str, Any], is_first: bool) -> bool:
    """domain.md §13: L1 lets running trades finish, L2 nothing, L3 what reduces an exposure."""
    if level == 1:
        return not is_first
    return level == 3 and request["role"] in _REDUCES


def _mark(plan: dict[str, Any]) -> Decimal:
    """KRW per base that is left over: what buying it was planned to cost."""
    legs: list[dict[str, Any]] = [leg for leg in plan["legs"] if leg["side"] == "buy"] or plan["legs"]
    return Decimal(legs[0]["planned_vwap"]) * Decimal(legs[0]["quote_krw"])


def _result(plan: dict[str, Any], orders: list[tuple[dict[str, Any], Placed]]) -> tuple[Decimal, Decimal]:
    """(naked base, net KRW) from the venues' own records: cash at the plan's rates, the rest at the mark."""
    return (
        sum((base for base, _ in _moves(plan, orders)), ZERO),
        sum((base * _mark(plan) + krw for base, krw in _moves(plan, orders)), ZERO),
    )


def _moves(plan: dict[str, Any], orders: list[tuple[dict[str, Any], Placed]]) -> Iterator[tuple[Decimal, Decimal]]:
    """Per order (base received, KRW received), both net of fees."""
    for request, order in orders:
        leg = plan["legs"][request["leg"]]
        base_fee = order.fee if order.fee_asset == leg["base"] else ZERO
        quote_fee = order.fee if order.fee_asset == leg["quote"] else ZERO
        quote = -order.side * order.funds - quote_fee
        yield order.side * order.filled - base_fee, quote * Decimal(leg["quote_krw"])
