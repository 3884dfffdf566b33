"""Which symbols are late: a subscription that never delivered, or a pair that went quiet. Pure: time is an argument.

Silence is normal (a quiet pair sleeps for minutes and its book is still right), so silence is only a reason to look.
"""

from collections.abc import Iterable

from engine.domain.money import NS_PER_S

_SILENCE_FACTOR = 20  # times the pair's own mean interval
_SIBLING_NS = 5 * NS_PER_S  # another pair was heard within: the socket delivers, this pair does not
_ALONE_FACTOR = 3  # nobody was heard: the whole market may be asleep, look less often
_MOST_DOUBLINGS = 5
_WEIGHT = 0.1  # of the newest interval in the mean


class _Mark:
    __slots__ = ("asked_ns", "heard_ns", "mean_ns", "tries")

    def __init__(self, now_ns: int) -> None:
        self.heard_ns = 0  # 0: nothing since the subscribe
        self.asked_ns = now_ns  # subscribed, or looked at
        self.mean_ns = 0.0
        self.tries = 0  # subscribed again in vain


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
        mark.heard_ns, mark.tries = now_ns, 0

    def subscribed(self, symbol: str, now_ns: int) -> None:
        """Subscribed anew: it has the time of a first book again, its rhythm is kept.

        Each try in vain doubles that time: a symbol that the venue does not know must not keep the others waking.
        """
        mark = self._marks[symbol]
        mark.tries += not mark.heard_ns
        mark.heard_ns, mark.asked_ns = 0, now_ns

    def looked(self, symbol: str, now_ns: int) -> None:
        """The book was compared and is right: its silence counts from now."""
        self._marks[symbol].asked_ns = now_ns

    def heard_since(self, symbol: str, since_ns: int) -> bool:
        return self._marks[symbol].heard_ns > since_ns

    def undelivered(self, now_ns: int) -> list[str]:
        """Subscribed longer ago than a first book may take, and nothing came."""
        return [
            symbol
            for symbol, mark in self._marks.items()
            if not mark.heard_ns and now_ns - mark.asked_ns > self._first_book_ns << min(mark.tries, _MOST_DOUBLINGS)
        ]

    def silent(self, now_ns: int) -> list[str]:
        """Quiet for longer than their own rhythm explains: look at them over REST."""
        newest = max((mark.heard_ns for mark in self._marks.values()), default=0)
        factor = 1 if now_ns - newest <= _SIBLING_NS else _ALONE_FACTOR
        return [
            symbol
            for symbol, mark in self._marks.items()
            if mark.heard_ns
            and now_ns - max(mark.heard_ns, mark.asked_ns)
            > factor * max(self._silence_ns, _SILENCE_FACTOR * mark.mean_ns)
        ]
