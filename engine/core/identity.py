"""Markets whose asset is not certain: unmapped, or priced far from where everybody else sees that asset."""

from engine.core.state import State
from engine.domain.effect import Severity
from engine.domain.event import InstrumentsLoaded
from engine.domain.money import NS_PER_S
from engine.market.walk import median

_LIMIT = 0.20  # implied premium against the median of the other venues
_CALM = 0.15  # and so far inside it may come back
_CALM_NS = 600 * NS_PER_S
_LEAST_VENUES = 3  # with two, nobody can tell which of them is wrong
_UNMAPPED = "unmapped: "


def on_doubtful(state: State, event: InstrumentsLoaded) -> None:
    """What the configuration does not name is told once, and is on no board and in no trade."""
    for symbol, why in sorted(event.doubtful.items()):
        key = (event.venue, symbol)
        if key not in state.quarantined:
            text = f"{event.venue} {symbol} is not used: {why}"
            state.alert("unmapped", Severity.WARN, text, venue=event.venue, symbol=symbol)
        state.quarantined[key] = _UNMAPPED + why
        state.market.instruments.pop(key, None)
    for rules in event.instruments:
        if state.quarantined.get((rules.venue, rules.symbol), "").startswith(_UNMAPPED):
            del state.quarantined[rules.venue, rules.symbol]


def look(state: State) -> None:
    """Once a second: every market against the median of the same asset elsewhere, in KRW."""
    prices: dict[str, dict[tuple[str, str], float]] = {}
    rates = {
        quote: state.market.krw_per(quote, state.now_ns, state.usdt_symbols)
        for quote in sorted({rules.quote for rules in state.market.instruments.values()})
    }
    for key, rules in state.market.instruments.items():
        quote = state.market.quote(*key)
        rate = rates[rules.quote]
        if quote is not None and rate and not state.market.why_unusable(*key, state.now_ns):
            prices.setdefault(rules.base, {})[key] = quote.mid / float(rules.price_per) * rate
    for base in sorted(prices):
        _judge(state, base, prices[base])


def _judge(state: State, base: str, prices: dict[tuple[str, str], float]) -> None:
    if len({venue for venue, _ in prices}) < _LEAST_VENUES:
        return
    middle = median(list(prices.values()))
    for key in sorted(prices):
        off = prices[key] / middle - 1
        if key not in state.quarantined and abs(off) > _LIMIT:
            why = f"priced {off:+.1%} from {base} elsewhere"
            state.quarantined[key] = why
            text = f"{key[0]} {key[1]} is in quarantine: {why}"
            numbers = {"off": f"{off:.4f}"}
            state.alert("quarantined", Severity.CRIT, text, venue=key[0], symbol=key[1], numbers=numbers)
        elif key in state.quarantined:
            _calm(state, key, off)


def _calm(state: State, key: tuple[str, str], off: float) -> None:
    """Ten minutes near the others: it is that asset after all."""
    if abs(off) > _CALM:
        state.calm_since_ns.pop(key, None)
        return
    since_ns = state.calm_since_ns.setdefault(key, state.now_ns)
    if state.now_ns - since_ns >= _CALM_NS:
        del state.quarantined[key], state.calm_since_ns[key]
        text = f"{key[0]} {key[1]} is used again: its price agrees with the others"
        state.alert("quarantined", Severity.INFO, text, venue=key[0], symbol=key[1])
