"""When a venue's own dead-man timer is set: while something of ours rests there, again at a third of its time.

The timer cancels whatever the account has open, ours or not. So it never runs where others have orders too.
"""

from msgspec import Struct

from engine.domain.money import NS_PER_S

_RETRY_NS = 2 * NS_PER_S
_STRIKES_S = 5  # the venue's own way from the end of its timer to the last cancel


class Countdown(Struct, kw_only=True):
    """One account's timer, as far as the venue's answers tell."""

    armed_s: int = 0  # as the venue last took it; 0: not running
    set_ns: int = 0  # when that was asked for
    asked_ns: int = 0
    is_asked: bool = False  # no answer yet
    failures: int = 0  # in a row
    reason: str = ""  # why it does not run although something of ours rests there
    told: bool = False  # a person knows of it

    def wish(self, rests: bool, foreign: int, limit_s: int, now_ns: int) -> int | None:
        """Seconds to set it to now, 0 to disarm; None: nothing to ask.

        `rests`: an order of ours may rest there · `foreign`: open orders of others · `limit_s`: the time configured.
        """
        self._run_out(now_ns)
        self.reason = self._why_not(rests, foreign)
        if self.is_asked or (self.failures and now_ns - self.asked_ns < _RETRY_NS):
            return None
        is_due = now_ns - self.set_ns >= limit_s * NS_PER_S // 3
        if rests and not foreign:
            return limit_s if self.armed_s != limit_s or is_due else None
        # Without orders of ours it goes on for a third of its time: the next one mostly comes sooner.
        return 0 if self.armed_s and (foreign or is_due) else None

    def ask(self, now_ns: int) -> None:
        self.asked_ns, self.is_asked = now_ns, True

    def answered(self, timeout_s: int, asked_ns: int, why: str) -> None:
        """`why`: the venue did not take it; what ran before still runs."""
        self.is_asked = False
        if why:
            self.failures += 1
            self.reason = why
            return
        self.failures, self.armed_s, self.set_ns = 0, timeout_s, asked_ns
        if timeout_s:
            self.reason = ""

    def left_ms(self, now_ns: int) -> int:
        """Until it strikes, unless it is set again; 0 where it does not run."""
        return max(0, self.armed_s * 1_000 - (now_ns - self.set_ns) // 1_000_000) if self.armed_s else 0

    def _run_out(self, now_ns: int) -> None:
        if self.armed_s and now_ns - self.set_ns > (self.armed_s + _STRIKES_S) * NS_PER_S:
            self.armed_s = 0

    def _why_not(self, rests: bool, foreign: int) -> str:
        if not rests:
            return ""
        if foreign:
            return f"{foreign} open orders there are not ours, and it would cancel them too"
        return self.reason if self.failures else ""
