"""Bithumb's v1/v2 REST dialect. Quotation errors ride in HTTP 200; the JWT carries a signed timestamp."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from urllib.parse import quote, unquote

import msgspec
from aiohttp import web

from sandbox.venues import auth, candles
from sandbox.venues.auth import Credential, Denied, Why
from sandbox.venues.bithumb.frames import IDLE_SECONDS, LEVELS, WALL_CLOCK_MS
from sandbox.venues.bithumb.my_order import my_order
from sandbox.venues.bithumb.wire import order_id, order_number, order_row, placed_row, trade_rows, wish
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor, Limited
from sandbox.venues.limits import Window
from sandbox.venues.orders import Order, Reason, Refused
from sandbox.venues.spelling import KST, four_places, json_bytes, kst, plain, utc_parts
from sandbox.venues.ticketed import TicketedFeed, pairs, total
from sandbox.venues.ticketed_orders import TicketedOrders
from sandbox.venues.trading import shown_orders
from sandbox.venues.upbit.frames import ticker_row, trade_tick_row
from sandbox.venues.upbit.rest import NAMES
from sandbox.venues.upbit.wire import account_rows, chance_row, wallet_row

CLOCK_MS = 30_000  # how far the signed timestamp may be off
_PUBLIC = {
    "/v1/market/all": "other",
    "/v1/market/virtual_asset_warning": "other",
    "/v1/orderbook": "orderbook",
    "/v1/ticker": "ticker",
    "/v1/trades/ticks": "trade",
}
_ERRORS = {
    Reason.UNKNOWN_MARKET: (404, "market_does_not_exist", "해당 마켓이 존재하지 않습니다."),
    Reason.BAD_TICK: (400, "invalid_price_{side}", "주문가격 단위를 잘못 입력하셨습니다. 확인 후 시도해주세요."),
    Reason.BAD_LOT: (400, "invalid_volume_{side}", "주문수량 단위를 잘못 입력하셨습니다. 확인 후 시도해주세요."),
    Reason.BELOW_MIN_QTY: (400, "under_min_total_{side}", "최소 주문금액 이상으로 주문해주세요."),
    Reason.BELOW_MIN_NOTIONAL: (400, "under_min_total_{side}", "최소 주문금액 이상으로 주문해주세요."),
    Reason.ABOVE_MAX_NOTIONAL: (400, "over_max_total_{side}", "최대 주문금액을 초과하였습니다."),
    Reason.INSUFFICIENT_FUNDS: (400, "insufficient_funds_{side}", "주문 가능한 금액이 부족합니다."),
    Reason.DUPLICATE_CLIENT_ID: (400, "invalid_parameter", "잘못된 파라미터 입니다."),
    Reason.NO_LIQUIDITY: (400, "invalid_parameter", "잘못된 파라미터 입니다."),
    Reason.WOULD_TAKE: (400, "invalid_parameter", "잘못된 파라미터 입니다."),
    Reason.UNKNOWN_ORDER: (404, "order_not_found", "주문을 찾지 못했습니다."),
    Reason.ALREADY_CLOSED: (404, "order_not_found", "주문을 찾지 못했습니다."),
    Reason.ON_REQUEST: (400, "invalid_parameter", "잘못된 파라미터 입니다."),
}
_DENIALS = {
    Why.UNKNOWN_KEY: ("invalid_access_key", "잘못된 엑세스 키입니다."),
    Why.BAD_QUERY_HASH: ("invalid_query_payload", "Jwt의 query를 검증하는데 실패하였습니다."),
    Why.EXPIRED: ("expired_jwt", "Jwt가 만료되었습니다."),
    Why.AHEAD: ("expired_jwt", "Jwt가 만료되었습니다."),
}


class Bithumb:
    def __init__(self, floor: Floor, feed: TicketedFeed) -> None:
        self.floor = floor
        self._feed = feed
        self._nonces: set[str] = set()
        self._order_stream = TicketedOrders(
            self,
            feed.sockets,
            lambda request: self._account(request).account,
            lambda change: my_order(change, floor.clock()),
            IDLE_SECONDS,
        )
        self._windows = {group: Window(150, 1000) for group in ("orderbook", "ticker", "trade", "other")}
        self._windows |= {group: Window(140, 1000) for group in ("order", "cancel", "private")}
        self._windows["batch"] = Window(20, 1000)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/websocket/v1", self._feed.serve),
            web.get("/websocket/v2/private", self._order_stream.serve),
            web.get("/v1/market/all", self._markets),
            web.get("/v1/market/virtual_asset_warning", self._warnings),
            web.get("/v1/orderbook", self._orderbook),
            web.get("/v1/ticker", self._ticker),
            web.get("/v1/trades/ticks", self._trades),
            web.get("/v1/candles/minutes/{unit}", candles.korean(self.floor, KST)),
            web.get("/v1/accounts", self._accounts),
            web.get("/v1/orders/chance", self._chance),
            web.post("/v2/orders", self._place),
            web.delete("/v2/order", self._cancel),
            web.post("/v2/orders/cancel", self._cancel_many),
            web.post("/v2/orders/search", self._search),
            web.get("/v1/order", self._order),
            web.get("/v1/orders", self._orders),
            web.get("/v2/orders/pending", self._pending),
            web.get("/v2/orders/history", self._history),
            web.get("/v1/status/wallet", self._wallets),
        ]

    # the door asks

    def is_placement(self, request: web.Request) -> bool:
        return request.method == "POST" and request.path == "/v2/orders"

    def admit(self, request: web.Request) -> dict[str, str]:
        now_ms, group = self.floor.clock(), self._group(request)
        window = self._windows[group]
        if not window.take(group, now_ms):
            raise Limited
        remaining = {"x-ratelimit-remaining": str(window.remaining(group, now_ms))}
        return remaining | {"x-ratelimit-burst-capacity": str(window.limit)}

    def _group(self, request: web.Request) -> str:
        if request.path in _PUBLIC:
            return _PUBLIC[request.path]
        if request.path.startswith("/v1/candles/"):
            return "trade"
        if request.path in ("/v2/orders/cancel", "/v2/orders/search"):
            return "batch"
        return {"POST": "order", "DELETE": "cancel"}.get(request.method, "private")

    def refused(self, error: Refused) -> web.Response:
        status, name, message = _ERRORS[error.reason]
        side = error.side.value if error.side else "bid"
        return _error(status, error.code or name.format(side=side), message)

    def denied(self, error: Denied) -> web.Response:
        return _error(401, *_DENIALS.get(error.why, ("jwt_verification", "Jwt 토큰 검증에 실패했습니다.")))

    def malformed(self, error: Malformed) -> web.Response:
        if error.parameter == "code":
            return _error(200, 404, "Code not found")
        if error.parameter == "query":
            return _error(200, 400, "Missing request parameter error. Check the required parameters!")
        return _error(400, "invalid_parameter", f"잘못된 파라미터 입니다. ({error.parameter})")

    def limited(self, error: Limited) -> web.Response:
        return _error(418 if error.banned else 429, "too_many_requests", "요청 수 제한을 초과했습니다.")

    # public

    async def _markets(self, _: web.Request) -> web.Response:
        rows: list[dict[str, object]] = []
        for symbol, rules in self.floor.rules.markets.items():
            korean, english = NAMES.get(rules.base, (rules.base, rules.base))
            warned = "CAUTION" if self.floor.wallets.warnings(symbol) else "NONE"
            rows.append({"market": symbol, "korean_name": korean, "english_name": english, "market_warning": warned})
        return _json(rows)

    async def _warnings(self, _: web.Request) -> web.Response:
        """One row per market and kind; `end_date` is Korean wall time."""
        date, time = utc_parts(self.floor.clock() + 3_600_000, KST)
        rows = [
            {"market": symbol, "warning_type": kind, "warning_step": "CAUTION", "end_date": f"{date} {time}"}
            for symbol in self.floor.rules.markets
            for kind in self.floor.wallets.warnings(symbol)
        ]
        return _json(rows)

    async def _orderbook(self, request: web.Request) -> web.Response:
        codes = self._codes(request)
        return _json([self._book(symbol, 30 if len(codes) == 1 else LEVELS) for symbol in codes])

    def _book(self, symbol: str, depth: int) -> dict[str, object]:
        shown = self._feed.shown[symbol]
        units = [
            {
                "ask_price": ask[0],
                "bid_price": bid[0],
                "ask_size": msgspec.Raw(four_places(ask[1]).encode()),
                "bid_size": msgspec.Raw(four_places(bid[1]).encode()),
            }
            for ask, bid in pairs(shown.bids, shown.asks, depth)
        ]
        return {
            "market": symbol,
            "timestamp": shown.at_ms,
            "total_ask_size": msgspec.Raw(four_places(total(shown.asks[:depth])).encode()),
            "total_bid_size": msgspec.Raw(four_places(total(shown.bids[:depth])).encode()),
            "orderbook_units": units,
        }

    async def _ticker(self, request: web.Request) -> web.Response:
        rows = []
        for symbol in self._codes(request):
            day = self._feed.days[symbol]
            date, time = utc_parts(day.last_ms, KST)
            wall_ms = day.last_ms + WALL_CLOCK_MS
            row = {"market": symbol, **ticker_row(day), "trade_timestamp": wall_ms, "timestamp": wall_ms}
            rows.append(row | {"trade_date_kst": date.replace("-", ""), "trade_time_kst": time.replace(":", "")})
        return _json(rows)

    async def _trades(self, request: web.Request) -> web.Response:
        symbol = request.query.get("market", "")
        if symbol not in self.floor.rules.markets:
            raise Malformed("code")
        day = self._feed.days[symbol]
        before = whole(request.query, "cursor", 1 << 62)
        newest = [each for each in reversed(day.trades) if each[0] < before][: whole(request.query, "count", 1)]
        return _json([trade_tick_row(symbol, number, trade, day) for number, trade in newest])

    def _codes(self, request: web.Request) -> list[str]:
        if not request.query.get("markets"):
            raise Malformed("query")
        codes = request.query["markets"].split(",")
        if any(code not in self.floor.rules.markets for code in codes):
            raise Malformed("code")
        return codes

    # private

    def _account(self, request: web.Request, body: dict[str, object] | None = None) -> Credential:
        """Raises Denied."""
        credential, claims = auth.jwt_claims(request.headers.get("Authorization", ""), self.floor.keys, ("HS256",))
        stamp = claims.get("timestamp")
        if not isinstance(stamp, int):
            raise Denied(Why.BAD_TIMESTAMP, "timestamp must be ms")
        if abs(self.floor.clock() - stamp) > CLOCK_MS:
            raise Denied(Why.EXPIRED)
        nonce = str(claims.get("nonce"))
        if nonce in self._nonces:
            raise Denied(Why.NONCE_USED)
        self._nonces.add(nonce)
        if body is None:
            raw = request.rel_url.raw_query_string
            auth.check_query_hash(claims, unquote(raw), raw)
        else:
            plain_form = auth.body_as_query(body)
            halves = [part.partition("=") for part in plain_form.split("&")]
            auth.check_query_hash(claims, plain_form, "&".join(f"{key}={quote(value)}" for key, _, value in halves))
        return credential

    async def _accounts(self, request: web.Request) -> web.Response:
        return _json(account_rows(self.floor.statements, self._account(request).account))

    async def _chance(self, request: web.Request) -> web.Response:
        account = self._account(request).account
        rules = self.floor.rules.markets.get(request.query.get("market", ""))
        if rules is None:
            raise Refused(Reason.UNKNOWN_MARKET, "orders/chance")
        row = chance_row(self.floor.rules, rules, account_rows(self.floor.statements, account))
        bids, asks = self.floor.exchange.book(rules.symbol)
        market = row["market"]
        assert isinstance(market, dict)
        for side, levels in (("bid", bids), ("ask", asks)):
            market[side]["price_unit"] = plain(rules.tick_at(levels[0][0])) if levels else None
        return _json(row)

    async def _place(self, request: web.Request) -> web.Response:
        body = await _body(request)
        order = await self.floor.place(wish(self._account(request, body).account, body))
        return _json(placed_row(order), status=201)

    async def _cancel(self, request: web.Request) -> web.Response:
        account = self._account(request).account
        if "order_id" not in request.query and "client_order_id" not in request.query:
            raise Malformed("order_id")
        order = self._find(account, request.query.get("order_id"), request.query.get("client_order_id", ""))
        self.floor.cancel(order)
        return _json({"order_id": order_id(order), "created_at": kst(order.created_ms)})

    async def _cancel_many(self, request: web.Request) -> web.Response:
        body = await _body(request)
        account = self._account(request, body).account
        done: list[dict[str, object]] = []
        failed: list[dict[str, object]] = []
        for name, find in self._asked(account, body, limit=30):
            try:
                order = find()
                self.floor.cancel(order)
                done.append({"order_id": order_id(order), "created_at": kst(order.created_ms)})
            except Refused as error:
                _, code, message = _ERRORS[error.reason]
                failed.append({"order_id": name, "error": {"name": code, "message": message}})
        return _json({"success": done, "fail": failed})

    async def _search(self, request: web.Request) -> web.Response:
        body = await _body(request)
        account = self._account(request, body).account
        found = []
        for _, find in self._asked(account, body, limit=100):
            try:
                found.append(find())
            except Refused:
                continue  # what is not there is left out
        return _json([order_row(order) for order in found])

    def _asked(self, account: str, body: dict[str, object], limit: int) -> Sequence[tuple[str, Callable[[], Order]]]:
        """The orders that a batch names, each with the way to find it. Raises Malformed."""
        ids, client_ids = body.get("order_ids") or [], body.get("client_order_ids") or []
        if not isinstance(ids, list) or not isinstance(client_ids, list) or not 0 < len(ids + client_ids) <= limit:
            raise Malformed("order_ids")
        by_id = [(str(i), partial(self._find, account, str(i), "")) for i in ids]
        return [*by_id, *((str(c), partial(self._find, account, None, str(c))) for c in client_ids)]

    def _find(self, account: str, given_id: str | None, client_id: str) -> Order:
        """Raises Refused."""
        if given_id is not None:
            return self.floor.find(account, order_id=order_number(given_id))
        return self.floor.find(account, client_id=client_id)

    async def _order(self, request: web.Request) -> web.Response:
        account = self._account(request).account
        if "uuid" not in request.query and "client_order_id" not in request.query:
            raise Malformed("uuid")
        order = self._find(account, request.query.get("uuid"), request.query.get("client_order_id", ""))
        return _json(order_row(order) | {"trades": trade_rows(order)})

    def _mine(self, request: web.Request) -> list[dict[str, object]]:
        """The account's orders of the asked market and states, newest first. Raises Denied."""
        account = self._account(request).account
        market = request.query.get("market")
        states = set(request.query.getall("states[]", [])) | set(request.query.getall("state", []))
        rows = [order_row(order) for order in shown_orders(self.floor, account, market)]
        return [row for row in rows if not states or row["state"] in states]

    async def _orders(self, request: web.Request) -> web.Response:
        rows = self._mine(request)
        uuids = set(request.query.getall("uuids[]", []))
        client_ids = set(request.query.getall("client_order_ids[]", []))
        if uuids or client_ids:
            rows = [r for r in rows if r["uuid"] in uuids or r.get("client_order_id") in client_ids]
        elif "state" not in request.query and "states[]" not in request.query:
            rows = [row for row in rows if row["state"] == "wait"]
        limit = min(100, whole(request.query, "limit", 100))
        first = (max(1, whole(request.query, "page", 1)) - 1) * limit
        return _json(rows[first : first + limit])

    async def _pending(self, request: web.Request) -> web.Response:
        return _page((row for row in self._mine(request) if row["state"] == "wait"), request, most=100)

    async def _history(self, request: web.Request) -> web.Response:
        return _page((row for row in self._mine(request) if row["state"] != "wait"), request, most=1000)

    async def _wallets(self, request: web.Request) -> web.Response:
        self._account(request)
        assets = dict.fromkeys(rules.base for rules in self.floor.rules.markets.values())
        return _json([wallet_row(asset, self.floor.wallets, self.floor.clock()) for asset in assets])


def _page(rows: Iterable[dict[str, object]], request: web.Request, most: int) -> web.Response:
    """A page by cursor: `next_key` is the id of the last row shown."""
    left = list(rows)
    key = request.query.get("next_key")
    if key:
        left = left[next((i + 1 for i, row in enumerate(left) if row["uuid"] == key), len(left)) :]
    limit = min(most, whole(request.query, "limit", 100))
    has_next = len(left) > limit
    shown = left[:limit]
    return _json({"has_next": has_next, "next_key": shown[-1]["uuid"] if has_next else None, "orders": shown})


async def _body(request: web.Request) -> dict[str, object]:
    try:
        return msgspec.json.decode(await request.read(), type=dict[str, object])
    except msgspec.MsgspecError as error:
        raise Malformed("body") from error


def _json(answer: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=json_bytes(answer), content_type="application/json")


def _error(status: int, name: str | int, message: str) -> web.Response:
    return _json({"error": {"name": name, "message": message}}, status=status)
