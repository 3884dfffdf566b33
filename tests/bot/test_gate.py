"""Who may: by sender and chat, for every kind of update, whatever a client may forge."""

from typing import Any

import pytest
from aiogram.types import Update

from engine.domain import command as given
from tests.bot.desk import opportunity
from tests.bot.rig import OWNER, TOKEN, TRADER, VIEWER, House

MINA = {"id": OWNER, "is_bot": False, "first_name": "Mina"}
ANONYMOUS_ADMIN = {"id": 1087968824, "is_bot": True, "first_name": "Group"}
GROUP = {"id": -100, "type": "supergroup", "title": "desk"}
PRIVATE = {"id": OWNER, "type": "private"}


def message(**fields: Any) -> dict[str, Any]:
    entities = [{"type": "bot_command", "offset": 0, "length": 5}]
    return {"message_id": 5, "date": 1_700_000_000, "text": "/kill", "entities": entities, **fields}


REFUSED = [  # why                            update
    ("a group, even of an owner", {"message": message(chat=GROUP, **{"from": MINA})}),
    ("an anonymous admin", {"message": message(chat=GROUP, **{"from": ANONYMOUS_ADMIN})}),
    ("a channel post", {"channel_post": message(chat={"id": -200, "type": "channel", "title": "news"})}),
    ("somebody else's private chat", {"message": message(chat={"id": TRADER, "type": "private"}, **{"from": MINA})}),
    ("a message without a sender", {"message": message(chat=PRIVATE)}),
    (
        "a button in a group",
        {
            "callback_query": {
                "id": "1",
                "from": MINA,
                "chat_instance": "1",
                "data": "x:token",
                "message": message(chat=GROUP),
            }
        },
    ),
    (
        "a button of an inline message",
        {
            "callback_query": {
                "id": "1",
                "from": MINA,
                "chat_instance": "1",
                "data": "x:token",
                "inline_message_id": "7",
            }
        },
    ),
    ("an inline query", {"inline_query": {"id": "1", "from": MINA, "query": "/kill", "offset": ""}}),
]


@pytest.mark.parametrize("why, update", REFUSED, ids=[case[0] for case in REFUSED])
async def test_only_the_persons_own_private_chat_acts(house: House, why, update):
    async with house.engine(), house.bot() as app:
        await app.handle(Update.model_validate({"update_id": 1, **update}, context={"bot": app.bot}))
        await house.phone.finds(OWNER, "시작되었습니다")
        [row] = app.store.sql.execute("SELECT verdict FROM decisions WHERE update_id = 1")
        assert row["verdict"] in ("not_private", "no_sender", "bot")
        assert not [m for m in await house.phone.chat(OWNER) if "시작" not in m.text]
    assert not house.desk.commands(given.Halt) and not house.desk.commands(given.Confirm)


async def test_roles_hold_for_buttons_too(house: House):
    """A viewer who forges the data of somebody's button gets nowhere."""
    phone, desk = house.phone, house.desk
    async with house.engine(), house.bot() as app:
        desk.show(opportunity(1))
        theirs = await phone.finds(TRADER, "tether basis", button="✅ Execute")
        mine = await phone.finds(VIEWER, "tether basis")
        execute = await phone.data_of(TRADER, theirs.id, "✅ Execute")
        skip = await phone.data_of(TRADER, theirs.id, "Skip")
        answer = await phone.press_data(VIEWER, mine.id, execute)
        assert answer["show_alert"] and "needs the role trader" in answer["text"]
        assert "old" in (await phone.press_data(VIEWER, mine.id, skip))["text"], "bound to another person"
        own = app.office.presses.bind(
            VIEWER, "mode", {"strategy": "kimchi", "mode": "auto"}, app.office.now_ms() + 60_000
        )
        assert "needs the role trader" in (await phone.press_data(VIEWER, mine.id, own))["text"]
        assert (await phone.press_data(VIEWER, mine.id, "z" * 64))["text"].startswith("This button is old")
    assert not desk.commands(given.Confirm) and not desk.commands(given.Skip) and not desk.commands(given.SetMode)


async def test_a_button_ends(house: House):
    async with house.engine(), house.bot() as app:
        await house.phone.says(TRADER, "/help")
        shown = await house.phone.finds(TRADER, "Act")
        data = app.office.presses.bind(
            TRADER, "mode", {"strategy": "kimchi", "mode": "confirm"}, app.office.now_ms() - 1
        )
        answer = await house.phone.press_data(TRADER, shown.id, data)
        assert answer["show_alert"] and "old" in answer["text"]
    assert not house.desk.commands(given.SetMode)


async def test_a_forgotten_webhook_is_taken_off_without_losing_updates(house: House):
    await house.phone.says(VIEWER, "/opps")
    bot_api = f"{house.base}/bot{TOKEN}"
    async with house.engine():
        await house.call(f"{bot_api}/setWebhook", url="https://example.org/hook")
        async with house.bot():
            await house.phone.finds(VIEWER, "No opportunity")
