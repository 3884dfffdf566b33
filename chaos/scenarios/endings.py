"""Cancels, stops and deaths: what was under way goes on by itself."""

from collections.abc import Callable
from decimal import Decimal

from chaos.careless import AmnesicDisk, Believing, CancellingAll, DeafLatch, HastyDisk, Headlong, NeverSweeping
from chaos.run import restart_twice
from chaos.scenarios.stage import Composition, Scenario, Stage, configured, on_the_desk, only
from chaos.venue import SimVenue
from chaos.world import Seams
from engine.domain.command import Halt
from engine.venues.protocol import Orders
from sandbox.venues.orders import Side


async def _tether(stage: Stage, seconds: float) -> None:
    """A premium on the tether: the desk rests post-only orders at Upbit and cancels what does not fill."""
    await stage.premium("upbit:USDT", seconds, stage.random.choice((-1, 1)) * stage.random.uniform(0.006, 0.012))


async def _fill_while_cancelling(stage: Stage) -> None:
    stage.world.fates["upbit"].fills_first = stage.random.randint(1, 2)
    for _ in range(8):
        await _tether(stage, 3)
        if stage.world.counts["cancel.filled first"]:
            break
    stage.met("cancel.filled first")


async def _dies_at_the_send(stage: Stage) -> None:
    for _ in range(2):
        stage.world.kill_at = stage.random.choice(("after the send", "journal under way", "before the send"))
        await stage.premium()
        await stage.reconciled()
    stage.met("kill.after the send", "kill.journal under way", "kill.before the send")


async def _dies_and_starts(stage: Stage) -> None:
    """Killed twice with answers outstanding; then restarted twice more, at rest."""
    world = stage.world

    def die() -> None:
        orders = world.shell.desk.state.orders.values() if world.shell is not None else ()
        world.counts["killed in doubt"] += any(not order.is_terminal for _, order in orders)
        world.kill()

    for _ in range(2):
        stage.force_all("lost_reply")
        stage.once_sent(stage.random.uniform(0, 1.4), die)  # before the call's time is up
        await stage.premium(seconds=3)
        await stage.reconciled()
    stage.met("killed in doubt")
    await stage.settle()
    await restart_twice(world, stage.storm)


async def _shared_account(stage: Stage) -> None:
    """A person's orders rest in the same accounts while ours come, go and are swept away by a halt."""
    left = []
    for bank in stage.world.banks.values():
        symbol = next(s for s, m in bank.rules.markets.items() if m.base == "BTC")
        far = Decimal(60_000_000 if bank.rules.markets[symbol].quote == "KRW" else 45_000)
        left.append((bank, bank.leave_order(symbol, Side.BUY, far, Decimal("0.01"))))
    await _tether(stage, 3)
    stage.ask(Halt(level=2, reason="scenario"))
    await stage.storm.rounds(3)
    await stage.storm.quiet(35)  # open orders are listed every 30 s
    for bank, order_id in left:
        if order_id not in [order.id for order in bank.exchange.open_orders("desk")]:
            stage.breach("others' orders", f"{bank.name} order {order_id} is gone, and it was not ours")
    for bank, _ in left:
        bank.cancel_everything()
    if "foreign_orders" not in {alert.rule for alert in stage.alerts}:
        stage.breach("others' orders", "nobody was told of them")


async def _stopped_by_hand(stage: Stage) -> None:
    stage.world.later(stage.random.uniform(0.1, 1.5), lambda: setattr(stage.world.platter, "hand_halted", True))
    await stage.premium(seconds=3)
    await stage.storm.rounds(6)  # an idle desk looks every 5 s here; a send looks at once
    shell = stage.world.shell
    if shell is None or shell.desk.level < 2:
        stage.breach("no send while latched", "the desk was not stopped by the file HALT")
    if shell is not None:
        for trade_id in shell.desk.state.blocked_keys.values():
            reason = shell.desk.state.trades[trade_id].reason
            if not reason.startswith("open_halted: L2"):
                stage.breach("the scenario", f"{trade_id} waits for a person, and not for the halt: {reason}")
    stage.world.clear_sky()
    await stage.taps()  # an exposure that the halt has cut open waits for a person's hand


async def _stopped_while_connecting(stage: Stage) -> None:
    """Every order has to make its connection first, and the desk is stopped meanwhile, by a tap or by the file."""
    world, by_hand = stage.world, stage.random.random() < 0.5

    def stop() -> None:
        if by_hand:
            world.platter.hand_halted = True
        else:
            stage.ask(Halt(level=2, reason="scenario"))

    def begun() -> None:
        """The first connection is being made: half of all have some way to go."""
        if not world.counts["place.cold"]:
            world.later(0.01, begun)
        else:
            world.later(0.03, stop)

    stage.force_all(*["cold"] * 4)
    begun()
    await stage.premium(seconds=3)
    await stage.storm.rounds(6)
    stage.met("place.cold")
    world.clear_sky()
    await stage.taps()


async def _forgotten(stage: Stage) -> None:
    """Resting orders arrive when everybody has given them up, at a venue without request expiry."""
    stage.force("upbit", "very_late", "very_late")
    await _tether(stage, 3)
    stage.met("place.very_late")
    await stage.storm.quiet(110)


def _resting(orders: Callable[[SimVenue], Orders] = lambda venue: venue) -> Composition:
    """Only the strategy whose orders rest."""
    return Composition(seams=Seams(orders=orders), config=configured(strategies=only("tether_bot")))


SCENARIOS = (
    Scenario(
        number=5,
        name="filled while it is cancelled",
        fault="a resting order trades whole just before the request to cancel arrives",
        guard="a cancel is a request: the order is read again until it has ended",
        law="ledger",
        run=on_the_desk(_fill_while_cancelling, _resting(Believing), _resting()),
    ),
    Scenario(
        number=6,
        name="dead between send and record",
        fault="the process dies while the journal writes, before the send or directly after it",
        guard="the intent is durable before the send",
        law="durable before send",
        run=on_the_desk(_dies_at_the_send, Composition(seams=Seams(disk=HastyDisk))),
    ),
    Scenario(
        number=7,
        name="restarted with answers outstanding",
        fault="the process is killed twice with orders in flight whose answers are lost",
        guard="a start reads the journal; what happened before is folded once",
        law="restart",
        run=on_the_desk(_dies_and_starts, Composition(seams=Seams(disk=AmnesicDisk))),
    ),
    Scenario(
        number=12,
        name="a shared account",
        fault="a person's orders rest in the accounts of the desk, which halts and cancels",
        guard="only our own client ids are cancelled",
        law="others' orders",
        run=on_the_desk(_shared_account, _resting(CancellingAll), _resting()),
    ),
    Scenario(
        number=13,
        name="stopped by hand",
        fault="a file named HALT appears while orders are on their way to the socket",
        guard="the latch is looked at directly before each send",
        law="no send while latched",
        run=on_the_desk(_stopped_by_hand, Composition(seams=Seams(latch=DeafLatch))),
    ),
    Scenario(
        number=13,
        part="b",
        name="stopped while it connects",
        fault="an order waits for its connection when the desk is halted",
        guard="the way itself looks at the latch again, directly before it writes",
        law="no send while latched",
        run=on_the_desk(_stopped_while_connecting, Composition(seams=Seams(orders=Headlong))),
    ),
    Scenario(
        number=14,
        name="forgotten orders",
        fault="resting orders reach the venue up to a minute after they were given up",
        guard="open orders are listed and cancelled where their trade is over",
        law="orphans",
        run=on_the_desk(_forgotten, _resting(NeverSweeping), _resting()),
    ),
)
