"""One known fault on one seed: a ready desk, calm books, and hands that force what goes wrong."""

from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
from msgspec import Struct

from chaos.bank import Arrival
from chaos.run import live, unsettled
from chaos.storm import Storm
from chaos.world import Seams, World, configuration
from engine.config import Config
from engine.domain.command import CloseHedge, Command, Mode, RetryDeadLetter
from engine.domain.effect import Notice
from engine.domain.view import AlertView

_ALERT = msgspec.json.Decoder(AlertView)
_READY_S = 30.0
_SETTLED_S = 150.0
_OWN = "the scenario"  # what is wrong with the scenario itself proves nothing about a guard


class Scenario(Struct, frozen=True, kw_only=True):
    """`number` is that of the list of known faults. `run`: seed, with its guard or without -> violations."""

    number: int
    part: str = ""  # of a fault that is met at two places
    name: str
    fault: str
    guard: str
    law: str  # how the violation begins that shows without the guard
    run: Callable[[int, bool], list[str]]

    def __post_init__(self) -> None:
        if not self.law or self.law.startswith(_OWN):
            raise ValueError(f"scenario {self.key} names no law that its guard keeps: {self.law!r}")

    def shows(self, violations: list[str]) -> bool:
        """Whether the scenario's own law is among what was broken."""
        return any(line.startswith(self.law) for line in violations if not line.startswith(_OWN))

    @property
    def key(self) -> str:
        return f"{self.number}{self.part}"


class Composition(Struct, frozen=True, kw_only=True):
    """What a desk is made of."""

    seams: Seams = Seams()
    config: Config | None = None  # None: the storm's
    without: Callable[[], AbstractContextManager[None]] = nullcontext  # a guard of the engine's own (chaos.unguarded)


class Stage:
    """A world without any chance fault: only timing, prices and what `play` draws differ between seeds."""

    def __init__(self, world: World, guarded: bool) -> None:
        self.world = world
        self.guarded = guarded
        self.storm = Storm(world)
        self.random: Random = world.stream("scenario")
        self.alerts: list[AlertView] = []
        world.listeners.append(self._hear)

    def _hear(self, notice: Notice) -> None:
        if notice.kind == "alert":
            self.alerts.append(_ALERT.decode(notice.body))

    # hands

    async def ready(self) -> None:
        """Start, and wait until every venue is reconciled."""
        self.world.clear_sky()
        self.world.start()
        await self.reconciled()

    async def reconciled(self) -> None:
        end_s = self.world.loop.time() + _READY_S
        while self.world.loop.time() < end_s:
            await self.storm.rounds(0.5)
            shell = self.world.shell
            if shell is not None and all(held.ready for held in shell.desk.state.venues.values()):
                return
        self.breach("liveness", f"not reconciled {_READY_S:.0f} s after the start: {unsettled(self.world)}")

    def force(self, venue: str, *fates: str) -> None:
        """What the next placements at a venue meet."""
        self.world.fates[venue].script.extend(fates)

    def force_all(self, *fates: str) -> None:
        for name in self.world.banks:
            self.force(name, *fates)

    def once_sent(self, after_s: float, work: Callable[[], None]) -> None:
        """Do it so long after the next order has reached its venue."""
        listeners = self.world.on_arrival

        def arrived(_: Arrival) -> None:
            listeners.remove(arrived)
            self.world.later(after_s, work)

        listeners.append(arrived)

    async def premium(self, market: str = "", seconds: float = 1.5, ratio: float = 0.0) -> None:
        """A venue's price stands away from the others' for a while; by chance which, how far and to which side."""
        name = market or self.random.choice(tuple(self.world.banks))
        size = ratio or self.random.choice((-1, 1)) * self.random.uniform(0.006, 0.012)
        self.world.market.premiums[name] = size
        await self.storm.rounds(seconds)
        self.world.market.premiums.pop(name, None)

    def ask(self, command: Command) -> bool:
        return self.storm.ask(command)

    async def taps(self) -> None:
        """What a person does for a minute after a bad one: resume, close hedges, retry what waits for a hand."""
        for _ in range(60):  # a book may not offer all of it at once
            shell = self.world.shell
            if shell is None:
                return
            state = shell.desk.state
            if state.level:
                await self.storm.resume()
            elif not (state.hedged or state.blocked_keys or state.live_trades):
                return
            for trade_id in [*state.hedged, *state.blocked_keys.values()]:
                is_hedged = trade_id in state.hedged
                self.ask(CloseHedge(trade_id=trade_id) if is_hedged else RetryDeadLetter(trade_id=trade_id))
            await self.storm.rounds(1.0)

    # judgement

    def breach(self, law: str, text: str) -> None:
        self.world.checks.breach(law, text)

    def met(self, *counts: str) -> None:
        """The scenario itself: a fault that was not met proves nothing."""
        if not any(self.world.counts[name] for name in counts):
            self.breach(_OWN, f"none of {', '.join(counts)} was met")

    async def settle(self, most_s: float = _SETTLED_S) -> None:
        """No fault is left: everything must come to its end, and every account agree with the ledger."""
        world = self.world
        world.clear_sky()
        world.market.premiums.clear()
        end_s = world.loop.time() + most_s
        await self.storm.rounds(1.0)
        while (why := unsettled(world)) and world.loop.time() < end_s:
            if world.shell is not None and world.shell.desk.level:
                await self.storm.resume()
            await self.storm.rounds(1.0)
        if why:
            self.breach("liveness", f"not at rest {most_s:.0f} s after the fault: {why}")
        elif world.shell is not None:
            world.checks.at_rest(world.shell.desk.state, world.banks)
            world.checks.money(world.banks)


Play = Callable[[Stage], Coroutine[Any, Any, None]]


def on_the_desk(
    play: Play,
    careless: Composition,
    careful: Composition = Composition(),
    settles: bool = True,
    before: Callable[[World], None] = lambda world: None,
) -> Callable[[int, bool], list[str]]:
    """A scenario of the trading half: the whole shell, core, carrier and journal in their world.

    `before`: what is otherwise at its venues than in a storm, from before the first start.
    """

    def run(seed: int, guarded: bool) -> list[str]:
        made = careful if guarded else careless
        # A private stream would tell what a scenario hides: the look-ups must find it.
        world = World(seed, made.seams, made.config or configuration(), hears=False)
        before(world)

        async def whole() -> float:
            stage = Stage(world, guarded)
            await stage.ready()
            await play(stage)
            if settles:
                await stage.settle()
            return 0.0

        with made.without():
            live(world, whole())
        return world.checks.violations

    return run


def configured(**changes: Any) -> Config:
    """The storm's configuration with other sections."""
    return msgspec.structs.replace(configuration(), **changes)


def strategies(**params: Any) -> dict[str, Any]:
    """The two-legged strategies with some parameters replaced."""
    known = configuration().strategies
    return {
        name: msgspec.structs.replace(held, params=held.params | params) if name in ("spatial", "kimchi") else held
        for name, held in known.items()
    }


def only(*names: str) -> dict[str, Any]:
    """The strategies of these names; the others are off."""
    known = configuration().strategies
    return {n: held if n in names else msgspec.structs.replace(held, mode=Mode.OFF) for n, held in known.items()}


def limits(**values: str) -> Any:
    """The storm's risk section with limits replaced by name."""
    known = configuration().risk
    overrides = known.overrides | {name: Decimal(value) for name, value in values.items()}
    return msgspec.structs.replace(known, overrides=overrides)
