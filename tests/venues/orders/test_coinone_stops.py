"""Coinone's stops: what goes over the wire, its words for them, and the direction that it takes none of."""

import base64
import json
from decimal import Decimal as D

import pytest

from engine.domain.errors import OrderNotFound, VenueRefused, VenueUnavailable
from engine.domain.order import OrderKind, OrderStatus, Side, TimeInForce
from engine.venues.coinone import standing
from engine.venues.coinone.orders import CoinoneOrders
from engine.venues.protocol import Conditional
from engine.venues.verdict import Budgets
from tests.venues.orders.stage import CID, CREDENTIAL, Open, Say, config, order, stage
from tests.venues.orders.test_stops_at_venues import watching

LAST, PLACE, LOOK_UP = "GET /public/v2/ticker_new/KRW/BTC", "POST /v2.1/order", "POST /v2.1/order/detail"
GOOD = {"result": "success", "error_code": "0"}


@pytest.fixture
async def play():
    async with stage() as play:
        yield play


@pytest.fixture
async def trade(play):
    orders = CoinoneOrders(config(play.base, ticks=()), CREDENTIAL, Budgets(Open(), Open()))
    yield orders
    await orders.close()


def stop(**over):
    return order(
        "coinone", "KRW-BTC", TimeInForce.GTC, kind=OrderKind.STOP_LOSS, **{"stop_price": D(90_000_000), **over}
    )


def ticker(last):
    return Say(GOOD | {"tickers": [{"quote_currency": "krw", "target_currency": "btc", "last": last}]})


def asked(play):
    return [f"{heard.method} {heard.path}" for heard in play.heard]


@pytest.mark.parametrize("side, last", [(Side.SELL, "90001000"), (Side.BUY, "89999000.5")])
async def test_the_wire_of_a_stop(play, trade, side, last):
    assert not isinstance(trade, Conditional)  # one order all its life
    play.says(LAST, ticker(last))
    play.says(PLACE, Say(GOOD | {"order_id": "77"}))
    report = await trade.place(stop(side=side))
    assert asked(play) == [LAST, PLACE]
    assert (report.status, report.venue_order_id, report.cid) == (OrderStatus.OPEN, "77", CID)
    body = json.loads(base64.b64decode(play.heard[1].body))
    assert {key: value for key, value in body.items() if key not in ("access_token", "nonce")} == {
        "quote_currency": "KRW",
        "target_currency": "BTC",
        "side": side.value.upper(),
        "type": "STOP_LIMIT",
        "price": "93125000.10",
        "qty": "0.12345678901234567890",
        "trigger_price": "90000000",
        "user_order_id": CID,
    }


@pytest.mark.parametrize("side, last", [(Side.SELL, "89999000"), (Side.BUY, "90001000"), (Side.SELL, "90000000.0")])
async def test_one_whose_price_is_there_would_wait_for_it_to_come_back_and_is_not_sent(play, trade, side, last):
    play.says(LAST, ticker(last))
    with pytest.raises(VenueRefused, match="last price"):
        await trade.place(stop(side=side))
    assert asked(play) == [LAST]


@pytest.mark.parametrize("says", [ticker(None), ticker("0"), Say(GOOD | {"tickers": []}), Say("", 502)])
async def test_without_a_last_price_nothing_is_sent(play, trade, says):
    play.says(LAST, says)
    with pytest.raises(VenueUnavailable):
        await trade.place(stop())
    assert asked(play) == [LAST]


async def test_its_own_no_is_a_no(play, trade):
    play.says(LAST, ticker("91000000"))
    play.says(PLACE, Say({"result": "error", "error_code": "167", "error_msg": "Trigger price is equal"}))
    with pytest.raises(VenueRefused, match="167"):
        await trade.place(stop(side=Side.SELL))


ROW = {
    "order_id": "77",
    "quote_currency": "KRW",
    "target_currency": "BTC",
    "type": "STOP_LIMIT",
    "side": "SELL",
    "original_qty": "2",
    "executed_qty": "0",
    "remain_qty": "2",
    "user_order_id": CID,
}
PART = {"executed_qty": "0.5", "traded_amount": "45000000", "fee": "9000"}
WORDS = [
    ("NOT_TRIGGERED", {}, OrderStatus.OPEN),
    ("NOT_TRIGGERED", {"remain_qty": None}, OrderStatus.OPEN),
    ("NOT_TRIGGERED_PARTIALLY_CANCELED", {"remain_qty": "1", "canceled_qty": "1"}, OrderStatus.OPEN),
    ("TRIGGERED", {"remain_qty": "0"}, OrderStatus.OPEN),
    ("TRIGGERED", {"executed_qty": "2", "remain_qty": "0"}, OrderStatus.FILLED),
    ("TRIGGERED", PART | {"remain_qty": "0"}, OrderStatus.CANCELLED),
    ("TRIGGERED", PART | {"remain_qty": "1.5"}, OrderStatus.OPEN),
    ("TRIGGERED", PART | {"remain_qty": None}, OrderStatus.OPEN),
    ("TRIGGERED", {"executed_qty": "0.5", "remain_qty": "0"}, OrderStatus.OPEN),  # its money is not told yet
    ("TRIGGERED", {"remain_qty": None, "original_qty": None}, OrderStatus.OPEN),
    ("NOT_TRIGGERED_PARTIALLY_CANCELED", {"remain_qty": None}, OrderStatus.OPEN),
    ("PARTIALLY_FILLED", PART | {"remain_qty": "1.5"}, OrderStatus.OPEN),
    ("FILLED", {"executed_qty": "2", "remain_qty": "0"}, OrderStatus.FILLED),
    ("PARTIALLY_CANCELED", PART | {"remain_qty": "0"}, OrderStatus.CANCELLED),
    ("NOT_TRIGGERED_CANCELED", {"remain_qty": "2"}, OrderStatus.CANCELLED),
    ("CANCELED", PART | {"remain_qty": "1.5"}, OrderStatus.CANCELLED),
]


@pytest.mark.parametrize("word, over, status", WORDS)
async def test_its_words_for_a_stop(play, trade, word, over, status):
    play.says(LOOK_UP, Say(GOOD | {"order": ROW | {"status": word} | over}))
    report = await trade.look_up("KRW-BTC", CID)
    assert (report.status, report.filled_qty) == (status, D((ROW | over)["executed_qty"]))
    assert (report.cid, report.venue_order_id) == (CID, "77")


async def test_what_trades_between_the_question_and_the_order_leaves_it_waiting_on_the_wrong_side(monkeypatch):
    """The venue takes it, and it goes off when the price comes back: until then it is open, and can be cancelled."""

    async def earlier(client, symbol):
        return D(10**12)

    monkeypatch.setattr(standing, "last_price", earlier)
    async with watching("coinone") as watcher:
        first, second = watcher.stop(), watcher.stop()
        watcher.trade_at(first.stop_price * D("0.99"))
        for each in (first, second):
            await watcher.orders.place(each)
        watcher.trade_at(first.stop_price * D("0.98"))
        assert sorted(await watcher.listed()) == sorted([first.cid, second.cid])
        await watcher.cancel(second)
        watcher.trade_at(first.stop_price)
        assert (await watcher.look_up(first)).status is OrderStatus.FILLED
        assert (await watcher.look_up(second)).status is OrderStatus.CANCELLED


async def test_the_venue_refuses_a_stop_at_the_last_price_and_one_without_its_price(monkeypatch):
    async def earlier(client, symbol):
        return D(10**12)

    monkeypatch.setattr(standing, "last_price", earlier)
    async with watching("coinone") as watcher:
        order = watcher.stop()
        watcher.trade_at(order.stop_price)
        with pytest.raises(VenueRefused, match="167"):
            await watcher.orders.place(order)
        with pytest.raises(OrderNotFound):
            await watcher.look_up(order)
