"""Which symbols are late: a subscription that never delivered, or a pair that went quiet. Pure: time is an argument.

Silence is normal (a quiet pair sleeps for minutes and its book is still right), so silence is only a reason to look.
How long it is believed: by the pair's own rhythm, its siblings on the same socket, and its trades, each of which must
change the book.
"""

from collections.abc import Callable, Iterable

from engine.domain.money import NS_PER_MS, NS_PER_S

_SILENCE_FACTOR = 20  # times the pair's own mean interval
_SIBLING_NS = 5 * NS_PER_S  # another pair was heard within: the socket delivers, this pair does not
_ALONE_FACTOR = 3  # nobody was heard: the whole market may be asleep, look less often
_LIQUID_NS = 250 * NS_PER_MS  # a mean interval up to this: never believed for longer than 3 s
_LIQUID_FLOOR_NS = 1_500 * NS_PER_MS
_LIQUID_MOST_NS = 3 * NS_PER_S
_SEEN_OFTEN = 10  # intervals: before, the mean says little
_TRADED_NS = 1 * NS_PER_S  # a trade, and the book said nothing of it for so long
_OUTSIDE_NS = 500 * NS_PER_MS  # a trade beyond the book's own top
_MOST_DOUBLINGS = 5
_WEIGHT = 0.1  # of the newest interval in the mean


class _Mark:
    __slots__ = ("asked_ns", "heard_ns", "heard_often", "mean_ns", "price", "traded_ns", "tries", "untold_ns")

    def __init__(self, now_ns: int) -> None:
        self.heard_ns = 0  # 0: nothing since the subscribe
        self.asked_ns = now_ns  # subscribed, or looked at
        self.mean_ns = 0.0
        self.heard_often = 0
        self.tries = 0  # subscribed again in vain
        self.traded_ns = 0  # the last trade
        self.untold_ns = 0  # the first trade since the last word of the book; 0: none
        self.price = 0.0  # of the last trade


class Watch:
    """Arrival times of the books of one connection."""

    def __init__(self, symbols: Iterable[str], first_book_ns: int, silence_ns: int = 5 * NS_PER_S) -> None:
        self._symbols = tuple(symbols)
        self._first_book_ns = first_book_ns
        self._silence_ns = silence_ns  # never doubt a pair sooner
        self._marks: dict[str, _Mark] = {}

    def start(self, now_ns: int) -> None:
        """A new connection: everything is subscribed now."""
        self._marks = {symbol: _Mark(now_ns) for symbol in self._symbols}

    def hear(self, symbol: str, now_ns: int) -> None:
        mark = self._marks.get(symbol)
        if mark is None:
            return
        if mark.heard_ns:
            mark.mean_ns += _WEIGHT * (now_ns - mark.heard_ns - mark.mean_ns)
            if mark.heard_often < _SEEN_OFTEN:
                mark.heard_often += 1
        mark.heard_ns = now_ns
        mark.tries = mark.untold_ns = 0

    def trade(self, symbol: str, price: float, now_ns: int) -> None:
        """A trade, or a ticker's last price: a book that follows says something of it at once."""
        mark = self._marks.get(symbol)
        if mark is None:
            return
        mark.traded_ns, mark.price = now_ns, price
        mark.untold_ns = mark.untold_ns or now_ns

    def age_ns(self, symbol: str, channel: str, now_ns: int) -> int | None:
        """Since the last word of `book` or `trade` of this connection; None where nothing came."""
        mark = self._marks.get(symbol)
        last_ns = 0 if mark is None else mark.heard_ns if channel == "book" else mark.traded_ns
        return now_ns - last_ns if last_ns else None

    def subscribed(self, symbol: str, now_ns: int) -> None:
        """Subscribed anew: it has the time of a first book again, its rhythm is kept.

        Each try in vain doubles that time: a symbol that the venue does not know must not keep the others waking.
        """
        mark = self._marks[symbol]
        mark.tries += not mark.heard_ns
        mark.heard_ns, mark.asked_ns = 0, now_ns

    def looked(self, symbol: str, now_ns: int) -> None:
        """The book was compared and is right: its silence counts from now."""
        self._marks[symbol].asked_ns, self._marks[symbol].untold_ns = now_ns, 0

    def heard_since(self, symbol: str, since_ns: int) -> bool:
        return self._marks[symbol].heard_ns > since_ns

    def undelivered(self, now_ns: int) -> list[str]:
        """Subscribed longer ago than a first book may take, and nothing came."""
        return [
            symbol
            for symbol, mark in self._marks.items()
            if not mark.heard_ns and now_ns - mark.asked_ns > self._first_book_ns << min(mark.tries, _MOST_DOUBLINGS)
        ]

    def silent(self, now_ns: int, top_of: Callable[[str], tuple[float, float] | None] | None = None) -> list[str]:
        """Quiet for longer than their own rhythm or their trades explain: look at them over REST."""
        newest = max((mark.heard_ns for mark in self._marks.values()), default=0)
        factor = 1 if now_ns - newest <= _SIBLING_NS else _ALONE_FACTOR
        return [
            symbol
            for symbol, mark in self._marks.items()
            if mark.heard_ns
            and (
                now_ns - max(mark.heard_ns, mark.asked_ns) > factor * self._believed_ns(mark)
                or (mark.untold_ns and _contradicts(mark, now_ns, top_of(symbol) if top_of else None))
            )
        ]

    def _believed_ns(self, mark: _Mark) -> float:
        rhythm_ns = _SILENCE_FACTOR * mark.mean_ns
        if mark.mean_ns <= _LIQUID_NS and mark.heard_often >= _SEEN_OFTEN:
            return min(self._silence_ns, _LIQUID_MOST_NS, max(_LIQUID_FLOOR_NS, rhythm_ns))
        return max(self._silence_ns, rhythm_ns)


def _contradicts(mark: _Mark, now_ns: int, top: tuple[float, float] | None) -> bool:
    """Trades came and the book did not: sooner where the trade lies outside of what the book calls its best prices."""
    is_outside = top is not None and not top[0] <= mark.price <= top[1]
    return now_ns - mark.untold_ns > (_OUTSIDE_NS if is_outside else _TRADED_NS)
