"""A market in quarantine, let out by an owner's word: asked twice, with what it may cost."""

from bot.handlers.presses import ACTIONS, Action, Pressed
from bot.office import Asker, Office
from bot.outbox import Priority
from bot.views import panels
from bot.views.content import Content
from bot.views.refusals import reason
from engine.control.messages import LeftOut

TTL_S = 24 * 3_600
_SURE_S = 60


def release_button(asker: Asker, out: LeftOut) -> str:
    """Callback data."""
    return asker.bind("ask_release", {"venue": out.venue, "symbol": out.symbol, "why": out.reason}, TTL_S)


async def ask_release(asker: Asker, office: Office, pressed: Pressed) -> str:
    """What it means, before it is done."""
    venue, symbol = pressed.data["venue"], pressed.data["symbol"]
    yes = asker.bind("release", pressed.data, _SURE_S)
    text = asker.reader.say(
        "release.ask", venue=asker.reader.named("venue", venue), symbol=symbol, why=pressed.data["why"]
    )
    asker.say(panels.ask(asker.reader, text, asker.reader.plain("button.release_sure"), yes, "n:cancel"))
    return ""


async def release(asker: Asker, office: Office, pressed: Pressed) -> str:
    venue, symbol = pressed.data["venue"], pressed.data["symbol"]
    evidence = asker.reader.plain("release.evidence", name=asker.user.name or asker.user.id)
    made = await asker.commands.release_market(venue, symbol, evidence, pressed.request_id)
    if made.ok:
        text = asker.reader.say("release.done", venue=asker.reader.named("venue", venue), symbol=symbol)
    else:
        text = asker.reader.say("engine.refused", why=reason(asker.reader, made.rule, made.text))
    if pressed.message_key:
        office.outbox.show(asker.user.id, pressed.message_key, Content(text=text), Priority.REPLY)
    else:
        asker.say(Content(text=text))
    return ""


ACTIONS.update(
    {
        "ask_release": Action("owner", ask_release, once=False),
        "release": Action("owner", release),
    }
)
