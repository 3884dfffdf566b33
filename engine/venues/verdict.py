"""How a venue says no, and what it may be asked for: the words that every dialect of orders shares."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Protocol

import msgspec
from msgspec import Struct

_exact = msgspec.json.Decoder(float_hook=Decimal)


class Budget(Protocol):
    """What is asked of net.ratelimit.TokenBucket: a share of it is there for urgent calls only."""

    def wait_s(self, tokens: float = 1.0, *, urgent: bool = False) -> float: ...
    def try_take(self, tokens: float = 1.0, *, urgent: bool = False) -> bool: ...
    def owe(self, tokens: float) -> None: ...
    def block(self, seconds: float) -> None: ...
    def calm(self, seconds: float) -> None: ...


class Budgets(Struct, frozen=True):
    orders: Budget  # placements; cancels are urgent
    reads: Budget  # everything else; look-ups are urgent
    looks: Budget | None = None  # the part of `reads` that look-ups may use: they alone prove no order absent
    looks_apart: bool = False  # the venue counts look-ups by themselves: `reads` does not pay for them


class Answer(Struct, frozen=True):
    """What came back over HTTP. `body` is None where there was no JSON."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: Any
    text: str


class Dialect(Struct, frozen=True, kw_only=True):
    """How one venue says no. A code that is in no set is a refusal, unless ccxt files it under failed operations."""

    error_of: Callable[[Any], tuple[str, str] | None]  # JSON body -> (code, text), None where it is no error
    unknown: frozenset[str] = frozenset()  # the venue itself does not know what became of the request
    limited: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()  # where ccxt's class would say otherwise
    not_found: frozenset[str] = frozenset()  # definitive for a look-up by client id
    about_rules: tuple[str, ...] = ()  # fragments of "code text" that name tick, lot or minimum
    duplicate: tuple[str, ...] = ()  # fragments of "code text" that mean: this client id was used before
    wait_s: Callable[[Answer], float]  # after 429, 418 or a `limited` code
    obey: Callable[[Answer, Budgets], None]  # live limit headers of every answer


def retry_after_s(answer: Answer, default_s: float) -> float:
    """The Retry-After header in seconds, where the venue sends one."""
    text = answer.headers.get("retry-after", "")
    return max(float(text), 0.1) if text.replace(".", "", 1).isdecimal() else default_s


def exact_json(text: str) -> Any:
    """JSON with its fractions as they were written. Raises ValueError.

    Four times as fast as the standard library's: a list of all coins is 2 MB, and nothing else runs meanwhile.
    """
    try:
        return _exact.decode(text)
    except (ArithmeticError, RecursionError, msgspec.MsgspecError) as error:
        raise ValueError(f"not JSON that a venue would send: {type(error).__name__}") from error
