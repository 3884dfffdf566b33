"""/premium, /funding, /venues: the market boards. Their buttons read the engine again, however old they are."""

from aiogram import F, Router
from aiogram.filters import Command, CommandObject
from aiogram.types import CallbackQuery, Message

from bot.gate import answer
from bot.office import Asker, Office
from bot.outbox import Priority
from bot.views import funding as funding_views
from bot.views import premiums as premium_views
from bot.views import venues as venue_views
from bot.views.content import Content
from engine.control.messages import VenueHealth

_COINS = 500
_ALL = "*"


async def premium(message: Message, asker: Asker, command: CommandObject) -> None:
    """`/premium`, or `/premium BTC`."""
    coin = _coin(command)
    asker.say(await (_premium_coin(asker, coin) if coin else _premium_board(asker, "tether")))


async def funding(message: Message, asker: Asker, command: CommandObject) -> None:
    """`/funding`: all of them as a picture; `/funding BTC`: the contracts of one coin."""
    coin = _coin(command)
    view = await asker.reads.funding(coin)
    asker.say(funding_views.heatmap(asker.reader, view, coin))


async def venues(message: Message, asker: Asker, office: Office) -> None:
    asker.say(venue_views.venues(asker.reader, await asker.reads.venues(), office.now_ms()))


def _coin(command: CommandObject) -> str:
    return (command.args or "").strip().upper()[:20]


async def _premium_board(asker: Asker, sort: str) -> Content:
    return premium_views.board(asker.reader, await asker.reads.premiums(limit=_COINS), sort)


async def _premium_coin(asker: Asker, coin: str) -> Content:
    return premium_views.coin(asker.reader, await asker.reads.premiums(coin), coin)


async def premium_press(query: CallbackQuery, asker: Asker, office: Office) -> None:
    """Sort, refresh, one coin, the picture, and back to words."""
    _, what, value = (query.data or "").split(":")
    await answer(asker, query)
    if what == "pp":
        content = premium_views.picture(asker.reader, await asker.reads.premiums(limit=_COINS))
    elif what == "pc":
        content = await _premium_coin(asker, value)
    else:
        content = await _premium_board(asker, value if value in premium_views.SORTS else "tether")
    _put(asker, office, query, content, is_new=value == "new")


async def funding_press(query: CallbackQuery, asker: Asker, office: Office) -> None:
    """Refresh in place, the table beside the picture, the picture beside the table."""
    parts = (query.data or "").split(":")
    coin = "" if parts[2] == _ALL else parts[2]
    await answer(asker, query)
    view = await asker.reads.funding(coin)
    draw = funding_views.table if parts[1] == "ft" else funding_views.heatmap
    is_new = parts[1] == "fp" or (parts[1] == "ft" and len(parts) == 3)
    _put(asker, office, query, draw(asker.reader, view, coin), is_new=is_new)


async def venue_press(query: CallbackQuery, asker: Asker, office: Office) -> None:
    name = (query.data or "").split(":")[2]
    found = await asker.reads.venues()
    view = next((venue for venue in found if venue.venue == name), None)
    if view is None and name != _ALL:
        await answer(asker, query, asker.reader.plain("venues.unknown", venue=name), alert=True)
        return
    await answer(asker, query)
    _put(asker, office, query, _venue_page(asker, office, found, view), is_new=False)


def _venue_page(asker: Asker, office: Office, found: list[VenueHealth], view: VenueHealth | None) -> Content:
    if view is None:
        return venue_views.venues(asker.reader, found, office.now_ms())
    return venue_views.one(asker.reader, view, office.now_ms())


def _put(asker: Asker, office: Office, query: CallbackQuery, content: Content, *, is_new: bool) -> None:
    """In place; a message of its own where words and picture change places, or where the old one is not ours."""
    key = office.outbox.key_of(asker.user.id, query.message.message_id) if query.message else ""
    if key and not is_new:
        office.outbox.show(asker.user.id, key, content, Priority.REPLY)
    else:
        asker.say(content)


def routes() -> Router:
    router = Router(name="markets")
    look = {"role": "viewer"}
    router.message.register(premium, Command("premium"), flags=look)
    router.message.register(funding, Command("funding"), flags=look)
    router.message.register(venues, Command("venues"), flags=look)
    router.callback_query.register(premium_press, F.data.regexp(r"^m:(p|pp|pc|pt):[^:]{1,20}$"), flags=look)
    router.callback_query.register(funding_press, F.data.regexp(r"^m:(f|ft|fp):[^:]{1,20}(:again)?$"), flags=look)
    router.callback_query.register(venue_press, F.data.regexp(r"^m:v:[^:]{1,40}$"), flags=look)
    return router
