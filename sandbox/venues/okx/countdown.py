"""OKX's cancel-all-after: every open order of the account ends unless the timer is set again."""

from collections.abc import Iterable

from aiohttp import web

from sandbox.venues.door import Malformed
from sandbox.venues.floor import Floor
from sandbox.venues.okx.answers import answer
from sandbox.venues.okx.seats import Seats, body_of
from sandbox.venues.trading import Countdown

_LEAST_S, _MOST_S = 10, 120


class CancelAllAfter:
    """The timers of every floor, an account each."""

    def __init__(self, floors: Iterable[Floor], seats: Seats) -> None:
        self._seats = seats
        self._countdowns = {floor.rules.venue: Countdown(floor) for floor in floors}

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/api/v5/trade/cancel-all-after", self._arm)]

    async def _arm(self, request: web.Request) -> web.Response:
        seat, body = await self._seats.of(request), await body_of(request, dict[str, object])
        text = str(body.get("timeOut", ""))
        if not text.isdigit() or not (int(text) == 0 or _LEAST_S <= int(text) <= _MOST_S):
            raise Malformed("timeOut")
        now_ms, seconds = seat.floor.clock(), int(text)
        self._countdowns[seat.floor.rules.venue].arm(seat.account, seconds)
        strikes = str(now_ms + seconds * 1_000) if seconds else "0"
        return answer([{"triggerTime": strikes, "tag": "", "ts": str(now_ms)}])
