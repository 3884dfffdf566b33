"""Every documented limit, and the words Telegram has for it."""

import json
import struct

import aiohttp
import pytest

from sandbox.telegram.images import PNG_SIGNATURE
from tests.sandbox_telegram.rig import JANE, MINJUN, STRANGER, Rig, png

NOT_MODIFIED = (
    "Bad Request: message is not modified: specified new message content and reply markup are exactly the same"
    " as a current content and reply markup of the message"
)


def keyboard(**button: object) -> dict[str, object]:
    return {"inline_keyboard": [[{"text": "go", **button}]]}


TEXTS = [
    ("empty", {"text": ""}, "message text is empty"),
    ("absent", {}, "message text is empty"),
    ("blank", {"text": " \n "}, "text must be non-empty"),
    ("only tags", {"text": "<b></b>", "parse_mode": "HTML"}, "text must be non-empty"),
    ("4097", {"text": "x" * 4097}, "message is too long"),
    ("2049 rockets", {"text": "🚀" * 2049}, "message is too long"),
    ("open tag", {"text": "<b>x", "parse_mode": "HTML"},
     "can't parse entities: Can't find end tag corresponding to start tag \"b\""),
    ("65 bytes", {"text": "x", "reply_markup": keyboard(callback_data="x" * 65)}, "BUTTON_DATA_INVALID"),
    ("22 Korean letters", {"text": "x", "reply_markup": keyboard(callback_data="가" * 22)}, "BUTTON_DATA_INVALID"),
    ("dumb button", {"text": "x", "reply_markup": keyboard()},
     "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"),
    ("long copy", {"text": "x", "reply_markup": keyboard(copy_text={"text": "x" * 257})}, "BUTTON_COPY_TEXT_INVALID"),
    ("odd link", {"text": "x", "reply_markup": keyboard(url="javascript:1")},
     "inline keyboard button URL 'javascript:1' is invalid: Unsupported URL protocol"),
    ("101 buttons", {"text": "x", "reply_markup": {"inline_keyboard": [[{"text": "b", "callback_data": "c"}]] * 101}},
     "reply markup is too long"),
    ("markup no object", {"text": "x", "reply_markup": "[]"}, "object expected as reply markup"),
    ("markup no JSON", {"text": "x", "reply_markup": "{"}, "can't parse reply keyboard markup JSON object"),
    ("lost reply", {"text": "x", "reply_parameters": {"message_id": 9}}, "message to be replied not found"),
]  # fmt: skip


@pytest.mark.parametrize("why, params, reason", TEXTS, ids=[case[0] for case in TEXTS])
async def test_send_message_refuses(rig: Rig, why, params, reason):
    assert await rig.refusal("sendMessage", chat_id=MINJUN.id, **params) == (400, f"Bad Request: {reason}")


async def test_exact_limits_pass(rig: Rig):
    markup = keyboard(callback_data="가" * 21 + "x")  # 64 bytes
    sent = await rig.result(
        "sendMessage", chat_id=MINJUN.id, text="<b>" + "x" * 4096 + "</b>", parse_mode="HTML", reply_markup=markup
    )
    assert len(sent["text"]) == 4096
    pressed = await rig.phone.press(MINJUN, sent["message_id"], button="go")
    [update] = await rig.result("getUpdates")
    assert update["callback_query"]["id"] == pressed["query_id"]
    assert len(update["callback_query"]["data"].encode()) == 64
    assert await rig.result("answerCallbackQuery", callback_query_id=pressed["query_id"], text="x" * 200)


CHATS = [
    ("", "chat_id is empty"),
    ("404", "chat not found"),
    (str(STRANGER.id), "chat not found"),
    ("@somebody", "chat not found"),
    ("-100123", "chat not found"),
]


@pytest.mark.parametrize("chat_id, reason", CHATS)
async def test_chats_a_bot_cannot_reach(rig: Rig, chat_id, reason):
    assert await rig.refusal("sendMessage", chat_id=chat_id, text="x") == (400, f"Bad Request: {reason}")


async def test_start_opens_a_chat_and_block_closes_it(rig: Rig):
    await rig.phone.post(f"users/{STRANGER.id}/start", payload="join42")
    assert (await rig.result("sendMessage", chat_id=STRANGER.id, text="hi"))["text"] == "hi"
    await rig.phone.post(f"users/{STRANGER.id}/block")
    assert await rig.refusal("sendMessage", chat_id=STRANGER.id, text="x") == (
        403,
        "Forbidden: bot was blocked by the user",
    )
    await rig.phone.post(f"users/{STRANGER.id}/text", 409, text="hello?")
    await rig.phone.post(f"users/{STRANGER.id}/start")
    updates = await rig.result("getUpdates")
    assert [update["message"]["text"] for update in updates if "message" in update] == ["/start join42", "/start"]
    changes = [
        update["my_chat_member"]["new_chat_member"]["status"] for update in updates if "my_chat_member" in update
    ]
    assert changes == ["kicked", "member"]


async def test_identical_edits_are_refused(rig: Rig):
    markup = keyboard(callback_data="c")
    sent = await rig.result("sendMessage", chat_id=MINJUN.id, text="<b>x</b>", parse_mode="HTML", reply_markup=markup)
    where = {"chat_id": MINJUN.id, "message_id": sent["message_id"]}
    same = {**where, "text": "<strong>x</strong>\n", "parse_mode": "HTML", "reply_markup": markup}
    assert await rig.refusal("editMessageText", **same) == (400, NOT_MODIFIED)
    assert await rig.refusal("editMessageReplyMarkup", **where, reply_markup=markup) == (400, NOT_MODIFIED)
    assert (await rig.result("editMessageText", **where, text="x", reply_markup=markup))[
        "text"
    ] == "x"  # no longer bold
    assert "reply_markup" not in await rig.result("editMessageText", **where, text="x")
    [message] = (await rig.phone.chat(MINJUN))["messages"]
    assert (message["edits"], message["edited"], message["buttons"]) == (2, True, [])


async def test_identical_media_edit_is_refused(rig: Rig):
    sent = await upload(rig, "sendPhoto", "photo", png(64, 64))
    media = json.dumps({"type": "photo", "media": "attach://new"})
    status, answer = await upload_raw(
        rig, "editMessageMedia", "new", png(64, 64), media=media, message_id=str(sent["message_id"])
    )
    assert (status, answer["description"]) == (400, NOT_MODIFIED)


async def test_edits_that_cannot_be(rig: Rig):
    text = await rig.result("sendMessage", chat_id=MINJUN.id, text="x")
    keys = await rig.result("sendMessage", chat_id=MINJUN.id, text="x", reply_markup={"keyboard": [["KILL"]]})
    gone = await rig.result("sendMessage", chat_id=MINJUN.id, text="x", reply_markup={"remove_keyboard": True})
    own = await rig.phone.text(MINJUN, "mine")
    photo = await upload(rig, "sendPhoto", "photo", png(64, 64))
    wrong = {
        "message to edit not found": ("editMessageText", 999),
        "message can't be edited": ("editMessageText", keys["message_id"]),
        "there is no text in the message to edit": ("editMessageText", photo["message_id"]),
        "there is no caption in the message to edit": ("editMessageCaption", text["message_id"]),
    }
    for reason, (method, message_id) in wrong.items():
        refused = await rig.refusal(method, chat_id=MINJUN.id, message_id=message_id, text="y", caption="y")
        assert refused == (400, f"Bad Request: {reason}")
    for message_id in (gone["message_id"], own["message_id"]):
        refused = await rig.refusal("editMessageText", chat_id=MINJUN.id, message_id=message_id, text="y")
        assert refused == (400, "Bad Request: message can't be edited")
    other_chat = await rig.refusal("editMessageText", chat_id=JANE.id, message_id=text["message_id"], text="y")
    assert other_chat == (400, "Bad Request: message to edit not found")


async def test_captions(rig: Rig):
    long = "x" * 1025
    status, answer = await upload_raw(rig, "sendPhoto", "photo", png(64, 64), caption=long)
    assert (status, answer["description"]) == (400, "Bad Request: message caption is too long")
    sent = await upload(rig, "sendPhoto", "photo", png(64, 64), caption=long[1:])
    assert len(sent["caption"]) == 1024
    refused = await rig.refusal("editMessageCaption", chat_id=MINJUN.id, message_id=sent["message_id"], caption=long)
    assert refused == (400, "Bad Request: message caption is too long")


PHOTOS = [
    ("not a picture", b"GIF89a....", "IMAGE_PROCESS_FAILED"),
    ("cut off", png(64, 64)[:-20], "IMAGE_PROCESS_FAILED"),
    ("empty", b"", "file must be non-empty"),
    ("too long and thin", png(1, 21), "PHOTO_INVALID_DIMENSIONS"),
    ("too large", png(6000, 4001), "PHOTO_INVALID_DIMENSIONS"),
    ("11 MB", PNG_SIGNATURE + bytes(11 << 20),
     "file of size 11534344 bytes is too big for a photo; the maximum size is 10485760 bytes"),
]  # fmt: skip


@pytest.mark.parametrize("why, data, reason", PHOTOS, ids=[case[0] for case in PHOTOS])
async def test_photos_refused(rig: Rig, why, data, reason):
    status, answer = await upload_raw(rig, "sendPhoto", "photo", data)
    assert (status, answer["description"]) == (400, f"Bad Request: {reason}")


async def test_files_by_name_only(rig: Rig):
    for value, reason in [
        ("", "there is no photo in the request"),
        ("https://a.example/b.png", "failed to get HTTP URL content"),
        ("nonsense", "wrong file identifier/HTTP URL specified"),
    ]:
        assert await rig.refusal("sendPhoto", chat_id=MINJUN.id, photo=value) == (400, f"Bad Request: {reason}")
    assert await rig.refusal("getFile", file_id="x") == (
        400,
        "Bad Request: wrong file_id or the file is temporarily unavailable",
    )


async def test_file_links_open_by_get_file_and_close_after_an_hour(rig: Rig):
    sent = await upload(rig, "sendPhoto", "photo", png(64, 64))
    file_id = sent["photo"][0]["file_id"]
    url = f"{rig.base_url}/file/bot700700:AAtest-token/photos/file_0.png"
    for opened, status in [(False, 404), (True, 200)]:
        if opened:
            assert (await rig.result("getFile", file_id=file_id))["file_path"] == "photos/file_0.png"
        async with rig.session.get(url) as answer:
            assert answer.status == status
    rig.clock.advance(3601)
    async with rig.session.get(url) as answer:
        assert answer.status == 404


async def test_press_answers(rig: Rig):
    sent = await rig.result("sendMessage", chat_id=MINJUN.id, text="x", reply_markup=keyboard(callback_data="c"))
    too_old = (400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
    pressed = [(await rig.phone.press(MINJUN, sent["message_id"], data="c"))["query_id"] for _ in range(2)]
    first, second = pressed
    assert await rig.refusal("answerCallbackQuery", callback_query_id=first, text="x" * 201) == (
        400,
        "Bad Request: MESSAGE_TOO_LONG",
    )
    assert await rig.result("answerCallbackQuery", callback_query_id=first) is True
    assert await rig.refusal("answerCallbackQuery", callback_query_id=first) == too_old
    rig.clock.advance(15)
    assert await rig.refusal("answerCallbackQuery", callback_query_id=second) == too_old
    assert await rig.refusal("answerCallbackQuery", callback_query_id="1") == too_old
    states = [press["state"] for press in (await rig.phone.chat(MINJUN))["presses"]]
    assert states == ["answered", "expired"]


async def test_deleting(rig: Rig):
    old = await rig.result("sendMessage", chat_id=MINJUN.id, text="x")
    rig.clock.advance(48 * 3600 + 1)
    where = {"chat_id": MINJUN.id}
    refused = await rig.refusal("deleteMessage", **where, message_id=old["message_id"])
    assert refused == (400, "Bad Request: message can't be deleted for everyone")
    assert await rig.refusal("deleteMessage", **where, message_id=99) == (
        400,
        "Bad Request: message to delete not found",
    )
    assert (await rig.refusal("deleteMessages", **where, message_ids=list(range(1, 102))))[0] == 400
    edited = await rig.result("editMessageText", **where, message_id=old["message_id"], text="edited at any age")
    assert edited["message_id"] == old["message_id"]


OTHERS = [
    ("setMyCommands", {"commands": [{"command": "Kill", "description": "x"}]}, "BOT_COMMAND_INVALID"),
    ("setMyCommands", {"commands": [{"command": "k", "description": ""}]}, "BOT_COMMAND_DESCRIPTION_INVALID"),
    ("setMyCommands", {"commands": [{"command": "k", "description": "x"}] * 101}, "BOT_COMMANDS_TOO_MUCH"),
    ("setMyCommands", {"commands": [], "scope": {"type": "chat", "chat_id": 404}}, "chat not found"),
    ("sendChatAction", {"chat_id": 11, "action": "thinking"}, "wrong parameter action in request"),
    ("sendMediaGroup", {"chat_id": 11, "media": [{"type": "photo", "media": "x"}]},
     "media group must include 2-10 items"),
    ("setWebhook", {"url": "http://desk.example/"}, "bad webhook: An HTTPS URL must be provided for webhook"),
    ("pinChatMessage", {"chat_id": 11, "message_id": 5}, "message to pin not found"),
    ("sendMessage", {"chat_id": 11, "text": "*x*", "parse_mode": "MarkdownV2"}, "unsupported parse_mode"),
]  # fmt: skip


@pytest.mark.parametrize("method, params, reason", OTHERS, ids=[case[2] for case in OTHERS])
async def test_other_refusals(rig: Rig, method, params, reason):
    assert await rig.refusal(method, **params) == (400, f"Bad Request: {reason}")


async def test_reactions(rig: Rig):
    sent = await rig.result("sendMessage", chat_id=MINJUN.id, text="x")
    where = {"chat_id": MINJUN.id, "message_id": sent["message_id"]}
    emoji = [{"type": "emoji", "emoji": name} for name in ("❤\ufe0f", "🚀")]
    assert await rig.result("setMessageReaction", **where, reaction=emoji[:1])
    assert (await rig.phone.chat(MINJUN))["messages"][0]["reaction"] == "❤"
    assert await rig.refusal("setMessageReaction", **where, reaction=emoji[1:]) == (
        400,
        "Bad Request: REACTION_INVALID",
    )
    assert await rig.refusal("setMessageReaction", **where, reaction=emoji) == (400, "Bad Request: REACTIONS_TOO_MANY")


async def test_wrong_doors(rig: Rig):
    assert await rig.call("getMe", token="700700:guess") == (
        401,
        {"ok": False, "error_code": 401, "description": "Unauthorized"},
    )
    assert await rig.refusal("sendTelepathy") == (404, "Not Found: method not found")
    for path in ("/bot", "/elsewhere", "/file/bot700700:guess/x"):
        async with rig.session.get(rig.base_url + path) as answer:
            assert (answer.status, (await answer.json())["ok"]) == (401 if "guess" in path else 404, False)


async def test_every_way_to_pass_parameters(rig: Rig):
    url = f"{rig.base_url}/bot700700:AAtest-token/SENDMESSAGE"
    async with rig.session.get(url, params={"chat_id": "11", "text": "query"}) as answer:
        assert (await answer.json())["result"]["text"] == "query"
    async with rig.session.post(url, data={"chat_id": "11", "text": "form"}) as answer:
        assert (await answer.json())["result"]["text"] == "form"
    async with rig.session.post(
        url, data=b'{"chat_id":11,"text":"json"', headers={"Content-Type": "application/json"}
    ) as answer:
        assert answer.status == 400
    body = struct.pack("B", 0xFF)
    async with rig.session.post(url, data=body, headers={"Content-Type": "application/json"}) as answer:
        assert answer.status == 400


async def upload(rig: Rig, method: str, field: str, data: bytes, **params: str):
    status, answer = await upload_raw(rig, method, field, data, **params)
    assert status == 200, answer
    return answer["result"]


async def upload_raw(rig: Rig, method: str, field: str, data: bytes, **params: str):
    form = aiohttp.FormData({"chat_id": str(MINJUN.id), **params})
    form.add_field(field, data, filename="picture.png", content_type="image/png")
    async with rig.session.post(f"{rig.base_url}/bot700700:AAtest-token/{method}", data=form) as answer:
        return answer.status, await answer.json()
