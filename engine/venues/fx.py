"""USD/KRW from outside the crypto venues: each source is asked by its own clock and fails by itself."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation

import msgspec
from msgspec import Struct, field

from engine.domain.errors import BadFrame, ConfigError, VenueRefused, VenueUnavailable
from engine.domain.event import FxRate
from engine.net.http import Http
from engine.venues.decoder import UNREADABLE

log = logging.getLogger(__name__)

_FIRST_RETRY_S = 5.0
_MS_PER_S = 1_000
# The won has stood between 700 and 2,000 per dollar for thirty years: anything outside is a fault of the source.
_LOWEST, _HIGHEST = Decimal(500), Decimal(5_000)


class _Frankfurter(Struct):
    """ECB reference rates: once per working day, about 16:00 in Frankfurt; `date` is all the time it tells."""

    base: str
    date: str
    rates: dict[str, Decimal]


class _Dunamu(Struct):
    """Hana Bank's rate, renewed within the day; KRW per 1 USD as `basePrice`."""

    code: str
    rate: Decimal = field(name="basePrice")
    timestamp_ms: int = field(name="timestamp")


class _Exim(Struct):
    """Korea Eximbank's morning rates: text with commas; `result` is not 1 for a wrong key or an empty day."""

    result: int
    unit: str = field(name="cur_unit", default="")
    rate: str = field(name="deal_bas_r", default="")


_exim = msgspec.json.Decoder(list[_Exim])
_frankfurter = msgspec.json.Decoder(_Frankfurter)
_dunamu = msgspec.json.Decoder(list[_Dunamu])


def decode_frankfurter(body: bytes) -> tuple[Decimal, int]:
    """(KRW per USD, as of in ms UTC). Raises BadFrame. Source: frankfurter.dev, /v1/latest."""
    try:
        answer = _frankfurter.decode(body)
        as_of = datetime.fromisoformat(answer.date).replace(tzinfo=UTC)
        rate = answer.rates["KRW"]
    except (*UNREADABLE, ValueError, KeyError) as error:
        raise BadFrame(f"frankfurter: {error!r}") from error
    if answer.base != "USD":
        raise BadFrame(f"frankfurter: base {answer.base}, expected USD")
    return _checked(rate), int(as_of.timestamp()) * _MS_PER_S


def decode_dunamu(body: bytes) -> tuple[Decimal, int]:
    """(KRW per USD, as of in ms UTC). Raises BadFrame. Source: recorded answers; the feed is undocumented."""
    try:
        rows = _dunamu.decode(body)
    except UNREADABLE as error:
        raise BadFrame(f"dunamu: {error}") from error
    for row in rows:
        if row.code == "FRX.KRWUSD":
            return _checked(row.rate), row.timestamp_ms
    raise BadFrame("dunamu: no FRX.KRWUSD in the answer")


def decode_koreaexim(body: bytes) -> tuple[Decimal, int]:
    """(KRW per USD, 0): the answer names no time, it is of the day that was asked for. Raises BadFrame.

    Source: Export-Import Bank of Korea, exchangeJSON AP01. Before eleven and on holidays the list is empty.
    """
    try:
        for row in _exim.decode(body):
            if row.result == 1 and row.unit == "USD":
                return _checked(Decimal(row.rate.replace(",", ""))), 0
    except (*UNREADABLE, InvalidOperation) as error:
        raise BadFrame(f"koreaexim: {error!r}") from error
    raise BadFrame("koreaexim: no USD in the answer: before eleven, a holiday, or a wrong key")


def _checked(rate: Decimal) -> Decimal:
    if not _LOWEST < rate < _HIGHEST:
        raise BadFrame(f"USD/KRW {rate} is outside {_LOWEST}..{_HIGHEST}")
    return rate


_KINDS: dict[str, Callable[[bytes], tuple[Decimal, int]]] = {
    "frankfurter": decode_frankfurter,
    "dunamu": decode_dunamu,
    "koreaexim": decode_koreaexim,
}
_DAILY = frozenset({"frankfurter", "koreaexim"})
_KST = timezone(timedelta(hours=9))


def decode_source(kind: str, body: bytes) -> tuple[Decimal, int]:
    """(KRW per USD, as of in ms UTC) of an answer of this kind. Raises BadFrame, KeyError for an unknown kind."""
    return _KINDS[kind](body)


class FxPoll:
    """One source, asked every `every_s` seconds; after a failure sooner, then slower again. Ages are the reader's."""

    def __init__(
        self,
        name: str,
        kind: str,
        url: str,
        every_s: float,
        sink: Callable[[FxRate], None],
        clock_ns: Callable[[], int],
        first_retry_s: float = _FIRST_RETRY_S,
    ) -> None:
        if kind not in _KINDS:
            raise ConfigError(f"fx.sources.{name}.kind: `{kind}` is none of {', '.join(sorted(_KINDS))}")
        self.name = name
        self.failures = 0  # in a row
        self._decode = _KINDS[kind]
        self._is_daily = kind in _DAILY
        self._url = url
        self._every_s = every_s
        self._sink = sink
        self._clock_ns = clock_ns
        self._first_retry_s = first_retry_s
        self._http = Http()

    async def run(self) -> None:
        """Ask for ever; ends when cancelled."""
        try:
            while True:
                wait_s = await self._ask()
                await asyncio.sleep(wait_s)
        finally:
            await self._http.close()

    async def _ask(self) -> float:
        """One question; returns the seconds until the next."""
        try:
            day = datetime.now(_KST).replace(hour=0, minute=0, second=0, microsecond=0)
            rate, as_of_ms = self._decode(await self._http.get(self._url.replace("{day}", f"{day:%Y%m%d}")))
            as_of_ms = as_of_ms or int(day.timestamp()) * _MS_PER_S
        except (VenueUnavailable, VenueRefused, BadFrame) as error:
            self.failures += 1
            log.warning("fx_failed source=%s failures=%d error=%s", self.name, self.failures, error)
            return min(self._every_s, self._first_retry_s * 2.0 ** min(self.failures - 1, 16))
        self.failures = 0
        self._sink(
            FxRate(source=self.name, rate=rate, as_of_ms=as_of_ms, is_daily=self._is_daily, seen_ns=self._clock_ns())
        )
        return self._every_s
