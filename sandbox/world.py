"""The whole outside world of one demo or test: venues, FX sources, their tape and one control door."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Literal

from aiohttp import web
from msgspec import Struct, field

from sandbox.control import control_routes
from sandbox.faults import VenueFaults
from sandbox.fx import FxSources
from sandbox.tape.events import BookTick, DepthTick, FxTick, PerpTick, PrintTick, RawTick, Tape, TapeEvent
from sandbox.tape.recorded import UPBIT_CODES, RecordedTape, UpbitTape, recordings
from sandbox.tape.seeded import SeededTape
from sandbox.venues.auth import Credential
from sandbox.venues.door import Dialect, build_app
from sandbox.venues.floor import Floor
from sandbox.venues.opening import DESK, HOUSES, House, Taste
from sandbox.venues.sockets import Sockets

log = logging.getLogger(__name__)
_COINS = {"BTC": Decimal("0.4"), "ETH": Decimal(6), "XRP": Decimal(20_000)}
_KOREAN_FUNDS = {"KRW": Decimal(30_000_000), **_COINS, "USDT": Decimal(10_000)}
_GLOBAL_FUNDS = {"USDT": Decimal(30_000), **_COINS}
_MARGIN_FUNDS = {"USDT": Decimal(30_000)}


class WorldConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    tape: Literal["seeded", "recorded", "upbit-20210405"] = "seeded"
    seed: int = 7
    episodes: bool = True  # False: no premium but those asked for over HTTP
    tape_path: Path | None = None  # the recording, or the folder that holds it
    speed: float = 1.0
    step_s: float = 0.02  # between two looks at the tape; shorter where the clock runs fast
    houses: tuple[str, ...] = DESK  # which servers stand: names of sandbox.venues.opening
    port_base: int = 0  # 0: any free ports; else consecutive from here
    host: str = "127.0.0.1"
    account: str = "trader"
    funds: dict[str, dict[str, Decimal]] = field(
        default_factory=dict
    )  # venue -> asset -> amount, instead of the default
    bithumb_fee: Decimal = Decimal("0.0004")
    checksums: bool = False  # OKX and Bitget send them, as they did once


class World:
    """Start with `async with`; `urls` and `credentials` tell how to reach it. Making one raises RecordingMissing.

    `player` is the task that plays the tape: it ends only by its own fault.
    """

    player: asyncio.Task[None]

    def __init__(self, config: WorldConfig, clock: Callable[[], int] | None = None) -> None:
        self.config = config
        self.clock = clock or (lambda: time.time_ns() // 1_000_000)
        self.urls: dict[str, dict[str, str]] = {}
        self.floors: dict[str, Floor] = {}
        self.sockets: dict[str, Sockets] = {}
        self.credentials: dict[str, Credential] = {}
        self.fx = FxSources(self.clock, Decimal("1380.00"))
        self._dialects: dict[str, Dialect] = {}
        for house in self.config.houses:
            self._open_house(house, HOUSES[house])
        self.tape: Tape = self._load_tape()
        for venue, symbols in self.tape.recorded.items():
            self.floors[venue].recorded |= symbols
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "World":
        async with AsyncExitStack() as opened:  # a port that is taken leaves no other one open
            apps = {venue: build_app(dialect) for venue, dialect in self._dialects.items()}
            apps["fx"] = _plain_app(self.fx.routes())
            apps["control"] = _plain_app(control_routes(self))
            for i, (name, app) in enumerate(apps.items()):
                port = await self._listen(opened, app, self.config.port_base + i if self.config.port_base else 0)
                self._addressed(name, f"{self.config.host}:{port}")
            self._stack = opened.pop_all()
        self._apply(self.tape.advance(self.clock()))  # every book stands before the first client comes
        self.player = asyncio.create_task(self._play(), name="tape")
        self.player.add_done_callback(_report)
        self._stack.push_async_callback(_stop, self.player)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def ready_line(self) -> dict[str, object]:
        """What a starter needs to know: addresses and the accounts' keys."""
        keys = {
            venue: {"key": c.key, "secret": c.secret} | ({"passphrase": c.passphrase} if c.passphrase else {})
            for venue, c in self.credentials.items()
        }
        return {"ready": self.urls, "keys": keys, "tape": self.tape.label}

    def deposit(self, venue: str, asset: str, amount: Decimal) -> None:
        """Money from outside the desk; negative takes away."""
        self.floors[venue].ledger.deposit(self.config.account, asset, amount)

    def _open_house(self, name: str, house: House) -> None:
        faults = VenueFaults(self.clock, has_nonces=house.has_nonces)
        sockets = Sockets(faults.frames_late_ms)
        faults.on_sockets = sockets.strike
        floors = [Floor(rules, faults, self.clock) for rules in house.rules(self._taste())]
        for floor in floors:
            venue = floor.rules.venue
            floor.sends_checksums = self.config.checksums
            self.floors[venue], self.sockets[venue] = floor, sockets
        self._dialects[name] = house.open(floors, sockets)
        if house.trades:
            self._open_account(name, house, _KOREAN_FUNDS if "KRW" in house.money else _GLOBAL_FUNDS)
        for venue in house.margined:
            self._open_account(venue, house, _MARGIN_FUNDS)

    def _open_account(self, venue: str, house: House, default: dict[str, Decimal]) -> None:
        credential = _credential(venue, self.config, house)
        self.floors[venue].open_account(credential, self.config.funds.get(venue, default))
        self.credentials[venue] = credential

    def _taste(self) -> Taste:
        more = UPBIT_CODES if self.config.tape == "upbit-20210405" else ()
        return Taste(upbit_codes=more, bithumb_fee=self.config.bithumb_fee)

    def _addressed(self, name: str, address: str) -> None:
        """Each venue of a house has its own entry: the house's REST address and its sockets by name."""
        rest = {"rest": f"http://{address}"}
        house = HOUSES.get(name)
        if house is None:
            self.urls[name] = rest
            return
        for venue in house.venues:
            self.urls[venue] = rest | {key: f"ws://{address}{path}" for key, path in house.sockets(venue).items()}

    def _load_tape(self) -> Tape:
        venue_rules = {venue: floor.rules for venue, floor in self.floors.items()}
        config = self.config
        if config.tape == "seeded":
            return SeededTape(config.seed, venue_rules, episodes=config.episodes)
        kind = RecordedTape if config.tape == "recorded" else UpbitTape
        folder = recordings(config.tape_path)
        return kind(folder, config.seed, venue_rules, speed=config.speed, episodes=config.episodes)

    async def _listen(self, opened: AsyncExitStack, app: web.Application, port: int) -> int:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        opened.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, self.config.host, port)
        await site.start()
        return int(runner.addresses[0][1])

    async def _play(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self._apply(self.tape.advance(self.clock()))
            due = max(due + self.config.step_s, loop.time() - 1)
            await asyncio.sleep(max(0.0, due - loop.time()))

    def _apply(self, events: list[TapeEvent]) -> None:
        now_ms = self.clock()
        for event in events:
            match event:
                case BookTick():
                    self.floors[event.venue].show_book(event.symbol, event.bids, event.asks, now_ms)
                case PrintTick():
                    self.floors[event.venue].show_print(event.trade)
                case RawTick():
                    self.floors[event.venue].show_raw(event.frame)
                case DepthTick():
                    self.floors[event.venue].show_depth(event.symbol, event.update_id, event.bids, event.asks)
                case PerpTick():
                    self.floors[event.venue].show_perp(event.state)
                case FxTick():
                    self.fx.show(event.usdkrw)


def _credential(venue: str, config: WorldConfig, house: House) -> Credential:
    """Keys that a seed always gives: worth nothing outside this sandbox."""
    seed = f"{config.seed}/{venue}/{config.account}"
    key, secret, phrase = (
        hashlib.sha256(f"{seed}/{part}".encode()).hexdigest() for part in ("key", "secret", "phrase")
    )
    return Credential(config.account, key[:40], secret[:40], phrase[:16] if house.needs_passphrase else "")


def _plain_app(routes: list[web.RouteDef]) -> web.Application:
    app = web.Application()
    app.router.add_routes(routes)
    return app


def _report(player: asyncio.Task[None]) -> None:
    """A tape never ends by itself: a world that stands still must not pass for a quiet market."""
    error = None if player.cancelled() else player.exception()
    if error is not None:
        log.error("tape_failed error=%r", error, exc_info=error)


async def _stop(player: asyncio.Task[None]) -> None:
    player.cancel()
    await asyncio.wait([player])
