"""Which venue gets which code, what its budgets reserve, and the clock read from whole seconds."""

from decimal import Decimal as D
from email.utils import formatdate

import pytest

from engine.config import Credential
from engine.domain.errors import ConfigError, RateLimited
from engine.domain.order import LegRole
from engine.venues.date_clock import DateClock
from engine.venues.protocol import Margined, Orders
from engine.venues.registry import build_orders
from engine.venues.settings import MARGINED
from tests.venues.orders.stage import CREDENTIAL, Say, config, order, stage

SPOT = ["upbit", "bithumb", "coinone", "binance", "okx", "bybit", "kucoin", "gate", "bitget"]


@pytest.mark.parametrize("venue", [*SPOT, *sorted(MARGINED)])
async def test_every_configured_venue_is_built(venue):
    leverage = 2 if venue in MARGINED else 0
    orders: Orders = build_orders(venue, config("http://127.0.0.1:9", leverage=leverage), Credential("k", "s", "p"))
    assert orders.venue == venue and orders.late_acceptance_ms >= 400
    assert isinstance(orders, Margined) is (venue in MARGINED)
    await orders.close()


def test_an_unknown_venue_is_named():
    with pytest.raises(ConfigError, match=r"venues\.mtgox"):
        build_orders("mtgox", config("http://127.0.0.1:9"), CREDENTIAL)


async def test_new_orders_leave_a_share_for_cancels_and_unwinds():
    async with stage() as play:
        placed = {"uuid": "u", "created_at": "2026-11-21T09:00:00+09:00"}
        play.says("POST /v1/orders", Say(placed, 201))
        play.says("DELETE /v1/order", Say({}))
        settings = config(play.base, orders_per_second=D(10))
        orders = build_orders("upbit", settings, CREDENTIAL, clock_ns=lambda: 0)  # no token comes back
        for _ in range(7):
            await orders.place(order("upbit", "KRW-BTC"))
        with pytest.raises(RateLimited) as caught:
            await orders.place(order("upbit", "KRW-BTC"))
        assert caught.value.retry_after_s == pytest.approx(1.1)  # when the first one's second is over
        await orders.place(order("upbit", "KRW-BTC", role=LegRole.UNWIND))
        for _ in range(2):
            await orders.cancel("KRW-BTC", "cid", "")
        with pytest.raises(RateLimited):
            await orders.place(order("upbit", "KRW-BTC"))
        assert [heard.method for heard in play.heard] == ["POST"] * 8 + ["DELETE"] * 2
        await orders.close()


def test_date_readings_narrow_to_the_true_clock():
    clock, ahead_ms = DateClock(), 5_300
    worst = []
    for sent_ms in range(1_000_000, 1_009_000, 370):  # the venue cuts its own time to the second
        received_ms = sent_ms + 40
        at_venue_s = (sent_ms + 20 + ahead_ms) // 1000
        told = clock.read(sent_ms, received_ms, _http_date(at_venue_s))
        worst.append(abs(told - (received_ms + ahead_ms)))
    assert worst[0] <= 520 and max(worst[-5:]) <= 200


def test_a_clock_that_was_set_starts_again():
    clock = DateClock()
    clock.read(1_000_000, 1_000_010, _http_date(1_000))
    told = clock.read(1_001_000, 1_001_010, _http_date(5_000))
    assert abs(told - 5_000_500) <= 520


def test_a_bad_date_is_an_error():
    with pytest.raises(ValueError):
        DateClock().read(0, 1, "yesterday")


def _http_date(epoch_s):
    return formatdate(epoch_s, usegmt=True)
