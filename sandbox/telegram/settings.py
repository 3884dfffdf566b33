"""What a Bot API server is started with: bots, people, limits and clocks."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


class Clock(Struct, frozen=True):
    """The server's only sources of time; a test hands in its own and nothing has to sleep."""

    monotonic_ns: Callable[[], int] = time.monotonic_ns
    wall_ns: Callable[[], int] = time.time_ns
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class BotIdentity(Struct, frozen=True, kw_only=True):
    """One bot the server knows; its numeric id is the part of the token before the colon."""

    token: str
    username: str = "premia_desk_bot"
    first_name: str = "Premia"

    def __post_init__(self) -> None:
        number, colon, secret = self.token.partition(":")
        if not (number.isascii() and number.isdigit() and colon and secret):
            raise ValueError("token must look like 123456:secret")

    @property
    def id(self) -> int:
        return int(self.token.partition(":")[0])


class Person(Struct, frozen=True, kw_only=True):
    """Somebody with a phone. `started` means that Start was already pressed in every bot's chat."""

    id: int
    first_name: str
    language_code: str = "en"
    username: str = ""
    started: bool = True


class Budget(Struct, frozen=True, kw_only=True):
    """How much a bot may send before it is told to wait; edits count like messages.

    Telegram publishes no exact limits: about 1/s and 20/min in one chat and 30/s over all are what its
    developers have said. A refused chat stays refused until its `retry_after` has passed.
    """

    per_chat_per_s: float = 1.0
    burst: int = 5
    per_chat_per_min: int = 20
    overall_per_s: int = 30
    penalty_s: int = 0  # added to every retry_after: real ones of minutes have been seen


class Retention(Struct, frozen=True, kw_only=True):
    """How long things wait for the bot."""

    message_s: float = 24 * 3600
    callback_s: float = 150
    callback_answer_s: float = 15  # undocumented; 10 to 30 s have been reported
    delete_window_s: float = 48 * 3600
    file_link_s: float = 3600


class Settings(Struct, frozen=True, kw_only=True):
    """All a server needs. Ids of messages, updates, presses and files count up from fixed numbers."""

    bots: tuple[BotIdentity, ...]
    people: tuple[Person, ...] = ()
    budget: Budget = Budget()
    retention: Retention = Retention()
    clock: Clock = Clock()
    first_update_id: int = 700_000_001
    close_grace_s: float = 600  # `close` is refused for so long after the start

    def __post_init__(self) -> None:
        if not self.bots:
            raise ValueError("bots must not be empty")
        if len({bot.id for bot in self.bots}) != len(self.bots):
            raise ValueError("every bot needs its own numeric id")
