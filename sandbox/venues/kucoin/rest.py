"""KuCoin's REST, spot and futures. Errors ride in HTTP 200 with a code of their own."""

from typing import Any

from aiohttp import web
from msgspec.structs import replace

from sandbox.venues.auth import Denied
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor, Limited
from sandbox.venues.kucoin.currencies import currency_rows
from sandbox.venues.kucoin.futures import FuturesDesk
from sandbox.venues.kucoin.order_stream import OrderStream
from sandbox.venues.kucoin.orders import Desk, denial, refusal
from sandbox.venues.kucoin.socket import ClassicTalk, Frames, ProTalk, lots, rows
from sandbox.venues.kucoin.stops import StopDesk
from sandbox.venues.limits import Window
from sandbox.venues.listings import perps, spot, venue
from sandbox.venues.orders import Refused, Side
from sandbox.venues.public import Public, Stream, symbol_of
from sandbox.venues.rules import ClientIds, FeeFrom, MarketRules, Stp, VenueRules
from sandbox.venues.settlements import Settlements
from sandbox.venues.sockets import Sockets
from sandbox.venues.spelling import json_bytes, plain

_PER_WINDOW, _WINDOW_MS = 2_000, 30_000
_IDLE_SECONDS = 60.0
_PLACEMENTS = ("/api/v1/hf/orders", "/api/v1/hf/orders/sync", "/api/v1/stop-order", "/api/v1/orders")
_CONTRACTS = {"BTC": "0.001", "ETH": "0.01", "XRP": "10"}


def contract(base: str) -> str:
    """XBTUSDTM: bitcoin has another code in the futures."""
    return f"{'XBT' if base == 'BTC' else base}USDTM"


def rules() -> tuple[VenueRules, VenueRules]:
    spots = venue(
        "kucoin",
        "0.001",
        "0.001",
        FeeFrom.QUOTE,
        spot(lambda base: f"{base}-USDT"),
        client_ids=ClientIds.UNIQUE_AMONG_OPEN,  # its page says unique; users have seen an ended order's id taken again
        stp=Stp.NONE,
    )
    futures = venue(
        "kucoin_futures",
        "0.0002",
        "0.0006",
        FeeFrom.QUOTE,
        perps(contract, _CONTRACTS),
        client_ids=ClientIds.UNIQUE_AMONG_OPEN,
        refuses_taking_post_only=True,
        margined=True,
    )
    apart = replace(spots, stops_apart=True, stops_name_child=True, stops_at_once=True)
    return apart, replace(futures, stops_at_once=True)


class Kucoin(Public):
    """A Dialect."""

    def __init__(self, spots: Floor, futures: Floor, sockets: Sockets) -> None:
        super().__init__(spots, sockets, Window(_PER_WINDOW, _WINDOW_MS))
        self._floors = {"SPOT": spots, "FUTURES": futures}
        frames = {name: Frames(floor) for name, floor in self._floors.items()}
        self._streams = {
            "SPOT": Stream(spots, frames["SPOT"], 10_000_000_000),
            "FUTURES": Stream(futures, frames["FUTURES"], 1_700_000_000_000),
        }
        products = {name: (self._streams[name], frames[name]) for name in self._floors}
        self._settled = Settlements(futures)
        self._desk = Desk(spots, _yes)
        self._stop_desk = StopDesk(spots, _yes, self._desk.account_of)
        self._futures_desk = FuturesDesk(futures, _yes, _no)
        whose = self._desk.account_of, self._futures_desk.account_of
        self._order_stream = OrderStream(spots, sockets, whose[0], is_futures=False)
        self._futures_stream = OrderStream(futures, sockets, whose[1], is_futures=True)
        self._pro, self._classic = ProTalk(products), ClassicTalk(products)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self._pro_socket),
            web.get("/endpoint", self._classic_socket),
            web.get("/private", self._order_stream.serve),
            web.get("/private-futures", self._futures_stream.serve),
            web.post("/api/v1/bullet-public", self._bullet),
            web.post("/api/v1/bullet-private", self._private_bullet),
            web.get("/api/v1/timestamp", self._time),
            web.get("/api/v1/symbols", self._symbols),
            web.get("/api/v2/symbols", self._symbols),
            web.get("/api/v2/symbols/{symbol}", self._symbol),
            web.get("/api/v3/currencies", self._currencies),
            web.get("/api/v3/currencies/{currency}", self._currencies),
            web.get("/api/v3/margin/symbols", self._no_margin),
            web.get("/api/v1/isolated/symbols", self._no_margin),
            web.get("/api/v1/market/allTickers", self._tickers),
            web.get("/api/v1/market/stats", self._stats),
            web.get("/api/v1/market/histories", self._trades),
            web.get("/api/v1/market/orderbook/level2_{depth}", self._spot_book),
            web.get("/api/v3/market/orderbook/level2", self._spot_book),
            web.get("/api/v1/contracts/active", self._contracts),
            web.get("/api/v1/contracts/{symbol}", self._contract),
            web.get("/api/v1/ticker", self._futures_ticker),
            web.get("/api/v1/level2/snapshot", self._futures_book),
            web.get("/api/v1/level2/depth{depth}", self._futures_book),
            web.get("/api/v1/trade/history", self._futures_trades),
            web.get("/api/v1/funding-rate/{symbol}/current", self._rate),
            web.get("/api/v1/contract/funding-rates", self._rates),
            web.get("/api/v1/trade-fees", self._trade_fees),
            web.get("/api/ua/v1/account/mode", self._mode),
            web.get("/api/v1/hf/accounts/opened", self._opened),
            *self._desk.routes(),
            *self._stop_desk.routes(),
            *self._futures_desk.routes(),
        ]

    def is_placement(self, request: web.Request) -> bool:
        return request.method == "POST" and request.path in _PLACEMENTS

    def admit(self, request: web.Request) -> dict[str, str]:
        left, now_ms = self.take(request), self.floor.clock()
        return {
            "gw-ratelimit-limit": str(_PER_WINDOW),
            "gw-ratelimit-remaining": str(left),
            "gw-ratelimit-reset": str(_WINDOW_MS - now_ms % _WINDOW_MS),
        }

    def refused(self, error: Refused) -> web.Response:
        return _no(*refusal(error))

    def denied(self, error: Denied) -> web.Response:
        return _no(*denial(error), 401)

    def malformed(self, error: Malformed) -> web.Response:
        return _no("200003", f"{error.parameter} {error.detail} not exists".replace("  ", " "))

    def limited(self, error: Limited) -> web.Response:
        answer = _no("429000", "Too many requests", 418 if error.banned else 429)
        answer.headers["gw-ratelimit-remaining"] = "0"
        answer.headers["gw-ratelimit-reset"] = str(error.retry_after_ms)
        return answer

    async def _pro_socket(self, request: web.Request) -> web.StreamResponse:
        return await self.run_socket(
            request,
            self._streams.values(),
            self._pro.hear,
            idle_seconds=_IDLE_SECONDS,
            sending_counts=True,
            first=self._pro.greet,
        )

    async def _classic_socket(self, request: web.Request) -> web.StreamResponse:
        if not request.query.get("token"):
            return web.Response(status=401)
        return await self.run_socket(
            request,
            self._streams.values(),
            self._classic.hear,
            idle_seconds=_IDLE_SECONDS,
            first=self._classic.greet,
        )

    async def _bullet(self, request: web.Request) -> web.Response:
        server = {"endpoint": f"ws://{request.host}/endpoint", "encrypt": False, "protocol": "websocket"}
        server |= {"pingInterval": 18_000, "pingTimeout": 10_000}
        return _yes({"token": "sandbox", "instanceServers": [server]})

    async def _private_bullet(self, request: web.Request) -> web.Response:
        stream = self._futures_stream if self._is_futures(request) else self._order_stream
        return _yes(await stream.bullet(request))

    async def _trade_fees(self, request: web.Request) -> web.Response:
        """Of spot symbols, or of one contract: the two hosts have it at the same path."""
        return await (self._futures_desk if "symbol" in request.query else self._desk).fees(request)

    async def _mode(self, request: web.Request) -> web.Response:
        await self._anyone(request)
        return _yes({"selfAccountMode": "CLASSIC"})

    async def _opened(self, request: web.Request) -> web.Response:
        await self._anyone(request)
        return _yes(True)

    async def _anyone(self, request: web.Request) -> None:
        """Whichever account asks. Raises Denied."""
        await (self._futures_desk if self._is_futures(request) else self._desk).account_of(request)

    def _is_futures(self, request: web.Request) -> bool:
        return request.headers.get("KC-API-KEY", "") in self._floors["FUTURES"].keys

    async def _time(self, _: web.Request) -> web.Response:
        return _yes(self.floor.clock())

    async def _symbols(self, _: web.Request) -> web.Response:
        return _yes([_spot(market) for market in self._floors["SPOT"].rules.markets.values()])

    async def _symbol(self, request: web.Request) -> web.Response:
        symbol = symbol_of(self._floors["SPOT"], request.match_info["symbol"])
        return _yes(_spot(self._floors["SPOT"].rules.markets[symbol]))

    async def _currencies(self, request: web.Request) -> web.Response:
        """All of them, or the one that the path names."""
        one = request.match_info.get("currency")
        said = [row for row in currency_rows(self.floor.wallets) if one in (None, row["currency"])]
        if one is not None and not said:
            raise Malformed("currency", one)
        return _yes(said if one is None else said[0])

    async def _no_margin(self, _: web.Request) -> web.Response:
        return _yes([])

    async def _tickers(self, _: web.Request) -> web.Response:
        rows_ = [self._ticker(symbol) for symbol in self._floors["SPOT"].rules.markets]
        return _yes({"time": self.floor.clock(), "ticker": rows_})

    async def _stats(self, request: web.Request) -> web.Response:
        symbol = symbol_of(self._floors["SPOT"], request.query.get("symbol"))
        return _yes({"time": self.floor.clock(), **self._ticker(symbol)})

    def _ticker(self, symbol: str) -> dict[str, str]:
        day, shown = self._streams["SPOT"].days[symbol], self._streams["SPOT"].shown[symbol]
        said = {"symbol": symbol, "symbolName": symbol, "last": plain(day.last)}
        said |= {"high": plain(day.high), "low": plain(day.low), "changePrice": plain(day.change)}
        said |= {"vol": plain(day.volume), "volValue": plain(day.funds)}
        said |= {"takerFeeRate": "0.001", "makerFeeRate": "0.001", "takerCoefficient": "1", "makerCoefficient": "1"}
        for name, levels in (("buy", shown.bids), ("sell", shown.asks)):
            if levels:
                said[name] = plain(levels[0][0])
        return said

    async def _trades(self, request: web.Request) -> web.Response:
        symbol = symbol_of(self._floors["SPOT"], request.query.get("symbol"))
        said = [
            {
                "sequence": str(number),
                "price": plain(trade.price),
                "size": plain(trade.qty),
                "side": "buy" if trade.aggressor is Side.BUY else "sell",
                "time": trade.at_ms * 1_000_000,
            }
            for number, trade in reversed(self._streams["SPOT"].days[symbol].trades)
        ]
        return _yes(said[:100])

    async def _futures_trades(self, request: web.Request) -> web.Response:
        symbol = symbol_of(self._floors["FUTURES"], request.query.get("symbol"))
        said = [
            {
                "sequence": number,
                "tradeId": str(number),
                "price": plain(trade.price),
                "size": int(trade.qty),
                "side": "buy" if trade.aggressor is Side.BUY else "sell",
                "ts": trade.at_ms * 1_000_000,
            }
            for number, trade in reversed(self._streams["FUTURES"].days[symbol].trades)
        ]
        return _yes(said[:100])

    async def _spot_book(self, request: web.Request) -> web.Response:
        symbol = symbol_of(self._floors["SPOT"], request.query.get("symbol"))
        shown, depth = self._streams["SPOT"].shown[symbol], _depth(request)
        sides = {"bids": rows(shown.bids[:depth]), "asks": rows(shown.asks[:depth])}
        return _yes({"time": shown.at_ms, "sequence": str(shown.last_id), **sides})

    async def _futures_book(self, request: web.Request) -> web.Response:
        symbol = symbol_of(self._floors["FUTURES"], request.query.get("symbol"))
        shown, depth = self._streams["FUTURES"].shown[symbol], _depth(request)
        sides = {"bids": lots(shown.bids[:depth]), "asks": lots(shown.asks[:depth])}
        return _yes({"sequence": shown.last_id, "symbol": symbol, "ts": shown.at_ms * 1_000_000, **sides})

    async def _futures_ticker(self, request: web.Request) -> web.Response:
        symbol = symbol_of(self._floors["FUTURES"], request.query.get("symbol"))
        shown, day = self._streams["FUTURES"].shown[symbol], self._streams["FUTURES"].days[symbol]
        said: dict[str, Any] = {"sequence": shown.last_id, "symbol": symbol, "price": plain(day.last)}
        for name, levels in (("bestBid", shown.bids), ("bestAsk", shown.asks)):
            if levels:
                said |= {f"{name}Price": plain(levels[0][0]), f"{name}Size": int(levels[0][1])}
        return _yes({**said, "ts": shown.at_ms * 1_000_000})

    async def _contracts(self, _: web.Request) -> web.Response:
        return _yes([self._described(market) for market in self._floors["FUTURES"].rules.markets.values()])

    async def _contract(self, request: web.Request) -> web.Response:
        symbol = symbol_of(self._floors["FUTURES"], request.match_info["symbol"])
        return _yes(self._described(self._floors["FUTURES"].rules.markets[symbol]))

    def _described(self, market: MarketRules) -> dict[str, Any]:
        state, day = self._floors["FUTURES"].perps.get(market.symbol), self._streams["FUTURES"].days[market.symbol]
        size = market.perp.contract if market.perp else market.lot
        said: dict[str, Any] = {
            "symbol": market.symbol,
            "rootSymbol": "USDT",
            "type": "FFWCSX",
            "baseCurrency": "XBT" if market.base == "BTC" else market.base,
            "quoteCurrency": market.quote,
            "settleCurrency": market.quote,
            "maxOrderQty": 1_000_000,
            "maxPrice": 1_000_000,
            "lotSize": int(market.lot),
            "tickSize": float(market.bands[-1].tick),
            "multiplier": float(size),
            "makerFeeRate": 0.0002,
            "takerFeeRate": 0.0006,
            "isInverse": False,
            "expireDate": None,
            "status": "Open",
            "maxLeverage": 125,
            "lastTradePrice": float(day.last),
            "volumeOf24h": float(day.volume * size),
            "turnoverOf24h": float(day.funds * size),
        }
        if state is not None:
            said |= {
                "markPrice": float(state.mark),
                "indexPrice": float(state.index),
                "fundingFeeRate": float(state.funding_rate),
                "predictedFundingFeeRate": float(state.predicted_rate),
                "fundingRateGranularity": state.interval_ms,
                "nextFundingRateDateTime": state.next_ms,
                "nextFundingRateTime": max(0, state.next_ms - self.floor.clock()),
            }
        return said

    async def _rate(self, request: web.Request) -> web.Response:
        symbol = symbol_of(self._floors["FUTURES"], request.match_info["symbol"])
        state = self._floors["FUTURES"].perps.get(symbol)
        if state is None:
            raise Malformed("symbol", symbol)
        at_ms = state.next_ms - state.interval_ms
        said = {"symbol": f".{symbol}FPI8H", "granularity": state.interval_ms, "timePoint": at_ms}
        rates = {"value": float(state.funding_rate), "predictedValue": float(state.predicted_rate)}
        return _yes({**said, **rates, "fundingTime": state.next_ms})

    async def _rates(self, request: web.Request) -> web.Response:
        """Newest first, a hundred at most."""
        query = request.query
        symbol = symbol_of(self._floors["FUTURES"], query.get("symbol"))
        settled = self._settled.newest(symbol, 100, whole(query, "from", 0), whole(query, "to", 0) or None)
        rows_ = [{"symbol": symbol, "fundingRate": float(each.rate), "timepoint": each.at_ms} for each in settled]
        return _yes(rows_)


def _depth(request: web.Request) -> int:
    text = request.match_info.get("depth", "1000")
    return int(text) if text.isdigit() else 100


def _spot(market: MarketRules) -> dict[str, Any]:
    return {
        "symbol": market.symbol,
        "name": market.symbol,
        "baseCurrency": market.base,
        "quoteCurrency": market.quote,
        "feeCurrency": market.quote,
        "market": "USDS",
        "baseMinSize": plain(market.min_qty),
        "quoteMinSize": "0.1",
        "baseMaxSize": "10000000000",
        "quoteMaxSize": "99999999",
        "baseIncrement": plain(market.lot),
        "quoteIncrement": "0.000001",
        "priceIncrement": plain(market.bands[-1].tick),
        "priceLimitRate": "0.1",
        "minFunds": plain(market.min_notional),
        "isMarginEnabled": False,
        "enableTrading": True,
    }


def _yes(data: object) -> web.Response:
    return web.Response(body=json_bytes({"code": "200000", "data": data}), content_type="application/json")


def _no(code: str, text: str, status: int = 200) -> web.Response:
    return web.Response(status=status, body=json_bytes({"code": code, "msg": text}), content_type="application/json")
