"""From configuration to the core's own settings."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from engine import plugins
from engine.config import Config, VenueConfig
from engine.core.state import CoreConfig
from engine.core.venue_state import VenueSettings
from engine.domain.command import Mode
from engine.domain.errors import ConfigError
from engine.execution.plan import PlanRules
from engine.market.fx import FxRules
from engine.market.view import VenueRules
from engine.risk.last_step import LastStep, LastStepRules
from engine.risk.limits import Limits, limits_of
from engine.strategies.registry import REGISTRY
from engine.strategies.sight import Strategy

_OVER_THE_GATE = Decimal("1.5")


def core_config(config: Config) -> CoreConfig:
    """What the core needs, checked by each part's own struct. Raises ConfigError naming file and key."""
    execution = config.execution
    plugged = _plugged(config)
    return CoreConfig(
        venues={name: _venue(venue) for name, venue in sorted(config.venues.items()) if venue.enabled},
        strategies=_strategies(config, plugged),
        plugged=plugged,
        fx=FxRules(
            max_age_open_ms=config.fx.max_age_open_s * 1_000,
            max_age_closed_ms=config.fx.max_age_closed_s * 1_000,
            max_disagreement=float(config.fx.max_disagreement),
            max_daily_lag=float(config.fx.max_daily_lag),
        ),
        plan=PlanRules(
            band_bps=execution.band_bps,
            unwind_band_bps=execution.unwind_band_bps,
            naked_deadline_ms=execution.naked_deadline_ms,
            max_chase=execution.max_chase,
            max_unwind=execution.max_unwind,
            hedge=execution.hedge,
        ),
        limits=_limits(config),
        token_ttl_ms=execution.token_ttl_ms,
        opportunity_ttl_ms=execution.opportunity_ttl_ms,
        reconcile_every_ms=execution.reconcile_every_s * 1_000,
        auto_cooldown_ms=execution.auto_cooldown_ms,
        best_pair_first=execution.best_pair_first,
        breaker_cooldown_s=config.risk.breaker_cooldown_s,
        premium_sizes_krw=tuple(float(size) for size in config.boards.premium_sizes_krw),
    )


def last_step(config: Config) -> LastStep:
    """The guard before each send. Raises ConfigError."""
    limits, own = _limits(config), config.risk.last_step
    # Above the gate's own: it counts by other rates and from another moment on, and must not stop what that let pass.
    most = int(limits.max_orders_per_minute * _OVER_THE_GATE)
    orders = own.orders_per_minute if own.orders_per_minute is not None else most
    notional_krw = _first(own.notional_per_minute_krw, limits.max_notional_per_minute_krw * _OVER_THE_GATE)
    repeats = own.repeats_per_minute
    return LastStep(
        LastStepRules(
            allowed={
                name: frozenset(venue.symbols) for name, venue in config.venues.items() if venue.enabled and venue.trade
            },
            collar=_first(own.collar, limits.max_collar * _OVER_THE_GATE),
            exit_collar=_first(own.exit_collar, limits.max_collar * 3),
            reference_age_ms=own.reference_age_ms,
            exit_reference_age_ms=own.exit_reference_age_ms,
            orders=orders,
            venue_orders=own.venue_orders_per_minute if own.venue_orders_per_minute is not None else orders,
            notional_krw=notional_krw,
            venue_notional_krw=_first(own.venue_notional_per_minute_krw, notional_krw),
            repeats=repeats if repeats is not None else 2 * limits.max_trades_per_window,
            exit_share=own.exit_share,
        )
    )


def _first(own: Decimal | None, profile: Decimal) -> Decimal:
    return own if own is not None else profile


def _limits(config: Config) -> Limits:
    try:
        return limits_of(config.risk.profile, config.risk.overrides)
    except ValueError as error:
        raise ConfigError(f"default.yaml: risk.{error}") from error


def _venue(venue: VenueConfig) -> VenueSettings:
    return VenueSettings(
        rules=VenueRules(max_book_age_ms=venue.max_book_age_ms, max_quiet_ms=venue.max_quiet_ms),
        symbols=venue.symbols,
        dust=venue.dust,
        late_acceptance_ms=venue.late_acceptance_ms + venue.settle_margin_ms + venue.order_timeout_ms,
        expiring_ms=venue.order_timeout_ms + venue.settle_margin_ms,
        leverage=venue.leverage,
        trades=venue.trade,
        countdown_s=venue.countdown_s,
    )


def _plugged(config: Config) -> dict[str, Strategy]:
    """The strategies that other distributions bring, as far as the configuration names them."""
    others = plugins.installed(plugins.STRATEGIES, REGISTRY)
    made: dict[str, Strategy] = {}
    for name in sorted(config.strategies):
        if name in REGISTRY:
            continue
        if name not in others:
            known = ", ".join(sorted({*REGISTRY, *others}))
            raise ConfigError(f"strategies.yaml: unknown key `strategies.{name}`; known: {known}")
        made[name] = plugins.load(others[name], Strategy)
        if made[name].name != name:
            raise ConfigError(f"strategies.yaml: strategies.{name}: its plug-in calls itself `{made[name].name}`")
    return made


def _strategies(config: Config, plugged: Mapping[str, Strategy]) -> dict[str, tuple[Mode, Any]]:
    made: dict[str, tuple[Mode, Any]] = {}
    for name, strategy in sorted(config.strategies.items()):
        kind = REGISTRY.get(name) or plugged[name]
        try:
            params = msgspec.convert(strategy.params, kind.params, strict=False)
        except (msgspec.ValidationError, ValueError) as error:
            where = re.sub(r"`\$\.?", f"`strategies.{name}.params.", str(error))
            raise ConfigError(f"strategies.yaml: strategies.{name}: {where}") from error
        made[name] = (strategy.mode, params)
    return made
