"""One GET with a deadline and a size limit, for public data; errors named by what the caller does next."""

import time
from collections.abc import Callable, Mapping

import aiohttp

from engine.domain.errors import RateLimited, VenueRefused, VenueUnavailable
from engine.net.clock import Clock
from engine.net.limits import Limiter

_MAX_BODY = 8 * 1024 * 1024
_DEFAULT_RETRY_S = 1.0


class Http:
    """A session of connections. It never sends an Origin header: Upbit answers that with one call per 10 seconds.

    With a limiter every call waits for its turn. With `dates` every answer's Date is a sample of the clock: only where
    nothing better tells the venue's time, for the header may be an edge server's.
    """

    def __init__(
        self,
        timeout_s: float = 5.0,
        limiter: Limiter | None = None,
        clock: Clock | None = None,
        dates: bool = False,
        wall_ms: Callable[[], float] = lambda: time.time() * 1e3,
    ) -> None:
        self.clock = clock
        self.wall_ms = wall_ms
        self._dates = dates
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._limiter = limiter
        self._session: aiohttp.ClientSession | None = None

    async def get(self, url: str, *, urgent: bool = False) -> bytes:
        """The body of a 200. Raises VenueUnavailable, RateLimited or VenueRefused."""
        return await self._ask("GET", url, urgent)

    async def post(self, url: str) -> bytes:
        """The same, for public calls that venues want posted; the request has no body."""
        return await self._ask("POST", url, False)

    async def _ask(self, method: str, url: str, urgent: bool) -> bytes:
        call = f"{method} {url}"
        ticket = await self._limiter.enter(url, urgent=urgent) if self._limiter is not None else None
        status: int | None = None
        headers: Mapping[str, str] = {}
        try:
            answer, body = await self._fetch(method, url)
            status, headers = answer.status, answer.headers
        except (TimeoutError, aiohttp.ClientError, OSError, RuntimeError) as error:
            # RuntimeError: uvloop took a new socket for an old one, after a connect that was cancelled (uvloop#653).
            raise VenueUnavailable(f"{call}: {error or type(error).__name__}") from error
        finally:
            if self._limiter is not None and ticket is not None:
                self._limiter.leave(ticket, status, headers)
        if len(body) > _MAX_BODY:
            raise VenueUnavailable(f"{call}: body over {_MAX_BODY} bytes")
        self._judge(call, answer, body)
        return body

    async def _fetch(self, method: str, url: str) -> tuple[aiohttp.ClientResponse, bytes]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        sent_ms = self.wall_ms()
        async with self._session.request(method, url) as answer:
            if self._dates and self.clock is not None and "Date" in answer.headers:
                self.clock.sample_date(sent_ms, self.wall_ms(), answer.headers["Date"])
            body = await answer.content.read(_MAX_BODY + 1)
            while len(body) <= _MAX_BODY and not answer.content.at_eof():
                body += await answer.content.read(_MAX_BODY + 1 - len(body))
        return answer, body

    @staticmethod
    def _judge(call: str, answer: aiohttp.ClientResponse, body: bytes) -> None:
        if answer.status == 200:
            return
        text = f"{call}: {answer.status} {body[:200].decode('utf-8', 'replace')}"
        if answer.status in (418, 429):
            raise RateLimited(text, _seconds(answer.headers.get("Retry-After", "")))
        if answer.status >= 500:
            raise VenueUnavailable(text)
        raise VenueRefused(str(answer.status), text)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def _seconds(text: str) -> float:
    """Retry-After as seconds; its date form and nonsense count as one second."""
    try:
        return max(0.0, float(text))
    except ValueError:
        return _DEFAULT_RETRY_S
