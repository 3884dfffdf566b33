"""What the open perpetuals of an account are worth, tie up and stand from being liquidated, at the marks of now."""

from decimal import Decimal

from engine.domain.money import ZERO, exact
from engine.market.view import Market
from engine.portfolio.ledger import Ledger
from engine.portfolio.positions import Open

MAINTENANCE = Decimal("0.005")  # of a position's worth, where the venue names nothing: the first bracket of all of them


def mark(market: Market, venue: str, symbol: str, held: Open) -> Decimal:
    """The venue's own mark, else the middle of its book, else what was paid."""
    told = market.perps.get((venue, symbol))
    if told is not None and told.mark:
        return exact(told.mark)
    quote = market.quote(venue, symbol)
    return exact(quote.mid) if quote is not None else held.entry


def notional(market: Market, ledger: Ledger, venue: str) -> Decimal:
    """Quote: all positions without their sign."""
    return sum(
        (abs(at.qty) * mark(market, venue, symbol, at) for symbol, at in ledger.positions(venue).items()),
        ZERO,
    )


def unrealised(market: Market, ledger: Ledger, venue: str) -> Decimal:
    """Quote: what closing everything at its mark would add to the wallet."""
    return sum(
        (at.qty * mark(market, venue, symbol, at) - at.cost for symbol, at in ledger.positions(venue).items()),
        ZERO,
    )


def tied(market: Market, ledger: Ledger, venue: str, leverage: int) -> Decimal:
    """Quote of the wallet that is no free margin: of open positions and of their losses. Gains are not counted on."""
    return notional(market, ledger, venue) / leverage - min(ZERO, unrealised(market, ledger, venue))


def usage(market: Market, ledger: Ledger, venue: str, asset: str, more: Decimal = ZERO) -> Decimal | None:
    """Maintenance margin as a share of equity (domain.md §7), with `more` notional; None: there is none."""
    needed = (notional(market, ledger, venue) + more) * MAINTENANCE
    equity = ledger.balance(venue, asset) + unrealised(market, ledger, venue)
    if not needed:
        return ZERO
    return needed / equity if equity > 0 else None
