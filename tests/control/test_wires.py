"""What the door hears of the sockets: a budget near its end is told once, and again after it had room."""

from engine.domain.event import RateUsed
from engine.net.limits import Kind, Limiter, Limits, Rule
from engine.wires import Wiring

NS = 1_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now_ns = NS

    def __call__(self) -> int:
        return self.now_ns


async def call(limiter: Limiter, times: int) -> None:
    for _ in range(times):
        limiter.leave(await limiter.enter("https://x/api", urgent=True), 200, {})


async def test_a_budget_is_told_at_80_percent_and_when_it_has_room_again():
    clock, told = Clock(), list[RateUsed]()
    wiring = Wiring(told.append, clock, frozenset({"gate"}))
    rule = Rule(name="calls", kind=Kind.COUNT, most=10, window_s=10)
    limits = Limits(host="upbit", rules=(rule,), reserved=0.0)
    wiring.limiters._limiters["upbit"] = limiter = Limiter(limits, clock, wiring._near)

    await call(limiter, 7)
    wiring.look()
    assert told == []
    await call(limiter, 2)
    assert [(event.venue, event.name, event.used >= 0.8) for event in told] == [("upbit", "calls", True)]
    wiring.look()
    assert len(told) == 1, "still full"
    clock.now_ns += 11 * NS
    wiring.look()
    wiring.look()
    assert [event.used >= 0.8 for event in told] == [True, False]
    await call(limiter, 9)
    assert [event.used >= 0.8 for event in told] == [True, False, True]


def test_without_feeds_nothing_is_known_and_who_is_watched_is():
    wires = Wiring(lambda _: None, Clock(), frozenset({"gate"})).told()
    assert (wires.connections, wires.clocks, wires.rates, wires.watched) == ({}, {}, {}, frozenset({"gate"}))
