"""/limits over real sockets, in both languages; what is nearly used up is marked."""

import re
from decimal import Decimal

import msgspec

from engine.risk.last_step import LastStep
from tests.bot.rig import OWNER, VIEWER, open_house
from tests.risk.test_last_step import RULES, admit, order


async def test_limits_are_shown_with_what_is_used(tmp_path):
    guard = LastStep(msgspec.structs.replace(RULES, repeats=100))
    for number in range(7):
        assert admit(guard, order(number)) is None
    async with open_house(tmp_path) as house, house.engine(), house.bot():
        house.desk.limits = msgspec.to_builtins(guard.shown(0))
        await house.phone.says(VIEWER, "/limits")
        seen = await house.phone.finds(VIEWER, "Limits")
        assert "⚠️ orders: 7 of 8" in seen.text, "at Upbit"
        assert "orders: 7 of 10" in seen.text and re.search(r"off the mid, at most: 3.00 ?%", seen.text)
        assert "₩7,035,000 of ₩60,000,000" in seen.text
        await house.phone.says(OWNER, "/limits")
        await house.phone.finds(OWNER, "주문 건수: 7 / 10")


async def test_an_engine_that_tells_none(tmp_path):
    async with open_house(tmp_path) as house, house.engine(), house.bot():
        await house.phone.says(VIEWER, "/limits")
        await house.phone.finds(VIEWER, "tells no limits")


def test_nothing_used_is_no_division_by_zero():
    guard = LastStep(msgspec.structs.replace(RULES, notional_krw=Decimal(0)))
    assert {use.name for use in guard.shown(0)} >= {"orders", "notional_krw", "collar"}
