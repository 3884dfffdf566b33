"""Answers that do not come, come late, or tell less than there is."""

from chaos import unguarded
from chaos.bank import Arrival
from chaos.careless import GivingUp, Hoping, Impatient, Incurious, Literal, Retrying, WholeOnly
from chaos.scenarios.stage import Composition, Scenario, Stage, configured, on_the_desk, only
from chaos.world import Seams
from engine.domain.effect import Notice
from engine.domain.order import OrderStatus

_TWO_LEGS = configured(strategies=only("spatial", "kimchi"))
_WITHOUT_EXPIRY = ("upbit", "bithumb")


async def _no_answer(stage: Stage) -> None:
    stage.force_all(stage.random.choice(("lost_reply", "error_executed")))
    await stage.premium()
    stage.met("place.lost_reply", "place.error_executed")


async def _late(stage: Stage) -> None:
    def arrived(arrival: Arrival) -> None:
        shell, cid = stage.world.shell, arrival.request.cid
        found = shell.desk.state.orders.get(cid) if shell is not None else None
        if found is not None and found[1].is_terminal:
            stage.breach("a verdict stands", f"{cid} arrives when it was believed {found[1].status}")

    stage.world.on_arrival.append(arrived)
    for name in _WITHOUT_EXPIRY:
        stage.force(name, "late", "late", "late")
    await stage.premium(stage.random.choice(_WITHOUT_EXPIRY), seconds=6)
    await stage.storm.rounds(3)
    stage.met("place.late")


async def _unfindable(stage: Stage) -> None:
    """Executed, without an answer, and known to no query for longer than anything may lag: its balances have changed.

    Nothing else speaks against its absence. A person is rung, and when its venue finds it at last, its trade goes on.
    """
    world, told = stage.world, set[str]()
    name = stage.random.choice(world.spots)
    weather = world.fates[name].weather
    weather.lag_ms = 1_000 * stage.random.randint(20, 60)
    end_s = world.loop.time() + weather.lag_ms / 1_000
    stage.force(name, stage.random.choice(("lost_reply", "error_executed")))
    await stage.premium(name)
    while world.loop.time() < end_s:
        await stage.storm.rounds(0.5)
        for cid, (_, order) in world.shell.desk.state.orders.items() if world.shell is not None else ():
            truth = world.banks[order.request.venue].find(cid)
            if order.status is OrderStatus.NOT_PLACED and truth is not None and truth.filled_qty and cid not in told:
                told.add(cid)
                stage.breach("a verdict stands", f"{cid} is believed never placed and has filled {truth.filled_qty}")
    stage.met("place.lost_reply", "place.error_executed")
    if stage.guarded and "order_stuck" not in {alert.rule for alert in stage.alerts}:
        stage.breach("the scenario", "nobody was rung for an order that is not found while balances differ")


async def _asked_again(stage: Stage) -> None:
    for _ in range(2):
        stage.force_all(stage.random.choice(("lost_reply", "lost_request", "error_executed")))
        await stage.premium()
    stage.met("place.lost_reply", "place.lost_request", "place.error_executed")


async def _used(stage: Stage) -> None:
    """The request arrives twice, and what is heard is the answer to the second."""
    world = stage.world

    def look(arrival: Arrival) -> None:
        cid, shell = arrival.request.cid, world.shell
        found = shell.desk.state.orders.get(cid) if shell is not None else None
        truth = world.banks[arrival.venue].find(cid)
        if found is not None and truth is not None and truth.filled_qty and found[1].status is OrderStatus.REJECTED:
            stage.breach("a verdict stands", f"{cid} is believed refused and has filled {truth.filled_qty}")

    world.on_arrival.append(lambda arrival: world.later(0.5, lambda: look(arrival)))
    stage.force_all("used")
    await stage.premium()
    stage.met("place.used")


async def _acknowledged(stage: Stage) -> None:
    stage.force_all("ack_only", "ack_only")
    await stage.premium()
    stage.met("place.ack_only")


async def _in_part(stage: Stage) -> None:
    stage.force_all("partial", "partial")
    await stage.premium()
    stage.met("place.partial")


async def _success_is_said(stage: Stage) -> None:
    """The answer to half of the orders is lost, with the order itself: nobody may say that it is done."""
    checks = stage.world.checks

    def hear(notice: Notice) -> None:
        if notice.kind == "trade" and b'"state":"closed"' in notice.body.replace(b": ", b":"):
            open_qty = checks.exposure.open_qty(notice.key, stage.world.banks)
            if abs(open_qty) * stage.world.marks()["BTC"] > 20_000:
                stage.breach("said and done", f"{notice.key} is said to be closed with {open_qty} BTC open")

    stage.world.listeners.append(hear)
    stage.force(stage.random.choice(tuple(stage.world.banks)), "lost_request", "lost_request")
    for name in stage.world.banks:
        stage.force(name, "lost_request")
    await stage.premium()
    stage.met("place.lost_request")


SCENARIOS = (
    Scenario(
        number=1,
        name="no answer, executed",
        fault="the first order at each venue executes and its answer is lost or HTML",
        guard="a lost answer is UNKNOWN until evidence, never a rejection",
        law="ledger",
        run=on_the_desk(_no_answer, Composition(seams=Seams(orders=GivingUp))),
    ),
    Scenario(
        number=2,
        name="not found, alive",
        fault="orders reach venues without request expiry after our time-out, while look-ups find nothing",
        guard='"not found" is evidence only after the last possible acceptance',
        law="a verdict stands",
        run=on_the_desk(
            _late,
            Composition(seams=Seams(orders=Impatient), config=_TWO_LEGS),
            Composition(config=_TWO_LEGS),
        ),
    ),
    Scenario(
        number=2,
        part="b",
        name="not found, paid for",
        fault="an order executes without an answer, and no look-up and no list knows it for 20 to 60 s",
        guard="an order whose assets have changed is never proved absent: a person is rung",
        law="a verdict stands",
        run=on_the_desk(
            _unfindable,
            Composition(config=_TWO_LEGS, without=unguarded.balances_as_evidence),
            Composition(config=_TWO_LEGS),
        ),
    ),
    Scenario(
        number=3,
        name="sent again",
        fault="no answer to an order, executed or not",
        guard="no order is sent a second time",
        law="sent once",
        run=on_the_desk(_asked_again, Composition(seams=Seams(orders=Retrying))),
    ),
    Scenario(
        number=9,
        name="a fill that nobody tells",
        fault="the reply says OPEN, the order has ended, no further word comes",
        guard="an acknowledged order is looked up until it ends",
        law="liveness",
        run=on_the_desk(_acknowledged, Composition(seams=Seams(orders=Incurious))),
    ),
    Scenario(
        number=21,
        name="a nonce that is used",
        fault="a request arrives twice; the order executes, and the answer says that its nonce or its id is used",
        guard="that word leaves the order without an answer: it is looked up, and is no refusal",
        law="a verdict stands",
        run=on_the_desk(_used, Composition(seams=Seams(orders=Literal))),
    ),
    Scenario(
        number=22,
        name="filled in part",
        fault="IOC orders fill in part, the rest is cancelled by the venue",
        guard="the cumulative fill is booked, not the order",
        law="ledger",
        run=on_the_desk(_in_part, Composition(seams=Seams(orders=WholeOnly))),
    ),
    Scenario(
        number=25,
        name="said to be closed",
        fault="orders that were to fill or to unwind never arrive",
        guard="the end of a trade is the venue's word, not the intent",
        law="said and done",
        run=on_the_desk(_success_is_said, Composition(seams=Seams(orders=Hoping))),
    ),
)
