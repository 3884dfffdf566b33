"""A busy desk under random days: prices, failures, crashes, halts, a journal that breaks. The laws hold at the end."""

from collections.abc import Callable
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.domain.command import CloseDeadLetter, Halt, Mode, ResumeConfirm, ResumeRequest, SetMode
from engine.domain.event import BookLost, JournalState
from tests.core.conftest import HERE
from tests.core.harness import Rig
from tests.core.test_laws import OUTCOMES, check_laws, come_to_rest

Step = Callable[[Rig], object]


def krw(venue: str, ratio: float) -> Step:
    return lambda rig: rig.set_book(venue, "KRW-BTC", round(140_000_000 * (1 + ratio), -4))


def usdt(venue: str, ratio: float) -> Step:
    symbol = {"binance": "BTCUSDT", "okx": "BTC-USDT"}[venue]
    return lambda rig: rig.set_book(venue, symbol, 100_000 * (1 + ratio))


def tether(price: float) -> Step:
    def both(rig: Rig) -> None:
        for venue in ("upbit", "bithumb"):
            rig.set_book(venue, "KRW-USDT", price, size=50_000, half=0.0004)

    return both


def lose(venue: str) -> Step:
    symbol = {"binance": "BTCUSDT", "okx": "BTC-USDT"}.get(venue, "KRW-BTC")
    return lambda rig: rig.handle(BookLost(venue=venue, symbol=symbol, reason="gap", seen_ns=rig.now_ns))


def tap(rig: Rig) -> None:
    for found in list(rig.state.by_key.values()):
        if rig.state.strategies[found.strategy].mode in (Mode.CONFIRM, Mode.AUTO):
            rig.tap(rig.token(found))


def resume(rig: Rig) -> None:
    rig.ask(ResumeRequest(token="again"))
    rig.ask(ResumeConfirm(token="again"))


def break_journal(rig: Rig) -> None:
    rig.journal_reason = "disk full"
    rig.handle(JournalState(writable=False, reason="disk full", seen_ns=rig.now_ns))


def close_by_hand(rig: Rig) -> None:
    for trade_id in list(rig.state.blocked_keys.values()):
        rig.ask(CloseDeadLetter(trade_id=trade_id, evidence="by hand"))


def fill_resting(rig: Rig) -> None:
    """The market comes to what rests; the word of it comes with the next look."""
    for venue in rig.venues.values():
        for cid, order in venue.orders.items():
            if order.held and str(order.status) == "open":
                venue.fill(cid, Decimal("0.4"))


def turn(name: str, mode: Mode) -> Step:
    return lambda rig: rig.ask(SetMode(strategy=name, mode=mode))


RATIOS = st.sampled_from([-0.02, -0.008, 0.0, 0.004, 0.012, 0.03])
STEPS = st.one_of(
    st.builds(krw, st.sampled_from(["upbit", "bithumb"]), RATIOS),
    st.builds(usdt, st.sampled_from(["binance", "okx"]), RATIOS),
    st.builds(tether, st.sampled_from([1_340.0, 1_390.0, 1_400.0, 1_430.0])),
    st.builds(lambda ms: lambda rig: rig.run_for(ms), st.sampled_from([3, 12, 60, 400, 2_500, 9_000])),
    st.builds(lambda outcome: lambda rig: rig.outcomes.append(outcome), OUTCOMES),
    st.builds(lambda ms: lambda rig: rig.restart(ms), st.sampled_from([1, 800, 20_000])),
    st.builds(lambda level: lambda rig: rig.ask(Halt(level=level, reason="test")), st.sampled_from([1, 2, 3])),
    st.builds(lose, st.sampled_from(["upbit", "binance"])),
    st.builds(turn, st.sampled_from(["spatial", "kimchi", "tether_bot"]), st.sampled_from(list(Mode))),
    st.sampled_from(
        [tap, fill_resting, fill_resting, resume, resume, break_journal, Rig.mend_journal, Rig.show_all, close_by_hand]
    ),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(steps=st.lists(STEPS, max_size=40), loses_tail=st.booleans())
def test_the_laws_hold_on_any_day(steps: list[Step], loses_tail: bool):
    rig = Rig(HERE / "busy.yaml").ready()
    rig.loses_tail = loses_tail
    for step in steps:
        step(rig)
    rig.outcomes.clear()
    rig.mend_journal()
    for name in rig.state.strategies:
        rig.ask(SetMode(strategy=name, mode=Mode.OFF))
    rig.show_all()
    come_to_rest(rig)
    check_laws(rig)
