"""From a card to a trade: tokens, taps, refusals."""

from tests.core.harness import Rig


def test_confirm_happy_path():
    rig = Rig().ready()
    trade = rig.execute()
    rig.settle()
    assert trade.outcome == "balanced"
    assert rig.ledger_difference() == {}
