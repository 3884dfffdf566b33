"""What a venue tells by REST alone: funding intervals, next settlements, turnover. Asked now and then."""

import asyncio
import logging
from collections.abc import Callable, Iterable

from msgspec import Struct

from engine.domain.errors import BadFrame, RateLimited, VenueRefused, VenueUnavailable
from engine.domain.event import DayTicker, PerpState
from engine.net.http import Http
from engine.venues.decoder import UNREADABLE
from engine.venues.protocol import Sink

log = logging.getLogger(__name__)

Told = Iterable[PerpState | DayTicker]
Read = Callable[[bytes, frozenset[str], int], Told]
_RETRY_S = 2.0
_MOST_RETRY_S = 60.0


class Facts(Struct, frozen=True):
    """One call. `read(body, symbols, seen_ns)` tells what it says of these symbols; raises MsgspecError."""

    path: str
    every_s: float
    read: Read


class FactPoll:
    """Asks for ever; what fails is asked again, each time after twice as long."""

    def __init__(
        self,
        venue: str,
        facts: Facts,
        rest_base: str,
        symbols: tuple[str, ...],
        http: Http,
        clock_ns: Callable[[], int],
    ) -> None:
        self.errors = 0
        self._venue = venue
        self._facts = facts
        self._url = rest_base + facts.path
        self._symbols = frozenset(symbols)
        self._http = http
        self._clock_ns = clock_ns

    async def run(self, sink: Sink) -> None:
        retry_s = _RETRY_S
        while True:
            wait_s = self._facts.every_s
            try:
                await self.ask(sink)
                retry_s = _RETRY_S
            except (VenueUnavailable, VenueRefused, BadFrame) as error:
                self.errors += 1
                log.warning("facts_failed venue=%s path=%s error=%s", self._venue, self._facts.path, error)
                wait_s = max(retry_s, error.retry_after_s if isinstance(error, RateLimited) else 0.0)
                retry_s = min(_MOST_RETRY_S, retry_s * 2)
            await asyncio.sleep(wait_s)

    async def ask(self, sink: Sink) -> None:
        """Once. Raises VenueUnavailable, VenueRefused or BadFrame (HTML where JSON belongs, a price that is none)."""
        body = await self._http.get(self._url)
        seen_ns = self._clock_ns()
        try:
            told = list(self._facts.read(body, self._symbols, seen_ns))
        except UNREADABLE as error:
            raise BadFrame(f"{self._venue} {self._facts.path}: {error}") from error
        for event in told:
            sink(event)
