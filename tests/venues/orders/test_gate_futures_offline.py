"""Gate's USDT perpetuals against a scripted server: signed contracts on the wire, and how odd answers are read."""

import json
import time
from decimal import Decimal as D
from urllib.parse import parse_qs

import pytest

from engine.domain.errors import BadFrame, OrderNotFound, OutcomeUnknown, RateLimited, VenueRefused, VenueUnavailable
from engine.domain.market import FeeSide, Product
from engine.domain.order import Fee, OrderKind, OrderStatus, Side, TimeInForce
from engine.domain.position import FundingPaid, Position
from engine.venues.gate.futures import GateFuturesOrders
from engine.venues.gate.futures_stream import GateFuturesStreamDialect
from engine.venues.order_stream import Refused
from engine.venues.protocol import Conditional, Lender, Margined, OrderTold
from engine.venues.verdict import Budgets
from tests.venues.orders.stage import CID, CREDENTIAL, Open, Say, config, order, stage

ROOT = "/api/v4/futures/usdt"
PLACE, SYMBOL, TEXT = f"POST {ROOT}/orders", "BTC_USDT", f"t-{CID}"
CONTRACT = {
    "name": SYMBOL,
    "quanto_multiplier": "0.0001",
    "order_price_round": "0.1",
    "order_size_min": 1,
    "status": "trading",
    "in_delisting": False,
}
ROW = {
    "id": 58828270140601928,  # past 2^53
    "contract": SYMBOL,
    "size": -30,
    "left": -10,
    "status": "finished",
    "finish_as": "ioc",
    "text": TEXT,
    "create_time": 1700000000.123,
    "finish_time": 1700000000.456,
}


def no(label, status=400):
    return Say({"label": label, "message": "no"}, status)


@pytest.fixture
async def play():
    async with stage() as play:
        play.says(f"GET {ROOT}/contracts/{SYMBOL}", Say(CONTRACT))
        yield play


@pytest.fixture
async def trade(play):
    settings = config(play.base, symbols=(SYMBOL,), fee_side=FeeSide.QUOTE, ticks=(), min_notional=D(0))
    orders = GateFuturesOrders(settings, CREDENTIAL, Budgets(Open(), Open()))
    assert isinstance(orders, Margined) and isinstance(orders, Conditional) and not isinstance(orders, Lender)
    yield orders
    await orders.close()


def wish(tif=TimeInForce.IOC, **over):
    return order("gate_futures", SYMBOL, tif, **({"qty": D("0.0030"), "price": D("65000.10")} | over))


async def test_the_wire_counts_contracts_and_the_sign_is_the_side(play, trade):
    play.says(PLACE, Say(ROW, 201))
    limit = {"contract": SYMBOL, "size": 30, "price": "65000.10", "tif": "ioc", "text": TEXT}
    cases = [
        (wish(), limit),
        (wish(TimeInForce.POST_ONLY, side=Side.SELL), limit | {"size": -30, "tif": "poc"}),
        (wish(TimeInForce.FOK, reduce_only=True), limit | {"tif": "fok", "reduce_only": True}),
        (wish(kind=OrderKind.MARKET), limit | {"price": "0"}),
    ]
    before_ms = time.time_ns() // 1_000_000
    for number, (request, fields) in enumerate(cases):
        play.heard.clear()
        report = await trade.place(request)
        assert (report.venue, report.cid, report.venue_order_id) == ("gate_futures", CID, "58828270140601928")
        assert json.loads(play.heard[-1].body) == fields
        assert len(play.heard) == (2 if number == 0 else 1)  # the size of a contract is asked for once
    expiry_ms = int({key.lower(): value for key, value in play.heard[0].headers.items()}["x-gate-exptime"])
    assert before_ms + 400 <= expiry_ms <= time.time_ns() // 1_000_000 + 400


async def test_what_is_no_whole_contract_is_refused_without_a_request(play, trade):
    for qty in (D("0.00305"), D("0.00001"), D("0.12345678901234567890")):
        with pytest.raises(VenueRefused, match="multiple") as caught:
            await trade.place(wish(qty=qty))
        assert caught.value.about_rules
    play.forget()
    for answer in (no("CONTRACT_NOT_FOUND"), Say(CONTRACT | {"quanto_multiplier": "0"})):
        play.says(f"GET {ROOT}/contracts/BTC_USD", answer)
        with pytest.raises(VenueRefused, match="unsupported"):
            await trade.place(order("gate_futures", "BTC_USD", qty=D(1)))
    assert [heard.method for heard in play.heard] == ["GET"] * 2


ENDS = [
    *((no(label), VenueRefused) for label in ("BALANCE_NOT_ENOUGH", "INCREASE_POSITION", "SIZE_TOO_SMALL")),
    *((no(label), VenueRefused) for label in ("ORDER_POC_IMMEDIATE", "REPEATED_CREATION")),
    *((answer, OutcomeUnknown) for answer in (no("SERVER_ERROR", 500), no("TOO_BUSY"), Say("<html>", 502))),
    (no("TOO_MANY_REQUESTS", 429), RateLimited),
]


async def test_every_no_is_read_as_what_it_means(play, trade):
    await trade.warnings([SYMBOL])
    for answer, kind in ENDS:
        play.forget()
        play.says(PLACE, answer)
        play.says(f"GET {ROOT}/contracts/{SYMBOL}", Say(CONTRACT))
        with pytest.raises(kind) as caught:
            await trade.place(wish())
        assert sum(heard.method == "POST" for heard in play.heard) == 1, answer
        assert (getattr(caught.value, "code", "") == "duplicate") is ("REPEATED" in str(answer.body))


@pytest.mark.parametrize(
    ("ahead_s", "least_s", "most_s"), [(4, 2.9, 4.0), (0, 10.0, 10.0), (40, 10.0, 10.0), (None, 10.0, 10.0)]
)
async def test_it_rests_until_the_moment_that_gate_names(play, trade, ahead_s, least_s, most_s):
    """`X-Gate-RateLimit-Reset-Timestamp`: the present, unless the limit is reached (Gate API v4, Frequency limit)."""
    headers = {} if ahead_s is None else {"X-Gate-RateLimit-Reset-Timestamp": str(int(time.time()) + ahead_s)}
    play.says(PLACE, Say({"label": "TOO_MANY_REQUESTS", "message": "no"}, 429, headers))
    with pytest.raises(RateLimited) as caught:
        await trade.place(wish())
    assert least_s <= caught.value.retry_after_s <= most_s


async def test_a_report_is_in_base_and_its_fees_come_from_its_trades(play, trade):
    play.says(f"GET {ROOT}/orders/{TEXT}", Say(ROW))
    fills = [
        {"size": -5, "price": "65000", "fee": "0.0162", "point_fee": "0", "text": TEXT},
        {"size": "-15", "price": "65001", "fee": "-0.001", "point_fee": "0.5", "text": TEXT},
    ]
    play.says(f"GET {ROOT}/my_trades", Say(fills), Say(fills[:1]))
    report = await trade.look_up(SYMBOL, CID)
    assert (report.status, report.side, report.venue_order_id) == (OrderStatus.CANCELLED, Side.SELL, str(ROW["id"]))
    assert (report.filled_qty, report.filled_quote) == (D("0.0020"), D("130.0015"))
    assert report.fees == (Fee("USDT", D("0.0152")), Fee("POINT", D("0.5"))) and report.venue_ts_ms == 1700000000456
    assert parse_qs(play.heard[-1].query)["order"] == [str(ROW["id"])]
    with pytest.raises(VenueUnavailable, match="not settled"):
        await trade.look_up(SYMBOL, CID)


async def test_none_is_said_only_after_three_sources_and_an_ended_text_is_found(play, trade):
    play.says(f"GET {ROOT}/orders/{TEXT}", no("ORDER_NOT_FOUND"))
    untouched = ROW | {"left": -30}
    play.says(f"GET {ROOT}/orders", Say([ROW | {"text": "t-other"}]), Say([]), Say([untouched]))
    play.says(f"GET {ROOT}/my_trades", Say([]), Say([{"size": 1, "price": "1", "text": TEXT}]))
    with pytest.raises(OrderNotFound):
        await trade.look_up(SYMBOL, CID)
    with pytest.raises(VenueUnavailable, match="not listed yet"):
        await trade.look_up(SYMBOL, CID)
    assert (await trade.look_up(SYMBOL, CID)).status is OrderStatus.CANCELLED


async def test_a_change_keeps_the_side_and_lists_are_read_page_by_page(play, trade):
    play.says(f"GET {ROOT}/orders/7", Say(ROW | {"id": 7, "status": "open"}))
    play.says(f"PUT {ROOT}/orders/7", Say(ROW))
    await trade.amend(SYMBOL, CID, "7", D("0.0020"), D("64000.5"))
    assert json.loads(play.heard[-1].body) == {"size": -20, "price": "64000.5"}
    play.says(f"GET {ROOT}/price_orders", Say([]))
    resting = ROW | {"status": "open", "left": -30}
    play.says(f"GET {ROOT}/orders", Say([resting] * 100), Say([resting]))
    assert len(await trade.open_orders()) == 101
    assert parse_qs(play.heard[-1].query)["offset"] == ["100"]


HELD = {
    "contract": SYMBOL,
    "size": -20,
    "mode": "single",
    "leverage": "0",
    "entry_price": "65000.5",
    "mark_price": "65100",
    "margin": "0",
    "initial_margin": "65.1",
    "liq_price": "0",
}


async def test_positions_are_signed_base_and_two_sides_are_none(play, trade):
    flat = HELD | {"contract": "ETH_USDT", "size": 0, "entry_price": "0"}
    play.says(f"GET {ROOT}/positions", Say([HELD, flat]), Say([HELD | {"mode": "dual_short"}]))
    [short] = await trade.positions()
    assert short == Position(
        symbol=SYMBOL, qty=D("-0.0020"), entry=D("65000.5"), mark=D(65100), margin=D("65.1"), liquidation=None
    )
    with pytest.raises(VenueUnavailable, match="dual mode"):
        await trade.positions()


async def test_the_wallet_is_without_unrealised_results(play, trade):
    account = {"total": "1000.5", "available": "900", "unrealised_pnl": "12", "currency": "USDT"}
    answers = [account, account | {"available": "1010"}, account | {"available": "-3"}, account | {"total": "0"}]
    play.says(f"GET {ROOT}/accounts", *(Say(answer) for answer in answers))
    told = [[(each.free, each.total) for each in await trade.balances()] for _ in answers]
    assert told == [[(D(900), D("1000.5"))], [(D("1000.5"), D("1000.5"))], [(D(0), D("1000.5"))], []]


async def test_prepare_changes_only_what_is_not_so(play, trade):
    account = {"total": "1", "available": "1", "in_dual_mode": True}
    play.says(f"GET {ROOT}/accounts", Say(account), Say(account | {"in_dual_mode": False}))
    play.says(f"POST {ROOT}/dual_mode", Say({}))
    play.says(f"GET {ROOT}/positions", Say([]), Say([HELD | {"cross_leverage_limit": "2"}]))
    play.says(f"POST {ROOT}/positions/{SYMBOL}/leverage", Say([HELD]), no("POSITION_HOLDING"))
    await trade.prepare([SYMBOL], 2)
    assert [parse_qs(heard.query) for heard in play.heard if heard.method == "POST"] == [
        {"dual_mode": ["false"]},
        {"leverage": ["0"], "cross_leverage_limit": ["2"]},
    ]
    await trade.prepare([SYMBOL], 2)
    assert sum(heard.method == "POST" for heard in play.heard) == 2
    with pytest.raises(VenueRefused, match="POSITION_HOLDING"):
        await trade.prepare([SYMBOL], 3)


async def test_funding_is_named_by_contract_and_time(play, trade):
    entries = [
        {"time": 1700028800, "change": "-0.25", "type": "fund", "text": SYMBOL, "contract": SYMBOL},
        {"time": 1700000000.5, "change": "0.1", "type": "fund", "text": SYMBOL},
        {"time": 1700000000, "change": "9", "type": "fund", "text": SYMBOL},
    ]
    play.says(f"GET {ROOT}/account_book", Say(entries))
    older, newer = await trade.funding_since(1700000000_100)
    assert older == FundingPaid(
        id=f"{SYMBOL}@1700000000500", symbol=SYMBOL, asset="USDT", amount=D("0.1"), at_ms=1700000000500
    )
    assert (newer.amount, newer.at_ms) == (D("-0.25"), 1700028800000)
    asked = parse_qs(play.heard[-1].query)
    assert (asked["from"], asked["type"]) == (["1700000000"], ["fund"])


async def test_rules_are_in_base_and_the_countdown_is_armed(play, trade):
    play.says(f"GET {ROOT}/fee", Say({SYMBOL: {"taker_fee": "0.0005", "maker_fee": "-0.0001"}}))
    [rules] = await trade.instruments([SYMBOL])
    assert (rules.base, rules.quote, rules.product, rules.contract_size) == ("BTC", "USDT", Product.PERP, D("0.0001"))
    assert (rules.qty_step, rules.min_qty) == (D("0.0001"), D("0.0001"))
    assert (rules.taker_fee_bps, rules.maker_fee_bps) == (D(5), D(-1))
    play.says(f"POST {ROOT}/countdown_cancel_all", Say({"triggerTime": 1}))
    for timeout_s in (30, 3, 0):
        await trade.arm(timeout_s)
    armed = [json.loads(heard.body)["timeout"] for heard in play.heard if heard.path.endswith("all")]
    assert armed == [30, 5, 0]
    play.says(f"GET {ROOT}/contracts/OLD_USDT", Say(CONTRACT | {"in_delisting": True}))
    assert [(each.symbol, each.kind) for each in await trade.warnings([SYMBOL, "OLD_USDT"])] == [
        ("OLD_USDT", "delisting")
    ]


async def test_what_is_no_number_is_no_answer(play, trade):
    for odd in ({"size": "NaN"}, {"left": "Infinity"}, {"finish_time": "1e999"}):
        play.forget()
        play.says(f"GET {ROOT}/contracts/{SYMBOL}", Say(CONTRACT))
        play.says(PLACE, Say(ROW | odd))
        play.says(f"GET {ROOT}/orders/{TEXT}", Say(ROW | odd))
        with pytest.raises(OutcomeUnknown, match="unreadable"):
            await trade.place(wish())
        with pytest.raises(VenueUnavailable, match="unreadable"):
            await trade.look_up(SYMBOL, CID)
    play.says(f"GET {ROOT}/contracts/ODD_USDT", Say(CONTRACT | {"quanto_multiplier": "NaN"}))
    with pytest.raises(VenueUnavailable, match="unreadable"):
        await trade.place(order("gate_futures", "ODD_USDT", qty=D(1)))


def update(channel, *rows):
    return json.dumps({"channel": f"futures.{channel}", "event": "update", "result": rows}).encode()


def told_of(dialect: GateFuturesStreamDialect, frame: bytes) -> list[OrderTold]:
    return [each for each in dialect.read(frame) if isinstance(each, OrderTold)]


async def test_the_stream_is_whole_where_every_trade_was_heard_with_its_fee():
    async def user():
        return "10002"

    sizes = {SYMBOL: D("0.0001")}
    dialect = GateFuturesStreamDialect(config("http://x"), CREDENTIAL, lambda: 1_700_000_000_000, user, sizes.get)
    assert await dialect.url()() == "ws://127.0.0.1:1/v4/ws/usdt"
    asked = [json.loads(frame) for frame in dialect.hello()]
    assert [(each["channel"], each["payload"]) for each in asked] == [
        ("futures.usertrades", ["10002", "!all"]),
        ("futures.orders", ["10002", "!all"]),
    ]
    confirmed = [dialect.read(json.dumps({**each, "result": {"status": "success"}}).encode()) for each in asked]
    assert [len(each) for each in confirmed] == [0, 1]  # ready when both stand

    first = {"id": "1", "order_id": str(ROW["id"]), "contract": SYMBOL, "size": -5, "price": "65000", "fee": "0.0162"}
    second = first | {"id": "2", "size": -15, "price": "65001", "fee": "-0.001"}
    assert told_of(dialect, update("usertrades", first)) == []  # its order was not told of yet
    [missing] = told_of(dialect, update("orders", ROW))
    assert not missing.is_whole and missing.report.cid == CID
    [told] = told_of(dialect, update("usertrades", first, second))  # the first one twice
    assert told.is_whole and (told.report.status, told.report.side) == (OrderStatus.CANCELLED, Side.SELL)
    assert (told.report.filled_qty, told.report.filled_quote) == (D("0.0020"), D("130.0015"))
    assert told.report.fees == (Fee("USDT", D("0.0152")),)

    points = first | {"id": "3", "order_id": "9", "size": 1, "fee": "0", "point_fee": "0.4"}
    dialect.read(update("usertrades", points))
    [in_points] = told_of(dialect, update("orders", ROW | {"id": 9, "size": 1, "left": 0}))
    assert not in_points.is_whole
    assert dialect.read(update("orders", ROW | {"contract": "DOGE_USDT"})) == []  # of unknown size: looked up
    refused = {"channel": "futures.orders", "event": "subscribe", "error": {"code": 4, "message": "INVALID_KEY"}}
    assert dialect.read(json.dumps(refused).encode()) == (Refused("4 INVALID_KEY"),)
    for broken in (b"{", update("orders", ROW | {"size": "NaN"}), update("usertrades", {"id": 1})):
        with pytest.raises(BadFrame):
            dialect.read(broken)
