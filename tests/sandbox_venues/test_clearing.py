"""The margin engine: rules by table, money by property."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sandbox.venues.ledger import FEES, MARKET, Ledger
from sandbox.venues.listings import perps, venue
from sandbox.venues.matching import Exchange
from sandbox.venues.orders import End, Kind, OrderRequest, Reason, Refused, Side, State, Tif
from sandbox.venues.positions import FlowKind, Mark
from sandbox.venues.rules import ClientIds, FeeFrom

D = Decimal
HOUR_MS = 3_600_000
# BTC by contracts of 0.01, ETH and XRP by the coin: both spellings of size.
CONTRACTS = perps(lambda base: f"{base}-PERP", {"BTC": "0.01", "ETH": "1", "XRP": "1"}, {"ETH": "0.01", "XRP": "0.1"})
RULES = replace(
    venue("perps", "0.0002", "0.0005", FeeFrom.QUOTE, CONTRACTS, client_ids=ClientIds.UNIQUE_AMONG_OPEN),
    margined=True,
)
PRICES = {"BTC-PERP": D(60_000), "ETH-PERP": D(3_000)}


def levels(*pairs):
    return tuple((D(str(price)), D(str(qty))) for price, qty in pairs)


def mark_of(price, rate="0", settled=0):
    """`settled`: how many settlements have passed."""
    return Mark(price=D(price), settled_rate=D(rate), interval_ms=8 * HOUR_MS, next_ms=(settled + 1) * 8 * HOUR_MS)


def house(cash=D(10_000), rules=RULES, accounts=("a", "b")):
    engine = Exchange(rules, Ledger())
    for account in accounts:
        engine.ledger.deposit(account, "USDT", cash)
    for symbol, price in PRICES.items():
        engine.show_book(symbol, levels((price - 1, 50)), levels((price + 1, 50)), 0)
        engine.show_mark(symbol, mark_of(price), 0)
    return engine


def wish(side=Side.BUY, qty="10", price=60_001, account="a", symbol="BTC-PERP", **more):
    kind = Kind.LIMIT if price is not None else Kind.MARKET
    more.setdefault("tif", Tif.GTC if kind is Kind.LIMIT else Tif.IOC)
    request = {"account": account, "symbol": symbol, "side": side, "kind": kind, "qty": D(qty)}
    return OrderRequest(**request, price=None if price is None else D(price), **more)


def test_a_long_is_opened_closed_in_parts_and_turned_over():
    engine = house()
    bought = engine.place(wish(qty="10"), 1)  # 0.1 BTC at 60,001
    assert (bought.average, bought.funds, bought.fee) == (D(60_001), D("6000.1"), D("3.00005"))
    held = engine.clearing.position("a", "BTC-PERP")
    assert (held.qty, held.entry, held.notional, held.unrealised) == (10, 60_001, D(6_000), D("-0.1"))
    assert engine.ledger.balance("a", "USDT").total == D(10_000) - D("3.00005")
    sold = engine.place(wish(Side.SELL, "4", 59_999), 2)
    assert sold.fills[0].realised == D("-0.08")  # 0.04 BTC, two dollars lower
    turned = engine.place(wish(Side.SELL, "9", 59_999), 3)
    assert turned.fills[0].realised == D("-0.12")
    held = engine.clearing.position("a", "BTC-PERP")
    assert (held.qty, held.entry, held.realised) == (-3, 59_999, 0)
    paid = sum(order.fee for order in engine.orders.values())
    assert engine.ledger.balance("a", "USDT").total == D(10_000) - D("0.2") - paid
    assert [flow.kind for flow in engine.clearing.statement("a", 2)] == [FlowKind.REALISED, FlowKind.FEE] * 2


def test_margin_is_counted_by_leverage_and_orders_that_reduce_need_none():
    engine = house(cash=D(1_000))
    engine.clearing.set_leverage("a", "BTC-PERP", 10)
    engine.place(wish(qty="10"), 1)
    margin = engine.clearing.margin("a")
    assert (margin.positions, margin.orders, margin.maintenance) == (D(600), 0, D(30))
    assert margin.available == D(1_000) - D("3.00005") - D("0.1") - D(600)
    resting = engine.place(wish(Side.SELL, "10", 61_000), 2)
    assert engine.clearing.margin("a").orders == 0
    engine.place(wish(Side.SELL, "5", 62_000), 3)  # the first one closes it all: this would open
    assert engine.clearing.margin("a").orders == D(310)
    with pytest.raises(Refused) as caught:
        engine.place(wish(Side.SELL, "5", 62_000), 4)
    assert caught.value.reason is Reason.INSUFFICIENT_FUNDS
    engine.cancel(resting, 5)
    assert engine.clearing.margin("a").orders == 0
    assert engine.clearing.margin("a").wallet == engine.ledger.balance("a", "USDT").free


def test_leverage_is_changed_only_where_the_margin_carries_it():
    engine = house(cash=D(1_000))
    engine.place(wish(qty="10"), 1)
    for leverage, reason in ((0, Reason.BAD_LEVERAGE), (101, Reason.BAD_LEVERAGE), (5, Reason.INSUFFICIENT_FUNDS)):
        with pytest.raises(Refused) as caught:
            engine.clearing.set_leverage("a", "BTC-PERP", leverage)
        assert caught.value.reason is reason
        assert engine.clearing.leverage("a", "BTC-PERP") == 20
    engine.clearing.set_leverage("a", "BTC-PERP", 7)
    assert engine.clearing.leverage("b", "BTC-PERP") == 20


def test_reduce_only_never_opens():
    engine = house()
    for request in (wish(reduce_only=True), wish(Side.SELL, reduce_only=True, price=70_000)):
        with pytest.raises(Refused) as caught:
            engine.place(request, 1)
        assert caught.value.reason is Reason.REDUCE_ONLY
    engine.place(wish(qty="10"), 2)
    with pytest.raises(Refused):
        engine.place(wish(qty="1", reduce_only=True), 3)
    first = engine.place(wish(Side.SELL, "8", 60_500, reduce_only=True), 4)
    second = engine.place(wish(Side.SELL, "8", 60_600, reduce_only=True), 5)
    engine.show_book("BTC-PERP", levels((60_550, 50)), levels((60_700, 50)), 6)
    assert (first.state, first.filled) == (State.FILLED, 8)
    assert engine.book("BTC-PERP")[1][0] == (D(60_600), D(2))  # no more of it than there is to reduce
    engine.show_book("BTC-PERP", levels((60_650, 50)), levels((60_700, 50)), 7)
    assert (second.state, second.end, second.filled) == (State.CANCELLED, End.REDUCE_ONLY, 2)
    assert engine.clearing.positions("a") == []


def test_a_reduce_only_taker_stops_at_flat_or_is_cut_when_it_comes():
    engine = house()
    engine.place(wish(qty="10"), 1)
    taken = engine.place(wish(Side.SELL, "15", None, reduce_only=True), 2)
    assert (taken.qty, taken.filled, taken.end) == (15, 10, End.REDUCE_ONLY)
    engine = house(rules=replace(RULES, cuts_reduce_only=True))
    engine.place(wish(qty="10"), 1)
    cut = engine.place(wish(Side.SELL, "15", None, reduce_only=True), 2)
    assert (cut.qty, cut.filled, cut.state) == (10, 10, State.FILLED)


def test_one_orders_fill_ends_what_it_left_nothing_to_reduce():
    engine = house()
    engine.place(wish(qty="10"), 1)
    resting = engine.place(wish(Side.SELL, "10", 60_500, reduce_only=True), 2)
    engine.place(wish(Side.SELL, "10", None), 3)
    assert (resting.state, resting.end) == (State.CANCELLED, End.REDUCE_ONLY)


def test_funding_is_charged_once_per_settlement_and_by_the_mark():
    engine = house()
    engine.place(wish(qty="10"), 1)
    engine.place(wish(Side.SELL, "4", 59_999, account="b"), 1)
    before = {account: engine.ledger.balance(account, "USDT").total for account in "ab"}
    for _ in range(3):
        engine.show_mark("BTC-PERP", mark_of(61_000, "0.0001", settled=1), 2)
    [paid], [received] = (engine.clearing.statement(account, kind=FlowKind.FUNDING) for account in "ab")
    assert (paid.amount, received.amount) == (D("-0.61"), D("0.244"))
    assert (paid.at_ms, paid.rate, paid.qty, paid.mark) == (8 * HOUR_MS, D("0.0001"), 10, 61_000)
    assert engine.ledger.balance("a", "USDT").total == before["a"] - D("0.61")
    assert engine.ledger.balance("b", "USDT").total == before["b"] + D("0.244")
    assert engine.clearing.statement("a", 8 * HOUR_MS + 1) == []


@pytest.mark.parametrize("side, price", [(Side.BUY, 60_001), (Side.SELL, 59_999)])
def test_the_liquidation_price_is_where_it_happens(side, price):
    engine = house(cash=D(700))
    engine.place(wish(side, "20", price), 1)
    resting = engine.place(wish(side, "1", 50_000 if side is Side.BUY else 70_000), 1)
    told = engine.clearing.position("a", "BTC-PERP").liquidation
    price, safer = (round(told, 1) + step * (1 if side is Side.BUY else -1) for step in (D("-0.1"), D("0.2")))
    engine.show_mark("BTC-PERP", mark_of(safer), 2)
    assert engine.clearing.positions("a") and not engine.liquidations
    engine.show_book("BTC-PERP", levels((price - 1, 5)), levels((price + 1, 5)), 3)
    engine.show_mark("BTC-PERP", mark_of(price), 3)
    [closed] = engine.liquidations
    assert (closed.account, abs(closed.qty)) == ("a", 20)
    assert engine.clearing.positions("a") == []
    assert (resting.state, resting.end) == (State.CANCELLED, End.LIQUIDATION)
    forced = engine.orders[closed.order_id]
    assert (forced.state, forced.filled) == (State.FILLED, 20)  # five from the tape, the rest at the mark
    assert engine.ledger.balance("a", "USDT").total >= 0


def test_a_gap_through_the_margin_leaves_nobody_in_debt():
    engine = house(cash=D(700))
    total = engine.ledger.total("USDT")
    engine.place(wish(qty="20"), 1)
    engine.show_book("BTC-PERP", levels((50_000, 100)), levels((50_001, 1)), 2)
    engine.show_mark("BTC-PERP", mark_of(50_000), 2)
    assert engine.ledger.balance("a", "USDT").total == 0
    assert engine.clearing.statement("a")[-1].kind is FlowKind.COVER
    assert engine.ledger.total("USDT") == total


@pytest.mark.parametrize("side, price, result", [(Side.BUY, 60_001, -1), (Side.SELL, 59_999, 1)])
def test_a_deleveraged_position_is_smaller_at_the_mark_and_no_order_of_the_accounts_says_so(side, price, result):
    engine = house()
    mine = engine.place(wish(side, "10", price), 1)
    assert mine.state is State.FILLED
    engine.show_mark("BTC-PERP", mark_of(59_000), 2)
    before, total = engine.clearing.position("a", "BTC-PERP"), engine.ledger.total("USDT")
    taken = engine.deleverage("a", "BTC-PERP", D(4), 3)
    after = engine.clearing.position("a", "BTC-PERP")
    assert (taken.average, taken.filled, taken.client_id) == (59_000, 4, "adl-3")
    assert (abs(before.qty), abs(after.qty), after.entry) == (10, 6, before.entry)
    assert (after.realised > 0) == (result > 0) and engine.ledger.total("USDT") == total
    assert sum(engine.clearing.open_interest("BTC-PERP").values()) == 0
    assert mine.filled == 10 and engine.open_orders("a") == []


def test_a_deleveraged_position_ends_what_rested_to_reduce_it():
    engine = house()
    engine.place(wish(qty="10"), 1)
    rests = engine.place(wish(Side.SELL, "10", 70_000, reduce_only=True), 2)
    assert engine.deleverage("a", "BTC-PERP", D(10), 3).filled == 10
    assert (rests.state, rests.end) == (State.CANCELLED, End.REDUCE_ONLY)
    assert engine.clearing.positions("a") == []


def test_an_amended_order_moves_or_stays_as_it_was():
    engine = house(cash=D(1_000))
    order = engine.place(wish(qty="10", price=59_000), 1)
    rival = engine.place(wish(qty="10", price=59_500, account="b"), 1)
    engine.amend(order, D(5), D(59_500), 2)
    assert (order.qty, order.price, engine.clearing.margin("a").orders) == (5, 59_500, D("148.75"))
    with pytest.raises(Refused) as caught:
        engine.amend(order, D(100), D(59_500), 3)
    assert caught.value.reason is Reason.INSUFFICIENT_FUNDS and (order.qty, order.price) == (5, 59_500)
    engine.show_book("BTC-PERP", levels((59_000, 1)), levels((59_400, 12)), 4)
    assert (rival.filled, order.filled) == (10, 2)  # it came later to this price
    engine.amend(order, D(5), D(60_000), 5)
    assert order.state is State.OPEN
    engine.amend(order, D(2), D(60_000), 6)
    assert (order.state, order.filled) == (State.CANCELLED, 2)


def test_a_perpetual_that_is_only_watched_takes_no_order():
    engine = house(rules=replace(RULES, margined=False))
    with pytest.raises(Refused) as caught:
        engine.place(wish(), 1)
    assert caught.value.reason is Reason.UNKNOWN_MARKET


WHATS = ["place"] * 8 + ["book"] * 3 + ["mark"] * 3 + ["settle", "cancel", "amend", "leverage"]
steps = st.lists(
    st.tuples(
        st.sampled_from(WHATS),
        st.sampled_from("ab"),
        st.sampled_from(list(PRICES)),
        st.sampled_from(list(Side)),
        st.sampled_from([None, None, -3, -1, 1, 3, 5]),  # dollars beyond the other side; None: a market order
        st.sampled_from([Tif.GTC, Tif.GTC, Tif.IOC, Tif.FOK, Tif.POST_ONLY]),
        st.integers(1, 20),
        st.booleans(),
        st.integers(-500, 500),
    ),
    min_size=12,
    max_size=40,
)


CALM = [("mark", "a", symbol, Side.BUY, None, Tif.GTC, 1, False, 0) for symbol in PRICES]


def drive(engine, script):
    """Carry out a random day; refusals are part of it."""
    settled = 0
    for now, (what, account, symbol, side, shift, tif, qty, reduces, move) in enumerate(script, 1):
        bids, asks = engine.book(symbol)
        best = asks if side is Side.BUY else bids
        touch = best[0][0] if best else PRICES[symbol]
        beyond = shift if side is Side.BUY else -(shift or 0)
        moved = (PRICES[symbol] * (1 + D(move) / 5_000)).quantize(D("0.1"))
        orders = engine.open_orders(account, symbol)
        try:
            if what == "place":
                price, tif = (None, Tif.IOC) if shift is None else (touch + beyond, tif)
                more = {"tif": tif, "reduce_only": reduces}
                engine.place(wish(side, str(qty), price, account, symbol, **more), now)
            elif what == "cancel" and orders:
                engine.cancel(orders[0], now)
            elif what == "amend" and orders:
                engine.amend(orders[0], D(qty), touch + (shift or 0), now)
            elif what == "leverage":
                engine.clearing.set_leverage(account, symbol, qty * 5)
            elif what == "book":
                engine.show_book(symbol, levels((moved - 1, qty), (moved - 2, 9)), levels((moved + 1, qty)), now)
            elif what == "mark":
                engine.show_mark(symbol, mark_of(moved, settled=settled), now)
            elif what == "settle":
                settled += 1
                engine.show_mark(symbol, mark_of(moved, D(qty - 10) / 1_000, settled), now)
        except Refused:
            continue


@settings(max_examples=100, deadline=None)
@given(script=steps, cash=st.integers(2_000, 60_000), strict=st.booleans())
def test_money_and_positions_are_conserved(script, cash, strict):
    engine = house(cash=D(cash), rules=replace(RULES, cuts_reduce_only=strict, counts_reduce_only=strict))
    before = engine.ledger.total("USDT")
    drive(engine, [*script, *CALM])
    clearing = engine.clearing
    assert engine.ledger.total("USDT") == before
    fees = sum((order.fee for order in engine.orders.values()), D(0))
    assert engine.ledger.balance(FEES, "USDT").total == fees
    for symbol in PRICES:
        assert sum(clearing.open_interest(symbol).values(), D(0)) == 0
        mine = {account: D(0) for account in "ab"}
        for order in engine.orders.values():
            if order.symbol == symbol:
                mine[order.account] += order.filled if order.side is Side.BUY else -order.filled
        assert {account: clearing.position(account, symbol).qty for account in "ab"} == mine
    for account in "ab":
        margin, flows = clearing.margin(account), clearing.statement(account)
        assert margin.wallet == cash + sum((flow.amount for flow in flows), D(0))
        # Every payment for what was traded, counted without averages: the position's value is what it would bring.
        cash_flows = sum(
            (-o.funds if o.side is Side.BUY else o.funds for o in engine.orders.values() if o.account == account), D(0)
        )
        other = sum((flow.amount for flow in flows if flow.kind is not FlowKind.REALISED), D(0))
        held = clearing.positions(account)
        value = sum((p.qty * p.contract * p.mark for p in held), D(0))
        assert margin.equity == cash + cash_flows + other + value
        assert margin.unrealised == sum((p.unrealised for p in held), D(0))
        assert margin.equity > margin.maintenance or not held
    for order in engine.orders.values():
        assert order.filled == sum((fill.qty for fill in order.fills), D(0)) <= (order.qty or 0)
        assert not order.reduce_only or not any(_opened(engine, order, fill) for fill in order.fills)
    assert not engine.ledger.balance(MARKET, "USDT").held


def _opened(engine, order, fill):
    """Whether the position stood on the fill's side, or flat, directly before it."""
    before = D(0)
    for other in engine.orders.values():
        if (other.account, other.symbol) == (order.account, order.symbol):
            sign = 1 if other.side is Side.BUY else -1
            before += sign * sum((each.qty for each in other.fills if each.id < fill.id), D(0))
    signed = fill.qty if order.side is Side.BUY else -fill.qty
    return before * signed >= 0 or abs(signed) > abs(before)


@settings(max_examples=15, deadline=None)
@given(script=steps)
def test_the_same_day_ends_the_same(script):
    first, second = house(), house()
    for engine in (first, second):
        drive(engine, script)
    assert first.orders == second.orders and first.clearing.flows == second.clearing.flows
