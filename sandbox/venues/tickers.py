"""What a venue knows about a symbol's day, and its last trades."""

from collections import deque
from decimal import Decimal

from sandbox.venues.ledger import ZERO
from sandbox.venues.orders import Print

KEPT = 2000


class Day:
    """Grows from the first trade; `trades` newest last, each with its venue-wide number."""

    def __init__(self) -> None:
        self.trades: deque[tuple[int, Print]] = deque(maxlen=KEPT)
        self.open = self.high = self.low = self.last = ZERO
        self.volume = ZERO
        self.funds = ZERO

    def add(self, number: int, trade: Print) -> None:
        if not self.trades:
            self.open = self.high = self.low = trade.price
        self.high = max(self.high, trade.price)
        self.low = min(self.low, trade.price)
        self.last = trade.price
        self.volume += trade.qty
        self.funds += trade.price * trade.qty
        self.trades.append((number, trade))

    @property
    def change(self) -> Decimal:
        return self.last - self.open

    @property
    def last_ms(self) -> int:
        return self.trades[-1][1].at_ms if self.trades else 0
