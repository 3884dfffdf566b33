"""From the venues' sockets to the phone: local venues, our feeds, the real core and door, the bot; nothing replaced."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from engine.assemble import core_config
from engine.config import load
from engine.core.state import State
from engine.core.venue_state import VenueSettings
from engine.desk import Desk
from engine.domain import effect
from engine.domain import event as ev
from engine.domain.market import FeeSide, Instrument, Product
from engine.domain.money import NS_PER_MS, NS_PER_S, TickBand
from engine.market.view import VenueRules
from engine.venues.feeds import build_feed
from engine.wires import Wiring
from sandbox.faults import Fault
from sandbox.world import World, WorldConfig
from tests.bot.rig import OWNER, TRADER, House, open_house
from tests.waiting import until

ROOT = Path(__file__).parent.parent.parent
SYMBOLS = {
    "upbit": ("KRW-BTC", "KRW-ETH", "KRW-XRP", "KRW-USDT"),
    "binance": ("BTCUSDT", "ETHUSDT", "XRPUSDT"),
    "bybit_linear": ("BTCUSDT", "ETHUSDT", "XRPUSDT"),
    "binance_usdm": ("BTCUSDT", "ETHUSDT", "XRPUSDT"),
}
HOUSES = ("upbit", "binance", "bybit", "binance_usdm")
SEOUL_MS = 9 * 3_600_000


def instrument(venue: str, symbol: str) -> Instrument:
    korean = symbol.startswith("KRW-")
    base = symbol.removeprefix("KRW-") if korean else symbol.removesuffix("USDT")
    return Instrument(
        venue=venue,
        symbol=symbol,
        base=base,
        quote="KRW" if korean else "USDT",
        ticks=(TickBand(Decimal(0), Decimal("0.0001")),),
        qty_step=Decimal("0.0001"),
        min_qty=Decimal(0),
        min_notional=Decimal(0),
        maker_fee_bps=Decimal(2),
        taker_fee_bps=Decimal(5),
        fee_side=FeeSide.QUOTE,
        product=Product.PERP if venue in ("bybit_linear", "binance_usdm") else Product.SPOT,
    )


class Engine:
    """The market half of the engine in this process, under a clock that may be put ahead."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.ahead_ns = 0
        config = core_config(load(ROOT / "configs"))
        venues = {
            name: VenueSettings(
                rules=VenueRules(max_book_age_ms=2_000),
                symbols=symbols,
                dust={},
                late_acceptance_ms=1_000,
                expiring_ms=1_000,
            )
            for name, symbols in SYMBOLS.items()
        }
        self.desk = Desk(State(msgspec.structs.replace(config, venues=venues)), self.now_ns, dict)
        kinds = (
            *(effect.Submit, effect.Remember, effect.Cancel, effect.LookUp, effect.FetchBalances),
            *(effect.FetchOpenOrders, effect.OpenLedger, effect.StoreSetting, effect.LatchChanged, effect.Record),
        )
        self.desk.wire({kind: lambda _: None for kind in kinds})  # there is no account: nothing trades
        self.wiring = Wiring(self.desk.handle, self.now_ns, frozenset(SYMBOLS))
        self.desk.wires = self.wiring.told

    def now_ns(self) -> int:
        return time.monotonic_ns() + self.ahead_ns

    def _wall_ms(self) -> int:
        return (time.time_ns() + self.ahead_ns) // NS_PER_MS

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        wall_ms, now_ns = self._wall_ms(), self.now_ns()
        self.desk.handle(ev.Started(instance="e2e", seed=1, wall_ms=wall_ms, utc_offset_ms=SEOUL_MS, seen_ns=now_ns))
        self.desk.handle(ev.Recovered(seen_ns=now_ns))
        for source in ("a", "b"):
            self.desk.handle(ev.FxRate(source=source, rate=Decimal(1_385), as_of_ms=wall_ms, seen_ns=now_ns))
        for name, symbols in SYMBOLS.items():
            rules = tuple(instrument(name, symbol) for symbol in symbols)
            self.desk.handle(ev.InstrumentsLoaded(venue=name, instruments=rules, seen_ns=now_ns))
            urls = self._world.urls[name]
            feed = build_feed(
                name,
                ws_base="/".join(urls["ws"].split("/")[:3]),
                rest_base=urls["rest"],
                symbols=symbols,
                sink=self.desk.handle,
                clock_ns=self.now_ns,
                rng=Random(name),
                top_of=lambda symbol: None,
                limiters=self.wiring.limiters,
            )
            self.wiring.add(feed)
            tasks.create_task(feed.run(), name=f"feed {name}")
        tasks.create_task(self._ticks(), name="ticks")

    async def _ticks(self) -> None:
        while True:
            wall_ms = self._wall_ms()
            day = (wall_ms + SEOUL_MS) // 86_400_000
            self.desk.handle(ev.Tick(seen_ns=self.now_ns(), wall_ms=wall_ms, local_day=day))
            await asyncio.sleep(0.1)

    def has_everything(self) -> bool:
        rows = self.desk.fundings("").rows
        pairs = [row for coin in ("BTC", "ETH", "XRP") for row in self.desk.premiums(coin, 100).rows]
        return (
            len([row for row in rows if not row.why]) == 6
            and len([row for row in pairs if not row.stale]) == 9
            and all(venue.connected for venue in self.desk.venues())
        )


@asynccontextmanager
async def standing(directory: Path) -> AsyncIterator[tuple[World, Engine, House]]:
    """Everything stands: books of four venues, the door, the bot."""
    async with World(WorldConfig(houses=HOUSES, episodes=False, seed=7)) as world:
        engine = Engine(world)
        async with open_house(directory) as house:
            served: Any = engine.desk
            house.desk = served
            ending = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(_run(engine, ending))
                try:
                    async with house.engine(), house.bot():
                        await until(engine.has_everything, 30)
                        yield world, engine, house
                finally:
                    ending.set()
                    await asyncio.wait([running])


async def _run(engine: Engine, ending: asyncio.Event) -> None:
    class Over(Exception):
        pass

    async def end() -> None:
        await ending.wait()
        raise Over

    try:
        async with asyncio.TaskGroup() as tasks:
            engine.begin(tasks)
            tasks.create_task(end())
    except* Over:
        pass


@pytest.mark.timeout(400)
async def test_from_the_venues_sockets_to_the_phone(tmp_path):
    async with standing(tmp_path) as (world, engine, house):
        phone = house.phone

        await phone.says(OWNER, "/funding")
        heat = await phone.finds(OWNER, "펀딩", button="📋", deadline_s=60)
        assert heat.photo, "the heatmap is a picture"
        assert re.search(r"(BTC|ETH|XRP): 숏 .* 롱 ", heat.text) and "다음 정산" in heat.text

        await phone.says(TRADER, "/premium")
        board = await phone.finds(TRADER, "Premium board", button="🔄")
        rows = re.findall(r"^(BTC|ETH|XRP) +([+−]?\d+\.\d+)%", board.text, re.MULTILINE)
        assert {coin for coin, _ in rows} == {"BTC", "ETH", "XRP"}
        sizes = [abs(float(value.replace("−", "-"))) for _, value in rows]
        assert sizes == sorted(sizes, reverse=True)

        await phone.says(TRADER, "/venues")
        venues = await phone.finds(TRADER, "Venues", button="Bybit perp")
        assert venues.text.count("🔵") == 4 and "latency –" not in venues.text.split("Binance")[1].split("\n")[1]
        assert re.search(r"clock [+−]?\d+±\d+ ms", venues.text.split("Upbit")[1]), (
            "its Date header alone: a coarse clock, told as such"
        )

        faults = world.floors["bybit_linear"].faults
        faults.arm(Fault(kind="ws_refuse"))
        faults.arm(Fault(kind="ws_disconnect"))
        warned = await phone.finds(TRADER, "⚠️ .*Venue disconnected · Bybit perp")
        assert not [m for m in await phone.chat(TRADER) if "🚨" in m.text], "not yet critical"
        engine.ahead_ns += 61 * NS_PER_S
        crit = await phone.finds(TRADER, "🚨 .*Venue disconnected · Bybit perp")
        assert crit.id > warned.id and "no market data for 6" in crit.text

        await phone.says(TRADER, "/funding btc")
        one = await phone.finds(TRADER, "Funding", button="📋", deadline_s=60)
        await phone.presses(TRADER, one, "📋")
        assert "Bybit perp: disconnected" in (await phone.finds(TRADER, "Bybit perp: ", button="🖼")).text

        faults.clear()
        await phone.finds(TRADER, "Venue connected again · Bybit perp", deadline_s=40)
