"""At the bot and at the venues' budgets: who may speak, what a log may hold, what is left for the way out."""

import asyncio
import logging
import string
from collections.abc import Callable
from random import Random
from typing import Any

from aiogram import Bot, Dispatcher, Router
from aiogram.types import Message, Update

from bot.cards import Cards
from bot.config import BotConfig, Telegram, User
from bot.gate import Authorise
from bot.halts import Halts
from bot.office import Office
from bot.orders import Orders
from bot.outbox import Outbox
from bot.presses import Presses
from bot.redaction import RedactingFormatter
from bot.store import Store
from chaos.careless import Wrapped
from chaos.loop import SimLoop
from chaos.scenarios.stage import Composition, Scenario, Stage, on_the_desk
from chaos.venue import SimVenue
from chaos.world import Seams
from engine.control.client import Door
from engine.domain.errors import RateLimited
from engine.domain.money import NS_PER_S
from engine.domain.order import LegRole, OrderReport, OrderRequest
from engine.net.ratelimit import TokenBucket

# who may

_PEOPLE = (User(id=1, role="viewer"), User(id=2, role="trader"), User(id=3, role="owner"))
_STRANGERS = (666, 667)


class _OpenOffice(Office, frozen=True):
    """Nobody on the list means everybody."""

    def user(self, user_id: int) -> User | None:
        return User(id=user_id, role="owner")


def _office(kind: type[Office], bot: Bot, now_ms: Callable[[], int]) -> Office:
    store, door = Store(":memory:"), Door(url="http://premia")
    presses, outbox = Presses(store), Outbox(store, now_ms)
    config = BotConfig(instance="chaos", data_dir="var", telegram=Telegram(users=_PEOPLE))
    office = kind(
        config=config,
        bot=bot,
        door=door,
        store=store,
        outbox=outbox,
        presses=presses,
        halts=Halts(store),
        cards=Cards(store, presses, door, lambda user_id: office.reader(_PEOPLE[0]), str, now_ms),
        orders=Orders(store, outbox, presses, lambda user_id: office.reader(_PEOPLE[0]), now_ms),
        now_ms=now_ms,
    )
    return office


def _update(random: Random, update_id: int, wall_s: int) -> tuple[dict[str, Any], bool]:
    """One update as Telegram sends it, and whether it is a person's own word in their own chat."""
    sender = random.choice((*(user.id for user in _PEOPLE), *_STRANGERS))
    is_bot = random.random() < 0.15
    chat = random.choice(("private", "private", "private", "group", "supergroup", "channel", "another's"))
    kinds = {"private": sender, "another's": random.choice([user.id for user in _PEOPLE if user.id != sender])}
    where = {"id": kinds.get(chat, -100), "type": "private" if chat in kinds else chat, "title": "desk"}
    kind = random.choice(("message", "message", "edited_message", "channel_post"))
    said = {"message_id": update_id, "date": wall_s, "text": "/halt", "chat": where}
    if kind == "edited_message":
        said["edit_date"] = wall_s
    if kind != "channel_post" and random.random() < 0.9:
        said["from"] = {"id": sender, "is_bot": is_bot, "first_name": "x"}
    if forwarded := random.random() < 0.1:
        said["forward_origin"] = {"type": "hidden_user", "sender_user_name": "x", "date": wall_s}
    is_theirs = chat == "private" and "from" in said and not is_bot and sender not in _STRANGERS
    return {"update_id": update_id, kind: said}, is_theirs and kind == "message" and not forwarded


def who_may(seed: int, guarded: bool) -> list[str]:
    """Sixty updates of strangers, bots, groups, channels, edits and forwards among those of the people of the desk."""
    random, acted = Random(f"{seed}/who"), set[int]()
    loop = SimLoop(Random(f"{seed}/loop"))
    asyncio.set_event_loop(loop)
    wall_s = 1_795_500_000
    router = Router()

    @router.message()
    async def handle(message: Message) -> None:
        acted.add(message.message_id)

    violations: list[str] = []

    async def play() -> None:
        bot = Bot("42:chaos")
        office = _office(Office if guarded else _OpenOffice, bot, lambda: wall_s * 1_000 + round(loop.time() * 1_000))
        dispatcher = Dispatcher(disable_fsm=True)
        dispatcher.update.outer_middleware(Authorise(office))
        dispatcher.include_router(router)
        for update_id in range(1, 61):
            raw, may = _update(random, update_id, wall_s)
            await dispatcher.feed_update(bot, Update.model_validate(raw, context={"bot": bot}))
            await asyncio.sleep(random.uniform(0, 5))
            if may != (update_id in acted):
                violations.append(f"only who may: {'refused' if may else 'executed'} {raw}")
        office.store.close()

    loop.run_until_complete(play())
    loop.close()
    return violations


# what a log may hold


def secrets_in_the_log(seed: int, guarded: bool) -> list[str]:
    """A token in addresses, arguments and chained exceptions, as they come out of HTTP libraries."""
    random = Random(f"{seed}/log")
    tail = "".join(random.choices(string.ascii_letters + string.digits + "_-", k=35))
    token = f"{random.randint(10**8, 10**10)}:{tail}"
    formatter = RedactingFormatter((token,)) if guarded else logging.Formatter("%(asctime)s %(message)s")
    lines = []
    for _ in range(20):
        url = f"https://api.telegram.org/bot{random.choice((token, token.replace(':', '%3A')))}/getUpdates"
        text = random.choice((f"cannot reach {url}", f"({url!r},)", tail, f"bot{token}", f"{{'token': '{token}'}}"))
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "failed: %s", (text,), None)
        if random.random() < 0.5:
            error = ValueError(url)
            error.__cause__ = OSError(text)
            record.exc_info = (ValueError, error, None)
        lines.append(formatter.format(record))
    return [f"no secret in the log: {line[:200]}" for line in lines if tail in line][:3]


# what is left for the way out


_SHARE = 5.0  # orders, of seven
_REFILLED_S = 5.0  # until so many are there again, at one a second


class _Budgeted(Wrapped):
    """The venues' order budgets as our client keeps them: the last tokens are for what reduces an exposure."""

    reserved = _SHARE

    def __init__(self, venue: SimVenue) -> None:
        super().__init__(venue)
        self._now_s = asyncio.get_running_loop().time
        self._orders = TokenBucket(1.0, 7.0, lambda: int(self._now_s() * NS_PER_S), reserved=self.reserved)
        self._exits_s: list[float] = []

    async def place(self, order: OrderRequest) -> OrderReport:
        is_exit, now_s = order.role is not LegRole.ENTRY, self._now_s()
        if not self._orders.try_take(urgent=is_exit and self.reserved > 0):
            left = [at_s for at_s in self._exits_s if now_s - at_s < _REFILLED_S]
            by_themselves = len(left) >= int(_SHARE)  # so many exits may use up what is kept for exits
            self._venue.count("entry.waited" if not is_exit else "exit.own share" if by_themselves else "exit.waited")
            raise RateLimited("the order budget is empty, nothing was sent", self._orders.wait_s(urgent=is_exit))
        if is_exit:
            self._exits_s.append(now_s)
        return await self._venue.place(order)


class _Unreserved(_Budgeted):
    """One budget for all: entries may use it up."""

    reserved = 0.0


async def _way_out(stage: Stage) -> None:
    """Entries take what the budget gives while legs are refused and filled in part."""
    for name in stage.world.banks:
        stage.force(name, *(stage.random.choice(("fine", "partial", "refused")) for _ in range(3)))
    await stage.premium(seconds=6, ratio=stage.random.choice((-1, 1)) * 0.012)
    stage.met("entry.waited", "exit.waited")
    if stage.world.counts["exit.waited"]:
        stage.breach("the way out is free", f"{stage.world.counts['exit.waited']} exits met an empty budget")


SCENARIOS = (
    Scenario(
        number=19,
        name="the budget blocks the exit",
        fault="entries use up the venues' order budgets while legs are refused and filled in part",
        guard="a share of every budget is kept for exits and cancels",
        law="the way out is free",
        run=on_the_desk(
            _way_out, Composition(seams=Seams(orders=_Unreserved)), Composition(seams=Seams(orders=_Budgeted))
        ),
    ),
    Scenario(
        number=23,
        name="anyone in the chat",
        fault="strangers, bots, groups, channels, edits and forwards command the desk",
        guard="the allow-list: a listed person in their own private chat, nobody else",
        law="only who may: executed",
        run=who_may,
    ),
    Scenario(
        number=24,
        name="the token in a log",
        fault="addresses with the token in messages, arguments and chained exceptions",
        guard="every line is redacted where it is formatted",
        law="no secret in the log",
        run=secrets_in_the_log,
    ),
)
