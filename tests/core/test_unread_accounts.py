"""An account whose private reads fail for minutes: told once, no new trade there, exits go on, back when it answers."""

from pathlib import Path

import pytest

from engine.core.trades import is_surely_dust
from engine.domain.order import LegRole
from engine.execution import trade as life
from tests.core.harness import Rig
from tests.core.venue_model import Outcome

READS = [("balances",), ("open_orders",), ("balances", "open_orders")]


def told(rig: Rig) -> list[str]:
    return [name for name, _ in rig.alerts() if name.startswith("account")]


@pytest.mark.parametrize("reads", READS, ids="+".join)
def test_no_new_trade_begins_where_the_account_is_not_read(reads: tuple[str, ...]) -> None:
    rig = Rig().ready()
    rig.venues["upbit"].failing = reads
    rig.run_for(100_000)
    rig.show_all()
    token = rig.token(rig.premium(0.01))
    assert told(rig) == [], "not yet four turns"
    rig.run_for(30_000)
    rig.show_all()
    token = rig.token(rig.premium(0.012), name="later")
    refused = rig.tap(token)
    assert (refused.ok, refused.rule) == (False, "account_unread")
    assert ("HTTP 502" in refused.text) is ("balances" in reads) and told(rig) == ["account_unread"]
    rig.venues["upbit"].failing = ()
    rig.run_for(10_000)
    rig.show_all()
    assert rig.tap(rig.token(rig.premium(0.013), name="again")).ok
    assert told(rig) == ["account_unread", "account_read"]


def test_what_is_open_is_still_closed_there() -> None:
    """A leg fills late at a venue that has not told its account for minutes: the way back is not held up."""
    rig = Rig().ready()
    for held in rig.venues.values():
        held.failing = ("balances", "open_orders")
    rig.run_for(110_000)
    rig.show_all()
    trade = rig.execute(Outcome(), Outcome(answer="lost", reaches=False))
    rig.run_for(40_000)
    assert told(rig) and trade.unresolved, "what became of it only the account can tell"
    for held in rig.venues.values():
        held.failing = ("open_orders",)
    rig.settle()
    assert "account_read" not in told(rig) and trade.orders[-1].request.role in (LegRole.CHASE, LegRole.UNWIND)
    assert is_surely_dust(rig.state, trade, life.exposure(trade))


@pytest.mark.parametrize("every_s", [1, 5, 30])
def test_an_account_that_answers_is_never_unread(tmp_path: Path, every_s: int) -> None:
    """Open orders are listed every 20 s at most, however often balances are compared."""
    overlay = tmp_path / "often.yaml"
    overlay.write_text(f"execution: {{reconcile_every_s: {every_s}}}")
    rig = Rig(overlay).ready()
    rig.run_for(300_000)
    assert told(rig) == []
