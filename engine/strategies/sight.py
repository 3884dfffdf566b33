"""What a strategy may see, and the shape it has. A strategy only reads; the core alone writes."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct, field

from engine.domain.order import Intent
from engine.market.view import Market


class LastAction(Struct, frozen=True, kw_only=True):
    """A strategy's own history under one key: what frequency control and hysteresis need."""

    wall_ns: int  # monotonic time of the newest executed action
    premium: float  # the strategy's premium at that action
    recent_ns: tuple[int, ...]  # monotonic times of executed actions, newest last, at most 64


class Memo(Struct, frozen=True):
    """What a strategy has worked out for one changed market, and what it holds for: these parameters, so many books."""

    params: Any
    books: int
    found: tuple[Any, ...]


# What `evaluate` returns where the tops of all books that stand against the changed one are too far apart, and so until
# one of them moves: the same object each time, so that the core can tell it from wishes that came to nothing.
CALM: Final[list[Intent]] = []


class Sight(Struct, kw_only=True):
    """The world as of one event. `available` is what may still be committed: free minus reserved, floats."""

    market: Market
    available: Mapping[tuple[str, str], float]  # (venue, asset)
    last: Mapping[str, LastAction]  # by intent key
    usdt_symbols: tuple[tuple[str, str], ...]  # (venue, symbol) of every KRW-USDT market
    now_ns: int
    # Which markets stand against which, by (strategy, changed market): needed on every book update, so kept. The core
    # clears it when instruments or parameters change.
    memo: dict[tuple[str, tuple[str, str]], Memo] = field(default_factory=dict)


class Strategy(Struct, frozen=True, kw_only=True):
    """One line of the registry. `evaluate` gets the market whose book changed, and yields wishes only for it."""

    name: str
    params: type[Any]  # frozen msgspec Struct, forbid_unknown_fields, validated in __post_init__
    reads: Callable[[Sight, Any], frozenset[tuple[str, str]]]  # (venue, symbol) whose change should wake it
    evaluate: Callable[[Sight, Any, tuple[str, str]], list[Intent]]
    figures: Callable[[Sight, Any], dict[str, float]]  # newest numbers for boards: premium, weights, ...
    curve: str = ""  # the params field that holds its allocation curve, "" for none
