"""One round: a desk that trades in bad weather and is killed again and again, then left in peace and judged."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
from msgspec import Struct, field

from crash.aftermath import look
from crash.lives import Forge, Lives
from crash.points import Plan, draw
from crash.power import Platter
from crash.weather import TIMES, forecast
from sandbox.soak.proof import Proof
from sandbox.soak.records import our_id
from sandbox.soak.run import OVERLAY, Soak
from sandbox.soak.storm import COINS, StormConfig
from sandbox.stage import Stage, StageConfig
from sandbox.trader import SceneFailed
from sandbox.venues.opening import HOUSES
from sandbox.venues.orders import Order
from sandbox.world import WorldConfig

log = logging.getLogger(__name__)
ZERO = Decimal(0)
_READY_S = 120
_PATIENCE_S = 3.5  # how long a ready desk may take to come to its point
_PEACE_S = 300  # on a machine that is busy with other things; seconds on one that is not
_SETTLE_S = 1.0  # what a dead engine's sockets held reaches the venues; a supervisor takes as long to start the next


class Wish(Struct, frozen=True, kw_only=True):
    """What a round is to be."""

    seed: int
    kills: int
    run_dir: Path
    world: WorldConfig
    shim: Path | None
    traded: tuple[str, ...]  # of the venues that stand
    cuts_power: bool = False
    cold_every: int = 8  # one start in so many is not forked
    trades_perpetuals: bool = False  # against the first spot venue abroad; else they are only reconciled
    at: str = ""  # only ends at this point; "": at any


class Begun(Struct, frozen=True):
    """One start that came to its end: every venue reconciled."""

    seconds: float
    is_cold: bool
    was_limited: bool  # meanwhile the storm let a venue say `too many requests`: for so long it is left alone
    last: dict[str, str]  # venue -> why it was not ready, at the last look before all were
    seed: int


class Result(Struct, kw_only=True):
    """What came of it."""

    seed: int
    violations: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    reached: Counter[str] = field(default_factory=Counter)  # point -> ends there
    missed: Counter[str] = field(default_factory=Counter)  # point -> ends elsewhere because it never came
    found: Counter[str] = field(default_factory=Counter)  # how far the desk had come at its end
    begun: list[Begun] = field(default_factory=list)
    wall_s: float = 0.0


class Crash(Soak):
    """A soak whose engine has many lives."""

    def __init__(self, stage: Stage, session: aiohttp.ClientSession, wish: Wish, lives: Lives) -> None:
        super().__init__(stage, session, StormConfig(seconds=0, seed=wish.seed))
        self._wish = wish
        self._lives = lives
        self._chance = Random(wish.seed)
        self._platter = Platter(stage.data_dir, wish.run_dir, Random(wish.seed + 1)) if wish.cuts_power else None
        self._plan: Plan | None = None
        self._orders_left = 0
        self._planned = set[str]()  # client ids in the journal
        self.result = Result(seed=wish.seed)
        self.settle_s = _PEACE_S
        for floor in stage.world.floors.values():
            floor.on_placed = self._on_placed

    async def play(self) -> None:
        weather = asyncio.create_task(self._weather(), name="weather")
        try:
            for number in range(self._wish.kills):
                self._lives.is_cold = number % self._wish.cold_every == self._wish.cold_every - 1
                await self._live(draw(self._chance, self._wish.shim is not None, self._wish.at))
        finally:
            weather.cancel()
            await asyncio.wait([weather])
        if not weather.cancelled():
            weather.result()
        self._lives.orders, self._lives.is_cold = {}, True
        await self._lives.start()
        await self._ready()
        await self._calm()

    async def _weather(self) -> None:
        began = time.monotonic()
        for gust in forecast(self._wish.seed, self._wish.traded, _korean(self._wish.traded)):
            await asyncio.sleep(max(0.0, began + gust.at_s - time.monotonic()))
            await self._blow(gust)

    async def _live(self, plan: Plan) -> None:
        """One life to its end, and what it left."""
        if self._platter is not None:
            self._platter.remember()
        self._lives.orders = self._orders(plan)
        self._plan, self._orders_left = plan, plan.n if plan.point.trigger == "order" else 0
        began = time.monotonic()
        await self._lives.start()
        end = asyncio.ensure_future(self._lives.ended())
        striking = asyncio.create_task(self._strike(plan, began))
        await asyncio.wait([end])
        came = striking.cancel() != (plan.point.trigger == "moment") and end.result() == -9
        await asyncio.wait([striking])
        self._plan = None
        if end.result() != -9:
            self.deaths.append(f"exit {end.result()} on the way to: {plan.point.name}")
        planned = await self._after()
        if came and plan.point.sends and planned < plan.n:
            # The intent is durable before its order leaves: what the shim took for one was none.
            self.result.violations.append(f"{plan.point.name}: order {plan.n} of a life that planned {planned}")
            came = False
        (self.result.reached if came else self.result.missed)[plan.point.name] += 1

    def _orders(self, plan: Plan) -> dict[str, str]:
        orders = {"CRASH_DIR": str(self._stage.data_dir), "CRASH_LOG": "", "CRASH_AT": ""}
        if self._platter is not None:
            orders["CRASH_LOG"] = str(self._platter.log)
        if plan.point.trigger == "call":
            orders["CRASH_AT"] = plan.call
        return orders

    async def _strike(self, plan: Plan, began: float) -> None:
        """Kill at the plan's moment; a life whose point does not come is killed all the same."""
        if plan.point.name == "at any moment of the start":
            await asyncio.sleep(plan.delay_s)
        else:
            await self._until_ready(began)
            await asyncio.sleep(plan.delay_s if plan.point.trigger == "moment" else _PATIENCE_S)
        self._lives.strike()

    async def _until_ready(self, began: float) -> None:
        """Every venue reconciled; how long it took is kept."""
        limits, last = self._limits(), dict[str, str]()
        while time.monotonic() - began < _READY_S:
            with suppress(aiohttp.ClientError, TimeoutError, SceneFailed):
                status = await self.door.get("/status")
                if status["ready"]:
                    took_s, was_limited = round(time.monotonic() - began, 3), self._limits() > limits
                    self.result.begun.append(Begun(took_s, self._lives.is_cold, was_limited, last, self._wish.seed))
                    return
                last = {each["venue"]: each["blocked"] for each in status["venues"] if each["blocked"]}
            await asyncio.sleep(0.04)
        self.result.violations.append(f"not reconciled {_READY_S} s after a start")

    def _limits(self) -> int:
        return sum(floor.faults.shown["rate_limit"] for floor in self._stage.world.floors.values())

    def _on_placed(self, _: Order) -> None:
        """In the venue's own handler, before its answer."""
        if self._orders_left:
            self._orders_left -= 1
            if not self._orders_left and self._plan is not None:
                if self._plan.delay_s:
                    asyncio.get_running_loop().call_later(self._plan.delay_s, self._lives.strike)
                else:
                    self._lives.strike()

    async def _after(self) -> int:
        """What the end left, before the next life sees it. Gives back how many orders this life had planned."""
        self.result.counts["kills"] += 1
        log.info("kill seed=%d number=%d", self._wish.seed, self.result.counts["kills"])
        await asyncio.sleep(_SETTLE_S)
        if self._platter is not None:
            self.result.counts[f"power.{self._platter.cut()}"] += 1
        placed = [
            our_id(venue, order.client_id)
            for venue, floor in self._stage.world.floors.items()
            for order in floor.exchange.orders.values()
        ]
        seen = look(self._stage.data_dir, self._wish.run_dir / "scratch", placed)
        self.result.found[seen.found] += 1
        for what, breaches in (
            ("an order that no durable intent names", seen.without_intent),
            ("planned or sent twice", seen.journal.repeated),
            ("the journal's chain is broken", [seen.journal.broken] if seen.journal.broken else []),
        ):
            if breaches:
                self.result.violations.append(f"{what} after kill {self.result.counts['kills']}: {breaches[:3]}")
        planned = seen.journal.orders.keys() - self._planned
        self._planned |= planned
        return len(planned)


async def play(wish: Wish) -> Result:
    """One round from an empty folder to its verdict."""
    began = time.monotonic()
    config = StageConfig(world=wish.world, run_dir=wish.run_dir, overlay=_overlay(wish), traded=wish.traded)
    async with Forge(wish.shim, wish.traded) as forge, Stage(config) as stage, aiohttp.ClientSession() as session:
        lives = Lives(stage.engine, forge, wish.shim)
        stage.engine = lives
        try:
            crash = Crash(stage, session, wish, lives)
            await crash.play()
            proof = Proof(stage, crash)
            positions = _apart(stage, await crash.door.get("/v1/perps"))
            await proof.take()
        finally:
            await lives.kill()
    result = crash.result
    result.violations += proof.violations
    result.violations += [f"a position differs from the venue's own: {each}" for each in positions]
    result.counts["orders_of_perpetuals"] = sum(
        len(floor.exchange.orders) for floor in stage.world.floors.values() if floor.rules.margined
    )
    result.counts.update({name: n for name, n in proof.figures.items() if isinstance(n, int)})
    result.counts.update({name: n for name, n in crash.counts.items() if name.startswith("fault")})
    if crash._platter is not None:
        result.counts["unsynced_writes_lost"] = crash._platter.lost_writes
        result.counts["unsynced_writes_kept"] = crash._platter.kept_writes
    result.wall_s = round(time.monotonic() - began, 1)
    return result


def _apart(stage: Stage, rows: Sequence[dict[str, str]]) -> list[str]:
    """The desk's positions minus the clearing's own, where they differ. `rows`: what the door shows."""
    found = []
    for venue, floor in stage.world.floors.items():
        if floor.rules.margined and venue in stage.config.traded:
            held = {each.symbol: each.qty for each in floor.exchange.clearing.positions("trader")}
            told = {row["symbol"]: Decimal(row["qty"]) for row in rows if row["venue"] == venue}
            off = {symbol: told.get(symbol, ZERO) - held.get(symbol, ZERO) for symbol in sorted({*held, *told})}
            found += [f"{venue} {symbol} {qty:+f}" for symbol, qty in off.items() if qty]
    return found


def _overlay(wish: Wish) -> dict[str, Any]:
    """The soak's desk over all traded venues. What is only watched is asked for by a process of its own at each start;
    nothing of it is judged here."""
    watched = {
        name: {"enabled": False}
        for house in wish.world.houses
        for name in HOUSES[house].venues
        if name not in wish.traded
    }
    korean = _korean(wish.traded)
    perpetuals = {name for house in HOUSES.values() for name in house.margined}
    groups = [korean, [name for name in wish.traded if name not in korean and name not in perpetuals]]
    pairs = [[groups[1][0], name] for name in wish.traded if name in perpetuals and wish.trades_perpetuals]
    params: dict[str, dict[str, Any]] = {
        "spatial": {"coins": list(COINS), "groups": [group for group in groups + pairs if len(group) > 1]},
        "kimchi": {"coins": list(COINS), "korean": korean, "global": groups[1]},
    }
    strategies = {
        name: held | {"params": held["params"] | params.get(name, {})} for name, held in OVERLAY["strategies"].items()
    }
    if wish.trades_perpetuals:  # nothing else takes the premium away first
        strategies |= {name: held | {"mode": "off"} for name, held in strategies.items() if name != "spatial"}
    venues: dict[str, Any] = watched | dict.fromkeys(wish.traded, TIMES | {"also_watch": []})
    return OVERLAY | {"record_events": False, "venues": venues, "strategies": strategies}


def _korean(traded: Sequence[str]) -> list[str]:
    return [name for name in traded if HOUSES[name].money == ("KRW",)]


def play_alone(wish: Wish) -> Result:
    """`play` as all that a process does. A round that cannot be judged is no proof: that counts as a violation."""
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # a dead engine's sockets are no news here
    try:
        return asyncio.run(play(wish))
    except (aiohttp.ClientError, OSError, SceneFailed) as error:  # nobody answers at the desk's own door
        return Result(seed=wish.seed, violations=[f"the round has no verdict: {type(error).__name__}: {error}"])
