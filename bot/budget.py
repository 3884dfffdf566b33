"""How much one chat may receive. Telegram counts edits too, publishes no exact limit and names a pause when hurt."""

from collections import deque

from bot.outbox import Priority

_MINUTE_MS = 60_000
_PER_MS = 1 / 1000  # about one message per second in one chat, short bursts tolerated
# Which share of a minute each priority may find used before it has to wait: a busy card leaves room for what matters,
# and two of twenty are kept for what is critical. Beyond the whole minute a critical message is tried all the same:
# Telegram's own count may be kinder than ours, and its refusal says when.
_SHARE = {
    Priority.CRITICAL: 1.5,
    Priority.REPLY: 0.9,
    Priority.FILL: 0.9,
    Priority.CARD: 0.8,
    Priority.REPORT: 0.8,
    Priority.EDIT: 0.4,
}
_DEBT = 3.0  # how far critical messages may overdraw the burst


class Budget:
    """One chat: a bucket for bursts, a sliding minute, and Telegram's own retry_after. Times in ms of any one clock."""

    def __init__(self, per_minute: int, burst: int, now_ms: int) -> None:
        self._per_minute = per_minute
        self._burst = float(burst)
        self._tokens = float(burst)
        self._filled_ms = now_ms
        self._recent_ms: deque[int] = deque()
        self._closed_until_ms = 0

    def wait_ms(self, priority: Priority, now_ms: int) -> int:
        """0 when a message of this priority may leave now, else how long until it may."""
        self._refill(now_ms)
        needed = 1.0 - _DEBT if priority is Priority.CRITICAL else 1.0
        lacking = needed - self._tokens
        bucket_ms = int(lacking / _PER_MS) + 1 if lacking > 1e-9 else 0
        return max(bucket_ms, self._window_ms(priority, now_ms), self._closed_until_ms - now_ms, 0)

    def _refill(self, now_ms: int) -> None:
        self._tokens = min(self._burst, self._tokens + max(0, now_ms - self._filled_ms) * _PER_MS)
        self._filled_ms = now_ms

    def _window_ms(self, priority: Priority, now_ms: int) -> int:
        while self._recent_ms and self._recent_ms[0] <= now_ms - _MINUTE_MS:
            self._recent_ms.popleft()
        most = max(1, int(self._per_minute * _SHARE[priority]))
        used = len(self._recent_ms)
        return 0 if used < most else self._recent_ms[used - most] + _MINUTE_MS - now_ms

    def spend(self, now_ms: int) -> None:
        self._refill(now_ms)
        self._tokens -= 1
        self._recent_ms.append(now_ms)

    def pause(self, seconds: float, now_ms: int) -> None:
        """Nothing leaves for this chat until then, not even what is critical: it would only lengthen the wait."""
        self._closed_until_ms = max(self._closed_until_ms, now_ms + int(seconds * 1000) + 50)
