"""A venue with an account, asked over the sandbox's sockets by the real desk: what it says reaches boards and chat."""

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
import pytest

from engine.assemble import core_config
from engine.config import Credential
from engine.core import boards, clocks
from engine.core.state import State
from engine.desk import Desk
from engine.domain.effect import FetchBalances, FetchOpenOrders, Notice
from engine.domain.errors import RateLimited, VenueUnavailable
from engine.domain.event import InstrumentsLoaded
from engine.domain.market import Gate
from engine.traded import Pace, TradedVenue
from engine.venues.registry import build_orders
from sandbox.faults import Fault
from sandbox.venues.opening import HOUSES
from sandbox.venues.orders import Kind, OrderRequest, Side
from sandbox.world import World, WorldConfig
from tests.core.harness import configured
from tests.venues.orders.stage import config
from tests.venues.orders.test_against_sandbox import KRW_TICKS
from tests.venues.orders.test_standing import say
from tests.waiting import until

SYMBOLS = {"upbit": "KRW-BTC", "binance": "BTCUSDT", "okx": "BTC-USDT"}
PERPS = {
    "binance_usdm": "BTCUSDT",
    "bybit_linear": "BTCUSDT",
    "gate_futures": "BTC_USDT",
    "kucoin_futures": "XBTUSDTM",
}
LEVERAGE = 3
QUICK = Pace(
    first_clock=0.0,
    warm=0.2,
    rules=60.0,
    rules_short=60.0,
    rules_least=0.2,
    look=0.05,
    wallets=0.2,
    warnings=0.2,
    loans=0.2,
)


class House:
    """One venue of the sandbox, the desk, and what asks the one for the other."""

    def __init__(self, world, name, *overlays):
        self.world, self.name, self.symbol = world, name, (SYMBOLS | PERPS)[name]
        key = world.credentials[name]
        settings = config(
            world.urls[name]["rest"],
            symbols=(self.symbol, self.symbol.replace("BTC", "NOPE").replace("XBT", "NOPE")),
            ticks=KRW_TICKS if name == "upbit" else (),
            order_timeout_ms=3_000,
            leverage=LEVERAGE if name in PERPS else 0,
        )
        self.orders = build_orders(name, settings, Credential(key.key, key.secret, getattr(key, "passphrase", "")))
        self.state = State(core_config(configured(overlays)))
        self.desk = Desk(self.state, time.monotonic_ns, dict)
        self.desk.wire(
            {FetchBalances: lambda effect: None, FetchOpenOrders: lambda effect: None}
        )  # with the first rules
        self.state.recovering = False
        self.notices: list[Notice] = []
        self.desk.subscribe(self.notices.append)
        self.traded = TradedVenue(self.orders, settings.symbols, self.desk, self.tell, QUICK, settings.leverage)

    def tell(self, name, asked, answered):
        doubtful = {symbol: "not listed" for symbol in set(asked) - {rules.symbol for rules in answered}}
        seen_ns = time.monotonic_ns()
        self.desk.handle(InstrumentsLoaded(venue=name, instruments=answered, doubtful=doubtful, seen_ns=seen_ns))
        return answered

    @property
    def rules(self):
        return self.state.market.instruments.get((self.name, self.symbol))

    def alerts(self, rule):
        bodies = [msgspec.json.decode(notice.body) for notice in self.notices if notice.kind == "alert"]
        return [body for body in bodies if body["rule"] == rule]

    async def say(self, door, **order):
        await say(self.world, door, venue=self.name, **order)


@asynccontextmanager
async def house(name, *overlays):
    home = next(home for home, opened in HOUSES.items() if name in opened.venues)
    async with World(WorldConfig(seed=7, episodes=False, houses=(home,))) as world:
        made = House(world, name, *overlays)
        asking = asyncio.create_task(made.traded.run())
        try:
            await until(lambda: made.rules is not None, 20)
            if name in SYMBOLS:
                await until(lambda: made.state.wanted.told_wallets and made.state.wanted.told_warnings, 20)
            yield made
        finally:
            asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking
            await made.orders.close()


@pytest.mark.parametrize("name", SYMBOLS)
async def test_wallets_and_warnings_reach_the_desk_and_ring(name):
    async with house(name) as at:
        assert at.state.market.wallets.gate(name, "BTC", "deposit").gate is Gate.OPEN
        assert at.alerts("gate_closed") == []
        await at.say("wallets", asset="BTC", deposits=False)
        await until(lambda: bool(at.alerts("gate_closed")), 20)
        [told] = at.alerts("gate_closed")
        assert (told["venue"], told["coin"], told["numbers"]["way"]) == (name, "BTC", "deposit")
        await at.say("warnings", symbol=at.symbol, kinds=["GLOBAL_PRICE_DIFFERENCES" if name == "upbit" else "HALT"])
        await until(lambda: bool(at.alerts("market_warning")), 20)
        suspended = at.state.market.wallets.suspended(name, at.symbol)
        assert suspended == ("" if name == "upbit" else "HALT")
        await until(lambda: at.traded.skew_ms is not None, 20)


async def test_a_market_that_is_gone_is_out_and_the_other_goes_on():
    async with house("okx") as at:
        gone = ("okx", "NOPE-USDT")
        assert at.state.quarantined[gone] == "unmapped: not listed" and gone not in at.state.market.instruments
        assert at.rules.min_qty > 0
        assert [alert["symbol"] for alert in at.alerts("unmapped")] == ["NOPE-USDT"]


@pytest.mark.parametrize("name", ["upbit", "binance"])
async def test_rules_are_read_again_when_the_core_doubts_them(name):
    async with house(name) as at:
        before = at.rules
        await at.say("rules", symbol=at.symbol, min_notional="12345")
        at.state.wanted.ask(name, time.monotonic_ns(), "an order was refused")
        await until(lambda: at.rules.min_notional == 12345, 20)
        assert at.rules.as_of_ms >= before.as_of_ms
        [told] = at.alerts("rules_changed")
        assert told["numbers"] == {"min_notional": f"{before.min_notional:f} → 12345"}
        shown = boards._rules(at.state, name)
        assert (shown.fee_source or shown.source) == "account" and shown.as_of_ms > 0


@pytest.mark.parametrize("name", ["binance", "okx"])
async def test_what_loans_cost_is_shown_with_its_age(name):
    async with house(name) as at:
        await until(lambda: bool(boards.fundings(at.state, "BTC").loans), 20)
        [loan] = boards.fundings(at.state, "BTC").loans
        assert loan.venue == name and loan.hourly == pytest.approx(0.0000014)
        assert loan.annual == pytest.approx(0.0000014 * 8760)
        await at.say("loans", asset="BTC", hourly="0.00002")
        await until(lambda: boards.fundings(at.state, "BTC").loans[0].hourly == pytest.approx(0.00002), 20)
        await at.say("loans", asset="BTC")
        await until(lambda: boards.fundings(at.state, "BTC").loans == (), 20)


@pytest.mark.parametrize("name", PERPS)
async def test_perpetuals_are_prepared_before_they_are_traded_and_again_when_a_person_changed_them(name, tmp_path):
    overlay = tmp_path / "perps.yaml"
    overlay.write_text(f"venues: {{{name}: {{trade: true}}}}\n")
    async with house(name, overlay) as at:
        clearing = at.world.floors[at.name].exchange.clearing
        assert clearing.leverage("trader", at.symbol) == LEVERAGE
        clearing.set_leverage("trader", at.symbol, 50)
        at.state.wanted.ask(at.name, time.monotonic_ns(), "to see it set back")
        await until(lambda: clearing.leverage("trader", at.symbol) == LEVERAGE, 20)


async def test_a_leverage_that_the_margin_does_not_carry_leaves_the_rules_and_the_way_out(tmp_path, caplog):
    overlay = tmp_path / "perps.yaml"
    overlay.write_text("venues: {binance_usdm: {trade: true}}\n")
    async with house("binance_usdm", overlay) as at:
        floor = at.world.floors[at.name]
        floor.exchange.clearing.set_leverage("trader", at.symbol, 50)
        most = OrderRequest(account="trader", symbol=at.symbol, side=Side.BUY, kind=Kind.MARKET, qty=Decimal("1.5"))
        await floor.place(most)
        read_ms = at.state.market.instruments[at.name, at.symbol].as_of_ms
        at.state.wanted.ask(at.name, time.monotonic_ns(), "to see it refused")
        await until(lambda: _is_logged(caplog, "prepare_refused venue=binance_usdm"), 20)
        await until(lambda: at.state.market.instruments[at.name, at.symbol].as_of_ms > read_ms, 20)
        assert floor.exchange.clearing.leverage("trader", at.symbol) == 50


def _is_logged(caplog, line):
    return line in caplog.text


async def test_a_venue_that_is_away_loses_no_word_of_before(caplog):
    async with house("upbit") as at:
        await at.say("wallets", asset="BTC", withdrawals=False)
        await until(lambda: at.state.market.wallets.gate("upbit", "BTC", "withdraw").gate is Gate.CLOSED, 20)
        await at.say("faults", fault={"kind": "maintenance"})
        at.state.wanted.ask("upbit", time.monotonic_ns(), "to see it fail")
        seen = at.state.market.wallets.gate("upbit", "BTC", "withdraw").seen_ns
        for what in ("wallets", "warnings", "rules"):
            await until(partial(_is_logged, caplog, f"{what}_failed venue=upbit"), 20)
        assert at.rules is not None and at.state.market.wallets.gate("upbit", "BTC", "withdraw").gate is Gate.CLOSED
        await at.say("faults", clear=True)
        await until(lambda: at.state.market.wallets.gate("upbit", "BTC", "withdraw").seen_ns > seen, 20)


async def test_rules_are_asked_for_right_after_the_rest_that_was_told(monkeypatch):
    """Doubling over it, a start waited for 15 s after a rest of ten."""
    told = [RateLimited("429", 7.5), VenueUnavailable("502"), VenueUnavailable("502"), RateLimited("429", 9.0)]
    waits = []

    class Away:
        venue = "okx"

        async def warm(self):
            raise told.pop(0) if told else asyncio.CancelledError

    async def sleep(seconds):
        waits.append(seconds)

    desk = Desk(State(core_config(configured(()))), time.monotonic_ns, dict)
    away: Any = Away()
    traded = TradedVenue(away, ("BTC-USDT",), desk, lambda name, asked, answered: answered, Pace())
    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await traded.run()
    assert waits == [7.5, 0.25, 0.5, 9.0]


async def test_a_clock_that_is_ten_minutes_off_stops_new_trades_and_rings():
    async with house("upbit") as at:
        held = at.state.venues["upbit"]
        at.world.floors["upbit"].faults.arm(Fault(kind="clock_offset", offset_ms=600_000))
        await until(lambda: bool(at.alerts("clock_off")), 20)
        assert "ahead" in clocks.why_off(at.state, held) and 590_000 < held.clock.offset_ms < 610_000
