"""Whatever a venue answers, an order ends as one of our outcomes, and a look-up never invents an order."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engine.domain.errors import OrderNotFound, OutcomeUnknown, VenueRefused, VenueUnavailable
from engine.domain.order import OrderReport, TimeInForce
from engine.venues.binance.orders import BinanceOrders
from engine.venues.binance_usdm.orders import BinanceUsdmOrders
from engine.venues.bitget.orders import BitgetOrders
from engine.venues.bithumb.orders import BithumbOrders
from engine.venues.bybit.orders import BybitOrders
from engine.venues.coinone.orders import CoinoneOrders
from engine.venues.gate.orders import GateOrders
from engine.venues.kucoin.orders import KucoinOrders
from engine.venues.okx.orders import OkxOrders
from engine.venues.protocol import Orders
from engine.venues.settings import Key, OrderSettings
from engine.venues.upbit.orders import UpbitOrders
from engine.venues.verdict import Budgets
from tests.venues.orders.stage import CREDENTIAL, Open, Say, config, order, stage

CLASSES: dict[str, Callable[[OrderSettings, Key, Budgets], Orders]] = {
    "upbit": UpbitOrders,
    "bithumb": BithumbOrders,
    "binance": BinanceOrders,
    "binance_usdm": BinanceUsdmOrders,
    "okx": OkxOrders,
    "bybit": BybitOrders,
    "gate": GateOrders,
    "bitget": BitgetOrders,
    "kucoin": KucoinOrders,
    "coinone": CoinoneOrders,
}
PATHS = [(venue, "ccxt") for venue in CLASSES] + [("upbit", "native"), ("bithumb", "native")]
PLACE = {
    "upbit": "POST /v1/orders",
    "bithumb": "POST /v2/orders",
    "binance": "POST /api/v3/order",
    "binance_usdm": "POST /fapi/v1/order",
    "okx": "POST /api/v5/trade/order",
    "bybit": "POST /v5/order/create",
    "gate": "POST /api/v4/spot/orders",
    "bitget": "POST /api/v2/spot/trade/place-order",
    "kucoin": "POST /api/v1/hf/orders",
    "coinone": "POST /v2.1/order",
}
LOOK_UP = {
    "upbit": "GET /v1/order",
    "bithumb": "GET /v1/order",
    "binance": "GET /api/v3/order",
    "binance_usdm": "GET /fapi/v1/order",
    "okx": "GET /api/v5/trade/order",
    "bybit": "GET /v5/order/realtime",
    "gate": "GET /api/v4/spot/orders/t-cid",
    "bitget": "GET /api/v2/spot/trade/orderInfo",
    "kucoin": "GET /api/v1/hf/orders/client-order/cid",
    "coinone": "POST /v2.1/order/detail",
}
WORDS = ["error", "name", "message", "code", "msg", "data", "sCode", "sMsg", "uuid", "order_id", "ordId", "created_at"]
WORDS += ["retCode", "result", "list", "label", "error_code", "order", "items", "170213", "200000", "00000", "104"]
WORDS += ["orderId", "state", "status", "fills", "success", "executedQty", "0", "-2013", "order_not_found", "51603"]
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=5)
)
bodies = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5)
)
headers = st.dictionaries(
    st.sampled_from(["Retry-After", "Remaining-Req", "X-MBX-USED-WEIGHT-1M", "X-MBX-ORDER-COUNT-10S"]),
    st.sampled_from(
        ["", "0", "-1", "9" * 400, "²", "x", "group=order; sec=0", "sec=;;=", "Fri, 20 Nov 2026 00:00:00 GMT"]
    ),
)


class Play:
    """One stage and one client in one loop for all examples: a client is dear to build."""

    def __init__(self, venue: str, path: str) -> None:
        self._venue = venue
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._stage = self._runner.run(self._stack.enter_async_context(stage()))
        budgets = Budgets(Open(), Open())  # never empty: a 429 must not silence the examples after it
        self._orders = CLASSES[venue](config(self._stage.base, order_path=path), CREDENTIAL, budgets)

    def close(self) -> None:
        self._runner.run(self._orders.close())
        self._runner.run(self._stack.aclose())
        self._runner.close()

    def answer(self, say: Say) -> None:
        self._stage.forget()
        self._stage.says(PLACE[self._venue], say)
        self._stage.says(LOOK_UP[self._venue], say)
        self._runner.run(self._ask())

    async def _ask(self) -> None:
        with suppress(OutcomeUnknown, VenueRefused, VenueUnavailable):
            assert isinstance(await self._orders.place(order(self._venue, "KRW-BTC", TimeInForce.GTC)), OrderReport)
        assert len(self._stage.heard) == 1
        with suppress(OrderNotFound, VenueRefused, VenueUnavailable):
            assert isinstance(await self._orders.look_up("KRW-BTC", "cid"), OrderReport)


@pytest.fixture(params=PATHS, ids="-".join)
def play(request):
    play = Play(*request.param)
    yield play
    play.close()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=bodies, status=st.sampled_from([200, 201, 204, 301, 400, 401, 404, 418, 429, 500, 503]), headers=headers)
@example(body=[], status=200, headers={})
@example(body="text", status=200, headers={})
@example(body={"error": {"name": None, "message": None}}, status=400, headers={})
@example(body={"error": {"name": ["a"], "message": {"b": 1}}}, status=400, headers={})
@example(body={"code": None, "msg": None, "data": None}, status=400, headers={})
@example(body={"code": ["-2013"], "msg": 5, "data": [None]}, status=400, headers={})
@example(body={"code": "1", "data": [{"sCode": None}]}, status=200, headers={})
@example(body={"success": False, "msg": "[1]"}, status=200, headers={})
@example(body=[{"code": -2011}], status=400, headers={})
@example(body='{"price": 1e99999999999999999999}', status=200, headers={})
@example(body="[" * 5_000, status=200, headers={})
@example(body={}, status=418, headers={"Retry-After": "9" * 400})
@example(body={}, status=200, headers={"X-MBX-USED-WEIGHT-1M": "²"})
def test_any_answer(play, body, status, headers):
    text = msgspec.json.encode(body).decode() if not isinstance(body, str) else body
    play.answer(Say(text, status, headers))
