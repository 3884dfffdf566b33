"""/dlq over real sockets: the list, a retry, a remainder closed by hand, an order resolved; refusals with reasons."""

from decimal import Decimal

import msgspec

from engine.domain import command as given
from engine.domain.effect import OrderView
from engine.domain.order import LegRole, OrderRequest, Side, TimeInForce
from tests.bot.desk import opportunity, trade
from tests.bot.rig import OWNER, TRADER, open_house


def letter(number: int = 1):
    made = trade(opportunity(number), "telegram:3", state="dead_letter")
    return msgspec.structs.replace(
        made,
        id=f"t9-{number}",
        outcome="dead_letter",
        naked_qty=Decimal("0.0123"),
        naked_krw=Decimal("1168500"),
        reason="0.0123 BTC naked after 2 chases and 3 unwinds; 0 orders never left",
    )


def lost() -> OrderView:
    request = OrderRequest(
        cid="abcdefghijklmnopqrstuvwxyz",
        trade_id="t9-2",
        leg=0,
        role=LegRole.ENTRY,
        venue="upbit",
        symbol="KRW-BTC",
        side=Side.SELL,
        qty=Decimal("0.0123"),
        price=Decimal(95_000_000),
        tif=TimeInForce.IOC,
    )
    return OrderView(
        request=request, status="unknown", report=None, reason="timeout", sent_ms=1, done_ms=0, latency_us=0
    )


async def test_the_list_says_what_is_open_what_it_is_worth_and_how_it_came(tmp_path):
    async with open_house(tmp_path) as house, house.engine(), house.bot():
        phone = house.phone
        await phone.says(OWNER, "/dlq")
        await phone.finds(OWNER, "사람이 처리할 거래나 주문이 없습니다")
        house.desk.letters, house.desk.unknown = [letter()], [lost()]
        await phone.says(TRADER, "/dlq")
        seen = await phone.finds(TRADER, "0.0123 BTC")
        assert "₩1,168,500" in seen.text and "2 chases and 3 unwinds" in seen.text
        assert "1 orders without an answer" in seen.text and "₩1,168,500" in seen.text and "timeout" in seen.text
        assert seen.buttons == (), "who may not act has no buttons"
        await phone.says(TRADER, "/dlq close t9-1 0.01 95000000 sold")
        await phone.finds(TRADER, "needs the role")
        assert house.desk.commands(given.CloseDeadLetter) == []


async def test_a_retry_asks_once_and_a_refusal_says_why(tmp_path):
    async with open_house(tmp_path) as house, house.engine(), house.bot():
        phone, desk = house.phone, house.desk
        desk.letters, desk.retry_refusal = [letter()], "no_price"
        await phone.says(OWNER, "/dlq")
        board = await phone.finds(OWNER, "t9-1", button="🔁")
        await phone.presses(OWNER, board, "🔁")
        question = await phone.finds(OWNER, "지금 가격으로", button="🔁 지금 정리")
        assert desk.commands(given.RetryDeadLetter) == []
        data = await phone.data_of(OWNER, question.id, "🔁 지금 정리")
        await phone.presses(OWNER, question, "🔁 지금 정리")
        await phone.finds(OWNER, "지금 쓸 수 있는 가격이 없음")
        await phone.press_data(OWNER, question.id, data)
        assert len(desk.commands(given.RetryDeadLetter)) == 1, "two taps, one order"
        desk.retry_refusal = ""
        await phone.presses(OWNER, board, "🔁")
        again = await phone.finds(OWNER, "지금 가격으로", button="🔁 지금 정리")
        await phone.presses(OWNER, again, "🔁 지금 정리")
        await phone.finds(OWNER, "sell 0.0123 KRW-BTC")
        assert desk.commands(given.RetryDeadLetter)[-1].trade_id == "t9-1"


async def test_closed_by_hand_with_amount_price_and_note(tmp_path):
    async with open_house(tmp_path) as house, house.engine(), house.bot():
        phone, desk = house.phone, house.desk
        desk.letters = [letter()]
        await phone.says(OWNER, "/dlq")
        await phone.presses(OWNER, await phone.finds(OWNER, "t9-1", button="✍️"), "✍️")
        await phone.finds(OWNER, "/dlq close t9-1 0.0123")
        await phone.says(OWNER, "/dlq close t9-1 0.01 nonsense sold in the app")
        await phone.finds(OWNER, "/dlq close <id>|&lt;id&gt;")
        await phone.says(OWNER, "/dlq close t9-1 0.01 95,120,000 앱에서 매도")
        question = await phone.finds(OWNER, "95,120,000.*직접 정리했다고", button="✅")
        await phone.presses(OWNER, question, "✅")
        await phone.finds(OWNER, "아직 0.0023")
        (asked,) = desk.commands(given.CloseDeadLetter)
        assert (asked.trade_id, asked.amount, asked.price) == ("t9-1", Decimal("0.01"), Decimal(95_120_000))
        assert asked.evidence == "앱에서 매도"


async def test_an_order_without_an_answer_is_resolved_from_the_chat(tmp_path):
    async with open_house(tmp_path) as house, house.engine(), house.bot():
        phone, desk = house.phone, house.desk
        desk.unknown = [lost()]
        await phone.says(OWNER, "/dlq")
        await phone.presses(OWNER, await phone.finds(OWNER, "응답이 없는 주문", button="❔"), "❔")
        await phone.finds(OWNER, "/dlq unknown abcdefghijklmnopqrstuvwxyz none")
        await phone.says(OWNER, "/dlq unknown abcdefghijklmnopqrstuvwxyz none 앱에 없음")
        await phone.finds(OWNER, "전혀 체결되지 않았고", button="✅")
        await phone.says(OWNER, "/dlq unknown abcdefghijklmnopqrstuvwxyz 0.01 95000000 앱에서 봄")
        question = await phone.finds(OWNER, "0.01.* 체결되고 끝났다고", button="✅")
        await phone.presses(OWNER, question, "✅")
        await phone.finds(OWNER, "말씀하신 대로")
        (asked,) = desk.commands(given.ResolveUnknown)
        assert (asked.filled, asked.price, asked.evidence) == (Decimal("0.01"), Decimal(95_000_000), "앱에서 봄")
