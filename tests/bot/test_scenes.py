"""The trader's day, played through the whole bot: phone → Bot API → bot → control door → desk, and back."""

import logging

from bot import redaction
from engine.domain import command as given
from engine.domain.effect import Severity
from engine.domain.view import AlertView
from tests.bot.desk import opportunity
from tests.bot.rig import OWNER, STRANGER, TOKEN, TRADER, VIEWER, House
from tests.waiting import until


async def test_a_card_lives_is_tapped_and_becomes_the_receipt(house: House):
    phone, desk = house.phone, house.desk
    async with house.engine(), house.bot():
        desk.show(opportunity(1))
        card = await phone.finds(OWNER, "테더 기준", button="✅ 체결")
        assert "+1.24 %" in card.text and "+2.01 %" in card.text, "both bases of the premium"
        assert "업비트" in card.text and "₩95,120,000" in card.text and "바이낸스" in card.text
        assert "+0.62 %" in card.text and "+₩7,250" in card.text and "₩117만" in card.text
        assert [b.split()[0] for b in card.buttons] == ["✅", "½", "건너뛰기", "🔕"]

        desk.show(opportunity(1, net=0.0075, profit_krw=8_888))
        edited = await phone.finds(OWNER, r"\+₩8,888", button="✅ 체결")
        assert edited.id == card.id, "edited in place"

        answer = await phone.presses(OWNER, edited, "✅ 체결")
        assert answer["text"] == "체결을 시작했습니다."
        executing = await phone.finds(OWNER, "체결 중")
        assert executing.id == card.id and not executing.buttons

        desk.finish("o1")
        receipt = await phone.finds(OWNER, "체결 완료")
        assert receipt.id == card.id and not receipt.buttons
        assert "실현 손익 +₩6,980" in receipt.text and "예상 +₩7,250" in receipt.text
        assert "수수료" in receipt.text and "Mina" in receipt.text
        english = await phone.finds(TRADER, "Realised")
        assert "Sell Upbit 0.0123/0.0123 BTC" in english.text, "everybody's card becomes the receipt"
    assert [c.user_id for c in desk.commands(given.Confirm)] == [OWNER]


async def test_the_viewer_sees_the_card_and_has_no_button(house: House):
    async with house.engine(), house.bot():
        house.desk.show(opportunity(1))
        card = await house.phone.finds(VIEWER, "tether basis")
        assert not card.buttons
        await house.phone.finds(TRADER, "tether basis", button="✅ Execute")
    assert VIEWER not in {c.user_id for c in house.desk.commands(given.IssueToken)}


async def test_a_stale_tap_is_refused_with_numbers_and_the_card_gets_fresh_buttons(house: House):
    phone, desk = house.phone, house.desk
    desk.token_ttl_ms = 0
    async with house.engine(), house.bot():
        desk.show(opportunity(1))
        card = await phone.finds(TRADER, "tether basis", button="✅ Execute")
        old = await phone.data_of(TRADER, card.id, "✅ Execute")
        desk.token_ttl_ms = 20_000
        desk.tokens[old.removeprefix("x:")] = (desk.tokens[old.removeprefix("x:")][0], 0)
        answer = await phone.press_data(TRADER, card.id, old)
        assert answer["show_alert"] and "Confirmed too late" in answer["text"]
        fresh = await phone.finds(TRADER, "Confirmed too late", button="✅ Execute")
        assert fresh.id == card.id
        assert await phone.data_of(TRADER, card.id, "✅ Execute") != old
        assert (await phone.presses(TRADER, fresh, "✅ Execute"))["text"] == "Executing."
        await phone.finds(TRADER, "executing")


async def test_a_double_tap_gets_the_same_answer_and_executes_once(house: House):
    phone, desk = house.phone, house.desk
    async with house.engine(), house.bot():
        desk.show(opportunity(1))
        card = await phone.finds(TRADER, "tether basis", button="✅ Execute")
        data = await phone.data_of(TRADER, card.id, "✅ Execute")
        first = await phone.press_data(TRADER, card.id, data)
        second = await phone.press_data(TRADER, card.id, data)
        assert first["text"] == second["text"] == "Executing."
    assert len(desk.receipts) == 1
    assert len({c.token for c in desk.commands(given.Confirm)}) == 1


async def test_another_persons_button_is_refused_by_the_door(house: House):
    phone, desk = house.phone, house.desk
    async with house.engine(), house.bot():
        desk.show(opportunity(1))
        theirs = await phone.finds(TRADER, "tether basis", button="✅ Execute")
        mine = await phone.finds(OWNER, "테더 기준", button="✅ 체결")
        stolen = await phone.data_of(TRADER, theirs.id, "✅ Execute")
        answer = await phone.press_data(OWNER, mine.id, stolen)
        assert answer["show_alert"] and "다른 사람의 버튼" in answer["text"]
    assert not desk.receipts


async def test_skip_and_mute_with_its_undo(house: House):
    phone, desk = house.phone, house.desk
    async with house.engine(), house.bot():
        desk.show(opportunity(1))
        card = await phone.finds(TRADER, "tether basis", button="Skip")
        await phone.presses(TRADER, card, "Skip")
        skipped = await phone.finds(TRADER, "Skipped")
        assert skipped.id == card.id and not skipped.buttons

        desk.show(opportunity(2))
        card = await phone.finds(TRADER, "tether basis", button="🔕")
        await phone.presses(TRADER, card, "🔕")
        muted = await phone.finds(TRADER, "Quiet for 60 min", button="🔔")
        assert (await phone.presses(TRADER, muted, "🔔"))["text"] == "🔔 Telling again"
        await phone.finds(TRADER, "Telling again")
    assert [m.minutes for m in desk.commands(given.Mute)] == [60, 0]


async def test_a_stranger_hears_nothing_and_is_logged_once(house: House, caplog):
    phone = house.phone
    with caplog.at_level(logging.INFO, logger="premia"):
        async with house.engine(), house.bot():
            await phone.start(STRANGER)
            for text in ("/status", "/kill", "🛑 KILL"):
                await phone.says(STRANGER, text)
            await phone.says(OWNER, "/status")
            await phone.finds(OWNER, "정상 가동")
            assert await phone.chat(STRANGER) == []
    refused = [r for r in caplog.messages if r.startswith("update_refused") and f"user={STRANGER}" in r]
    assert len(refused) == 1 and "reason=stranger" in refused[0]
    assert not house.desk.commands(given.Halt)


async def test_edited_and_forwarded_commands_are_not_executed(house: House):
    phone = house.phone
    async with house.engine(), house.bot():
        message_id = await phone.sent_id(TRADER, "hello")
        await phone.edits(TRADER, message_id, "/halt")
        await phone.finds(TRADER, "Edited messages are not executed")
        await phone.says(TRADER, "/halt", forwarded_from="Somebody")
        await phone.finds(TRADER, "Forwarded messages are not executed")
    assert not house.desk.commands(given.Halt)


async def test_kill_acts_at_once_and_resume_takes_two_steps(house: House):
    phone, desk = house.phone, house.desk
    async with house.engine(), house.bot():
        await phone.finds(OWNER, "시작되었습니다")  # a stop from before it stands in this line alone
        await phone.says(TRADER, "🛑 KILL")
        killed = await phone.finds(TRADER, "L2 stopped", button="🔻")
        await phone.finds(OWNER, "L2 정지 · 미체결 취소 · Tae")
        assert desk.level == 2

        await phone.presses(TRADER, killed, "🔻 Flatten")
        question = await phone.finds(TRADER, "no way back", button="🔻 Flatten now")
        assert desk.level == 2, "asking flattens nothing"
        await phone.presses(TRADER, question, "🔻 Flatten now")
        await phone.finds(TRADER, "L3 flattening")
        assert desk.level == 3

        await phone.says(TRADER, "/resume")
        await phone.finds(TRADER, "needs the role owner")
        desk.checks_ok = False
        await phone.says(OWNER, "/resume")
        failed = await phone.finds(OWNER, "자가 점검 실패")
        assert "❌ journal" in failed.text and not failed.buttons
        desk.checks_ok = True
        await phone.says(OWNER, "/resume")
        passed = await phone.finds(OWNER, "자가 점검 통과", button="▶️ 재개")
        assert desk.level == 3, "the first step resumes nothing"
        await phone.presses(OWNER, passed, "▶️ 재개")
        await phone.finds(OWNER, "재개했습니다")
        assert desk.level == 0


async def test_auto_is_asked_once_more(house: House):
    phone, desk = house.phone, house.desk
    async with house.engine(), house.bot():
        await phone.says(TRADER, "/strategies")
        panel = await phone.finds(TRADER, "Kimchi premium", button="● confirm")
        await phone.presses(TRADER, panel, "auto")
        question = await phone.finds(TRADER, "sends orders without asking", button="Switch to auto")
        assert desk.modes["kimchi"] == "confirm"
        await phone.presses(TRADER, question, "Switch to auto")
        await phone.finds(TRADER, r"Kimchi premium · auto")
        assert desk.modes["kimchi"] == "auto"
        panel = await phone.finds(TRADER, "Strategies", button="● auto")
        await phone.presses(TRADER, panel, "off")
        await until(lambda: desk.modes["kimchi"] == "off")


async def test_a_curve_point_is_previewed_applied_and_undone(house: House):
    phone, desk = house.phone, house.desk
    async with house.engine(), house.bot():
        await phone.says(OWNER, "/curve")
        shown = await phone.finds(OWNER, "자본 곡선", button="+1 % → 5 %")
        assert shown.photo
        await phone.says(OWNER, "/curve tether_bot 1 0.10")
        preview = await phone.finds(OWNER, "미리보기", button="✅ 적용")
        assert preview.photo and "5 % → 10 %" in preview.text
        assert "8.3 % → 12.2 %" in preview.text, "the target of this moment, old and new"
        assert len(desk.curves) == 1, "a preview changes nothing"
        await phone.presses(OWNER, preview, "✅ 적용")
        applied = await phone.finds(OWNER, "곡선을 적용했습니다", button="↩️")
        assert applied.id == preview.id
        assert {str(p.premium_pct): str(p.weight) for p in desk.curves[-1]}["1"] == "0.10"
        await phone.presses(OWNER, applied, "↩️")
        await phone.finds(OWNER, "이전 값으로 되돌렸습니다")
        assert desk.curves[-1] == desk.curves[0]


async def test_pictures_arrive_and_change_their_window_in_place(house: House):
    phone = house.phone
    async with house.engine(), house.bot():
        await phone.says(OWNER, "/pnl")
        today = await phone.finds(OWNER, "손익 · 오늘", button="7일")
        assert today.photo
        await phone.presses(OWNER, today, "7일")
        week = await phone.finds(OWNER, "손익 · 7일")
        assert week.id == today.id and week.photo


async def test_what_is_critical_rings_and_what_is_not_is_silent(house: House):
    phone, desk = house.phone, house.desk
    async with house.engine(), house.bot():
        await phone.finds(OWNER, "시작되었습니다")
        desk.tell("alert", "v", AlertView(rule="venue_up", venue="upbit", text="upbit is back"))
        desk.tell("alert", "n", AlertView(rule="naked", venue="upbit", text="0.0123 BTC open"), Severity.CRIT)
        assert (await phone.finds(OWNER, "거래소 연결 회복")).silent
        naked = await phone.finds(OWNER, "한쪽만 체결됨")
        assert not naked.silent and "0.0123 BTC open" in naked.text


async def test_every_reading_command_answers(house: House):
    phone = house.phone
    wanted = {
        "/start": "Hello Vera",
        "/help": "Look",
        "/status": "Running",
        "/venues": "Binance · disconnected",
        "/opps": "No opportunity",
        "/positions": "No trade is under way",
        "/balance": r"differs from the ledger by −1\.00 USDT",
        "/why": "Nothing was refused",
        "/strategies": "Kimchi premium",
        "/report": "Daily report",
        "/nonsense": "I do not know /nonsense",
        "/halt": "needs the role trader",
        "/audit": "needs the role owner",
    }
    async with house.engine(), house.bot():
        for command, pattern in wanted.items():
            await phone.says(VIEWER, command)
            await phone.finds(VIEWER, pattern)
        assert "kill" not in await phone.commands(VIEWER)
        assert "kill" in await phone.commands(OWNER)


async def test_the_status_is_pinned_and_edited_silently(house: House):
    phone, desk = house.phone, house.desk
    async with house.engine(), house.bot():
        await phone.says(VIEWER, "/live")
        board = await phone.finds(VIEWER, "Running")
        await until(lambda: _is_pinned(house, board.id))
        assert board.silent
        desk.level, desk.level_reason = 1, "a test"
        changed = await phone.finds(VIEWER, "L1 no new entries")
        assert changed.id == board.id
        await phone.says(VIEWER, "/live")
        await phone.finds(VIEWER, "pinned status is off")


async def _is_pinned(house: House, message_id: int) -> bool:
    return await house.phone.pinned(VIEWER) == [message_id]


async def test_a_change_of_settings_is_told_to_the_others(house: House):
    phone, desk = house.phone, house.desk
    async with house.engine(), house.bot():
        await phone.finds(OWNER, "시작되었습니다")
        body = {"name": "kimchi", "version": 3, "actor": "telegram:2", "text": "kimchi is now off"}
        desk.tell("settings", "strategy.kimchi", body)
        told = await phone.finds(OWNER, "김치 프리미엄 설정 변경")
        assert "Tae" in told.text and told.silent
        assert not [m for m in await phone.chat(TRADER) if "changed (v3)" in m.text]


async def test_an_automatic_trade_brings_its_receipt(house: House):
    phone, desk = house.phone, house.desk
    async with house.engine(), house.bot():
        await phone.finds(OWNER, "시작되었습니다")
        desk.modes["kimchi"] = given.Mode.AUTO
        desk.show(opportunity(1, mode="auto", state="executing"))
        desk.finish("o1", "auto")
        receipt = await phone.finds(OWNER, "체결 완료")
        assert "+₩6,980" in receipt.text and "자동" in receipt.text


async def test_alert_mode_has_no_button_to_execute_and_small_ones_stay_silent(house: House):
    phone, desk = house.phone, house.desk
    async with house.engine(), house.bot():
        desk.show(opportunity(1, mode="alert", net=0.0049, coin="XRP"))
        desk.show(opportunity(2, mode="alert", net=0.0051, coin="ETH"))
        card = await phone.finds(TRADER, "ETH", button="Skip")
        assert not any(b.startswith("✅") for b in card.buttons)
        assert not [m for m in await phone.chat(TRADER) if "XRP" in m.text]


async def test_a_premium_that_returns_uses_its_old_card(house: House):
    phone, desk = house.phone, house.desk
    async with house.engine(), house.bot():
        desk.show(opportunity(1))
        card = await phone.finds(TRADER, "tether basis", button="✅ Execute")
        desk.show(opportunity(1, state="expired", reason="the premium is gone"))
        await phone.finds(TRADER, "The opportunity is gone")
        desk.show(opportunity(2, key=opportunity(1).key))
        again = await phone.finds(TRADER, "tether basis", button="✅ Execute")
        assert again.id == card.id
        assert (await phone.presses(TRADER, again, "✅ Execute"))["text"] == "Executing."
    assert [desk.tokens[c.token][0].opportunity_id for c in desk.commands(given.Confirm)] == ["o2"]


async def test_language_is_the_readers_own(house: House):
    phone = house.phone
    async with house.engine(), house.bot():
        await phone.says(OWNER, "/lang")
        ask = await phone.finds(OWNER, "Choose a language", button="English")
        await phone.presses(OWNER, ask, "English")
        await phone.finds(OWNER, "I will speak English")
        await phone.says(OWNER, "/status")
        await phone.finds(OWNER, "Running")
        await phone.says(OWNER, "🛑 정지")
        await phone.finds(OWNER, "L2 stopped")


async def test_no_log_line_holds_the_token(house: House, capsys):
    before = logging.getLogger().handlers[:]
    redaction.set_up("DEBUG", (TOKEN,))
    try:
        async with house.bot():
            await house.phone.fault(kind="bad_gateway", next=2)
            await house.phone.says(OWNER, "/status")
            await house.phone.finds(OWNER, "엔진에 연결할 수 없습니다")
        logging.getLogger("x").error("https://api.telegram.org/bot%s/getMe", TOKEN)
        try:
            raise RuntimeError(f"cannot reach /bot{TOKEN}/getUpdates")
        except RuntimeError:
            logging.getLogger("x").exception("failed")
    finally:
        logging.getLogger().handlers[:] = before
    lines = capsys.readouterr().err
    assert "bot***/getMe" in lines and "poll_failed" in lines
    assert TOKEN not in lines and TOKEN.partition(":")[2] not in lines
