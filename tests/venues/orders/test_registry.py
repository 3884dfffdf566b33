"""Which venue gets which code, what its budgets reserve, and the clock read from whole seconds."""

import asyncio
from contextlib import suppress
from decimal import Decimal as D
from email.utils import formatdate

import pytest

from engine.config import Credential
from engine.domain.errors import ConfigError, OrderNotFound, RateLimited
from engine.domain.order import LegRole, OrderKind
from engine.venues.date_clock import DateClock
from engine.venues.protocol import Conditional, Margined, Orders
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


@pytest.mark.parametrize("venue", ["binance", "okx", "bybit_linear"])
async def test_an_operator_may_have_the_desk_hold_stops(venue):
    """Those that wait at the venue from before are found and cancelled as ever."""
    leverage = 2 if venue in MARGINED else 0
    for stops in ("venue", "desk"):
        orders = build_orders(venue, config("http://127.0.0.1:9", leverage=leverage, stops=stops), CREDENTIAL)
        kinds = orders.abilities.kinds
        assert (OrderKind.STOP_LOSS in kinds) is (stops == "venue") and {OrderKind.LIMIT, OrderKind.MARKET} <= kinds
        assert isinstance(orders, Conditional) is (venue != "binance")
        await orders.close()
    with pytest.raises(ValueError, match="stops must be venue or desk"):
        config("http://127.0.0.1:9", stops="here")


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


async def test_look_ups_leave_a_share_for_what_proves_them():
    """Fourteen orders without an answer used all reads of a venue up: neither rules nor balances were told for two
    minutes, and without balances no order is proved absent."""
    async with stage() as play:
        play.says("GET /v1/accounts", Say([]))
        play.says("GET /v1/order", Say({"error": {"name": "order_not_found", "message": "none"}}, 404))
        play.says("GET /v1/orders/closed", Say([]))
        settings = config(play.base, reads_per_second=D(10), order_timeout_ms=3_000)
        orders = build_orders("upbit", settings, CREDENTIAL)
        absent = asyncio.Semaphore(0)

        async def look_up() -> None:
            while True:
                try:
                    await orders.look_up("KRW-BTC", "cid")
                except OrderNotFound:
                    absent.release()
                except RateLimited:
                    pass

        async with asyncio.timeout(20):
            looking = [asyncio.create_task(look_up()) for _ in range(14)]
            await asyncio.sleep(1.5)
            for _ in range(3):
                await orders.balances()
            for _ in range(2):  # a second question that waits behind all first ones is asked, too, sooner or later
                await absent.acquire()
        for task in looking:
            task.cancel()
        await asyncio.wait(looking)
        looks = sum(heard.path == "/v1/order" for heard in play.heard)
        assert looks >= 8, "and what is left is theirs"
        await orders.close()


async def test_a_flood_of_look_ups_stays_far_below_the_weight_that_a_venue_bans_for():
    """Binance's list of orders weighs five times its query: 6,000 in a minute are the address's, all of it."""
    async with stage() as play:
        play.says("GET /api/v3/order", Say({"code": -2013, "msg": "Order does not exist."}, 400))
        play.says("GET /api/v3/allOrders", Say([]))
        play.says("GET /api/v3/account", Say({"balances": []}))
        settings = config(play.base, symbols=("BTCUSDT",), reads_per_second=D(20), order_timeout_ms=3_000)
        orders = build_orders("binance", settings, CREDENTIAL)

        async def look_up() -> None:
            while True:
                with suppress(RateLimited, OrderNotFound):
                    await orders.look_up("BTCUSDT", "cid")

        looking = [asyncio.create_task(look_up()) for _ in range(14)]
        await asyncio.sleep(4.4)
        async with asyncio.timeout(5):
            await orders.balances()
        heard = [each.path for each in play.heard]
        for task in looking:
            task.cancel()
        await asyncio.wait(looking)
        lists = heard.count("/api/v3/allOrders")
        assert lists >= 3 and heard.count("/api/v3/order") * 4 + lists * 20 <= 4.4 * 60
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
