"""One running desk against the sandbox: the world and Telegram in this process, engine and bot as real processes."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import yaml
from msgspec import Struct

from sandbox.telegram import BotApiServer, BotIdentity, Budget, Person, Settings
from sandbox.venues.opening import DESK, HOUSES
from sandbox.world import World, WorldConfig

OWNER = Person(id=10_001, first_name="Mina", language_code="ko")
VIEWER = Person(id=10_002, first_name="Jun", language_code="en")
STRANGER = Person(id=10_666, first_name="Nobody", language_code="en")
_TOKEN = "700700:local-sandbox-token-worth-nothing-elsewhere"
_STOP_S = 10
_EXIM = "/site/program/financial/exchangeJSON?authkey={key}&searchdate={day}&data=AP01"


class StageConfig(Struct, frozen=True, kw_only=True):
    world: WorldConfig
    run_dir: Path  # everything of this run lies below it
    overlay: dict[str, Any] = {}  # more configuration, laid over what the stage writes
    budget: Budget = Budget()
    telegram_port: int = 0
    traded: tuple[str, ...] = DESK  # of what stands with an account; the rest is watched


class Daemon:
    """One of the product's processes. `kill` is SIGKILL; `stop` is what systemd does."""

    def __init__(self, name: str, argv: list[str], env: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.argv = argv
        self.env = dict(env)
        self.log = log
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def exit_code(self) -> int | None:
        """None while it runs, and before its first start."""
        return self._process.returncode if self._process else None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(*self.argv, env=self.env, stdout=log, stderr=log)

    async def ended(self) -> int:
        """Waits for its end: the exit code."""
        if self._process is None:
            return 0
        return await self._process.wait()

    async def kill(self) -> None:
        """SIGKILL, as a power cut would: nothing of it runs any more when this returns."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()

    async def stop(self) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_S):
                await self._process.wait()
        except TimeoutError:
            await self.kill()


class Stage:
    """`async with Stage(config) as stage`: the world stands, the daemons are made but not started."""

    def __init__(self, config: StageConfig) -> None:
        self.config = config
        self.world = World(config.world)
        self.telegram = BotApiServer(
            Settings(bots=(BotIdentity(token=_TOKEN),), people=(OWNER, VIEWER, STRANGER), budget=config.budget)
        )
        self.telegram_url = ""
        self.data_dir = config.run_dir / "var"
        self.overlay_path = config.run_dir / "overlay.yaml"
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        await self._stack.enter_async_context(self.world)
        self.telegram_url = await self.telegram.start("127.0.0.1", self.config.telegram_port)
        self._stack.push_async_callback(self.telegram.stop)
        self.overlay_path.write_text(yaml.safe_dump(self._overlay(), allow_unicode=True), encoding="utf-8")
        self.engine = self._daemon("engine", ["-m", "engine", "run"])
        self.bot = self._daemon("bot", ["-m", "bot"])
        self.watchdog = self._daemon("watchdog", ["-m", "engine", "watchdog"])
        self._stack.push_async_callback(self.watchdog.stop)
        self._stack.push_async_callback(self.engine.stop)
        self._stack.push_async_callback(self.bot.stop)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def phone_url(self) -> str:
        return f"{self.telegram_url}/phone"

    @property
    def control_socket(self) -> Path:
        return self.data_dir / "control.sock"

    def _daemon(self, name: str, call: list[str]) -> Daemon:
        argv = [sys.executable, *call, "--config", "configs", "--overlay", str(self.overlay_path)]
        secrets = {"TELEGRAM_BOT_TOKEN": _TOKEN} if name == "bot" else self.secrets()
        return Daemon(name, argv, {**os.environ, **secrets}, self.config.run_dir / f"{name}.log")

    def secrets(self) -> dict[str, str]:
        """The accounts' keys under the names that the engine reads."""
        made = {"KOREAEXIM_API_KEY": "worth-nothing"}
        for venue, credential in self.world.credentials.items():
            stem = f"{venue.upper()}_API_"
            made[stem + "KEY"], made[stem + "SECRET"] = credential.key, credential.secret
            if credential.passphrase:
                made[stem + "PASSPHRASE"] = credential.passphrase
        return made

    def _overlay(self) -> dict[str, Any]:
        """The product's own configuration pointed at this world: addresses, people, folder; nothing else differs."""
        fx = self.world.urls["fx"]["rest"]
        made: dict[str, Any] = {
            "instance": "demo",
            "data_dir": str(self.data_dir),
            "telegram": {
                "api_base": self.telegram_url,
                "users": [
                    {"id": OWNER.id, "role": "owner", "language": "ko", "name": OWNER.first_name},
                    {"id": VIEWER.id, "role": "viewer", "language": "en", "name": VIEWER.first_name},
                ],
            },
            "fx": {
                "sources": {
                    "dunamu": {"url": f"{fx}/v1/forex/recent?codes=FRX.KRWUSD", "every_s": 2},
                    "frankfurter": {"url": f"{fx}/v1/latest?base=USD&symbols=KRW", "every_s": 5},
                    "koreaexim": {"url": f"{fx}{_EXIM}", "every_s": 5},
                }
            },
            "venues": self._venues(),
        }
        return _laid_over(made, self.config.overlay)

    def _venues(self) -> dict[str, Any]:
        """Addresses of what stands here; the rest is switched off."""
        made: dict[str, Any] = {name: {"enabled": False} for name in _known() if name not in self.world.floors}
        for name in self.world.floors:
            urls = self.world.urls[name]
            made[name] = {"enabled": True, "rest_base": urls["rest"], "ws_base": _socket_base(urls["ws"])}
            made[name]["trade"] = name in self.config.traded
        for name, watcher in _doubles().items():
            if name in made and made[name].get("trade"):
                made[watcher]["also_watch"] = []
            else:
                made[name] = {"enabled": False}
        return made


def _known() -> list[str]:
    """Venues of every house, standing or not."""
    return [venue for house in HOUSES.values() for venue in house.venues]


def _doubles() -> dict[str, str]:
    return {name: watcher for house in HOUSES.values() for name, watcher in house.doubles.items()}


def _socket_base(url: str) -> str:
    """ws://host:port of a full socket address."""
    scheme, rest = url.split("://", 1)
    return f"{scheme}://{rest.split('/', 1)[0]}"


def _laid_over(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(base)
    for key, value in over.items():
        old = made.get(key)
        made[key] = _laid_over(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return made
