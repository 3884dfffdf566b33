"""What goes wrong and when: drawn from the seed while time passes. Every spell of bad weather has an end."""

import asyncio
from collections.abc import Callable
from functools import partial
from random import Random

from chaos import sky
from chaos.bank import Arrival
from chaos.checks import wallet_apart
from chaos.faults import CALM
from chaos.perps import PerpBank
from chaos.persons import Persons
from chaos.world import Killed, World
from engine.core.state import State
from engine.domain.command import AcceptBalances, Command, Halt, ResolveUnknown, ResumeConfirm, ResumeRequest
from engine.domain.event import FeedAlive
from engine.domain.money import NS_PER_S
from engine.domain.order import OrderStatus
from engine.execution.order_state import OrderState

_ROUND_S = 0.25  # between two rounds of books in an episode
_GO_ON_S = 60.0
_LOOKED_FOR_NS = 120 * NS_PER_S  # later than the latest arrival


class Storm:
    """Plays `hours` of virtual time on a world. The tasks of the world carry its name, so that a kill spares them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = world.stream("storm")
        self.persons = Persons(world, self.ask)

    async def play(self, seconds: float) -> None:
        """Episodes of premium and books, faults over and between them; a process that dies is started again."""
        end_s = self._world.loop.time() + seconds
        while self._world.loop.time() < end_s:
            self._gust()
            await self._episode()
            if self._random.random() < 0.5:  # else what is open must end without a price
                await self._go_on()
            await self.recover()
            if self._random.random() < 0.85:  # what rests keeps the desk awake: a quiet hour would be a long one
                self.persons.give_up()
            await self.quiet(self._random.uniform(60, 2_400))

    async def _episode(self) -> None:
        world, random = self._world, self._random
        name = random.choice((*world.spots, *world.spots, "upbit:USDT", "bithumb:USDT"))
        world.market.premiums[name] = random.choice((-1, 1)) * random.uniform(0.004, 0.016)
        world.counts["episodes"] += 1
        self.persons.hold_back()  # until the desk is resumed after it
        for _ in range(random.choice((0, 0, 1, 1, 2))):
            await self.rounds(random.uniform(0.3, 2))
            self.persons.trade()
        await self.rounds(random.uniform(2, 7))
        world.market.premiums.pop(name, None)
        await self.rounds(random.uniform(0.5, 3))

    async def _go_on(self) -> None:
        """Books as in any market, until nothing stands open; for a minute at most."""
        end_s = self._world.loop.time() + _GO_ON_S
        while self._world.checks.exposure.watches and self._world.loop.time() < end_s:
            await self.rounds(1.0)

    async def recover(self) -> None:
        """A person resumes a desk that halted, once its reasons are gone."""
        world = self._world
        self.accept()
        for _ in range(3):
            if world.shell is None or not world.shell.desk.level or world.platter.hand_halted:
                return
            await self.rounds(1.5)
            if await self.resume():
                world.counts["resumed"] += 1

    async def rounds(self, seconds: float) -> None:
        """Books of every venue, four times a second, and the proofs of life that real feeds give."""
        world = self._world
        end_s = world.loop.time() + seconds
        world.show_fx()
        while world.loop.time() < end_s:
            self._revive()
            world.market.step(_ROUND_S)
            world.market.show_all(world.seen_ns(), world.venue_ms())
            self.alive()
            await asyncio.sleep(_ROUND_S)
            self.persons.change_their_mind()
            self._look()
        self.alive()

    def alive(self) -> None:
        world = self._world
        for name in world.banks:
            if name not in world.market.dark:
                world.tell(FeedAlive(venue=name, seen_ns=world.seen_ns()))

    async def quiet(self, seconds: float) -> None:
        """Nothing is shown. What is under way goes on."""
        world = self._world
        end_s = world.loop.time() + seconds
        while (left_s := end_s - world.loop.time()) > 0:
            self._revive()
            busy = world.shell is None or bool(world.shell.desk.state.live_trades)
            await asyncio.sleep(min(left_s, 0.5 if busy else 10.0))
            if busy or world.checks.exposure.watches:
                self._look()
        world.market.step(seconds)

    def _look(self) -> None:
        world = self._world
        state = world.shell.desk.state if world.shell is not None else None
        if state is not None:
            self._answer_rings(state)
        mark = world.marks()["BTC"]
        world.checks.look(state, world.banks, world.venue_ms(), mark, partial(sky.over, world))

    def _revive(self) -> None:
        """The supervisor: a process that is gone is started again after a while."""
        world = self._world
        if world.life is None:
            world.start()

    # faults

    def _gust(self) -> None:
        """One to four things go wrong, each for a while."""
        for _ in range(self._random.choice((1, 2, 2, 3, 4))):
            name, work = self._random.choices(self._menu(), [weight for weight, _, _ in self._menu_weights()])[0]
            self._world.counts[f"spell.{name}"] += 1
            work(self._random)

    def _menu(self) -> list[tuple[str, Callable[[Random], None]]]:
        return [(name, work) for _, name, work in self._menu_weights()]

    def _menu_weights(self) -> list[tuple[int, str, Callable[[Random], None]]]:
        return [
            (10, "bad network", self._bad_network),
            (4, "slow queries", self._slow_queries),
            (3, "maintenance", self._maintenance),
            (3, "feed lost", self._feed_lost),
            (2, "crossed book", self._crossed),
            (2, "zero balances", self._zero_balances),
            (2, "stale balances", self._stale_balances),
            (2, "silent account", self._silent_account),
            (2, "disk full", self._disk_full),
            (2, "clock jump", self._clock_jump),
            (2, "budget", self._budget),
            (3, "stream cut", self._stream_cut),
            (2, "stream deaf", self._stream_deaf),
            (4, "kill at a point", self._kill_at_point),
            (3, "kill", self._kill),
            (1, "halt by hand", self._halt_by_hand),
            (1, "halt by command", self._halt_by_command),
            (2, "deleveraged", self._deleveraged),
            (3, "forgetful", self._forgetful),
        ]

    def _venue(self) -> str:
        return self._random.choice(tuple(self._world.banks))

    def _spell(self, on: Callable[[], None], off: Callable[[], None], least_s: float, most_s: float) -> None:
        on()
        self._world.later(self._random.uniform(least_s, most_s), off)

    def _bad_network(self, random: Random) -> None:
        for _ in range(2):
            self._degrade(self._venue(), random.choice((0.1, 0.3, 0.6, 0.9)))

    def _degrade(self, name: str, badness: float) -> None:
        weather = self._world.fates[name].weather
        self._spell(lambda: setattr(weather, "badness", badness), lambda: setattr(weather, "badness", CALM), 5, 40)

    def _slow_queries(self, random: Random) -> None:
        weather = self._world.fates[self._venue()].weather
        lag_ms = random.choice((300, 1_500, 4_000))
        self._spell(lambda: setattr(weather, "lag_ms", lag_ms), lambda: setattr(weather, "lag_ms", 0), 5, 60)

    def _maintenance(self, _: Random) -> None:
        name = self._venue()
        weather = self._world.fates[name].weather
        self._spell(lambda: setattr(weather, "away", True), lambda: setattr(weather, "away", False), 2, 60)

    def _silent_account(self, _: Random) -> None:
        """For longer than the desk believes what it knows of it, into the next episode."""
        weather = self._world.fates[self._venue()].weather
        on, off = partial(setattr, weather, "unread", True), partial(setattr, weather, "unread", False)
        self._spell(on, off, 200, 2_000)

    def _feed_lost(self, _: Random) -> None:
        world, name = self._world, self._venue()

        def off() -> None:
            world.market.dark.discard(name)
            world.connect(name)

        world.market.dark.add(name)
        world.disconnect(name)
        world.later(self._random.uniform(0.5, 30), off)

    def _crossed(self, _: Random) -> None:
        world, name = self._world, self._venue()
        self._spell(lambda: world.market.crossed.add(name), lambda: world.market.crossed.discard(name), 0.3, 5)

    def _zero_balances(self, _: Random) -> None:
        weather = self._world.fates[self._venue()].weather
        self._spell(
            lambda: setattr(weather, "zero_balances", True), lambda: setattr(weather, "zero_balances", False), 1, 40
        )

    def _stale_balances(self, _: Random) -> None:
        weather = self._world.fates[self._venue()].weather
        self._spell(
            lambda: setattr(weather, "stale_balances", True), lambda: setattr(weather, "stale_balances", False), 1, 40
        )

    def _disk_full(self, _: Random) -> None:
        platter = self._world.platter
        self._spell(lambda: setattr(platter, "full", True), lambda: setattr(platter, "full", False), 0.5, 20)

    def _clock_jump(self, random: Random) -> None:
        """Set wrong, and after a while set right."""
        ms = random.choice((-600_000, -5_000, -700, 700, 5_000, 600_000))
        self._world.jump_wall(ms)
        self._world.later(random.uniform(2, 60), self._world.right_wall)

    def _budget(self, random: Random) -> None:
        client = self._world.clients.get(self._venue())
        if client is not None:
            client.spend(random.choice(("calm", "calm", "block")))

    def _stream_cut(self, _: Random) -> None:
        client = self._world.clients.get(self._venue())
        if client is not None and client.stream is not None:
            client.stream.cut()

    def _stream_deaf(self, _: Random) -> None:
        weather = self._world.fates[self._venue()].weather
        self._spell(lambda: setattr(weather, "deaf", True), lambda: setattr(weather, "deaf", False), 1, 60)

    def _kill_at_point(self, random: Random) -> None:
        self._world.kill_in = random.randint(0, 12)

    def _kill(self, random: Random) -> None:
        world = self._world
        world.later(random.uniform(0, 12), lambda: world.kill() if world.life is not None else None)

    def _halt_by_hand(self, random: Random) -> None:
        world = self._world
        world.platter.hand_halted = True
        world.later(random.uniform(2, 20), self._take_hand_back)

    def _take_hand_back(self) -> None:
        self._world.platter.hand_halted = False

    def _halt_by_command(self, random: Random) -> None:
        self.ask(Halt(level=random.choice((1, 2, 3)), reason="chaos"))

    def _deleveraged(self, random: Random) -> None:
        """Where a position stands, a part of it is gone, or all."""
        share = random.choice((0.1, 0.5, 1.0))
        for bank in self._world.banks.values():
            if isinstance(bank, PerpBank):
                self._world.later(random.uniform(0, 12), partial(self._take_away, bank, share))

    def _take_away(self, bank: PerpBank, share: float) -> None:
        self._world.counts["positions taken away"] += bank.deleverage(share)

    def _forgetful(self, random: Random) -> None:
        """Its order query does not know what ended some minutes ago: what was forgotten stays so.

        Every other time nobody can ask for longer than it remembers, from shortly after its next order.
        """
        world, name = self._world, self._venue()
        weather = world.fates[name].weather
        ms = random.choice((60_000, 180_000, 600_000))
        self._spell(
            lambda: setattr(weather, "forgets_ms", ms), lambda: setattr(weather, "forgets_ms", 0), ms / 1_000, 2_400
        )
        goes_away, wait_s, least_s = random.random() < 0.5, random.uniform(0.02, 1), ms / 1_000 + 5
        off = partial(setattr, weather, "away", False)

        def on() -> None:
            weather.away = bool(weather.forgets_ms)  # unless the spell is over

        def arrived(arrival: Arrival) -> None:
            if arrival.venue != name:
                return
            world.on_arrival.remove(arrived)
            world.later(wait_s, lambda: self._spell(on, off, least_s, least_s + 60))

        if goes_away:
            world.on_arrival.append(arrived)

    def accept(self) -> None:
        """A person who has read at the venue what it did takes the venue's word, once the desk has been told it."""
        world = self._world
        state = world.shell.desk.state if world.shell is not None else None
        for name, bank in world.banks.items():
            held = state.venues.get(name) if state is not None else None
            if state is None or held is None or not isinstance(bank, PerpBank) or not bank.is_apart:
                continue
            self._resolve(state, bank)
            if held.blocked.startswith("ledger_mismatch") and bank.is_known(held.balances, held.account.positions):
                seen = world.checks.hedges_of(state, bank)
                if bank.accepts < bank.deleveraged * world.lives and self.ask(AcceptBalances(venue=name)):
                    bank.accepts += 1
                    world.counts["accepted"] += 1
                    world.checks.hedges(state, bank, seen)
            elif not (bank.unlike(state.ledger.positions(name)) or wallet_apart(state, bank)):
                bank.accepted = bank.deleveraged

    def tries_again(self) -> bool:
        """A letter at the price of now; else it is closed by hand."""
        return self._random.random() < 0.3

    def _resolve(self, state: State, bank: PerpBank) -> None:
        """While balances differ no order without an answer is proved absent: a person has looked for it there."""
        for _, order in list(state.orders.values()):
            if order.request.venue == bank.name:
                self._say_absent(state, order)

    def _answer_rings(self, state: State) -> None:
        """A person who was rung for an order that nobody finds says that it is not there, where it is not."""
        for trade in list(state.live_trades.values()):
            for order in trade.orders:
                if order.unknown_alerted:
                    self._say_absent(state, order)

    def _say_absent(self, state: State, order: OrderState) -> None:
        left_ns, cid = order.sent_ns or order.planned_ns, order.request.cid
        if order.status is not OrderStatus.UNKNOWN or state.now_ns - left_ns <= _LOOKED_FOR_NS:
            return
        truth = self._world.banks[order.request.venue].find(cid)
        if truth is None or not (truth.filled_qty or truth.status is OrderStatus.OPEN):
            self._world.counts["resolved"] += self.ask(
                ResolveUnknown(cid=cid, evidence="the venue has not filled any of it")
            )

    def ask(self, command: Command) -> bool:
        """A person's word at the door; False where nobody listens or it is refused."""
        world = self._world
        if world.shell is None:
            return False
        world.counts["commands"] += 1
        try:
            return world.shell.desk.ask(f"q{world.counts['commands']}", "telegram:1", "owner", command).ok
        except Killed:
            return False

    async def resume(self) -> bool:
        """Both steps, as a person takes them."""
        token = f"r{self._world.counts['commands']}"
        if not self.ask(ResumeRequest(token=token)):
            return False
        await self.rounds(0.3)
        return self.ask(ResumeConfirm(token=token))
