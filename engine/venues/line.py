"""A way of our own for placements, beside the library's: what the order clients ask of it, and the one over HTTP."""

import time
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Protocol
from urllib.parse import urlsplit

from engine.net.pooled_http import HttpPool
from engine.venues.departure import check, left
from engine.venues.settings import OrderSettings
from engine.venues.verdict import Answer, exact_json

Params = Mapping[str, Any]
Write = Callable[[Params, int], bytes]  # parameters of one placement and the venue's time in ms -> a whole request

_MS_PER_S = 1_000


class Line(Protocol):
    """Carries one kind of placement. Every request leaves once; its answer has the shape of the venue's REST answer."""

    sent: int  # placements that were written to it

    def carries(self, path: str, params: Params) -> bool:
        """Whether this placement can leave by this line now; if not, the library's own way takes it."""
        ...

    async def send(self, params: Params, stamp_ms: int) -> Answer:
        """`stamp_ms` is now by the venue's clock. Raises NotSent, NoVerdict, SendStopped."""
        ...

    async def run(self) -> None:
        """Keep the line up; ends when cancelled."""
        ...

    async def close(self) -> None: ...


class HttpLine:
    """Placements over kept connections, written by the venue's own writer."""

    def __init__(self, pool: HttpPool, path: str, write: Write) -> None:
        self._pool = pool
        self._path = path
        self._write = write
        self.sent = 0

    def carries(self, path: str, params: Params) -> bool:
        return path == self._path

    async def send(self, params: Params, stamp_ms: int) -> Answer:
        def request() -> bytes:
            written = self._write(params, stamp_ms)
            check()
            self.sent += 1
            left("native")
            return written

        raw = await self._pool.ask(request)
        return answer_of(raw.status, raw.headers, raw.body)

    async def run(self) -> None:
        await self._pool.run()

    async def close(self) -> None:
        await self._pool.close()


def answer_of(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """What the verdict is found from; a body that is no JSON counts as none."""
    text = body.decode("utf-8", "replace")
    try:
        return Answer(status, headers, exact_json(text), text)
    except ValueError:
        return Answer(status, headers, None, text)


def pool_for(config: OrderSettings) -> HttpPool:
    """Connections to the venue's REST address."""
    return HttpPool(
        config.rest_base,
        timeout_s=config.order_timeout_ms / _MS_PER_S,
        clock_ns=time.monotonic_ns,
        rng=Random(),
    )


def head_of(base: str, path: str) -> bytes:
    """What every POST of JSON to one path begins with. No Origin: Upbit answers that with one call per 10 seconds."""
    where = urlsplit(base)
    return (
        f"POST {where.path.rstrip('/')}{path} HTTP/1.1\r\nHost: {where.netloc}\r\nUser-Agent: premia\r\n"
        "Accept: application/json\r\nAccept-Encoding: identity\r\nContent-Type: application/json\r\n"
    ).encode()
