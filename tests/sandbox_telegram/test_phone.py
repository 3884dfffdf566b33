"""The scripted users' interface: people, texts, presses, the chat as it is shown, the log of calls."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.sandbox_telegram.rig import JANE, MINJUN, STRANGER, Rig, png, until
from tests.sandbox_telegram.test_limits import upload

PAGE = Path(__file__).parents[2] / "sandbox" / "telegram" / "page"
CARD = {"inline_keyboard": [[{"text": "실행", "callback_data": "x:1"}, {"text": "열기", "url": "https://a.example/"}]]}


async def test_people(rig: Rig):
    contacts = [(person["id"], person["contact"]) for person in await rig.phone.get("users")]
    assert contacts == [(MINJUN.id, "started"), (JANE.id, "started"), (STRANGER.id, "never")]
    made = await rig.phone.post("users", first_name="서연", language_code="ko")
    assert (made["id"], made["started"]) == (10_001, False)
    await rig.phone.post("users/10001/text", 409, text="too early")
    await rig.phone.post("users/10001/start")
    [update] = await rig.result("getUpdates")
    assert update["message"]["from"] == {"id": 10_001, "is_bot": False, "first_name": "서연", "language_code": "ko"}


async def test_the_chat_shows_what_a_phone_shows(rig: Rig):
    await rig.phone.text(MINJUN, "/opps")
    await rig.result("sendMessage", chat_id=MINJUN.id, text="<b>김프</b>", parse_mode="HTML", reply_markup=CARD)
    await upload(rig, "sendPhoto", "photo", png(30, 20), caption="P&L")
    await rig.result(
        "sendMessage", chat_id=MINJUN.id, text="re", reply_parameters={"message_id": 1}, disable_notification=True
    )
    chat = await rig.phone.chat(MINJUN)
    asked, card, photo, reply = chat["messages"]
    assert (asked["mine"], asked["text"], asked["kind"]) == (True, "/opps", "text")
    assert card["buttons"] == CARD["inline_keyboard"] and card["entities"][0]["type"] == "bold"
    assert (photo["kind"], photo["text"], photo["photo"]["width"], photo["photo"]["height"]) == ("photo", "P&L", 30, 20)
    assert reply["reply_to"] == {"id": 1, "mine": True, "text": "/opps"} and reply["silent"]
    assert card["sent_ns"] == rig.clock.now_ns and card["sent_wall_ms"] == rig.clock.wall_ns() // 1_000_000
    async with rig.session.get(rig.base_url + photo["photo"]["url"]) as answer:
        assert await answer.read() == png(30, 20) and answer.content_type == "image/png"


async def test_waiting_for_what_comes_next(rig: Rig):
    sent = await rig.result("sendMessage", chat_id=MINJUN.id, text="card", reply_markup=CARD)
    seen = (await rig.phone.chat(MINJUN))["revision"]
    waiting = asyncio.ensure_future(rig.phone.chat(MINJUN, since=seen, timeout_ms=60_000))
    await until(lambda: rig.clock.sleepers() >= 1)
    await rig.result("sendMessage", chat_id=JANE.id, text="somebody else's")
    assert not waiting.done()
    rig.clock.advance(3)
    await rig.result("editMessageText", chat_id=MINJUN.id, message_id=sent["message_id"], text="receipt")
    [changed] = (await waiting)["messages"]
    assert (changed["text"], changed["edits"], changed["edited_ns"]) == ("receipt", 1, rig.clock.now_ns)
    await rig.result("deleteMessage", chat_id=MINJUN.id, message_id=sent["message_id"])
    after = await rig.phone.chat(MINJUN, since=seen)
    assert (after["messages"], after["deleted"]) == ([], [sent["message_id"]])


async def test_waiting_ends_with_its_time(rig: Rig):
    seen = (await rig.phone.chat(MINJUN))["revision"]
    waiting = asyncio.ensure_future(rig.phone.chat(MINJUN, since=seen, timeout_ms=1000))
    await until(lambda: rig.clock.sleepers() >= 1)
    rig.clock.advance(1)
    assert (await waiting)["messages"] == []


async def test_a_press_waits_for_its_answer(rig: Rig):
    sent = await rig.result("sendMessage", chat_id=MINJUN.id, text="card", reply_markup=CARD)
    query_id = (await rig.phone.press(MINJUN, sent["message_id"], button="실행"))["query_id"]
    [waiting] = (await rig.phone.chat(MINJUN))["presses"]
    assert (waiting["state"], waiting["expires_in_ms"], waiting["data"]) == ("waiting", 15_000, "x:1")
    answer = asyncio.ensure_future(rig.phone.get(f"users/{MINJUN.id}/presses/{query_id}", timeout_ms=10_000))
    await rig.result("answerCallbackQuery", callback_query_id=query_id, text="보냄")
    assert (await answer)["text"] == "보냄"


async def test_presses_that_cannot_be_and_those_only_a_forger_sends(rig: Rig):
    sent = await rig.result("sendMessage", chat_id=MINJUN.id, text="card", reply_markup=CARD)
    press = f"users/{MINJUN.id}/press"
    await rig.phone.post(press, 409, message_id=sent["message_id"], data="other")
    await rig.phone.post(press, 409, message_id=sent["message_id"], button="열기")
    await rig.phone.post(press, 409, message_id=999, data="x:1")
    await rig.phone.post(press, message_id=sent["message_id"], data="other", forced=True)
    await rig.phone.post(press, message_id=999, data="x:1", forced=True)
    forged, gone = await rig.result("getUpdates")
    assert forged["callback_query"]["data"] == "other"
    assert gone["callback_query"]["message"]["date"] == 0


async def test_two_taps_are_two_queries(rig: Rig):
    sent = await rig.result("sendMessage", chat_id=MINJUN.id, text="card", reply_markup=CARD)
    taps = [await rig.phone.press(MINJUN, sent["message_id"], data="x:1") for _ in range(2)]
    assert len({tap["query_id"] for tap in taps}) == 2
    assert len(await rig.result("getUpdates")) == 2


async def test_an_update_keeps_the_message_as_it_was_pressed(rig: Rig):
    sent = await rig.result("sendMessage", chat_id=MINJUN.id, text="v1", reply_markup=CARD)
    await rig.phone.press(MINJUN, sent["message_id"], data="x:1")
    await rig.result("editMessageText", chat_id=MINJUN.id, message_id=sent["message_id"], text="v2")
    [update] = await rig.result("getUpdates")
    assert update["callback_query"]["message"]["text"] == "v1"


async def test_the_log_of_calls(rig: Rig):
    await rig.call("getMe")
    await rig.call("sendMessage", chat_id=MINJUN.id, text="")
    await upload(rig, "sendPhoto", "photo", png(8, 8))
    first, second, third = await rig.phone.get("calls")
    assert (first["method"], first["status"]) == ("getMe", 200)
    assert (second["status"], second["description"]) == (400, "Bad Request: message text is empty")
    assert third["params"]["photo"] == f"<picture.png: {len(png(8, 8))} bytes>"
    assert [call["seq"] for call in await rig.phone.get("calls", since=first["seq"])] == [2, 3]


async def test_the_interface_takes_json_only_and_knows_its_people(rig: Rig):
    url = f"{rig.base_url}/phone/api/users/{MINJUN.id}/text"
    async with rig.session.post(url, data='{"text":"x"}', headers={"Content-Type": "text/plain"}) as answer:
        assert answer.status == 400
    await rig.phone.post(f"users/{MINJUN.id}/text", 400, text="x", shout=True)
    await rig.phone.post("users/999/text", 404, text="x")
    async with rig.session.get(f"{rig.base_url}/phone/api/bot", params={"bot": "nobody"}) as answer:
        assert answer.status == 404


async def test_the_page_is_served_and_allows_nothing_foreign(rig: Rig):
    async with rig.session.get(f"{rig.base_url}/phone") as answer:
        html = await answer.text()
        assert answer.status == 200 and "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "//" not in html.replace("http://www.w3.org", "")  # no address of anybody else
    scripts = sorted(PAGE.glob("*.js"))
    assert scripts
    for asset in [*scripts, *PAGE.glob("*.css")]:
        async with rig.session.get(f"{rig.base_url}/phone/page/{asset.name}") as answer:
            assert (answer.status, await answer.text()) == (200, asset.read_text("utf-8"))
    async with rig.session.get(f"{rig.base_url}/phone/page/..%2Fserver.py") as answer:
        assert answer.status == 404


@pytest.mark.parametrize("script", sorted(PAGE.glob("*.js")), ids=lambda path: path.name)
def test_scripts_parse_and_never_set_html(script: Path):
    source = script.read_text("utf-8")
    for door in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert door not in source
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the script is not parsed here")
    command = [node, "--input-type=module", "--check"]
    checked = subprocess.run(command, input=source, capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stderr
