"""What only a person can settle: dead letters, orders without an answer, balances that were changed by hand."""

from decimal import Decimal, InvalidOperation

from aiogram import Router
from aiogram.filters import Command, CommandObject
from aiogram.types import Message

from bot.handlers.presses import ACTIONS, Action, Pressed
from bot.office import Asker, Office
from bot.outbox import Priority
from bot.views import dead_letters as views
from bot.views import money, panels
from bot.views.content import Content
from bot.views.refusals import reason
from engine.control.messages import Answer

_TTL_S = 3600
_ASK_TTL_S = 120
_CLOSE = "/dlq close <id> <amount> <price> <note>"
_UNKNOWN = "/dlq unknown <id> none <note>"
_SHORTEST_NOTE = 3


async def dlq(message: Message, asker: Asker, command: CommandObject) -> None:
    """`/dlq`, or with a person's evidence in words: see the usages above."""
    words = (command.args or "").split()
    if not words:
        await _show(asker)
    elif not asker.user.may("owner"):
        asker.tell("role.denied", role=asker.reader.named("role", "owner"))
    elif words[0] == "close":
        _ask_close(asker, words[1:])
    elif words[0] == "unknown":
        _ask_unknown(asker, words[1:])
    else:
        asker.tell("hint.arguments", usage=_CLOSE)


async def _show(asker: Asker) -> None:
    trades = await asker.reads.dead_letters()
    unknown = [order for order in await asker.reads.orders() if order.status == "unknown"]
    status = await asker.reads.status()
    data: dict[tuple[str, str], str] = {}
    if asker.user.may("owner"):
        for trade in trades[: views.SHOWN]:
            known: dict[str, object] = {"id": trade.id, "qty": views.open_of(trade), "krw": money.won(trade.naked_krw)}
            data["retry", trade.id] = asker.bind("dlq_ask_retry", known, _TTL_S)
            typed: dict[str, object] = {
                "id": trade.id,
                "qty": f"{abs(trade.naked_qty):f}",
                "price": f"{views.price_of(trade):f}",
            }
            data["close", trade.id] = asker.bind("dlq_how_close", typed, _TTL_S)
        for order in unknown[: views.SHOWN]:
            request = order.request
            shown: dict[str, object] = {"cid": request.cid, "qty": f"{request.qty:f}", "price": f"{request.price:f}"}
            data["unknown", request.cid] = asker.bind("dlq_how_unknown", shown, _TTL_S)
    asker.say(views.board(asker.reader, trades, unknown, status.usdt_krw, data))


def _number(text: str) -> Decimal | None:
    """A positive decimal as people type it: 95,120,000 too; None for anything else."""
    try:
        value = Decimal(text.replace(",", "").removeprefix("₩"))
    except InvalidOperation:
        return None
    return value if value.is_finite() and value > 0 else None


def _ask_close(asker: Asker, words: list[str]) -> None:
    amount, price = (_number(words[1]), _number(words[2])) if len(words) > 3 else (None, None)
    note = " ".join(words[3:])
    if amount is None or price is None or len(note) < _SHORTEST_NOTE:
        asker.tell("hint.arguments", usage=_CLOSE)
        return
    said: dict[str, object] = {"id": words[0], "amount": f"{amount:f}", "price": f"{price:f}", "note": note[:400]}
    text = asker.reader.say("dlq.ask_close", id=words[0], qty=money.amount(amount), price=f"{price:,f}", note=note)
    yes = asker.bind("dlq_close", said, _ASK_TTL_S)
    asker.say(panels.ask(asker.reader, text, asker.reader.plain("button.dlq_confirm"), yes, "n:cancel"))


def _ask_unknown(asker: Asker, words: list[str]) -> None:
    is_none = len(words) > 2 and words[1].lower() in ("none", "없음", "0")
    filled, price = (_number(words[1]), _number(words[2])) if len(words) > 3 and not is_none else (None, None)
    note = " ".join(words[2 if is_none else 3 :])
    if (not is_none and (filled is None or price is None)) or len(note) < _SHORTEST_NOTE:
        asker.tell("hint.arguments", usage=_UNKNOWN)
        return
    said: dict[str, object] = {"cid": words[0], "note": note[:400]}
    if filled is not None and price is not None:
        said |= {"filled": f"{filled:f}", "price": f"{price:f}"}
        text = asker.reader.say(
            "dlq.ask_filled", cid=words[0], qty=money.amount(filled), price=f"{price:,f}", note=note
        )
    else:
        text = asker.reader.say("dlq.ask_none", cid=words[0], note=note)
    yes = asker.bind("dlq_resolve", said, _ASK_TTL_S)
    asker.say(panels.ask(asker.reader, text, asker.reader.plain("button.dlq_confirm"), yes, "n:cancel"))


async def ask_retry(asker: Asker, office: Office, pressed: Pressed) -> str:
    yes = asker.bind("dlq_retry", pressed.data, _ASK_TTL_S)
    text = asker.reader.say("dlq.ask_retry", **pressed.data)
    asker.say(panels.ask(asker.reader, text, asker.reader.plain("button.dlq_retry_now"), yes, "n:cancel"))
    return ""


async def retry(asker: Asker, office: Office, pressed: Pressed) -> str:
    made = await asker.commands.retry_dead_letter(pressed.data["id"], pressed.request_id)
    done = asker.reader.say("dlq.retried", id=pressed.data["id"], text=made.text)
    return _settled(asker, office, pressed, made, done)


async def how_to_close(asker: Asker, office: Office, pressed: Pressed) -> str:
    asker.say(views.how_to_close(asker.reader, pressed.data["id"], pressed.data["qty"], pressed.data["price"]))
    return ""


async def how_to_resolve(asker: Asker, office: Office, pressed: Pressed) -> str:
    asker.say(views.how_to_resolve(asker.reader, pressed.data["cid"], pressed.data["qty"], pressed.data["price"]))
    return ""


async def close(asker: Asker, office: Office, pressed: Pressed) -> str:
    said = pressed.data
    amount, price = Decimal(said["amount"]), Decimal(said["price"])
    made = await asker.commands.close_dead_letter(said["id"], said["note"], pressed.request_id, amount, price)
    left = Decimal(str(made.body.get("left", 0))) if made.ok and isinstance(made.body, dict) else Decimal(0)
    key = "dlq.left" if left else "dlq.closed"
    shown = money.amount(abs(left) if left else amount)
    return _settled(asker, office, pressed, made, asker.reader.say(key, id=said["id"], qty=shown))


async def resolve(asker: Asker, office: Office, pressed: Pressed) -> str:
    said = pressed.data
    filled = Decimal(said.get("filled", "0"))
    price = Decimal(said["price"]) if "price" in said else None
    made = await asker.commands.resolve_unknown(said["cid"], said["note"], pressed.request_id, filled, price)
    return _settled(asker, office, pressed, made, asker.reader.say("dlq.resolved", cid=said["cid"]))


async def ask_accept(asker: Asker, office: Office, pressed: Pressed) -> str:
    yes = asker.bind("accept", pressed.data, 60)
    text = asker.reader.say("accept.ask", venue=asker.reader.named("venue", pressed.data["venue"]))
    asker.say(panels.ask(asker.reader, text, asker.reader.plain("button.accept_now"), yes, "n:cancel"))
    return ""


async def accept(asker: Asker, office: Office, pressed: Pressed) -> str:
    venue = pressed.data["venue"]
    made = await asker.commands.accept_balances(venue, pressed.request_id)
    done = [asker.reader.say("accept.done", venue=asker.reader.named("venue", venue))]
    if lost := made.body.get("lost", 0) if isinstance(made.body, dict) else 0:
        done.append(asker.reader.say("accept.lost", count=lost))
    return _settled(asker, office, pressed, made, "\n".join(done))


def _settled(asker: Asker, office: Office, pressed: Pressed, made: Answer, done: str) -> str:
    """The question becomes its outcome."""
    text = done if made.ok else asker.reader.say("engine.refused", why=reason(asker.reader, made.rule, made.text))
    if pressed.message_key:
        office.outbox.show(asker.user.id, pressed.message_key, Content(text=text), Priority.REPLY)
    else:
        asker.say(Content(text=text))
    return ""


ACTIONS.update(
    {
        "dlq_ask_retry": Action("owner", ask_retry, once=False),
        "dlq_retry": Action("owner", retry),
        "dlq_how_close": Action("owner", how_to_close, once=False),
        "dlq_how_unknown": Action("owner", how_to_resolve, once=False),
        "dlq_close": Action("owner", close),
        "dlq_resolve": Action("owner", resolve),
        "ask_accept": Action("owner", ask_accept, once=False),
        "accept": Action("owner", accept),
    }
)


def routes() -> Router:
    router = Router(name="repair")
    router.message.register(dlq, Command("dlq"), flags={"role": "trader"})
    return router
