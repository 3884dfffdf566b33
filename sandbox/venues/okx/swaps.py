"""What OKX says of swaps by REST, and of borrowing: mark, index, funding now and then."""

from collections.abc import Mapping, Sequence

import msgspec
from aiohttp import web

from sandbox.venues.door import whole
from sandbox.venues.floor import Floor, PerpState
from sandbox.venues.okx.wire import SWAP, funding_row
from sandbox.venues.orders import Reason, Refused
from sandbox.venues.settlements import Settlements
from sandbox.venues.spelling import plain

_DAILY = {"USDT": "0.00011", "BTC": "0.000033", "ETH": "0.000044", "XRP": "0.00007"}  # interest per day


class Swaps:
    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._settled = Settlements(floor)

    def routes(self) -> list[web.RouteDef]:
        public = "/api/v5/public"
        return [
            web.get(f"{public}/funding-rate", self._funding),
            web.get(f"{public}/funding-rate-history", self._fundings),
            web.get(f"{public}/mark-price", self._marks),
            web.get(f"{public}/interest-rate-loan-quota", self._loans),
            web.get("/api/v5/market/index-tickers", self._indices),
        ]

    async def _funding(self, request: web.Request) -> web.Response:
        """`ANY` asks for every swap."""
        wanted = request.query.get("instId", "")
        if wanted == "ANY":
            return _answer([funding_row(state) for state in self._floor.perps.values()])
        return _answer([funding_row(state) for state in self._states(wanted)])

    async def _fundings(self, request: web.Request) -> web.Response:
        """Newest first, strictly between `before` and `after`."""
        symbol = request.query.get("instId", "")
        self._states(symbol)
        after = whole(request.query, "after", 0)
        count = min(400, whole(request.query, "limit", 400))
        from_ms = whole(request.query, "before", 0) + 1
        settled = self._settled.newest(symbol, count, from_ms, after - 1 if after else None)
        rows = []
        for each in settled:
            rate = plain(each.rate)
            row = {"instType": "SWAP", "instId": symbol, "formulaType": "withRate", "method": "current_period"}
            rows.append({**row, "fundingRate": rate, "realizedRate": rate, "fundingTime": str(each.at_ms)})
        return _answer(rows)

    async def _marks(self, request: web.Request) -> web.Response:
        wanted = request.query.get("instId")
        states = self._floor.perps.values() if wanted is None else self._states(wanted)
        return _answer(
            [
                {"instType": "SWAP", "instId": state.symbol, "markPx": plain(state.mark), "ts": str(state.at_ms)}
                for state in states
            ]
        )

    async def _indices(self, request: web.Request) -> web.Response:
        """Of the pair beneath a swap."""
        wanted = request.query.get("instId")
        states = list(self._floor.perps.values()) if wanted is None else self._states(f"{wanted}{SWAP}")
        rows = []
        for state in states:
            price = plain(state.index)
            day = dict.fromkeys(("high24h", "low24h", "open24h", "sodUtc0", "sodUtc8"), price)
            row = {"instId": state.symbol.removesuffix(SWAP), "idxPx": price, "ts": str(state.at_ms)}
            rows.append({**row, **day})
        return _answer(rows)

    async def _loans(self, _: web.Request) -> web.Response:
        """Rates are fractions per day, for the lowest tier."""
        basic = [{"ccy": coin, "quota": "100000", "rate": rate} for coin, rate in _DAILY.items()]
        return _answer([{"basic": basic, "vip": [], "regular": []}])

    def _states(self, symbol: str) -> Sequence[PerpState]:
        """Raises Refused where it is no market; nothing of a spot market."""
        if symbol not in self._floor.rules.markets:
            raise Refused(Reason.UNKNOWN_MARKET, symbol)
        state = self._floor.perps.get(symbol)
        return [] if state is None else [state]


def _answer(data: Sequence[Mapping[str, object]]) -> web.Response:
    body = msgspec.json.encode({"code": "0", "data": data, "msg": ""})
    return web.Response(body=body, content_type="application/json")
