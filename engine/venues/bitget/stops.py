"""Stop-losses at Bitget: plan orders, with ids and lists of their own until the last price is there. They hold nothing.

What one makes has another id. Its client id is the plan's id (as public clients see it; no page says so), and of a
contract the plan names it, too. Source: Bitget API v2, Spot > Trigger, Contract > Trigger Order.
"""

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct

from engine.domain.errors import OrderNotFound, VenueRefused, VenueUnavailable
from engine.domain.money import ZERO
from engine.domain.order import OrderReport, OrderRequest, OrderStatus, Side
from engine.venues.bitget.account import PAGE, BitgetAccount, Data, Placed
from engine.venues.ccxt_orders import plain
from engine.venues.departure import watch
from engine.venues.purse import Purpose
from engine.venues.reports import acknowledged, number, unfilled

log = logging.getLogger(__name__)

LAST_PRICE = "fill_price"
_WAITS = frozenset({"live", "not_trigger", "executing"})  # the second: what older pages call the first
_EXECUTED = "executed"
_NOTHING_MADE = frozenset({"cancelled", "fail_execute"})
_REMEMBERED = 1_000


class Plan(Struct):
    """One row of either list. A contract calls its status `planStatus`."""

    symbol: str
    orderId: str
    clientOid: str
    side: str
    status: str = ""
    planStatus: str = ""
    executeOrderId: str | None = None  # of a contract: what it has made
    uTime: int | str | None = None

    @property
    def word(self) -> str:
        return self.planStatus or self.status

    @property
    def made_id(self) -> str:
        """ "" where it names none."""
        return self.executeOrderId if self.executeOrderId and self.executeOrderId.strip("0") else ""


class Row(Protocol):
    """Of an ordinary order."""

    orderId: str


R = TypeVar("R", bound=Row)


class Ticker(Struct):
    symbol: str
    lastPr: str


class Paths(Struct, frozen=True, kw_only=True):
    place: str
    cancel: str
    waiting: str
    ended: str
    ticker: str


class Names:
    """The client ids of stops by their ids at the venue: what a stop has made bears those alone.

    A way to ask less: who begins without it reads the venue's lists.
    """

    def __init__(self) -> None:
        self._cids: dict[str, str] = {}

    def learn(self, cid: str, *ids: str) -> None:
        for each in filter(None, ids):
            self._cids.pop(each, None)
            self._cids[each] = cid
        while len(self._cids) > _REMEMBERED:
            del self._cids[next(iter(self._cids))]

    def knows(self, client_id: str, order_id: str) -> bool:
        return client_id in self._cids or order_id in self._cids

    def of(self, client_id: str, order_id: str) -> str:
        """Of the stop that made this order, else the order's own."""
        return self._cids.get(client_id) or self._cids.get(order_id) or client_id


class StopAccount(BitgetAccount, Generic[R]):
    """A Conditional."""

    paths: Paths

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.names = Names()

    @abstractmethod
    def _stop_body(self, order: OrderRequest) -> dict[str, Any]: ...

    @abstractmethod
    def _asked(self, symbol: str, cid: str, *, ended: bool) -> dict[str, Any]:
        """What asks a list for one stop, or for all of a symbol or of the account."""

    @abstractmethod
    async def _page(self, purpose: Purpose, path: str, params: dict[str, Any]) -> list[Plan]: ...

    @abstractmethod
    async def _cancel_plan(self, symbol: str, cid: str) -> None:
        """Raises VenueRefused where it waits no more."""

    @abstractmethod
    async def _cancel_made(self, symbol: str, order_id: str) -> None: ...

    @abstractmethod
    async def _became(self, plan: Plan) -> R | None:
        """The order that it made; None where there is none. Raises OrderNotFound for one that is named only."""

    @abstractmethod
    async def _report(self, row: R, cid: str, purpose: Purpose) -> OrderReport: ...

    async def _place_stop(self, order: OrderRequest) -> OrderReport:
        answer = await self._client.place(order, self.paths.place, self._stop_body(order), Data[Placed])
        self.names.learn(order.cid, answer.data.orderId)
        await self._check_side(order)
        return acknowledged(order, answer.data.orderId)

    async def _check_side(self, order: OrderRequest) -> None:
        """A plan names no direction: the venue waits for the price from the side on which it finds it.

        So a stop that comes too late would wait for the price to return. It is taken back, and the desk sees that it
        has none.
        """
        watch()  # the order has left: this is no part of its way
        try:
            last = await self._last_price(order.symbol)
            stop = order.stop_price or ZERO
            if last and (last <= stop if order.side is Side.SELL else last >= stop):
                log.warning("stop_too_late venue=%s cid=%s stop=%s last=%s", self.venue, order.cid, stop, last)
                await self._cancel_plan(order.symbol, order.cid)
        except (VenueUnavailable, VenueRefused) as error:  # refused: it has gone off
            log.warning("stop_side_unknown venue=%s cid=%s error=%s", self.venue, order.cid, error)

    async def _last_price(self, symbol: str) -> Decimal:
        """Zero where nothing has been traded."""
        asked = {**self._product(), "symbol": symbol}
        answer = await self._client.ask(Purpose.READ, "GET", self.paths.ticker, asked, Data[list[Ticker]], "public")
        return next((number(self.venue, row.lastPr) for row in answer.data if row.symbol == symbol), ZERO)

    def _product(self) -> dict[str, Any]:
        return {}

    async def cancel_stop(self, symbol: str, cid: str, venue_order_id: str) -> None:
        """Whose id is given is not known, the plan's or that of what it made: both are asked for by client id."""
        try:
            await self._cancel_plan(symbol, cid)
        except VenueRefused:
            made = await self._made_by(await self._plan(symbol, cid))
            if made is None:
                raise
            await self._cancel_made(symbol, made.orderId)

    async def look_up_stop(self, symbol: str, cid: str) -> OrderReport:
        """Among those that wait, then among those that have ended, page by page."""
        plan = await self._plan(symbol, cid)
        made = await self._made_by(plan)
        if made is not None:
            return await self._report(made, cid, Purpose.LOOK_UP)
        if plan.word == _EXECUTED:
            raise VenueUnavailable(f"{self.venue}: stop {cid} has gone off, and what it made is not shown")
        return self._told(plan)

    async def _made_by(self, plan: Plan) -> R | None:
        """Asked of a stop that was cancelled or failed, too: only where it made nothing has nothing filled."""
        if plan.word in _WAITS:
            return None
        try:
            made = await self._became(plan)
        except OrderNotFound as error:
            raise VenueUnavailable(f"{self.venue}: what stop {plan.clientOid} made is not shown: {error}") from error
        if made is not None:
            self.names.learn(plan.clientOid, made.orderId)
        return made

    async def _plan(self, symbol: str, cid: str) -> Plan:
        """Raises OrderNotFound where neither list knows it."""
        for path, is_ended in ((self.paths.waiting, False), (self.paths.ended, True)):
            asked = self._asked(symbol, cid, ended=is_ended)
            plans = await self._plans(Purpose.LOOK_UP, path, asked, lambda page: any(p.clientOid == cid for p in page))
            for plan in plans:
                if plan.clientOid == cid:
                    return plan
        raise OrderNotFound(f"{self.venue}: no stop of {cid} waits, and none has ended")

    async def _plans(
        self, purpose: Purpose, path: str, params: dict[str, Any], suffices: Callable[[list[Plan]], bool]
    ) -> list[Plan]:
        """Newest first, up to the page that suffices."""
        plans: list[Plan] = []
        while True:
            page = await self._page(purpose, path, params)
            for plan in page:
                self.names.learn(plan.clientOid, plan.orderId, plan.made_id)
            plans += page
            if len(page) < PAGE or suffices(page):
                return plans
            params = params | {"idLessThan": page[-1].orderId}

    async def _waiting(self) -> list[OrderReport]:
        """To be asked before the open orders: what goes off in between is in both lists then, and not in neither."""
        asked = self._asked("", "", ended=False)
        return [
            self._told(plan) for plan in await self._plans(Purpose.READ, self.paths.waiting, asked, lambda _: False)
        ]

    async def _learn_makers(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Of open orders that a stop may have made: symbol, client id, id. No client id of ours is a number."""
        unknown = [row for row in rows if not row[1].strip("0123456789") and not self.names.knows(*row[1:])]
        for symbol in sorted({row[0] for row in unknown}):
            suffices = partial(self._knows_all, [row[1:] for row in unknown if row[0] == symbol])
            asked = self._asked(symbol, "", ended=True)
            await self._plans(Purpose.READ, self.paths.ended, asked, suffices)

    def _knows_all(self, ids: list[tuple[str, str]], _: list[Plan]) -> bool:
        return all(self.names.knows(*each) for each in ids)

    def _told(self, plan: Plan) -> OrderReport:
        """Of a stop that has made nothing. Raises VenueUnavailable for a word that nobody has explained."""
        if plan.word not in _WAITS | _NOTHING_MADE:
            raise VenueUnavailable(f"{self.venue}: no state of a stop: {plan.word!r}")
        changed = str(plan.uTime)
        status = OrderStatus.OPEN if plan.word in _WAITS else OrderStatus.CANCELLED
        return unfilled(
            self.venue,
            plan.symbol,
            Side(plan.side.lower()),
            plan.clientOid,
            plan.orderId,
            status,
            int(changed) if changed.isdecimal() else 0,
        )


def limit_body(order: OrderRequest) -> dict[str, Any]:
    """What a plan says in either product: a limit order, once the last price is there."""
    return {
        "symbol": order.symbol,
        "side": order.side.value,
        "orderType": "limit",
        "size": plain(order.qty),
        "triggerPrice": plain(order.stop_price or ZERO),
        "triggerType": LAST_PRICE,
        "clientOid": order.cid,
    }


def with_waiting(resting: Sequence[OrderReport], waiting: Sequence[OrderReport]) -> list[OrderReport]:
    """One report for each: of a stop that went off meanwhile that of what it made."""
    made = {report.cid for report in resting}
    return [*resting, *(report for report in waiting if report.cid not in made)]
