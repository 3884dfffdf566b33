"""One account in one category of Bybit: placing, cancelling, looking up. Source: Bybit v5, Trade.

REST under /v5 with HMAC, `orderLinkId` as client id and a window per request; placements by the trade socket, too.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from ccxt.async_support.bybit import bybit  # type: ignore[import-untyped]

from engine.domain.errors import OrderNotFound, VenueRefused, VenueUnavailable
from engine.domain.market import MarketWarning, Wallet
from engine.domain.money import ZERO
from engine.domain.order import Abilities, OrderReport, OrderRequest, OrderStatus, Side, TimeInForce
from engine.venues.bybit import standing
from engine.venues.bybit.order_socket import BybitOrderDialect
from engine.venues.bybit.private import (
    DIALECT,
    ENDED,
    NOT_YET,
    Account,
    Coin,
    Fill,
    Order,
    Page,
    Placed,
    Rate,
    Result,
    Time,
    rests,
    waiting,
)
from engine.venues.ccxt_orders import CcxtClient, Hooked, options, plain, wall_ms
from engine.venues.purse import Purpose
from engine.venues.reports import acknowledged, fees_of, number, settled
from engine.venues.settings import Key, OrderSettings
from engine.venues.socket_line import SocketLine
from engine.venues.verdict import Budgets

T = TypeVar("T")

BPS_PER_ONE = 10_000
_MAX_RECV_WINDOW_MS = 60_000
_RISES, _FALLS = 1, 2  # the way a last price reaches a stop
_WAITING = "StopOrder"  # what spot calls an order that waits for its price; holds nothing until then
_ORDERS_PAGE, _FILLS_PAGE = 50, 100
_TIFS = {
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
    TimeInForce.POST_ONLY: "PostOnly",
}


class _Exchange(Hooked, bybit):  # type: ignore[misc]
    pass


class BybitAccount:
    """A unified account as one category sees it.

    `fee_asset` pays where a fill names no currency: what contracts settle in; "" in spot, where every fill names one.
    """

    abilities: Abilities

    def __init__(
        self, venue: str, category: str, fee_asset: str, config: OrderSettings, credential: Key, budgets: Budgets
    ) -> None:
        self.venue = venue
        self.category = category
        self._fee_asset = fee_asset
        # After `timestamp + recv_window` of its own clock the venue drops the request.
        recv_window_ms = min(config.order_timeout_ms, _MAX_RECV_WINDOW_MS)
        self.late_acceptance_ms = recv_window_ms + config.settle_margin_ms
        settings = options(credential.key, credential.secret, config.order_timeout_ms)
        settings["options"]["recvWindow"] = recv_window_ms
        self._exchange = _Exchange(settings)
        self.line = _line(venue, config, credential, recv_window_ms) if config.order_path == "native" else None
        self.client = CcxtClient(venue, self._exchange, config.rest_base, DIALECT, budgets, self.line)

    async def place(self, order: OrderRequest) -> OrderReport:
        self.abilities.check(order)
        answer = await self.client.place(order, "v5/order/create", self.wire(order), Result[Placed])
        return acknowledged(order, answer.result.orderId)

    def wire(self, order: OrderRequest) -> dict[str, Any]:
        """The fields of a limit order, whatever its category."""
        params: dict[str, Any] = {
            "category": self.category,
            "symbol": order.symbol,
            "side": order.side.value.capitalize(),
            "orderType": "Limit",
            "qty": plain(order.qty),
            "price": plain(order.price),
            "timeInForce": _TIFS[order.tif],
            "orderLinkId": order.cid,
        }
        if order.stop_price is not None:
            way = _FALLS if order.side is Side.SELL else _RISES
            directed = {"triggerDirection": way, "triggerBy": "LastPrice"}
            params["triggerPrice"] = plain(order.stop_price)
            params |= directed if self.category == "linear" else {"orderFilter": _WAITING}  # spot knows no direction
        return params

    async def amend(self, symbol: str, cid: str, venue_order_id: str, qty: Decimal, price: Decimal) -> None:
        """A smaller size keeps its place in the queue; a larger one or another price goes behind it."""
        params = {"category": self.category, "symbol": symbol, "orderLinkId": cid}
        params |= {"qty": plain(qty), "price": plain(price)}
        await self.client.ask(Purpose.CANCEL, "POST", "v5/order/amend", params, dict[str, Any])

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> None:
        params = {"category": self.category, "symbol": symbol, "orderLinkId": cid}
        await self.client.ask(Purpose.CANCEL, "POST", "v5/order/cancel", params, dict[str, Any])

    async def cancel_stop(self, symbol: str, cid: str, venue_order_id: str) -> None:
        """Spot takes a stop that waits for an order of another filter, under the same client id."""
        try:
            await self.cancel_waiting(symbol, cid)
        except VenueRefused:
            await self.cancel(symbol, cid, venue_order_id)  # it has gone off

    async def cancel_waiting(self, symbol: str, cid: str) -> None:
        """Raises VenueRefused where spot has it waiting no more."""
        params = {"category": self.category, "symbol": symbol, "orderLinkId": cid}
        params |= {"orderFilter": _WAITING} if self.category == "spot" else {}
        await self.client.ask(Purpose.CANCEL, "POST", "v5/order/cancel", params, dict[str, Any])

    async def look_up_stop(self, symbol: str, cid: str) -> OrderReport:
        return await self.look_up(symbol, cid)

    async def look_up(self, symbol: str, cid: str) -> OrderReport:
        return await self.report(await self.row(symbol, cid), cid, Purpose.LOOK_UP)

    async def row(self, symbol: str, cid: str) -> Order:
        """Open or ended lately, else in the history; without either, its fills are asked for before it is none."""
        params: dict[str, Any] = {"category": self.category, "symbol": symbol, "orderLinkId": cid}
        for path in ("v5/order/realtime", "v5/order/history"):
            answer = await self.client.ask(Purpose.LOOK_UP, "GET", path, params, Result[Page[Order]])
            if answer.result.list:
                # Where a stop that goes off makes another order, both bear its client id.
                return min(answer.result.list, key=lambda row: row.orderStatus in NOT_YET)
        if await self._fills(params, Purpose.LOOK_UP):
            raise VenueUnavailable(f"{self.venue}: {cid} has fills and is not listed yet")
        raise OrderNotFound(f"{self.venue}: no order and no fill of {cid}")

    async def open_orders(self) -> Sequence[OrderReport]:
        try:
            rows = [msgspec.convert(row, Order, strict=False) for row in await self._open() if rests(row)]
        except msgspec.ValidationError as error:
            raise VenueUnavailable(f"{self.venue}: unreadable among the open orders: {error}") from error
        return [await self.report(row, row.orderLinkId, Purpose.READ) for row in rows]

    async def waiting_stops(self) -> Sequence[OrderReport]:
        return [waiting(self.venue, row) for row in await self._open() if not rests(row)]

    async def _open(self) -> list[Any]:
        """One list tells both those that wait and those that rest."""
        params: dict[str, Any] = {"category": self.category, "openOnly": 0, "limit": _ORDERS_PAGE}
        if self.category == "linear":
            params["settleCoin"] = self._fee_asset  # one of symbol, baseCoin, settleCoin must be named
        return await self.pages(Purpose.READ, "v5/order/realtime", params, Any)

    async def coins(self) -> list[Coin]:
        params = {"accountType": "UNIFIED"}
        path = "v5/account/wallet-balance"
        answer = await self.client.ask(Purpose.READ, "GET", path, params, Result[Page[Account]])
        return [coin for account in answer.result.list for coin in account.coin]

    async def rate(self, symbol: str) -> Rate:
        params = {"category": self.category, "symbol": symbol}
        rates = await self.client.ask(Purpose.READ, "GET", "v5/account/fee-rate", params, Result[Page[Rate]])
        if not rates.result.list:
            raise VenueUnavailable(f"{self.venue}: no fees for {symbol}")
        return rates.result.list[0]

    async def wallets(self, assets: Sequence[str]) -> Sequence[Wallet]:
        return await standing.wallets(self.client, assets)

    async def warnings(self, symbols: Sequence[str]) -> Sequence[MarketWarning]:
        return await standing.warnings(self.client, symbols, self.category)

    async def server_time_ms(self) -> int:
        sent_ms = wall_ms()
        answer = await self.client.ask(Purpose.READ, "GET", "v5/market/time", {}, Result[Time], "public")
        received_ms, venue_ms = wall_ms(), answer.result.timeNano // 1_000_000
        # Signed timestamps follow the venue's clock, never ahead of it: the window then ends no later than we count.
        self._exchange.options["timeDifference"] = received_ms - venue_ms
        return venue_ms + (received_ms - sent_ms) // 2

    async def warm(self) -> None:
        """Connect, learn the venue's clock and prove the key before the first order. Raises VenueRefused."""
        await self.server_time_ms()  # pays for the connection, so that the second reading is a sharp one
        await self.server_time_ms()
        await self.coins()

    async def close(self) -> None:
        await self.client.close()

    async def pages(self, purpose: Purpose, path: str, params: dict[str, Any], row: type[T]) -> list[T]:
        rows: list[T] = []
        asked = dict(params)
        while True:
            page = (await self.client.ask(purpose, "GET", path, asked, Result[Page[row]])).result  # type: ignore[valid-type]
            rows += page.list
            if not page.nextPageCursor or not page.list:
                return rows
            asked["cursor"] = page.nextPageCursor

    def now_ms(self) -> int:
        """By the venue's clock, as far as it is known."""
        return int(self._exchange.nonce())

    async def report(self, row: Order, cid: str, purpose: Purpose) -> OrderReport:
        executed = number(self.venue, row.cumExecQty)
        params: dict[str, Any] = {"category": self.category, "symbol": row.symbol, "orderId": row.orderId}
        fills = await self._fills(params, purpose) if executed else []
        settled(self.venue, row.orderId, executed, sum((fill.execQty for fill in fills), ZERO))
        return OrderReport(
            cid=cid,
            venue=self.venue,
            symbol=row.symbol,
            side=Side(row.side.lower()),
            status=ENDED.get(row.orderStatus, OrderStatus.OPEN),
            venue_order_id=row.orderId,
            filled_qty=executed,
            filled_quote=number(self.venue, row.cumExecValue),
            fees=fees_of((self._paid_in(fill), fill.execFee) for fill in fills),
            venue_ts_ms=row.updatedTime,
        )

    def _paid_in(self, fill: Fill) -> str:
        if not (fill.feeCurrency or self._fee_asset):
            raise VenueUnavailable(f"{self.venue}: a fill names no fee currency")
        return fill.feeCurrency or self._fee_asset

    async def _fills(self, params: dict[str, Any], purpose: Purpose) -> list[Fill]:
        return await self.pages(purpose, "v5/execution/list", {**params, "limit": _FILLS_PAGE}, Fill)


def bps(ratio: Decimal) -> Decimal:
    return ratio * BPS_PER_ONE


def _line(venue: str, config: OrderSettings, credential: Key, recv_window_ms: int) -> SocketLine:
    dialect = BybitOrderDialect(config, credential, recv_window_ms, venue)
    return SocketLine(dialect, config.order_timeout_ms / 1000)
