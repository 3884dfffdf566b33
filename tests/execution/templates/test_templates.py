"""Templates by tables of cases, and the laws that hold for every size, price and number of parts."""

from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.market import Instrument
from engine.domain.money import floor_to, tick_at
from engine.domain.order import Abilities, OrderKind, Side, TimeInForce
from engine.domain.parent import BEST, Ask, Slice, Template
from engine.execution.plan import NotExecutable, too_small
from engine.execution.templates.registry import TEMPLATES, limit_for, plan
from engine.execution.templates.split import Touch
from tests.execution.cases import instrument

UPBIT, BINANCE = instrument("upbit"), instrument("binance")
KRW = Touch(D(141_000_000), D(141_050_000))
USDT = Touch(D("100000.00"), D("100000.50"))
PLAIN = Abilities()
STOPS = Abilities(kinds=frozenset(OrderKind))
FLAT = (1.0,) * 24
NOON_MS = 12 * 3_600_000


def ask(template: Template, qty: str = "0.5", side: Side = Side.BUY, **more: object) -> Ask:
    values = {"venue": "upbit", "curve": FLAT if template is Template.VWAP else ()} | more
    return Ask(template=template, side=side, base="BTC", qty=D(qty), **values)  # type: ignore[arg-type]


def made(wish: Ask, rules: Instrument = UPBIT, touch: Touch = KRW, abilities: Abilities = PLAIN) -> tuple[Slice, ...]:
    slices = plan(wish, rules, touch, NOON_MS, abilities)
    assert not isinstance(slices, NotExecutable), slices
    return slices


CASES = [  # why, what is asked, (size, time in ms, price or trigger) of each slice
    ("a sweep is one slice, priced when it is sent", ask(Template.SWEEP), [("0.5", 0, None)]),
    ("an IOC takes up to its band, on the tick", ask(Template.IOC), [("0.5", 0, 141_473_000)]),
    ("a FOK at the price asked for", ask(Template.FOK, price=D(141_000_500)), [("0.5", 0, 141_000_000)]),
    ("a limit order rests", ask(Template.LIMIT, price=D(139_000_900)), [("0.5", 0, 139_000_000)]),
    (
        "a ladder walks away from our side of the touch",
        ask(Template.LADDER, "0.3", parts=3, band_bps=D(20)),
        [("0.1", 0, 141_000_000), ("0.1", 0, 140_859_000), ("0.1", 0, 140_718_000)],
    ),
    (
        "a selling ladder walks up",
        ask(Template.LADDER, "0.2", Side.SELL, parts=2, band_bps=D(10)),
        [("0.1", 0, 141_050_000), ("0.1", 0, 141_192_000)],
    ),
    (
        "a TWAP is even in time and size",
        ask(Template.TWAP, "0.4", over_ms=60_000, parts=4),
        [("0.1", 0, None), ("0.1", 15_000, None), ("0.1", 30_000, None), ("0.1", 45_000, None)],
    ),
    (
        "slices too small for the venue are put together",
        ask(Template.TWAP, "0.0001", over_ms=60_000, parts=4),
        [("0.00005", 15_000, None), ("0.00005", 45_000, None)],
    ),
    (
        "a VWAP follows the hours' turnover",
        ask(Template.VWAP, "0.4", over_ms=7_200_000, parts=2, curve=(0.0,) * 12 + (3.0, 1.0) + (0.0,) * 10),
        [("0.3", 0, None), ("0.1", 3_600_000, None)],
    ),
    (
        "an iceberg shows no more than asked",
        ask(Template.ICEBERG, "0.5", shown=D("0.2"), price=D(141_000_000)),
        [("0.2", 0, 141_000_000), ("0.2", 0, 141_000_000), ("0.1", 0, 141_000_000)],
    ),
    (
        "buckets wait for better prices",
        ask(Template.BUCKETS, "0.3", parts=3, band_bps=D(50)),
        [("0.1", 0, None), ("0.1", 0, 140_344_000), ("0.1", 0, 139_639_000)],
    ),
    ("a held stop waits for its price", ask(Template.STOP, "0.1", Side.SELL, stop=D(139_000_000)), [("0.1", 0, 139e6)]),
]


@pytest.mark.parametrize("why, wish, expected", CASES, ids=[case[0] for case in CASES])
def test_plans(why: str, wish: Ask, expected: list[tuple[str, int, float | None]]) -> None:
    found = [(piece.qty, piece.at_ms, piece.price or piece.trigger) for piece in made(wish)]
    assert found == [(D(qty), at_ms, None if price is None else D(int(price))) for qty, at_ms, price in expected]


REFUSED = [  # why, what is asked, the rule
    ("below the venue's minimum", ask(Template.SWEEP, "0.00001"), "min_notional"),
    ("a limit order without a price", ask(Template.LIMIT), "price_missing"),
    ("a stop without a stop", ask(Template.STOP), "price_missing"),
    ("a selling stop above the market", ask(Template.STOP, side=Side.SELL, stop=D(142_000_000)), "stop_side"),
    ("a buying stop below the market", ask(Template.STOP, stop=D(139_000_000)), "stop_side"),
    ("a VWAP without history", ask(Template.VWAP, curve=()), "no_curve"),
    ("a VWAP of hours without trades", ask(Template.VWAP, curve=(1.0,) + (0.0,) * 23), "no_curve"),
]


@pytest.mark.parametrize("why, wish, rule", REFUSED, ids=[case[0] for case in REFUSED])
def test_refusals_name_their_rule(why: str, wish: Ask, rule: str) -> None:
    refused = plan(wish, UPBIT, KRW, NOON_MS, PLAIN)
    assert isinstance(refused, NotExecutable) and refused.rule == rule and refused.text


def test_a_stop_rests_at_the_venue_that_has_them() -> None:
    wish = ask(Template.STOP, "0.1", Side.SELL, stop=D("99000"), venue="binance")
    [piece] = made(wish, BINANCE, USDT, STOPS)
    assert (piece.kind, piece.tif, piece.stop_price) == (OrderKind.STOP_LOSS, TimeInForce.GTC, D(99000))
    assert piece.price == D("98703.00") and piece.trigger is None
    [held] = made(ask(Template.STOP, "0.1", Side.SELL, stop=D("99000"), venue=BEST), BINANCE, USDT, STOPS)
    assert held.kind is OrderKind.LIMIT and held.trigger == D(99000)


BAD = [{"qty": "0"}, {"qty": "-1"}, {"qty": "NaN"}, {"band_bps": D(201)}, {"parts": 201}, {"price": D(0)}]
BAD += [{"curve": (1.0,)}, {"curve": (float("nan"),) * 24}, {"shown": D("-1")}, {"over_ms": -1}]


@pytest.mark.parametrize("change", BAD, ids=str)
def test_nonsense_is_no_ask(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        ask(Template.TWAP, **change)  # type: ignore[arg-type]


@st.composite
def wishes(draw: st.DrawFn) -> tuple[Ask, Instrument, Touch]:
    korean = draw(st.booleans())
    rules, touch = (UPBIT, KRW) if korean else (BINANCE, USDT)
    side = draw(st.sampled_from(Side))
    near = touch.hit(side) * (1 + D(draw(st.integers(-100, 100))) / 10_000)
    stop = touch.bid * D("0.98") if side is Side.SELL else touch.ask * D("1.02")
    template = draw(st.sampled_from(Template))
    priced = template is Template.LIMIT or (template is not Template.STOP and draw(st.booleans()))
    wish = Ask(
        template=template,
        side=side,
        base="BTC",
        qty=D(draw(st.integers(1, 10**9))).scaleb(-8),
        venue=rules.venue,
        price=near.quantize(D("0.001")) if priced else None,
        stop=stop if template is Template.STOP else None,
        band_bps=D(draw(st.integers(0, 200))),
        over_ms=draw(st.integers(0, 86_400_000)),
        parts=draw(st.integers(0, 200)),
        shown=D(draw(st.integers(0, 10**7))).scaleb(-8),
        curve=(*draw(st.lists(st.floats(0, 1e9), min_size=23, max_size=23)), 1.0),
    )
    return wish, rules, touch


@given(wishes(), st.integers(0, 10**12))
def test_laws(case: tuple[Ask, Instrument, Touch], start_ms: int) -> None:
    """Slices sum to the size within one step, keep the venue's rules and never pass the limit; the same again."""
    wish, rules, touch = case
    slices = plan(wish, rules, touch, start_ms, PLAIN)
    assert slices == plan(wish, rules, touch, start_ms, PLAIN)
    if isinstance(slices, NotExecutable):
        assert slices.rule in ("min_notional", "no_curve", "stop_side")
        return
    assert sum((piece.qty for piece in slices), D(0)) == floor_to(wish.qty, rules.qty_step)
    limit = limit_for(wish, rules, touch)
    times = [piece.at_ms for piece in slices]
    assert times == sorted(times) and times[-1] <= (wish.over_ms or 600_000)
    for piece in slices:
        assert piece.qty % rules.qty_step == 0
        assert too_small(rules, piece.qty, piece.price or piece.trigger or touch.bid) is None
        if piece.price is not None:
            assert piece.price % tick_at(rules.ticks, piece.price) == 0
            assert piece.price <= limit if wish.side is Side.BUY else piece.price >= limit
    if wish.price is not None and wish.side is Side.BUY:
        assert limit <= wish.price
    elif wish.price is not None:
        assert limit >= wish.price


def test_every_template_has_a_planner() -> None:
    assert set(TEMPLATES) == set(Template)
