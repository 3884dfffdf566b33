"""Open perpetuals for people's eyes: position, margin, liquidation, funding, and whose hedge it is."""

from decimal import Decimal

from engine.core import collateral
from engine.core.state import State
from engine.core.venue_state import VenueState
from engine.domain.money import NS_PER_MS, ZERO
from engine.domain.view import PerpView
from engine.execution import trade as life
from engine.portfolio.ledger import funding_account
from engine.portfolio.positions import Open
from engine.risk.margin import ASSET


def open_ones(state: State) -> list[PerpView]:
    """Every position that the ledger or its venue knows, by venue and symbol."""
    made = []
    for name, held in sorted(state.venues.items()):
        if held.settings.leverage:
            known = state.ledger.positions(name)
            for symbol in sorted({*known, *held.account.positions}):
                made.append(_view(state, held, symbol, known.get(symbol)))
    return made


def _view(state: State, held: VenueState, symbol: str, ours: Open | None) -> PerpView:
    at, told = ours or Open(symbol, ASSET, ZERO, ZERO), held.account.positions.get(symbol)
    mark = collateral.mark(state.market, held.name, symbol, at) or (told.mark if told is not None else ZERO)
    rate = state.krw_rates.get(ASSET, ZERO)
    used = held.account.usage
    return PerpView(
        venue=held.name,
        symbol=symbol,
        base=at.base,
        quote=at.quote,
        qty=at.qty,
        entry=at.entry,
        mark=mark,
        worth_krw=abs(at.qty) * mark * rate,
        unrealised=at.qty * mark - at.cost,
        unrealised_krw=(at.qty * mark - at.cost) * rate,
        funding=-state.ledger.account(funding_account(held.name, symbol), ASSET),
        liquidation=told.liquidation if told is not None else None,
        margin_usage=used if used is not None else Decimal(1),
        leverage=held.settings.leverage,
        hedge_of=_owners(state, held.name, symbol),
        difference=(told.qty if told is not None else ZERO) - at.qty if held.account.seen_ns else ZERO,
        age_ms=(state.now_ns - held.account.seen_ns) // NS_PER_MS if held.account.seen_ns else -1,
    )


def _owners(state: State, venue: str, symbol: str) -> tuple[str, ...]:
    """Trades whose hedge stands there."""
    return tuple(
        trade_id
        for trade_id, trade in state.hedged.items()
        for index in life.standing(trade)
        if (trade.plan.leg(index).venue, trade.plan.leg(index).symbol) == (venue, symbol)
    )
