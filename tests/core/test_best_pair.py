"""Several pairs pay at one event: the one that brings most goes first, one with a slow venue last."""

from pathlib import Path

import pytest
import yaml

from engine.domain.account_event import LatencySampled
from tests.core.harness import Rig

MS = 1_000


def overlay(path: Path, **execution: object) -> Path:
    """Buys at Binance or OKX, sells at Upbit, by itself."""
    kimchi = {"mode": "auto", "params": {"coins": ["BTC"], "korean": ["upbit"], "global": ["binance", "okx"]}}
    found = path / "pairs.yaml"
    found.write_text(yaml.safe_dump({"execution": execution, "strategies": {"kimchi": kimchi}}), encoding="utf-8")
    return found


def two_pairs_pay(rig: Rig) -> list[str]:
    """OKX is the cheaper one; keys of the trades in the order in which they were opened."""
    rig.set_book("okx", "BTC-USDT", 99_500)
    rig.run_for(200)
    rig.set_book("upbit", "KRW-BTC", 142_000_000)
    rig.run_for(1_000)
    return [trade.plan.key for trade in rig.state.trades.values() if trade.plan.strategy == "kimchi"]


BEST, OTHER = (
    "kimchi:BTC:okx>upbit",
    "kimchi:BTC:binance>upbit",
)  # the first one takes what the limits leave


def test_the_pair_that_brings_most_goes_first(tmp_path):
    keys = two_pairs_pay(Rig(overlay(tmp_path)).ready())
    assert keys[0] == BEST


def test_switched_off_the_configuration_orders_them(tmp_path):
    keys = two_pairs_pay(Rig(overlay(tmp_path, best_pair_first=False)).ready())
    assert keys[0] == OTHER


@pytest.mark.parametrize("slow", [40 * MS, 2_000 * MS], ids=["as usual", "slow"])
def test_a_pair_with_a_slow_venue_goes_last(tmp_path, slow):
    rig = Rig(overlay(tmp_path)).ready()
    for us in [40 * MS] * 250 + [slow] * 40:
        rig.handle(LatencySampled(venue="okx", path="native", stage="wire_ack", us=(us,), seen_ns=rig.now_ns))
        rig.run_for(1_000)
    rig.show_all()
    keys = two_pairs_pay(rig)
    assert keys[0] == (BEST if slow == 40 * MS else OTHER)


def test_the_next_pair_carries_what_the_first_cannot(tmp_path):
    rig = Rig(overlay(tmp_path)).ready()
    rig.state.venues["okx"].blocked = "by hand"
    assert two_pairs_pay(rig) == [OTHER]
    refused = [each for each in rig.state.refusals if each.key == BEST]
    assert refused and "okx" in refused[0].text
