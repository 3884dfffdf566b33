from decimal import ROUND_DOWN, Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from engine.domain.errors import InvariantBroken
from engine.risk.reservations import Reservations

D = Decimal


def test_what_is_promised_cannot_be_promised_again():
    book = Reservations()
    book.reserve("a", "upbit", "KRW", D(700), free=D(1_000))
    assert book.available("upbit", "KRW", D(1_000)) == D(300)
    with pytest.raises(InvariantBroken, match="b reserves 301 KRW at upbit, available 300"):
        book.reserve("b", "upbit", "KRW", D(301), free=D(1_000))
    book.reserve("b", "upbit", "KRW", D(300), free=D(1_000))
    assert book.available("upbit", "KRW", D(1_000)) == 0
    assert book.available("binance", "KRW", D(1_000)) == D(1_000)


def test_a_fill_consumes_and_a_cancel_releases_the_rest():
    book = Reservations()
    book.reserve("a", "upbit", "KRW", D(700))
    assert book.consume("a", D(200)) == D(500)
    assert book.total("upbit", "KRW") == D(500)
    assert book.release("a") == D(500)
    assert book.total("upbit", "KRW") == 0
    assert book.release("a") == 0
    assert book.consume("a", D(1)) == 0


def test_a_fill_beyond_the_promise_takes_all_of_it():
    book = Reservations()
    book.reserve("a", "upbit", "KRW", D(700))
    assert book.consume("a", D(701)) == 0
    assert book.total("upbit", "KRW") == 0


@pytest.mark.parametrize("owner, amount, message", [("a", "1", "holds a reservation"), ("b", "-1", "negative amount")])
def test_our_own_mistakes_crash(owner, amount, message):
    book = Reservations()
    book.reserve("a", "upbit", "KRW", D(700))
    with pytest.raises(InvariantBroken, match=message):
        book.reserve(owner, "upbit", "KRW", D(amount))
    with pytest.raises(InvariantBroken, match="consumes a negative"):
        book.consume("a", D(-1))


amounts = st.decimals("0", "1000", places=8)


class Account(RuleBasedStateMachine):
    """Orders come, fill and end in any order, against a plain list. Free balance falls with each fill."""

    owners = Bundle("owners")

    def __init__(self) -> None:
        super().__init__()
        self.book = Reservations()
        self.free = D(1_000)
        self.naive: dict[str, Decimal] = {}

    @rule(target=owners, amount=amounts)
    def reserve(self, amount):
        owner = f"o{len(self.naive)}"
        self.naive.setdefault(owner, D(0))
        if amount > self.free - sum(self.naive.values()):
            with pytest.raises(InvariantBroken):
                self.book.reserve(owner, "upbit", "KRW", amount, free=self.free)
        else:
            self.book.reserve(owner, "upbit", "KRW", amount, free=self.free)
            self.naive[owner] = amount
        return owner

    @rule(owner=owners, share=st.decimals("0", "1", places=4))
    def fill(self, owner, share):
        taken = (self.naive[owner] * share).quantize(D("1e-8"), ROUND_DOWN)
        assert self.book.consume(owner, taken) == self.naive[owner] - taken
        self.naive[owner] -= taken
        self.free -= taken

    @rule(owner=consumes(owners))
    def end(self, owner):
        assert self.book.release(owner) == self.naive[owner]
        self.naive[owner] = D(0)

    @invariant()
    def never_more_than_there_is(self):
        total = self.book.total("upbit", "KRW")
        assert total == sum(self.naive.values())
        assert 0 <= total <= self.free
        assert self.book.available("upbit", "KRW", self.free) == self.free - total


TestAccount = Account.TestCase
TestAccount.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
