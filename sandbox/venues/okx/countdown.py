"""OKX's cancel-all-after: every open order of the account ends unless the timer is set again."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiohttp import web

from sandbox.venues.auth import Credential
from sandbox.venues.door import Malformed
from sandbox.venues.floor import Floor
from sandbox.venues.trading import Countdown, json_body

_LEAST_S, _MOST_S = 10, 120
Say = Callable[[Sequence[Mapping[str, object]]], web.Response]


class CancelAllAfter:
    """One floor's timers, an account each."""

    def __init__(self, floor: Floor, account_of: Callable[[web.Request], Awaitable[Credential]], say: Say) -> None:
        self._floor = floor
        self._account_of = account_of
        self._say = say
        self._countdown = Countdown(floor)

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/api/v5/trade/cancel-all-after", self._arm)]

    async def _arm(self, request: web.Request) -> web.Response:
        account, body = (await self._account_of(request)).account, await json_body(request)
        text = str(body.get("timeOut", ""))
        if not text.isdigit() or not (int(text) == 0 or _LEAST_S <= int(text) <= _MOST_S):
            raise Malformed("timeOut")
        now_ms, seconds = self._floor.clock(), int(text)
        self._countdown.arm(account, seconds)
        strikes = str(now_ms + seconds * 1_000) if seconds else "0"
        return self._say([{"triggerTime": strikes, "tag": "", "ts": str(now_ms)}])
