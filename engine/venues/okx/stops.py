"""Stop-losses that rest at OKX: orders of type `conditional`, with an id, a list and a history of their own.

Source: OKX API v5 reference, Algo Trading. One that goes off makes an ordinary order. That one's `clOrdId` is empty or
the venue's own; `algoClOrdId` says whose stop it was, and the stop's record names its `ordId`.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct

from engine.domain.errors import OrderNotFound, OutcomeUnknown, VenueUnavailable
from engine.domain.order import OrderReport, OrderRequest, OrderStatus, Side
from engine.venues.ccxt_orders import CcxtClient, plain
from engine.venues.odd_rows import Row, read, text, waits
from engine.venues.purse import Purpose
from engine.venues.reports import acknowledged, unfilled

PLACE, CANCEL = "trade/order-algo", "trade/cancel-algos"
_ONE = PLACE
_PENDING, _HISTORY = "trade/orders-algo-pending", "trade/orders-algo-history"
_TYPE = "conditional"
_PAGE = 100
_ENDED_PAGES = 3
_WAITING = ("live", "pause")
_ENDED = ("canceled", "order_failed")
_HISTORIES = ("effective", *_ENDED)  # it has no list of all three


class _Placed(Struct):
    algoId: str


class _Placement(Struct):
    data: list[_Placed]


class Stop(Struct):
    """One of the account's, whoever placed it. Times are ms."""

    instId: str
    algoId: str
    state: str
    side: Literal["buy", "sell"]
    algoClOrdId: str = ""
    ordId: str = ""  # to be given up for the list
    ordIdList: list[str] = []
    uTime: int = 0
    triggerTime: int = 0

    @property
    def at_ms(self) -> int:
        """0: not said. Not `cTime`: one may have waited for days before it went off."""
        return self.uTime or self.triggerTime

    @property
    def waits(self) -> bool:
        return self.state in _WAITING

    @property
    def has_ended(self) -> bool:
        """By a person, or nothing came of it when it went off."""
        return self.state in _ENDED

    @property
    def made(self) -> Sequence[str]:
        """The ids of what it became."""
        return self.ordIdList or ([self.ordId] if self.ordId else [])

    def report(self, venue: str, cid: str) -> OrderReport:
        """Without a fill: of one that waits, or has ended without an order."""
        status = OrderStatus.OPEN if self.waits else OrderStatus.CANCELLED
        return unfilled(venue, self.instId, Side(self.side), cid, self.algoId, status, self.at_ms)


class _Stops(Struct):
    data: list[Row]


class Stops:
    """Of one account, trading one product (`kind`, its instType) on one kind of margin (tdMode)."""

    def __init__(self, venue: str, kind: str, margin: str, client: CcxtClient) -> None:
        self._venue = venue
        self._kind = kind
        self._margin = margin
        self._client = client

    async def place(self, order: OrderRequest, size: str, stop_price: Decimal) -> OrderReport:
        """The venue holds nothing for it while it waits, and refuses it where its price is there already.

        No `trigger` order: that one goes off whichever way its price is reached, on a rise where the market fell past
        it on the order's way, and trades less than asked where money is short.
        """
        params: dict[str, Any] = {
            "instId": order.symbol,
            "tdMode": self._margin,
            "side": order.side.value,
            "ordType": _TYPE,
            "sz": size,
            "slTriggerPx": plain(stop_price),
            "slTriggerPxType": "last",
            "slOrdPx": plain(order.price),
            "algoClOrdId": order.cid,
        }
        if self._kind == "SPOT" and order.side is Side.BUY:
            # Of market orders only, says the reference; else the size of a buy would count the quote asset.
            params["tgtCcy"] = "base_ccy"
        if order.reduce_only:
            params["reduceOnly"] = True
        answer = await self._client.place(order, PLACE, params, _Placement)
        if not answer.data:
            raise OutcomeUnknown(f"{self._venue}: a placement was answered without a row")
        return acknowledged(order, answer.data[0].algoId)

    async def cancel(self, symbol: str, cid: str) -> None:
        """One that waits."""
        params = {"instId": symbol, "algoClOrdId": cid}
        await self._client.ask(Purpose.CANCEL, "POST", CANCEL, params, dict[str, Any])

    async def find(self, symbol: str, cid: str) -> Stop:
        """By client id, else among those that wait, then among those that do no more (of three months)."""
        found = await self.named(cid)
        if found is not None:
            return found
        params = {"ordType": _TYPE, "instType": self._kind, "instId": symbol, "limit": _PAGE}
        found = await self._listed(_PENDING, params, cid)
        for state in _HISTORIES:  # in this order: whatever goes off meanwhile is in one of the later lists
            found = found or await self._listed(_HISTORY, params | {"state": state}, cid)
        if found is None:
            raise OrderNotFound(f"{self._venue}: no stop {cid}: not by its id, not waiting, not ended")
        return found

    async def named(self, cid: str) -> Stop | None:
        """None is no evidence yet."""
        try:
            answer = await self._client.ask(Purpose.LOOK_UP, "GET", _ONE, {"algoClOrdId": cid}, _Stops)
        except OrderNotFound:
            return None
        return self._of(answer.data, cid)

    async def waiting(self) -> Sequence[OrderReport]:
        """Every one that the venue lists as such, whatever word it has for its state."""
        rows: list[Row] = []
        params: dict[str, Any] = {"ordType": _TYPE, "instType": self._kind, "limit": _PAGE}
        while True:
            page = (await self._client.ask(Purpose.READ, "GET", _PENDING, params, _Stops)).data
            rows += page
            if len(page) < _PAGE:
                return [self._waiting(row) for row in rows]
            params["after"] = self._last_id(page)

    async def _listed(self, path: str, params: dict[str, Any], cid: str) -> Stop | None:
        """Of a history the newest pages alone. Raises VenueUnavailable where too many wait to be read."""
        for _ in range(_ENDED_PAGES):
            page = (await self._client.ended(path, params, _Stops)).data
            found = self._of(page, cid)
            if found is not None or len(page) < _PAGE:
                return found
            params = params | {"after": self._last_id(page)}
        if path == _PENDING:
            raise VenueUnavailable(f"{self._venue}: more stops wait than are read for {cid}")
        return None

    def _of(self, rows: Sequence[Row], cid: str) -> Stop | None:
        row = next((row for row in rows if text(row, "algoClOrdId") == cid), None)
        return read(self._venue, row, Stop) if row is not None else None

    def _waiting(self, row: Row) -> OrderReport:
        cid, symbol, side = text(row, "algoClOrdId"), text(row, "instId"), text(row, "side")
        return waits(self._venue, cid, symbol, side, text(row, "algoId"), text(row, "uTime"))

    def _last_id(self, page: Sequence[Row]) -> str:
        """Where the next page begins. Raises VenueUnavailable where the last row does not say it."""
        if not (last := text(page[-1], "algoId")):
            raise VenueUnavailable(f"{self._venue}: a full page of stops ends without an id")
        return last
