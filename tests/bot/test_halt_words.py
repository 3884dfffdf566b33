"""What whoever stops the desk in the middle of a trade is told of the leg that stays open."""

import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from bot.views import panels
from bot.views.reader import Reader
from engine.control.messages import Answer
from engine.domain.command import Halt
from engine.domain.effect import Severity
from tests.bot.rig import OWNER, TRADER, House
from tests.core.harness import Rig
from tests.core.venue_model import Outcome

KO = Reader(user_id=1, role="trader", language="ko", zone="Asia/Seoul")
EN = Reader(user_id=1, role="trader", language="en", zone="Asia/Seoul")


def in_the_middle_of_a_trade() -> Rig:
    """0.00705 BTC are bought less their fee; the sale rests at its venue."""
    rig = Rig().ready()
    rig.execute(Outcome(), Outcome(answer="ack", fill=Decimal(0), open_ms=500))
    rig.run_for(50)
    return rig


def answer(rig: Rig, level: int) -> Answer:
    made = rig.ask(Halt(level=level, reason="a tap"))
    body: Any = msgspec.json.decode(made.body)
    return Answer(request_id="r", ok=made.ok, rule=made.rule, text=made.text, body=body)


def shown(reader: Reader, level: int, made: Answer) -> list[str]:
    return re.sub(r"<[^>]+>", "", panels.halted(reader, level, made, "").text).splitlines()


def test_a_kill_names_the_open_leg_and_then_that_it_waits_in_dlq():
    rig = in_the_middle_of_a_trade()
    (trade,) = rig.state.trades
    made = answer(rig, 2)
    english, korean = shown(EN, 2, made)[-1], shown(KO, 2, made)[-1]
    assert english.startswith("🔴 Open without a partner: Binance buy 0.00704295 BTC (≈ ₩98"), english
    assert korean.startswith("🔴 짝 없이 열린 다리: 바이낸스 매수 0.00704295 BTC (≈ ₩98.6만)"), korean
    rig.settle()
    made = answer(rig, 1)  # of no avail below L2, and what is open is said all the same
    for text, word in ((shown(EN, 1, made)[-1], "It is in /dlq already"), (shown(KO, 1, made)[-1], "이미 /dlq 에")):
        assert word in text and "0.00704295 BTC" in text and trade in text
    for text in (english, korean):
        assert "/dlq" in text and trade in text


@pytest.mark.parametrize("level", [1, 3])
def test_where_repairs_go_on_nothing_is_added(level: int):
    made = answer(in_the_middle_of_a_trade(), level)
    assert not [line for line in shown(EN, level, made) + shown(KO, level, made) if "/dlq" in line]


async def test_everybody_else_reads_it_in_the_notice(house: House):
    """The journal, the HALT file and the watchdog halt, too: nobody has asked, and a leg may be open."""
    leg = {"trade_id": "t7", "venue": "binance", "symbol": "BTCUSDT", "base": "BTC", "side": "buy"}
    naked = [{**leg, "qty": "0.0123", "krw": "1720000", "is_letter": False}]
    body = {"level": 2, "reason": "journal: disk full", "actor": "journal", "cancelling": 1, "naked": naked}
    async with house.engine(), house.bot():
        await house.phone.finds(OWNER, "시작되었습니다")
        house.desk.tell("halt", "halt", body, Severity.CRIT)
        await house.phone.finds(OWNER, r"바이낸스 매수 0\.0123 BTC \(≈ ₩172만\)")
        await house.phone.finds(TRADER, r"Binance buy 0\.0123 BTC \(≈ ₩1\.72M\)")
