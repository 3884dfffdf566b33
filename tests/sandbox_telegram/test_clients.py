"""aiogram and python-telegram-bot as clients of every method the desk uses."""

import pytest
from aiogram import Bot
from aiogram import types as aio
from aiogram.enums import ParseMode
from aiogram.exceptions import TelegramBadRequest, TelegramForbiddenError, TelegramNotFound, TelegramUnauthorizedError
from telegram import (
    Bot as PtbBot,
)
from telegram import (
    BotCommand,
    BotCommandScopeChat,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaDocument,
    InputMediaPhoto,
    ReactionTypeEmoji,
    ReplyKeyboardMarkup,
    ReplyParameters,
)
from telegram import (
    Message as PtbMessage,
)
from telegram.error import BadRequest, Forbidden, InvalidToken

from tests.sandbox_telegram.rig import JANE, MINJUN, TOKEN, Rig, fails_with, jpeg, png

CHART = png(640, 400)
SECOND_CHART = png(320, 200, grey=64)
CARD = aio.InlineKeyboardMarkup(
    inline_keyboard=[
        [
            aio.InlineKeyboardButton(text="실행", callback_data="x:1", style="success"),
            aio.InlineKeyboardButton(text="Skip", callback_data="s:1"),
        ],
        [aio.InlineKeyboardButton(text="copy", copy_text=aio.CopyTextButton(text="order-1"))],
    ]
)
PTB_CARD = InlineKeyboardMarkup([[InlineKeyboardButton("Execute", callback_data="x:1")]])


def shown(message: aio.Message) -> object:
    """The keyboard without the client it is bound to, which aiogram compares, too."""
    return message.reply_markup and message.reply_markup.model_dump()


async def test_aiogram_knows_itself_and_its_chat(bot: Bot):
    me = await bot.get_me()
    assert (me.id, me.username, me.is_bot) == (700700, "premia_test_bot", True)
    chat = await bot.get_chat(MINJUN.id)
    assert (chat.type, chat.first_name, chat.username) == ("private", "민준", "minjun")


async def test_aiogram_sends_and_edits_text(bot: Bot, rig: Rig):
    sent = await bot.send_message(MINJUN.id, "김프 <b>+1.2 %</b>", parse_mode=ParseMode.HTML, reply_markup=CARD)
    assert (sent.text, sent.chat.id, sent.from_user and sent.from_user.id) == ("김프 +1.2 %", MINJUN.id, 700700)
    assert sent.entities and [(e.type, e.offset, e.length) for e in sent.entities] == [("bold", 3, 6)]
    assert shown(sent) == CARD.model_dump()
    rig.clock.advance(60)
    edited = await bot.edit_message_text("done", chat_id=MINJUN.id, message_id=sent.message_id)
    assert isinstance(edited, aio.Message)
    assert (edited.text, edited.reply_markup, edited.date) == ("done", None, sent.date)
    assert edited.edit_date == int(sent.date.timestamp()) + 60


async def test_aiogram_edits_the_keyboard_alone(bot: Bot):
    sent = await bot.send_message(MINJUN.id, "card")
    with_card = await bot.edit_message_reply_markup(chat_id=MINJUN.id, message_id=sent.message_id, reply_markup=CARD)
    assert isinstance(with_card, aio.Message) and shown(with_card) == CARD.model_dump() and with_card.text == "card"


@pytest.mark.parametrize("picture, size", [(CHART, (640, 400)), (jpeg(800, 600), (800, 600))], ids=["png", "jpeg"])
async def test_aiogram_photo_comes_back_byte_for_byte(bot: Bot, picture: bytes, size: tuple[int, int]):
    sent = await bot.send_photo(
        MINJUN.id, aio.BufferedInputFile(picture, "pnl.png"), caption="<i>P&amp;L</i>", parse_mode="HTML"
    )
    assert sent.photo and (sent.photo[-1].width, sent.photo[-1].height) == size
    assert sent.photo[-1].file_size == len(picture) and sent.caption == "P&L"
    file = await bot.get_file(sent.photo[-1].file_id)
    assert file.file_path
    loaded = await bot.download_file(file.file_path)
    assert loaded is not None and loaded.read() == picture
    again = await bot.send_photo(JANE.id, sent.photo[-1].file_id)
    assert again.photo and again.photo[-1].file_unique_id == sent.photo[-1].file_unique_id


async def test_aiogram_replaces_caption_and_picture(bot: Bot):
    sent = await bot.send_photo(MINJUN.id, aio.BufferedInputFile(CHART, "a.png"), caption="old")
    message_id = sent.message_id
    captioned = await bot.edit_message_caption(
        chat_id=MINJUN.id, message_id=message_id, caption="new", reply_markup=CARD
    )
    assert isinstance(captioned, aio.Message) and (captioned.caption, shown(captioned)) == ("new", CARD.model_dump())
    media = aio.InputMediaPhoto(media=aio.BufferedInputFile(SECOND_CHART, "b.png"), caption="newest")
    replaced = await bot.edit_message_media(media, chat_id=MINJUN.id, message_id=message_id)
    assert isinstance(replaced, aio.Message) and replaced.photo and replaced.caption == "newest"
    assert (replaced.photo[-1].width, replaced.photo[-1].height) == (320, 200)


async def test_aiogram_sends_documents_and_albums(bot: Bot):
    report = await bot.send_document(MINJUN.id, aio.BufferedInputFile(b"a,b\n1,2\n", "report.csv"), caption="CSV")
    assert report.document and (report.document.file_name, report.document.file_size) == ("report.csv", 8)
    first, second = (aio.InputMediaPhoto(media=aio.BufferedInputFile(each, "p.png")) for each in (CHART, SECOND_CHART))
    album = await bot.send_media_group(MINJUN.id, [first, second])
    assert len(album) == 2 and len({message.media_group_id for message in album}) == 1
    assert [message.photo[-1].width for message in album if message.photo] == [640, 320]


async def test_aiogram_small_methods(bot: Bot, rig: Rig):
    sent = await bot.send_message(MINJUN.id, "first")
    reply = await bot.send_message(
        MINJUN.id, "second", reply_parameters=aio.ReplyParameters(message_id=sent.message_id)
    )
    assert reply.reply_to_message and reply.reply_to_message.text == "first"
    assert await bot.send_chat_action(MINJUN.id, "typing")
    assert (await rig.phone.chat(MINJUN))["action"] == "typing"
    assert await bot.set_message_reaction(MINJUN.id, sent.message_id, [aio.ReactionTypeEmoji(emoji="👍")])
    assert await bot.pin_chat_message(MINJUN.id, sent.message_id, disable_notification=True)
    pinned = (await bot.get_chat(MINJUN.id)).pinned_message
    assert pinned and pinned.message_id == sent.message_id
    assert await bot.unpin_chat_message(MINJUN.id)
    assert await bot.delete_message(MINJUN.id, sent.message_id)
    assert await bot.delete_messages(MINJUN.id, [reply.message_id, 999])
    assert (await rig.phone.chat(MINJUN))["messages"] == []


async def test_aiogram_commands_by_scope_and_language(bot: Bot, rig: Rig):
    await bot.set_my_commands([aio.BotCommand(command="help", description="help")])
    await bot.set_my_commands([aio.BotCommand(command="help", description="도움말")], language_code="ko")
    own = aio.BotCommandScopeChat(chat_id=JANE.id)
    await bot.set_my_commands([aio.BotCommand(command="kill", description="stop all")], scope=own)
    assert [c.description for c in await bot.get_my_commands(language_code="ko")] == ["도움말"]
    assert await rig.phone.get(f"users/{MINJUN.id}/commands") == [{"command": "help", "description": "도움말"}]
    assert await rig.phone.get(f"users/{JANE.id}/commands") == [{"command": "kill", "description": "stop all"}]
    await bot.delete_my_commands(scope=own)
    assert await rig.phone.get(f"users/{JANE.id}/commands") == [{"command": "help", "description": "help"}]


async def test_aiogram_polls_and_answers_a_press(bot: Bot, rig: Rig):
    sent = await bot.send_message(MINJUN.id, "card", reply_markup=CARD)
    pressed = await rig.phone.press(MINJUN, sent.message_id, button="실행")
    [update] = await bot.get_updates(timeout=0)
    query = update.callback_query
    assert query and (query.data, query.from_user.id, query.id) == ("x:1", MINJUN.id, pressed["query_id"])
    assert isinstance(query.message, aio.Message) and shown(query.message) == CARD.model_dump()
    assert await bot.answer_callback_query(query.id, text="주문 전송", show_alert=True)
    press = await rig.phone.get(f"users/{MINJUN.id}/presses/{query.id}", timeout_ms=1000)
    assert (press["state"], press["text"], press["show_alert"]) == ("answered", "주문 전송", True)


async def test_aiogram_reads_refusals(bot: Bot, rig: Rig):
    error = await fails_with(TelegramBadRequest, bot.send_message(404, "hello"))
    assert "chat not found" in str(error)
    await rig.phone.post(f"users/{JANE.id}/block")
    error = await fails_with(TelegramForbiddenError, bot.send_message(JANE.id, "hello"))
    assert "bot was blocked by the user" in str(error)
    await fails_with(TelegramNotFound, bot.get_user_profile_photos(MINJUN.id))
    async with Bot("700701:wrong", session=bot.session) as other:
        await fails_with(TelegramUnauthorizedError, other.get_me())


async def test_aiogram_webhook_settings(bot: Bot):
    assert await bot.set_webhook("https://desk.example/hook", allowed_updates=["message"], max_connections=3)
    info = await bot.get_webhook_info()
    assert (info.url, info.max_connections, info.allowed_updates) == ("https://desk.example/hook", 3, ["message"])
    assert await bot.delete_webhook(drop_pending_updates=True)
    assert (await bot.get_webhook_info()).url == ""


async def test_ptb_sends_edits_and_deletes(ptb: PtbBot, rig: Rig):
    sent = await ptb.send_message(JANE.id, "<b>Up</b> 1 &lt; 2", parse_mode="HTML", reply_markup=PTB_CARD)
    assert sent.text == "Up 1 < 2" and sent.reply_markup == PTB_CARD
    edited = await ptb.edit_message_text("done", JANE.id, sent.message_id)
    assert isinstance(edited, PtbMessage) and edited.text == "done" and edited.reply_markup is None
    await ptb.edit_message_reply_markup(JANE.id, sent.message_id, reply_markup=PTB_CARD)
    reply = await ptb.send_message(
        JANE.id, "keys", reply_parameters=ReplyParameters(sent.message_id), reply_markup=ReplyKeyboardMarkup([["KILL"]])
    )
    assert reply.reply_to_message and reply.reply_to_message.message_id == sent.message_id
    assert (await rig.phone.chat(JANE))["keyboard"]["keyboard"] == [[{"text": "KILL"}]]
    assert await ptb.set_message_reaction(JANE.id, sent.message_id, ReactionTypeEmoji("🔥"))
    assert await ptb.delete_message(JANE.id, sent.message_id)
    assert await ptb.delete_messages(JANE.id, [reply.message_id])


async def test_ptb_files(ptb: PtbBot):
    photo = await ptb.send_photo(JANE.id, CHART, caption="day")
    assert (photo.photo[-1].width, photo.photo[-1].height) == (640, 400)
    file = await ptb.get_file(photo.photo[-1].file_id)
    assert bytes(await file.download_as_bytearray()) == CHART
    captioned = await ptb.edit_message_caption(JANE.id, photo.message_id, caption="night")
    assert isinstance(captioned, PtbMessage) and captioned.caption == "night"
    replaced = await ptb.edit_message_media(InputMediaDocument(b"1,2", filename="d.csv"), JANE.id, photo.message_id)
    assert isinstance(replaced, PtbMessage) and replaced.document and not replaced.photo
    assert replaced.document.file_name == "d.csv"
    document = await ptb.send_document(JANE.id, b"x,y", filename="t.csv")
    assert document.document and document.document.file_size == 3
    album = await ptb.send_media_group(JANE.id, [InputMediaPhoto(CHART), InputMediaPhoto(SECOND_CHART)])
    assert [message.photo[-1].width for message in album] == [640, 320]


async def test_ptb_polls_answers_and_configures(ptb: PtbBot, rig: Rig):
    await rig.phone.text(JANE, "/status now")
    sent = await ptb.send_message(JANE.id, "card", reply_markup=PTB_CARD)
    await rig.phone.press(JANE, sent.message_id, data="x:1")
    text, press = await ptb.get_updates(timeout=0)
    assert text.message and text.message.parse_entities(["bot_command"]) and press.callback_query
    assert await press.callback_query.answer("ok")
    assert await ptb.send_chat_action(JANE.id, "upload_photo")
    assert await ptb.pin_chat_message(JANE.id, sent.message_id) and await ptb.unpin_chat_message(JANE.id)
    assert await ptb.set_my_commands([BotCommand("pnl", "profit")], scope=BotCommandScopeChat(JANE.id))
    assert (await ptb.get_my_commands(scope=BotCommandScopeChat(JANE.id)))[0].command == "pnl"
    assert (await ptb.get_chat(JANE.id)).first_name == "Jane"
    assert await ptb.set_webhook("https://desk.example/hook") and await ptb.delete_webhook()
    assert (await ptb.get_webhook_info()).pending_update_count == 3  # the pin's service message is one


async def test_ptb_reads_refusals(ptb: PtbBot, rig: Rig):
    assert "chat not found" in str(await fails_with(BadRequest, ptb.send_message(404, "x"))).lower()
    await rig.phone.post(f"users/{JANE.id}/block")
    assert "blocked" in str(await fails_with(Forbidden, ptb.send_message(JANE.id, "x")))
    await fails_with(InvalidToken, PtbBot("1:x", base_url=f"{rig.base_url}/bot").initialize())


async def test_close_and_log_out(bot: Bot, rig: Rig):
    status, answer = await rig.call("close")
    assert (status, answer["parameters"]["retry_after"]) == (429, 600)
    rig.clock.advance(601)
    assert await bot.close() is True
    assert await bot.log_out() is True
    assert await rig.refusal("getMe") == (400, "Logged out")
    rig.clock.advance(601)
    assert (await bot.get_me()).id == int(TOKEN.split(":")[0])
