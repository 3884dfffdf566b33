"""What the venues charge who borrows a coin: the cost of selling what one does not hold."""

from engine.domain.board import LoanView
from engine.domain.event import LoansReported
from engine.domain.money import NS_PER_MS

_HOURS_A_YEAR = 24 * 365


class Loans:
    """What every venue last said. Written by the core alone."""

    def __init__(self) -> None:
        self._told: dict[str, LoansReported] = {}

    def take(self, event: LoansReported) -> None:
        self._told[event.venue] = event

    def views(self, coin: str, now_ns: int) -> tuple[LoanView, ...]:
        """Of one coin, or of all where it is "": the cheapest of each coin first."""
        found = [
            LoanView(
                venue=venue,
                coin=loan.asset,
                hourly=float(loan.hourly),
                annual=float(loan.hourly * _HOURS_A_YEAR),
                limit=None if loan.limit is None else float(loan.limit),
                source=told.source,
                age_ms=(now_ns - told.seen_ns) // NS_PER_MS,
            )
            for venue, told in self._told.items()
            for loan in told.loans
            if coin in ("", loan.asset)
        ]
        return tuple(sorted(found, key=lambda view: (view.coin, view.hourly, view.venue)))
