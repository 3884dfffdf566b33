"""A venue's clock from its HTTP Date headers, which tell whole seconds."""

from email.utils import parsedate_to_datetime

_DRIFT_MS = 20  # how far both bounds may widen per reading: clocks drift, so old readings must fade


class DateClock:
    """Narrows the offset (venue minus ours) from one reading to the next. Holds two integers, does no I/O."""

    def __init__(self) -> None:
        self._low_ms: int | None = None
        self._high_ms = 0

    def read(self, sent_ms: int, received_ms: int, date: str) -> int:
        """The venue's time now, ms UTC. `date` was written between the two moments of our wall clock.

        The header is cut to the second: the venue's clock stood in [date, date + 1 s) then, so one reading is good to
        half a second plus the round trip, and the overlap of many to about 0.2 s. Raises ValueError for a bad header.
        """
        date_ms = int(parsedate_to_datetime(date).timestamp() * 1000)
        low_ms, high_ms = date_ms - received_ms, date_ms + 1000 - sent_ms
        if self._low_ms is not None:
            kept_low_ms = max(low_ms, self._low_ms - _DRIFT_MS)
            kept_high_ms = min(high_ms, self._high_ms + _DRIFT_MS)
            if kept_low_ms <= kept_high_ms:  # else a clock was set: start again from this reading
                low_ms, high_ms = kept_low_ms, kept_high_ms
        self._low_ms, self._high_ms = low_ms, high_ms
        return received_ms + (low_ms + high_ms) // 2
