"""KRW worth of what we hold, for limits and display. Recomputed once a second: limits do not need every tick."""

from decimal import Decimal

from engine.core import collateral
from engine.core.state import State
from engine.domain.money import ZERO, exact
from engine.risk.margin import ASSET


def refresh(state: State) -> None:
    """Equity and the conservative USD and BTC rates, from the newest books of any age."""
    usdt = state.market.krw_per("USDT", state.now_ns, state.usdt_symbols)
    if usdt:
        state.market.fx.take_tether(usdt, state.now_ns, state.wall_ms)
    fx = state.market.fx_view(state.now_ns)
    # A lower rate makes every limit that is given in USD tighter.
    known = [rate for rate in (usdt, fx.rate if fx.usable else 0.0) if rate > 0]
    state.usd_krw = exact(min(known)) if known else None
    if state.rates_of != (state.market.changes, usdt):
        state.rates_of = (state.market.changes, usdt)
        state.krw_rates = _krw_rates(state, exact(usdt))
        state.btc_krw = state.krw_rates.get("BTC", ZERO) or None
    state.equity_krw = equity(state)


def _krw_rates(state: State, usdt: Decimal) -> dict[str, Decimal]:
    found = {"KRW": Decimal(1), "USDT": usdt}
    for key in sorted(state.market.instruments):
        rules = state.market.instruments[key]
        if found.get(rules.base, ZERO):
            continue
        per_quote = found.get(rules.quote, ZERO)
        quote = state.market.quote(*key) if per_quote else None
        if quote is not None:
            found[rules.base] = exact(quote.bid) * per_quote
    return found


def equity(state: State) -> Decimal | None:
    """Ledger at the newest rates; None while a rate is missing of an asset that we trade and hold.

    An asset without any market here (a gift, a fee coin) counts as nothing: that only makes limits tighter.
    """
    traded = {rules.base for rules in state.market.instruments.values()}
    total = ZERO
    for venue in sorted(state.venues):
        for asset, amount in state.ledger.assets(venue).items():
            rate = state.krw_rates.get(asset, ZERO)
            if amount and not rate and (asset in traded or asset == "USDT"):
                return None
            total += amount * rate
        if state.config.venues[venue].leverage:
            total += collateral.unrealised(state.market, state.ledger, venue) * state.krw_rates.get(ASSET, ZERO)
    return total
