"""Market orders, stops and amendments on the wire: golden vectors, so that a size never counts the wrong asset."""

import json
from decimal import Decimal as D
from typing import Any
from urllib.parse import parse_qsl

import pytest

from engine.domain.errors import VenueRefused
from engine.domain.market import FeeSide
from engine.domain.order import OrderKind, Side, TimeInForce
from engine.venues.binance.orders import BinanceOrders
from engine.venues.bithumb.orders import BithumbOrders
from engine.venues.okx.orders import OkxOrders
from engine.venues.upbit.orders import UpbitOrders
from engine.venues.verdict import Budgets
from tests.venues.orders.stage import CID, CREDENTIAL, Heard, Open, Say, Stage, config, order, stage

WHEN = "2026-11-21T10:00:00+09:00"
BINANCE_ROW = {
    "symbol": "BTCUSDT",
    "orderId": 28,
    "clientOrderId": CID,
    "side": "BUY",
    "status": "NEW",
    "executedQty": "0",
    "cummulativeQuoteQty": "0",
}
VENUES: dict[str, tuple[Any, dict[str, Any], str, str, Any]] = {
    "upbit": (UpbitOrders, {}, "KRW-BTC", "POST /v1/orders", {"uuid": "u", "created_at": WHEN}),
    "bithumb": (BithumbOrders, {}, "KRW-BTC", "POST /v2/orders", {"order_id": "b", "created_at": WHEN}),
    "binance": (
        BinanceOrders,
        {"symbols": ("BTCUSDT",), "fee_side": FeeSide.RECEIVED, "min_notional": D(0), "ticks": ()},
        "BTCUSDT",
        "POST /api/v3/order",
        BINANCE_ROW,
    ),
    "okx": (
        OkxOrders,
        {"symbols": ("BTC-USDT",), "fee_side": FeeSide.RECEIVED, "min_notional": D(1), "ticks": ()},
        "BTC-USDT",
        "POST /api/v5/trade/order",
        {"code": "0", "data": [{"ordId": "312", "clOrdId": CID, "sCode": "0", "ts": "1695190491421"}]},
    ),
}
SIZED: dict[str, Any] = {"qty": D("0.5"), "price": D("93125000.5")}
MARKETS = [  # venue, side, what stands on the wire, what does not
    ("upbit", Side.BUY, {"ord_type": "price", "price": "46562500", "side": "bid"}, {"volume", "time_in_force"}),
    ("upbit", Side.SELL, {"ord_type": "market", "volume": "0.5", "side": "ask"}, {"price", "time_in_force"}),
    ("bithumb", Side.BUY, {"order_type": "price", "price": "46562500"}, {"volume", "time_in_force"}),
    ("bithumb", Side.SELL, {"order_type": "market", "volume": "0.5"}, {"price", "time_in_force"}),
    ("binance", Side.BUY, {"type": "MARKET", "quantity": "0.5"}, {"price", "timeInForce", "quoteOrderQty"}),
    ("binance", Side.SELL, {"type": "MARKET", "quantity": "0.5"}, {"price", "timeInForce", "quoteOrderQty"}),
    ("okx", Side.BUY, {"ordType": "market", "sz": "0.5", "tgtCcy": "base_ccy"}, {"px"}),
    ("okx", Side.SELL, {"ordType": "market", "sz": "0.5", "tgtCcy": "base_ccy"}, {"px"}),
]


def sent(heard: Heard) -> dict[str, Any]:
    return dict(json.loads(heard.body)) if heard.body.startswith("{") else dict(parse_qsl(heard.body))


def client(name: str, play: Stage) -> Any:
    kind, over, *_ = VENUES[name]
    return kind(config(play.base, **over), CREDENTIAL, Budgets(Open(), Open()))


@pytest.mark.parametrize("name, side, expected, absent", MARKETS, ids=[f"{row[0]} {row[1]}" for row in MARKETS])
async def test_a_market_order_counts_the_right_asset(
    name: str, side: Side, expected: dict[str, str], absent: set[str]
) -> None:
    _, _, symbol, path, answer = VENUES[name]
    async with stage() as play:
        orders = client(name, play)
        play.says(path, Say(answer))
        await orders.place(order(name, symbol, kind=OrderKind.MARKET, side=side, **SIZED))
        await orders.close()
    [heard] = play.heard
    body = sent(heard)
    assert {field: body.get(field) for field in expected} == expected and not absent & body.keys()


async def test_a_stop_rests_at_binance() -> None:
    async with stage() as play:
        orders = client("binance", play)
        play.says("POST /api/v3/order", Say(BINANCE_ROW))
        stop = order("binance", "BTCUSDT", TimeInForce.GTC, kind=OrderKind.STOP_LOSS, stop_price=D("90000.10"), **SIZED)
        await orders.place(stop)
        await orders.close()
    body = sent(play.heard[0])
    assert (body["type"], body["stopPrice"], body["timeInForce"]) == ("STOP_LOSS_LIMIT", "90000.10", "GTC")


STOP: dict[str, Any] = {"kind": OrderKind.STOP_LOSS, "stop_price": D(90_000_000)}
UNSUPPORTED = [("upbit", STOP), ("bithumb", STOP)]
UNSUPPORTED += [(name, {"reduce_only": True}) for name in VENUES]


@pytest.mark.parametrize("name, over", UNSUPPORTED, ids=[f"{name} {next(iter(over))}" for name, over in UNSUPPORTED])
async def test_what_a_venue_cannot_do_never_leaves(name: str, over: dict[str, Any]) -> None:
    async with stage() as play:
        orders = client(name, play)
        with pytest.raises(VenueRefused) as refused:
            await orders.place(order(name, VENUES[name][2], TimeInForce.GTC, **over))
        await orders.close()
    assert refused.value.code == "unsupported" and name in refused.value.text and not play.heard


AMENDS = [
    (
        "binance",
        "PUT /api/v3/order/amend/keepPriority",
        {"origClientOrderId": CID, "newClientOrderId": CID, "newQty": "0.25"},
        {"transactTime": 1},
    ),
    (
        "okx",
        "POST /api/v5/trade/amend-order",
        {"clOrdId": CID, "newSz": "0.25", "newPx": "93000"},
        {"code": "0", "data": [{"ordId": "312", "clOrdId": CID, "sCode": "0"}]},
    ),
]


@pytest.mark.parametrize("name, path, expected, answer", AMENDS, ids=[row[0] for row in AMENDS])
async def test_an_amendment_keeps_the_client_id(
    name: str, path: str, expected: dict[str, str], answer: dict[str, Any]
) -> None:
    async with stage() as play:
        orders = client(name, play)
        play.says(path, Say(answer))
        await orders.amend(VENUES[name][2], CID, "28", D("0.25"), D(93_000))
        await orders.close()
    [heard] = play.heard
    body = sent(heard) | dict(parse_qsl(heard.query))
    assert {field: body.get(field) for field in expected} == expected


@pytest.mark.parametrize("name", ["upbit", "bithumb"])
async def test_a_venue_without_amendments_says_so_and_sends_nothing(name: str) -> None:
    async with stage() as play:
        orders = client(name, play)
        with pytest.raises(VenueRefused, match="unsupported"):
            await orders.amend("KRW-BTC", CID, "u", D(1), D(1))
        await orders.close()
    assert not play.heard and not orders.abilities.amend
