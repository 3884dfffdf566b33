"""The scripted users' interface, which the phone page uses, too. JSON in and out, below /phone/api/.

GET    bot                                 {id, username, first_name}
GET    users                               [{id, first_name, language_code, username, contact}]
POST   users                               {first_name, language_code?, username?, id?, started?} → the person
POST   users/<id>/start                    {payload?} → {message_id, update_id}
POST   users/<id>/block                    {} → {update_id}
POST   users/<id>/text                     {text, reply_to?, forwarded_from?} → {message_id, update_id}
POST   users/<id>/edit                     {message_id, text} → {message_id, update_id}
POST   users/<id>/press                    {message_id, data | button, forced?} → {query_id, update_id}
GET    users/<id>/presses/<query_id>       ?timeout_ms: waits for the bot's answer → PressView
GET    users/<id>/chat                     ?since&timeout_ms: waits for a revision above `since` → ChatView
GET    users/<id>/commands                 the menu this person sees
GET    files/<file_id>                     the bytes of a photo or a document
GET    calls                               ?since&method: the bot's calls with seq above `since`
GET    faults · POST faults · DELETE faults  a Fault (see `faults`), listed, armed, all cleared

`?bot=<username>` picks a bot, the first one otherwise. A mistake answers 400, 404 or 409 with {"error": "…"}. Bodies
must be application/json: no foreign page in the same browser can then press a button.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from sandbox.telegram import person_acts
from sandbox.telegram.bot_state import BotState
from sandbox.telegram.chat import ChatState
from sandbox.telegram.failures import ApiError
from sandbox.telegram.faults import Fault, FaultKind
from sandbox.telegram.methods.menu import visible_commands
from sandbox.telegram.person_acts import Impossible
from sandbox.telegram.phone_view import view_chat, view_press
from sandbox.telegram.settings import Clock, Person

MAX_WAIT_MS = 60_000
FIRST_PERSON_ID = 10_001
T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.Response]]


class _NewPerson(Struct, frozen=True, forbid_unknown_fields=True):
    first_name: str
    language_code: str = "en"
    username: str = ""
    id: int = 0
    started: bool = False


class _Start(Struct, frozen=True, forbid_unknown_fields=True):
    payload: str = ""


class _Text(Struct, frozen=True, forbid_unknown_fields=True):
    text: str
    reply_to: int = 0
    forwarded_from: str = ""


class _Edit(Struct, frozen=True, forbid_unknown_fields=True):
    message_id: int
    text: str


class _Press(Struct, frozen=True, forbid_unknown_fields=True):
    message_id: int
    data: str = ""
    button: str = ""
    forced: bool = False


class PhoneApi:
    def __init__(self, bots: dict[str, BotState], clock: Clock) -> None:
        self._bots = bots
        self._clock = clock

    def add_routes(self, app: web.Application) -> None:
        routes: list[tuple[str, str, Handler]] = [
            ("GET", "bot", self._get_bot),
            ("GET", "users", self._get_users),
            ("POST", "users", self._post_user),
            ("POST", "users/{id:\\d+}/{act:start|block|text|edit|press}", self._post_act),
            ("GET", "users/{id:\\d+}/presses/{query:\\d+}", self._get_press),
            ("GET", "users/{id:\\d+}/chat", self._get_chat),
            ("GET", "users/{id:\\d+}/commands", self._get_commands),
            ("GET", "files/{file_id}", self._get_file),
            ("GET", "calls", self._get_calls),
            ("*", "faults", self._faults),
        ]
        for method, path, handler in routes:
            app.router.add_route(method, f"/phone/api/{path}", _answering(handler))

    async def _get_bot(self, request: web.Request) -> web.Response:
        return _json(self._bot(request).as_user())

    async def _get_users(self, request: web.Request) -> web.Response:
        chats = self._bot(request).chats.values()
        return _json([msgspec.to_builtins(chat.person) | {"contact": chat.contact.value} for chat in chats])

    async def _post_user(self, request: web.Request) -> web.Response:
        asked = await _body(request, _NewPerson)
        known = self._bot(request).chats
        person = Person(
            id=asked.id or max([FIRST_PERSON_ID - 1, *known]) + 1,
            first_name=asked.first_name,
            language_code=asked.language_code,
            username=asked.username,
            started=asked.started,
        )
        for bot in self._bots.values():
            bot.meet(person)
        return _json(person)

    async def _post_act(self, request: web.Request) -> web.Response:
        bot, chat = self._bot(request), self._chat(request)
        match request.match_info["act"]:
            case "start":
                return _json(person_acts.press_start(bot, chat, (await _body(request, _Start)).payload))
            case "block":
                return _json({"update_id": person_acts.block(bot, chat)})
            case "text":
                said = await _body(request, _Text)
                return _json(person_acts.send_text(bot, chat, said.text, said.reply_to, said.forwarded_from))
            case "edit":
                edit = await _body(request, _Edit)
                return _json(person_acts.edit_text(bot, chat, edit.message_id, edit.text))
            case _:
                press = await _body(request, _Press)
                data = press.data or person_acts.data_of_button(chat, press.message_id, press.button)
                return _json(person_acts.press_button(bot, chat, press.message_id, data, forced=press.forced))

    async def _get_press(self, request: web.Request) -> web.Response:
        bot, chat = self._bot(request), self._chat(request)
        press = chat.presses.get(request.match_info["query"])
        if press is None:
            raise _Missing("no such press")
        await bot.changes.until(lambda: press.answered_ns > 0, _wait_s(request))
        return _json(view_press(press, self._clock.monotonic_ns()))

    async def _get_chat(self, request: web.Request) -> web.Response:
        bot, chat, since = self._bot(request), self._chat(request), _number(request, "since")
        await bot.changes.until(lambda: chat.revision > since, _wait_s(request))
        return _json(view_chat(bot, chat, since))

    async def _get_commands(self, request: web.Request) -> web.Response:
        return _json(visible_commands(self._bot(request), self._chat(request)))

    async def _get_file(self, request: web.Request) -> web.Response:
        stored = self._bot(request).files.by_id(request.match_info["file_id"])
        headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, max-age=3600"}
        if stored.width:
            return web.Response(body=stored.data, content_type=stored.mime_type, headers=headers)
        headers["Content-Disposition"] = "attachment"
        return web.Response(body=stored.data, content_type="application/octet-stream", headers=headers)

    async def _get_calls(self, request: web.Request) -> web.Response:
        since, method = _number(request, "since"), request.query.get("method", "").lower()
        calls = [call for call in self._bot(request).calls if call.seq > since]
        return _json([call for call in calls if not method or call.method.lower() == method])

    async def _faults(self, request: web.Request) -> web.Response:
        bot = self._bot(request)
        if request.method == "POST":
            fault = await _body(request, Fault)
            if fault.kind is FaultKind.DUPLICATE:
                bot.queue.repeat_next(fault.next)
            elif fault.kind is FaultKind.REORDER:
                bot.queue.hold_next(fault.next)
            else:
                bot.faults.arm(fault, self._clock.monotonic_ns())
        elif request.method == "DELETE":
            bot.faults.clear()
            bot.queue.hold_no_more()
            bot.poller.wake()
        return _json(bot.faults.armed)

    def _bot(self, request: web.Request) -> BotState:
        name = request.query.get("bot", "")
        if not name:
            return next(iter(self._bots.values()))
        if name not in self._bots:
            raise _Missing("no such bot")
        return self._bots[name]

    def _chat(self, request: web.Request) -> ChatState:
        chat = self._bot(request).chats.get(int(request.match_info["id"]))
        if chat is None:
            raise _Missing("no such user")
        return chat


class _Missing(Exception):
    pass


def _answering(handler: Handler) -> Handler:
    """The handler with its mistakes turned into answers."""

    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except _Missing as error:
            return _json({"error": str(error)}, 404)
        except Impossible as error:
            return _json({"error": str(error)}, 409)
        except (ApiError, ValueError) as error:  # msgspec.ValidationError is a ValueError
            return _json({"error": str(error)}, 400)

    return answer


async def _body(request: web.Request, kind: type[T]) -> T:
    if request.content_type != "application/json":
        raise ValueError("the body must be application/json")
    return msgspec.json.decode(await request.read() or b"{}", type=kind)


def _number(request: web.Request, name: str) -> int:
    return int(request.query.get(name, "0"))


def _wait_s(request: web.Request) -> float:
    return min(max(_number(request, "timeout_ms"), 0), MAX_WAIT_MS) / 1000


def _json(value: object, status: int = 200) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json", headers=headers
    )
