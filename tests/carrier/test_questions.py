"""Look-ups: one at a time of each order, asked again where it is open, and a "not found" counts from when it left."""

import asyncio
import time
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from engine.desk import Desk
from engine.domain.effect import FetchOpenOrders, LookUp
from engine.domain.errors import OrderNotFound, VenueUnavailable
from engine.domain.event import OrderMissing, OrderReported
from engine.domain.money import ZERO
from engine.domain.order import OrderKind, OrderReport, OrderStatus, Side
from engine.latencies import Latencies
from engine.questions import Questions
from engine.venues.departure import left
from tests.core.harness import Rig
from tests.core.test_stops_at_venue import venue_keeps, waits


def report_of(status: OrderStatus) -> OrderReport:
    return OrderReport(
        cid="c",
        venue="binance",
        symbol="BTCUSDT",
        side=Side.BUY,
        status=status,
        venue_order_id="1",
        filled_qty=ZERO,
        filled_quote=ZERO,
        fees=(),
    )


ASKED = LookUp(cid="c", venue="binance", symbol="BTCUSDT")


class Slow:
    """Answers a look-up when it is let."""

    def __init__(self, *answers: OrderReport | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.let = asyncio.Semaphore(0)

    async def look_up(self, symbol: str, cid: str) -> OrderReport:
        self.asked.append(cid)
        await self.let.acquire()
        answer = self.answers.pop(0)
        left("ccxt")
        if isinstance(answer, Exception):
            raise answer
        return answer


class Apart(Slow):
    async def waiting_stops(self) -> list[OrderReport]:
        return []

    async def cancel_stop(self, symbol: str, cid: str, venue_order_id: str) -> None: ...

    async def look_up_stop(self, symbol: str, cid: str) -> OrderReport:
        return await self.look_up(symbol, f"stop {cid}")


def questions(venue: Slow) -> tuple[Questions, list[Any]]:
    told: list[Any] = []
    orders: Any = {"binance": venue}
    return Questions(
        Desk(Rig().ready().state, time.monotonic_ns, dict), orders, Latencies(), told.append, time.monotonic_ns
    ), told


async def begin(asking: Questions, *effects: LookUp) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(asking.look_up(effect)) for effect in effects]
    await asyncio.sleep(0)
    return tasks


async def end(venue: Slow, tasks: list[asyncio.Task[None]], times: int) -> None:
    for _ in range(times):
        venue.let.release()
        await asyncio.sleep(0.01)
    await asyncio.wait_for(asyncio.gather(*tasks), 1)


@pytest.mark.parametrize("answer", [OrderNotFound("none"), VenueUnavailable("away"), report_of(OrderStatus.FILLED)])
async def test_one_order_is_asked_for_once_at_a_time(answer: Any) -> None:
    venue = Slow(answer)
    asking, _ = questions(venue)
    tasks = await begin(asking, ASKED, ASKED, ASKED)
    assert venue.asked == ["c"]
    await end(venue, tasks, 1)
    assert venue.asked == ["c"], "what waited would have asked for the same"


async def test_an_open_order_that_was_asked_for_meanwhile_is_asked_for_again() -> None:
    venue = Slow(report_of(OrderStatus.OPEN), report_of(OrderStatus.FILLED))
    asking, told = questions(venue)
    tasks = await begin(asking, ASKED, ASKED)
    await end(venue, tasks, 2)
    assert [event.report.status for event in told] == [OrderStatus.OPEN, OrderStatus.FILLED]


async def test_an_open_order_that_nobody_asked_for_meanwhile_is_left() -> None:
    venue = Slow(report_of(OrderStatus.OPEN))
    asking, told = questions(venue)
    await end(venue, await begin(asking, ASKED), 1)
    assert len(told) == 1 and isinstance(told[0], OrderReported)


async def test_the_next_question_is_asked_after_the_last_was_answered() -> None:
    venue = Slow(VenueUnavailable("away"), report_of(OrderStatus.FILLED))
    asking, told = questions(venue)
    await end(venue, await begin(asking, ASKED), 1)
    await end(venue, await begin(asking, ASKED), 1)
    assert venue.asked == ["c", "c"] and len(told) == 1


async def test_an_answer_about_somebody_elses_order_is_shown_and_not_kept() -> None:
    theirs = structs.replace(report_of(OrderStatus.FILLED), cid="web_7", filled_qty=Decimal(1), filled_quote=Decimal(1))
    venue = Slow(theirs)
    rig = Rig().ready()
    told: list[Any] = []
    orders: Any = {"binance": venue}
    asking = Questions(rig.desk, orders, Latencies(), told.append, time.monotonic_ns)
    await end(venue, await begin(asking, ASKED), 1)
    assert told == [] and ("foreign_fill", "info") in rig.alerts()


async def test_not_found_counts_from_the_moment_at_which_the_question_left() -> None:
    venue = Slow(OrderNotFound("none"))
    asking, told = questions(venue)
    tasks = await begin(asking, ASKED)
    await asyncio.sleep(0.05)  # it waits for its budget
    let_ns = time.monotonic_ns()
    await end(venue, tasks, 1)
    [missing] = told
    assert isinstance(missing, OrderMissing) and let_ns <= missing.asked_ns <= missing.seen_ns


@pytest.mark.parametrize("kind, asked", [(OrderKind.STOP_LOSS, "stop c"), (OrderKind.LIMIT, "c")])
async def test_a_stop_is_asked_for_where_stops_are_kept(kind: OrderKind, asked: str) -> None:
    venue = Apart(report_of(OrderStatus.FILLED))
    asking, _ = questions(venue)
    await end(venue, await begin(asking, LookUp(cid="c", venue="binance", symbol="BTCUSDT", kind=kind)), 1)
    assert venue.asked == [asked]


@pytest.mark.parametrize("kind, lists", [(OrderKind.STOP_LOSS, 1), (OrderKind.LIMIT, 0)])
async def test_stops_are_listed_only_where_one_of_ours_is_known(kind: OrderKind, lists: int) -> None:
    """A list more costs a start its budget; one that ended may stand there all the same, so that counts."""
    rig = venue_keeps(Rig().ready())
    [order] = waits(rig).live[0].orders
    order.request = structs.replace(order.request, kind=kind)
    listed: list[str] = []

    class Listing(Apart):
        async def waiting_stops(self) -> list[OrderReport]:
            listed.append("stops")
            return [report_of(OrderStatus.OPEN)]  # another's

        async def open_orders(self) -> list[OrderReport]:
            return []

    desk = Desk(rig.state, lambda: rig.now_ns, dict)
    handled: list[Any] = []
    desk.handle = handled.append  # type: ignore[assignment, method-assign]
    orders: Any = {"binance": Listing()}
    asking = Questions(desk, orders, Latencies(), handled.append, time.monotonic_ns)
    await asking.open_orders(FetchOpenOrders(venue="binance"))
    assert len(listed) == lists and [event.reports for event in handled] == [()]
