"""Bitget's v2 REST: spot and mix (futures) below one host; spot is traded, too."""

from decimal import Decimal
from typing import Any

from aiohttp import web
from msgspec.structs import replace

from sandbox.venues.auth import Denied
from sandbox.venues.bitget.keys import Keys, denial
from sandbox.venues.bitget.margin import MixAccount
from sandbox.venues.bitget.mix import MixDesk
from sandbox.venues.bitget.order_stream import OrderStream
from sandbox.venues.bitget.orders import Desk, refusal
from sandbox.venues.bitget.plans import MixPlans, SpotPlans
from sandbox.venues.bitget.socket import Frames, Talk, print_of, rows, ticker_of
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor, Limited, PerpState
from sandbox.venues.limits import Window
from sandbox.venues.listings import perps, spot, venue
from sandbox.venues.orders import Refused
from sandbox.venues.public import Public, Stream, endpoint, symbol_of
from sandbox.venues.rules import ClientIds, FeeFrom, MarketRules, Stp, VenueRules
from sandbox.venues.settlements import Settlements
from sandbox.venues.sockets import Sockets
from sandbox.venues.spelling import json_bytes, plain

_PER_SECOND = 20
_IDLE_SECONDS = 127.0  # without the text `ping`, even while data flows
_FUTURES = "USDT-FUTURES"
_PLACEMENTS = (
    "/api/v2/spot/trade/place-order",
    "/api/v2/spot/trade/place-plan-order",
    "/api/v2/mix/order/place-order",
    "/api/v2/mix/order/place-plan-order",
)
_LEAST = Decimal(5)  # USDT of an order


def rules() -> tuple[VenueRules, VenueRules]:
    markets = spot(lambda base: f"{base}USDT")
    spots = venue("bitget", "0.001", "0.001", FeeFrom.RECEIVED, markets, client_ids=ClientIds.REFUSED, stp=Stp.NONE)
    lots = {"BTC": "0.0001", "ETH": "0.01", "XRP": "1"}
    futures = perps(lambda base: f"{base}USDT", dict.fromkeys(lots, "1"), lots)
    futures = [replace(market, min_notional=_LEAST) for market in futures]
    mix = venue("bitget_futures", "0.0002", "0.0006", FeeFrom.QUOTE, futures, client_ids=ClientIds.REFUSED)
    apart = {"stops_apart": True, "stops_either_way": True, "stops_at_once": True}
    return replace(spots, **apart), replace(mix, margined=True, **apart)


class Bitget(Public):
    """A Dialect."""

    def __init__(self, spots: Floor, futures: Floor, sockets: Sockets) -> None:
        super().__init__(spots, sockets, Window(_PER_SECOND, 1_000))
        self._frames = {"SPOT": Frames(spots), _FUTURES: Frames(futures)}
        self._streams = {
            "SPOT": Stream(spots, self._frames["SPOT"], 1_300_000_000_000),
            _FUTURES: Stream(futures, self._frames[_FUTURES], 1_400_000_000_000),
        }
        self._floors = {"SPOT": spots, _FUTURES: futures}
        self._settled = Settlements(futures)
        keys = Keys((spots, futures))
        self._desk = Desk(spots, keys, self._yes)
        self._mix_desk = MixDesk(futures, keys, self._yes, self._no)
        self._mix_account = MixAccount(futures, keys, self._yes, self._no)
        self._plans = SpotPlans(spots, keys, self._yes, self._no), MixPlans(futures, keys, self._yes, self._no)
        self._order_stream = OrderStream(self._floors, sockets)
        self._talk = Talk({name: (self._streams[name], self._frames[name]) for name in self._floors})

    def routes(self) -> list[web.RouteDef]:
        spots, mix = "/api/v2/spot", "/api/v2/mix/market"
        return [
            web.get("/v2/ws/public", self._socket),
            web.get("/v2/ws/private", self._order_stream.serve),
            web.get("/api/v2/public/time", self._time),
            web.get(f"{spots}/public/symbols", self._symbols),
            web.get(f"{spots}/public/coins", self._coins),
            web.get("/api/v2/margin/currencies", self._none),
            web.get("/api/v3/market/margin-loans", self._loans),
            web.get(f"{spots}/market/orderbook", self._spot_book),
            web.get(f"{spots}/market/tickers", self._spot_tickers),
            web.get(f"{spots}/market/fills", self._spot_trades),
            web.get(f"{spots}/market/fills-history", self._spot_trades),
            web.get(f"{mix}/contracts", self._contracts),
            web.get(f"{mix}/merge-depth", self._mix_book),
            web.get(f"{mix}/ticker", self._mix_tickers),
            web.get(f"{mix}/tickers", self._mix_tickers),
            web.get(f"{mix}/fills", self._mix_trades),
            web.get(f"{mix}/fills-history", self._mix_trades),
            web.get(f"{mix}/symbol-price", self._mark),
            web.get(f"{mix}/funding-time", self._next_funding),
            web.get(f"{mix}/current-fund-rate", self._rate),
            web.get(f"{mix}/history-fund-rate", self._rates),
            web.get("/api/v2/common/trade-rate", self._trade_rate),
            *self._desk.routes(),
            *self._mix_desk.routes(),
            *(route for plans in self._plans for route in plans.routes()),
            *self._mix_account.routes(),
        ]

    def is_placement(self, request: web.Request) -> bool:
        return request.path in _PLACEMENTS

    def admit(self, request: web.Request) -> dict[str, str]:
        return {"x-mbx-used-remain-limit": str(self.take(request, scope=endpoint(request)))}

    def refused(self, error: Refused) -> web.Response:
        return self._no(*refusal(error))

    def denied(self, error: Denied) -> web.Response:
        return self._no(*denial(error))

    def malformed(self, error: Malformed) -> web.Response:
        return self._no("40034", f"Parameter {error.parameter} {error.detail} does not exist".replace("  ", " "))

    def limited(self, error: Limited) -> web.Response:
        return self._no("429", "Too Many Requests", 418 if error.banned else 429)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        return await self.run_socket(request, self._streams.values(), self._talk.hear, idle_seconds=_IDLE_SECONDS)

    async def _trade_rate(self, request: web.Request) -> web.Response:
        desks = {"spot": self._desk.rate, "mix": self._mix_account.rate}
        business = request.query.get("businessType", "")
        if business not in desks:
            raise Malformed("businessType")
        return await desks[business](request)

    async def _time(self, _: web.Request) -> web.Response:
        return self._yes({"serverTime": str(self.floor.clock())})

    async def _loans(self, request: web.Request) -> web.Response:
        """What one coin costs per day."""
        coin = request.query.get("coin", "")
        if coin not in self.floor.loans.hourly:
            raise Malformed("coin")
        daily = self.floor.loans.daily(coin)
        return self._yes({"dailyInterest": plain(daily), "annualInterest": plain(daily * 365), "limit": "100"})

    async def _none(self, _: web.Request) -> web.Response:
        return self._yes([])

    async def _symbols(self, request: web.Request) -> web.Response:
        markets, wanted = self._floors["SPOT"].rules.markets, request.query.get("symbol")
        names = list(markets) if wanted is None else [symbol_of(self._floors["SPOT"], wanted)]
        return self._yes([_spot(markets[name]) for name in names])

    async def _coins(self, request: web.Request) -> web.Response:
        wallets = self.floor.wallets
        chains = {"BTC": ("BTC",), "ETH": ("ERC20", "ArbitrumOne"), "XRP": ("XRP",), "USDT": ("TRC20", "ERC20")}
        said = [
            {
                "coinId": str(i),
                "coin": coin,
                "transfer": "true",
                "chains": [
                    {
                        "chain": name,
                        "needTag": "false",
                        "withdrawable": str(wallets.of(coin, name).withdrawals).lower(),
                        "rechargeable": str(wallets.of(coin, name).deposits).lower(),
                        "withdrawFee": "0.0005",
                        "extraWithdrawFee": "0",
                        "depositConfirm": "2",
                        "withdrawConfirm": "2",
                        "minDepositAmount": "0.0001",
                        "minWithdrawAmount": "0.001",
                        "withdrawStep": "0",
                        "withdrawMinScale": "8",
                        "congestion": "normal",
                    }
                    for name in names
                ],
            }
            for i, (coin, names) in enumerate(chains.items(), 1)
            if request.query.get("coin") in (None, coin)
        ]
        return self._yes(said)

    async def _contracts(self, request: web.Request) -> web.Response:
        if request.query.get("productType", "").upper() != _FUTURES:
            return self._yes([])
        markets, wanted = self._floors[_FUTURES].rules.markets, request.query.get("symbol")
        names = list(markets) if wanted is None else [symbol_of(self._floors[_FUTURES], wanted)]
        return self._yes([_contract(markets[name]) for name in names])

    async def _spot_book(self, request: web.Request) -> web.Response:
        return self._book(request, "SPOT", lambda text: text)

    async def _mix_book(self, request: web.Request) -> web.Response:
        """Futures REST writes numbers where the socket writes text."""
        return self._book(request, _FUTURES, float)

    def _book(self, request: web.Request, product: str, write: Any) -> web.Response:
        symbol = symbol_of(self._floors[product], request.query.get("symbol"))
        limit = whole(request.query, "limit", 100) if request.query.get("limit") != "max" else 1_000
        shown = self._streams[product].shown[symbol]
        sides = {"asks": shown.asks[:limit], "bids": shown.bids[:limit]}
        said = {name: [[write(cell) for cell in row] for row in rows(levels)] for name, levels in sides.items()}
        return self._yes({**said, "ts": str(shown.at_ms), "seq": shown.last_id})

    async def _spot_tickers(self, request: web.Request) -> web.Response:
        return self._tickers(request, "SPOT")

    async def _mix_tickers(self, request: web.Request) -> web.Response:
        return self._tickers(request, _FUTURES)

    def _tickers(self, request: web.Request, product: str) -> web.Response:
        floor, wanted = self._floors[product], request.query.get("symbol")
        symbols = list(floor.rules.markets) if wanted is None else [symbol_of(floor, wanted)]
        days = self._streams[product].days
        return self._yes([{"symbol": symbol, **ticker_of(floor, symbol, days[symbol])} for symbol in symbols])

    async def _spot_trades(self, request: web.Request) -> web.Response:
        return self._trades(request, "SPOT")

    async def _mix_trades(self, request: web.Request) -> web.Response:
        return self._trades(request, _FUTURES)

    def _trades(self, request: web.Request, product: str) -> web.Response:
        symbol = symbol_of(self._floors[product], request.query.get("symbol"))
        kept = list(self._streams[product].days[symbol].trades)[-whole(request.query, "limit", 100) :]
        return self._yes([{"symbol": symbol, **print_of(number, trade)} for number, trade in reversed(kept)])

    def _perp(self, request: web.Request) -> PerpState | None:
        futures = self._floors[_FUTURES]
        return futures.perps.get(symbol_of(futures, request.query.get("symbol")))

    async def _mark(self, request: web.Request) -> web.Response:
        state = self._perp(request)
        if state is None:
            return self._yes([])
        last = plain(self._streams[_FUTURES].days[state.symbol].last)
        prices = {"price": last, "indexPrice": plain(state.index), "markPrice": plain(state.mark)}
        return self._yes([{"symbol": state.symbol, **prices, "ts": str(state.at_ms)}])

    async def _next_funding(self, request: web.Request) -> web.Response:
        state = self._perp(request)
        if state is None:
            return self._yes([])
        hours = str(state.interval_ms // 3_600_000)
        return self._yes([{"symbol": state.symbol, "nextFundingTime": str(state.next_ms), "ratePeriod": hours}])

    async def _rate(self, request: web.Request) -> web.Response:
        """Of one contract, or of all."""
        if "symbol" not in request.query:
            return self._yes([_rate_row(state) for state in self._floors[_FUTURES].perps.values()])
        state = self._perp(request)
        return self._yes([] if state is None else [_rate_row(state)])

    async def _rates(self, request: web.Request) -> web.Response:
        """Pages, newest first."""
        symbol = symbol_of(self._floors[_FUTURES], request.query.get("symbol"))
        size = min(100, whole(request.query, "pageSize", 20))
        page = max(1, whole(request.query, "pageNo", 1))
        found = self._settled.newest(symbol, size * page)[size * (page - 1) :]
        return self._yes(
            [{"symbol": symbol, "fundingRate": plain(each.rate), "fundingTime": str(each.at_ms)} for each in found]
        )

    def _yes(self, data: object) -> web.Response:
        return self._answer("00000", "success", data)

    def _no(self, code: str, text: str, status: int = 400) -> web.Response:
        return self._answer(code, text, None, status)

    def _answer(self, code: str, text: str, data: object, status: int = 200) -> web.Response:
        said = {"code": code, "msg": text, "requestTime": self.floor.clock(), "data": data}
        return web.Response(status=status, body=json_bytes(said), content_type="application/json")


def _rate_row(state: PerpState) -> dict[str, str]:
    return {
        "symbol": state.symbol,
        "fundingRate": plain(state.funding_rate),
        "fundingRateInterval": str(state.interval_ms // 3_600_000),
        "nextUpdate": str(state.next_ms),
        "minFundingRate": "-0.003",
        "maxFundingRate": "0.003",
    }


def _spot(market: MarketRules) -> dict[str, str]:
    return {
        "symbol": market.symbol,
        "baseCoin": market.base,
        "quoteCoin": market.quote,
        "minTradeAmount": plain(market.min_qty),
        "maxTradeAmount": "10000000000",
        "takerFeeRate": "0.001",
        "makerFeeRate": "0.001",
        "pricePrecision": str(-market.bands[-1].tick.adjusted()),
        "quantityPrecision": str(-market.lot.adjusted()),
        "quotePrecision": "8",
        "status": "online",
        "minTradeUSDT": plain(market.min_notional),
        "buyLimitPriceRatio": "0.05",
        "sellLimitPriceRatio": "0.05",
    }


def _contract(market: MarketRules) -> dict[str, Any]:
    hours = market.perp.interval_ms // 3_600_000 if market.perp else 8
    return {
        "symbol": market.symbol,
        "baseCoin": market.base,
        "quoteCoin": market.quote,
        "feeRateUpRatio": "0.005",
        "makerFeeRate": "0.0002",
        "takerFeeRate": "0.0006",
        "openCostUpRatio": "0.01",
        "supportMarginCoins": ["USDT"],
        "minTradeNum": plain(market.min_qty),
        "priceEndStep": "1",
        "volumePlace": str(max(0, -market.lot.adjusted())),
        "pricePlace": str(-market.bands[-1].tick.adjusted()),
        "sizeMultiplier": plain(market.lot),
        "symbolType": "perpetual",
        "minTradeUSDT": plain(market.min_notional),
        "maxSymbolOrderNum": "200",
        "symbolStatus": "normal",
        "offTime": "-1",
        "limitOpenTime": "-1",
        "deliveryTime": "",
        "maintainTime": "",
        "fundInterval": str(hours),
        "minLever": "1",
        "maxLever": "125",
    }
