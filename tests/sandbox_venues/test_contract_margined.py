"""ccxt, untouched but for its addresses, trades perpetuals at the houses: what it reads is what the floor holds."""

import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import ccxt as plain_ccxt  # type: ignore[import-untyped]
import ccxt.async_support as ccxt  # type: ignore[import-untyped]
import pytest
from msgspec import Struct
from msgspec.structs import replace

from sandbox.venues.orders import State
from sandbox.venues.positions import FlowKind
from sandbox.world import World, WorldConfig
from tests.sandbox_venues.test_contract_books import point_bitget, point_bybit, point_gate, point_kucoin, point_okx

PAIR = "ETH/USDT:USDT"


def point_usdm(client: Any, rest: str, _: str) -> None:
    """Each version of the signed calls has an address of its own."""
    client.urls["api"] = {
        name: url.replace("https://fapi.binance.com", rest)
        for name, url in client.urls["api"].items()
        if isinstance(url, str) and "fapi.binance.com" in url
    }
    client.has["fetchCurrencies"] = False  # they are told at another host
    client.exceptions["exact"] |= client.exceptions["linear"]["exact"]  # ccxt knows this product by its host's name


class Case(Struct, frozen=True, kw_only=True):
    """How ccxt is told to speak to one venue. Amounts are contracts."""

    house: str
    venue: str
    symbol: str
    kind: Any
    point: Callable[[Any, str, str], None]
    types: tuple[str, ...]
    cid: str = "{}"  # what the venue demands of a client id
    sign: int = 1  # of a payment that ccxt shows as positive where it was received
    amends: bool = False
    cancels_all: bool = True
    counts_unrealised: bool = False  # ccxt's total is the equity
    params: dict[str, Any] = {}  # with every order
    leverage: dict[str, Any] = {}  # with every setting of it


CASES = [
    Case(
        house="binance_usdm",
        venue="binance_usdm",
        symbol="ETHUSDT",
        kind=ccxt.binanceusdm,
        point=point_usdm,
        types=("linear",),
        amends=True,
        counts_unrealised=True,
    ),
    Case(
        house="bybit",
        venue="bybit_linear",
        symbol="ETHUSDT",
        kind=ccxt.bybit,
        point=point_bybit,
        types=("linear",),
        sign=-1,  # it passes on the venue's `execFee`
        amends=True,
    ),
    Case(
        house="gate",
        venue="gate_futures",
        symbol="ETH_USDT",
        kind=ccxt.gate,
        point=point_gate,
        types=("swap",),
        cid="t-{}",
        amends=True,
        leverage={"marginMode": "cross"},
    ),
    Case(
        house="kucoin",
        venue="kucoin_futures",
        symbol="ETHUSDTM",
        kind=ccxt.kucoinfutures,
        point=point_kucoin,
        types=("swap",),
        counts_unrealised=True,
    ),
    Case(
        house="okx",
        venue="okx_swap",
        symbol="ETH-USDT-SWAP",
        kind=ccxt.okx,
        point=point_okx,
        types=("swap",),
        amends=True,
        counts_unrealised=True,
        cancels_all=False,
    ),
    Case(
        house="bitget",
        venue="bitget_futures",
        symbol="ETHUSDT",
        kind=ccxt.bitget,
        point=point_bitget,
        types=("swap",),
        counts_unrealised=True,
        params={"marginMode": "cross"},
    ),
]
cases = pytest.mark.parametrize("case", CASES, ids=[case.venue for case in CASES])


@asynccontextmanager
async def standing(case: Case, key_of: str = "", clock=None):
    async with World(WorldConfig(seed=7, episodes=False, houses=(case.house,)), clock) as world:
        key = world.credentials[key_of or case.venue]
        secrets = {"apiKey": key.key, "secret": key.secret, "password": key.passphrase}
        wanted = {"defaultType": "swap", "fetchMarkets": {"types": list(case.types)}}
        exchange = case.kind({**secrets, "enableRateLimit": False, "options": wanted})
        exchange.timeout_on_exit = 0
        case.point(exchange, world.urls[case.venue]["rest"], "")
        try:
            await exchange.load_markets()
            yield world.floors[case.venue], exchange, world
        finally:
            await exchange.close()


async def place(case: Case, exchange: Any, side: str, amount: float, price: float, cid: str, **params: Any) -> Any:
    named = {"clientOrderId": case.cid.format(cid), **case.params, **params}
    return await exchange.create_order(PAIR, "limit", side, amount, price, named)


def lots(floor: Any, case: Case, count: int) -> Decimal:
    lot: Decimal = floor.rules.markets[case.symbol].lot
    return lot * count


def order_at(floor: Any, case: Case, cid: str) -> Any:
    return floor.exchange.find("trader", client_id=case.cid.format(cid))


async def agrees(case: Case, exchange: Any, floor: Any) -> None:
    """Positions, margin and wallet that ccxt reads are the floor's own."""
    truth = {held.symbol: held for held in floor.exchange.clearing.positions("trader")}
    shown = {held["symbol"]: held for held in await exchange.fetch_positions([PAIR]) if held["contracts"]}
    assert len(shown) == len(truth)
    for held in truth.values():
        seen = shown[PAIR]
        assert (seen["side"], Decimal(str(seen["contracts"]))) == ("long" if held.qty > 0 else "short", abs(held.qty))
        assert Decimal(str(seen["entryPrice"])) == pytest.approx(held.entry)
        assert Decimal(str(seen["contractSize"])) == held.contract
    wallet = (await exchange.fetch_balance())["USDT"]
    margin = floor.exchange.clearing.margin("trader")
    total = margin.equity if case.counts_unrealised else margin.wallet
    assert abs(Decimal(str(wallet["total"])) - total) < Decimal("1e-6")


@cases
async def test_a_position_is_opened_reduced_and_closed(case):
    async with standing(case) as (floor, exchange, world):
        world.player.cancel()  # the market stands still: what is read is what is there
        bids, asks = floor.exchange.book(case.symbol)
        ten, four = float(lots(floor, case, 10)), float(lots(floor, case, 4))
        await exchange.set_leverage(3, PAIR, case.leverage)
        assert floor.exchange.clearing.leverage("trader", case.symbol) == 3
        placed = await place(case, exchange, "buy", ten, float(asks[5][0]), "open0001", timeInForce="IOC")
        truth = order_at(floor, case, "open0001")
        assert truth.state is State.FILLED
        await agrees(case, exchange, floor)
        order = await exchange.fetch_order(placed["id"], PAIR, {"acknowledged": True})
        assert (order["status"], order["filled"], order["clientOrderId"]) == ("closed", ten, truth.client_id)
        assert Decimal(str(order["average"])) == pytest.approx(truth.average)
        fills = await exchange.fetch_my_trades(PAIR)
        assert sum(Decimal(str(fill["amount"])) for fill in fills) == truth.filled
        assert {fill["fee"]["currency"] for fill in fills} == {"USDT"}
        assert float(sum(fill["fee"]["cost"] for fill in fills)) == pytest.approx(float(truth.fee))
        low = float(bids[5][0])
        await place(case, exchange, "sell", four, low, "less0001", timeInForce="IOC", reduceOnly=True)
        await agrees(case, exchange, floor)
        rest = float(lots(floor, case, 6))
        await place(case, exchange, "sell", rest, low, "flat0001", timeInForce="IOC", reduceOnly=True)
        assert floor.exchange.clearing.positions("trader") == []
        await agrees(case, exchange, floor)
        with pytest.raises(plain_ccxt.ExchangeError):
            await place(case, exchange, "sell", four, low, "none0001", timeInForce="IOC", reduceOnly=True)
        assert floor.exchange.clearing.positions("trader") == []


@cases
async def test_a_resting_order_is_listed_changed_and_cancelled(case):
    async with standing(case) as (floor, exchange, _):
        bids, _ = floor.exchange.book(case.symbol)
        low, ten = bids[-1][0] * Decimal("0.98") // 1, float(lots(floor, case, 10))
        placed = await place(case, exchange, "buy", ten, float(low), "rest0001")
        [mine] = await exchange.fetch_open_orders(PAIR)
        assert (mine["clientOrderId"], mine["amount"]) == (case.cid.format("rest0001"), ten)
        with pytest.raises(plain_ccxt.ExchangeError, match=r"(?i)duplicate|repeat|already exists"):
            await place(case, exchange, "buy", ten, float(low), "rest0001")
        if case.amends:
            four = lots(floor, case, 4)
            await exchange.edit_order(placed["id"], PAIR, "limit", "buy", float(four), float(low - 1))
            truth = order_at(floor, case, "rest0001")
            assert (truth.qty, truth.price, truth.state) == (four, low - 1, State.OPEN)
        await exchange.cancel_order(placed["id"], PAIR)
        assert await exchange.fetch_open_orders(PAIR) == []
        with pytest.raises(plain_ccxt.ExchangeError):
            await exchange.cancel_order(placed["id"], PAIR)
        two = [await place(case, exchange, "buy", ten, float(low), f"rest000{number}") for number in (2, 3)]
        if case.cancels_all:
            await exchange.cancel_all_orders(PAIR)
        else:
            await exchange.cancel_orders([order["id"] for order in two], PAIR)
        assert floor.exchange.open_orders("trader") == []


@cases
async def test_refusals_reach_ccxt(case):
    async with standing(case) as (floor, exchange, _):
        bids, _ = floor.exchange.book(case.symbol)
        price, contract = bids[-1][0], floor.rules.markets[case.symbol].perp.contract
        wallet = floor.ledger.balance("trader", "USDT").total
        much = float(wallet * 200 / (price * contract) // 1)
        with pytest.raises(plain_ccxt.InsufficientFunds):
            await place(case, exchange, "buy", much, float(price), "no000001")
        with pytest.raises(plain_ccxt.ExchangeError):
            await exchange.set_leverage(101, PAIR, case.leverage)
        assert not floor.exchange.orders
    if case.house == case.venue:  # no other account
        return
    async with standing(case, case.house) as (floor, exchange, _):  # the key of the spot account
        with pytest.raises(plain_ccxt.ExchangeError):
            await place(case, exchange, "buy", 1.0, float(price), "no000002")
        assert not floor.exchange.orders


@cases
async def test_funding_is_told(case):
    ahead_ms = [0]
    async with standing(case, clock=lambda: time.time_ns() // 1_000_000 + ahead_ms[0]) as (floor, exchange, world):
        _, asks = floor.exchange.book(case.symbol)
        ten = float(lots(floor, case, 10))
        await place(case, exchange, "buy", ten, float(asks[5][0]), "fund0001", timeInForce="IOC")
        world.player.cancel()
        due = floor.perps[case.symbol]
        settled = replace(due, next_ms=due.next_ms + due.interval_ms, settled_rate=Decimal("0.0002"))
        floor.show_perp(settled)
        ahead_ms[0] = due.next_ms + 60_000 - world.clock()
        exchange.milliseconds = world.clock
        [paid] = await exchange.fetch_funding_history(PAIR)
        [truth] = floor.exchange.clearing.statement("trader", kind=FlowKind.FUNDING)
        assert (paid["symbol"], paid["code"], paid["timestamp"]) == (PAIR, "USDT", due.next_ms)
        assert truth.amount < 0 and case.sign * paid["amount"] == pytest.approx(float(truth.amount))
