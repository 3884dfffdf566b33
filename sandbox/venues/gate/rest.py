"""Gate's v4 REST: spot and USDT futures below one host."""

from math import ceil
from typing import Any

from aiohttp import web
from msgspec.structs import replace

from sandbox.venues.auth import Denied
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor, Limited
from sandbox.venues.gate.futures import FuturesDesk
from sandbox.venues.gate.order_channel import OrderChannels, futures_channels, spot_channels
from sandbox.venues.gate.orders import Desk, denial, refusal
from sandbox.venues.gate.socket import Frames, Talk, named, pairs, ticker_of
from sandbox.venues.limits import Window
from sandbox.venues.listings import perps, spot, venue
from sandbox.venues.orders import Refused, Side
from sandbox.venues.public import Public, Stream, endpoint, symbol_of
from sandbox.venues.rules import ClientIds, FeeFrom, MarketRules, Stp, VenueRules
from sandbox.venues.settlements import Settlements
from sandbox.venues.sockets import Socket, Sockets
from sandbox.venues.spelling import json_bytes, plain

_PER_WINDOW, _WINDOW_MS = 200, 10_000  # per endpoint
_IDLE_SECONDS = 30.5  # unless a subscription sends
_PLACEMENTS = ("/api/v4/spot/orders", "/api/v4/futures/usdt/orders", "/api/v4/futures/usdt/price_orders")
_CONTRACTS = {"BTC": "0.0001", "ETH": "0.01", "XRP": "10"}


def rules() -> tuple[VenueRules, VenueRules]:
    spots = venue(
        "gate",
        "0.002",
        "0.002",
        FeeFrom.RECEIVED,
        spot(lambda base: f"{base}_USDT"),
        client_ids=ClientIds.UNIQUE_AMONG_OPEN,  # nobody says so: what is certain is that an ended text is forgotten
        stp=Stp.NONE,
        refuses_taking_post_only=True,
    )
    futures = perps(lambda base: f"{base}_USDT", _CONTRACTS)
    contracts = venue(
        "gate_futures",
        "0.0002",
        "0.0005",
        FeeFrom.QUOTE,
        futures,
        client_ids=ClientIds.UNIQUE_AMONG_OPEN,
        refuses_taking_post_only=True,
        margined=True,
    )
    return spots, replace(contracts, stops_apart=True, repeats_stop_ids=True)


class Product:
    def __init__(self, floor: Floor, first_id: int) -> None:
        self.floor = floor
        frames = Frames(floor)
        self.stream = Stream(floor, frames, first_id)
        self.talk = Talk(floor, self.stream, frames)


class Gate(Public):
    """A Dialect."""

    def __init__(self, spots: Floor, futures: Floor, sockets: Sockets) -> None:
        super().__init__(spots, sockets, Window(_PER_WINDOW, _WINDOW_MS))
        self._spot = Product(spots, 24_000_000)
        self._futures = Product(futures, 88_000_000)
        self._spot_orders, self._futures_orders = spot_channels(spots), futures_channels(futures)
        self._settled = Settlements(futures)
        self._desk = Desk(spots, _yes)
        self._futures_desk = FuturesDesk(futures, _yes, _no)

    def routes(self) -> list[web.RouteDef]:
        spots, futures = "/api/v4/spot", "/api/v4/futures/{settle}"
        return [
            web.get("/ws/v4/", self._spot_socket),
            web.get("/v4/ws/usdt", self._futures_socket),
            web.get(f"{spots}/time", self._time),
            web.get(f"{spots}/currencies", self._currencies),
            web.get(f"{spots}/currencies/{{currency}}", self._currencies),
            web.get(f"{spots}/currency_pairs", self._pairs),
            web.get(f"{spots}/currency_pairs/{{currency_pair}}", self._pairs),
            web.get("/api/v4/margin/currency_pairs", self._none),
            web.get(f"{spots}/order_book", self._spot_book),
            web.get(f"{spots}/trades", self._spot_trades),
            web.get(f"{spots}/tickers", self._spot_tickers),
            web.get(f"{futures}/contracts", self._contracts),
            web.get(f"{futures}/contracts/{{contract}}", self._contract),
            web.get(f"{futures}/order_book", self._futures_book),
            web.get(f"{futures}/trades", self._futures_trades),
            web.get(f"{futures}/tickers", self._futures_tickers),
            web.get(f"{futures}/funding_rate", self._funding),
            *self._desk.routes(),
            *self._futures_desk.routes(),
        ]

    def is_placement(self, request: web.Request) -> bool:
        return request.method == "POST" and request.path in _PLACEMENTS

    def admit(self, request: web.Request) -> dict[str, str]:
        left, now_ms = self.take(request, scope=endpoint(request)), self.floor.clock()
        reset_s = (now_ms // _WINDOW_MS + 1) * _WINDOW_MS // 1_000
        return {
            "X-Gate-RateLimit-Limit": str(_PER_WINDOW),
            "X-Gate-RateLimit-Requests-Remain": str(left),
            "X-Gate-RateLimit-Reset-Timestamp": str(reset_s),
        }

    def refused(self, error: Refused) -> web.Response:
        return _no(*refusal(error))

    def denied(self, error: Denied) -> web.Response:
        return _no(*denial(error), 401)

    def malformed(self, error: Malformed) -> web.Response:
        label = {"currency_pair": "INVALID_CURRENCY_PAIR", "contract": "CONTRACT_NOT_FOUND", "limit": "TOO_BIG"}
        return _no(label.get(error.parameter, "INVALID_PARAM_VALUE"), f"{error.parameter} {error.detail}".strip())

    def limited(self, error: Limited) -> web.Response:
        answer = _no("TOO_MANY_REQUESTS", "Request Rate limit Exceeded", 418 if error.banned else 429)
        reset_s = ceil((self.floor.clock() + error.retry_after_ms) / 1_000)
        answer.headers["X-Gate-RateLimit-Requests-Remain"] = "0"
        answer.headers["X-Gate-RateLimit-Reset-Timestamp"] = str(reset_s)
        return answer

    async def _spot_socket(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, self._spot, self._spot_orders)

    async def _futures_socket(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, self._futures, self._futures_orders)

    async def _serve(self, request: web.Request, product: Product, orders: OrderChannels) -> web.StreamResponse:
        def on_text(socket: Socket, text: str) -> None:
            if not orders.hear(socket, text):
                product.talk.hear(socket, text)

        readers = (product.stream, orders)
        return await self.run_socket(request, readers, on_text, idle_seconds=_IDLE_SECONDS, sending_counts=True)

    async def _time(self, _: web.Request) -> web.Response:
        return _yes({"server_time": self.floor.clock()})

    async def _none(self, _: web.Request) -> web.Response:
        return _yes([])

    async def _currencies(self, request: web.Request) -> web.Response:
        """All of them, or the one that the path names."""
        one = request.match_info.get("currency")
        wallets = self.floor.wallets
        chains = {"BTC": ("BTC",), "ETH": ("ETH", "ARBEVM"), "XRP": ("XRP",), "USDT": ("TRX", "ETH")}
        said = [
            {
                "currency": coin,
                "name": coin,
                "delisted": False,
                "withdraw_disabled": not any(wallets.of(coin, name).withdrawals for name in names),
                "withdraw_delayed": False,
                "deposit_disabled": not any(wallets.of(coin, name).deposits for name in names),
                "trade_disabled": False,
                "chain": names[0],
                "chains": [
                    {
                        "name": name,
                        "addr": "",
                        "withdraw_disabled": not wallets.of(coin, name).withdrawals,
                        "withdraw_delayed": False,
                        "deposit_disabled": not wallets.of(coin, name).deposits,
                    }
                    for name in names
                ],
            }
            for coin, names in chains.items()
            if one in (None, coin)
        ]
        if one is not None and not said:
            raise Malformed("currency", one)
        return _yes(said if one is None else said[0])

    async def _pairs(self, request: web.Request) -> web.Response:
        one = request.match_info.get("currency_pair")
        if one is not None:
            symbol = symbol_of(self._spot.floor, one, "currency_pair")
            return _yes(_pair(self._spot.floor.rules.markets[symbol]))
        return _yes([_pair(market) for market in self._spot.floor.rules.markets.values()])

    async def _contracts(self, request: web.Request) -> web.Response:
        if request.match_info["settle"] != "usdt":
            return _yes([])
        return _yes([self._described(market) for market in self._futures.floor.rules.markets.values()])

    async def _contract(self, request: web.Request) -> web.Response:
        name = symbol_of(self._futures.floor, request.match_info["contract"], "contract")
        return _yes(self._described(self._futures.floor.rules.markets[name]))

    def _described(self, market: MarketRules) -> dict[str, Any]:
        state = self._futures.floor.perps.get(market.symbol)
        contract = plain(market.perp.contract) if market.perp else "0"
        said = {
            "name": market.symbol,
            "type": "direct",
            "quanto_multiplier": contract,
            "leverage_min": "1",
            "leverage_max": "100",
            "maintenance_rate": "0.005",
            "mark_type": "index",
            "order_price_round": plain(market.bands[-1].tick),
            "mark_price_round": "0.01",
            "order_size_min": int(market.min_qty),
            "order_size_max": 1_000_000,
            "order_price_deviate": "0.5",
            "maker_fee_rate": "-0.0001",  # no retail rate: the venue shows these to everybody
            "taker_fee_rate": "0.00075",
            "in_delisting": False,
            "status": "trading",
            "enable_decimal": False,
        }
        if state is not None:
            said |= {
                "mark_price": plain(state.mark),
                "index_price": plain(state.index),
                "last_price": plain(state.mark),
                "funding_rate": plain(state.funding_rate),
                "funding_rate_indicative": plain(state.predicted_rate),
                "funding_interval": state.interval_ms // 1_000,
                "funding_next_apply": state.next_ms // 1_000,
            }
        return said

    async def _spot_book(self, request: web.Request) -> web.Response:
        symbol = symbol_of(self._spot.floor, request.query.get("currency_pair"), "currency_pair")
        shown, limit = self._spot.stream.shown[symbol], whole(request.query, "limit", 10)
        said: dict[str, Any] = {"current": self.floor.clock(), "update": shown.at_ms}
        if request.query.get("with_id", "").lower() == "true":
            said["id"] = shown.last_id
        return _yes(said | {"asks": pairs(shown.asks[:limit]), "bids": pairs(shown.bids[:limit])})

    async def _futures_book(self, request: web.Request) -> web.Response:
        symbol = symbol_of(self._futures.floor, request.query.get("contract"), "contract")
        shown, limit = self._futures.stream.shown[symbol], whole(request.query, "limit", 10)
        if limit > 300:
            raise Malformed("limit")
        said: dict[str, Any] = {"current": self.floor.clock() / 1_000, "update": shown.at_ms / 1_000}
        if request.query.get("with_id", "").lower() == "true":
            said["id"] = shown.last_id
        return _yes(said | {"asks": named(shown.asks[:limit]), "bids": named(shown.bids[:limit])})

    async def _spot_trades(self, request: web.Request) -> web.Response:
        symbol = symbol_of(self._spot.floor, request.query.get("currency_pair"), "currency_pair")
        kept = list(self._spot.stream.days[symbol].trades)[-whole(request.query, "limit", 100) :]
        said = [
            {
                "id": str(number),
                "create_time": str(trade.at_ms // 1_000),
                "create_time_ms": f"{trade.at_ms}.000000",
                "currency_pair": symbol,
                "side": "buy" if trade.aggressor is Side.BUY else "sell",
                "amount": plain(trade.qty),
                "price": plain(trade.price),
                "sequence_id": str(number),
            }
            for number, trade in reversed(kept)
        ]
        return _yes(said)

    async def _futures_trades(self, request: web.Request) -> web.Response:
        symbol = symbol_of(self._futures.floor, request.query.get("contract"), "contract")
        kept = list(self._futures.stream.days[symbol].trades)[-whole(request.query, "limit", 100) :]
        said = [
            {
                "id": number,
                "create_time": trade.at_ms // 1_000,
                "create_time_ms": trade.at_ms / 1_000,
                "contract": symbol,
                "size": int(trade.qty) if trade.aggressor is Side.BUY else -int(trade.qty),
                "price": plain(trade.price),
            }
            for number, trade in reversed(kept)
        ]
        return _yes(said)

    async def _spot_tickers(self, request: web.Request) -> web.Response:
        return self._tickers(self._spot, request.query.get("currency_pair"), "currency_pair")

    async def _futures_tickers(self, request: web.Request) -> web.Response:
        return self._tickers(self._futures, request.query.get("contract"), "contract")

    def _tickers(self, product: Product, wanted: str | None, name: str) -> web.Response:
        symbols = list(product.floor.rules.markets) if wanted is None else [symbol_of(product.floor, wanted, name)]
        said = []
        for symbol in symbols:
            shown = product.stream.shown[symbol]
            row: dict[str, str] = ticker_of(product.floor, symbol, product.stream.days[symbol])
            row |= {"highest_bid": plain(shown.bids[0][0])} if shown.bids else {}
            row |= {"lowest_ask": plain(shown.asks[0][0])} if shown.asks else {}
            said.append(row)
        return _yes(said)

    async def _funding(self, request: web.Request) -> web.Response:
        """Newest first; times are seconds."""
        query = request.query
        symbol = symbol_of(self._futures.floor, query.get("contract"), "contract")
        count, to_s = min(1_000, whole(query, "limit", 100)), whole(query, "to", 0)
        settled = self._settled.newest(symbol, count, whole(query, "from", 0) * 1_000, to_s * 1_000 or None)
        return _yes([{"t": each.at_ms // 1_000, "r": plain(each.rate)} for each in settled])


def _pair(market: MarketRules) -> dict[str, Any]:
    tick = market.bands[-1].tick
    return {
        "id": market.symbol,
        "base": market.base,
        "quote": market.quote,
        "fee": "0.2",
        "min_base_amount": plain(market.min_qty),
        "min_quote_amount": plain(market.min_notional),
        "amount_precision": -int(market.lot.adjusted()),
        "precision": -int(tick.adjusted()),
        "trade_status": "tradable",
        "sell_start": 0,
        "buy_start": 0,
    }


def _yes(said: object) -> web.Response:
    return web.Response(body=json_bytes(said), content_type="application/json")


def _no(label: str, text: str, status: int = 400) -> web.Response:
    said = {"label": label, "message": text}
    return web.Response(status=status, body=json_bytes(said), content_type="application/json")
