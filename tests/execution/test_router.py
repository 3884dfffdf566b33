"""Where an order goes: by what the size costs after fees, and how it is split when no book holds it."""

from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from engine.domain.market import FeeSide, Levels
from engine.domain.order import Side
from engine.execution.plan import NotExecutable, too_small
from engine.execution.router import Offer, Route, route
from tests.execution.cases import instrument

FAR = D(10**12)


def offer(venue: str, levels: Levels, **changes: object) -> Offer:
    """In KRW, five hundredths of a per cent of fee, unless changed."""
    rules = structs.replace(
        instrument("upbit"),
        venue=venue,
        symbol=f"{venue}-BTC",
        taker_fee_bps=changes.pop("fee", D(5)),
        fee_side=changes.pop("fee_side", FeeSide.QUOTE),
    )
    values = {"rules": rules, "levels": levels, "quote_krw": D(1), "limit": FAR, "room": D(100)} | changes
    return Offer(**values)  # type: ignore[arg-type]


def parts(found: Route | NotExecutable) -> list[tuple[str, str]]:
    assert isinstance(found, Route), found
    return [(part.venue, f"{part.qty.normalize():f}") for part in found.parts]


A = [(100_000_000.0, 1.0), (100_200_000.0, 1.0)]
B = [(100_030_000.0, 3.0)]
CASES = [  # why, size, offers, parts
    ("the cheaper top", "1", [offer("a", A), offer("b", B)], [("a", "1")]),
    ("the better average at this size", "2", [offer("a", A), offer("b", B)], [("b", "2")]),
    ("fees decide", "1", [offer("a", A, fee=D(10)), offer("b", B)], [("b", "1")]),
    (
        "a fee in coin makes it dearer",
        "1",
        [offer("a", A, fee=D(9), fee_side=FeeSide.RECEIVED), offer("b", B)],
        [("b", "1")],
    ),
    ("the first is down", "1", [offer("a", A, out="its feed is away"), offer("b", B)], [("b", "1")]),
    ("no money there", "1", [offer("a", A, room=D("0.4")), offer("b", B)], [("b", "1")]),
    ("too thin for one: split", "4", [offer("a", A), offer("b", B)], [("a", "1"), ("b", "3")]),
    ("no more than the limit", "4", [offer("a", A, limit=D(100_000_000)), offer("b", B, limit=D(1))], [("a", "1")]),
    (
        "a part below the minimum goes to the others",
        "1.00001",
        [offer("a", [(100_000_000.0, 1.0)]), offer("b", [(99_000_000.0, 0.00001)])],
        [("a", "1")],
    ),
]


@pytest.mark.parametrize("why, qty, offers, expected", CASES, ids=[case[0] for case in CASES])
def test_route(why: str, qty: str, offers: list[Offer], expected: list[tuple[str, str]]) -> None:
    found = route(Side.BUY, D(qty), tuple(offers))
    assert parts(found) == expected
    assert isinstance(found, Route) and len(found.reasons) == len(offers)  # a reason for every venue


def test_a_sale_goes_where_it_brings_most() -> None:
    found = route(Side.SELL, D(1), (offer("a", [(100.0e6, 1.0)], limit=D(0)), offer("b", [(100.1e6, 1.0)], limit=D(0))))
    assert parts(found) == [("b", "1")]


def test_a_price_in_another_currency_counts_in_krw() -> None:
    world = offer("world", [(71_000.0, 5.0)], quote_krw=D(1_400))
    assert parts(route(Side.BUY, D(1), (offer("a", A), world))) == [("world", "1")]


def test_nobody_left_says_why_of_each() -> None:
    refused = route(Side.BUY, D(1), (offer("a", A, out="degraded"), offer("b", B, room=D(0))))
    assert isinstance(refused, NotExecutable) and refused.rule == "no_route"
    assert "a: degraded" in refused.text and "b: " in refused.text


levels = st.lists(st.tuples(st.integers(90, 110), st.integers(1, 300)), min_size=1, max_size=6).map(
    lambda rows: [(price * 1e6, size / 100) for price, size in sorted(dict(rows).items())]
)


@given(st.lists(levels, min_size=1, max_size=4), st.integers(1, 1_000), st.integers(90, 110))
def test_laws(books: list[Levels], size: int, limit: int) -> None:
    """Never more than asked, never beyond a limit or a book, never below a minimum, and the same again."""
    qty = D(size) / 100
    offers = tuple(offer(f"v{i}", book, limit=D(limit) * 10**6, room=D(5)) for i, book in enumerate(books))
    found = route(Side.BUY, qty, offers)
    assert found == route(Side.BUY, qty, offers)
    if isinstance(found, NotExecutable):
        assert all(book[0][0] > limit * 1e6 for book in books)
        return
    assert 0 < sum(part.qty for part in found.parts) <= qty
    by_venue = {made.rules.venue: made for made in offers}
    assert len({part.venue for part in found.parts}) == len(found.parts)
    for part in found.parts:
        made = by_venue[part.venue]
        within = [D(repr(amount)) for price, amount in made.levels if price <= limit * 1e6]
        assert part.qty <= min(sum(within, D(0)), made.room)
        assert part.price_krw <= made.limit * D("1.0005")
        assert too_small(made.rules, part.qty, part.price_krw) is None
