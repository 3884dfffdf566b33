"""The market boards and the alerts on the phone: bot, Bot API, door and the real core behind it."""

from engine.domain import command as given
from engine.domain.effect import Severity
from engine.domain.view import AlertView
from tests.bot.rig import OWNER, TRADER, VIEWER, House, Message
from tests.waiting import until


async def test_the_premium_board_is_sorted_opened_refreshed_and_drawn(house: House):
    phone = house.phone
    async with house.engine(), house.bot():
        await phone.says(OWNER, "/premium")
        board = await phone.finds(OWNER, "김프 전광판", button="🔄")
        assert "BTC" in board.text and "업비트" in board.text
        await phone.presses(OWNER, board, "이름")
        sorted_ = await phone.finds(OWNER, "김프 전광판", button="● 이름")
        assert sorted_.id == board.id, "in place"

        await phone.presses(OWNER, sorted_, "BTC")
        coin = await phone.finds(OWNER, "한국 매도", button="‹ 뒤로")
        assert coin.id == board.id and coin.text.count("한국 매도") >= 3 and "₩100만" in coin.text
        await phone.presses(OWNER, coin, "‹ 뒤로")
        back = await phone.finds(OWNER, "김프 전광판", button="🖼")
        await phone.presses(OWNER, back, "🖼")
        picture = await phone.finds(OWNER, "가장 큼", button="🔄")
        assert picture.photo and picture.id != board.id

        await phone.says(VIEWER, "/premium btc")
        assert "sell in Korea" in (await phone.finds(VIEWER, "BTC", button="🔄")).text
        await phone.says(VIEWER, "/premium NOPE")
        await phone.finds(VIEWER, "NOPE is not on the board")


async def test_the_funding_heatmap_arrives_as_a_picture_with_a_table_beside_it(house: House):
    phone = house.phone
    async with house.engine(), house.bot():
        await phone.says(VIEWER, "/funding")
        heat = await phone.finds(VIEWER, "Funding", button="📋", deadline_s=40)
        assert heat.photo and "short OKX, long Binance" in heat.text and "Next settlement" in heat.text
        await phone.presses(VIEWER, heat, "📋")
        table = await phone.finds(VIEWER, "a year", button="🖼")
        assert not table.photo and "/4h" in table.text and table.id != heat.id
        edits = table.edits
        house.desk.rig.run_for(3_000)
        await phone.presses(VIEWER, table, "🔄")
        await until(lambda: _edited(house, VIEWER, table, edits))
        await phone.says(OWNER, "/funding shib")
        assert (await phone.finds(OWNER, "펀딩", button="📋", deadline_s=40)).photo


async def _edited(house: House, person: int, message: Message, edits: int) -> bool:
    return any(m.id == message.id and m.edits > edits for m in await house.phone.chat(person))


async def test_a_venue_opens_its_connections_on_a_tap(house: House):
    phone = house.phone
    async with house.engine(), house.bot():
        await phone.says(TRADER, "/venues")
        board = await phone.finds(TRADER, "Venues", button="Upbit")
        assert "140/s · latency 12/90 ms" in board.text and "clock −4±1.5 ms" in board.text
        await phone.presses(TRADER, board, "Upbit")
        page = await phone.finds(TRADER, "upbit#2", button="‹ Back")
        assert page.id == board.id and "Rate budget market: 42 %" in page.text
        answer = await phone.press_data(TRADER, page.id, "m:v:nowhere")
        assert answer["show_alert"] and "nowhere is not one" in answer["text"]
        await phone.presses(TRADER, page, "‹ Back")
        await phone.finds(TRADER, "Venues", button="OKX")


async def test_a_threshold_is_added_by_buttons_previewed_and_undone(house: House):
    phone = house.phone
    async with house.engine(), house.bot():
        await phone.says(TRADER, "/alerts")
        step = await phone.finds(TRADER, "Alerts", button="➕")
        first = step.id
        for button, text in (
            ("➕", "Whose threshold"),
            ("The desk's", "What should ring"),
            ("premium (tether)", "of which coin"),
            ("BTC", "at which venue"),
            ("Upbit", "at which level"),
            ("+1.0 %", "Preview"),
        ):
            await phone.presses(TRADER, step, button)
            step = await phone.finds(TRADER, text)
            assert step.id == first, "one message all the way"
        assert "premium (tether) BTC Upbit above +1.00 %" in step.text and "Now " in step.text
        assert not house.desk.commands(given.SetAlerts), "nothing has changed yet"
        assert (await phone.presses(TRADER, step, "✅ Apply"))["text"] == "Saved."
        panel = await phone.finds(TRADER, "1. premium", button="↩️ Undo the desk's")
        [command] = house.desk.commands(given.SetAlerts)
        assert (command.owner, command.version) == ("desk", 0)
        assert (await phone.presses(TRADER, panel, "↩️ Undo the desk's"))["text"] == "Undone."
        await phone.finds(TRADER, "no thresholds")


async def test_a_viewer_mutes_and_rests_alone(house: House):
    phone = house.phone
    async with house.engine(), house.bot():
        await phone.says(VIEWER, "/alerts")
        panel = await phone.finds(VIEWER, "Alerts", button="🔕")
        await phone.presses(VIEWER, panel, "🔕")
        kinds = await phone.finds(VIEWER, "Mute which kind", button="venues")
        await phone.presses(VIEWER, kinds, "venues")
        times = await phone.finds(VIEWER, "for how long", button="8 hours")
        await phone.presses(VIEWER, times, "8 hours")
        panel = await phone.finds(VIEWER, "🔕 venues down and up until", button="🌙")
        await phone.presses(VIEWER, panel, "🌙")
        hours = await phone.finds(VIEWER, "Quiet hours", button="23–07")
        assert not any(b.startswith("The desk's") for b in hours.buttons)
        await phone.presses(VIEWER, hours, "23–07")
        await phone.finds(VIEWER, "quiet 23:00 – 07:00")
        assert house.desk.alerts("desk").version == 0 and house.desk.alerts("telegram:1").version == 2

        await phone.presses(VIEWER, panel, "➕")
        figures = await phone.finds(VIEWER, "What should ring", button="funding a year")
        assert "The desk's" not in figures.buttons, "a viewer is not asked whose"


async def test_an_alert_is_muted_for_its_coin_alone_and_heard_again(house: House):
    phone, desk = house.phone, house.desk
    async with house.engine(), house.bot():
        await phone.finds(VIEWER, "have started")  # it listens
        numbers = {"value": "0.021", "level": "0.02", "side": "above"}
        view = AlertView(rule="k_usdt", venue="upbit", symbol="XRP", coin="XRP", kind="premium", numbers=numbers)
        desk.tell("alert", "k_usdt:upbitXRP", view, Severity.WARN)
        rung = await phone.finds(VIEWER, "Premium, tether basis", button="🔕 Mute")
        await phone.presses(VIEWER, rung, "🔕 Mute")
        scope = await phone.finds(VIEWER, "how much of it", button="XRP")
        assert scope.id != rung.id and {"XRP", "Upbit", "All of this kind"} <= set(scope.buttons)
        await phone.presses(VIEWER, scope, "XRP")
        times = await phone.finds(VIEWER, "Mute premiums XRP for how long", button="8 hours")
        await phone.presses(VIEWER, times, "8 hours")
        panel = await phone.finds(VIEWER, r"🔕 premiums \(XRP\) until", button="🔔 Unmute")
        [silence] = desk.alerts("telegram:1").settings.silences
        assert (silence.kind, silence.coin, silence.venue) == ("premium", "XRP", "")
        await phone.presses(VIEWER, panel, "🔔 Unmute")
        ends = await phone.finds(VIEWER, "Which silence should end", button="🔔 Mine: premiums XRP")
        await phone.presses(VIEWER, ends, "🔔 Mine: premiums XRP")
        await phone.finds(VIEWER, "Alerts", button="➕")
        assert desk.alerts("telegram:1").settings.silences == ()


async def test_an_owner_lets_a_market_out_by_the_button_on_its_alert(house: House):
    phone, desk = house.phone, house.desk
    rig = desk.rig
    async with house.engine(), house.bot():
        await phone.finds(VIEWER, "have started")
        rig.set_book("okx", "BTC-USDT", 130_000)
        rig.run_for(2_000)
        numbers = {"off": "0.3000"}
        view = AlertView(
            rule="quarantined", venue="okx", symbol="BTC-USDT", coin="BTC", kind="identity", numbers=numbers
        )
        desk.tell("alert", "quarantined:okxBTC-USDT", view, Severity.CRIT)
        seen = await phone.finds(TRADER, "Market quarantined")
        assert not any("🔓" in button for button in seen.buttons), "a trader's word is not asked for"
        await phone.says(OWNER, "/why btc")
        await phone.finds(OWNER, r"OKX BTC-USDT: priced \+", button="🔓")
        alarm = await phone.finds(OWNER, "🚨", button="🔓")
        await phone.presses(OWNER, alarm, "🔓")
        sure = await phone.finds(OWNER, "티커는 증거가 아닙니다", button="🔓 같은 자산임")
        assert not desk.commands(given.ReleaseMarket), "only asked so far"
        await phone.presses(OWNER, sure, "🔓 같은 자산임")
        await phone.finds(OWNER, "격리 해제: 최대 24시간")
        [command] = desk.commands(given.ReleaseMarket)
        assert (command.venue, command.symbol) == ("okx", "BTC-USDT") and "Mina" in command.evidence
        assert ("okx", "BTC-USDT") not in rig.state.quarantined


async def test_who_is_at_peace_hears_nothing_and_the_next_message_counts(house: House):
    phone, desk = house.phone, house.desk

    def away(venue: str, heard: dict[str, int], only: str = "", severity: Severity = Severity.WARN) -> None:
        view = AlertView(rule="venue_down", venue=venue, text="cut", kind="venue", heard=heard, only=only)
        desk.tell("alert", f"venue_down:{venue}", view, severity)

    async with house.engine(), house.bot():
        await phone.finds(VIEWER, "have started")
        away("upbit", {"desk": 0, "telegram:2": -1})
        away("okx", {"telegram:3": 0}, only="telegram:3")
        away("binance", {"desk": 0, "telegram:2": 2}, severity=Severity.CRIT)
        crit = await phone.finds(TRADER, "Venue disconnected · Binance")
        assert "2 more were held back" in crit.text
        await phone.finds(VIEWER, "Venue disconnected · Upbit")
        await phone.finds(OWNER, "OKX")
        assert not [m for m in await phone.chat(TRADER) if "Upbit" in m.text or "OKX" in m.text]
        assert not [m for m in await phone.chat(VIEWER) if "OKX" in m.text]


async def test_a_button_of_yesterday_is_answered_and_changes_nothing(house: House):
    phone = house.phone
    async with house.engine(), house.bot():
        await phone.says(TRADER, "/alerts")
        panel = await phone.finds(TRADER, "Alerts", button="🌙")
        await phone.presses(TRADER, panel, "🌙")
        hours = await phone.finds(TRADER, "Quiet hours", button="22–07")
        stale = await phone.data_of(TRADER, hours.id, "22–07")
        await phone.presses(TRADER, hours, "23–07")
        await phone.finds(TRADER, "quiet 23:00")
        answer = await phone.press_data(TRADER, hours.id, stale)
        assert "changed meanwhile" in answer["text"]
        assert house.desk.alerts("telegram:2").version == 1


async def test_the_menu_offers_the_boards_to_everybody(house: House):
    phone = house.phone
    async with house.engine(), house.bot():
        await phone.start(VIEWER)
        await until(lambda: _offered(house, VIEWER))
        assert {"premium", "funding", "venues", "alerts"} <= set(await phone.commands(VIEWER))


async def _offered(house: House, person: int) -> bool:
    return bool(await house.phone.commands(person))
