"""Upbit's REST dialect. Source: protocols of the venue's API reference; numbers spelled as its answers spell them."""

from datetime import UTC
from urllib.parse import unquote

import msgspec
from aiohttp import web

from sandbox.venues import auth, candles
from sandbox.venues.auth import Credential, Denied, Why
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor, Limited
from sandbox.venues.limits import Ban, Window
from sandbox.venues.orders import Order, Reason, Refused, State
from sandbox.venues.spelling import json_bytes, plain
from sandbox.venues.ticketed import TicketedFeed, pairs, total
from sandbox.venues.ticketed_orders import TicketedOrders
from sandbox.venues.trading import shown_orders
from sandbox.venues.upbit.frames import IDLE_SECONDS, ticker_row, trade_tick_row
from sandbox.venues.upbit.my_order import my_order
from sandbox.venues.upbit.wire import (
    account_rows,
    chance_row,
    market_event,
    order_number,
    order_row,
    order_uuid,
    trade_rows,
    wallet_row,
    wish,
)

NAMES = {"BTC": ("비트코인", "Bitcoin"), "ETH": ("이더리움", "Ethereum"), "XRP": ("리플", "Ripple")}
_PUBLIC = {
    "/v1/market/all": "market",
    "/v1/orderbook": "orderbook",
    "/v1/orderbook/instruments": "orderbook",
    "/v1/ticker": "ticker",
    "/v1/trades/ticks": "trade",
}
_ERRORS = {  # reason -> status, name, message; {side} is bid or ask
    Reason.UNKNOWN_MARKET: (404, "market_does_not_exist", "해당 마켓이 존재하지 않습니다."),
    Reason.BAD_TICK: (400, "invalid_price_{side}", "주문가격 단위를 잘못 입력하셨습니다. 확인 후 시도해주세요."),
    Reason.BAD_LOT: (400, "invalid_volume_{side}", "주문수량 단위를 잘못 입력하셨습니다. 확인 후 시도해주세요."),
    Reason.BELOW_MIN_QTY: (400, "under_min_total_{side}", "최소주문금액 이상으로 주문해주세요."),
    Reason.BELOW_MIN_NOTIONAL: (400, "under_min_total_{side}", "최소주문금액 이상으로 주문해주세요."),
    Reason.ABOVE_MAX_NOTIONAL: (400, "volume_too_large", "최대주문가능금액을 초과하였습니다."),
    Reason.INSUFFICIENT_FUNDS: (400, "insufficient_funds_{side}", "주문가능한 금액이 부족합니다."),
    Reason.DUPLICATE_CLIENT_ID: (400, "duplicate_identifier", "이미 사용된 identifier 입니다."),
    Reason.NO_LIQUIDITY: (400, "create_{side}_error", "주문 가능한 호가가 없습니다."),
    Reason.WOULD_TAKE: (400, "create_{side}_error", "post_only"),
    Reason.UNKNOWN_ORDER: (404, "order_not_found", "주문을 찾지 못했습니다."),
    Reason.ALREADY_CLOSED: (404, "order_not_found", "주문을 찾지 못했습니다."),
    Reason.ON_REQUEST: (400, "create_{side}_error", "주문 요청 정보가 올바르지 않습니다."),
}
_DENIALS = {
    Why.NO_KEY: ("no_authorization_token", "인증 토큰이 없습니다."),
    Why.UNKNOWN_KEY: ("invalid_access_key", "잘못된 엑세스 키입니다."),
    Why.BAD_QUERY_HASH: ("invalid_query_payload", "Jwt의 query를 검증하는데 실패하였습니다."),
    Why.NONCE_USED: ("nonce_used", "이미 요청한 nonce값이 다시 사용되었습니다."),
}


class Upbit:
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
        self._windows = {group: Window(10, 1000) for group in ("market", "orderbook", "ticker", "trade", "candle")}
        self._windows |= {"default": Window(30, 1000), "order": Window(12, 1000), "order-test": Window(8, 1000)}
        self._ban = Ban(patience=10, first_ms=10_000, longest_ms=600_000)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/websocket/v1", self._feed.serve),
            web.get("/websocket/v1/private", self._order_stream.serve),
            web.get("/v1/market/all", self._markets),
            web.get("/v1/orderbook", self._orderbook),
            web.get("/v1/orderbook/instruments", self._instruments),
            web.get("/v1/ticker", self._ticker),
            web.get("/v1/trades/ticks", self._trades),
            web.get("/v1/candles/minutes/{unit}", candles.korean(self.floor, UTC)),
            web.get("/v1/accounts", self._accounts),
            web.get("/v1/orders/chance", self._chance),
            web.post("/v1/orders", self._place),
            web.post("/v1/orders/test", self._test),
            web.get("/v1/order", self._order),
            web.delete("/v1/order", self._cancel),
            web.get("/v1/orders/open", self._open),
            web.get("/v1/orders/closed", self._closed),
            web.get("/v1/orders/uuids", self._by_ids),
            web.delete("/v1/orders/open", self._cancel_open),
            web.get("/v1/status/wallet", self._wallets),
        ]

    # the door asks

    def is_placement(self, request: web.Request) -> bool:
        return request.method == "POST" and request.path == "/v1/orders"

    def admit(self, request: web.Request) -> dict[str, str]:
        now_ms = self.floor.clock()
        group = _group(request)
        if self._ban.left_ms(now_ms):
            raise Limited(banned=True, retry_after_ms=self._ban.left_ms(now_ms))
        window = self._windows[group]
        if not window.take(group, now_ms):
            self._ban.refused(now_ms)
            raise Limited
        self._ban.served()
        return {"Remaining-Req": f"group={group}; min=1800; sec={window.remaining(group, now_ms)}"}

    def refused(self, error: Refused) -> web.Response:
        status, name, message = _ERRORS[error.reason]
        side = error.side.value if error.side else "bid"
        return _error(status, error.code or name.format(side=side), message)

    def denied(self, error: Denied) -> web.Response:
        return _error(401, *_DENIALS.get(error.why, ("jwt_verification", "Jwt 토큰 검증에 실패했습니다.")))

    def malformed(self, error: Malformed) -> web.Response:
        if error.parameter == "code":
            return _error(404, 404, "Code not found")
        return _error(400, "validation_error", f"{error.parameter} does not have a valid value")

    def limited(self, error: Limited) -> web.Response:
        if error.banned:
            return _error(418, "blocked", f"blocked for {error.retry_after_ms / 1000:.0f} seconds")
        return web.Response(status=429, text="Too many API requests.")

    # public

    async def _markets(self, request: web.Request) -> web.Response:
        is_detailed = request.query.get("is_details", request.query.get("isDetails")) == "true"
        rows = [
            {"market": symbol, "korean_name": korean, "english_name": english}
            | ({"market_event": market_event(self.floor.wallets.warnings(symbol))} if is_detailed else {})
            for symbol, rules in self.floor.rules.markets.items()
            for korean, english in [NAMES.get(rules.base, (rules.base, rules.base))]
        ]
        return _json(rows)

    async def _instruments(self, request: web.Request) -> web.Response:
        rows = []
        for symbol in self._codes(request):
            bids, _ = self.floor.exchange.book(symbol)
            rules = self.floor.rules.markets[symbol]
            tick = rules.tick_at(bids[0][0]) if bids else rules.bands[0].tick
            rows.append(
                {
                    "market": symbol,
                    "quote_currency": rules.quote,
                    "tick_size": plain(tick),
                    "supported_levels": ["0", *(plain(tick * 10**n) for n in (1, 2, 3))],
                }
            )
        return _json(rows)

    async def _orderbook(self, request: web.Request) -> web.Response:
        count = request.query.get("count", "30")
        if not count.isdigit():
            return _error(400, 400, "Type mismatch error. Check the parameters type!")
        return _json([self._book(symbol, int(count)) for symbol in self._codes(request)])

    async def _ticker(self, request: web.Request) -> web.Response:
        return _json([{"market": symbol, **ticker_row(self._feed.days[symbol])} for symbol in self._codes(request)])

    async def _trades(self, request: web.Request) -> web.Response:
        symbol = request.query.get("market", "").upper()
        if symbol not in self.floor.rules.markets:
            raise Malformed("code")
        day = self._feed.days[symbol]
        before = whole(request.query, "cursor", 1 << 62)
        newest = [each for each in reversed(day.trades) if each[0] < before][: whole(request.query, "count", 1)]
        return _json([trade_tick_row(symbol, number, trade, day) for number, trade in newest])

    def _book(self, symbol: str, count: int) -> dict[str, object]:
        """The socket's book of the same timestamp, numbers plain."""
        shown = self._feed.shown[symbol]
        units = [
            {"ask_price": ask[0], "bid_price": bid[0], "ask_size": ask[1], "bid_size": bid[1]}
            for ask, bid in pairs(shown.bids, shown.asks, min(30, max(1, count)))
        ]
        return {
            "market": symbol,
            "timestamp": shown.at_ms,
            "total_ask_size": total(shown.asks[:30]),
            "total_bid_size": total(shown.bids[:30]),
            "orderbook_units": units,
            "level": 0,
        }

    def _codes(self, request: web.Request) -> list[str]:
        codes = [code for code in request.query.get("markets", "").upper().split(",") if code]
        if not codes or any(code not in self.floor.rules.markets for code in codes):
            raise Malformed("code")
        return codes

    # private

    def _account(self, request: web.Request, body: dict[str, object] | None = None) -> Credential:
        """Raises Denied."""
        header = request.headers.get("Authorization", "")
        credential, claims = auth.jwt_claims(header, self.floor.keys, ("HS512", "HS256"))
        nonce = str(claims.get("nonce"))
        if nonce in self._nonces:
            raise Denied(Why.NONCE_USED)
        self._nonces.add(nonce)
        parameters = auth.body_as_query(body) if body else unquote(request.query_string)
        auth.check_query_hash(claims, parameters)
        return credential

    async def _accounts(self, request: web.Request) -> web.Response:
        return _json(account_rows(self.floor.statements, self._account(request).account))

    async def _chance(self, request: web.Request) -> web.Response:
        account = self._account(request).account
        rules = self.floor.rules.markets.get(request.query.get("market", ""))
        if rules is None:
            raise Refused(Reason.UNKNOWN_MARKET, "orders/chance")
        return _json(chance_row(self.floor.rules, rules, account_rows(self.floor.statements, account)))

    async def _place(self, request: web.Request) -> web.Response:
        body = await _body(request)
        order = await self.floor.place(wish(self._account(request, body).account, body))
        return _json(order_row(order, accepted=True), status=201)

    async def _test(self, request: web.Request) -> web.Response:
        body = await _body(request)
        asked = wish(self._account(request, body).account, body)
        self.floor.exchange.check(asked)
        answer = {"market": asked.symbol, "side": asked.side.value, "state": "wait", "uuid": order_uuid(0)}
        return _json(answer, status=201)

    def _find(self, account: str, request: web.Request) -> Order:
        if "uuid" in request.query:
            return self.floor.find(account, order_id=order_number(request.query["uuid"]))
        if "identifier" not in request.query:
            raise Malformed("uuid or identifier")
        return self.floor.find(account, client_id=request.query["identifier"])

    async def _order(self, request: web.Request) -> web.Response:
        order = self._find(self._account(request).account, request)
        return _json(order_row(order) | {"trades": trade_rows(order)})

    async def _cancel(self, request: web.Request) -> web.Response:
        order = self._find(self._account(request).account, request)
        row = order_row(order)
        self.floor.cancel(order)
        return _json(row)  # as it stood when the request came: a cancel is a request

    async def _open(self, request: web.Request) -> web.Response:
        account = self._account(request).account
        limit = min(100, whole(request.query, "limit", 100))
        orders = self.floor.open_orders(account, request.query.get("market"))
        if request.query.get("order_by", "desc") == "desc":
            orders.reverse()
        return _json([order_row(order) for order in orders[:limit]])

    async def _closed(self, request: web.Request) -> web.Response:
        account = self._account(request).account
        wanted = request.query.getall("states[]", None) or [request.query.get("state", "")]
        rows = [
            order_row(order)
            for order in shown_orders(self.floor, account, request.query.get("market"))
            if order.state is not State.OPEN
        ]
        limit = min(1000, whole(request.query, "limit", 100))
        return _json([row for row in rows if wanted == [""] or row["state"] in wanted][:limit])

    async def _by_ids(self, request: web.Request) -> web.Response:
        account = self._account(request).account
        uuids = set(request.query.getall("uuids[]", []))
        identifiers = set(request.query.getall("identifiers[]", []))
        return _json(
            [
                order_row(order)
                for order in reversed(shown_orders(self.floor, account))
                if order_uuid(order.id) in uuids or order.client_id in identifiers
            ]
        )

    async def _cancel_open(self, request: web.Request) -> web.Response:
        account = self._account(request).account
        pairs = request.query.get("pairs", "")
        orders = [o for o in self.floor.open_orders(account) if not pairs or o.symbol in pairs.split(",")]
        done = []
        for order in orders[: min(300, whole(request.query, "count", 20))]:
            self.floor.cancel(order)
            done.append({"uuid": order_uuid(order.id), "market": order.symbol})
        return _json({"success": {"count": len(done), "orders": done}, "failed": {"count": 0, "orders": []}})

    async def _wallets(self, request: web.Request) -> web.Response:
        self._account(request)
        assets = dict.fromkeys(rules.base for rules in self.floor.rules.markets.values())
        return _json([wallet_row(asset, self.floor.wallets, self.floor.clock()) for asset in assets])


async def _body(request: web.Request) -> dict[str, object]:
    try:
        return msgspec.json.decode(await request.read(), type=dict[str, object])
    except msgspec.MsgspecError as error:
        raise Malformed("body") from error


def _group(request: web.Request) -> str:
    if request.path in _PUBLIC:
        return _PUBLIC[request.path]
    if request.path.startswith("/v1/candles/"):
        return "candle"
    if request.path == "/v1/orders/test":
        return "order-test"
    return "order" if request.method in ("POST", "DELETE") else "default"


def _json(answer: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=json_bytes(answer), content_type="application/json")


def _error(status: int, name: str | int, message: str) -> web.Response:
    return _json({"error": {"name": name, "message": message}}, status=status)
