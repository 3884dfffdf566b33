"""OKX's v5 REST dialect: one host for spot and swaps, signed headers, errors in the body's `code` and `sCode`."""

from collections.abc import Mapping

from aiohttp import web

from sandbox.venues import candles
from sandbox.venues.auth import Denied
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor, Limited
from sandbox.venues.limits import Window
from sandbox.venues.okx.account import Account
from sandbox.venues.okx.algos import Algos
from sandbox.venues.okx.answers import DENIALS, answer, refusal
from sandbox.venues.okx.countdown import CancelAllAfter
from sandbox.venues.okx.desk import Desk
from sandbox.venues.okx.feed import OkxFeed
from sandbox.venues.okx.margin import Margins
from sandbox.venues.okx.order_socket import OrderSocket
from sandbox.venues.okx.readers import Readers
from sandbox.venues.okx.seats import Seat, Seats, numbered
from sandbox.venues.okx.swaps import Swaps
from sandbox.venues.okx.wire import FIRST_CODE, instrument_row, kind_of
from sandbox.venues.orders import Reason, Refused
from sandbox.venues.sockets import Sockets
from sandbox.venues.spelling import plain

_WINDOW_MS = 2_000
_LIMITS = {  # per path: so many per window
    "/api/v5/trade/order": 60,
    "/api/v5/trade/batch-orders": 300,
    "/api/v5/trade/cancel-order": 60,
    "/api/v5/trade/amend-order": 60,
    "/api/v5/trade/orders-history": 40,
    "/api/v5/trade/order-algo": 20,
    "/api/v5/trade/cancel-algos": 20,
    "/api/v5/trade/orders-algo-pending": 20,
    "/api/v5/trade/orders-algo-history": 20,
    "/api/v5/account/balance": 10,
    "/api/v5/account/positions": 10,
    "/api/v5/account/bills-archive": 5,
    "/api/v5/public/instruments": 20,
    "/api/v5/market/books": 40,
    "/api/v5/market/candles": 40,
    "/api/v5/market/history-candles": 20,
    "/api/v5/market/history-trades": 20,
}
_PLACEMENTS = ("/api/v5/trade/order", "/api/v5/trade/batch-orders", "/api/v5/trade/order-algo")
_FIRST_IDS = (8_000_000, 9_000_000)  # of the books of spot, and of swaps


class Okx:
    """A Dialect. A key opens the account of one floor: see `Seats`."""

    def __init__(self, spots: Floor, swaps: Floor, sockets: Sockets) -> None:
        self.floor = spots
        self._floors = {"SPOT": spots, "SWAP": swaps}
        self._readers = Readers(sockets)
        self._feeds = {
            kind: OkxFeed(floor, self._readers, first_id)
            for (kind, floor), first_id in zip(self._floors.items(), _FIRST_IDS, strict=True)
        }
        self._seats = Seats((spots, swaps))
        self._desk = Desk((spots, swaps), self._seats)
        self._order_socket = OrderSocket(self, (spots, swaps), sockets)
        self._windows = {path: Window(limit, _WINDOW_MS) for path, limit in _LIMITS.items()}
        self._other = Window(100, _WINDOW_MS)
        self._candles = {kind: candles.okx(floor, is_history=False) for kind, floor in self._floors.items()}
        self._past_candles = {kind: candles.okx(floor, is_history=True) for kind, floor in self._floors.items()}

    def routes(self) -> list[web.RouteDef]:
        v5 = "/api/v5"
        return [
            web.get("/ws/v5/public", self._readers.serve),
            web.get("/ws/v5/private", self._order_socket.serve),
            web.get(f"{v5}/public/time", self._time),
            web.get(f"{v5}/public/instruments", self._instruments),
            web.get(f"{v5}/system/status", self._status),
            web.get(f"{v5}/market/books", self._books),
            web.get(f"{v5}/market/ticker", self._ticker),
            web.get(f"{v5}/market/tickers", self._tickers),
            web.get(f"{v5}/market/trades", self._trades),
            web.get(f"{v5}/market/history-trades", self._trades),
            web.get(f"{v5}/market/candles", self._bars),
            web.get(f"{v5}/market/history-candles", self._past_bars),
            *Swaps(self._floors["SWAP"]).routes(),
            *self._desk.routes(),
            *Algos((self._floors["SPOT"], self._floors["SWAP"]), self._seats).routes(),
            *Account(self._seats).routes(),
            *Margins(self._seats).routes(),
            *CancelAllAfter(self._floors.values(), self._seats).routes(),
        ]

    # the door asks

    def is_placement(self, request: web.Request) -> bool:
        return request.method == "POST" and request.path in _PLACEMENTS

    def admit(self, request: web.Request) -> dict[str, str]:
        self.count(request.method, request.path, request.headers.get("OK-ACCESS-KEY", ""))
        return {}

    def count(self, method: str, path: str, key: str) -> None:
        """Sockets and REST share what an account may do. Raises Limited."""
        if not self._windows.get(path, self._other).take(f"{method} {path} {key}", self.floor.clock()):
            raise Limited

    def refused(self, error: Refused) -> web.Response:
        return answer([], *refusal(error))

    def denied(self, error: Denied) -> web.Response:
        return answer([], *DENIALS[error.why], status=401)

    def malformed(self, error: Malformed) -> web.Response:
        return answer([], "51000", f"Parameter {error.parameter} error", status=400)

    def limited(self, error: Limited) -> web.Response:
        return answer([], "50011", "Too Many Requests", status=418 if error.banned else 429)

    # the order socket asks

    def signed(self, headers: Mapping[str, str], method: str, path: str) -> Seat:
        """Raises Denied."""
        return self._seats.signed(headers, method, path, "")

    async def placed(self, seat: Seat, body: dict[str, object], expires: str) -> web.Response:
        return await self._desk.placed(seat, body, expires)

    # public

    async def _time(self, _: web.Request) -> web.Response:
        return answer([{"ts": str(self.floor.clock())}])

    async def _status(self, _: web.Request) -> web.Response:
        return answer([])

    async def _instruments(self, request: web.Request) -> web.Response:
        kind, wanted = request.query.get("instType"), request.query.get("instId")
        if wanted is not None and not any(wanted in floor.rules.markets for floor in self._floors.values()):
            raise Refused(Reason.UNKNOWN_MARKET, wanted)
        rows = [
            instrument_row(floor.rules.markets[symbol], code, floor.wallets)
            for code, (floor, symbol) in enumerate(numbered(self._floors.values()), FIRST_CODE)
        ]
        return answer([row for row in rows if row["instType"] == kind and wanted in (None, row["instId"])])

    async def _books(self, request: web.Request) -> web.Response:
        size = whole(request.query, "sz", 1)
        if not 0 < size <= 400:
            raise Malformed("sz")
        kind, symbol = self._market(request)
        return answer([self._feeds[kind].rest_book(symbol, size)])

    async def _ticker(self, request: web.Request) -> web.Response:
        kind, symbol = self._market(request)
        return answer([self._feeds[kind].ticker_row(symbol)])

    async def _tickers(self, request: web.Request) -> web.Response:
        kind = request.query.get("instType", "")
        feed = self._feeds.get(kind)
        return answer([feed.ticker_row(symbol) for symbol in feed.days] if feed is not None else [])

    async def _trades(self, request: web.Request) -> web.Response:
        kind, symbol = self._market(request)
        rows = [
            {
                "instId": symbol,
                "side": "buy" if trade.aggressor.value == "bid" else "sell",
                "sz": plain(trade.qty),
                "px": plain(trade.price),
                "tradeId": str(number),
                "ts": str(trade.at_ms),
            }
            for number, trade in reversed(self._feeds[kind].days[symbol].trades)
            if number < whole(request.query, "after", number + 1)
        ]
        return answer(rows[: whole(request.query, "limit", 100)])

    async def _bars(self, request: web.Request) -> web.StreamResponse:
        return await self._candles[self._market(request)[0]](request)

    async def _past_bars(self, request: web.Request) -> web.StreamResponse:
        return await self._past_candles[self._market(request)[0]](request)

    def _market(self, request: web.Request) -> tuple[str, str]:
        """instType and symbol. Raises Refused."""
        symbol = request.query.get("instId", "")
        kind = kind_of(symbol)
        if symbol not in self._floors[kind].rules.markets:
            raise Refused(Reason.UNKNOWN_MARKET, symbol)
        return kind, symbol
