"""Whatever stands in one field of a venue's word on positions, wallets, funding or fills, no number of ours is none."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, suppress
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.domain.errors import OrderNotFound, VenueRefused, VenueUnavailable
from engine.venues.bitget.futures import BitgetFuturesOrders
from engine.venues.okx.swap_orders import OkxSwapOrders
from engine.venues.verdict import Budgets
from tests.venues.orders import test_bitget_futures_offline as bitget
from tests.venues.orders import test_okx_swap_offline as okx
from tests.venues.orders.stage import CID, CREDENTIAL, Open, config, stage
from tests.venues.orders.test_okx_offline import yes

OKX_WALLET = {"ccy": "USDT", "availBal": "900", "cashBal": "1000.5", "availEq": "812.25"}
BITGET_WALLET = {"marginCoin": "USDT", "accountEquity": "1013", "crossedMaxAvailable": "812", "unrealizedPL": "12.5"}
RATES = {"makerFeeRate": "0.0002", "takerFeeRate": "0.0006"}
odd = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(
        ["", "0", "-1", "NaN", "Infinity", "1e999", "1e-9", " 5", "0x5", "long", "short", "net", "filled"]
    )
    | st.text(max_size=3)
    | st.lists(st.integers(), max_size=2)
)


class Case(msgspec.Struct, frozen=True):
    """One call, what it is answered from, and the row in which one field goes wrong."""

    make: Callable[..., Any]
    symbol: str
    request: str
    row: dict[str, Any]
    say: Callable[[dict[str, Any]], Any]
    ask: Callable[[Any], Any]
    others: tuple[tuple[str, Any], ...] = ()


def rows(row: dict[str, Any]) -> Any:
    return bitget.yes([row])


FOUND: dict[str, Case] = {}


def case(name: str, request: str, row: dict[str, Any], ask: Callable[[Any], Any], *others: tuple[str, Any]) -> None:
    is_okx = name.startswith("okx")
    wrapped = {
        "okx wallet": lambda each: yes({"details": [each]}),
        "bitget fills": lambda each: bitget.yes({"fillList": [each]}),
        "bitget funding": lambda each: bitget.yes({"bills": [each]}),
    }
    make = OkxSwapOrders if is_okx else BitgetFuturesOrders
    say = wrapped.get(name, yes if is_okx else rows)
    FOUND[name] = Case(make, okx.BTC if is_okx else bitget.BTC, request, row, say, ask, others)


OKX_RULES = ("GET /api/v5/public/instruments", yes(okx.MARKET))
OKX_ORDER = ("GET /api/v5/trade/order", yes(okx.ROW | {"accFillSz": "1"}))
OKX_RATES = ("GET /api/v5/account/trade-fee", yes({"maker": "-0.0002", "taker": "-0.0005"}))
BITGET_RATES = ("GET /api/v2/common/trade-rate", bitget.yes(RATES))
BITGET_ORDER = (bitget.DETAIL, bitget.yes(bitget.ROW | {"baseVolume": "0.01"}))
case("okx positions", "GET /api/v5/account/positions", okx.HELD, lambda it: it.positions(), OKX_RULES)
case("okx fills", "GET /api/v5/trade/fills", okx.FILLS[0], lambda it: it.look_up(okx.BTC, CID), OKX_RULES, OKX_ORDER)
case("okx rules", OKX_RULES[0], okx.MARKET, lambda it: it.instruments([okx.BTC]), OKX_RATES)
case("okx wallet", "GET /api/v5/account/balance", OKX_WALLET, lambda it: it.balances())
case("okx funding", "GET /api/v5/account/bills-archive", okx.bill(7, okx.NOW_MS), lambda it: it.funding_since(0))
case("bitget positions", "GET /api/v2/mix/position/all-position", bitget.HELD, lambda it: it.positions())
case("bitget fills", bitget.FILLS, bitget.FILL, lambda it: it.look_up(bitget.BTC, CID), BITGET_ORDER)
case(
    "bitget rules",
    "GET /api/v2/mix/market/contracts",
    bitget.MARKET,
    lambda it: it.instruments([bitget.BTC]),
    BITGET_RATES,
)
case("bitget wallet", "GET /api/v2/mix/account/accounts", BITGET_WALLET, lambda it: it.balances())
case("bitget funding", bitget.BILL, bitget.bill(7, bitget.NOW_MS), lambda it: it.funding_since(bitget.NOW_MS))


class Play:
    """One stage and one client in one loop for all examples: a client is dear to build."""

    def __init__(self, found: Case) -> None:
        self.case = found
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._stage = self._runner.run(self._stack.enter_async_context(stage()))
        self._orders = found.make(
            config(self._stage.base, symbols=(found.symbol,)), CREDENTIAL, Budgets(Open(), Open())
        )

    def close(self) -> None:
        self._runner.run(self._orders.close())
        self._runner.run(self._stack.aclose())
        self._runner.close()

    def told(self, row: dict[str, Any]) -> Any:
        """None where the answer was refused."""
        self._stage.forget()
        for request, say in self.case.others:
            self._stage.says(request, say)
        self._stage.says(self.case.request, self.case.say(row))
        with suppress(VenueUnavailable, VenueRefused, OrderNotFound):
            return self._runner.run(self._asked())
        return None

    async def _asked(self) -> Any:
        return await self.case.ask(self._orders)


@pytest.fixture(params=FOUND)
def play(request):
    play = Play(FOUND[request.param])
    yield play
    play.close()


def numbers(value: Any) -> Iterator[Decimal]:
    if isinstance(value, Decimal):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from numbers(getattr(value, name))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from numbers(each)


def test_as_it_is_the_row_is_read(play):
    assert any(numbers(play.told(play.case.row)))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), value=odd)
def test_one_odd_field_is_refused_or_read_and_never_no_number(play, data, value):
    field = data.draw(st.sampled_from(sorted(play.case.row)))
    found = play.told(play.case.row | {field: value})
    assert all(number.is_finite() for number in numbers(found)), (field, value, found)
    if play.case.request.endswith(("instruments", "contracts")) and found:
        [rules] = found
        assert rules.qty_step > 0 and rules.ticks[0].tick > 0, (field, value, rules)
    if play.case.request.endswith("fills") and found is not None:
        assert found.filled_quote > 0, (field, value, found)
