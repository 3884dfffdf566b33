"""The market boards, made on request from what the core knows and what the wires tell beside it."""

from collections.abc import Iterable

from msgspec.structs import replace

from engine.core import countdowns, latency
from engine.core.state import State
from engine.core.venue_state import VenueState
from engine.core.watching import readings
from engine.domain.alerting import AlertSettings, AlertsPreview, AlertsView
from engine.domain.board import (
    ClockView,
    FeeView,
    FundingBoard,
    OrderStreamView,
    PremiumBoard,
    RateUse,
    VenueHealth,
    Wires,
)
from engine.domain.money import NS_PER_MS
from engine.market import funding, premium

_SOURCES = ("account", "venue", "config")


def premiums(state: State, coin: str, limit: int) -> PremiumBoard:
    sizes = state.config.premium_sizes_krw
    market, now_ns = state.market, state.now_ns
    if coin:
        return premium.board(market, now_ns, sizes, coin=coin, limit=limit, quarantined=state.quarantined)
    pairs = state.watch.farthest
    return premium.overview(market, now_ns, sizes, pairs, limit=limit, quarantined=state.quarantined)


def fundings(state: State, coin: str) -> FundingBoard:
    return funding.board(state.market, state.now_ns, state.watch.intervals, coin=coin, quarantined=state.quarantined)


def venues(state: State, wires: Wires) -> list[VenueHealth]:
    return [venue(state, held, wires) for _, held in sorted(state.venues.items())]


def venue(state: State, held: VenueState, wires: Wires) -> VenueHealth:
    name, market, now_ns = held.name, state.market, state.now_ns
    symbols = held.settings.symbols
    ages = [market.age_ms(name, symbol, now_ns) for symbol in symbols]
    lines = tuple(wires.connections.get(name, ()))
    clock = wires.clocks.get(name, ClockView(offset_ms=None, uncertainty_ms=None))
    down = state.watch.down.get(name)
    connected = market.connected.get(name, False)
    return VenueHealth(
        venue=name,
        connected=connected,
        down_ms=0 if connected or down is None else (now_ns - down.since_ns) // NS_PER_MS,
        trades=name not in wires.watched,
        ready=held.ready,
        blocked=held.blocked or ("" if held.ready else _not_ready(held)),
        books=len(symbols),
        books_usable=sum(1 for symbol in symbols if not market.why_unusable(name, symbol, now_ns)),
        age_ms=min((max(0.0, age) for age in ages if age != float("inf")), default=None),
        frames_per_s=sum(line.frames_per_s for line in lines) if lines else None,
        reconnects=sum(line.reconnects for line in lines) if lines else None,
        gaps=sum(line.gaps for line in lines) if lines else None,
        latency_p50_ms=_worst(line.latency_p50_ms for line in lines),
        latency_p99_ms=_worst(line.latency_p99_ms for line in lines),
        ping_rtt_ms=_worst(line.ping_rtt_ms for line in lines),
        clock_offset_ms=clock.offset_ms,
        clock_uncertainty_ms=clock.uncertainty_ms,
        rate_use=tuple(RateUse(name=rule, used=used) for rule, used in sorted(wires.rates.get(name, {}).items())),
        rules=_rules(state, name),
        connections=lines,
        countdown=countdowns.view(state, held),
        paces=latency.views(state, name),
        slow=state.watch.latency.why_slow(name, now_ns),
        order_stream=_order_stream(held, wires),
    )


def _order_stream(held: VenueState, wires: Wires) -> OrderStreamView | None:
    found = wires.order_streams.get(held.name)
    if found is None or not (held.hearing.is_deaf and found.state == "up"):
        return found
    return replace(found, state="silent")


def _not_ready(held: VenueState) -> str:
    return f"reconciling {held.failing}".strip() if held.settings.trades else "its rules are not known yet"


def _worst(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _rules(state: State, name: str) -> FeeView:
    """The weakest source and the oldest time of a venue's rules, and its fees where all markets share them."""
    found = [at for (where, _), at in state.market.instruments.items() if where == name]
    if not found:
        return FeeView(source="", tick_source="", fee_source="", as_of_ms=0, markets=0, maker_bps=None, taker_bps=None)
    makers, takers = {at.maker_fee_bps for at in found}, {at.taker_fee_bps for at in found}
    return FeeView(
        source=_weakest(at.source for at in found),
        tick_source=_weakest(at.tick_source or at.source for at in found),
        fee_source=_weakest(at.fee_source or at.source for at in found),
        as_of_ms=min(at.as_of_ms for at in found),
        markets=len(found),
        maker_bps=float(makers.pop()) if len(makers) == 1 else None,
        taker_bps=float(takers.pop()) if len(takers) == 1 else None,
    )


def _weakest(sources: Iterable[str]) -> str:
    return max(sources, key=lambda source: _SOURCES.index(source) if source in _SOURCES else len(_SOURCES))


def alerts(state: State, owner: str) -> AlertsView:
    return state.audience.view(owner)


def preview(state: State, owner: str, settings: AlertSettings) -> AlertsPreview:
    held = state.audience.owner(owner)
    return AlertsPreview(
        owner=owner, version=held.version, old=held.settings, new=settings, readings=readings(state, settings)
    )
