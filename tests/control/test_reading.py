"""What a viewer sees is what the desk and the store know, field by field."""

import stat
from decimal import Decimal
from typing import Any

import aiohttp
import msgspec
import pytest

from engine.control import messages, views
from engine.control.client import DoorRefused
from engine.domain import effect, order, report, view
from tests.control.conftest import STRANGER, VIEWER
from tests.storage.views import opportunity, record, refusal, trade
from tests.storage.views import order as order_view

MIRRORS: list[tuple[type, type]] = [
    *((getattr(view, name), getattr(views, name)) for name in (
        "LegView OpportunityView TokenView FillView PnlView TradeView NakedView AlertView RefusalView CurvePoint"
        " StrategyView VenueView BalanceView StatusView"
    ).split()),
    (effect.OrderView, views.OrderView),
    (order.OrderRequest, views.OrderRequest),
    (order.OrderReport, views.OrderReport),
    (order.Fee, views.Fee),
    *((getattr(report, name), getattr(messages, name)) for name in (
        "PnlLine DayLine TradeLine EquityPoint PnlReport Execution AuditRow AuditPage"
    ).split()),
]  # fmt: skip


@pytest.mark.parametrize("struct, message", MIRRORS, ids=[pair[0].__name__ for pair in MIRRORS])
def test_messages_mirror_the_domain(struct, message):
    assert tuple(message.model_fields) == struct.__struct_fields__


def test_a_view_crosses_the_door_unchanged():
    crossed = views.TradeView.model_validate_json(msgspec.json.encode(trade(1, "3800.25", 1_000)))
    back = msgspec.json.decode(crossed.model_dump_json(), type=view.TradeView)
    assert back == trade(1, "3800.25", 1_000)


async def test_the_present_comes_from_the_desk(door, desk):
    reads = door.reads(VIEWER)
    status = await reads.status()
    assert (status.instance, status.pnl_today_krw, status.venues[0].age_ms) == ("premia-test", Decimal("3800.25"), None)
    assert (await reads.health()).ok
    assert [o.id for o in await reads.opportunities()] == ["o1"]
    assert (await reads.opportunity("o1")).legs[1].price == Decimal("84500000")
    assert [t.id for t in await reads.trades()] == ["t7", "t1"]
    assert [t.id for t in await reads.positions()] == ["t7"]
    assert [t.id for t in await reads.dead_letters()] == ["t7"]
    assert (await reads.trade("t1")).pnl.net_krw == Decimal("3800.25")
    assert [o.request.cid for o in await reads.orders()] == ["c1"]
    assert (await reads.order("c1")).report.fees[0].amount == Decimal("422.50")
    assert (await reads.balances())[0].free == Decimal("900000.50")
    assert await reads.metrics() == {"steps": 10, "loop_lag_us": 120}
    assert (await reads.halt()).level == 0
    held = await reads.strategy("tether_bot")
    assert (held.mode, held.curve[0].weight, "x" in held.now) == ("alert", Decimal(1), False)
    assert (await reads.curve("tether_bot")).points == held.curve


async def test_the_past_comes_from_the_store(door, house):
    house.writer.record(record("signals", "o9", opportunity(9, "ETH")))
    house.writer.record(record("trades", "t9", trade(9, "100", 5_000)))
    house.writer.record(record("orders", "c9", order_view("c9", "KRW-ETH")))
    house.writer.record(record("refusals", "r9", refusal(9, "spatial:ETH:okx>binance")))
    await house.writer.flush()
    reads = door.reads(VIEWER)
    assert [s.id for s in await reads.signals()] == ["o9"]
    assert [s.id for s in await reads.signals("eth")] == ["o9"]
    assert await reads.signals("BTC") == []
    assert (await reads.opportunity("o9")).coin == "ETH"
    assert (await reads.trade("t9")).id == "t9"
    assert (await reads.order("c9")).request.symbol == "KRW-ETH"
    assert [e.cid for e in await reads.executions("ETH")] == ["c9"]
    assert [r.id for r in await reads.refusals("ETH")] == ["r9"]
    report_ = await reads.pnl(7)
    assert (report_.days, len(report_.daily), report_.time_zone) == (7, 7, "Asia/Seoul")


REFUSED: list[tuple[str, Any, int, str]] = [
    ("no such trade", lambda reads: reads.trade("t404"), 404, "unknown_trade"),
    ("no such order", lambda reads: reads.order("c 4%04"), 404, "unknown_order"),
    ("no such opportunity", lambda reads: reads.opportunity("o404"), 404, "unknown_opportunity"),
    ("no such strategy", lambda reads: reads.strategy("martingale"), 404, "unknown_strategy"),
    ("no curve", lambda reads: reads.curve("kimchi"), 404, "no_curve"),
    ("too many days", lambda reads: reads.pnl(10_000), 422, "bad_request"),
    ("too few", lambda reads: reads.trades(0), 422, "bad_request"),
]


@pytest.mark.parametrize("why, call, status, rule", REFUSED, ids=[case[0] for case in REFUSED])
async def test_what_is_not_there_is_said(door, why, call, status, rule):
    with pytest.raises(DoorRefused) as refused:
        await call(door.reads(VIEWER))
    assert (refused.value.status, refused.value.rule) == (status, rule)
    assert refused.value.text


@pytest.mark.parametrize("actor", [STRANGER, "", "Telegram:1"])
async def test_a_stranger_sees_nothing(door, actor):
    for read in (door.reads(actor).status(), door.reads(actor).health(), door.reads(actor).audit()):
        with pytest.raises(DoorRefused) as refused:
            await read
        assert (refused.value.status, refused.value.rule) == (403, "actor")


async def test_the_socket_is_for_the_engine_and_its_group_alone(house):
    assert stat.S_IMODE(house.socket.stat().st_mode) == 0o660


async def test_openapi_names_every_path(house):
    connector = aiohttp.UnixConnector(str(house.socket))
    async with aiohttp.ClientSession(connector=connector) as session, session.get("http://premia/openapi.json") as got:
        described = (await got.json())["paths"]
    for path in ("/health", "/metrics/live", "/positions/{symbol}", "/signals/{symbol}", "/orders/{order_id}"):
        assert "get" in described[path]
    for path in ("/confirm", "/halt", "/resume/confirm", "/strategies/{name}/mode", "/curves/{name}/preview"):
        assert "post" in described[path]
    shape = described["/trades/{trade_id}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert shape["$ref"].endswith("/TradeView")
