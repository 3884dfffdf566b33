"""A venue's clock beside ours, from when a question left, when its answer came, and what time it named."""

from collections import deque
from email.utils import parsedate_to_datetime

from msgspec import Struct

_KEPT = 64
_WAYS = 8
_DRIFT_PPM = 100  # how far two clocks may run apart: old samples fade
_MS_PER_S = 1_000


class ClockOffset(Struct, frozen=True):
    """Venue minus ours."""

    offset_ms: float
    uncertainty_ms: float  # the true offset lies within ± so much, if the venue's clock tells the truth
    age_ms: float  # since the newest sample
    samples: int


class Clock:
    """Each sample bounds the offset from both sides; what all of them allow is the best of them or better. No I/O."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float, float]] = deque(maxlen=_KEPT)  # our time, least, most
        self._ways: deque[float] = deque(maxlen=_WAYS)  # round trips of the newest samples

    def sample(self, sent_ms: float, received_ms: float, venue_ms: float, grain_ms: float = 1.0) -> None:
        """The venue's clock stood in [venue_ms, venue_ms + grain_ms) at some moment between the two of our wall clock.

        With a grain of 1 ms the uncertainty of one sample is half of the round trip and half a millisecond.
        """
        if received_ms >= sent_ms:  # else our own clock was set back meanwhile
            self._samples.append((received_ms, venue_ms - received_ms, venue_ms + grain_ms - sent_ms))
            self._ways.append(received_ms - sent_ms)

    def sample_date(self, sent_ms: float, received_ms: float, date: str) -> None:
        """An HTTP Date header, cut to the second. Nonsense is no sample."""
        try:
            venue_ms = parsedate_to_datetime(date).timestamp() * _MS_PER_S
        except ValueError:
            return
        self.sample(sent_ms, received_ms, venue_ms, _MS_PER_S)

    def wait_ms(self, now_ms: float) -> float:
        """How long to wait before asking for a Date again, so that its answer halves what is not known: 0 to 1,000.

        The question is to arrive when the venue's clock, by our middle guess, turns to a whole second: whether it has
        turned tells on which side of the guess it stands, as far as the half of a round trip allows.
        """
        found = self.offset(now_ms)
        if found is None:
            return 0.0
        arrives_ms = now_ms + min(self._ways) / 2 + found.offset_ms
        return -arrives_ms % _MS_PER_S

    def offset(self, now_ms: float) -> ClockOffset | None:
        """None before the first sample. A sample that contradicts newer ones (a clock was set) ends the look back."""
        if not self._samples:
            return None
        least, most, count = float("-inf"), float("inf"), 0
        for at_ms, low, high in reversed(self._samples):
            drift_ms = max(0.0, now_ms - at_ms) * _DRIFT_PPM / 1e6
            low, high = max(least, low - drift_ms), min(most, high + drift_ms)
            if low > high:
                break
            least, most, count = low, high, count + 1
        return ClockOffset((least + most) / 2, (most - least) / 2, max(0.0, now_ms - self._samples[-1][0]), count)
