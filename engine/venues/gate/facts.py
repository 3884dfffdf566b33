"""Next settlement and interval of every contract by REST: the tickers do not name them."""

from collections.abc import Iterator

import msgspec
from msgspec import Struct, field

from engine.domain.event import PerpState
from engine.venues.facts import Facts
from engine.venues.gate.continuity import FUTURES

_S = 1_000


class _Contract(Struct):
    name: str
    next_s: int = field(name="funding_next_apply", default=0)
    interval_s: int = field(name="funding_interval", default=0)


_contracts = msgspec.json.Decoder(list[_Contract])


def _read(body: bytes, symbols: frozenset[str], seen_ns: int) -> Iterator[PerpState]:
    """GET /futures/usdt/contracts: whole without `limit`, both times in seconds."""
    for contract in _contracts.decode(body):
        if contract.name in symbols:
            yield PerpState(
                venue=FUTURES,
                symbol=contract.name,
                interval_ms=contract.interval_s * _S or None,
                next_funding_ms=contract.next_s * _S or None,
                seen_ns=seen_ns,
            )


FUTURES_FACTS = (Facts("/api/v4/futures/usdt/contracts", 60.0, _read),)
