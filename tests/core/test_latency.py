"""A venue that turns slow: told once, left out of routes by name, and back when it is as usual."""

from decimal import Decimal as D

import msgspec

from engine.core import boards
from engine.domain.account_event import LatencySampled
from engine.domain.board import Wires
from engine.domain.effect import Notice
from engine.domain.order import Side
from engine.domain.parent import BEST, Ask, Template
from engine.domain.view import ParentQuote
from tests.core.harness import Rig
from tests.core.test_parents import preview
from tests.core.venue_model import Outcome

SWEEP = Ask(template=Template.SWEEP, side=Side.BUY, base="BTC", qty=D("0.005"), venue=BEST)
MS = 1_000


def play(rig: Rig, venue: str, us: int, seconds: int) -> None:
    for _ in range(seconds):
        rig.handle(LatencySampled(venue=venue, path="native", stage="wire_ack", us=(us,), seen_ns=rig.now_ns))
        rig.run_for(1_000)


def route(rig: Rig, token: str) -> tuple[str, ...]:
    rig.show_all()  # their own silence is another matter
    reply = preview(rig, SWEEP, token)
    assert reply.ok, reply.text
    return msgspec.json.decode(reply.body, type=ParentQuote).order.route


def test_it_leaves_the_routes_by_name_and_comes_back():
    rig = Rig().ready()
    rig.set_book("bithumb", "KRW-BTC", 139_000_000)  # the cheapest for a buyer
    play(rig, "bithumb", 40 * MS, 250)
    assert route(rig, "before")[1].startswith("bithumb: best")
    play(rig, "bithumb", 900 * MS, 40)
    assert rig.alerts().count(("venue_slow", "warn")) == 1
    [left_out] = [line for line in route(rig, "slow") if line.startswith("bithumb")]
    assert left_out == "bithumb: it is slow: orders (native) take 900 ms, usually 40 ms"
    shown = boards.venue(rig.state, rig.state.venues["bithumb"], Wires())
    assert shown.slow and [(pace.stage, pace.is_slow) for pace in shown.paces] == [("wire_ack", True)]
    play(rig, "bithumb", 40 * MS, 40)
    assert rig.alerts().count(("venue_paced", "info")) == 1
    assert route(rig, "after")[1].startswith("bithumb: best")
    kinds = {msgspec.json.decode(note.body)["kind"] for note in rig.of(Notice) if b"venue_slow" in note.body}
    assert kinds == {"venue"}, "muted and held in quiet hours as other words about venues"


def test_where_every_venue_is_slow_the_refusal_names_each():
    rig = Rig().ready()
    for _ in range(250):
        for venue in rig.venues:
            rig.handle(LatencySampled(venue=venue, path="clock", stage="read", us=(40 * MS,), seen_ns=rig.now_ns))
        rig.run_for(1_000)
    for _ in range(40):
        for venue in rig.venues:
            rig.handle(LatencySampled(venue=venue, path="clock", stage="read", us=(2_000 * MS,), seen_ns=rig.now_ns))
        rig.run_for(1_000)
    rig.show_all()
    refused = preview(rig, SWEEP)
    assert (refused.ok, refused.rule) == (False, "no_route")
    for venue in rig.venues:
        assert f"{venue}: it is slow: questions (clock) take 2000 ms, usually 40 ms" in refused.text


def test_from_the_acknowledgement_to_the_end_by_the_way_it_came():
    rig = Rig().ready()
    rig.execute(Outcome(answer="ack", open_ms=400))
    rig.settle()
    paces = {pace.path: pace for pace in boards.venue(rig.state, rig.state.venues["binance"], Wires()).paces}
    assert set(paces) == {"look_up"} and paces["look_up"].stage == "ack_fill"
    assert 0 < paces["look_up"].p50_ms < 5_000 and paces["look_up"].count == 1
    assert rig.state.watch.latency.acked == {}
