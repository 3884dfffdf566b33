"""The sweep cancels what the journal knows as ours, and leaves every other order of the account alone."""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from engine.domain.effect import Submit
from engine.domain.errors import JournalFailed, VenueRefused, VenueUnavailable
from engine.domain.order import LegRole, OrderReport, OrderRequest, OrderStatus, Side, TimeInForce
from engine.storage.journal import Journal
from engine.storage.own_orders import OwnOrders
from engine.venues.protocol import Orders
from engine.watchdog.sweep import Cleaning, Swept, sweep


def request(cid: str, venue: str) -> OrderRequest:
    return OrderRequest(
        cid=cid,
        trade_id="t1",
        leg=0,
        role=LegRole.ENTRY,
        venue=venue,
        symbol="BTC",
        side=Side.BUY,
        qty=Decimal("0.01"),
        price=Decimal(100),
        tif=TimeInForce.GTC,
    )


async def journaled(path: Path, *orders: OrderRequest) -> OwnOrders:
    """What the watchdog reads: the file that the engine's journal has written."""
    with closing(Journal(path, on_state=lambda state: None)) as journal:
        list(journal.read_all(0))
        journal.start(asyncio.get_running_loop())
        await journal.append(Submit(plan=None, orders=orders, trigger_ns=1))
    own = OwnOrders(path)
    own.refresh()
    return own


class Account:
    """One account at a venue: what rests in it, by client id ("" where it was opened without one)."""

    late_acceptance_ms = 0

    def __init__(self, venue: str, *cids: str) -> None:
        self.venue = venue
        self.open = [(cid, f"v{number}") for number, cid in enumerate(cids)]
        self.cancelled: list[tuple[str, str]] = []
        self.is_down = False
        self.refuses = ""  # this order is said to be gone already

    async def server_time_ms(self) -> int:
        if self.is_down:
            raise VenueUnavailable(f"{self.venue} is down")
        return 0

    async def open_orders(self) -> Sequence[OrderReport]:
        return [
            OrderReport(
                cid=cid,
                venue=self.venue,
                symbol="BTC",
                side=Side.BUY,
                status=OrderStatus.OPEN,
                venue_order_id=venue_order_id,
                filled_qty=Decimal(0),
                filled_quote=Decimal(0),
                fees=(),
            )
            for cid, venue_order_id in self.open
        ]

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> None:
        self.cancelled.append((cid, venue_order_id))
        if cid == self.refuses:
            raise VenueRefused("filled", "done already")
        self.open.remove((cid, venue_order_id))

    def __getattr__(self, name: str) -> Any:
        if name in ("waiting_stops", "cancel_stop", "look_up_stop"):  # it is asked whether it keeps stops apart
            raise AttributeError(name)
        raise AssertionError(f"the watchdog asked for {name}: it only looks and cancels")


def at(account: Account) -> Orders:
    return cast("Orders", account)


async def test_ours_are_cancelled_and_a_persons_own_stay(tmp_path: Path):
    own = await journaled(tmp_path / "journal.db", request("a1", "upbit"), request("a2", "upbit"))
    account = Account("upbit", "a1", "", "by-hand-7", "a2", "A1", "a1-")
    assert await sweep(at(account), own) == Swept(found=2, asked=2, foreign=4)
    assert [cid for cid, _ in account.cancelled] == ["a1", "a2"]
    assert [cid for cid, _ in account.open] == ["", "by-hand-7", "A1", "a1-"]
    assert await sweep(at(account), own) == Swept(found=0, asked=0, foreign=4)


async def test_an_id_of_ours_at_another_venue_is_not_ours_here(tmp_path: Path):
    own = await journaled(tmp_path / "journal.db", request("a1", "upbit"), request("b1", "okx"))
    okx = Account("okx", "a1", "b1")
    assert await sweep(at(okx), own) == Swept(found=1, asked=1, foreign=1)
    assert [cid for cid, _ in okx.open] == ["a1"]


async def test_with_nothing_journaled_nothing_is_ours(tmp_path: Path):
    """A new journal beside an account that a person trades on."""
    own = OwnOrders(tmp_path / "journal.db")
    with pytest.raises(JournalFailed):
        own.refresh()
    account = Account("upbit", "x", "")
    assert await sweep(at(account), own) == Swept(foreign=2)
    assert account.cancelled == []


async def test_an_order_that_was_journaled_since_is_ours_from_then_on(tmp_path: Path):
    own = await journaled(tmp_path / "journal.db", request("a1", "upbit"))
    account = Account("upbit", "a2")
    assert await sweep(at(account), own) == Swept(foreign=1)
    await journaled(tmp_path / "journal.db", request("a2", "upbit"))
    own.refresh()
    assert own.holds("upbit", "a1") and own.holds("upbit", "a2")
    assert await sweep(at(account), own) == Swept(found=1, asked=1)


async def test_a_cancel_that_is_refused_keeps_no_other_from_being_cancelled(tmp_path: Path):
    own = await journaled(tmp_path / "journal.db", request("a1", "upbit"), request("a2", "upbit"))
    account = Account("upbit", "a1", "mine", "a2")
    account.refuses = "a1"
    swept = await sweep(at(account), own)
    assert (swept.found, swept.asked, swept.foreign) == (2, 1, 1) and "done already" in swept.error
    assert [cid for cid, _ in account.open] == ["a1", "mine"]


async def test_a_venue_is_clean_when_nothing_of_ours_rests_whatever_else_does(tmp_path: Path):
    own = await journaled(tmp_path / "journal.db", request("a1", "upbit"))
    account = Account("upbit", "a1", "mine")
    cleaning = Cleaning(at(account), began_ns=0, late_ns=0)
    account.is_down = True
    await cleaning.look(own, lambda: 1)
    assert not cleaning.is_clean and cleaning.last.error == "upbit is down"
    account.is_down = False
    await cleaning.look(own, lambda: 2)
    assert not cleaning.is_clean, "an answered cancel proves nothing"
    await cleaning.look(own, lambda: 3)
    assert cleaning.is_clean and cleaning.cancelled == 1 and cleaning.last.foreign == 1
    assert [cid for cid, _ in account.open] == ["mine"]
