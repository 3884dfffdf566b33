"""The matching engine: rules by table, money by property."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.venues import rules
from sandbox.venues.ledger import FEES, MARKET, Ledger
from sandbox.venues.matching import Exchange
from sandbox.venues.orders import End, Kind, OrderRequest, Print, Reason, Refused, Side, State, Tif
from sandbox.venues.rules import Stp

D = Decimal
KRW = ("KRW-BTC", "KRW-USDT")
VENUES = {
    "upbit": (rules.upbit(KRW), "KRW-BTC", D(1000)),
    "bithumb": (rules.bithumb(KRW, D("0.0025")), "KRW-BTC", D(1000)),
    "binance": (rules.binance(), "BTCUSDT", D("0.01")),
    "okx": (rules.okx(), "BTC-USDT", D("0.1")),
}


def exchange(venue="upbit", cash=D(100_000_000), coins=D(10), accounts=("a", "b")):
    venue_rules, symbol, _ = VENUES[venue]
    ledger = Ledger()
    market = venue_rules.markets[symbol]
    for account in accounts:
        ledger.deposit(account, market.quote, cash)
        ledger.deposit(account, market.base, coins)
    return Exchange(venue_rules, ledger)


def levels(*pairs):
    return tuple((D(str(price)), D(str(qty))) for price, qty in pairs)


def book(engine, bids=((90_000_000, 1),), asks=((90_010_000, 1), (90_020_000, 2)), at_ms=0):
    engine.show_book("KRW-BTC", levels(*bids), levels(*asks), at_ms)


def ask(side=Side.BUY, price=90_010_000, qty="0.5", account="a", kind=Kind.LIMIT, **more):
    return OrderRequest(
        account=account,
        symbol="KRW-BTC",
        side=side,
        kind=kind,
        price=None if price is None else D(price),
        qty=None if qty is None else D(qty),
        **more,
    )


TAKING = [  # why                              request                                        filled   state      end
    ("takes the touch",                ask(),                                          "0.5", "filled", None),
    ("walks two levels",               ask(price=90_020_000, qty="2"),                 "2",   "filled", None),
    ("stops at its limit, then rests", ask(qty="1.5"),                                 "1",   "open", None),
    ("IOC drops the remainder",        ask(qty="1.5", tif=Tif.IOC),                    "1",   "cancelled", End.TIF),
    ("FOK all",                        ask(price=90_020_000, qty="3", tif=Tif.FOK),    "3",   "filled", None),
    ("FOK nothing",                    ask(qty="1.5", tif=Tif.FOK),                    "0",   "cancelled", End.TIF),
    ("post-only that would take",      ask(tif=Tif.POST_ONLY),                         "0",   "cancelled", End.TIF),
    ("post-only that rests",           ask(price=90_000_000, tif=Tif.POST_ONLY),       "0",   "open", None),
    ("market sell",                    ask(Side.SELL, None, "0.4", kind=Kind.MARKET),  "0.4", "filled", None),
    ("half of it by fault, IOC",       ask(tif=Tif.IOC, take_ratio=D("0.5")),          "0.25", "cancelled", End.TIF),
]  # fmt: skip


@pytest.mark.parametrize("why, request_, filled, state, end", TAKING, ids=[case[0] for case in TAKING])
def test_taking(why, request_, filled, state, end):
    engine = exchange(cash=D(400_000_000))
    book(engine)
    order = engine.place(request_, 1)
    assert (order.filled, order.state.value, order.end) == (D(filled), state, end)


def test_market_buy_by_amount_spends_it_and_no_more():
    engine = exchange()
    book(engine)
    order = engine.place(ask(price=None, qty=None, kind=Kind.BUDGET, budget=D(1_000_000)), 1)
    assert D(999_900) < order.funds <= D(1_000_000)
    assert engine.ledger.balance("a", "KRW").held == 0


REFUSALS = [
    ("tick", ask(price=90_010_500), Reason.BAD_TICK),
    ("lot", ask(qty="0.000000001"), Reason.BAD_LOT),
    ("minimum", ask(qty="0.00005"), Reason.BELOW_MIN_NOTIONAL),
    ("money", ask(qty="1.2"), Reason.INSUFFICIENT_FUNDS),
    ("coins", ask(Side.SELL, qty="11"), Reason.INSUFFICIENT_FUNDS),
]


@pytest.mark.parametrize("why, request_, reason", REFUSALS, ids=[case[0] for case in REFUSALS])
def test_refusals_change_nothing(why, request_, reason):
    engine = exchange()
    book(engine)
    before = engine.ledger.balances("a")
    with pytest.raises(Refused) as caught:
        engine.place(request_, 1)
    assert caught.value.reason is reason
    assert engine.ledger.balances("a") == before and not engine.orders


def test_korea_charges_quote_and_binance_the_received_asset():
    korea = exchange("upbit")
    book(korea)
    order = korea.place(ask(qty="1"), 1)
    assert (order.fee_asset, order.fee) == ("KRW", D("45005"))
    assert korea.ledger.balance("a", "KRW").total == D(100_000_000) - D(90_010_000) - D(45005)
    abroad = exchange("binance")
    abroad.show_book("BTCUSDT", levels((68_000, 1)), levels((68_001, 1)), 0)
    request = OrderRequest(
        account="a", symbol="BTCUSDT", side=Side.BUY, kind=Kind.LIMIT, price=D(68_001), qty=D("0.5"), tif=Tif.IOC
    )
    order = abroad.place(request, 1)
    assert (order.fee_asset, order.fee) == ("BTC", D("0.0005"))
    assert abroad.ledger.balance("a", "BTC").total == D("10.4995")


def test_bithumb_cuts_its_fee_to_two_decimals():
    engine = exchange("bithumb")
    book(engine)
    order = engine.place(ask(qty="0.00123456"), 1)
    assert order.fee == (order.funds * D("0.0025")).quantize(D("0.01"), "ROUND_DOWN")


def test_eaten_liquidity_comes_back_with_the_tapes_next_word_on_it():
    engine = exchange()
    book(engine, asks=((90_010_000, 1),))
    engine.place(ask(qty="0.6"), 1)
    book(engine, asks=((90_010_000, 1),))
    assert engine.book("KRW-BTC")[1] == levels((90_010_000, "0.4"))
    book(engine, asks=((90_010_000, "0.9"),))
    assert engine.book("KRW-BTC")[1] == levels((90_010_000, "0.9"))


def test_price_then_time():
    engine = exchange()
    book(engine, asks=((90_050_000, 1),))
    second = engine.place(ask(Side.SELL, 90_030_000, "0.1", account="b"), 1)
    first = engine.place(ask(Side.SELL, 90_020_000, "0.1", account="b"), 2)
    third = engine.place(ask(Side.SELL, 90_030_000, "0.1", account="b"), 3)
    taker = engine.place(ask(price=90_030_000, qty="0.25"), 4)
    assert [order.filled for order in (first, second, third)] == [D("0.1"), D("0.1"), D("0.05")]
    assert taker.average == (D(90_020_000) + D(90_030_000) * D("1.5")) / D("2.5")


def test_a_resting_order_trades_when_the_tape_crosses_it():
    engine = exchange()
    book(engine)
    order = engine.place(ask(price=89_990_000, qty="0.5"), 1)
    engine.show_print(Print("KRW-BTC", D(89_990_000), D(9), Side.SELL, 2))
    assert order.filled == 0  # at its own price others stood before it
    engine.show_print(Print("KRW-BTC", D(89_989_000), D("0.2"), Side.SELL, 3))
    assert order.filled == D("0.2")
    book(engine, bids=((89_900_000, 1),), asks=((89_980_000, "0.1"), (89_995_000, 1)))
    assert (order.filled, order.average) == (D("0.3"), D(89_990_000))
    assert engine.book("KRW-BTC")[0][0] == (D(89_990_000), D("0.2"))
    book(engine, bids=((89_900_000, 1),), asks=((89_980_000, 5),))
    assert order.state is State.FILLED and engine.ledger.balance("a", "KRW").held == 0


STP = [  # mode             maker's end        taker's end        taker filled
    (Stp.NONE,          None,              None,              "1"),
    (Stp.CANCEL_MAKER,  End.SELF_TRADE,    None,              "1"),
    (Stp.CANCEL_TAKER,  None,              End.SELF_TRADE,    "0"),
    (Stp.CANCEL_BOTH,   End.SELF_TRADE,    End.SELF_TRADE,    "0"),
    (Stp.REDUCE,        End.SELF_TRADE,    None,              "0.6"),
    (Stp.REDUCE_TAKER,  None,              None,              "0.6"),
]  # fmt: skip


@pytest.mark.parametrize("mode, maker_end, taker_end, filled", STP, ids=[case[0].value for case in STP])
def test_self_trade_prevention(mode, maker_end, taker_end, filled):
    engine = exchange(cash=D(400_000_000))
    book(engine, asks=((90_020_000, 2),))
    maker = engine.place(ask(Side.SELL, 90_010_000, "0.4"), 1)
    taker = engine.place(ask(price=90_020_000, qty="1", stp=mode), 2)
    assert (maker.end, taker.end, taker.filled) == (maker_end, taker_end, D(filled))


# money

places = st.tuples(
    st.just("place"),
    st.sampled_from("ab"),
    st.sampled_from(list(Side)),
    st.sampled_from([Kind.LIMIT, Kind.LIMIT, Kind.LIMIT, *Kind]),
    st.sampled_from([Tif.GTC, Tif.GTC, *Tif]),
    st.integers(-8, 8),
    st.integers(1, 300),
    st.sampled_from([None, *Stp]),
)
steps = st.lists(
    st.one_of(
        places,
        places,
        places,
        st.tuples(st.just("cancel"), st.integers(1, 12)),
        st.tuples(st.just("book"), st.integers(-6, 6), st.integers(1, 200), st.integers(1, 200)),
        st.tuples(st.just("print"), st.integers(-8, 8), st.integers(1, 100), st.sampled_from(list(Side))),
    ),
    min_size=8,
    max_size=40,
)


def drive(engine, venue, script):
    """Carry out a random day; refusals are part of it."""
    _, symbol, tick = VENUES[venue]
    market = engine.rules.markets[symbol]
    middle = D(90_000_000) if market.quote == "KRW" else D(68_000)
    grain = D("0.003")
    for now, (what, *numbers) in enumerate(script):
        if what == "book":
            shift, bid, ask_ = numbers
            best = middle + shift * tick
            bids = tuple((best - i * tick, bid * grain) for i in range(1, 5))
            engine.show_book(symbol, bids, tuple((best + i * tick, ask_ * grain) for i in range(1, 5)), now)
        elif what == "print":
            shift, qty, side = numbers
            engine.show_print(Print(symbol, middle + shift * tick, qty * grain, side, now))
        elif what == "cancel":
            order = engine.orders.get(numbers[0])
            if order is not None and order.state is State.OPEN:
                engine.cancel(order, now)
        else:
            account, side, kind, tif, shift, qty, stp = numbers
            price = middle + shift * tick
            by_money = kind is Kind.BUDGET or (kind is Kind.BEST and side is Side.BUY)
            if kind is Kind.BUDGET and side is Side.SELL:
                continue
            request = OrderRequest(
                account=account,
                symbol=symbol,
                side=side,
                kind=kind,
                tif=tif if kind is Kind.LIMIT else Tif.IOC,
                price=price if kind is Kind.LIMIT else None,
                qty=None if by_money else qty * grain,
                budget=(qty * grain * price).quantize(D("0.01")) if by_money else None,
                stp=stp,
            )
            try:
                engine.place(request, now)
            except Refused:
                continue


@pytest.mark.parametrize("venue", list(VENUES))
@settings(max_examples=150, deadline=None)
@given(script=steps)
def test_money_is_conserved(venue, script):
    engine = exchange(venue, cash=D(5_000_000), coins=D(1))
    market = engine.rules.markets[VENUES[venue][1]]
    before = {asset: engine.ledger.total(asset) for asset in (market.base, market.quote)}
    drive(engine, venue, [("book", 0, 100, 100), *script])
    assert {asset: engine.ledger.total(asset) for asset in before} == before
    for account in ("a", "b", FEES):
        for balance in engine.ledger.balances(account).values():
            assert balance.free >= 0 and balance.held >= 0
    held = {account: {market.base: D(0), market.quote: D(0)} for account in "ab"}
    for order in engine.orders.values():
        assert order.filled == sum((fill.qty for fill in order.fills), D(0))
        assert order.funds == sum((fill.qty * fill.price for fill in order.fills), D(0))
        assert order.fee == sum((fill.fee for fill in order.fills), D(0))
        assert order.qty is None or order.filled + order.prevented <= order.qty
        assert order.state is State.OPEN or order.held == 0
        assert order.price is None or all(
            fill.price <= order.price if order.side is Side.BUY else fill.price >= order.price for fill in order.fills
        )
        held[order.account][order.hold_asset] += order.held
    for account in "ab":
        for asset, amount in held[account].items():
            assert engine.ledger.balance(account, asset).held == amount
    bids, asks = engine.book(market.symbol)
    assert not bids or not asks or bids[0][0] < asks[0][0]
    assert engine.ledger.balance(MARKET, market.base).held == 0


@settings(max_examples=20, deadline=None)
@given(script=steps)
def test_the_same_day_ends_the_same(script):
    first, second = exchange(), exchange()
    for engine in (first, second):
        drive(engine, "upbit", [("book", 0, 100, 100), *script])
    assert first.orders == second.orders
    assert first.book("KRW-BTC") == second.book("KRW-BTC")
