"""Kraken's public REST dialect: every answer is `error` and `result`; old asset names beside the new."""

from aiohttp import web

from sandbox.venues.auth import Denied
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor, Limited
from sandbox.venues.kraken.feed import LOT_PLACES, KrakenFeed
from sandbox.venues.limits import Window
from sandbox.venues.orders import Refused
from sandbox.venues.rules import MarketRules
from sandbox.venues.spelling import fixed, json_bytes, plain

_OLD_NAMES = {"BTC": ("XXBT", "XBT"), "ETH": ("XETH", "ETH"), "XRP": ("XXRP", "XRP"), "USDT": ("USDT", "USDT")}
_DECIMALS = {"BTC": 10, "ETH": 10, "XRP": 8, "USDT": 8}


class Kraken:
    def __init__(self, floor: Floor, feed: KrakenFeed) -> None:
        self.floor = floor
        self._feed = feed
        self._window = Window(15, 15_000)
        self._pairs = {_pair(rules): rules for rules in floor.rules.markets.values()}

    def routes(self) -> list[web.RouteDef]:
        public = "/0/public"
        return [
            web.get("/v2", self._feed.serve),
            web.get(f"{public}/Time", self._time),
            web.get(f"{public}/SystemStatus", self._status),
            web.get(f"{public}/Assets", self._assets),
            web.get(f"{public}/AssetPairs", self._asset_pairs),
            web.get(f"{public}/Depth", self._depth),
            web.get(f"{public}/Trades", self._trades),
        ]

    # the door asks

    def is_placement(self, request: web.Request) -> bool:
        return False

    def admit(self, request: web.Request) -> dict[str, str]:
        if not self._window.take("ip", self.floor.clock()):
            raise Limited
        return {}

    def refused(self, error: Refused) -> web.Response:
        return _error("EQuery:Unknown asset pair")

    def denied(self, error: Denied) -> web.Response:
        return _error("EAPI:Invalid key")

    def malformed(self, error: Malformed) -> web.Response:
        return _error(f"EGeneral:Invalid arguments:{error.parameter}")

    def limited(self, error: Limited) -> web.Response:
        return _error("EGeneral:Too many requests", 429)

    # public

    async def _time(self, _: web.Request) -> web.Response:
        return _answer({"unixtime": self.floor.clock() // 1000})

    async def _status(self, _: web.Request) -> web.Response:
        return _answer({"status": "online"})

    async def _assets(self, _: web.Request) -> web.Response:
        assets = dict.fromkeys(a for rules in self.floor.rules.markets.values() for a in (rules.base, rules.quote))
        rows = {}
        for asset in assets:
            name, alternative = _OLD_NAMES[asset]
            rows[name] = {
                "aclass": "currency",
                "altname": alternative,
                "decimals": _DECIMALS[asset],
                "display_decimals": 5,
                "status": "enabled",
            }
        return _answer(rows)

    async def _asset_pairs(self, _: web.Request) -> web.Response:
        return _answer({pair: self._pair_row(pair, rules) for pair, rules in self._pairs.items()})

    def _pair_row(self, pair: str, rules: MarketRules) -> dict[str, object]:
        (base, old_base), (quote, old_quote) = _OLD_NAMES[rules.base], _OLD_NAMES[rules.quote]
        tick = rules.bands[-1].tick
        return {
            "altname": pair,
            "wsname": f"{old_base}/{old_quote}",
            "aclass_base": "currency",
            "base": base,
            "aclass_quote": "currency",
            "quote": quote,
            "lot": "unit",
            "cost_decimals": 8,
            "pair_decimals": _places(rules),
            "lot_decimals": LOT_PLACES,
            "lot_multiplier": 1,
            "leverage_buy": [],
            "leverage_sell": [],
            "fees": [[0, float(self.floor.rules.taker_fee * 100)]],
            "fees_maker": [[0, float(self.floor.rules.maker_fee * 100)]],
            "fee_volume_currency": "ZUSD",
            "margin_call": 80,
            "margin_stop": 40,
            "ordermin": plain(rules.min_qty),
            "costmin": plain(rules.min_notional),
            "tick_size": plain(tick),
            "status": "online",
        }

    async def _depth(self, request: web.Request) -> web.Response:
        pair, rules = self._asked(request)
        count = min(500, whole(request.query, "count", 100))
        bids, asks = self.floor.exchange.book(rules.symbol)
        now, places = self.floor.clock() // 1000, _places(rules)
        rows = {
            side: [[fixed(price, places), fixed(qty, 3), now] for price, qty in levels[:count]]
            for side, levels in (("asks", asks), ("bids", bids))
        }
        return _answer({pair: rows})

    async def _trades(self, request: web.Request) -> web.Response:
        pair, rules = self._asked(request)
        places = _places(rules)
        rows = [
            [
                fixed(trade.price, places),
                fixed(trade.qty, LOT_PLACES),
                trade.at_ms / 1000,
                "b" if trade.aggressor.value == "bid" else "s",
                "m",
                "",
                number,
            ]
            for number, trade in self._feed.days[rules.symbol].trades
        ]
        last = self._feed.days[rules.symbol].last_ms * 1_000_000
        return _answer({pair: rows[-whole(request.query, "count", 1000) :], "last": str(last)})

    def _asked(self, request: web.Request) -> tuple[str, MarketRules]:
        pair = request.query.get("pair", "")
        if pair not in self._pairs:
            raise Malformed("pair")
        return pair, self._pairs[pair]


def _pair(rules: MarketRules) -> str:
    return _OLD_NAMES[rules.base][1] + _OLD_NAMES[rules.quote][1]


def _places(rules: MarketRules) -> int:
    return -int(rules.bands[-1].tick.as_tuple().exponent)


def _answer(result: object) -> web.Response:
    return web.Response(body=json_bytes({"error": [], "result": result}), content_type="application/json")


def _error(text: str, status: int = 200) -> web.Response:
    return web.Response(status=status, body=json_bytes({"error": [text]}), content_type="application/json")
