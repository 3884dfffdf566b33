"""The five later clients against a scripted server: what goes over the wire, and how every kind of answer is read."""

import base64
import hmac
import json
import time
from dataclasses import dataclass, field
from decimal import Decimal as D
from typing import Any

import pytest
from msgspec.structs import replace

from engine.domain.errors import OrderNotFound, OutcomeUnknown, RateLimited, VenueRefused, VenueUnavailable
from engine.domain.market import FeeSide
from engine.domain.order import Fee, OrderKind, OrderStatus, Side, TimeInForce
from engine.venues.bitget.orders import BitgetOrders
from engine.venues.bybit.orders import BybitOrders
from engine.venues.coinone.orders import CoinoneOrders
from engine.venues.gate.orders import GateOrders
from engine.venues.kucoin.orders import KucoinOrders
from engine.venues.verdict import Budgets
from tests.venues.orders.stage import CID, CREDENTIAL, Open, Say, config, order, stage

QTY, PRICE, SPENT = "0.12345678901234567890", "93125000.10", "11496913.48"


@dataclass
class Venue:
    """How one venue is spoken to, and what it answers."""

    kind: Any
    symbol: str
    place: str  # "POST /path"
    placed: Any  # its good answer
    tif: dict[str, dict[str, Any]]  # tif -> the fields that carry it
    fixed: dict[str, Any]  # the other fields of a limit buy
    buy: dict[str, Any]  # of a market buy: what stands instead
    sell: dict[str, Any]
    looks: tuple[str, ...]  # the requests of a look-up that finds nothing, in order
    nothing: tuple[Any, ...]  # and their answers
    codes: dict[str, Any] = field(default_factory=dict)  # outcome -> answer


def bybit(code, text="no"):
    return Say({"retCode": code, "retMsg": text, "result": {}})


def gate(label, status=400):
    return Say({"label": label, "message": "no"}, status)


def coded(code, text="no", status=200):
    return Say({"code": code, "msg": text, "data": None}, status)


def coinone(code):
    return Say({"result": "error", "error_code": code, "error_msg": "no"})


EMPTY = {"retCode": 0, "retMsg": "OK", "result": {"list": [], "nextPageCursor": ""}}
PAIR = {"quote_currency": "KRW", "target_currency": "BTC"}
NO_FILL = {"code": "200000", "data": {"items": []}}
GATE_ROW = {
    "id": "7",
    "text": f"t-{CID}",
    "currency_pair": "BTC_USDT",
    "status": "cancelled",
    "side": "buy",
    "amount": "0.5",
    "left": "0.2",
    "filled_amount": "0.3",
    "filled_total": "20100.3",
    "fee": "0.0006",
    "fee_currency": "BTC",
    "gt_fee": "0.01",
    "point_fee": "0",
    "update_time_ms": 1700000000000,
}
VENUES = {
    "bybit": Venue(
        kind=BybitOrders,
        symbol="BTCUSDT",
        place="POST /v5/order/create",
        placed={"retCode": 0, "retMsg": "OK", "result": {"orderId": "77", "orderLinkId": CID}},
        tif={
            "gtc": {"timeInForce": "GTC"},
            "ioc": {"timeInForce": "IOC"},
            "fok": {"timeInForce": "FOK"},
            "post_only": {"timeInForce": "PostOnly"},
        },
        fixed={
            "category": "spot",
            "symbol": "BTCUSDT",
            "side": "Buy",
            "orderType": "Limit",
            "qty": QTY,
            "price": PRICE,
            "orderLinkId": CID,
        },
        buy={"orderType": "Market", "marketUnit": "baseCoin", "qty": QTY, "timeInForce": "IOC"},
        sell={"orderType": "Market", "marketUnit": "baseCoin", "qty": QTY, "timeInForce": "IOC"},
        looks=("GET /v5/order/realtime", "GET /v5/order/history", "GET /v5/execution/list"),
        nothing=(EMPTY, EMPTY, EMPTY),
        codes={
            "unknown": [bybit(170007), bybit(10016), bybit(170146), Say("", 500)],
            "limited": [bybit(10006), Say({"retCode": 10018, "retMsg": "x", "result": {}}, 403), Say("", 429)],
            "duplicate": [bybit(170141), bybit(110072)],
            "refused": [bybit(170131), bybit(10003), bybit(10002)],
        },
    ),
    "gate": Venue(
        kind=GateOrders,
        symbol="BTC_USDT",
        place="POST /api/v4/spot/orders",
        placed=GATE_ROW,
        tif={
            "gtc": {"time_in_force": "gtc"},
            "ioc": {"time_in_force": "ioc"},
            "fok": {"time_in_force": "fok"},
            "post_only": {"time_in_force": "poc"},
        },
        fixed={
            "text": f"t-{CID}",
            "currency_pair": "BTC_USDT",
            "type": "limit",
            "account": "spot",
            "side": "buy",
            "amount": QTY,
            "price": PRICE,
        },
        buy={"type": "market", "amount": SPENT, "time_in_force": "ioc"},
        sell={"type": "market", "amount": QTY, "time_in_force": "ioc"},
        looks=(f"GET /api/v4/spot/orders/t-{CID}", "GET /api/v4/spot/orders", "GET /api/v4/spot/my_trades"),
        nothing=(gate("ORDER_NOT_FOUND"), [], []),
        codes={
            "unknown": [gate("SERVER_ERROR", 500), gate("TOO_BUSY"), Say("<html>", 502)],
            "limited": [gate("TOO_MANY_REQUESTS", 429), gate("TOO_FAST")],
            "duplicate": [gate("REPEATED_CREATION")],
            "refused": [gate("BALANCE_NOT_ENOUGH"), gate("POC_FILL_IMMEDIATELY"), gate("REQUEST_EXPIRED", 401)],
        },
    ),
    "bitget": Venue(
        kind=BitgetOrders,
        symbol="BTCUSDT",
        place="POST /api/v2/spot/trade/place-order",
        placed={"code": "00000", "msg": "success", "data": {"orderId": "77", "clientOid": CID}},
        tif={name: {"force": name} for name in ("gtc", "ioc", "fok", "post_only")},
        fixed={
            "symbol": "BTCUSDT",
            "side": "buy",
            "orderType": "limit",
            "price": PRICE,
            "size": QTY,
            "clientOid": CID,
        },
        buy={"orderType": "market", "size": SPENT},
        sell={"orderType": "market", "size": QTY},
        looks=("GET /api/v2/spot/trade/orderInfo", "GET /api/v2/spot/trade/history-orders"),
        nothing=({"code": "00000", "msg": "success", "data": []}, {"code": "00000", "msg": "success", "data": []}),
        codes={
            "unknown": [coded("40010", status=400), coded("45001", status=400), Say("", 503)],
            "limited": [coded("429", status=429), coded("30007", status=400)],
            "duplicate": [coded("40786", "Duplicate clientOid", 400), coded("43118", status=400)],
            "refused": [coded("43012", status=400), coded("40009", status=400), coded("45110", status=400)],
        },
    ),
    "kucoin": Venue(
        kind=KucoinOrders,
        symbol="BTC-USDT",
        place="POST /api/v1/hf/orders",
        placed={"code": "200000", "data": {"orderId": "77", "clientOid": CID}},
        tif={
            "gtc": {"timeInForce": "GTC"},
            "ioc": {"timeInForce": "IOC"},
            "fok": {"timeInForce": "FOK"},
            "post_only": {"timeInForce": "GTC", "postOnly": True},
        },
        fixed={
            "clientOid": CID,
            "symbol": "BTC-USDT",
            "side": "buy",
            "type": "limit",
            "price": PRICE,
            "size": QTY,
        },
        buy={"type": "market", "size": QTY},
        sell={"type": "market", "size": QTY},
        looks=(f"GET /api/v1/hf/orders/client-order/{CID}", "GET /api/v1/hf/orders/done"),
        nothing=({"code": "200000", "data": None}, NO_FILL),
        codes={
            "unknown": [coded("408000"), coded("500000"), Say("", 504)],
            "limited": [coded("429000", status=429)],
            "duplicate": [coded("400100", "validation.createOrder.clientOidDuplicated"), coded("126044")],
            "refused": [coded("200004"), coded("400005", status=401), coded("400100", "Order size below")],
        },
    ),
    "coinone": Venue(
        kind=CoinoneOrders,
        symbol="KRW-BTC",
        place="POST /v2.1/order",
        placed={"result": "success", "error_code": "0", "order_id": "77"},
        tif={"gtc": {"post_only": False}, "post_only": {"post_only": True}},
        fixed={**PAIR, "side": "BUY", "type": "LIMIT", "price": PRICE, "qty": QTY, "user_order_id": CID},
        buy={"type": "MARKET", "amount": "11496913"},
        sell={"type": "MARKET", "qty": QTY},
        looks=("POST /v2.1/order/detail", "POST /v2.1/order/active_orders"),
        nothing=(coinone("104"), {"result": "success", "error_code": "0", "active_orders": []}),
        codes={
            "unknown": [coinone("405"), Say("<html>coinone</html>"), Say("", 500)],
            "limited": [coinone("4"), Say("", 429)],
            "duplicate": [coinone("313")],
            "refused": [coinone("103"), coinone("310"), coinone("12")],
        },
    ),
}
NAMES = list(VENUES)
OUTCOMES = {"unknown": OutcomeUnknown, "limited": RateLimited, "duplicate": VenueRefused, "refused": VenueRefused}


@pytest.fixture
async def play():
    async with stage() as play:
        yield play


@pytest.fixture
async def trade(play, request):
    """The client of the test's `name`, on its stage."""
    venue = VENUES[request.node.callspec.params["name"]]
    side = FeeSide.QUOTE if venue.kind in (KucoinOrders, CoinoneOrders) else FeeSide.RECEIVED
    settings = config(play.base, symbols=(venue.symbol,), fee_side=side, ticks=())
    orders = venue.kind(settings, CREDENTIAL, Budgets(Open(), Open()))
    yield orders
    await orders.close()


def sent(heard):
    """The fields of a request's body; Coinone's is base64, with a token and a nonce in it."""
    text = heard.body if heard.body.startswith("{") else base64.b64decode(heard.body).decode()
    return {key: value for key, value in json.loads(text).items() if key not in ("access_token", "nonce")}


def wish(name, tif=TimeInForce.GTC, **over):
    return order(name, VENUES[name].symbol, tif, **over)


@pytest.mark.parametrize("name", NAMES)
async def test_one_request_with_the_exact_text(play, trade, name):
    venue = VENUES[name]
    play.says(venue.place, Say(venue.placed))
    for tif, fields in venue.tif.items():
        play.heard.clear()
        report = await trade.place(wish(name, TimeInForce(tif)))
        assert [f"{heard.method} {heard.path}" for heard in play.heard] == [venue.place]
        assert sent(play.heard[0]) == venue.fixed | fields
        assert (report.cid, report.venue, report.symbol, report.side) == (CID, name, venue.symbol, Side.BUY)


@pytest.mark.parametrize("name", NAMES)
async def test_a_market_order_never_spends_more_than_was_reserved(play, trade, name):
    venue = VENUES[name]
    play.says(venue.place, Say(venue.placed))
    for side, shape in ((Side.BUY, venue.buy), (Side.SELL, venue.sell)):
        play.heard.clear()
        await trade.place(wish(name, TimeInForce.IOC, kind=OrderKind.MARKET, side=side))
        fields = sent(play.heard[0])
        assert {key: fields.get(key) for key in shape} == shape
        amounts = [key for key in ("qty", "amount", "size") if key in fields]
        assert "price" not in fields and len(amounts) == 1 and amounts[0] in shape


@pytest.mark.parametrize("name", NAMES)
async def test_what_it_cannot_do_is_refused_without_a_request(play, trade, name):
    unable_to = [replace(wish(name), reduce_only=True)]
    if OrderKind.STOP_LOSS not in trade.abilities.kinds:
        unable_to.append(wish(name, kind=OrderKind.STOP_LOSS, stop_price=D(1)))
    for unable in unable_to:
        with pytest.raises(VenueRefused, match="unsupported"):
            await trade.place(unable)
    if not trade.abilities.moves:
        with pytest.raises(VenueRefused, match="unsupported"):
            await trade.amend(VENUES[name].symbol, CID, "77", D(1), D(1))
    assert play.heard == []


MOVES = {  # request, answer, what stands in its body and what does not
    "bybit": (
        "POST /v5/order/amend",
        {"retCode": 0, "retMsg": "OK", "result": {"orderId": "77", "orderLinkId": CID}},
        {"category": "spot", "orderLinkId": CID, "qty": "2", "price": "3.5"},
        set(),
    ),
    "gate": ("PATCH /api/v4/spot/orders/77", {"id": "77"}, {"price": "3.5"}, {"amount"}),
}


@pytest.mark.parametrize("name", MOVES)
async def test_another_price_stands_on_the_wire_as_the_venue_wants_it(play, trade, name):
    request, answer, shape, absent = MOVES[name]
    play.says(request, Say(answer))
    await trade.amend(VENUES[name].symbol, CID, "77", D(2), D("3.5"))
    [heard] = play.heard
    fields = json.loads(heard.body)
    assert {key: fields.get(key) for key in shape} == shape and not absent & fields.keys()
    assert name != "gate" or "x-gate-exptime" in {key.lower() for key in heard.headers}


@pytest.mark.parametrize("name", NAMES)
async def test_every_no_is_read_as_what_it_means(play, trade, name):
    venue = VENUES[name]
    for outcome, answer in [(outcome, answer) for outcome, answers in venue.codes.items() for answer in answers]:
        play.forget()
        play.says(venue.place, answer)
        with pytest.raises(OUTCOMES[outcome]) as caught:
            await trade.place(wish(name))
        assert len(play.heard) == 1, answer  # nothing is sent twice
        assert (getattr(caught.value, "code", "") == "duplicate") is (outcome == "duplicate"), answer


@pytest.mark.parametrize("name", NAMES)
async def test_no_answer_is_unknown(play, trade, name):
    for happens in ("cut", "hang"):
        play.forget()
        play.says(VENUES[name].place, Say(happens=happens))
        with pytest.raises(OutcomeUnknown):
            await trade.place(wish(name))
        assert len(play.heard) == 1


@pytest.mark.parametrize("name", NAMES)
async def test_none_is_said_only_after_two_sources(play, trade, name):
    venue = VENUES[name]
    for request, answer in zip(venue.looks, venue.nothing, strict=True):
        play.says(request, answer if isinstance(answer, Say) else Say(answer))
    with pytest.raises(OrderNotFound):
        await trade.look_up(venue.symbol, CID)
    assert [f"{heard.method} {heard.path}" for heard in play.heard] == list(venue.looks)


@pytest.mark.parametrize("name", NAMES)
async def test_a_second_source_that_does_not_answer_leaves_it_open(play, trade, name):
    venue = VENUES[name]
    for request, answer in list(zip(venue.looks, venue.nothing, strict=True))[:-1]:
        play.says(request, answer if isinstance(answer, Say) else Say(answer))
    play.says(venue.looks[-1], Say("", 503))
    with pytest.raises(VenueUnavailable):
        await trade.look_up(venue.symbol, CID)


FOUND_LATER = {  # what the last source holds although the first knew nothing: the order is not settled, never none
    "bybit": EMPTY
    | {"result": {"list": [{"execQty": "1", "execFee": "0.1", "feeCurrency": "BTC"}], "nextPageCursor": ""}},
    "gate": [{"text": f"t-{CID}"}],
    "coinone": {
        "result": "success",
        "error_code": "0",
        "active_orders": [{"order_id": "77", **PAIR, "user_order_id": CID}],
    },
}


@pytest.mark.parametrize("name", list(FOUND_LATER))
async def test_a_trace_in_the_last_source_is_no_not_found(play, trade, name):
    venue = VENUES[name]
    for request, answer in list(zip(venue.looks, venue.nothing, strict=True))[:-1]:
        play.says(request, answer if isinstance(answer, Say) else Say(answer))
    play.says(venue.looks[-1], Say(FOUND_LATER[name]))
    with pytest.raises(VenueUnavailable):
        await trade.look_up(venue.symbol, CID)


@pytest.mark.parametrize("name", ["gate"])
async def test_gate_finds_an_ended_order_whose_text_is_forgotten(play, trade, name):
    play.says(f"GET /api/v4/spot/orders/t-{CID}", gate("ORDER_NOT_FOUND"))
    play.says("GET /api/v4/spot/orders", Say([GATE_ROW | {"text": "t-other"}, GATE_ROW]))
    report = await trade.look_up("BTC_USDT", CID)
    assert (report.status, report.filled_qty, report.filled_quote) == (OrderStatus.CANCELLED, D("0.3"), D("20100.3"))
    assert report.fees == (Fee("BTC", D("0.0006")), Fee("GT", D("0.01")))


@pytest.mark.parametrize("name", ["bybit"])
async def test_bybits_fees_come_from_every_page_of_fills(play, trade, name):
    row = {
        "symbol": "BTCUSDT",
        "orderId": "77",
        "orderLinkId": CID,
        "side": "Buy",
        "orderStatus": "PartiallyFilledCanceled",
        "cumExecQty": "0.3",
        "cumExecValue": "20100.3",
        "updatedTime": "1700000000000",
    }
    fill = {"execQty": "0.1", "execFee": "0.0001", "feeCurrency": "BTC"}
    play.says("GET /v5/order/realtime", Say(EMPTY | {"result": {"list": [row]}}))
    play.says(
        "GET /v5/execution/list",
        Say(EMPTY | {"result": {"list": [fill, fill], "nextPageCursor": "2"}}),
        Say(EMPTY | {"result": {"list": [fill], "nextPageCursor": ""}}),
        Say(EMPTY | {"result": {"list": [fill], "nextPageCursor": ""}}),
    )
    report = await trade.look_up("BTCUSDT", CID)
    assert (report.status, report.fees) == (OrderStatus.CANCELLED, (Fee("BTC", D("0.0003")),))
    with pytest.raises(VenueUnavailable, match="not settled"):
        await trade.look_up("BTCUSDT", CID)


@pytest.mark.parametrize("name", ["bybit", "gate"])
async def test_the_expiry_is_never_later_than_we_count(play, trade, name):
    venue = VENUES[name]
    play.says(venue.place, Say(venue.placed))
    before_ms = time.time_ns() // 1_000_000
    await trade.place(wish(name))
    after_ms = time.time_ns() // 1_000_000
    headers = {key.lower(): value for key, value in play.heard[0].headers.items()}
    if name == "bybit":
        expiry_ms = int(headers["x-bapi-timestamp"]) + int(headers["x-bapi-recv-window"])
    else:
        expiry_ms = int(headers["x-gate-exptime"])
    assert before_ms + 400 <= expiry_ms <= after_ms + 400  # the timeout of these settings
    assert trade.late_acceptance_ms == 400 + 1_000


@pytest.mark.parametrize("name", ["gate", "kucoin"])
async def test_arming_renews_and_disarms(play, trade, name):
    path = {"gate": "POST /api/v4/spot/countdown_cancel_all", "kucoin": "POST /api/v1/hf/orders/dead-cancel-all"}[name]
    play.says(path, Say({"code": "200000", "data": {}, "triggerTime": 1}))
    for timeout_s in (30, 3, 0):
        await trade.arm(timeout_s)
    assert [sent(heard)["timeout"] for heard in play.heard] == [30, 5, {"gate": 0, "kucoin": -1}[name]]
    assert trade.abilities.countdown


@pytest.mark.parametrize("name", ["coinone"])
async def test_coinones_secret_signs_as_shown_and_else_in_upper_case(play, trade, name):
    markets = {"result": "success", "error_code": "0", "server_time": 1700000000000, "markets": []}
    play.says("GET /public/v2/markets/KRW/BTC", Say(markets))
    balances = {"result": "success", "error_code": "0", "balances": []}
    play.says("POST /v2.1/account/balance/all", coinone("12"), Say(balances), Say(balances))
    await trade.warm()
    await trade.balances()
    signed = [heard for heard in play.heard if heard.method == "POST"]
    secrets = [CREDENTIAL.secret, CREDENTIAL.secret.upper(), CREDENTIAL.secret.upper()]
    for heard, secret in zip(signed, secrets, strict=True):
        headers = {key.lower(): value for key, value in heard.headers.items()}
        assert headers["x-coinone-payload"] == heard.body
        expected = hmac.new(secret.encode(), heard.body.encode(), "sha512").hexdigest()
        assert headers["x-coinone-signature"] == expected
