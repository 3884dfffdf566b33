"""A venue's clock, asked for: by its time endpoint where it has one, else by the Date of any answer."""

import asyncio
import logging

import msgspec
from msgspec import Struct

from engine.domain.errors import VenueRefused, VenueUnavailable
from engine.net.clock import Clock
from engine.net.http import Http
from engine.venues.decoder import UNREADABLE
from engine.venues.protocol import Sink
from engine.venues.tickers import number

log = logging.getLogger(__name__)

_FIRST = 4  # samples at start, close together
_FIRST_EVERY_S = 2.0
_EVERY_S = 30.0
_HALVINGS = 7  # questions at start where only a Date tells: each halves a second, down to the half of a round trip
_HALVED_MS = 25.0  # enough
_DATE_EVERY_S = 60.0
_LEAST_GAP_S = 0.3  # between two questions
_MIN_MS = 1_600_000_000_000  # 2020: less is no time


class TimeCall(Struct, frozen=True):
    """Where the answer says the venue's UTC in ms; no keys: its Date header has to do."""

    path: str
    keys: tuple[str | int, ...] = ()

    def read(self, body: bytes) -> float:
        """Raises ValidationError or DecodeError."""
        said = msgspec.json.decode(body)
        try:
            for key in self.keys:
                said = said[key]
        except (KeyError, IndexError, TypeError) as error:
            raise msgspec.ValidationError(f"no {self.keys} in it") from error
        return number(said if isinstance(said, str | int | float) else None) or 0.0


class ClockPoll:
    """Samples the clock for ever."""

    def __init__(self, venue: str, call: TimeCall, rest_base: str, http: Http, clock: Clock) -> None:
        self._venue = venue
        self._call = call
        self._url = rest_base + call.path
        self._http = http
        self._clock = clock

    async def run(self, sink: Sink) -> None:
        if not self._call.keys:
            await self._run_by_date()
        asked = 0
        while True:
            try:
                await self.ask()
            except (VenueUnavailable, VenueRefused) as error:
                log.warning("clock_failed venue=%s error=%s", self._venue, error)
            asked += 1
            await asyncio.sleep(_FIRST_EVERY_S if asked < _FIRST else _EVERY_S)

    async def _run_by_date(self) -> None:
        """Some questions close together, each at the moment at which its answer tells most; then one a minute."""
        asked = 0
        while True:
            try:
                await self.ask()
            except (VenueUnavailable, VenueRefused) as error:
                log.warning("clock_failed venue=%s error=%s", self._venue, error)
            asked += 1
            found = self._clock.offset(self._http.wall_ms())
            is_known = found is not None and found.uncertainty_ms <= _HALVED_MS
            pause_s = _DATE_EVERY_S if is_known or asked >= _HALVINGS else _LEAST_GAP_S
            await asyncio.sleep(pause_s)
            await asyncio.sleep(self._clock.wait_ms(self._http.wall_ms()) / 1e3)

    async def ask(self) -> None:
        sent_ms = self._http.wall_ms()
        body = await self._http.get(self._url, urgent=True)
        received_ms = self._http.wall_ms()
        if not self._call.keys:
            return
        try:
            venue_ms = self._call.read(body)
        except UNREADABLE as error:
            log.warning("clock_unreadable venue=%s error=%s", self._venue, error)
            return
        if venue_ms > _MIN_MS:
            self._clock.sample(sent_ms, received_ms, venue_ms)
