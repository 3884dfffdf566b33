"""An order's life: which state may follow which, and what a word of the venue changes."""

from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.errors import InvariantBroken
from engine.domain.order import OrderStatus, Side
from engine.execution.order_state import TERMINAL, TRANSITIONS, OrderState, fold, move, net_base
from tests.execution.cases import leg, order, plan, report

S = OrderStatus
PLAN = plan()
LEGAL = """
planned    > sent unknown not_placed open filled cancelled rejected
sent       > open filled cancelled rejected unknown not_placed
unknown    > open filled cancelled rejected not_placed
open       > filled cancelled rejected unknown
cancelled  > filled
rejected   > open filled cancelled
not_placed > open filled cancelled
filled     >
"""


def table() -> dict[OrderStatus, frozenset[OrderStatus]]:
    rows = [line.split(">") for line in LEGAL.strip().splitlines()]
    return {S(name.strip()): frozenset(S(word) for word in words.split()) for name, words in rows}


def test_the_table_is_the_one_that_was_agreed():
    assert table() == TRANSITIONS
    assert {status for status in S if not TRANSITIONS[status] - TERMINAL - {S.OPEN}} >= TERMINAL


@pytest.mark.parametrize("was, to", [pair for pair in product(S, S) if pair[0] is not pair[1]])
def test_a_transition_outside_the_table_raises(was: OrderStatus, to: OrderStatus):
    made = order(PLAN, 0, status=was)
    if to in table()[was]:
        move(made, to)
        assert made.status is to
        assert made.was_unknown is (to is S.UNKNOWN)
    else:
        with pytest.raises(InvariantBroken, match=f"{was} -> {to}"):
            move(made, to)
        assert made.status is was


def test_staying_is_no_transition():
    made = order(PLAN, 0, status=S.FILLED)
    move(made, S.FILLED)
    assert made.status is S.FILLED


# why, state before ("status filled fee"), the word ("status filled fee"), is news?, state after
FOLDS = [
    ("the answer to a placement", "sent - -", "filled 1 1,USDT", True, "filled 1 1,USDT"),
    ("acknowledged", "sent - -", "open 0 -", True, "open 0 -"),
    ("the same word again", "open 0.4 -", "open 0.4 -", False, "open 0.4 -"),
    ("more of it", "open 0.4 -", "open 0.6 -", True, "open 0.6 -"),
    ("an older word", "open 0.6 -", "open 0.4 -", False, "open 0.6 -"),
    ("an older word from the end", "cancelled 0.6 -", "open 0.4 -", False, "cancelled 0.6 -"),
    ("the rest is cancelled", "open 0.6 -", "cancelled 0.6 -", True, "cancelled 0.6 -"),
    ("a fill came before the cancel", "cancelled 0.6 -", "cancelled 0.8 -", True, "cancelled 0.8 -"),
    ("it was filled after all", "cancelled 0 -", "filled 1 -", True, "filled 1 -"),
    ("still open, says a slow answer", "cancelled 0.6 -", "open 0.6 -", False, "cancelled 0.6 -"),
    ("open with more, says a slow answer", "cancelled 0.6 -", "open 0.7 -", True, "cancelled 0.7 -"),
    ("its fee comes later", "filled 1 -", "filled 1 1,USDT", True, "filled 1 1,USDT"),
    ("a word without its fee", "filled 1 1,USDT", "filled 1 -", False, "filled 1 1,USDT"),
    ("a smaller fee at the same fill", "filled 1 1,USDT", "filled 1 0.5,USDT", False, "filled 1 1,USDT"),
    ("a fee in another asset is added", "filled 1 1,USDT", "filled 1 2,BNB", True, "filled 1 2,BNB 1,USDT"),
    ("the fee of less than the new fill", "open 0.5 1,USDT", "open 1 0.9,USDT", True, "open 1 0.9,USDT"),
    ("more than was called whole", "filled 0.9 -", "filled 1 -", True, "filled 1 -"),
    ("another name for its end", "cancelled 0 -", "filled 0 -", False, "cancelled 0 -"),
    ("unknown, filled", "unknown - -", "filled 1 -", True, "filled 1 -"),
    ("unknown, open", "unknown - -", "open 0 -", True, "open 0 -"),
    ("unknown, ended without a fill", "unknown - -", "cancelled 0 -", True, "cancelled 0 -"),
    ("unknown, refused", "unknown - -", "rejected 0 -", True, "rejected 0 -"),
    ("late evidence: it rests", "not_placed - -", "open 0 -", True, "open 0 -"),
    ("late evidence: it filled", "not_placed - -", "cancelled 0.2 -", True, "cancelled 0.2 -"),
    ("late, but nothing came of it", "not_placed - -", "cancelled 0 -", False, "not_placed - -"),
    ("refused, and yet open", "rejected - -", "open 0 -", True, "open 0 -"),
    ("refused twice", "rejected - -", "rejected 0 -", False, "rejected - -"),
]


def spelled(text: str) -> tuple[OrderStatus, str, str]:
    status, filled, *fees = text.split()
    told = "" if fees == ["-"] else ",".join(fee.replace(",", " ") for fee in fees)
    return S(status), filled, told


def shown(made: OrderState) -> str:
    held = made.report
    if held is None:
        return f"{made.status} - -"
    fees = " ".join(f"{fee.amount},{fee.asset}" for fee in held.fees) or "-"
    return f"{made.status} {held.filled_qty} {fees}"


@pytest.mark.parametrize("why, before, word, is_news, after", FOLDS, ids=[case[0] for case in FOLDS])
def test_fold(why: str, before: str, word: str, is_news: bool, after: str):
    status, filled, fee = spelled(before)
    made = order(PLAN, 0, status=status)
    if filled != "-":
        made.report = report(made.request, status, filled, fee)
    assert fold(made, report(made.request, *spelled(word))) is is_news
    assert shown(made) == after


def test_a_corrected_price_is_news():
    made = order(PLAN, 0, status=S.OPEN)
    fold(made, report(made.request, S.FILLED, "1", price=Decimal(100)))
    assert fold(made, report(made.request, S.FILLED, "1", price=Decimal(101)))
    assert made.report is not None and made.report.filled_quote == 101


WORDS = st.tuples(
    st.sampled_from([S.OPEN, S.FILLED, S.CANCELLED]),
    st.sampled_from(["0", "0.3", "0.7", "1"]),
    st.sampled_from(["", "0.1 USDT", "0.2 USDT"]),
)


@given(words=st.lists(WORDS, max_size=8))
def test_what_is_known_never_shrinks_and_a_repeat_changes_nothing(words: list[tuple[OrderStatus, str, str]]):
    made = order(PLAN, 0, status=S.SENT)
    for word in words:
        before = made.report
        told = report(made.request, *word)
        fold(made, told)
        again = shown(made)
        assert fold(made, told) is False
        assert shown(made) == again
        if before is not None and made.report is not None:
            assert made.report.filled_qty >= before.filled_qty
            assert {fee.asset for fee in before.fees} <= {fee.asset for fee in made.report.fees}


@given(words=st.lists(WORDS, min_size=1, max_size=6), data=st.data())
def test_the_fills_do_not_depend_on_the_order_of_the_words(
    words: list[tuple[OrderStatus, str, str]], data: st.DataObject
):
    made, other = order(PLAN, 0, status=S.SENT), order(PLAN, 0, status=S.SENT)
    for word in words:
        fold(made, report(made.request, *word))
    for word in data.draw(st.permutations(words)):
        fold(other, report(other.request, *word))
    largest = max(Decimal(word[1]) for word in words)
    for one in (made, other):
        assert (one.report.filled_qty if one.report else Decimal(0)) == largest


NETS = [  # why, side, filled, fees, net base
    ("a purchase brings what it fills", Side.BUY, "0.5", "", "0.5"),
    ("a fee in coin is kept back", Side.BUY, "0.5", "0.0005 BTC", "0.4995"),
    ("a fee in quote is not", Side.BUY, "0.5", "50 USDT", "0.5"),
    ("a sale takes what it fills", Side.SELL, "0.5", "50 USDT", "-0.5"),
    ("a sale with a fee in coin takes more", Side.SELL, "0.5", "0.0005 BTC", "-0.5005"),
]


@pytest.mark.parametrize("why, side, filled, fees, net", NETS, ids=[case[0] for case in NETS])
def test_net_base(why: str, side: Side, filled: str, fees: str, net: str):
    made = order(plan(leg("binance", side)), 0, status=S.FILLED, filled=filled, fee=fees)
    assert net_base(made, "BTC") == Decimal(net)


def test_no_word_is_no_change():
    assert net_base(order(PLAN, 0), "BTC") == 0
