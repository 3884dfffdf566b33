"""The outcome of a halt, told once under its request id, whether the handler or the watch got the engine's answer."""

from bot.config import User
from bot.office import Office
from bot.outbox import Priority
from bot.views import panels
from engine.control.messages import Answer

_FLATTEN_TTL_MS = 3_600_000
# What the engine will say again however often it is asked: no use in keeping such a halt pending.
_FINAL_REFUSALS = ("actor", "role", "bad_parameter", "bad_request", "request_id", "token")


def tell_stopped(office: Office, user: User, level: int, made: Answer, request_id: str) -> None:
    """Settle the pending halt, unless the engine could not take it yet, and tell who gave it."""
    if not made.ok and made.rule not in _FINAL_REFUSALS:
        return
    office.halts.done(request_id)
    flatten = ""
    if level == 2:
        flatten = office.presses.bind(user.id, "ask_flatten", {}, office.now_ms() + _FLATTEN_TTL_MS)
    content = panels.halted(office.reader(user), level, made, flatten)
    office.outbox.post(user.id, f"halted:{request_id}", content, Priority.CRITICAL)
