"""Budgets of calls, with a share only for urgent ones: a bucket that fills steadily, and a sliding window."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

_NS_PER_S = 1_000_000_000
_ROUNDING = 1e-9  # tokens: it must not turn into one more round of waiting


class TokenBucket:
    """`per_second` tokens flow in, up to `burst`. The last `reserved` tokens are for urgent calls (cancels, exits).

    Waiters are served in order; an urgent one does not queue behind the others.
    """

    def __init__(
        self,
        per_second: float,
        burst: float,
        clock_ns: Callable[[], int],
        reserved: float = 0.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if per_second <= 0 or burst < 1 or not 0 <= reserved <= burst - 1:
            raise ValueError(f"no such bucket: {per_second}/s, burst {burst}, reserved {reserved}")
        self._per_second = per_second
        self._burst = burst
        self._reserved = reserved
        self._clock_ns = clock_ns
        self._sleep = sleep
        self._tokens = float(burst)
        self._filled_ns = clock_ns()
        self._blocked_until_ns = 0
        self._calm_until_ns = 0
        self._turn = asyncio.Lock()
        self._urgent_turn = asyncio.Lock()

    def _fill(self) -> None:
        now_ns = self._clock_ns()
        self._tokens = min(self._burst, self._tokens + (now_ns - self._filled_ns) * self._per_second / _NS_PER_S)
        self._filled_ns = now_ns

    def wait_s(self, tokens: float = 1.0, *, urgent: bool = False) -> float:
        """How long until `tokens` are there for this kind of call; 0.0 means now."""
        self._fill()
        missing = tokens + (0.0 if urgent else self._reserved) - self._tokens
        until_ns = self._blocked_until_ns if urgent else max(self._blocked_until_ns, self._calm_until_ns)
        blocked_s = max(0, until_ns - self._filled_ns) / _NS_PER_S
        return max(blocked_s, 0.0 if missing <= _ROUNDING else self._flows_in_s(missing))

    def _flows_in_s(self, missing: float) -> float:
        return missing / self._per_second

    def _spend(self, tokens: float) -> None:
        self._tokens -= tokens

    def try_take(self, tokens: float = 1.0, *, urgent: bool = False) -> bool:
        """Take without waiting; False when the budget is empty."""
        self._fill()
        until_ns = self._blocked_until_ns if urgent else max(self._blocked_until_ns, self._calm_until_ns)
        missing = tokens + (0.0 if urgent else self._reserved) - self._tokens
        if missing > _ROUNDING or until_ns > self._filled_ns:
            return False
        self._spend(tokens)
        return True

    def owe(self, tokens: float) -> None:
        """Spend what need not be there yet: whoever comes next waits until enough came back."""
        self._fill()
        self._spend(tokens)

    async def take(self, tokens: float = 1.0, *, urgent: bool = False) -> None:
        """Take, waiting as long as it needs."""
        if tokens + (0.0 if urgent else self._reserved) > self._burst:
            raise ValueError(f"{tokens} tokens never fit a burst of {self._burst}")
        async with self._urgent_turn if urgent else self._turn:
            while (wait_s := self.wait_s(tokens, urgent=urgent)) > 0.0:
                await self._sleep(wait_s)
            self._spend(tokens)

    def block(self, seconds: float) -> None:
        """The venue said `too many`: nothing leaves for so long, urgent or not."""
        self._fill()
        self._blocked_until_ns = max(self._blocked_until_ns, self._filled_ns + int(seconds * _NS_PER_S))

    def calm(self, seconds: float) -> None:
        """The venue says that it is nearly too many: only urgent calls leave for so long."""
        self._fill()
        self._calm_until_ns = max(self._calm_until_ns, self._filled_ns + int(seconds * _NS_PER_S))


class SlidingWindow(TokenBucket):
    """At most `most` tokens in any `period_s`: each comes back that long after it was spent.

    Venues count calls in windows. A bucket that has rested lets its burst go and its flow beside it: twice the limit.
    """

    def __init__(
        self,
        most: float,
        period_s: float,
        clock_ns: Callable[[], int],
        reserved: float = 0.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(most / period_s, most, clock_ns, reserved, sleep)
        self._period_ns = round(period_s * _NS_PER_S)
        self._spent: deque[tuple[int, float]] = deque()  # (comes back at, tokens), oldest first

    def _fill(self) -> None:
        now_ns = self._clock_ns()
        self._filled_ns = now_ns
        while self._spent and self._spent[0][0] <= now_ns:
            self._tokens += self._spent.popleft()[1]
        if not self._spent:
            self._tokens = self._burst  # sums of fractions drift

    def _flows_in_s(self, missing: float) -> float:
        for back_ns, tokens in self._spent:
            missing -= tokens
            if missing <= _ROUNDING:
                return (back_ns - self._filled_ns) / _NS_PER_S
        return self._period_ns / _NS_PER_S  # more than there ever is

    def _spend(self, tokens: float) -> None:
        super()._spend(tokens)
        self._spent.append((self._filled_ns + self._period_ns, tokens))
