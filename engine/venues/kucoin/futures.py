"""Orders and positions on KuCoin's USDT perpetuals. Source: KuCoin API, Futures Trading.

Sizes on the wire are contracts. The account is one-way with cross margin, whose leverage is set per contract. There is
no fill-or-kill, no expiry, no order that can be changed, and no dead-man switch: the old address of one is gone.
A stop is one order all its life; while it waits it holds no margin and stands in a list of its own.
"""

from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

from ccxt.async_support.kucoin import kucoin  # type: ignore[import-untyped]

from engine.domain.errors import OrderNotFound, VenueRefused, VenueUnavailable
from engine.domain.market import Balance, Instrument, MarketWarning, Product, Wallet
from engine.domain.money import ZERO, TickBand
from engine.domain.order import Abilities, OrderKind, OrderReport, OrderRequest, OrderStatus, Side, TimeInForce
from engine.domain.position import FundingPaid, Position
from engine.venues.ccxt_orders import CcxtClient, Hooked, options, plain, wall_ms
from engine.venues.contracts import Contracts
from engine.venues.kucoin import futures_wire as wire
from engine.venues.kucoin.order_stream import FUTURES, KucoinStreamDialect, address
from engine.venues.kucoin.private import BPS_PER_ONE, DIALECT, Data, Placed, Rate, ours, waiting
from engine.venues.kucoin.standing import UNKNOWN
from engine.venues.order_stream import StreamLine
from engine.venues.purse import Purpose
from engine.venues.reports import acknowledged, fees_of, settled
from engine.venues.settings import Key, OrderSettings
from engine.venues.verdict import Budgets

T = TypeVar("T")

_PAGE = 100
_TIFS = frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.POST_ONLY})
_CROSS, _ONE_WAY = "CROSS", 0
_LAST_PRICE, _OPEN = "TP", "open"


class _Exchange(Hooked, kucoin):  # type: ignore[misc]
    """Of ccxt's KuCoin the half that speaks to the futures."""

    def sign(self, path: str, api: Any, method: str = "GET", params: Any = None) -> Any:
        section = {"private": "futuresPrivate", "public": "futuresPublic"}[api[0]]
        return super().sign(path, [section], method, {} if params is None else params)


class KucoinFuturesOrders:
    """One account of USDT perpetuals; what is late is bounded by what has been seen."""

    abilities = Abilities(kinds=frozenset(OrderKind), tifs=_TIFS, reduce_only=True)

    def __init__(self, config: OrderSettings, credential: Key, budgets: Budgets) -> None:
        self.venue = "kucoin_futures"
        self.late_acceptance_ms = config.late_acceptance_ms + config.settle_margin_ms
        settings = options(credential.key, credential.secret, config.order_timeout_ms, credential.passphrase)
        self._exchange = _Exchange(settings)
        self._client = CcxtClient(self.venue, self._exchange, config.rest_base, DIALECT, budgets)
        self._contracts = Contracts(self.venue, self._size)
        self._config = config
        token = partial(address, self._client)
        stream = KucoinStreamDialect(token, self.venue, FUTURES, self._contracts.known)
        self.stream = StreamLine(stream) if config.order_stream else None

    async def place(self, order: OrderRequest) -> OrderReport:
        self.abilities.check(order)
        params: dict[str, Any] = {
            "clientOid": order.cid,
            "symbol": order.symbol,
            "side": order.side.value,
            "type": "market" if order.kind is OrderKind.MARKET else "limit",
            "size": await self._contracts.whole(order.symbol, order.qty),
            "marginMode": _CROSS,
        }
        if order.kind is not OrderKind.MARKET:
            params["price"] = plain(order.price)
            params["timeInForce"] = "IOC" if order.tif is TimeInForce.IOC else "GTC"
            if order.tif is TimeInForce.POST_ONLY:
                params["postOnly"] = True
        if order.stop_price is not None:
            params["stop"] = "down" if order.side is Side.SELL else "up"
            params |= {"stopPrice": plain(order.stop_price), "stopPriceType": _LAST_PRICE}
        if order.reduce_only:
            params["reduceOnly"] = True
        answer = await self._client.place(order, "orders", params, Data[Placed])
        return acknowledged(order, answer.data.orderId)

    async def amend(self, symbol: str, cid: str, venue_order_id: str, qty: Decimal, price: Decimal) -> None:
        raise VenueRefused("unsupported", f"{self.venue}: open orders are not changed here, but cancelled")

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> None:
        params = {"clientOid": cid, "symbol": symbol}
        path = "orders/client-order/{clientOid}"
        await self._client.ask(Purpose.CANCEL, "DELETE", path, params, dict[str, Any])

    async def look_up(self, symbol: str, cid: str) -> OrderReport:
        """By client id, else among those that have ended within a day: fills name no client id."""
        try:
            return await self._report(await self._named(cid), cid, Purpose.LOOK_UP)
        except OrderNotFound:
            named = {"symbol": symbol}
            ended = await self._client.ended("recentDoneOrders", named, Data[list[wire.Order] | None])
            for row in ended.data or []:
                if row.clientOid == cid:
                    return await self._report(row, cid, Purpose.LOOK_UP)
            raise

    async def cancel_stop(self, symbol: str, cid: str, venue_order_id: str) -> None:
        """By order id: the page of this call names stops, the one by client id does not."""
        asked = {"orderId": venue_order_id or (await self._named(cid)).id}
        try:
            await self._client.ask(Purpose.CANCEL, "DELETE", "orders/{orderId}", asked, dict[str, Any])
        except VenueRefused:
            await self.cancel(symbol, cid, venue_order_id)

    async def look_up_stop(self, symbol: str, cid: str) -> OrderReport:
        """As any order; those that wait and those that have ended are listed apart."""
        try:
            return await self.look_up(symbol, cid)
        except OrderNotFound:
            asked = {"symbol": symbol, "currentPage": 1, "pageSize": _PAGE}  # fifty of a contract wait at most
            for path, which in (("stopOrders", {}), ("orders", {"status": "done", "type": "limit_stop"})):
                listed = await self._client.ended(path, asked | which, Data[wire.Page[Any]])
                for row in ours(self.venue, listed.data.items, cid, wire.Order):
                    return await self._report(row, cid, Purpose.LOOK_UP)
            raise

    async def open_orders(self) -> Sequence[OrderReport]:
        rows = await self._pages("orders", {"status": "active"}, Purpose.READ, wire.Order)
        return [await self._report(row, row.clientOid or "", Purpose.READ) for row in rows]

    async def waiting_stops(self) -> Sequence[OrderReport]:
        return [waiting(self.venue, row) for row in await self._pages("stopOrders", {}, Purpose.READ, Any)]

    async def balances(self) -> Sequence[Balance]:
        asked = {"currency": wire.SETTLE}
        answer = await self._client.ask(Purpose.READ, "GET", "account-overview", asked, Data[wire.Overview])
        told = answer.data
        free = told.availableBalance if told.availableMargin is None else told.availableMargin
        total = told.marginBalance
        return [Balance(told.currency, max(min(free, total), ZERO), total)] if total else []

    async def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        found = []
        for symbol in symbols:
            contract = await self._contract(symbol)
            if contract is None or contract.multiplier <= 0:
                continue
            self._contracts.learn(symbol, contract.multiplier)
            asked = {"symbol": symbol}
            rate = await self._client.ask(Purpose.READ, "GET", "trade-fees", asked, Data[Rate])
            found.append(self._instrument(contract, rate.data))
        return found

    async def wallets(self, assets: Sequence[str]) -> Sequence[Wallet]:
        """None: money comes in and leaves by the main account, which is another venue's here."""
        return []

    async def warnings(self, symbols: Sequence[str]) -> Sequence[MarketWarning]:
        found = []
        for symbol in symbols:
            contract = await self._contract(symbol)
            text = contract.status if contract is not None else "not listed any more"
            if text != "Open":
                found.append(MarketWarning(symbol=symbol, kind="suspended", text=text))
        return found

    async def prepare(self, symbols: Sequence[str], leverage: int) -> None:
        """One-way, cross margin, this leverage; what already is so is left. Raises VenueRefused where positions or
        open orders forbid it."""
        mode = await self._client.ask(Purpose.READ, "GET", "position/getPositionMode", {}, Data[wire.Mode])
        if mode.data.positionMode != _ONE_WAY:
            wished = {"positionMode": str(_ONE_WAY)}
            await self._client.ask(Purpose.READ, "POST", "position/switchPositionMode", wished, dict[str, Any])
        for symbol in symbols:
            named = {"symbol": symbol}
            margin = await self._client.ask(Purpose.READ, "GET", "position/getMarginMode", named, Data[wire.Margin])
            if margin.data.marginMode != _CROSS:
                crossed = {**named, "marginMode": _CROSS}
                await self._client.ask(Purpose.READ, "POST", "position/changeMarginMode", crossed, dict[str, Any])
            now = await self._client.ask(Purpose.READ, "GET", "getCrossUserLeverage", named, Data[wire.Leverage])
            if now.data.leverage != leverage:
                levered = {**named, "leverage": str(leverage)}
                await self._client.ask(Purpose.READ, "POST", "changeCrossUserLeverage", levered, dict[str, Any])

    async def positions(self) -> Sequence[Position]:
        asked = {"currency": wire.SETTLE}
        answer = await self._client.ask(Purpose.READ, "GET", "positions", asked, Data[list[wire.Position] | None])
        return [await self._position(row) for row in answer.data or [] if row.currentQty]

    async def funding_since(self, at_ms: int) -> Sequence[FundingPaid]:
        """Contract by contract: the venue tells no other way."""
        found = [self._paid(row) for symbol in self._config.symbols for row in await self._payments(symbol, at_ms)]
        return sorted(found, key=lambda paid: (paid.at_ms, paid.id))

    async def server_time_ms(self) -> int:
        sent_ms = wall_ms()
        answer = await self._client.ask(Purpose.READ, "GET", "timestamp", {}, Data[int], "public")
        received_ms = wall_ms()
        self._exchange.options["timeDifference"] = received_ms - answer.data
        return answer.data + (received_ms - sent_ms) // 2

    async def warm(self) -> None:
        """Connect, learn the venue's clock and prove the key before the first order. Raises VenueRefused."""
        await self.server_time_ms()  # pays for the connection, so that the second reading is a sharp one
        await self.server_time_ms()
        await self.balances()

    async def close(self) -> None:
        await self._client.close()

    # asking

    async def _named(self, cid: str) -> wire.Order:
        """An order or a stop. Raises OrderNotFound, and what asking raises."""
        path, asked = "orders/byClientOid", {"clientOid": cid}
        found = await self._client.ask(Purpose.LOOK_UP, "GET", path, asked, Data[wire.Order | None])
        if found.data is None:
            raise OrderNotFound(f"{self.venue}: no order of {cid}")
        return found.data

    async def _pages(self, path: str, asked: dict[str, Any], purpose: Purpose, row: type[T]) -> list[T]:
        rows: list[T] = []
        number = 1
        while True:
            params = {**asked, "currentPage": number, "pageSize": _PAGE}
            page = (await self._client.ask(purpose, "GET", path, params, Data[wire.Page[row]])).data  # type: ignore[valid-type]
            rows += page.items
            if number >= page.totalPage or not page.items:
                return rows
            number += 1

    async def _payments(self, symbol: str, at_ms: int) -> list[wire.Payment]:
        """Newest first, page by page, until they are older than asked for."""
        kept: dict[int, wire.Payment] = {}
        asked: dict[str, Any] = {"symbol": symbol, "maxCount": _PAGE}
        while True:
            answer = await self._client.ask(Purpose.READ, "GET", "funding-history", asked, Data[wire.Payments])
            rows = answer.data.dataList
            news = {row.id: row for row in rows if row.timePoint >= at_ms and row.id not in kept}
            kept |= news
            if not answer.data.hasMore or not rows or len(news) < len(rows):
                return list(kept.values())
            asked["offset"] = rows[-1].id

    async def _contract(self, symbol: str) -> wire.Contract | None:
        """None where the venue does not list it."""
        path, asked = "contracts/{symbol}", {"symbol": symbol}
        try:
            answer = await self._client.ask(Purpose.READ, "GET", path, asked, Data[wire.Contract | None], "public")
        except VenueRefused as error:
            if error.code not in UNKNOWN:
                raise
            return None
        return answer.data

    async def _size(self, symbol: str) -> Decimal | None:
        contract = await self._contract(symbol)
        return contract.multiplier if contract is not None and contract.multiplier > 0 else None

    # reading

    async def _report(self, row: wire.Order, cid: str, purpose: Purpose) -> OrderReport:
        size = await self._contracts.size(row.symbol)
        asked = {"orderId": row.id}
        fills = await self._pages("fills", asked, purpose, wire.Fill) if row.filledSize else []
        settled(self.venue, row.id, row.filledSize, sum((fill.size for fill in fills), ZERO))
        ended = OrderStatus.FILLED if row.filledSize >= row.size else OrderStatus.CANCELLED
        return OrderReport(
            cid=cid,
            venue=self.venue,
            symbol=row.symbol,
            side=Side(row.side),
            status=OrderStatus.OPEN if row.isActive or row.status == _OPEN else ended,
            venue_order_id=row.id,
            filled_qty=row.filledSize * size,
            filled_quote=sum((fill.size * fill.price for fill in fills), ZERO) * size,
            fees=fees_of((fill.feeCurrency, fill.fee) for fill in fills),
            venue_ts_ms=row.updatedAt,
        )

    async def _position(self, row: wire.Position) -> Position:
        if row.positionSide != wire.BOTH:
            raise VenueUnavailable(f"{self.venue}: {row.symbol} is held in hedge mode, where it has two sides")
        return Position(
            symbol=row.symbol,
            qty=row.currentQty * await self._contracts.size(row.symbol),
            entry=row.avgEntryPrice,
            mark=row.markPrice,
            margin=row.posInit or row.posMargin,
            liquidation=row.liquidationPrice or None,
        )

    def _paid(self, row: wire.Payment) -> FundingPaid:
        return FundingPaid(
            id=str(row.id), symbol=row.symbol, asset=row.settleCurrency, amount=row.funding, at_ms=row.timePoint
        )

    def _instrument(self, contract: wire.Contract, rate: Rate) -> Instrument:
        step = contract.multiplier * contract.lotSize
        return Instrument(
            venue=self.venue,
            symbol=contract.symbol,
            base=contract.baseCurrency,
            quote=contract.quoteCurrency,
            ticks=(TickBand(ZERO, contract.tickSize),),
            qty_step=step,
            min_qty=step,
            min_notional=self._config.min_notional,
            maker_fee_bps=rate.makerFeeRate * BPS_PER_ONE,
            taker_fee_bps=rate.takerFeeRate * BPS_PER_ONE,
            fee_side=self._config.fee_side,
            source="venue",
            fee_source="account",
            as_of_ms=wall_ms(),
            product=Product.PERP,
            contract_size=contract.multiplier,
        )
