"""One GET with a deadline and a size limit, for public data; errors named by what the caller does next."""

import aiohttp

from engine.domain.errors import RateLimited, VenueRefused, VenueUnavailable

_MAX_BODY = 8 * 1024 * 1024
_DEFAULT_RETRY_S = 1.0


class Http:
    """A session of connections. It never sends an Origin header: Upbit answers that with one call per 10 seconds."""

    def __init__(self, timeout_s: float = 5.0) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def get(self, url: str) -> bytes:
        """The body of a 200. Raises VenueUnavailable, RateLimited or VenueRefused."""
        return await self._ask("GET", url)

    async def post(self, url: str) -> bytes:
        """The same, for public calls that venues want posted; the request has no body."""
        return await self._ask("POST", url)

    async def _ask(self, method: str, url: str) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        try:
            async with self._session.request(method, url) as answer:
                body = await answer.content.read(_MAX_BODY + 1)
                while len(body) <= _MAX_BODY and not answer.content.at_eof():
                    body += await answer.content.read(_MAX_BODY + 1 - len(body))
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise VenueUnavailable(f"{method} {url}: {error or type(error).__name__}") from error
        if len(body) > _MAX_BODY:
            raise VenueUnavailable(f"{method} {url}: body over {_MAX_BODY} bytes")
        self._judge(f"{method} {url}", answer, body)
        return body

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
