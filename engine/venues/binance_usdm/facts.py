"""Funding intervals by REST: the mark price stream names the next settlement, not how long the interval is."""

from collections.abc import Iterator

import msgspec
from msgspec import Struct, field

from engine.domain.event import PerpState
from engine.venues.binance_usdm.feed import VENUE
from engine.venues.facts import Facts

_HOUR_MS = 3_600_000
_USUAL_HOURS = 8  # a contract that the list does not name


class _Row(Struct):
    symbol: str
    hours: int = field(name="fundingIntervalHours")


_rows = msgspec.json.Decoder(list[_Row])


def _read(body: bytes, symbols: frozenset[str], seen_ns: int) -> Iterator[PerpState]:
    """GET /fapi/v1/fundingInfo: the contracts whose interval or cap was ever changed."""
    hours = {row.symbol: row.hours for row in _rows.decode(body)}
    for symbol in sorted(symbols):
        interval_ms = hours.get(symbol, _USUAL_HOURS) * _HOUR_MS
        yield PerpState(venue=VENUE, symbol=symbol, interval_ms=interval_ms, seen_ns=seen_ns)


FACTS = (Facts("/fapi/v1/fundingInfo", 600.0, _read),)
