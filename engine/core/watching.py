"""What the markets themselves may ring for: thresholds, signs, intervals, venues that stay away, rate budgets.

A round over all coins takes a second, a slice of it per tick; with more than sixty coins it takes longer, for a tick
must not hold up the frames behind it: 21 pairs of a coin cost 60 us.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec

from engine.core.rounds import Down, Ring, Round
from engine.core.state import State, encode
from engine.domain.alerting import DESK, AlertSettings, Reading, Threshold
from engine.domain.board import FundingView
from engine.domain.effect import Severity, StoreSetting
from engine.domain.event import FeedState, RateUsed, SettingStored
from engine.domain.money import NS_PER_S
from engine.market import funding
from engine.market.funding import FundingKept
from engine.market.pairs import tables
from engine.market.premium import PremiumSight, Row, farthest
from engine.market.walk import median

DOWN_CRIT_NS = 60 * NS_PER_S
INTERVALS = "funding.intervals"
_COINS_A_TICK = 6
_MOST_RINGS = 12  # of one round; the others are counted
_BUDGET_FULL, _BUDGET_CALM = 0.8, 0.6
_STORE_AFTER_NS = 60 * NS_PER_S


def tick(state: State) -> None:
    """After everything that trades."""
    _away(state)
    if state.watch.round.is_over and state.now_ns - state.watch.round.began_ns >= NS_PER_S:
        _count_untold(state)
        _begin(state)
        _release(state)
        _store_intervals(state)
    for coin in state.watch.round.next_slice(_COINS_A_TICK):
        _look(state, coin)
    _tell(state)


# venues


def on_feed_state(state: State, event: FeedState) -> None:
    """Gone: WARN at once. Back: INFO with how long it was away."""
    before = state.market.connected.get(event.venue)
    state.market.take(event)
    down = state.watch.down.get(event.venue)
    if not event.connected:
        if before is not False and down is None:
            state.watch.down[event.venue] = Down(since_ns=state.now_ns, reason=event.reason)
        if before:
            numbers = {"reason": event.reason}
            state.alert(
                "venue_down", Severity.WARN, f"{event.venue}: {event.reason}", venue=event.venue, numbers=numbers
            )
    elif down is not None:
        del state.watch.down[event.venue]
        away_s = (state.now_ns - down.since_ns) / NS_PER_S
        if before is not None or down.told:
            state.alert(
                "venue_up",
                Severity.INFO,
                f"{event.venue}: market data is back after {away_s:.1f} s",
                venue=event.venue,
                numbers={"away_s": f"{away_s:.1f}"},
            )


def on_recovered(state: State) -> None:
    """What has not come yet is away from now on: silent at first, for a start takes its time."""
    for name in state.venues:
        if not state.market.connected.get(name, False):
            state.watch.down.setdefault(name, Down(since_ns=state.now_ns, reason="not connected since the start"))


def _away(state: State) -> None:
    for name, down in state.watch.down.items():
        if not down.told and state.now_ns - down.since_ns >= DOWN_CRIT_NS:
            down.told = True
            away_s = (state.now_ns - down.since_ns) / NS_PER_S
            state.alert(
                "venue_down",
                Severity.CRIT,
                f"{name}: no market data for {away_s:.0f} s ({down.reason})",
                venue=name,
                numbers={"away_s": f"{away_s:.0f}"},
            )


def on_rate_used(state: State, event: RateUsed) -> None:
    """Once at 80 % of a limit, again only after it was below 60 %."""
    key = (event.venue, event.name)
    state.watch.rate_use[key] = event.used
    if event.used >= _BUDGET_FULL and key not in state.watch.rate_full:
        state.watch.rate_full.add(key)
        text = f"{event.venue}: {event.used:.0%} of the rate budget {event.name} is used"
        numbers = {"used_pct": f"{event.used * 100:.0f}", "budget": event.name}
        state.alert("rate_budget", Severity.WARN, text, venue=event.venue, numbers=numbers)
    elif event.used < _BUDGET_CALM:
        state.watch.rate_full.discard(key)


# rounds


def _begin(state: State) -> None:
    perps: dict[str, list[tuple[str, str]]] = {}
    for key in sorted(state.market.perps):
        at = state.market.instruments.get(key)
        if at is not None and key not in state.quarantined:
            perps.setdefault(at.base, []).append(key)
    table = state.tables
    coins = sorted({*table.coins(), *perps})
    wanted = [
        (name, threshold)
        for name, held in sorted(state.audience.owners.items())
        for threshold in held.settings.thresholds
    ]
    state.watch.round = Round(began_ns=state.now_ns, tables=table, perps=perps, coins=coins, wanted=wanted)
    for owner, threshold in wanted:
        if threshold.figure == "tether":
            sight = PremiumSight(state.market, state.now_ns, state.quarantined)
            _try(state, owner, threshold, _tethers(state, sight, threshold))


def _look(state: State, coin: str) -> None:
    """One coin: its thresholds, the signs of its premiums and of its funding, the intervals of its contracts."""
    if state.watch.asleep.get(coin) == state.market.changes:
        return
    of_coin = [(owner, wish) for owner, wish in state.watch.round.wanted if wish.coin in ("", coin)]
    desk = state.audience.owners[DESK].settings
    premiums = [(owner, wish) for owner, wish in of_coin if wish.figure in ("k_usdt", "k_fx")]
    sight = PremiumSight(state.market, state.now_ns, state.quarantined)
    found = list(sight.rows(state.watch.round.tables, coin))
    best = farthest(found)
    if best is not None:
        state.watch.farthest[coin] = _keys(best)
    rows = [row for row in found if not row.stale]
    for owner, wish in premiums:
        _try(state, owner, wish, _premiums(rows, wish))
    _premium_signs(state, coin, rows, float(desk.flip_premium))
    told = [funding.view(state.market, key, state.now_ns) for key in state.watch.round.perps.get(coin, ())]
    contracts = [row for row in told if row is not None]
    wishes = [(owner, wish) for owner, wish in of_coin if wish.figure in ("funding", "basis")]
    _contracts(state, [row for row in contracts if not row.why], wishes, desk)
    # Only a wall clock that goes back makes a settlement one of the future again.
    if not rows and all(row.why not in ("", "settled") for row in contracts):
        state.watch.asleep[coin] = state.market.changes


def _keys(row: Row) -> tuple[tuple[str, str], tuple[str, str]]:
    return (row.korean.venue, row.korean.symbol), (row.world.venue, row.world.symbol)


def _contracts(
    state: State, views: Sequence[FundingView], wishes: list[tuple[str, Threshold]], desk: AlertSettings
) -> None:
    """Those that can be believed."""
    for owner, wish in wishes:
        _try(state, owner, wish, _fundings(views, wish))
    for row in views:
        key, where = (row.venue, row.symbol), f"{row.venue} {row.symbol}"
        if row.annual is not None and state.watch.tripwires.turned(
            ("funding", key), row.annual, float(desk.flip_annual)
        ):
            way = "positive: longs pay" if row.annual > 0 else "negative: shorts pay"
            _flip(state, row.venue, row.symbol, row.coin, "funding", row.annual, f"{where}: funding turned {way}")
        before = state.watch.intervals.take(key, row.interval_ms or 0, state.wall_ms)
        if before:
            state.watch.intervals_due_ns = state.watch.intervals_due_ns or state.now_ns + _STORE_AFTER_NS
            hours = (before / funding.HOUR_MS, (row.interval_ms or 0) / funding.HOUR_MS)
            state.watch.round.rings.append(
                Ring(
                    rule="interval_changed",
                    severity=Severity.WARN,
                    text=f"{where}: settles every {hours[1]:g} h now, not every {hours[0]:g} h",
                    venue=row.venue,
                    symbol=row.symbol,
                    coin=row.coin,
                    numbers={"before_h": f"{hours[0]:g}", "interval_h": f"{hours[1]:g}"},
                )
            )


def _premium_signs(state: State, coin: str, rows: list[Row], least: float) -> None:
    by_venue: dict[str, list[float]] = {}
    for row in rows:
        if row.k_usdt is not None:
            by_venue.setdefault(row.korean.venue, []).append(row.k_usdt)
    for venue, found in by_venue.items():
        value = median(found)
        if state.watch.tripwires.turned(("premium", coin, venue), value, least):
            text = f"{coin} at {venue}: the tether-basis premium turned to {value:+.2%}"
            _flip(state, venue, coin, coin, "k_usdt", value, text)


def _flip(state: State, venue: str, symbol: str, coin: str, figure: str, value: float, text: str) -> None:
    numbers = {"figure": figure, "value": f"{value:.6f}"}
    state.watch.round.rings.append(
        Ring(
            rule="sign_flip",
            severity=Severity.INFO,
            text=text,
            venue=venue,
            symbol=symbol,
            coin=coin,
            numbers=numbers,
        )
    )


# figures: (subject, value, venue, symbol, coin)

Figure = tuple[str, float, str, str, str]


def _premiums(rows: list[Row], wish: Threshold) -> Iterator[Figure]:
    """Per Korean venue the farthest of the pairs that the wish is about."""
    best: dict[str, tuple[float, Row]] = {}
    for row in rows:
        value = row.k_usdt if wish.figure == "k_usdt" else row.k_fx
        if value is None or wish.venue not in ("", row.korean.venue, row.world.venue):
            continue
        known = best.get(row.korean.venue)
        if known is None or (value > known[0] if wish.side == "above" else value < known[0]):
            best[row.korean.venue] = (value, row)
    for venue, (value, row) in best.items():
        yield f"{row.coin} {venue}", value, venue, row.coin, row.coin


def _tethers(state: State, sight: PremiumSight, wish: Threshold) -> Iterator[Figure]:
    for seat in sight.seats(tuple(state.watch.round.tables.tether.values())):
        view = sight.tether(seat, ())
        if view.premium is not None and not view.why and wish.venue in ("", seat.venue):
            yield seat.venue, view.premium, seat.venue, "USDT", "USDT"


def _fundings(views: Sequence[FundingView], wish: Threshold) -> Iterator[Figure]:
    for row in views:
        value = row.annual if wish.figure == "funding" else row.basis
        if value is not None and wish.venue in ("", row.venue):
            yield f"{row.venue} {row.symbol}", value, row.venue, row.symbol, row.coin


def _try(state: State, owner: str, wish: Threshold, figures: Iterator[Figure]) -> None:
    for subject, value, venue, symbol, coin in figures:
        if state.watch.tripwires.passes(owner, wish, subject, value):
            state.watch.round.rings.append(
                Ring(
                    rule=wish.figure,
                    severity=Severity.WARN,
                    text=f"{subject}: {wish.figure} is {value:+.3%}, {wish.side} {float(wish.level):+.3%}",
                    venue=venue,
                    symbol=symbol,
                    coin=coin,
                    only="" if owner == DESK else owner,
                    numbers={"value": f"{value:.6f}", "level": str(wish.level), "side": wish.side},
                )
            )


def _tell(state: State) -> None:
    """What this tick found, at once: a dozen of a round."""
    now = state.watch.round
    for ring in now.rings[now.told : _MOST_RINGS]:
        state.alert(
            ring.rule,
            ring.severity,
            ring.text,
            venue=ring.venue,
            symbol=ring.symbol,
            coin=ring.coin,
            only=ring.only,
            numbers=ring.numbers,
        )
    now.told = len(now.rings)


def _count_untold(state: State) -> None:
    """At the end of a round: how many there were beyond the dozen."""
    rings = state.watch.round.rings[_MOST_RINGS:]
    for owner in sorted({ring.only for ring in rings}):
        more = sum(1 for ring in rings if ring.only == owner)
        numbers = {"count": str(more)}
        state.alert("more_alerts", Severity.INFO, f"{more} more at the same time", only=owner, numbers=numbers)


def _release(state: State) -> None:
    """What was held back is at least counted for who hears again."""
    for owner, count in state.audience.released(state.wall_ms, state.local_min):
        text = f"{count} alerts were held back meanwhile"
        only = "" if owner == DESK else owner
        state.alert("held_back", Severity.INFO, text, only=only, numbers={"count": str(count), "owner": owner})


# intervals over a restart


def _store_intervals(state: State) -> None:
    """One row for all contracts, at most once a minute and only after a change or the first readings."""
    contracts = len(state.market.perps)
    if contracts > state.watch.intervals_stored and not state.watch.intervals_due_ns:
        state.watch.intervals_due_ns = state.now_ns + _STORE_AFTER_NS
    if not state.watch.intervals_due_ns or state.now_ns < state.watch.intervals_due_ns:
        return
    state.watch.intervals_due_ns, state.watch.intervals_stored = 0, contracts
    state.watch.intervals_version += 1
    value = encode(FundingKept(contracts=state.watch.intervals.kept()))
    state.emit(
        StoreSetting(
            name=INTERVALS, version=state.watch.intervals_version, value=value, actor="engine", wall_ms=state.wall_ms
        )
    )


def recall_intervals(state: State, event: SettingStored) -> None:
    """Recovery: the newest one wins. Raises msgspec.ValidationError on what this version cannot read."""
    state.watch.intervals.restore(msgspec.json.decode(event.value, type=FundingKept).contracts)
    state.watch.intervals_version = event.version


# preview


def readings(state: State, settings: AlertSettings) -> tuple[Reading, ...]:
    """What each threshold sees now, and whether it would ring. Looks at everything: on request only."""
    sight = PremiumSight(state.market, state.now_ns, state.quarantined)
    table = tables(state.market)
    contracts = [row for row in funding.views(state.market, state.now_ns, "", state.quarantined) if not row.why]
    made = []
    for wish in settings.thresholds:
        if wish.figure in ("k_usdt", "k_fx"):
            coins = [wish.coin] if wish.coin else table.coins()
            found = [
                figure
                for coin in coins
                for figure in _premiums([row for row in sight.rows(table, coin) if not row.stale], wish)
            ]
        elif wish.figure == "tether":
            state.watch.round.tables = table
            found = list(_tethers(state, sight, wish))
        else:
            found = list(_fundings([row for row in contracts if wish.coin in ("", row.coin)], wish))
        made.append(_reading(wish, found))
    return tuple(made)


def _reading(wish: Threshold, found: list[Figure]) -> Reading:
    if not found:
        return Reading(id=wish.id, subject="", value=None, rings=False, subjects=0)
    farthest = max(found, key=lambda f: f[1]) if wish.side == "above" else min(found, key=lambda f: f[1])
    level = Decimal(repr(farthest[1]))
    rings = level >= wish.level if wish.side == "above" else level <= wish.level
    return Reading(id=wish.id, subject=farthest[0], value=farthest[1], rings=rings, subjects=len(found))
