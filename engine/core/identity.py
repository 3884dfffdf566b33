"""Markets whose asset is not certain: unmapped, or priced far from where everybody else sees that asset."""

import msgspec

from engine.core.state import Release, State, encode
from engine.domain.command import ReleaseMarket
from engine.domain.effect import Reply, Severity, StoreSetting
from engine.domain.event import Commanded, InstrumentsLoaded, SettingStored
from engine.domain.money import NS_PER_S
from engine.market.walk import median

_LIMIT = 0.20  # implied premium against the median of the other venues
_CALM = 0.15  # and so far inside it may come back
_CALM_NS = 600 * NS_PER_S
_LEAST_VENUES = 3  # with two, nobody can tell which of them is wrong
_UNMAPPED = "unmapped: "
RELEASES = "release."
_RELEASED_MS = 86_400_000
_RELEASED_BAND = 0.10  # so far the price may move from where it was when a person released it
_TURNS = 10  # ticks in which every coin is looked at once


def on_doubtful(state: State, event: InstrumentsLoaded) -> None:
    """What the configuration does not name is told once, and is on no board and in no trade."""
    for symbol, why in sorted(event.doubtful.items()):
        key = (event.venue, symbol)
        if key not in state.quarantined:
            text = f"{event.venue} {symbol} is not used: {why}"
            state.alert("unmapped", Severity.WARN, text, venue=event.venue, symbol=symbol)
        state.quarantined[key] = _UNMAPPED + why
        if not _is_under_way(state, key):
            state.market.instruments.pop(key, None)
    _group(state)
    for rules in event.instruments:
        if state.quarantined.get((rules.venue, rules.symbol), "").startswith(_UNMAPPED):
            del state.quarantined[rules.venue, rules.symbol]


def _is_under_way(state: State, key: tuple[str, str]) -> bool:
    """A trade that is open there still needs the rules, to end."""
    trades = state.live_trades.values()
    return any((leg.venue, leg.symbol) == key for trade in trades for leg in trade.plan.legs)


def _group(state: State) -> None:
    """Markets by what they trade."""
    grouped: dict[str, list[tuple[str, str]]] = {}
    for key in sorted(state.market.instruments):
        grouped.setdefault(state.market.instruments[key].base, []).append(key)
    state.doubts.markets = grouped


def look(state: State) -> None:
    """With each tick a tenth of the coins: every market against the median of the same asset elsewhere, in KRW."""
    doubts = state.doubts
    coins = list(doubts.markets)
    rates: dict[str, float] = {}
    for _ in range(-(-len(coins) // _TURNS)):
        doubts.turn = (doubts.turn + 1) % len(coins)
        coin = coins[doubts.turn]
        if doubts.asleep.get(coin) == state.market.changes:
            continue  # nothing came since: what was stale is
        prices = _prices(state, doubts.markets[coin], rates)
        if prices:
            _judge(state, coin, prices)
        else:
            doubts.asleep[coin] = state.market.changes


def _prices(state: State, keys: list[tuple[str, str]], rates: dict[str, float]) -> dict[tuple[str, str], float]:
    """KRW per coin at each market that may be looked at now."""
    found: dict[tuple[str, str], float] = {}
    for key in keys:
        if state.market.why_unusable(*key, state.now_ns):
            continue
        rules = state.market.instruments[key]
        if rules.quote not in rates:
            rates[rules.quote] = state.market.krw_per(rules.quote, state.now_ns, state.usdt_symbols)
        quote, rate = state.market.quote(*key), rates[rules.quote]
        if quote is not None and rate:
            found[key] = quote.mid / float(rules.price_per) * rate
    return found


def _judge(state: State, base: str, prices: dict[tuple[str, str], float]) -> None:
    if len({venue for venue, _ in prices}) < _LEAST_VENUES:
        return
    middle = median(list(prices.values()))
    for key in sorted(prices):
        off = prices[key] / middle - 1
        if key in state.quarantined:
            state.doubts.off[key] = off
        if key not in state.quarantined and abs(off) > _LIMIT and not _is_released(state, key, off):
            why = f"priced {off:+.1%} from {base} elsewhere"
            state.quarantined[key] = why
            state.market.changes += 1
            state.doubts.off[key] = off
            text = f"{key[0]} {key[1]} is in quarantine: {why}"
            numbers = {"off": f"{off:.4f}"}
            state.alert("quarantined", Severity.CRIT, text, venue=key[0], symbol=key[1], coin=base, numbers=numbers)
        elif key in state.quarantined:
            _calm(state, key, off)


def _is_released(state: State, key: tuple[str, str], off: float) -> bool:
    """A release ends by its time, and when the price goes another way than the one that a person has looked at."""
    held = state.doubts.released.get(key)
    if held is None:
        return False
    if state.wall_ms < held.until_ms and abs(off - held.off) <= _RELEASED_BAND:
        return True
    del state.doubts.released[key]
    return False


def release(state: State, event: Commanded, command: ReleaseMarket) -> Reply:
    """An owner's word that it is that asset after all: compared and traded again, for a day."""
    key = (command.venue, command.symbol)
    why = state.quarantined.get(key)
    if why is None:
        return _reply(event, "not_quarantined", f"{key[0]} {key[1]} is not in quarantine")
    if why.startswith(_UNMAPPED):
        text = f"{key[0]} {key[1]} has no mapping: only instruments.yaml can say which asset it is ({why})"
        return _reply(event, "unmapped", text)
    held = Release(until_ms=state.wall_ms + _RELEASED_MS, off=state.doubts.off.get(key, 0.0))
    state.doubts.released[key] = held
    del state.quarantined[key]
    state.market.changes += 1
    state.doubts.calm_since_ns.pop(key, None)
    name = f"{RELEASES}{key[0]}:{key[1]}"
    state.emit(
        StoreSetting(name=name, version=state.wall_ms, value=encode(held), actor=event.actor, wall_ms=state.wall_ms)
    )
    text = f"{key[0]} {key[1]} is used again by the word of {event.actor} ({command.evidence}), priced {held.off:+.1%}"
    numbers = {"off": f"{held.off:.4f}", "by": event.actor}
    state.alert("released", Severity.WARN, text, venue=key[0], symbol=key[1], numbers=numbers)
    return _reply(event, "", text)


def _reply(event: Commanded, rule: str, text: str) -> Reply:
    return Reply(request_id=event.request_id, ok=not rule, rule=rule, text=text, body=encode(None))


def recall(state: State, event: SettingStored) -> None:
    """Recovery: the newest word on each market. Raises msgspec.ValidationError on what this version cannot read."""
    venue, _, symbol = event.name.removeprefix(RELEASES).partition(":")
    state.doubts.released[venue, symbol] = msgspec.json.decode(event.value, type=Release)


def _calm(state: State, key: tuple[str, str], off: float) -> None:
    """Ten minutes near the others: it is that asset after all."""
    if abs(off) > _CALM:
        state.doubts.calm_since_ns.pop(key, None)
        return
    since_ns = state.doubts.calm_since_ns.setdefault(key, state.now_ns)
    if state.now_ns - since_ns >= _CALM_NS:
        del state.quarantined[key], state.doubts.calm_since_ns[key]
        state.market.changes += 1
        text = f"{key[0]} {key[1]} is used again: its price agrees with the others"
        state.alert("quarantined", Severity.INFO, text, venue=key[0], symbol=key[1])
