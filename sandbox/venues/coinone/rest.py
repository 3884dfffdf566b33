"""Coinone's REST. Errors ride in HTTP 200; an unknown path is a page of HTML with 200."""

from collections.abc import Sequence
from typing import Any

from aiohttp import web
from msgspec.structs import replace

from sandbox.venues.auth import Denied
from sandbox.venues.coinone.my_order import OrderStream
from sandbox.venues.coinone.orders import Desk, denial, refusal
from sandbox.venues.coinone.socket import Frames, Talk, day_of, rows
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor, Limited
from sandbox.venues.limits import Window
from sandbox.venues.listings import krw, venue
from sandbox.venues.orders import Refused, Side
from sandbox.venues.public import Public, Stream
from sandbox.venues.rules import FeeFrom, MarketRules, VenueRules
from sandbox.venues.sockets import Sockets
from sandbox.venues.spelling import json_bytes, plain

_PER_MINUTE = 1_200
_ORDERS_PER_SECOND, _OTHER_PER_SECOND = 40, 80  # of private calls
_IDLE_SECONDS = 60.7
_SIZES = (5, 10, 15, 16)


def rules() -> VenueRules:
    made = venue("coinone", "0.0002", "0.0002", FeeFrom.QUOTE, krw(lambda base: f"KRW-{base}"))
    return replace(made, holds_stops=True, stops_either_way=True)


class Coinone(Public):
    """A Dialect."""

    def __init__(self, floor: Floor, sockets: Sockets) -> None:
        super().__init__(floor, sockets, Window(_PER_MINUTE, 60_000))
        self._frames = Frames(floor)
        self.stream = Stream(floor, self._frames, 7_000)
        self._talk = Talk(floor, self.stream, self._frames)
        self._desk = Desk(floor, self._say)
        self._order_stream = OrderStream(floor, sockets)
        self._orders = Window(_ORDERS_PER_SECOND, 1_000)
        self._private = Window(_OTHER_PER_SECOND, 1_000)

    def routes(self) -> list[web.RouteDef]:
        base = "/public/v2"
        return [
            web.get("/", self._socket),
            web.get("/v1/private", self._order_stream.serve),
            web.get(f"{base}/markets/{{quote}}", self._markets),
            web.get(f"{base}/markets/{{quote}}/{{target}}", self._markets),
            web.get(f"{base}/range_units/{{quote}}/{{target}}", self._units),
            web.get(f"{base}/currencies", self._currencies),
            web.get(f"{base}/currencies/{{currency}}", self._currencies),
            web.get(f"{base}/orderbook/{{quote}}/{{target}}", self._orderbook),
            web.get(f"{base}/trades/{{quote}}/{{target}}", self._trades),
            web.get(f"{base}/ticker_new/{{quote}}", self._tickers),
            web.get(f"{base}/ticker_new/{{quote}}/{{target}}", self._tickers),
            *self._desk.routes(),
            web.get("/{rest:.*}", self._nowhere),
        ]

    def is_placement(self, request: web.Request) -> bool:
        return request.path == "/v2.1/order"

    def admit(self, request: web.Request) -> dict[str, str]:
        """Public calls are counted by address, private ones by account: there is one."""
        if not request.path.startswith("/v2.1/"):
            return {"Public-Ratelimit-Remaining": str(self.take(request))}
        is_order = request.path in ("/v2.1/order", "/v2.1/order/cancel", "/v2.1/order/cancel/all")
        window, name = (self._orders, "Private-Order") if is_order else (self._private, "Private")
        now_ms = self.floor.clock()
        if not window.take("", now_ms):
            raise Limited
        return {f"{name}-Ratelimit-Remaining": str(window.remaining("", now_ms))}

    def refused(self, error: Refused) -> web.Response:
        return _error(*refusal(error))

    def denied(self, error: Denied) -> web.Response:
        return _error(*denial(error))

    def malformed(self, error: Malformed) -> web.Response:
        return _error("108" if error.parameter == "target" else "107", f"{error.parameter} {error.detail}".strip())

    def limited(self, error: Limited) -> web.Response:
        return _error("4", "Blocked user access", 429)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        return await self.run_socket(
            request,
            (self.stream,),
            self._talk.hear,
            idle_seconds=_IDLE_SECONDS,
            sending_counts=True,
            first=self._talk.greet,
        )

    async def _nowhere(self, _: web.Request) -> web.Response:
        return web.Response(text="<html><body>coinone</body></html>", content_type="text/html")

    async def _markets(self, request: web.Request) -> web.Response:
        found = [self._one(request)] if "target" in request.match_info else self._of(request)
        return self._say({"markets": [self._market(market) for market in found]})

    def _market(self, market: MarketRules) -> dict[str, Any]:
        return {
            "quote_currency": market.quote,
            "target_currency": market.base,
            "price_unit": plain(market.bands[-1].tick),
            "qty_unit": plain(market.lot),
            "max_order_amount": plain(market.max_notional),
            "min_order_amount": plain(market.min_notional),
            "max_price": "10000000000",
            "min_price": "0.0001",
            "max_qty": "1000000000",
            "min_qty": plain(market.min_qty),
            "order_book_units": ["0"],
            "maintenance_status": 0,
            "trade_status": 1,
            "order_types": ["limit", "market", "stop_limit"],
        }

    async def _units(self, request: web.Request) -> web.Response:
        market = self._one(request)
        rising = [*reversed(market.bands)]
        ends = [plain(band.from_price) for band in rising[1:]] + ["10000000000"]
        units = [
            {"range_min": plain(band.from_price), "next_range_min": end, "price_unit": plain(band.tick)}
            for band, end in zip(rising, ends, strict=True)
        ]
        return self._say({"range_price_units": units})

    async def _currencies(self, request: web.Request) -> web.Response:
        """All of them, or the one that the path names."""
        wallets, one = self.floor.wallets, request.match_info.get("currency", "").upper()
        rows_ = [
            {
                "name": market.base,
                "symbol": market.base,
                "deposit_status": "normal" if wallets.of(market.base, market.base).deposits else "suspended",
                "withdraw_status": "normal" if wallets.of(market.base, market.base).withdrawals else "suspended",
                "deposit_confirm_count": 2,
                "max_precision": 8,
                "deposit_fee": "0.0",
                "withdrawal_min_amount": "0.001",
                "withdrawal_fee": "0.0005",
            }
            for market in self.floor.rules.markets.values()
            if one in ("", market.base)
        ]
        if not rows_:
            raise Malformed("target", one)
        return self._say({"currencies": rows_})

    async def _orderbook(self, request: web.Request) -> web.Response:
        market = self._one(request)
        size = whole(request.query, "size", 15)
        if size not in _SIZES:
            raise Malformed("size")
        shown = self.stream.shown[market.symbol]
        return self._say(
            {
                "timestamp": shown.at_ms,
                "id": self._frames.book_id(market.symbol, shown.at_ms, shown.last_id),
                "quote_currency": market.quote,
                "target_currency": market.base,
                "order_book_unit": "0.0",
                "bids": rows(shown.bids[:size]),
                "asks": rows(shown.asks[:size]),
            }
        )

    async def _trades(self, request: web.Request) -> web.Response:
        market = self._one(request)
        kept = list(self.stream.days[market.symbol].trades)[-whole(request.query, "size", 200) :]
        said = [
            {
                "id": f"{trade.at_ms}{number % 1000:03d}",
                "timestamp": trade.at_ms,
                "price": plain(trade.price),
                "qty": plain(trade.qty),
                "is_seller_maker": trade.aggressor is Side.BUY,
            }
            for number, trade in reversed(kept)
        ]
        pair = {"quote_currency": market.quote, "target_currency": market.base}
        return self._say({**pair, "transactions": said})

    async def _tickers(self, request: web.Request) -> web.Response:
        found = [self._one(request)] if "target" in request.match_info else self._of(request)
        return self._say({"tickers": [self._ticker(market) for market in found]})

    def _ticker(self, market: MarketRules) -> dict[str, Any]:
        day, shown = self.stream.days[market.symbol], self.stream.shown[market.symbol]
        at_ms = day.last_ms or shown.at_ms
        return {
            "quote_currency": market.quote.lower(),
            "target_currency": market.base.lower(),
            "timestamp": at_ms,
            **day_of(day),
            "best_asks": rows(shown.asks[:1]),
            "best_bids": rows(shown.bids[:1]),
            "id": f"{at_ms}001",
        }

    def _of(self, request: web.Request) -> Sequence[MarketRules]:
        quote = request.match_info["quote"].upper()
        found = [market for market in self.floor.rules.markets.values() if market.quote == quote]
        if not found:
            raise Malformed("quote", quote)
        return found

    def _one(self, request: web.Request) -> MarketRules:
        symbol = f"{request.match_info['quote']}-{request.match_info['target']}".upper()
        if symbol not in self.floor.rules.markets:
            raise Malformed("target", symbol)
        return self.floor.rules.markets[symbol]

    def _say(self, said: dict[str, Any]) -> web.Response:
        head = {"result": "success", "error_code": "0", "server_time": self.floor.clock()}
        return web.Response(body=json_bytes({**head, **said}), content_type="application/json")


def _error(code: str, text: str, status: int = 200) -> web.Response:
    said = {"result": "error", "error_code": code, "error_msg": text}
    return web.Response(status=status, body=json_bytes(said), content_type="application/json")
