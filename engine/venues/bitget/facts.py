"""Funding intervals by REST: the ticker names rate and next settlement, not how long the interval is."""

from collections.abc import Iterator

import msgspec
from msgspec import Struct, field

from engine.domain.event import PerpState
from engine.venues.bitget.continuity import FUTURES
from engine.venues.facts import Facts
from engine.venues.tickers import Said, number

_HOUR_MS = 3_600_000
_SUCCESS = "00000"


class _Contract(Struct):
    symbol: str
    hours: Said = field(name="fundInterval", default=None)


class _Answer(Struct):
    code: str
    data: list[_Contract] = []


_answer = msgspec.json.Decoder(_Answer)


def _read(body: bytes, symbols: frozenset[str], seen_ns: int) -> Iterator[PerpState]:
    """GET /api/v2/mix/market/contracts: hours as text, empty for dated contracts."""
    answer = _answer.decode(body)
    if answer.code != _SUCCESS:
        raise msgspec.ValidationError(f"code {answer.code}")
    for contract in answer.data:
        hours = number(contract.hours)
        if contract.symbol in symbols and hours:
            interval_ms = round(hours * _HOUR_MS)
            yield PerpState(venue=FUTURES, symbol=contract.symbol, interval_ms=interval_ms, seen_ns=seen_ns)


FUTURES_FACTS = (Facts("/api/v2/mix/market/contracts?productType=usdt-futures", 600.0, _read),)
