"""What a bot may send before it is told to wait. No clock: the time is an argument."""

import math
from collections import deque

from msgspec import Struct

from sandbox.telegram.failures import too_many_requests
from sandbox.telegram.settings import NS_PER_S, Budget

MINUTE_NS = 60 * NS_PER_S


class _Spent(Struct):
    tokens: float
    filled_ns: int
    recent_ns: deque[int]  # of the last minute
    closed_until_ns: int = 0


class Spending:
    """Messages and edits of one bot: a token bucket and a minute's window per chat, a second's window overall."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._chats: dict[int, _Spent] = {}
        self._overall_ns: deque[int] = deque()

    def spend(self, chat_id: int, messages: int, now_ns: int) -> None:
        """Raises ApiError 429; nothing is spent then, and the chat stays closed until retry_after is over.

        An album may take the bucket below zero: it is one request.
        """
        chat = self._chats.setdefault(chat_id, _Spent(float(self._budget.burst), now_ns, deque()))
        self._refill(chat, now_ns)
        wait_ns = max(
            chat.closed_until_ns - now_ns,
            self._bucket_wait(chat),
            _window_wait(chat.recent_ns, MINUTE_NS, self._budget.per_chat_per_min, now_ns),
            _window_wait(self._overall_ns, NS_PER_S, self._budget.overall_per_s, now_ns),
        )
        if wait_ns > 0:
            retry_after_s = math.ceil(wait_ns / NS_PER_S)
            if now_ns >= chat.closed_until_ns:
                retry_after_s += self._budget.penalty_s
                chat.closed_until_ns = now_ns + retry_after_s * NS_PER_S
            raise too_many_requests(retry_after_s)
        chat.tokens -= messages
        chat.recent_ns.extend([now_ns] * messages)
        self._overall_ns.extend([now_ns] * messages)

    def _refill(self, chat: _Spent, now_ns: int) -> None:
        gained = (now_ns - chat.filled_ns) / NS_PER_S * self._budget.per_chat_per_s
        chat.tokens = min(float(self._budget.burst), chat.tokens + gained)
        chat.filled_ns = now_ns

    def _bucket_wait(self, chat: _Spent) -> int:
        return 0 if chat.tokens >= 1 else int((1 - chat.tokens) / self._budget.per_chat_per_s * NS_PER_S)


def _window_wait(times_ns: deque[int], window_ns: int, most: int, now_ns: int) -> int:
    while times_ns and times_ns[0] <= now_ns - window_ns:
        times_ns.popleft()
    return 0 if len(times_ns) < most else times_ns[len(times_ns) - most] + window_ns - now_ns
