"""A local Telegram Bot API server with a phone in the browser.

    server = BotApiServer(Settings(
        bots=(BotIdentity(token="700700:secret", username="premia_desk_bot"),),
        people=(Person(id=11, first_name="Jiwoo", language_code="ko"),),
    ))
    base_url = await server.start("127.0.0.1", 0)     # "http://127.0.0.1:<port>"
    ...
    await server.stop()

aiogram is pointed at it by `TelegramAPIServer.from_base(base_url)`, python-telegram-bot by `base_url=f"{base_url}/bot"`
and `base_file_url=f"{base_url}/file/bot"`. The phone is at `<base_url>/phone`, the scripted users' interface below
`<base_url>/phone/api/` (see `phone_api`). `python -m sandbox.telegram` runs one on its own.

Everything is in memory; ids count up from fixed numbers; every time comes from `Settings.clock`. Not spoken, and
refused in Telegram's own words: groups and channels, parse modes other than HTML, media other than photos and
documents, sending by URL (nothing outside this machine is ever asked).
"""

from sandbox.telegram.server import BotApiServer
from sandbox.telegram.settings import BotIdentity, Budget, Clock, Person, Retention, Settings

__all__ = ["BotApiServer", "BotIdentity", "Budget", "Clock", "Person", "Retention", "Settings"]
