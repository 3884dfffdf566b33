"""/positions: trades under way and open perpetuals; a hedge or a position closed by its owner's two taps."""

from aiogram import Router
from aiogram.filters import Command
from aiogram.types import Message

from bot.handlers.presses import ACTIONS, Action, Pressed
from bot.office import Asker, Office
from bot.outbox import Priority
from bot.views import boards, money, panels
from bot.views import perps as views
from bot.views.content import Content
from bot.views.refusals import reason
from engine.control.messages import Answer

_TTL_S = 3600
_ASK_TTL_S = 120


async def positions(message: Message, asker: Asker) -> None:
    trades, perps = await asker.reads.positions(), await asker.reads.perps()
    data: dict[str, str] = {}
    if asker.user.may("owner"):
        for at in perps[: views.SHOWN]:
            for trade_id in at.hedge_of:
                data[trade_id] = asker.bind("perp_ask_hedge", {"id": trade_id}, _TTL_S)
            known: dict[str, object] = {"venue": at.venue, "symbol": at.symbol, "qty": money.amount(at.qty)}
            data[views.key_of(at)] = asker.bind("perp_ask_position", known, _TTL_S)
    asker.say(views.beside(asker.reader, boards.positions(asker.reader, trades), perps, data))


async def ask_hedge(asker: Asker, office: Office, pressed: Pressed) -> str:
    yes = asker.bind("perp_close_hedge", pressed.data, _ASK_TTL_S)
    text = asker.reader.say("perps.ask_hedge", id=pressed.data["id"])
    asker.say(panels.ask(asker.reader, text, asker.reader.plain("button.close_now"), yes, "n:cancel"))
    return ""


async def ask_position(asker: Asker, office: Office, pressed: Pressed) -> str:
    yes = asker.bind("perp_close_position", pressed.data, _ASK_TTL_S)
    venue = asker.reader.named("venue", pressed.data["venue"])
    shown = {"venue": venue, "symbol": pressed.data["symbol"], "qty": pressed.data["qty"]}
    text = asker.reader.say("perps.ask_position", **shown)
    asker.say(panels.ask(asker.reader, text, asker.reader.plain("button.close_now"), yes, "n:cancel"))
    return ""


async def close_hedge(asker: Asker, office: Office, pressed: Pressed) -> str:
    made = await asker.commands.close_hedge(pressed.data["id"], pressed.request_id)
    return _settled(asker, office, pressed, made, pressed.data["id"])


async def close_position(asker: Asker, office: Office, pressed: Pressed) -> str:
    venue, symbol = pressed.data["venue"], pressed.data["symbol"]
    made = await asker.commands.close_position(venue, symbol, pressed.request_id)
    return _settled(asker, office, pressed, made, f"{asker.reader.named('venue', venue)} {symbol}")


def _settled(asker: Asker, office: Office, pressed: Pressed, made: Answer, what: str) -> str:
    """The question becomes its outcome."""
    done = asker.reader.say("perps.closing", text=what)
    text = done if made.ok else asker.reader.say("engine.refused", why=reason(asker.reader, made.rule, made.text))
    if pressed.message_key:
        office.outbox.show(asker.user.id, pressed.message_key, Content(text=text), Priority.REPLY)
    else:
        asker.say(Content(text=text))
    return ""


ACTIONS.update(
    {
        "perp_ask_hedge": Action("owner", ask_hedge, once=False),
        "perp_ask_position": Action("owner", ask_position, once=False),
        "perp_close_hedge": Action("owner", close_hedge),
        "perp_close_position": Action("owner", close_position),
    }
)


def routes() -> Router:
    router = Router(name="perps")
    router.message.register(positions, Command("positions"), flags={"role": "viewer"})
    return router
