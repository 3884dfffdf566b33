"""An account of perpetuals in the real engine: a person's own trade there, funding, and the last halt."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from engine.config import Credential
from engine.domain.order import LegRole, OrderRequest, Side, TimeInForce
from engine.venues.registry import build_orders
from sandbox.stage import OWNER, Stage, StageConfig
from sandbox.trader import Door
from sandbox.world import WorldConfig
from tests.venues.orders.stage import config
from tests.waiting import until

VENUE, SYMBOL = "binance_usdm", "BTCUSDT"
TRADED = ("upbit", "binance", VENUE)
_TIMES = {"order_timeout_ms": 10_000, "settle_margin_ms": 500, "max_book_age_ms": 5_000}
OVERLAY: dict[str, Any] = {
    "venues": {name: _TIMES for name in TRADED},
    "execution": {"reconcile_every_s": 2},
    "strategies": {name: {"mode": "off"} for name in ("kimchi", "spatial", "tether_bot")},
}


class Desk:
    """The running engine, and the venue behind it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.floor = stage.world.floors[VENUE]
        self.door = Door(stage.control_socket, f"telegram:{OWNER.id}")
        self.seen: Any = None

    async def ask(self, path: str) -> Any:
        await asyncio.sleep(0.1)  # it is the desk's own loop that answers
        with suppress(aiohttp.ClientError, TimeoutError):
            self.seen = await self.door.get(path)
            return self.seen
        return None

    async def ready(self) -> bool:
        status = await self.ask("/status")
        return bool(status) and len(status["venues"]) == len(TRADED) and status["ready"]

    async def blocked(self) -> bool:
        return not await self.ready()

    async def shows(self, claim: Callable[[dict[str, Any]], bool]) -> bool:
        """Of the one position that there is."""
        rows = await self.ask("/v1/perps")
        return isinstance(rows, list) and len(rows) == 1 and claim(rows[0])

    async def agrees(self) -> bool:
        """Ledger and house, to the last digit: the wallet, and the position or none."""
        held = {each.symbol: each.qty for each in self.floor.exchange.clearing.positions("trader")}
        wallet = self.floor.ledger.balance("trader", "USDT").total
        rows = await self.ask("/balances") or []
        told = [Decimal(row["ledger"]) for row in rows if row["venue"] == VENUE and row["asset"] == "USDT"]
        open_here = {row["symbol"]: Decimal(row["qty"]) for row in await self.ask("/v1/perps") or []}
        return told == [wallet] and open_here == held and await self.ready()

    async def happens(self, **what: str) -> None:
        """At the venue, to its perpetual."""
        door, body = self.stage.world.urls["control"]["rest"], {"venue": VENUE, "symbol": SYMBOL, **what}
        async with aiohttp.ClientSession() as session, session.post(f"{door}/world/perps", json=body) as answer:
            assert answer.status == 200

    async def order(self, side: Side, qty: str) -> None:
        """A person's order in the chat: previewed, then confirmed; it only reduces."""
        bids, asks = self.floor.exchange.book(SYMBOL)
        limit = round(asks[0][0] * Decimal("1.002") if side is Side.BUY else bids[0][0] * Decimal("0.998"), 1)
        asked = {"template": "ioc", "side": side, "base": "BTC", "qty": qty, "venue": VENUE, "price": str(limit)}
        whose = {"user_id": OWNER.id, "chat_id": OWNER.id}
        body = {"order": asked | {"reduce_only": True}, **whose}
        planned = await self.door.post("/v1/parents/preview", "preview", body)
        assert planned["ok"], planned
        begun = await self.door.post("/v1/parents/confirm", "confirm", {"token": planned["body"]["token"], **whose})
        assert begun["ok"], begun

    async def trade_by_hand(self, side: Side, qty: str) -> None:
        """Another program with the same key."""
        key = self.stage.world.credentials[VENUE]
        rest = self.stage.world.urls[VENUE]["rest"]
        settings = config(rest, symbols=(SYMBOL,), leverage=2, order_timeout_ms=10_000)
        orders = build_orders(VENUE, settings, Credential(key.key, key.secret))
        bids, asks = self.floor.exchange.book(SYMBOL)
        touch = asks[0][0] if side is Side.BUY else bids[0][0]
        beyond = Decimal("1.01") if side is Side.BUY else Decimal("0.99")
        wish = OrderRequest(
            cid=f"by-hand-{side}",
            trade_id="",
            leg=0,
            role=LegRole.ENTRY,
            venue=VENUE,
            symbol=SYMBOL,
            side=side,
            qty=Decimal(qty),
            price=round(touch * beyond, 1),
            tif=TimeInForce.IOC,
        )
        await orders.place(wish)
        await orders.close()


@asynccontextmanager
async def standing(folder: Path) -> AsyncIterator[Desk]:
    world = WorldConfig(seed=5, episodes=False, houses=TRADED, step_s=0.05)
    async with Stage(StageConfig(world=world, run_dir=folder, overlay=OVERLAY, traded=TRADED)) as stage:
        await stage.engine.start()
        desk = Desk(stage)
        await until(desk.ready, 180.0)
        yield desk


@pytest.mark.timeout(600)
async def test_what_a_person_opened_is_seen_adopted_reduced_charged_deleveraged_and_closed(tmp_path: Path) -> None:
    async with standing(tmp_path) as desk:
        clearing = desk.floor.exchange.clearing
        assert clearing.leverage("trader", SYMBOL) == 2  # of the configuration, set before anything is traded
        await desk.trade_by_hand(Side.SELL, "0.02")
        await until(lambda: desk.shows(lambda row: Decimal(row["difference"]) == Decimal("-0.02")), 90.0)
        await until(desk.blocked, 90.0)  # the first look shows a difference, a later one believes it
        await desk.door.post(f"/balances/{VENUE}/accept", "adopt", {"evidence": "sold by hand"})
        await until(desk.agrees, 90.0)

        await desk.order(Side.BUY, "0.005")
        await until(lambda: [held.qty for held in clearing.positions("trader")] == [Decimal("-0.015")], 90.0)
        await until(desk.agrees, 90.0)

        await desk.happens(funding="0.0005")
        await until(lambda: desk.shows(lambda row: Decimal(row["funding"]) > 0), 90.0)
        await until(desk.agrees, 90.0)

        await desk.happens(deleverage="0.005")
        await until(desk.blocked, 90.0)
        await desk.door.post(f"/balances/{VENUE}/accept", "adopt again", {"evidence": "deleveraged"})
        await until(desk.agrees, 90.0)

        await desk.door.post("/halt", "halt", {"level": 3, "reason": "the end of the scene"})
        await until(lambda: not clearing.positions("trader"), 90.0)
        await until(desk.agrees, 90.0)
        reducing, closing = [
            o for o in desk.floor.exchange.orders.values() if not o.client_id.startswith(("by-hand", "adl"))
        ]
        assert reducing.reduce_only and reducing.filled == Decimal("0.005")
        assert closing.reduce_only and closing.filled == Decimal("0.010")
        assert not (await desk.door.get("/status"))["dead_letters"]
