"""When a coin is traded: its turnover by hour of the day, asked for in a process of its own, kept for some hours."""

import asyncio
import logging
import sys
import time

import msgspec

from engine.collect.turnover import LIMIT_S, Asked, Told
from engine.config import Config
from engine.core import routing
from engine.desk import Desk
from engine.domain.errors import NoHistory
from engine.domain.market import Instrument
from engine.domain.parent import BEST

log = logging.getLogger(__name__)

_KEPT_S = 6 * 3_600.0
_AGAIN_S = 60.0  # after a failure
_WAIT_S = 4.0  # the door's callers have five; what takes longer is there at the next ask
_GRACE_S = 10.0


class Turnover:
    """What the door asks before it plans a VWAP. Curves are kept for six hours."""

    def __init__(self, config: Config, desk: Desk, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks
        self._config = config
        self._desk = desk
        self._known: dict[tuple[str, str], tuple[float, Told]] = {}
        self._asking: dict[tuple[str, str], asyncio.Task[Told]] = {}

    async def curve(self, venue: str, base: str) -> tuple[float, ...]:
        """Of the coin at that venue, or where it is traded most. Raises NoHistory."""
        market = self._market(venue, base)
        if market is None:
            return ()  # the core says better what is wrong with it
        key = (market.venue, market.symbol)
        told = self._kept(key) or await self._asked(key)
        if told is None:
            text = f"the turnover of {market.symbol} at {market.venue} is being read: ask again in some seconds"
            raise NoHistory("curve_pending", text)
        if not told.curve:
            text = f"{market.venue} {market.symbol} has no usable history of its turnover: {told.error}; use twap"
            raise NoHistory("no_curve", text)
        return told.curve

    def _market(self, venue: str, base: str) -> Instrument | None:
        state = self._desk.state
        found = [rules for rules in routing.markets_of(state, base) if venue in (BEST, rules.venue)]

        def worth(rules: Instrument) -> float:
            day = state.market.day_tickers.get((rules.venue, rules.symbol))
            return day.quote_volume * float(routing.krw_rate(state, rules.quote)) if day is not None else 0.0

        return max(found, key=worth, default=None)

    def _kept(self, key: tuple[str, str]) -> Told | None:
        known = self._known.get(key)
        return known[1] if known is not None and time.monotonic() < known[0] else None

    async def _asked(self, key: tuple[str, str]) -> Told | None:
        """None while it takes longer than a caller waits; it goes on, and one question at a time."""
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = self._tasks.create_task(self._ask(key), name=f"turnover {key[0]}")
        try:
            return await asyncio.wait_for(asyncio.shield(asking), _WAIT_S)
        except TimeoutError:
            return None

    async def _ask(self, key: tuple[str, str]) -> Told:
        venue, symbol = key
        asked = Asked(
            venue=venue,
            symbol=symbol,
            config=self._config.venues[venue],
            history=self._config.history_dir,
            to_ms=time.time_ns() // 1_000_000,
        )
        told = await _ask_process(asked)
        log.info("turnover venue=%s symbol=%s source=%s error=%s", venue, symbol, told.source, told.error)
        self._known[key] = (time.monotonic() + (_KEPT_S if told.curve else _AGAIN_S), told)
        del self._asking[key]
        return told


async def _ask_process(asked: Asked) -> Told:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "engine.collect.turnover"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(LIMIT_S + _GRACE_S):
            said, _ = await process.communicate(msgspec.json.encode(asked) + b"\n")
        return msgspec.json.decode(said, type=Told)
    except (TimeoutError, msgspec.MsgspecError, OSError) as error:
        return Told(error=f"its reader ended without an answer ({type(error).__name__})")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
