"""OKX's swaps against a scripted server: contracts on the wire, base in the engine; margin, positions, funding."""

import json
import os
import time
from decimal import Decimal as D
from pathlib import Path

import pytest

from engine.domain.errors import OrderNotFound, VenueRefused, VenueUnavailable
from engine.domain.market import Balance, FeeSide, Product
from engine.domain.money import TickBand
from engine.domain.order import Fee, OrderKind, OrderStatus, Side, TimeInForce
from engine.domain.position import FundingPaid, Position
from engine.venues.okx.order_stream import OkxStreamDialect
from engine.venues.okx.swap_orders import OkxSwapOrders
from engine.venues.order_stream import Answer
from engine.venues.protocol import Lender, Margined, OrderTold
from engine.venues.verdict import Budgets
from tests.venues.orders.stage import CID, CREDENTIAL, Open, Say, config, order, stage
from tests.venues.orders.test_okx_offline import no, row_no, yes

SHARED = Path(os.environ.get("PREMIA_SHARED", Path(__file__).parents[3].parent / "shared"))
NOW_MS = time.time_ns() // 1_000_000
BTC = "BTC-USDT-SWAP"
MARKET = {
    "instId": BTC,
    "baseCcy": "",
    "quoteCcy": "",
    "tickSz": "0.1",
    "lotSz": "0.01",
    "minSz": "0.01",
    "ctVal": "0.01",
    "ctMult": "1",
    "ctValCcy": "BTC",
    "ctType": "linear",
    "settleCcy": "USDT",
    "instIdCode": 10_462,
}
ROW = {
    "instId": BTC,
    "ordId": "680800019749904384",
    "clOrdId": CID,
    "state": "filled",
    "side": "sell",
    "accFillSz": "1.5",
    "uTime": str(NOW_MS),
}
FILLS = [
    {"fillSz": "1", "fillPx": "67000.1", "fee": "-0.335", "feeCcy": "USDT", "billId": "1"},
    {"fillSz": "0.5", "fillPx": "67000.2", "fee": "-0.1675", "feeCcy": "USDT", "billId": "2"},
]
HELD = {"instId": BTC, "pos": "-1.5", "avgPx": "67000", "markPx": "66900.5", "imr": "501.7", "margin": "", "liqPx": ""}


@pytest.fixture
async def play():
    async with stage() as play:
        play.says("GET /api/v5/public/instruments", yes(MARKET))
        yield play


@pytest.fixture
async def orders(play):
    settings = config(play.base, symbols=(BTC,), fee_side=FeeSide.QUOTE, min_notional=D(0), ticks=())
    orders = OkxSwapOrders(settings, CREDENTIAL, Budgets(Open(), Open()))
    yield orders
    await orders.close()


def wish(**over):
    values = {"qty": D("0.0130"), "price": D("67000.10"), "side": Side.SELL}
    return order("okx_swap", BTC, TimeInForce.IOC, **(values | over))


def heard(play, path):
    return [json.loads(each.body) for each in play.heard if each.path == path]


def test_the_account_is_margined_and_lends_nothing(orders):
    assert isinstance(orders, OkxSwapOrders) and isinstance(orders, Margined) and not isinstance(orders, Lender)
    assert orders.abilities.reduce_only and orders.abilities.countdown and orders.abilities.expiry


@pytest.mark.parametrize("reduce_only", [False, True])
async def test_an_order_counts_contracts_and_names_cross_margin(play, orders, reduce_only):
    play.says("POST /api/v5/trade/order", yes({"ordId": "312", "clOrdId": CID, "sCode": "0", "ts": "1695190491421"}))
    report = await orders.place(wish(reduce_only=reduce_only))
    assert (report.venue, report.status, report.venue_order_id) == ("okx_swap", OrderStatus.OPEN, "312")
    [sent] = heard(play, "/api/v5/trade/order")
    expected = {
        "instId": BTC,
        "tdMode": "cross",
        "side": "sell",
        "ordType": "ioc",
        "px": "67000.10",
        "sz": "1.30",
        "clOrdId": CID,
    }
    assert sent == expected | ({"reduceOnly": True} if reduce_only else {})


async def test_a_market_order_has_contracts_and_no_unit_of_another_asset(play, orders):
    play.says("POST /api/v5/trade/order", yes({"ordId": "312", "sCode": "0"}))
    await orders.place(wish(side=Side.BUY, kind=OrderKind.MARKET, qty=D("0.02")))
    [sent] = heard(play, "/api/v5/trade/order")
    assert (sent["ordType"], sent["sz"]) == ("market", "2") and not {"px", "tgtCcy"} & set(sent)


@pytest.mark.parametrize("qty", ["0.00005", "0.01005", "0.000000001"])
async def test_what_is_no_whole_number_of_lots_never_leaves(play, orders, qty):
    with pytest.raises(VenueRefused, match="no multiple of") as caught:
        await orders.place(wish(qty=D(qty)))
    assert caught.value.about_rules
    with pytest.raises(VenueRefused):
        await orders.amend(BTC, CID, "312", D(qty), D(67_000))
    assert not heard(play, "/api/v5/trade/order") and not heard(play, "/api/v5/trade/amend-order")


async def test_an_inverse_contract_is_not_counted_in_base(play, orders):
    play.forget()
    play.says("GET /api/v5/public/instruments", yes(MARKET | {"ctType": "inverse", "ctVal": "100", "ctValCcy": "USD"}))
    assert await orders.instruments([BTC]) == []
    with pytest.raises(VenueRefused, match="no contract margined in its quote"):
        await orders.place(wish())
    play.says("GET /api/v5/account/positions", yes(HELD))
    with pytest.raises(VenueRefused, match="unsupported"):
        await orders.positions()


async def test_amend_counts_contracts(play, orders):
    play.says("POST /api/v5/trade/amend-order", yes({"sCode": "0"}))
    await orders.amend(BTC, CID, "312", D("0.025"), D("66999.9"))
    [sent] = heard(play, "/api/v5/trade/amend-order")
    assert sent == {"instId": BTC, "clOrdId": CID, "newSz": "2.5", "newPx": "66999.9"}
    assert "expTime" in play.heard[-1].headers


REFUSED = [
    ("margin", "51008"),
    ("nothing to reduce", "51169"),
    ("reduce-only on the wrong side", "51170"),
    ("reduce-only not available", "51205"),
    ("below the minimum", "51120"),
    ("account mode", "51010"),
]


@pytest.mark.parametrize("why, code", REFUSED, ids=[why for why, _ in REFUSED])
async def test_a_definitive_no_is_refused(play, orders, why, code):
    play.says("POST /api/v5/trade/order", row_no(code, why))
    with pytest.raises(VenueRefused) as caught:
        await orders.place(wish())
    assert caught.value.code == code and caught.value.about_rules is (code == "51120")


async def test_a_report_is_in_base_and_its_fees_in_usdt(play, orders):
    play.says("GET /api/v5/trade/order", yes(ROW))
    play.says("GET /api/v5/trade/fills", yes(*FILLS))
    report = await orders.look_up(BTC, CID)
    assert (report.status, report.filled_qty, report.side) == (OrderStatus.FILLED, D("0.015"), Side.SELL)
    assert report.filled_quote == D("670.001") + D("335.001") and report.fees == (Fee("USDT", D("0.5025")),)
    fills = next(each for each in play.heard if each.path == "/api/v5/trade/fills")
    assert "instType=SWAP" in fills.query


async def test_fills_that_do_not_add_up_yet_are_asked_again(play, orders):
    play.says("GET /api/v5/trade/order", yes(ROW))
    play.says("GET /api/v5/trade/fills", yes(FILLS[0]))
    with pytest.raises(VenueUnavailable, match="not settled"):
        await orders.look_up(BTC, CID)


async def test_a_look_up_tells_not_found_from_no_answer(play, orders):
    play.says("GET /api/v5/trade/orders-history", yes())
    play.says("GET /api/v5/trade/order", no("51603"), yes(), Say("<html>", 502))
    with pytest.raises(OrderNotFound):
        await orders.look_up(BTC, CID)
    for _ in range(2):
        with pytest.raises(VenueUnavailable):
            await orders.look_up(BTC, CID)


async def test_the_rules_are_in_base(play, orders):
    rate = {"maker": "-0.0002", "taker": "-0.0005", "makerU": "-0.00015", "takerU": "-0.00045"}
    play.says("GET /api/v5/account/trade-fee", yes(rate))
    [found] = await orders.instruments([BTC])
    assert (found.venue, found.base, found.quote, found.product) == ("okx_swap", "BTC", "USDT", Product.PERP)
    assert (found.qty_step, found.min_qty, found.contract_size) == (D("0.0001"), D("0.0001"), D("0.01"))
    assert found.ticks == (TickBand(D(0), D("0.1")),) and found.fee_side is FeeSide.QUOTE
    assert (found.maker_fee_bps, found.taker_fee_bps) == (D("1.5"), D("4.5"))  # of contracts margined in USDT
    asked = next(each for each in play.heard if each.path == "/api/v5/account/trade-fee")
    assert asked.query == "instType=SWAP&instFamily=BTC-USDT"


@pytest.mark.parametrize("size", [{"ctVal": ""}, {"ctVal": "0"}, {"ctVal": "many"}, {"ctVal": "NaN"}])
async def test_a_contract_without_a_size_is_no_contract(play, orders, size):
    play.forget()
    play.says("GET /api/v5/public/instruments", yes(MARKET | size))
    with pytest.raises(VenueUnavailable):
        await orders.instruments([BTC])
    with pytest.raises(VenueUnavailable):
        await orders.place(wish())
    assert not heard(play, "/api/v5/trade/order")


async def test_the_wallet_is_without_open_results_and_free_is_what_may_become_margin(play, orders):
    detail = {"ccy": "USDT", "availBal": "900", "cashBal": "1000.5", "availEq": "812.25", "eq": "1100"}
    play.says("GET /api/v5/account/balance", yes({"details": [detail]}), yes({"details": [detail | {"availEq": ""}]}))
    assert await orders.balances() == [Balance("USDT", D("812.25"), D("1000.5"))]
    assert await orders.balances() == [Balance("USDT", D(900), D("1000.5"))]


POSITIONS = [
    ("a short in net mode", {}, "-0.015", None),
    ("a long", {"pos": "2", "liqPx": "33000.5"}, "0.02", "33000.5"),
    ("isolated margin", {"imr": "", "margin": "501.7"}, "-0.015", None),
]


@pytest.mark.parametrize("why, over, qty, liquidation", POSITIONS, ids=[case[0] for case in POSITIONS])
async def test_positions_are_in_base_and_signed(play, orders, why, over, qty, liquidation):
    flat = HELD | {"pos": "0", "instId": "ETH-USDT-SWAP"}
    play.says("GET /api/v5/account/positions", yes(HELD | over, flat))
    [found] = await orders.positions()
    assert found == Position(
        symbol=BTC,
        qty=D(qty),
        entry=D(67_000),
        mark=D("66900.5"),
        margin=D("501.7"),
        liquidation=D(liquidation) if liquidation else None,
    )


async def test_a_position_held_by_side_is_no_position_of_ours(play, orders):
    play.says("GET /api/v5/account/positions", yes(HELD | {"posSide": "short"}))
    with pytest.raises(VenueRefused, match="net mode is needed"):
        await orders.positions()


NO_POSITIONS = [
    ("a page", Say("<html>", 200)),
    ("no number", yes(HELD | {"pos": "some"})),
    ("no size", yes({"instId": BTC})),
    ("outage", no("50001", status=503)),
    ("cut", Say(happens="cut")),
]


@pytest.mark.parametrize("why, say", NO_POSITIONS, ids=[case[0] for case in NO_POSITIONS])
async def test_an_unreadable_answer_is_no_flat_account(play, orders, why, say):
    play.says("GET /api/v5/account/positions", say)
    with pytest.raises(VenueUnavailable):
        await orders.positions()


def bill(number, at_ms, amount="-0.5"):
    return {"billId": str(number), "instId": BTC, "ccy": "USDT", "balChg": amount, "ts": str(at_ms)}


async def test_funding_is_read_over_pages_oldest_first(play, orders):
    first = [bill(1_000 - n, NOW_MS - n * 60_000) for n in range(100)]
    play.says("GET /api/v5/account/bills-archive", yes(*first), yes(bill(7, NOW_MS - 9_000_000, "0.25")))
    paid = await orders.funding_since(NOW_MS - 9_000_000)
    assert len(paid) == 101 and [each.at_ms for each in paid] == sorted(each.at_ms for each in paid)
    assert paid[0] == FundingPaid(id="7", symbol=BTC, asset="USDT", amount=D("0.25"), at_ms=NOW_MS - 9_000_000)
    assert "type=8" in play.heard[0].query and f"begin={NOW_MS - 9_000_000}" in play.heard[0].query
    assert "after=901" in play.heard[1].query


async def test_funding_before_the_time_is_left_out(play, orders):
    play.says("GET /api/v5/account/bills-archive", yes(bill(2, NOW_MS), bill(1, NOW_MS - 1)))
    assert [each.id for each in await orders.funding_since(NOW_MS)] == ["2"]


async def test_prepare_changes_only_what_differs(play, orders):
    play.says("GET /api/v5/account/config", yes({"acctLv": "2", "posMode": "net_mode"}))
    play.says("GET /api/v5/account/leverage-info", yes({"lever": "2.00"}), yes({"lever": "10"}))
    play.says("POST /api/v5/account/set-leverage", yes({"lever": "2"}))
    await orders.prepare([BTC], 2)
    assert not heard(play, "/api/v5/account/set-leverage")
    await orders.prepare([BTC], 2)
    assert heard(play, "/api/v5/account/set-leverage") == [{"instId": BTC, "mgnMode": "cross", "lever": "2"}]
    assert not heard(play, "/api/v5/account/set-position-mode")


async def test_prepare_asks_for_net_mode_and_open_positions_forbid_it(play, orders):
    play.says("GET /api/v5/account/config", yes({"acctLv": "3", "posMode": "long_short_mode"}))
    play.says("POST /api/v5/account/set-position-mode", no("59000", "Cancel any open orders, close positions first"))
    with pytest.raises(VenueRefused) as caught:
        await orders.prepare([BTC], 2)
    assert caught.value.code == "59000"
    assert heard(play, "/api/v5/account/set-position-mode") == [{"posMode": "net_mode"}]


async def test_an_account_in_spot_mode_holds_no_contracts(play, orders):
    play.says("GET /api/v5/account/config", yes({"acctLv": "1", "posMode": "net_mode"}))
    with pytest.raises(VenueRefused, match="spot mode"):
        await orders.prepare([BTC], 2)


async def test_the_countdown_is_ten_seconds_at_least(play, orders):
    play.says("POST /api/v5/trade/cancel-all-after", yes({"triggerTime": "0", "ts": "1"}))
    for seconds in (0, 3, 60):
        await orders.arm(seconds)
    assert [sent["timeOut"] for sent in heard(play, "/api/v5/trade/cancel-all-after")] == ["0", "10", "60"]


def test_the_stream_counts_base_and_leaves_contracts_of_unknown_size_to_look_ups():
    settings = config("http://127.0.0.1:9", symbols=(BTC,))
    dialect = OkxStreamDialect(settings, CREDENTIAL, lambda: 0, "okx_swap", "SWAP", {BTC: D("0.01")}.get)
    fill = {"tradeId": "9", "fillSz": "1.5", "fillPx": "67000", "fillFee": "-0.5", "fillFeeCcy": "USDT"}
    rows = [ROW | fill, ROW | fill | {"instId": "DOGE-USDT-SWAP", "ordId": "7"}]
    arg = {"channel": "orders", "instType": "SWAP"}
    [told] = dialect.read(json.dumps({"arg": arg, "data": rows}).encode())
    assert (
        isinstance(told, OrderTold) and told.is_whole and (told.report.venue, told.report.symbol) == ("okx_swap", BTC)
    )
    assert (told.report.filled_qty, told.report.filled_quote) == (D("0.015"), D(1005))
    assert told.report.fees == (Fee("USDT", D("0.5")),)
    [answer] = dialect.read(b'{"event":"login","code":"0"}')
    assert isinstance(answer, Answer) and json.loads(answer.frames[0])["args"] == [arg]


async def test_a_recorded_row_of_a_position_is_read(play, orders):
    file = SHARED / "venues/okx/fixtures-jkorf.jsonl"
    if not file.exists():
        pytest.skip(f"{file} is not here")
    rows = map(json.loads, file.read_text().splitlines())
    body = next(row["data"] for row in rows if row["name"].endswith("Account/GetAccountPositions"))
    [row] = json.loads(body)["data"]
    name = row["instId"]
    play.forget()
    play.says("GET /api/v5/public/instruments", yes(MARKET | {"instId": name, "ctVal": "10"}))
    play.says("GET /api/v5/account/positions", Say(body), yes(row | {"posSide": "net"}))
    with pytest.raises(VenueRefused, match="held by side"):
        await orders.positions()
    [found] = await orders.positions()
    assert (found.symbol, found.qty, found.entry) == (name, D(10), D("2566.31"))
    assert found.liquidation == D("2352.8496681818233")
