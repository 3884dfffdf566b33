"""The bot's own piece of the YAML files that the engine reads too; the engine checks the rest of them."""

import os
from collections.abc import Mapping
from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import yaml
from msgspec import Struct, field

TOKEN_NAME = "TELEGRAM_BOT_TOKEN"
ROLES = ("viewer", "trader", "owner")
LANGUAGES = ("ko", "en")


class ConfigFault(Exception):
    """Before start: one line naming file and key; the process exits with 2."""


class User(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One allow-listed person. A private chat has the id of its user, so this is the chat too."""

    id: int
    role: str
    language: str = "ko"
    name: str = ""

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError("role must be viewer, trader or owner")
        if self.language not in LANGUAGES:
            raise ValueError("language must be ko or en")
        if self.id <= 0:
            raise ValueError("id must be a person's numeric Telegram id")

    def may(self, role: str) -> bool:
        """Whether this person's role includes `role`."""
        return ROLES.index(self.role) >= ROLES.index(role)


class Telegram(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    api_base: str = "https://api.telegram.org"
    users: tuple[User, ...] = ()
    report_times: tuple[str, ...] = ("21:00",)
    messages_per_minute: int = 20
    burst: int = 3
    card_edit_every_s: int = 4
    alert_min_net: Decimal = Decimal("0.005")
    silent_minutes: int = 10
    silent_halts: bool = False

    def __post_init__(self) -> None:
        if self.messages_per_minute < 1 or self.burst < 1:
            raise ValueError("messages_per_minute and burst must be at least 1")
        if self.silent_minutes < 2:
            raise ValueError("silent_minutes must be at least 2: a poll that hangs and a quiet one take a minute")
        for text in self.report_times:
            try:
                time.fromisoformat(text)
            except ValueError as error:
                raise ValueError(f"report_times: {text!r} is not HH:MM") from error
        ids = [user.id for user in self.users]
        if len(set(ids)) != len(ids):
            raise ValueError("users: the same id twice")


class Control(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    socket: str = "control.sock"
    tcp_port: int = 0


class Watchdog(Struct, frozen=True, kw_only=True):
    told: str = "watchdog.json"  # relative to data_dir; the rest of this piece is the watchdog's own


class BotConfig(Struct, frozen=True, kw_only=True):
    """Keys of the engine alone (venues, risk, ...) are left to the engine's own check."""

    instance: str
    data_dir: str
    time_zone: str = "Asia/Seoul"
    log_level: str = "INFO"
    control: Control = field(default_factory=Control)
    telegram: Telegram = field(default_factory=Telegram)
    watchdog: Watchdog = field(default_factory=Watchdog)

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"time_zone: {self.time_zone!r} is unknown") from error
        if self.log_level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise ValueError("log_level must be DEBUG, INFO, WARNING or ERROR")

    @property
    def socket(self) -> Path:
        return Path(self.data_dir) / self.control.socket

    @property
    def watchdog_told(self) -> Path:
        return Path(self.data_dir) / self.watchdog.told

    @property
    def database(self) -> Path:
        return Path(self.data_dir) / "bot.db"


class _TextLoader(yaml.SafeLoader):
    """Fractions stay text, so that a Decimal is made of the digits in the file."""


_TextLoader.add_constructor(
    "tag:yaml.org,2002:float",
    lambda loader, node: str(loader.construct_scalar(node)),  # type: ignore[arg-type]
)


def _read(path: Path) -> dict[str, Any]:
    try:
        value = yaml.load(path.read_text(encoding="utf-8"), Loader=_TextLoader)
    except OSError as error:
        raise ConfigFault(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigFault(f"{path}: {' '.join(str(error).split())}") from error
    if not isinstance(value, dict | None):
        raise ConfigFault(f"{path}: expected a mapping at the top")
    return value or {}


def _laid_over(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        mine = merged.get(key)
        merged[key] = _laid_over(mine, value) if isinstance(value, Mapping) and isinstance(mine, Mapping) else value
    return merged


def load(directory: Path, overlays: tuple[Path, ...] = ()) -> BotConfig:
    """default.yaml of `directory`, then each overlay on top. Raises ConfigFault, also for an empty allow-list."""
    merged: dict[str, Any] = {}
    files = (directory / "default.yaml", *overlays)
    for path in files:
        merged = _laid_over(merged, _read(path))
        try:
            config = msgspec.convert(merged, BotConfig, strict=False)
        except (msgspec.ValidationError, ValueError) as error:
            raise ConfigFault(f"{path}: {error}") from error
    if not config.telegram.users:
        raise ConfigFault(f"{files[-1]}: telegram.users is empty; list at least one {{id, role}}")
    return config


def secret(name: str) -> str:
    """A secret by name from systemd's credential directory, else the environment; "" where it is nowhere."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if directory and (file := Path(directory) / name).is_file():
        return file.read_text(encoding="utf-8").strip()
    return os.environ.get(name, "").strip()


def token() -> str:
    """The bot's token. Raises ConfigFault."""
    value = secret(TOKEN_NAME)
    number, colon, rest = value.partition(":")
    if not (number.isdigit() and colon and rest):
        # The value itself is never printed, not even a malformed one.
        raise ConfigFault(f"environment: {TOKEN_NAME} is {'malformed' if value else 'missing'}")
    return value
