"""Books, balances and prices that say what is not so, and a loop that would trade on them for ever."""

import asyncio
from functools import partial

from chaos import unguarded
from chaos.bank import Arrival
from chaos.careless import wall_clock_only
from chaos.scenarios.stage import Composition, Scenario, Stage, configured, limits, on_the_desk, strategies
from chaos.world import Seams
from engine.domain.command import AcceptBalances
from engine.domain.order import LegRole

_MOST_A_MINUTE = 40
_MINUTE_MS = 60_000
_ANSWERED_S = 15.0  # longer than a time-out, the latest acceptance, two look-ups after it and a comparison of balances


async def _false_balances(stage: Stage) -> None:
    """A venue answers without any balance, or with those of seconds ago, for longer than a reconciliation takes."""
    await stage.premium()
    await stage.storm.rounds(2)
    name = stage.random.choice(tuple(stage.world.banks))
    weather = stage.world.fates[name].weather
    weather.zero_balances = True
    end_s = stage.world.loop.time() + stage.random.uniform(
        50, 80
    )  # asked every 30 s, and twice more by idle ticks of 5 s
    while stage.world.loop.time() < end_s:
        await stage.storm.quiet(1.0)
        shell = stage.world.shell
        blocked = shell.desk.state.venues[name].blocked if shell is not None else ""
        if blocked and not stage.guarded:
            stage.ask(AcceptBalances(venue=name))
    shell = stage.world.shell
    held = shell.desk.state.ledger.assets(name) if shell is not None else {}
    if not any(held.values()):
        stage.breach("ledger", f"{name}: an empty answer was taken for an empty account")
    if "ledger_mismatch" not in {alert.rule for alert in stage.alerts}:
        stage.breach("the scenario", "nobody was told of the difference")


async def _other_coin(stage: Stage) -> None:
    """Under the ticker of one venue another coin is traded from now on."""
    name = stage.random.choice(tuple(stage.world.banks))
    ratio = stage.random.choice((-0.5, -0.3, 0.3, 0.5, 0.9))
    began_ms = stage.world.wall_ms()

    def arrived(arrival: Arrival) -> None:
        request = arrival.request
        if request.venue == name and request.symbol != "KRW-USDT" and request.role is LegRole.ENTRY:
            stage.breach("identity", f"{request.side} {request.qty} {request.symbol} at {request.price} at {name}")

    await stage.storm.rounds(2)
    stage.world.on_arrival.append(arrived)
    await stage.premium(name, seconds=stage.random.uniform(1, 6), ratio=ratio)
    stage.world.on_arrival.clear()
    if stage.world.wall_ms() == began_ms:
        stage.breach("the scenario", "no time has passed")


async def _clock_is_set(stage: Stage) -> None:
    """The wall clock is set by minutes, to and fro, with answers outstanding; each finds its end meanwhile."""
    for ms in (-600_000, stage.random.choice((-5_000, 5_000, 600_000))):
        stage.force_all("lost_reply")
        stage.once_sent(stage.random.uniform(0, 1.4), partial(stage.world.jump_wall, ms))
        await stage.premium(seconds=2)
        await stage.storm.rounds(_ANSWERED_S)
        _nothing_in_doubt(stage)
    stage.met("place.lost_reply")
    letters = stage.world.shell.desk.state.letters.values() if stage.world.shell is not None else ()
    for trade in letters:  # venues with request expiry refuse every exit for as long as the clock is wrong
        if not trade.orders[-1].reason.startswith("expired"):
            stage.breach("liveness", f"{trade.plan.trade_id} waits for a person, and not for the clock: {trade.reason}")
    stage.world.right_wall()
    await stage.taps()


def _nothing_in_doubt(stage: Stage) -> None:
    """Every order that reached its venue so long ago has an end in the desk's books."""
    shell, now_ms = stage.world.shell, stage.world.venue_ms()
    for cid, (_, order) in shell.desk.state.orders.items() if shell is not None else ():
        arrival = stage.world.checks.arrived.get(cid)
        if arrival is not None and not order.is_terminal and now_ms - arrival.at_ms >= _ANSWERED_S * 1_000:
            stage.breach("an answer is found", f"{cid} is still {order.status} {now_ms - arrival.at_ms} ms later")


async def _runaway(stage: Stage) -> None:
    """A premium that never closes, at books that never empty: a strategy gone wild looks the same."""
    times: list[int] = []

    def arrived(arrival: Arrival) -> None:
        times.append(arrival.at_ms)
        recent = sum(1 for at_ms in times if arrival.at_ms - at_ms < _MINUTE_MS)
        if recent > _MOST_A_MINUTE + 2:  # the last trade allowed has two legs
            stage.breach("a minute's orders", f"{recent} orders within a minute, {_MOST_A_MINUTE} are allowed")

    stage.world.on_arrival.append(arrived)
    await stage.premium(seconds=20, ratio=0.01)
    stage.world.on_arrival.clear()
    if len(times) < 10:
        stage.breach("the scenario", f"{len(times)} orders are no loop")


async def _crossed(stage: Stage) -> None:
    """One venue's frames show a false bid above the ask, or a false ask below the bid. Nothing may be traded on it.

    It would pay after all fees, and nothing else stands against it: the books are whole and fresh, and so little is no
    spread, no deviation from the minute's median, no slippage and no step out of the collar.
    """
    world, name = stage.world, stage.random.choice(tuple(stage.world.banks))
    symbol = next(s for s, market in world.banks[name].rules.markets.items() if market.base == "BTC")
    reasons: set[str] = set()

    def arrived(arrival: Arrival) -> None:
        if arrival.venue == name and arrival.request.role is LegRole.ENTRY:
            stage.breach("crossed book", f"{arrival.request.side} {arrival.request.qty} at {arrival.request.price}")

    await stage.storm.rounds(2)
    world.market.crossing = stage.random.choice((-1, 1)) * stage.random.uniform(0.004, 0.008)
    world.market.crossed.add(name)
    await asyncio.sleep(0)
    world.on_arrival.append(arrived)
    end_s = world.loop.time() + stage.random.uniform(1, 5)
    while world.loop.time() < end_s:
        await stage.storm.rounds(0.5)
        if world.shell is not None:
            reasons.add(world.shell.desk.state.market.why_unusable(name, symbol, world.seen_ns()))
    world.on_arrival.clear()
    world.market.crossed.clear()
    if stage.guarded and reasons != {"not_synced:crossed"}:
        stage.breach("crossed book", f"{name} {symbol} was taken for {sorted(reasons)}")


_NO_DOUBT = configured(
    strategies=strategies(max_gross=0.99, max_deviation=0.99),
    risk=limits(max_deviation="10", max_slippage="10", max_spread="10"),
)
_ORDERLY = configured(risk=limits(max_orders_per_minute=str(_MOST_A_MINUTE)))

SCENARIOS = (
    Scenario(
        number=10,
        name="a crossed book",
        fault="a venue's frames show a bid above its ask by what would pay, within all limits on prices",
        guard="a crossed book is no book, and nothing is sent to a market without a spread",
        law="crossed book",
        run=on_the_desk(_crossed, Composition(without=unguarded.crossed_books)),
    ),
    Scenario(
        number=11,
        name="an empty answer",
        fault="a venue answers without any balance for about a minute",
        guard="balances are compared with the ledger; a person alone adopts them",
        law="ledger",
        run=on_the_desk(_false_balances, Composition()),
    ),
    Scenario(
        number=17,
        name="another coin",
        fault="a venue's price leaves the others' by 30 % to 90 %, or falls by as much",
        guard="a gross premium over its cap is no trade; a price far off its own median and the others' is none",
        law="identity",
        run=on_the_desk(_other_coin, Composition(config=_NO_DOUBT)),
    ),
    Scenario(
        number=20,
        name="the clock is set",
        fault="the wall clock jumps by up to ten minutes, to and fro, while answers are outstanding",
        guard="ages and deadlines are measured with the monotonic clock",
        law="an answer is found",
        run=on_the_desk(_clock_is_set, Composition(seams=Seams(clock=wall_clock_only))),
    ),
    Scenario(
        number=26,
        name="runaway",
        fault="a premium that never closes",
        guard="orders per minute have a limit",
        law="a minute's orders",
        run=on_the_desk(_runaway, Composition(), Composition(config=_ORDERLY)),
    ),
)
