"""Stop-losses at Bitget: plan orders, with ids and lists of their own until the last price is there. They hold nothing.

What one makes has another id. Its client id is the plan's id (as public clients see it; no page says so), and of a
contract the plan names it, too. Source: Bitget API v2, Spot > Trigger, Contract > Trigger Order.
"""

import logging
from abc import abstractmethod
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct

from engine.domain.errors import OrderNotFound, OutcomeUnknown, VenueRefused, VenueUnavailable
from engine.domain.money import ZERO
from engine.domain.order import OrderReport, OrderRequest, OrderStatus, Side
from engine.venues.bitget.account import PAGE, BitgetAccount, Data, Placed
from engine.venues.ccxt_orders import plain
from engine.venues.departure import watch
from engine.venues.purse import Purpose
from engine.venues.reports import acknowledged, positive, unfilled
from engine.venues.stop_sides import is_passed, keep

log = logging.getLogger(__name__)

LAST_PRICE = "fill_price"
_WAITS = frozenset({"live", "not_trigger"})  # the second: what older pages call the first
_GOES_OFF = "executing"
_EXECUTED = "executed"
_NOTHING_MADE = frozenset({"cancelled", "fail_execute", "fail_trigger"})
_SHOWN_LATE_MS = 60_000  # until then a list that does not name what made an order is no proof
_LONGEST_MS_TEXT = 15


class Plan(Struct, frozen=True, kw_only=True):
    """One row of either list, as text; "" for what is not there, is nothing or no text."""

    symbol: str
    orderId: str
    clientOid: str
    side: str
    word: str  # a contract calls it `planStatus`
    triggerPrice: str
    made_id: str  # of a contract: the order that it has made
    uTime: str


def plan_of(row: Any) -> Plan:
    """Whatever a row says: one that says nothing understood must not hide the others."""
    told = row if isinstance(row, dict) else {}

    def text(name: str) -> str:
        value = told.get(name)
        return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""

    made_id = text("executeOrderId")
    return Plan(
        symbol=text("symbol"),
        orderId=text("orderId"),
        clientOid=text("clientOid"),
        side=text("side").lower(),
        word=text("planStatus") or text("status"),
        triggerPrice=text("triggerPrice"),
        made_id=made_id if made_id.strip("0") else "",
        uTime=text("uTime"),
    )


class Row(Protocol):
    """Of an ordinary order."""

    symbol: str
    orderId: str
    clientOid: str
    cTime: int | str | None


R = TypeVar("R", bound=Row)
V = TypeVar("V")


def _ms(told: int | str | None) -> int:
    """Zero for what is no time."""
    text = str(told)
    return int(text) if text.isdecimal() and len(text) <= _LONGEST_MS_TEXT else 0


def _is_ahead(side: str, last: Decimal, stop: Decimal) -> bool:
    """The price has not reached the stop yet."""
    return side in tuple(Side) and not is_passed(Side(side), stop, last)


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
            keep(self._cids, each, cid)

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
        self._ahead: dict[str, None] = {}  # client ids of stops that wait for the price from its own side: proved
        self._nobodys: dict[str, None] = {}  # ids of orders that no stop of ours has made: proved

    @abstractmethod
    def _stop_body(self, order: OrderRequest) -> dict[str, Any]: ...

    @abstractmethod
    def _asked(self, symbol: str, cid: str, *, ended: bool) -> dict[str, Any]:
        """What asks a list for one stop, or for all of a symbol or of the account."""

    @abstractmethod
    async def _page(self, purpose: Purpose, path: str, params: dict[str, Any]) -> list[Any]: ...

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
        """A plan names no direction: the venue waits for the price from the side on which it finds it.

        So one that comes too late would wait for the price to return: the price is asked for before it and behind it.
        """
        last, stop = await self._last_price(order.symbol), order.stop_price or ZERO
        if not _is_ahead(order.side, last, stop):
            raise VenueRefused("would_trigger", f"{self.venue}: the last price is {last}, the stop's {stop}")
        answer = await self._client.place(order, self.paths.place, self._stop_body(order), Data[Placed])
        self.names.learn(order.cid, answer.data.orderId)
        watch()  # the order has left: what follows is no part of its way
        try:
            is_proved = await self._is_proved(order.cid, order.symbol, order.side, plain(stop))
        except VenueUnavailable as error:
            log.warning("stop_side_unknown venue=%s cid=%s error=%s", self.venue, order.cid, error)
            is_proved = False
        if not is_proved:
            try:
                await self._cancel_plan(order.symbol, order.cid)
            except (VenueUnavailable, VenueRefused) as error:  # refused: it may have gone off; a look-up tells
                raise OutcomeUnknown(f"{self.venue}: stop {order.cid} may wait on the wrong side: {error}") from error
        return acknowledged(order, answer.data.orderId)

    async def _is_proved(self, cid: str, symbol: str, side: str, stop: str) -> bool:
        """Whether a stop that waits has the price before it. Raises VenueUnavailable where that cannot be told."""
        at, last = positive(self.venue, stop), await self._last_price(symbol)
        if not _is_ahead(side, last, at):
            log.warning("stop_too_late venue=%s cid=%s side=%s stop=%s last=%s", self.venue, cid, side, at, last)
            return False
        keep(self._ahead, cid, None)
        return True

    async def _last_price(self, symbol: str) -> Decimal:
        """Asked urgently: an order waits for it. Raises VenueUnavailable where it is not told."""
        asked = {**self._product(), "symbol": symbol}
        path = self.paths.ticker
        try:
            answer = await self._client.ask(Purpose.LOOK_UP, "GET", path, asked, Data[list[Ticker]], "public")
        except (VenueRefused, OrderNotFound) as error:
            raise VenueUnavailable(f"{self.venue}: no last price of {symbol}: {error}") from error
        return positive(self.venue, next((row.lastPr for row in answer.data if row.symbol == symbol), ""))

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
        if (
            plan.word in _WAITS
            and cid not in self._ahead
            and not await self._is_proved(cid, symbol, plan.side, plan.triggerPrice)
        ):
            plan = await self._taken_back(symbol, cid)
        made = await self._made_by(plan)
        if made is not None:
            return await self._report(made, cid, Purpose.LOOK_UP)
        if plan.word == _EXECUTED:
            raise VenueUnavailable(f"{self.venue}: stop {cid} has gone off, and what it made is not shown")
        return self._told(plan)

    async def _taken_back(self, symbol: str, cid: str) -> Plan:
        """What the venue says of it then. Raises VenueUnavailable while it waits still."""
        try:
            await self._cancel_plan(symbol, cid)
        except VenueRefused as error:  # it may have gone off
            log.warning("stop_not_taken_back venue=%s cid=%s error=%s", self.venue, cid, error)
        try:
            plan = await self._plan(symbol, cid)
        except OrderNotFound as error:  # it was there a moment ago
            raise VenueUnavailable(f"{self.venue}: stop {cid} was taken back, and is not shown: {error}") from error
        if plan.word in _WAITS:
            raise VenueUnavailable(f"{self.venue}: stop {cid} may wait on the wrong side, and waits still")
        return plan

    async def _made_by(self, plan: Plan) -> R | None:
        """Asked of a stop that was cancelled or failed, too: only where it made nothing has nothing filled."""
        if plan.word in _WAITS or plan.word == _GOES_OFF:
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
                    self.names.learn(cid, plan.orderId, plan.made_id)
                    return plan
        raise OrderNotFound(f"{self.venue}: no stop of {cid} waits, and none has ended")

    async def _plans(
        self, purpose: Purpose, path: str, params: dict[str, Any], suffices: Callable[[list[Plan]], bool]
    ) -> list[Plan]:
        """Newest first, up to the page that suffices."""
        plans: list[Plan] = []
        seen: set[str] = set()
        while True:
            page = [plan_of(row) for row in await self._page(purpose, path, params)]
            plans += page
            if suffices(page) or len(page) < PAGE:
                return plans
            last = next((plan.orderId for plan in reversed(page) if plan.orderId), "")
            if not last or last in seen:
                raise VenueUnavailable(f"{self.venue}: a page of {path} names no next one")
            seen.add(last)
            params = params | {"idLessThan": last}

    async def waiting_stops(self) -> Sequence[OrderReport]:
        asked = self._asked("", "", ended=False)
        plans = await self._plans(Purpose.READ, self.paths.waiting, asked, lambda _: False)
        return [self._unfilled_report(plan, OrderStatus.OPEN) for plan in plans]

    async def _learn_makers(self, rows: Sequence[R]) -> None:
        """Of open orders that a stop may have made. No client id of ours is a number."""
        unknown = [
            row
            for row in rows
            if not row.clientOid.strip("0123456789")
            and not self.names.knows(row.clientOid, row.orderId)
            and row.orderId not in self._nobodys
        ]
        for symbol in sorted({row.symbol for row in unknown}):
            await self._learn_makers_at(symbol, [row for row in unknown if row.symbol == symbol])

    async def _learn_makers_at(self, symbol: str, rows: Sequence[R]) -> None:
        """To the end of what is kept, once for each order: pages go by the plans' ids, and an old plan may end last."""
        wanted = {each for row in rows for each in (row.clientOid, row.orderId) if each}
        found: dict[str, str] = {}

        def is_whole(page: list[Plan]) -> bool:
            for plan in page:
                found.update({each: plan.clientOid for each in wanted & {plan.orderId, plan.made_id}})
            return all(row.clientOid in found or row.orderId in found for row in rows)

        asked_ms = self._now_ms()
        await self._plans(Purpose.READ, self.paths.ended, self._asked(symbol, "", ended=True), is_whole)
        for row in rows:
            cid = found.get(row.clientOid) or found.get(row.orderId) or ""
            if cid.strip("0123456789"):
                self.names.learn(cid, row.clientOid, row.orderId)
            elif 0 < _ms(row.cTime) < asked_ms - _SHOWN_LATE_MS:
                keep(self._nobodys, row.orderId, None)

    def _told(self, plan: Plan) -> OrderReport:
        """Of a stop of ours that has made nothing. Raises VenueUnavailable for a word that nobody has explained."""
        is_open = plan.word in _WAITS or plan.word == _GOES_OFF
        if not is_open and plan.word not in _NOTHING_MADE:
            raise VenueUnavailable(f"{self.venue}: no state of a stop: {plan.word!r}")
        side_of(self.venue, plan.side)
        return self._unfilled_report(plan, OrderStatus.OPEN if is_open else OrderStatus.CANCELLED)

    def _unfilled_report(self, plan: Plan, status: OrderStatus) -> OrderReport:
        """A side that cannot be read is told as a sale: nobody goes by that of a stop that waits."""
        side = Side.BUY if plan.side == Side.BUY else Side.SELL
        return unfilled(self.venue, plan.symbol, side, plan.clientOid, plan.orderId, status, _ms(plan.uTime))


def side_of(venue: str, word: str) -> Side:
    """Raises VenueUnavailable."""
    try:
        return Side(word.lower())
    except ValueError as error:
        raise VenueUnavailable(f"{venue}: no side of an order: {word!r}") from error


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
