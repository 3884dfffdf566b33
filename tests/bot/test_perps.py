"""/positions with perpetuals, over real sockets: what is shown, and two taps that close a hedge."""

from decimal import Decimal

import msgspec
import pytest

from bot.views.notices import alert
from bot.views.reader import Reader
from bot.views.receipt import receipt
from engine.control import messages as m
from engine.domain import command as given
from engine.domain.view import FillView
from tests.bot.desk import opportunity, trade
from tests.bot.rig import OWNER, TRADER, open_house
from tests.control.markets import perp


def reader(language: str) -> Reader:
    return Reader(user_id=3, role="owner", language=language, zone="Asia/Seoul")


async def test_positions_show_margin_liquidation_and_funding_and_a_hedge_is_closed_by_two_taps(tmp_path):
    async with open_house(tmp_path) as house, house.engine(), house.bot():
        phone, desk = house.phone, house.desk
        desk.open_perps = (perp(), perp(venue="okx_swap", symbol="BTC-USDT-SWAP", hedge_of=(), qty=Decimal("0.2")))
        await phone.says(TRADER, "/positions")
        seen = await phone.finds(TRADER, "2 perpetuals open")
        assert "short 0.01 BTC" in seen.text and "liquidation at 92,475 USDT (35.0 % away)" in seen.text
        assert "funding so far 0.07 USDT" in seen.text and "margin in use 1.2 %" in seen.text
        assert "hedge of trade t1" in seen.text and seen.buttons == (), "who may not act has no buttons"
        await phone.says(OWNER, "/positions")
        board = await phone.finds(OWNER, "무기한 선물 2건", button="🛡")
        await phone.presses(OWNER, board, "🛡")
        question = await phone.finds(OWNER, "함께 정리할까요", button="✅ 지금 정리")
        assert desk.commands(given.CloseHedge) == []
        await phone.presses(OWNER, question, "✅ 지금 정리")
        await phone.finds(OWNER, "정리할 헤지 없음")
        await phone.presses(OWNER, board, "✖")
        question = await phone.finds(OWNER, "BTC-USDT-SWAP", button="✅ 지금 정리")
        await phone.presses(OWNER, question, "✅ 지금 정리")
        await phone.finds(OWNER, "따로 보유한 포지션 없음")
        assert [each.trade_id for each in desk.commands(given.CloseHedge)] == ["t1"]
        assert [each.symbol for each in desk.commands(given.ClosePosition)] == ["BTC-USDT-SWAP"]


@pytest.mark.parametrize("lost, said", [(0, ""), (2, "거래소에서 사라진 헤지 2건")])
async def test_a_difference_is_accepted_by_two_taps_and_lost_hedges_are_named(tmp_path, lost, said):
    async with open_house(tmp_path) as house, house.engine(), house.bot():
        phone, desk = house.phone, house.desk
        desk.blocked, desk.lost_hedges = "ledger_mismatch: BTCUSDT +0.02", lost
        await phone.says(OWNER, "/balance")
        board = await phone.finds(OWNER, "", button="업비트 현재 잔고 인정")
        await phone.presses(OWNER, board, "업비트 현재 잔고 인정")
        question = await phone.finds(OWNER, "청산·자동 감축", button="인정")
        assert desk.commands(given.AcceptBalances) == []
        await phone.presses(OWNER, question, "인정")
        done = await phone.finds(OWNER, "현재 잔고를 기준으로 삼았습니다")
        assert said in done.text and ("/dlq" in done.text) == bool(lost)


def test_a_receipt_names_the_hedge_in_both_languages():
    made = trade(opportunity(1), "auto", state="closed")
    hedge = FillView(
        venue="binance_usdm",
        symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        side="sell",
        status="filled",
        planned_qty=Decimal("0.012"),
        planned_price=Decimal(68_000),
        filled_qty=Decimal("0.012"),
        fill_price=Decimal(67_990),
        fees={"USDT": Decimal("0.41")},
        slippage_bps=0.0,
        unwound_qty=Decimal("0.005"),
        orders=1,
        unknowns=0,
        is_hedge=True,
    )
    made = msgspec.structs.replace(made, outcome="hedged", legs=(*made.legs, hedge))
    view = m.TradeView.model_validate_json(msgspec.json.encode(made))
    for language, said in (("en", "hedged on a perpetual"), ("ko", "무기한 선물로 헤지됨")):
        text = receipt(reader(language), view).text
        assert said in text and "0.012 BTC" in text and "0.005 BTC" in text


def test_alarms_of_margin_say_what_to_do():
    numbers = {"usage": "72%", "liquidation": "BTCUSDT 92475 (4.0%)"}
    view = m.AlertView(rule="margin_usage", venue="binance_usdm", text="", numbers=numbers)
    assert "Close a position (/positions), or add USDT" in alert(reader("en"), view, "crit").text
    assert "72%" in alert(reader("ko"), view, "crit").text and "92475" in alert(reader("ko"), view, "crit").text
    left = m.AlertView(rule="flattening", text="", numbers={"left": "", "count": "0"})
    assert "Nothing stands open any more" in alert(reader("en"), left, "info").text
