"""Which asset a venue's market is: by configuration, never by its ticker alone. configs/instruments.yaml."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec import Struct, field

from engine.domain.errors import ConfigError
from engine.domain.market import Instrument

_FILE = "instruments.yaml"
_MS_PER_S = 1_000


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One market of one venue: what it is, and from when to when. Dates are UTC, `until` exclusive."""

    venue: str
    symbol: str
    asset: str
    multiplier: Decimal = Decimal(1)  # 1000 where one unit of the venue's coin is a thousand of the asset
    contract_size: Decimal | None = None  # what the venue must say; another answer is doubtful
    since: str = field(name="from", default="")
    until: str = ""

    def __post_init__(self) -> None:
        if self.multiplier <= 0:
            raise ValueError("multiplier must be positive")
        if _ms(self.since, 0) >= _ms(self.until, 2**62):
            raise ValueError(f"{self.venue} {self.symbol}: `from` must lie before `until`")


class _File(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    known: tuple[str, ...]
    quotes: dict[str, str]  # asset -> fiat | stable | coin
    instruments: tuple[Entry, ...] = ()


class Identity:
    """Answers which of a venue's markets may be compared with others, and as which asset."""

    def __init__(self, known: Sequence[str], quotes: Mapping[str, str], entries: Sequence[Entry]) -> None:
        """Raises ConfigError where two entries of one market overlap in time, or a kind of quote is unknown."""
        self._known = frozenset(known)
        self._quotes = dict(quotes)
        self._entries: dict[tuple[str, str], list[Entry]] = {}
        for asset, kind in quotes.items():
            if kind not in ("fiat", "stable", "coin"):
                raise ConfigError(f"{_FILE}: quotes.{asset}: expected fiat, stable or coin, not `{kind}`")
        for entry in entries:
            held = self._entries.setdefault((entry.venue, entry.symbol), [])
            for other in held:
                if _overlap(entry, other):
                    raise ConfigError(f"{_FILE}: {entry.venue} {entry.symbol}: two entries overlap in time")
            held.append(entry)

    def sort(self, rules: Sequence[Instrument], at_ms: int) -> tuple[tuple[Instrument, ...], dict[str, str]]:
        """(markets as what they are, symbol -> why it is doubtful)."""
        certain: list[Instrument] = []
        doubtful: dict[str, str] = {}
        for found in rules:
            named = self._named(found, at_ms)
            if isinstance(named, str):
                doubtful[found.symbol] = named
            else:
                certain.append(named)
        return tuple(certain), doubtful

    def _named(self, found: Instrument, at_ms: int) -> Instrument | str:
        if found.quote not in self._quotes:
            return f"its quote asset {found.quote} is not in {_FILE}"
        entries = self._entries.get((found.venue, found.symbol))
        if entries is None:
            if found.base in self._known:
                return found
            return f"{found.base} is not mapped in {_FILE}"
        entry = next((e for e in entries if _ms(e.since, 0) <= at_ms < _ms(e.until, 2**62)), None)
        if entry is None:
            return f"no entry of {_FILE} holds today"
        if entry.contract_size is not None and entry.contract_size != found.contract_size:
            return f"its contract is {found.contract_size}, {_FILE} says {entry.contract_size}"
        return msgspec.structs.replace(
            found,
            base=entry.asset,
            price_per=found.price_per * entry.multiplier,
            contract_size=found.contract_size * entry.multiplier,
        )


def named_as(told: Sequence[Instrument], certain: Sequence[Instrument]) -> dict[str, str]:
    """A venue's code of a coin -> the asset that it is, of the markets that are certain."""
    codes = {rules.symbol: rules.base for rules in told}
    return {codes[rules.symbol]: rules.base for rules in certain}


def load_identity(directory: Path) -> Identity:
    """Raises ConfigError naming file and key."""
    path = directory / _FILE
    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        told = msgspec.convert(_texts(raw), _File, strict=False)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from error
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}") from error
    return Identity(told.known, told.quotes, told.instruments)


def _texts(raw: Any) -> Any:
    """YAML reads a date as a date: here it is the text that was written."""
    if isinstance(raw, dict):
        return {key: _texts(value) for key, value in raw.items()}
    if isinstance(raw, list):
        return [_texts(value) for value in raw]
    return raw.isoformat() if hasattr(raw, "isoformat") else raw


def _ms(date: str, otherwise: int) -> int:
    """Midnight UTC of a date. Raises ValueError."""
    if not date:
        return otherwise
    return int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp()) * _MS_PER_S


def _overlap(one: Entry, other: Entry) -> bool:
    end = 2**62
    return _ms(one.since, 0) < _ms(other.until, end) and _ms(other.since, 0) < _ms(one.until, end)
