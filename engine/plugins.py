"""What other distributions bring by entry point: venues and strategies. docs/plugins.md.

Nothing is imported but what the configuration names; names alone are checked for clashes.
"""

from collections.abc import Collection
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from engine.domain.errors import ConfigError

T = TypeVar("T")

VENUES = "premia.venues"
STRATEGIES = "premia.strategies"

# What running somebody else's module for the first time may raise.
_BROKEN = (
    ImportError,
    SyntaxError,
    AttributeError,
    NameError,
    TypeError,
    ValueError,
    LookupError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    OSError,
)


def installed(group: str, own: Collection[str]) -> dict[str, EntryPoint]:
    """Every plug-in of a group by name, none of them loaded.

    Raises ConfigError, naming the distributions, where a name is one of our `own` or is brought twice.
    """
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=group):
        if entry.name in own:
            raise ConfigError(f"plug-in {_distribution(entry)}: `{entry.name}` of {group} is a name of premia's own")
        before = found.get(entry.name)
        if before is not None and (before.value, _distribution(before)) != (entry.value, _distribution(entry)):
            both = f"{_distribution(before)} and {_distribution(entry)}"
            raise ConfigError(f"plug-ins {both}: both bring `{entry.name}` of {group}; uninstall one of them")
        found[entry.name] = entry
    return found


def load(entry: EntryPoint, kind: type[T]) -> T:
    """The object behind an entry point. Raises ConfigError naming the distribution and what is wrong with it."""
    where = f"plug-in {_distribution(entry)}: `{entry.name}` of {entry.group} ({entry.value})"
    try:
        made = entry.load()
    except _BROKEN as error:
        raise ConfigError(f"{where} cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(made, kind):
        raise ConfigError(f"{where} is a {type(made).__name__}, expected a {kind.__module__}.{kind.__qualname__}")
    return made


def _distribution(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "of unknown origin"
