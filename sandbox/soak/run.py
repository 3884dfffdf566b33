"""One soak: engine and world are started, the storm is played, then everything is let settle."""

import asyncio
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import aiohttp

from sandbox.soak.storm import COINS, LATE_ACCEPTANCE_MS, ORDER_TIMEOUT_MS, VENUES, Gust, StormConfig, forecast
from sandbox.stage import OWNER, Stage
from sandbox.trader import Door, SceneFailed

SETTLE_MARGIN_MS = 500
_READY_S = 40
_SETTLE_S = 90
_TRADE_AGAIN_S = 45
_MUCH = "1000000000000"
_ANY_NUMBER = 1_000_000
_LIMITS = {
    "max_trades_per_hour": _ANY_NUMBER,
    "max_trades_per_day": _ANY_NUMBER,
    "max_trades_per_window": _ANY_NUMBER,
    "max_orders_per_minute": _ANY_NUMBER,
    "cooldown_ms": 200,
    "max_notional_per_minute_krw": _MUCH,
    "max_daily_loss_usd": _MUCH,
    "max_daily_loss_ratio": "1",
    "max_total_loss_krw": _MUCH,
    "max_drawdown": "1",
}
_TIMES = {
    "order_timeout_ms": ORDER_TIMEOUT_MS,
    "late_acceptance_ms": LATE_ACCEPTANCE_MS,
    "settle_margin_ms": SETTLE_MARGIN_MS,
}
# Every strategy trades by itself, often and for little; what the configuration says of times and limits is shortened.
OVERLAY: dict[str, Any] = {
    "instance": "soak",
    "record_events": True,
    "log_level": "WARNING",
    "risk": {"profile": "standard", "overrides": _LIMITS, "breaker_cooldown_s": 3},
    "execution": {"auto_cooldown_ms": 300, "reconcile_every_s": 5},
    "venues": {name: _TIMES for name in ("upbit", "bithumb", "binance", "okx")},
    "strategies": {
        "spatial": {"mode": "auto", "params": {"min_net": "0.0008", "max_notional_krw": 1_000_000}},
        "kimchi": {"mode": "auto", "params": {"min_net": "0.0008", "max_notional_krw": 1_000_000}},
        "tether_bot": {
            "mode": "auto",
            "params": {
                "tif": "post_only",
                "rest_ms": 1_500,
                "cooldown_s": 2,
                "window_s": 60,
                "window_cap": 64,
                "band": "0.002",
                "hysteresis": "0.0001",
                "step_cap": "0.02",
            },
        },
    },
}


class Halted:
    """A time in which the latch stood: from when it surely held to when its end was asked for, wall clock ms."""

    def __init__(self, level: int) -> None:
        self.level = level
        self.from_ms = wall_ms()
        self.to_ms = 0


class Soak:
    """Plays one storm. What it did and saw is in its fields when `play` returns."""

    def __init__(self, stage: Stage, session: aiohttp.ClientSession, storm: StormConfig) -> None:
        self._stage = stage
        self._session = session
        self._storm = storm
        self._random = Random(storm.seed + 1)
        self.door = Door(stage.control_socket, f"telegram:{OWNER.id}")
        self.counts: Counter[str] = Counter()
        self.engine: Counter[str] = Counter()  # the engine's own counts, of all its lives
        self.halts: list[Halted] = []
        self.deaths: list[str] = []  # ends of the engine that nobody asked for
        self.not_settled = ""
        self.rss_mb: list[int] = []
        self.not_resumed: list[str] = []
        self.settle_s: float = _SETTLE_S

    async def play(self) -> None:
        await self._stage.engine.start()
        await self._ready()
        began = time.monotonic()
        for gust in forecast(self._storm):
            await self._wait(began + gust.at_s)
            await self._blow(gust)
        await self._wait(began + self._storm.seconds)
        await self._calm()

    async def _wait(self, until: float) -> None:
        """Sleep, and bring back an engine that ended by itself, as its supervisor would."""
        while True:
            await self._revive()
            left_s = until - time.monotonic()
            if left_s <= 0:
                return
            await asyncio.sleep(min(0.1, left_s))

    async def _revive(self) -> None:
        code = self._stage.engine.exit_code
        if code is None:
            return
        if code == 2:
            raise SceneFailed("the engine does not take the soak's configuration: see engine.log")
        self.deaths.append(f"exit {code}")
        await self._stage.engine.start()
        await self._ready()

    async def _ready(self) -> None:
        """The door answers; the venues may still be away."""
        with suppress(SceneFailed):
            await self.door.until("/status", lambda status: "level" in status, _READY_S, "a control door")

    async def world(self, path: str, body: dict[str, Any] | None = None) -> Any:
        url = f"{self._stage.world.urls['control']['rest']}/world/{path}"
        call = self._session.get(url) if body is None else self._session.post(url, json=body)
        async with call as answer:
            if answer.status != 200:
                raise SceneFailed(f"world {path} {body}: {await answer.text()}")
            return await answer.json()

    async def _blow(self, gust: Gust) -> None:
        self.counts[gust.what] += 1
        match gust.what:
            case "premium":
                await self.world("premium", gust.body)
            case "fault":
                self.counts[f"fault.{gust.body['fault']['kind']}"] += 1
                await self.world("faults", gust.body)
            case "clear":
                await self.world("faults", gust.body)
            case "fx":
                await self.world("fx", gust.body)
            case "kill":
                await self._kill()
            case "kill_on_order":
                await self._next_order()
                await self._kill()
            case "halt_file":
                await self._halt_by_file()
            case "halt":
                await self._halt_by_door(gust.body)

    async def _next_order(self) -> None:
        """Until a venue holds one order more, and a random moment longer: a kill in the middle of a trade."""
        floors = self._stage.world.floors.values()
        before = sum(len(floor.exchange.orders) for floor in floors)
        for _ in range(2_000):  # about 4 s
            if sum(len(floor.exchange.orders) for floor in floors) > before:
                break
            await asyncio.sleep(0.002)
        await asyncio.sleep(self._random.choice((0, 0, 0.002, 0.01, 0.05, 0.3)))

    async def _kill(self) -> None:
        """SIGKILL, sometimes a stop as systemd does it; sometimes once more while the new process reads its journal."""
        await self.take_counts()
        if self._random.random() < 0.2:
            self.counts["stopped"] += 1
            await self._stage.engine.stop()
        else:
            await self._stage.engine.kill()
        await asyncio.sleep(self._random.uniform(0.1, 1.5))
        await self._stage.engine.start()
        if self._random.random() < 0.3:
            self.counts["killed_at_start"] += 1
            await asyncio.sleep(self._random.uniform(0.2, 5))
            await self._stage.engine.kill()
            await self._stage.engine.start()
        await self._ready()

    async def take_counts(self) -> None:
        """A killed engine's counters die with it."""
        with suppress(aiohttp.ClientError, TimeoutError):
            metrics = await self.door.get("/metrics/live")
            self.engine.update(metrics["counts"])
            self.engine["steps"] += metrics["steps"]
        self.rss_mb.append(_peak_rss_mb(self._stage.engine.pid))

    async def _halt_by_file(self) -> None:
        file = self._stage.data_dir / "HALT"
        file.touch()
        halted = Halted(2)
        self.halts.append(halted)
        await self._wait(time.monotonic() + self._random.uniform(1.2, 3))
        file.unlink()
        await self.resume(halted)

    async def _halt_by_door(self, body: dict[str, Any]) -> None:
        answer = await self._command("/halt", body)
        if answer.get("ok"):
            halted = Halted(int(body["level"]))
            self.halts.append(halted)
            await self._wait(time.monotonic() + self._random.uniform(1, 3))
            await self.resume(halted)

    async def resume(self, halted: Halted) -> None:
        """Both steps; a failed self-check is asked again, as a person would. Each try is heard by the engine."""
        said: dict[str, Any] = {}
        deadline = time.monotonic() + 25
        while time.monotonic() < deadline:
            await self._revive()
            said = await self._command("/resume/request", None)
            if said.get("ok"):
                halted.to_ms = wall_ms()
                said = await self._command("/resume/confirm", {"token": said["body"]["token"]})
                if said.get("ok"):
                    self.counts["resumed"] += 1
                    return
            await asyncio.sleep(0.5)
        self.not_resumed.append(str(said.get("text", said))[:300])

    async def _command(self, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        self.counts["commands"] += 1
        try:
            return await self.door.post(path, f"soak-{self.counts['commands']}-{wall_ms()}", body)
        except (aiohttp.ClientError, TimeoutError) as error:
            return {"ok": False, "text": f"{type(error).__name__} {error}"}

    async def _calm(self) -> None:
        """The storm is over: no fault is left, the desk is resumed, and everything must come to its end."""
        for venue in self._stage.world.floors:
            await self.world("faults", {"venue": venue, "clear": True})
        for source in ("dunamu", "frankfurter"):
            await self.world("fx", {"source": source})
        self.not_settled = await self._settled()
        if not self.not_settled:
            await self._close_dead_letters()
            await self._trade_again()
        for name in ("spatial", "kimchi", "tether_bot"):
            await self._command(f"/strategies/{name}/mode", {"mode": "off"})
        self.not_settled = self.not_settled or await self._settled()
        await self.take_counts()

    async def _settled(self) -> str:
        """Wait until nothing is under way; "" or what still is."""
        deadline = time.monotonic() + self.settle_s
        why = "never asked"
        while time.monotonic() < deadline and why:
            await self._revive()
            why = await self._unsettled()
            await asyncio.sleep(0.3)
        return why

    async def _close_dead_letters(self) -> None:
        """As a person does who has looked at each: their pairs are open again."""
        for trade in await self.door.get("/dlq"):
            said = await self._command(f"/dlq/{trade['id']}/close", {"evidence": "seen after the storm"})
            self.counts["dead_letters_closed"] += bool(said.get("ok"))

    async def _trade_again(self) -> None:
        """A desk that is whole after a storm but trades no more is not whole."""
        known = {trade["id"] for trade in await self.door.get("/trades")}
        deadline = time.monotonic() + _TRADE_AGAIN_S
        while time.monotonic() < deadline:
            body = {"venue": self._random.choice(VENUES), "coin": self._random.choice(COINS), "bps": 130, "seconds": 3}
            await self.world("premium", body)
            await self._wait(time.monotonic() + 1)
            trades = await self.door.get("/trades")
            if any(trade["outcome"] == "balanced" and trade["id"] not in known for trade in trades):
                self.counts["traded_again"] += 1
                return
        newest = [refusal["rule"] for refusal in (await self.door.get("/refusals"))[:20]]
        self.not_settled = f"no balanced trade within {_TRADE_AGAIN_S} s after the storm; refused by {newest}"

    async def _unsettled(self) -> str:
        """What is still under way; "" when everything has ended."""
        try:
            status = await self.door.get("/status")
            if status["level"]:
                last = self.halts[-1] if self.halts else Halted(0)
                await self.resume(last)
                return f"halted at L{status['level']}: {status['level_reason']}"
            venues = [f"{v['venue']}: {v['blocked']}" for v in status["venues"] if not v["ready"]]
            if venues or status["unknown_orders"]:
                return f"{venues}, {status['unknown_orders']} unknown orders"
            if status["working_trades"] and "auto" not in status["strategies"].values():
                return f"{status['working_trades']} trades under way"
            books = [v["venue"] for v in status["venues"] if v["books_usable"] < v["books"]]
            return f"books of {books} not usable" if books else ""
        except (aiohttp.ClientError, TimeoutError) as error:
            return f"no door: {error}"


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def _peak_rss_mb(pid: int) -> int:
    """Peak resident memory of a process; 0 where it is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) // 1024
    return 0
