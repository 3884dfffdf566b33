"""The two that race in bench.orders: our order clients by either way, and ccxt's `create_order` on the same venue."""

import asyncio
from decimal import Decimal
from typing import Any

import ccxt.async_support as ccxt  # type: ignore[import-untyped]

from engine.config import Credential, VenueConfig
from engine.domain.market import FeeSide
from engine.domain.order import LegRole, OrderRequest, Side, TimeInForce
from engine.venues.protocol import Orders
from engine.venues.registry import build_orders, lines_of

KOREAN = ("upbit", "bithumb", "coinone")
VENUES = (*KOREAN, "binance", "okx", "bybit")
_KEYS = Credential("key", "c2VjcmV0", "phrase")
_SYMBOLS = {**dict.fromkeys(KOREAN, "KRW-BTC"), "okx": "BTC-USDT"}
_PATIENCE_S = 10
NO_PEER = ("coinone",)  # ccxt gives its orders no client id, by which arrivals are told apart
_UNLIMITED = Decimal(10**7)


def price_of(venue: str) -> Decimal:
    return Decimal(84_120_000) if venue in KOREAN else Decimal("60000.01")


def client_id(decided_ns: int, number: int) -> str:
    """26 characters as every venue allows them: when the order was decided, and which one it is."""
    return f"pm{decided_ns:016x}{number % 10**8:08d}"


def our_orders(venue: str, path: str, port: int) -> Orders:
    korean = venue in KOREAN
    config = VenueConfig(
        rest_base=f"http://127.0.0.1:{port}",
        ws_base=f"ws://127.0.0.1:{port}",
        order_path=path,
        symbols=(symbol_of(venue),),
        maker_fee_bps=Decimal(10),
        taker_fee_bps=Decimal(10),
        fee_side=FeeSide.QUOTE if korean else FeeSide.RECEIVED,
        max_book_age_ms=1_000,
        orders_per_second=_UNLIMITED,
        reads_per_second=_UNLIMITED,
        order_timeout_ms=30_000,  # a busy machine is no lost order here
    )
    return build_orders(venue, config, _KEYS)


async def lines_stand(orders: Orders) -> None:
    """Wait until an order client's own line can carry a placement."""
    if orders.venue == "okx":
        await orders.instruments([symbol_of("okx")])  # its socket names markets by number
    async with asyncio.timeout(_PATIENCE_S):
        for line in lines_of([orders]):
            while not getattr(line, "is_open", True):  # noqa: ASYNC110 — a line tells nobody that it stands
                await asyncio.sleep(0.01)


def symbol_of(venue: str) -> str:
    return _SYMBOLS.get(venue, "BTCUSDT")


def request(venue: str, decided_ns: int, number: int) -> OrderRequest:
    return OrderRequest(
        cid=client_id(decided_ns, number),
        trade_id=f"t{number}",
        leg=0,
        role=LegRole.ENTRY,
        venue=venue,
        symbol=symbol_of(venue),
        side=Side.BUY,
        qty=Decimal("0.01"),
        price=price_of(venue),
        tif=TimeInForce.GTC if venue == "coinone" else TimeInForce.IOC,  # it knows no IOC
    )


class CcxtPeer:
    """A script on ccxt with the markets loaded: `create_order`, nothing before it and nothing after."""

    def __init__(self, venue: str, port: int) -> None:
        self.exchange = getattr(ccxt, venue)(
            {"apiKey": "key", "secret": "c2VjcmV0", "password": "phrase", "enableRateLimit": False}
        )
        self._venue = venue
        base, quote = "BTC", "KRW" if venue in KOREAN else "USDT"
        self._symbol = f"{base}/{quote}"
        self.exchange.urls["api"] = _moved(self.exchange.urls["api"], f"http://127.0.0.1:{port}")
        shape = {"id": symbol_of(venue), "symbol": self._symbol, "base": base, "quote": quote, "baseId": base}
        kind = {"quoteId": quote, "type": "spot", "spot": True, "margin": False, "limits": {}, "active": True}
        steps = (
            {"amount": 4, "price": 8} if venue == "bithumb" else {"amount": 1e-05, "price": 0.01}
        )  # digits, or steps
        rules = {"precision": steps, "info": {"orderTypes": ["LIMIT"], "instIdCode": 1}}
        self.exchange.set_markets([self.exchange.safe_market_structure(shape | kind | rules)])
        unified = {"enableUnifiedMargin": False, "enableUnifiedAccount": True, "unifiedMarginStatus": 5}
        self.exchange.options.update(unified)  # Bybit's is asked once, before the first order

    async def place(self, decided_ns: int, number: int) -> None:
        params = {"timeInForce": "IOC", "clientOrderId": client_id(decided_ns, number)}
        price = float(price_of(self._venue))
        await self.exchange.create_order(self._symbol, "limit", "buy", 0.01, price, params)


def _moved(urls: Any, base: str) -> Any:
    if isinstance(urls, dict):
        return {key: _moved(value, base) for key, value in urls.items()}
    return base + "/" + str(urls).partition("://")[2].partition("/")[2]
