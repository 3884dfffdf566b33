"""What Bybit tells of the past: candles and settlements, newest first, of one product."""

from collections.abc import Mapping

from sandbox.venues.candles import filled
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor
from sandbox.venues.past import MINUTE_MS, Past
from sandbox.venues.public import symbol_of
from sandbox.venues.settlements import Settlements
from sandbox.venues.spelling import plain

_INTERVALS = {each: int(each) for each in ("1", "3", "5", "15", "30", "60", "120", "240", "360", "720")} | {"D": 1_440}
_MOST_CANDLES, _MOST_RATES = 1_000, 200


class History:
    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._past = Past(floor)
        self._settled = Settlements(floor)

    def candles(self, query: Mapping[str, str]) -> list[list[str]]:
        """Rows of start, open, high, low, close, volume, turnover. With a start alone they begin there."""
        symbol = symbol_of(self._floor, query.get("symbol"))
        minutes = _INTERVALS.get(query.get("interval", ""))
        if minutes is None:
            raise Malformed("interval")
        limit = _limit(query, _MOST_CANDLES, 200)
        step_ms, now_ms = minutes * MINUTE_MS, self._floor.clock()
        end_ms = min(whole(query, "end", now_ms), now_ms) // step_ms * step_ms
        start_ms = end_ms - (limit - 1) * step_ms
        if "start" in query:
            asked_ms = -(-whole(query, "start", 0) // step_ms) * step_ms
            start_ms = max(asked_ms, start_ms) if "end" in query else asked_ms
            end_ms = min(end_ms, start_ms + (limit - 1) * step_ms)
        rows = filled(self._past, symbol, step_ms, start_ms, end_ms)
        return [
            [str(each.start_ms), *map(plain, (each.open, each.high, each.low, each.close, each.volume, each.funds))]
            for each in reversed(rows)
        ]

    def settlements(self, query: Mapping[str, str]) -> list[dict[str, str]]:
        """A start needs an end beside it."""
        symbol = symbol_of(self._floor, query.get("symbol"))
        if symbol not in self._floor.perps:
            raise Malformed("category")
        if "startTime" in query and "endTime" not in query:
            raise Malformed("endTime")
        limit, start_ms = _limit(query, _MOST_RATES, _MOST_RATES), whole(query, "startTime", 0)
        found = self._settled.newest(symbol, limit, start_ms, whole(query, "endTime", self._floor.clock()))
        return [
            {"symbol": symbol, "fundingRate": plain(each.rate), "fundingRateTimestamp": str(each.at_ms)}
            for each in found
        ]


def _limit(query: Mapping[str, str], most: int, default: int) -> int:
    limit = whole(query, "limit", default)
    if not 0 < limit <= most:
        raise Malformed("limit")
    return limit
