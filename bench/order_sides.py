"""The two that race in bench.tick_to_order: our engine wired as the daemon wires it, and a script on ccxt."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from bench.feed_peers import ccxt_handle
from engine.assemble import core_config, last_step
from engine.carrier import Carrier
from engine.config import Config, Credential
from engine.core.state import State
from engine.desk import Desk
from engine.domain import event as ev
from engine.domain.effect import FetchBalances, FetchOpenOrders, LatchChanged, LookUp, Record, StoreSetting, Submit
from engine.domain.market import Balance, FeeSide, Instrument
from engine.domain.money import TickBand
from engine.risk.last_step import LastStep
from engine.storage.journal import Entry
from engine.storage.latch import FileLatch
from engine.storage.writer import Writer
from engine.venues.feeds import build_decoder
from engine.venues.registry import build_orders

LOW, HIGH = 60_000.0, 60_300.0  # the best bid before and after the market moved: 50 bp, of which fees take 10
_MOVED = 10  # levels that come, and as many that go, when the market moves
_DEPTH = 200
_WALL_MS = 1_700_000_000_000
_LEFT_OUT = (StoreSetting, LatchChanged, FetchBalances, FetchOpenOrders, LookUp)
_KEYS = Credential("key", "c2VjcmV0", "phrase")


def okx_frame(seq: int, bid: float) -> bytes:
    """A books update of twenty levels: the market has moved to `bid` as its best bid, or back."""
    rises = bid == HIGH
    bids = [[f"{HIGH - i:.1f}", "5" if rises else "0", "0", "1"] for i in range(_MOVED)]
    asks = [[f"{LOW + 1 + i:.1f}", "0" if rises else "5", "0", "1"] for i in range(_MOVED)]
    return _okx("update", bids, asks, seq)


def okx_snapshot() -> bytes:
    """200 levels a side, best bid `LOW`."""
    bids = [[f"{LOW - i:.1f}", "5", "0", "1"] for i in range(_DEPTH)]
    prices = [LOW + 1 + i for i in range(_MOVED)] + [HIGH + 1 + i for i in range(_DEPTH - _MOVED)]
    return _okx("snapshot", bids, [[f"{price:.1f}", "5", "0", "1"] for price in prices], 1)


def _okx(action: str, bids: list[list[str]], asks: list[list[str]], seq: int) -> bytes:
    before = -1 if action == "snapshot" else seq - 1
    data = {"asks": asks, "bids": bids, "ts": "1", "checksum": 0, "prevSeqId": before, "seqId": seq}
    return json.dumps({"arg": {"channel": "books", "instId": "BTC-USDT"}, "action": action, "data": [data]}).encode()


class NoJournal:
    """The path without the disk: every append is done at once. For the first row of the table only."""

    def append(self, entry: Entry) -> "asyncio.Future[int]":
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        done.set_result(0)
        return done

    def note(self, entry: Entry) -> None:
        """Nobody waits for it."""


def unbounded(guard: LastStep, allowed: Mapping[str, frozenset[str]]) -> LastStep:
    """The same checks and counts, whose limits per minute nobody reaches."""
    count, most = 10**9, Decimal(10**18)
    rules = msgspec.structs.replace(
        guard.rules,
        allowed=allowed,
        orders=count,
        venue_orders=count,
        repeats=count,
        notional_krw=most,
        venue_notional_krw=most,
    )
    return LastStep(rules)


def instrument(venue: str, symbol: str, base: str, quote: str) -> Instrument:
    return Instrument(
        venue=venue,
        symbol=symbol,
        base=base,
        quote=quote,
        ticks=(TickBand(Decimal(0), Decimal("0.01")),),
        qty_step=Decimal("0.00001"),
        min_qty=Decimal("0.00001"),
        min_notional=Decimal(5),
        maker_fee_bps=Decimal(5),
        taker_fee_bps=Decimal(5),
        fee_side=FeeSide.QUOTE,
    )


class OurSide:
    """Desk, carrier, order clients of Binance and OKX (both at the sink), SQL writer; the books of three markets.

    Answers to orders are heard; what the core asks for afterwards (look-ups, balances) is left out: it is not the way
    from a frame to an order.
    """

    def __init__(self, config: Config, tasks: asyncio.TaskGroup, journal: Any, writer: Writer, latch: Path) -> None:
        self.desk = Desk(State(core_config(config)), time.monotonic_ns, dict)
        self.venues = {name: build_orders(name, config.venues[name], _KEYS) for name in ("binance", "okx")}
        self.submitted_ns = 0
        self._writer = writer
        guard = unbounded(last_step(config), {name: frozenset({"BTCUSDT", "BTC-USDT"}) for name in self.venues})
        carry = Carrier(self.desk, journal, self.venues, tasks, FileLatch(latch), time.monotonic_ns, guard).effects()

        def submit(effect: Submit) -> None:
            self.submitted_ns = time.monotonic_ns()
            carry[Submit](effect)

        unheard: Callable[[Any], None] = lambda effect: None  # noqa: E731
        left_out: dict[type, Callable[[Any], None]] = {kind: unheard for kind in _LEFT_OUT}
        self.desk.wire({**carry, **left_out, Record: writer.record, Submit: submit})
        self._decoder = build_decoder("okx", self.desk.handle, lambda symbol, reason: None)
        self._seq = 1
        self._others = (_book("binance", "BTCUSDT", LOW), _book("upbit", "KRW-USDT", 1_399.0))
        self._start()

    def _start(self) -> None:
        handle, now = self.desk.handle, time.monotonic_ns
        handle(ev.Started(instance="bench", seed=1, wall_ms=_WALL_MS, utc_offset_ms=0, seen_ns=now()))
        markets = (("binance", "BTCUSDT", "BTC", "USDT"), ("okx", "BTC-USDT", "BTC", "USDT"))
        for market in (*markets, ("upbit", "KRW-USDT", "USDT", "KRW")):
            handle(ev.InstrumentsLoaded(venue=market[0], instruments=(instrument(*market),), seen_ns=now()))
        handle(ev.Recovered(seen_ns=now()))
        funds = (Balance("BTC", Decimal(1000), Decimal(1000)), Balance("USDT", Decimal(10**8), Decimal(10**8)))
        for venue in ("binance", "okx"):
            handle(ev.OpenOrdersReported(venue=venue, reports=(), asked_ns=now(), seen_ns=now()))
            handle(ev.BalancesReported(venue=venue, balances=funds, asked_ns=now(), seen_ns=now()))
        self.take(okx_snapshot())
        self.refresh()
        handle(ev.Tick(seen_ns=now(), wall_ms=_WALL_MS, local_day=_WALL_MS // 86_400_000))

    def refresh(self) -> None:
        """Books of the other venues as of now, so that nothing is stale."""
        for book in self._others:
            self.desk.handle(msgspec.structs.replace(book, seen_ns=time.monotonic_ns()))

    def next_frame(self, bid: float) -> bytes:
        self._seq += 1
        return okx_frame(self._seq, bid)

    def take(self, frame: bytes) -> None:
        self._decoder.on_frame(frame, time.monotonic_ns())

    def why_not(self) -> str:
        """The newest refusal, for the case that no order came."""
        refusals = self.desk.state.refusals
        return refusals[0].text if refusals else "nothing was refused"

    async def rest(self) -> None:
        """Between two rounds: the store writes what the trade left it, and the desk forgets the trade.

        How a trade ends is not measured here, and frequency limits would count it.
        """
        await self._writer.flush()
        state = self.desk.state
        for trade in state.trades.values():
            for order in trade.orders:
                state.reservations.release(order.request.cid)
        kept = (state.trades, state.live_trades, state.orders, state.by_key, state.opportunities, state.last)
        for each in (*kept, state.submitted, state.traded_ns):
            each.clear()


def _book(venue: str, symbol: str, bid: float) -> ev.BookSnapshot:
    bids = [(bid - i, 1e6) for i in range(100)]
    asks = [(bid + 1 + i, 1e6) for i in range(100)]
    return ev.BookSnapshot(venue=venue, symbol=symbol, bids=bids, asks=asks, venue_ts_ms=1, seen_ns=0)


class CcxtSide:
    """A script on ccxt: its handler keeps the book, two numbers are compared, `create_order` sends. Nothing else."""

    def __init__(self, base: str) -> None:
        import ccxt.async_support as ccxt  # type: ignore[import-untyped]

        self.exchange = ccxt.binance({"apiKey": "key", "secret": "c2VjcmV0", "enableRateLimit": False})
        self.exchange.urls["api"] = {name: f"{base}/api/v3" for name in ("public", "private", "sapi")}
        shape = {"id": "BTCUSDT", "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "type": "spot", "spot": True}
        rules = {"precision": {"amount": 1e-05, "price": 0.01}, "info": {"orderTypes": ["LIMIT", "MARKET"]}}
        sides = {"baseId": "BTC", "quoteId": "USDT", "margin": False, "limits": {}}
        self.exchange.set_markets([self.exchange.safe_market_structure(shape | sides | rules)])
        self._handle = ccxt_handle("okx", None, ["BTC-USDT"])
        self._seq = 1
        self._handle(okx_snapshot().decode())

    def next_frame(self, bid: float) -> str:
        self._seq += 1
        return okx_frame(self._seq, bid).decode()

    async def take(self, frame: str) -> None:
        bid, _ = self._handle(frame)
        if bid * (1 - 0.0005) > (LOW + 1) * (1 + 0.0005):
            await self.exchange.create_order("BTC/USDT", "limit", "buy", 0.0238, LOW + 1, {"timeInForce": "IOC"})
