"""YAML + environment -> frozen structs, checked whole before anything starts. A part gets its own piece."""

import os
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml
from msgspec import Struct, field

from engine.domain.command import Mode
from engine.domain.errors import ConfigError
from engine.domain.market import FeeSide

T = TypeVar("T")


class TickConfig(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    from_price: Decimal
    tick: Decimal


class VenueConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One venue. Base URLs are where the venue is; rules here are used where the venue's own answer lacks them."""

    enabled: bool = True
    trade: bool = True  # False: its market is watched, with no key and no orders
    kind: str = "native"  # native | ccxt: read through ccxt, without code of ours
    ccxt_id: str = ""  # ccxt's own name of the venue; with kind ccxt only
    book_levels: int = 0  # with kind ccxt: levels a side to ask for, as the venue allows them; 0: its default
    rest_base: str = ""  # may be empty with kind ccxt only: ccxt knows the addresses
    ws_base: str = ""
    order_path: str = "ccxt"  # native | ccxt: how placements leave; the figures are in docs/performance.md
    stops: str = (
        "venue"  # venue | desk: where a stop-loss waits, of venues that take one; the desk's hold while it runs
    )
    countdown_s: int = 30  # of the venue's own dead-man timer, where it has one and orders rest there; 0: off
    order_stream: bool = True  # listen to the account's private stream of orders, where the venue's is spoken
    order_ws_base: str = ""  # of the socket for native orders; empty: it follows from ws_base
    symbols: tuple[str, ...]  # the venue's own spelling; ccxt's BTC/USDT with kind ccxt
    also_watch: tuple[str, ...] = ()  # perpetuals of a venue that is traded in spot: shown, never traded
    maker_fee_bps: Decimal
    taker_fee_bps: Decimal
    fee_side: FeeSide
    max_book_age_ms: int
    max_quiet_ms: int = 120_000
    order_timeout_ms: int = 3_000
    settle_margin_ms: int = 1_000  # after a request's last possible acceptance, before "not found" is evidence
    late_acceptance_ms: int = 5_000  # bound for venues without a request expiry
    orders_per_second: Decimal
    reads_per_second: Decimal
    look_ups_per_second: Decimal | None = None  # of single orders, where the venue counts them by themselves
    ticks: tuple[TickConfig, ...] = ()
    min_notional: Decimal = Decimal(0)
    leverage: int = 0  # of a venue of perpetuals, cross margin; 0: it has none
    dust: dict[str, Decimal] = {}  # per asset: a ledger difference below it is rounding, default one qty_step

    def __post_init__(self) -> None:
        if not -10 <= self.taker_fee_bps < 100:
            raise ValueError("taker_fee_bps must lie in [-10, 100): 10 means 0.10 %")
        if self.enabled and not self.symbols:
            raise ValueError("symbols must not be empty for an enabled venue")
        if not 0 <= self.leverage <= 20:
            raise ValueError("leverage must lie in [1, 20] for a venue of perpetuals; 0 or left out elsewhere")
        if self.max_book_age_ms <= 0 or self.order_timeout_ms <= 0:
            raise ValueError("max_book_age_ms and order_timeout_ms must be positive")
        if self.countdown_s and not 5 <= self.countdown_s <= 120:
            raise ValueError("countdown_s must lie in [5, 120], or be 0: no dead-man timer at the venue")
        if self.kind not in ("native", "ccxt"):
            raise ValueError("kind must be native or ccxt")
        if self.order_path not in ("native", "ccxt"):
            raise ValueError("order_path must be native or ccxt")
        if self.stops not in ("venue", "desk"):
            raise ValueError("stops must be venue or desk")
        if (self.kind == "ccxt") != bool(self.ccxt_id):
            raise ValueError("ccxt_id names the venue for ccxt: it comes with `kind: ccxt`, and only with it")
        if self.kind == "ccxt" and self.trade:
            raise ValueError("a venue of `kind: ccxt` is watched only: set `trade: false`")
        if self.kind == "native" and not (self.rest_base and self.ws_base):
            raise ValueError("rest_base and ws_base must say where the venue is")


class FxSourceConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    kind: str  # frankfurter | dunamu | koreaexim
    url: str  # {day}: today in Korea as 20261121; {key}: the secret `key_name`
    key_name: str = ""
    every_s: int = 60


class FxConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    sources: dict[str, FxSourceConfig]
    max_disagreement: Decimal = Decimal("0.005")
    max_daily_lag: Decimal = Decimal("0.01")  # how far a once-a-day fixing may stand from the market of now
    max_age_open_s: int = 600
    max_age_closed_s: int = 259_200


class UserConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One allow-listed Telegram user. Anyone else is nobody."""

    id: int
    role: str  # viewer | trader | owner
    language: str = "ko"  # ko | en
    name: str = ""

    def __post_init__(self) -> None:
        if self.role not in ("viewer", "trader", "owner"):
            raise ValueError("role must be viewer, trader or owner")
        if self.language not in ("ko", "en"):
            raise ValueError("language must be ko or en")


class TelegramConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    api_base: str = "https://api.telegram.org"
    users: tuple[UserConfig, ...] = ()
    report_times: tuple[str, ...] = ("21:00",)  # local time of `time_zone`
    messages_per_minute: int = 20  # per chat, edits count
    burst: int = 3
    card_edit_every_s: int = 4
    alert_min_net: Decimal = Decimal("0.005")  # alert-mode cards below this net stay silent
    silent_minutes: int = 10  # without an answer from Telegram for so long: a critical line in the bot's log
    silent_halts: bool = False  # and the bot asks for L1: no entries while nobody can be asked or warned


class WatchdogConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`premia watchdog`: what it does while the engine's heartbeat is missing."""

    missing_s: int = 15  # without a beat for so long the engine counts as gone
    sweep_every_s: float = 3.0  # our open orders are looked for again, until none is left
    told: str = "watchdog.json"  # relative to data_dir: what the bot is to send

    def __post_init__(self) -> None:
        if self.missing_s < 3:
            raise ValueError("missing_s must be at least 3: a beat comes once a second")
        if self.sweep_every_s < 1:
            raise ValueError("sweep_every_s must be at least 1: the venues count every request")


class ControlConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    socket: str = "control.sock"  # relative to data_dir
    tcp_port: int = 0  # 0: Unix socket only; else loopback TCP with PREMIA_CONTROL_TOKEN


class BoardsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the market boards show."""

    premium_sizes_krw: tuple[Decimal, ...] = (Decimal(1_000_000), Decimal(10_000_000), Decimal(100_000_000))

    def __post_init__(self) -> None:
        if not 1 <= len(self.premium_sizes_krw) <= 5 or min(self.premium_sizes_krw) < 10_000:
            raise ValueError("premium_sizes_krw must be one to five sums of at least 10000 KRW")


class LastStepConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every order is held to directly before it is sent. None: made of the profile's own limits."""

    collar: Decimal | None = None  # beyond the symbol's own mid; else 1.5 times the gate's
    exit_collar: Decimal | None = None  # of what ends an exposure; else three times the gate's
    reference_age_ms: int = 5_000
    exit_reference_age_ms: int = 30_000
    orders_per_minute: int | None = None
    venue_orders_per_minute: int | None = None  # of each venue; else as many as in all
    notional_per_minute_krw: Decimal | None = None
    venue_notional_per_minute_krw: Decimal | None = None
    repeats_per_minute: int | None = None  # of one venue, symbol and side; else twice the trades of one pair
    exit_share: Decimal = Decimal("0.3")  # of each total: left for what ends an exposure

    def __post_init__(self) -> None:
        if not 0 <= self.exit_share < 1:
            raise ValueError("exit_share must lie in [0, 1): 0.3 leaves 30 % for exits")
        if self.reference_age_ms <= 0 or self.exit_reference_age_ms <= 0:
            raise ValueError("reference_age_ms and exit_reference_age_ms must be positive")


class RiskConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    profile: str = "liveguard"  # canary | liveguard | standard
    overrides: dict[str, Decimal] = {}  # single limits of the profile, by name
    last_step: LastStepConfig = field(default_factory=LastStepConfig)
    breaker_cooldown_s: int = 300  # of every breaker; six times as long after a streak of losses

    def __post_init__(self) -> None:
        if self.breaker_cooldown_s < 1:
            raise ValueError("breaker_cooldown_s must be at least 1")
        if self.profile not in ("canary", "liveguard", "standard"):
            raise ValueError("profile must be canary, liveguard or standard")


class ExecutionConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    naked_deadline_ms: int = 1_500
    max_chase: int = 2
    max_unwind: int = 3
    band_bps: Decimal = Decimal(8)
    unwind_band_bps: Decimal = Decimal(50)
    token_ttl_ms: int = 20_000
    opportunity_ttl_ms: int = 15_000  # without renewal an opportunity dies
    reconcile_every_s: int = 30
    auto_cooldown_ms: int = 5_000
    best_pair_first: bool = True  # of several pairs that pay at one moment; False: in the order of the configuration
    hedge: dict[str, tuple[str, ...]] = {}  # coin -> venues of perpetuals that may take over what has lost its partner


class StrategyConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    mode: Mode = Mode.ALERT
    params: dict[str, Any] = {}  # checked by the strategy's own Params struct


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    instance: str
    data_dir: str
    time_zone: str = "Asia/Seoul"
    log_level: str = "INFO"
    seed: int = 1
    feed_processes: int = 0  # market data in so many processes of their own; 0: all in the engine's
    history_dir: str = "var/history"  # what `premia collect` stores: the hours of a VWAP are read there first
    record_events: bool = False  # write every event of the core to data_dir/events.jsonl for replay
    control: ControlConfig = field(default_factory=ControlConfig)
    watchdog: WatchdogConfig = field(default_factory=WatchdogConfig)
    telegram: TelegramConfig = field(default_factory=TelegramConfig)
    boards: BoardsConfig = field(default_factory=BoardsConfig)
    fx: FxConfig
    risk: RiskConfig = field(default_factory=RiskConfig)
    execution: ExecutionConfig = field(default_factory=ExecutionConfig)
    venues: dict[str, VenueConfig]
    strategies: dict[str, StrategyConfig]

    def __post_init__(self) -> None:
        if not 0 <= self.feed_processes <= 16:
            raise ValueError("feed_processes must lie in [0, 16]")
        for coin, venues in self.execution.hedge.items():
            for name in venues:
                if name not in self.venues or not self.venues[name].leverage:
                    raise ValueError(f"execution.hedge.{coin} names {name}, which is no venue of perpetuals")


class Credential(Struct, frozen=True):
    key: str
    secret: str
    passphrase: str = ""

    def __repr__(self) -> str:
        return "Credential(***)"


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = value
    return base


class _DecimalLoader(yaml.SafeLoader):
    """Every fraction as its own text: a float never touches a limit or a price."""


_DecimalLoader.add_constructor(
    "tag:yaml.org,2002:float",
    lambda loader, node: str(loader.construct_scalar(node)),  # type: ignore[arg-type]
)


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    try:
        value = yaml.load(text, Loader=_DecimalLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: expected a mapping at the top")
    return value


def _checked(merged: Mapping[str, Any], origin: Mapping[str, Path], last: Path) -> Config:
    """The whole as structs. An error names the file that gave the top-level key it lies under."""
    try:
        return msgspec.convert(merged, Config, strict=False)
    except msgspec.ValidationError as error:
        found = re.search(r"`\$\.(\w+)", str(error))
        path = origin.get(found.group(1), last) if found else last
        raise ConfigError(f"{path}: {error}") from error


def load(directory: Path, overlays: tuple[Path, ...] = ()) -> Config:
    """default.yaml, venues.yaml and strategies.yaml of `directory`, then each overlay on top. Raises ConfigError."""
    merged: dict[str, Any] = {}
    origin: dict[str, Path] = {}
    files = [directory / name for name in ("default.yaml", "venues.yaml", "strategies.yaml")] + list(overlays)
    for path in files:
        piece = _read(path)
        for key in piece:
            if key not in Config.__struct_fields__:
                raise ConfigError(f"{path}: unknown key `{key}`")
            origin[key] = path
        _merge(merged, piece)
    return _checked(merged, origin, files[-1])


def secret(name: str) -> str:
    """A secret by name: from systemd's credential directory, else the environment. "" where it is nowhere."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if directory:
        path = Path(directory) / name
        if path.is_file():
            return path.read_text(encoding="utf-8").strip()
    return os.environ.get(name, "").strip()


def venue_credential(venue: str, needs_passphrase: bool) -> Credential:
    """`<VENUE>_API_KEY`, `_API_SECRET`, `_API_PASSPHRASE` (C19). Raises ConfigError naming what is missing."""
    stem = venue.upper() + "_API_"
    names = ["KEY", "SECRET"] + (["PASSPHRASE"] if needs_passphrase else [])
    values = {name: secret(stem + name) for name in names}
    missing = [stem + name for name, value in values.items() if not value]
    if missing:
        raise ConfigError(f"environment: missing secret {', '.join(missing)}")
    return Credential(values["KEY"], values["SECRET"], values.get("PASSPHRASE", ""))
