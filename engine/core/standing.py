"""How venues stand towards us: what coins may pass, which markets they warn of, what they ask of an order.

Changes are told; what was so at the start is on the boards.
"""

from decimal import Decimal

from engine.core.state import State
from engine.domain.effect import Severity
from engine.domain.event import InstrumentsLoaded, LoansReported, WalletsReported, WarningsReported
from engine.domain.market import Gate, Instrument, MarketWarning
from engine.domain.money import exact
from engine.market.wallets import Direction

_WAYS: tuple[Direction, ...] = ("deposit", "withdraw")
_FIGURES = ("qty_step", "min_qty", "min_notional", "maker_fee_bps", "taker_fee_bps", "contract_size")
_GRAVE = ("delisting", "suspended")


def on_wallets(state: State, event: WalletsReported) -> None:
    """A way that closed, or is open again, of a coin that is traded there."""
    wallets = state.market.wallets
    coins = sorted({rules.base for (venue, _), rules in state.market.instruments.items() if venue == event.venue})
    before = {(coin, way): wallets.gate(event.venue, coin, way).gate for coin in coins for way in _WAYS}
    wallets.take(event)
    if event.venue not in state.wanted.told_wallets:
        state.wanted.told_wallets.add(event.venue)
        return
    for (coin, way), was in before.items():
        now = wallets.gate(event.venue, coin, way)
        if now.gate is was or Gate.CLOSED not in (now.gate, was):
            continue
        is_closed = now.gate is Gate.CLOSED
        state.alert(
            "gate_closed" if is_closed else "gate_opened",
            Severity.WARN if is_closed else Severity.INFO,
            f"{event.venue}: {way}s of {coin} are {now.gate.value} now ({event.source})",
            venue=event.venue,
            symbol=coin,
            coin=coin,
            numbers={"way": way, "gate": now.gate.value},
        )


def on_loans(state: State, event: LoansReported) -> None:
    state.market.loans.take(event)


def on_warnings(state: State, event: WarningsReported) -> None:
    """A word against a market that was not there before, or one that was taken back."""
    wallets, venue = state.market.wallets, event.venue
    symbols = sorted({symbol for at, symbol in state.market.instruments if at == venue})
    before = {symbol: wallets.warnings(venue, symbol) for symbol in symbols}
    wallets.warn(event)
    is_first = venue not in state.wanted.told_warnings
    state.wanted.told_warnings.add(venue)
    for symbol in symbols:
        now = wallets.warnings(venue, symbol)
        for warning in now:
            # At a start only what stops trading is told: cautions stand on half of a Korean venue's markets.
            if warning not in before[symbol] and (not is_first or warning.kind in _GRAVE):
                _told(state, venue, warning, is_new=True)
        for warning in before[symbol]:
            if warning not in now:
                _told(state, venue, warning, is_new=False)


def _told(state: State, venue: str, warning: MarketWarning, *, is_new: bool) -> None:
    coin = state.market.instruments[venue, warning.symbol].base
    text = f"{venue} {warning.symbol}: {warning.kind} {warning.text}"
    numbers = {"kind": warning.kind, "word": warning.text, "at_ms": str(warning.at_ms)}
    state.alert(
        "market_warning" if is_new else "warning_over",
        Severity.WARN if is_new else Severity.INFO,
        text if is_new else f"{text} is over",
        venue=venue,
        symbol=warning.symbol,
        coin=coin,
        numbers=numbers,
    )


def tell_changes(state: State, event: InstrumentsLoaded) -> None:
    """Before new rules are taken: what is different from those in force."""
    for rules in event.instruments:
        known = state.market.instruments.get((rules.venue, rules.symbol))
        if known is None:
            continue
        changed = _changes(known, rules)
        if changed:
            text = f"{rules.venue} {rules.symbol}: " + ", ".join(f"{name} {said}" for name, said in changed.items())
            state.alert(
                "rules_changed",
                Severity.INFO,
                text,
                venue=rules.venue,
                symbol=rules.symbol,
                coin=rules.base,
                numbers=changed,
            )


def _changes(before: Instrument, after: Instrument) -> dict[str, str]:
    """Figure -> `old → new`."""
    changed = {
        name: f"{getattr(before, name):f} → {getattr(after, name):f}"
        for name in _FIGURES
        if getattr(before, name) != getattr(after, name)
    }
    if before.ticks != after.ticks:
        old, new = ({band.from_price: band.tick for band in rules.ticks} for rules in (before, after))
        moved = [price for price in sorted({*old, *new}) if old.get(price) != new.get(price)]
        said = (f"≥ {price:f}: {_tick(old, price)} → {_tick(new, price)}" for price in moved[:3])
        changed["tick"] = "; ".join(said)
    return changed


def _tick(bands: dict[Decimal, Decimal], price: Decimal) -> str:
    return f"{bands[price]:f}" if price in bands else "–"


def look(state: State) -> None:
    """Once a second: a traded market whose price went into another band of ticks has its rules read again."""
    for (venue, symbol), rules in state.market.instruments.items():
        if len(rules.ticks) < 2 or not state.venues[venue].settings.trades:
            continue
        quote = state.market.quote(venue, symbol)
        known_at, known = state.wanted.bands.get((venue, symbol), (0.0, None))
        if quote is None or quote.bid == known_at:
            continue
        price = exact(quote.bid)
        band = max((band.from_price for band in rules.ticks if band.from_price <= price), default=Decimal(0))
        state.wanted.bands[venue, symbol] = (quote.bid, band)
        if known is not None and known != band:
            state.wanted.ask(venue, state.now_ns, f"{symbol} went from the tick band of {known:f} to {band:f}")
