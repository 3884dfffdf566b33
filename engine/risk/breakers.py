"""Circuit breakers: one CLOSED / OPEN / HALF_OPEN implementation, five named ones (requirements C5, R110, R116-R121).

Time is an argument. OPEN lets nothing pass until its cool-down is over; HALF_OPEN lets one canary trade pass, whose
outcome closes the breaker or opens it again.
"""

from collections import deque
from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum

from engine.domain.money import BPS, NS_PER_S, ZERO
from engine.domain.past import BreakerPast, BreakersPast
from engine.domain.view import PnlView


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """What trips it is its owner's business; this is what follows. Deterministic."""

    def __init__(self, name: str, cooldown_s: int) -> None:
        self.name = name
        self.reason = ""  # of the newest trip, with its numbers
        self._cooldown_ns = cooldown_s * NS_PER_S
        self._opened_ns: int | None = None
        self._canary = ""  # the trade that HALF_OPEN let pass

    def state(self, now_ns: int) -> BreakerState:
        if self._opened_ns is None:
            return BreakerState.CLOSED
        is_over = now_ns - self._opened_ns >= self._cooldown_ns
        return BreakerState.HALF_OPEN if is_over else BreakerState.OPEN

    def why_not(self, now_ns: int) -> str:
        """ "" when a new trade may pass, else the reason. HALF_OPEN passes while no canary is under way."""
        state = self.state(now_ns)
        if state is BreakerState.CLOSED or (state is BreakerState.HALF_OPEN and not self._canary):
            return ""
        if state is BreakerState.HALF_OPEN:
            return f"half open: trade {self._canary} is the canary ({self.reason})"
        return f"open for {self.left_s(now_ns)} s more ({self.reason})"

    def left_s(self, now_ns: int) -> int:
        """Whole seconds until HALF_OPEN, rounded up; 0 when not open."""
        if self._opened_ns is None:
            return 0
        return max(0, -(-(self._opened_ns + self._cooldown_ns - now_ns) // NS_PER_S))

    def trip(self, now_ns: int, reason: str) -> None:
        """Open, or start the cool-down anew."""
        self._opened_ns, self.reason, self._canary = now_ns, reason, ""

    def pass_trade(self, trade_id: str, now_ns: int) -> None:
        """A new trade was let pass: under HALF_OPEN it is the canary."""
        if self.state(now_ns) is BreakerState.HALF_OPEN and not self._canary:
            self._canary = trade_id

    def judge(self, trade_id: str, is_good: bool, now_ns: int) -> bool:
        """The canary's outcome closes the breaker or opens it again; True when it closed. Other trades say nothing."""
        if not self._canary or trade_id != self._canary:
            return False
        if not is_good:
            self.trip(now_ns, f"canary {trade_id} failed; before: {self.reason.removeprefix('canary ')[:120]}")
            return False
        self._opened_ns, self.reason, self._canary = None, "", ""
        return True

    def past(self, wall_ms: Callable[[int], int]) -> BreakerPast:
        """How it stands; `wall_ms` makes wall clock of our monotonic times."""
        opened_ms = None if self._opened_ns is None else wall_ms(self._opened_ns)
        return BreakerPast(opened_ms=opened_ms, reason=self.reason, canary=self._canary)

    def stand_at(self, past: BreakerPast, at_ns: Callable[[int], int]) -> None:
        self._opened_ns = None if past.opened_ms is None else at_ns(past.opened_ms)
        self.reason, self._canary = past.reason, past.canary

    def forget_canary(self, trade_id: str) -> None:
        """The canary ended without an outcome (nothing was filled): the next trade may be one."""
        if trade_id == self._canary:
            self._canary = ""


class Breakers:
    """The named ones. Each `note_` returns the names of those that it tripped, for an alert."""

    LOSS_RATE = Decimal("0.05")
    LOSS_RATE_WINDOW_NS = 300 * NS_PER_S
    FAILURES_IN_A_ROW = 5
    FAILURES_IN_WINDOW = 10
    FAILURE_WINDOW_NS = 300 * NS_PER_S
    LOSSES_IN_A_ROW = 10
    SLIPPAGE = 10 * BPS
    SLIPPAGE_TRADES = 10

    def __init__(self, cooldown_s: int = 300) -> None:
        self._cooldown_s = cooldown_s
        self.loss_rate = Breaker("loss_rate", cooldown_s)
        self.failure_window = Breaker("failure_window", cooldown_s)
        self.loss_streak = Breaker("loss_streak", 6 * cooldown_s)
        self.slippage = Breaker("slippage", cooldown_s)
        self._order_failures: dict[str, Breaker] = {}  # per venue
        self._failed_in_a_row: dict[str, int] = {}
        self._failed_ns: deque[int] = deque(maxlen=self.FAILURES_IN_WINDOW)
        self._results: deque[tuple[int, Decimal, Decimal]] = deque(maxlen=1_000)  # (when, net KRW, notional KRW)
        self._lost_in_a_row = 0
        self._slipped: deque[Decimal] = deque(maxlen=self.SLIPPAGE_TRADES)  # ratio of the notional, positive = lost

    def order_failures(self, venue: str) -> Breaker:
        """The venue's own breaker."""
        found = self._order_failures.get(venue)
        if found is None:
            found = self._order_failures[venue] = Breaker(f"order_failures:{venue}", self._cooldown_s)
        return found

    def note_order(self, venue: str, failed: bool, now_ns: int) -> list[str]:
        """An order ended: `failed` is a refusal or a lost answer, not an IOC that found no partner."""
        if not failed:
            self._failed_in_a_row[venue] = 0
            return []
        tripped = []
        in_a_row = self._failed_in_a_row[venue] = self._failed_in_a_row.get(venue, 0) + 1
        if in_a_row >= self.FAILURES_IN_A_ROW:
            self._failed_in_a_row[venue] = 0
            reason = f"{in_a_row} orders in a row failed at {venue}"
            tripped.append(self._trip(self.order_failures(venue), now_ns, reason))
        self._failed_ns.append(now_ns)
        if len(self._failed_ns) == self.FAILURES_IN_WINDOW and now_ns - self._failed_ns[0] <= self.FAILURE_WINDOW_NS:
            self._failed_ns.clear()
            reason = f"{self.FAILURES_IN_WINDOW} orders failed within 300 s"
            tripped.append(self._trip(self.failure_window, now_ns, reason))
        return tripped

    def note_trade(self, trade_id: str, result: PnlView, notional_krw: Decimal, now_ns: int) -> list[str]:
        """A trade ended with fills worth `notional_krw` on its larger leg. A good canary closes what was half open."""
        is_loss = result.net_krw < self._loss_line(result.expected_krw, notional_krw)
        for breaker in self._all().values():
            breaker.judge(trade_id, not is_loss, now_ns)
        self._lost_in_a_row = self._lost_in_a_row + 1 if is_loss else 0
        if notional_krw > 0:
            self._results.append((now_ns, result.net_krw, notional_krw))
            self._slipped.append(result.slippage_krw / notional_krw)
        tripped = (self._judge_losses(now_ns), self._judge_streak(now_ns), self._judge_slippage(now_ns))
        return [name for name in tripped if name]

    def _loss_line(self, expected_krw: Decimal, notional_krw: Decimal) -> Decimal:
        """Below it a result is a loss. A step that was planned to cost its fees loses only when it costs 10 bp more."""
        return ZERO if expected_krw >= 0 else expected_krw - self.SLIPPAGE * notional_krw

    def _judge_losses(self, now_ns: int) -> str:
        while self._results and now_ns - self._results[0][0] > self.LOSS_RATE_WINDOW_NS:
            self._results.popleft()
        lost = -sum((net for _, net, _ in self._results), ZERO)
        traded = sum((notional for _, _, notional in self._results), ZERO)
        if traded == 0 or lost < self.LOSS_RATE * traded:
            return ""
        self._results.clear()
        return self._trip(self.loss_rate, now_ns, f"lost {lost:.0f} KRW of {traded:.0f} KRW traded within 300 s")

    def _judge_streak(self, now_ns: int) -> str:
        if self._lost_in_a_row < self.LOSSES_IN_A_ROW:
            return ""
        self._lost_in_a_row = 0
        return self._trip(self.loss_streak, now_ns, f"{self.LOSSES_IN_A_ROW} trades in a row lost")

    def _judge_slippage(self, now_ns: int) -> str:
        if len(self._slipped) < self.SLIPPAGE_TRADES:
            return ""
        average = sum(self._slipped, ZERO) / len(self._slipped)
        if average <= self.SLIPPAGE:
            return ""
        self._slipped.clear()
        text = f"fills were {average / BPS:.1f} bp worse than planned over {self.SLIPPAGE_TRADES} trades"
        return self._trip(self.slippage, now_ns, text)

    def note_unfilled(self, trade_id: str) -> None:
        """A trade ended without any fill: it proves nothing."""
        for breaker in self._all().values():
            breaker.forget_canary(trade_id)

    def pass_trade(self, trade_id: str, venues: tuple[str, ...], now_ns: int) -> None:
        """A new trade at these venues was let pass: it is the canary of what is half open on its way."""
        for breaker in self._on_the_way(venues):
            breaker.pass_trade(trade_id, now_ns)

    def why_not(self, venues: tuple[str, ...], now_ns: int) -> tuple[str, str]:
        """(name, reason) of the first breaker that stops a trade at these venues; ("", "") when none does."""
        for breaker in self._on_the_way(venues):
            reason = breaker.why_not(now_ns)
            if reason:
                return breaker.name, reason
        return "", ""

    def states(self, now_ns: int) -> dict[str, str]:
        """Name -> closed | open | half_open; a venue's breaker is named once it has had a failure."""
        return {name: breaker.state(now_ns).value for name, breaker in self._all().items()}

    def past(self, wall_ms: Callable[[int], int]) -> BreakersPast:
        """Everything that a later start must know."""
        return BreakersPast(
            named={name: breaker.past(wall_ms) for name, breaker in self._all().items()},
            failed_in_a_row=dict(self._failed_in_a_row),
            failed_ms=tuple(wall_ms(at_ns) for at_ns in self._failed_ns),
            results=tuple((wall_ms(at_ns), net, notional) for at_ns, net, notional in self._results),
            lost_in_a_row=self._lost_in_a_row,
            slipped=tuple(self._slipped),
        )

    def stand_at(self, past: BreakersPast, at_ns: Callable[[int], int]) -> None:
        """Take over what `past` told."""
        for name, one in past.named.items():
            kind, _, venue = name.partition(":")
            (self.order_failures(venue) if venue else self._all()[kind]).stand_at(one, at_ns)
        self._failed_in_a_row = dict(past.failed_in_a_row)
        self._failed_ns = deque((at_ns(ms) for ms in past.failed_ms), self._failed_ns.maxlen)
        results = ((at_ns(ms), net, notional) for ms, net, notional in past.results)
        self._results = deque(results, self._results.maxlen)
        self._lost_in_a_row = past.lost_in_a_row
        self._slipped = deque(past.slipped, self._slipped.maxlen)

    def _all(self) -> dict[str, Breaker]:
        named = [self.loss_rate, self.failure_window, self.loss_streak, self.slippage]
        return {breaker.name: breaker for breaker in (*named, *self._order_failures.values())}

    def _on_the_way(self, venues: tuple[str, ...]) -> list[Breaker]:
        named = [self.loss_rate, self.failure_window, self.loss_streak, self.slippage]
        return named + [self._order_failures[venue] for venue in venues if venue in self._order_failures]

    def _trip(self, breaker: Breaker, now_ns: int, reason: str) -> str:
        breaker.trip(now_ns, reason)
        return breaker.name
