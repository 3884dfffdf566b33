"""USDT perpetuals of Bitget: one-way mode, crossed margin. Source: Bitget API v2, Contract Account and Trade.

Sizes are in base at the venue, too. An order that is changed gets another client id there: it is cancelled and placed
anew instead.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from engine.domain.errors import OrderNotFound, VenueRefused, VenueUnavailable
from engine.domain.market import Balance, Instrument, MarketWarning, Product
from engine.domain.money import ZERO, TickBand
from engine.domain.order import Abilities, OrderKind, OrderReport, OrderRequest, OrderStatus
from engine.domain.position import FundingPaid, Position
from engine.venues.bitget import futures_wire as wire
from engine.venues.bitget import standing
from engine.venues.bitget.account import BPS_PER_ONE, FORCES, PAGE, Data, Placed, Rate
from engine.venues.bitget.order_stream import BitgetStreamDialect
from engine.venues.bitget.stops import Paths, Plan, StopAccount, limit_body, side_of
from engine.venues.ccxt_orders import plain, wall_ms
from engine.venues.order_stream import StreamLine
from engine.venues.purse import Purpose
from engine.venues.reports import acknowledged, fees_of, number, positive, settled
from engine.venues.settings import Key, OrderSettings
from engine.venues.verdict import Budgets

_PRODUCT: dict[str, Any] = {"productType": "USDT-FUTURES"}
_COIN = "USDT"
_ONE_WAY, _CROSSED = "one_way_mode", "crossed"
_PLAN = "normal_plan"
_FUNDING = "contract_settle_fee"
_BILLS_SPAN_MS = 29 * 86_400_000  # the longest stretch of one question is 30 days
_BILLS_KEPT_MS = 90 * 86_400_000


class BitgetFuturesOrders(StopAccount[wire.Order]):
    """Orders, Margined and Conditional."""

    abilities = Abilities(kinds=frozenset(OrderKind), reduce_only=True)
    paths = Paths(
        place="v2/mix/order/place-plan-order",
        cancel="v2/mix/order/cancel-plan-order",
        waiting="v2/mix/order/orders-plan-pending",
        ended="v2/mix/order/orders-plan-history",
        ticker="v2/mix/market/ticker",
    )

    def __init__(self, config: OrderSettings, credential: Key, budgets: Budgets) -> None:
        super().__init__("bitget_futures", "mix", config, credential, budgets)
        product = str(_PRODUCT["productType"])
        stream = BitgetStreamDialect(config, credential, self._now_ms, self.venue, product, self.names.of)
        self.stream = StreamLine(stream) if config.order_stream else None

    async def place(self, order: OrderRequest) -> OrderReport:
        self.abilities.check(order)
        if order.kind is OrderKind.STOP_LOSS:
            return await self._place_stop(order)
        params = _PRODUCT | {
            "symbol": order.symbol,
            "marginMode": _CROSSED,
            "marginCoin": _COIN,
            "side": order.side.value,
            "orderType": "limit",
            "force": FORCES[order.tif],
            "price": plain(order.price),
            "size": plain(order.qty),
            "clientOid": order.cid,
        }
        if order.kind is OrderKind.MARKET:
            params["orderType"] = "market"
            del params["price"], params["force"]
        if order.reduce_only:
            params["reduceOnly"] = "YES"
        answer = await self._client.place(order, "v2/mix/order/place-order", params, Data[Placed])
        return acknowledged(order, answer.data.orderId)

    async def amend(self, symbol: str, cid: str, venue_order_id: str, qty: Decimal, price: Decimal) -> None:
        raise VenueRefused("unsupported", "bitget: a changed order has another client id: cancel it and place anew")

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> None:
        params = _PRODUCT | {"symbol": symbol, "marginCoin": _COIN, "clientOid": cid}
        await self._client.ask(Purpose.CANCEL, "POST", "v2/mix/order/cancel-order", params, dict[str, Any])

    async def look_up(self, symbol: str, cid: str) -> OrderReport:
        return await self._report(await self._found(symbol, "clientOid", cid), cid, Purpose.LOOK_UP)

    async def _found(self, symbol: str, by: str, named: str) -> wire.Order:
        """By an id, else among the newest that have ended. Raises OrderNotFound."""
        params = _PRODUCT | {"symbol": symbol, by: named}
        try:
            path = "v2/mix/order/detail"
            return (await self._client.ask(Purpose.LOOK_UP, "GET", path, params, Data[wire.Order])).data
        except OrderNotFound:
            params = _PRODUCT | {"symbol": symbol, "limit": PAGE}
            ended = await self._client.ended("v2/mix/order/orders-history", params, Data[wire.Listed])
            for row in ended.data.entrustedList or []:
                if getattr(row, by) == named:
                    return row
            raise

    async def open_orders(self) -> Sequence[OrderReport]:
        rows = await self._pending()
        await self._learn_makers(rows)
        named = [(row, self.names.of(row.clientOid, row.orderId)) for row in rows]
        return [await self._report(row, cid, Purpose.READ) for row, cid in named]

    async def _pending(self) -> list[wire.Order]:
        rows: list[wire.Order] = []
        params = _PRODUCT | {"limit": PAGE}
        while True:
            page = await self._orders("v2/mix/order/orders-pending", params, Purpose.READ)
            rows += page
            if len(page) < PAGE:
                return rows
            params = params | {"idLessThan": page[-1].orderId}

    async def balances(self) -> Sequence[Balance]:
        path = "v2/mix/account/accounts"
        answer = await self._client.ask(Purpose.READ, "GET", path, dict(_PRODUCT), Data[list[wire.Wallet]])
        found = [
            Balance(
                row.marginCoin,
                self._number(row.crossedMaxAvailable),
                self._number(row.accountEquity) - self._number(row.unrealizedPL or ""),
            )
            for row in answer.data
        ]
        return [balance for balance in found if balance.total]

    async def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        found = []
        for symbol in symbols:
            market = await standing.contract(self._client, symbol, wire.Market)
            if market is not None:
                found.append(self._instrument(market, await self._rate(symbol, "mix")))
        return found

    async def warnings(self, symbols: Sequence[str]) -> Sequence[MarketWarning]:
        """Contracts that do not trade, and those whose end has a date."""
        found = []
        for symbol in symbols:
            told = await standing.contract(self._client, symbol, wire.State)
            text = told.symbolStatus if told is not None else "not listed any more"
            if text not in ("normal", "listed"):
                found.append(MarketWarning(symbol=symbol, kind="suspended", text=text))
            if told is not None and told.offTime.isdecimal() and int(told.offTime):
                found.append(MarketWarning(symbol=symbol, kind="delisting", text="offTime", at_ms=int(told.offTime)))
        return found

    async def prepare(self, symbols: Sequence[str], leverage: int) -> None:
        """Only what differs is changed: the venue refuses the rest while orders or positions are open."""
        for symbol in symbols:
            named = _PRODUCT | {"symbol": symbol, "marginCoin": _COIN}
            path = "v2/mix/account/account"
            mode = (await self._client.ask(Purpose.READ, "GET", path, named, Data[wire.Mode])).data
            if mode.posMode != _ONE_WAY:
                await self._change("set-position-mode", _PRODUCT | {"posMode": _ONE_WAY})
            if mode.marginMode != _CROSSED:
                await self._change("set-margin-mode", named | {"marginMode": _CROSSED})
            if mode.crossedMarginLeverage != leverage:
                await self._change("set-leverage", named | {"leverage": str(leverage)})

    async def positions(self) -> Sequence[Position]:
        """Raises VenueRefused in hedge mode: its two sides are no one position."""
        params = _PRODUCT | {"marginCoin": _COIN}
        path = "v2/mix/position/all-position"
        answer = await self._client.ask(Purpose.READ, "GET", path, params, Data[list[wire.Position]])
        return [self._position(row) for row in answer.data if self._number(row.total)]

    async def funding_since(self, at_ms: int) -> Sequence[FundingPaid]:
        """Ninety days back, stretch by stretch, each page by page from the newest."""
        now_ms = self._now_ms()
        first_ms = max(at_ms, now_ms - _BILLS_KEPT_MS)
        paid: dict[str, FundingPaid] = {}
        while first_ms <= now_ms:
            last_ms = first_ms + _BILLS_SPAN_MS
            for bill in await self._bills(first_ms, last_ms):
                amount = self._number(bill.amount)
                if bill.businessType == _FUNDING and bill.cTime >= at_ms:
                    paid[bill.billId] = FundingPaid(
                        id=bill.billId, symbol=bill.symbol, asset=bill.coin, amount=amount, at_ms=bill.cTime
                    )
            first_ms = last_ms + 1
        return sorted(paid.values(), key=lambda each: (each.at_ms, each.id))

    async def _bills(self, first_ms: int, last_ms: int) -> list[wire.Bill]:
        span = {"startTime": str(first_ms), "endTime": str(last_ms), "limit": PAGE}
        params = _PRODUCT | {"coin": _COIN, "businessType": _FUNDING} | span
        bills: list[wire.Bill] = []
        while True:
            answer = await self._client.ask(Purpose.READ, "GET", "v2/mix/account/bill", params, Data[wire.Bills])
            page = answer.data.bills or []
            bills += page
            if len(page) < PAGE:
                return bills
            params = params | {"idLessThan": page[-1].billId}

    def _product(self) -> dict[str, Any]:
        return _PRODUCT

    def _stop_body(self, order: OrderRequest) -> dict[str, Any]:
        params = _PRODUCT | limit_body(order) | {"planType": _PLAN, "price": plain(order.price)}
        params |= {"marginMode": _CROSSED, "marginCoin": _COIN}
        return params | ({"reduceOnly": "YES"} if order.reduce_only else {})

    def _asked(self, symbol: str, cid: str, *, ended: bool) -> dict[str, Any]:
        named = {name: value for name, value in (("symbol", symbol), ("clientOid", cid)) if value}
        return _PRODUCT | named | {"planType": _PLAN, "limit": PAGE}

    async def _page(self, purpose: Purpose, path: str, params: dict[str, Any]) -> list[Any]:
        try:
            return (await self._client.ask(purpose, "GET", path, params, Data[wire.Plans])).data.entrustedList or []
        except OrderNotFound:
            return []  # it was asked for one by its client id

    async def _cancel_plan(self, symbol: str, cid: str) -> None:
        params = _PRODUCT | {"symbol": symbol, "marginCoin": _COIN, "planType": _PLAN}
        params |= {"orderIdList": [{"clientOid": cid}]}
        answer = await self._client.ask(Purpose.CANCEL, "POST", self.paths.cancel, params, Data[wire.Ended])
        if not answer.data.successList:
            why = ", ".join(each.errorMsg for each in answer.data.failureList or []) or "no word of it"
            raise VenueRefused("not_cancelled", f"{self.venue}: stop {cid}: {why}")

    async def _cancel_made(self, symbol: str, order_id: str) -> None:
        params = _PRODUCT | {"symbol": symbol, "marginCoin": _COIN, "orderId": order_id}
        await self._client.ask(Purpose.CANCEL, "POST", "v2/mix/order/cancel-order", params, dict[str, Any])

    async def _became(self, plan: Plan) -> wire.Order | None:
        """By the id that it names, else by the client id that what it made has."""
        if plan.made_id:
            return await self._found(plan.symbol, "orderId", plan.made_id)
        try:
            return await self._found(plan.symbol, "clientOid", plan.orderId)
        except OrderNotFound:
            return None

    async def _change(self, what: str, params: dict[str, Any]) -> None:
        await self._client.ask(Purpose.READ, "POST", f"v2/mix/account/{what}", params, dict[str, Any])

    async def _orders(self, path: str, params: dict[str, Any], purpose: Purpose) -> list[wire.Order]:
        return (await self._client.ask(purpose, "GET", path, params, Data[wire.Listed])).data.entrustedList or []

    async def _report(self, row: wire.Order, cid: str, purpose: Purpose) -> OrderReport:
        executed = self._number(row.baseVolume)
        fills = await self._fills(row, purpose) if executed else []
        sizes = [positive(self.venue, fill.baseVolume) for fill in fills]
        settled(self.venue, row.orderId, executed, sum(sizes, ZERO))
        quote = sum((positive(self.venue, fill.price) * size for fill, size in zip(fills, sizes, strict=True)), ZERO)
        return OrderReport(
            cid=cid,
            venue=self.venue,
            symbol=row.symbol,
            side=side_of(self.venue, row.side),
            status=self._status(row),
            venue_order_id=row.orderId,
            filled_qty=executed,
            filled_quote=quote,
            fees=fees_of((fee.feeCoin, -self._number(fee.totalFee)) for fill in fills for fee in fill.feeDetail),
            venue_ts_ms=row.uTime,
        )

    async def _fills(self, row: wire.Order, purpose: Purpose) -> list[wire.Fill]:
        params = _PRODUCT | {"symbol": row.symbol, "orderId": row.orderId, "limit": PAGE}
        fills: list[wire.Fill] = []
        while True:
            answer = await self._client.ask(purpose, "GET", "v2/mix/order/fills", params, Data[wire.Fills])
            page = answer.data.fillList or []
            fills += page
            if len(page) < PAGE:
                return fills
            params = params | {"idLessThan": page[-1].tradeId}

    def _status(self, row: wire.Order) -> OrderStatus:
        """Raises VenueUnavailable for a word that nobody has explained."""
        word = row.state or row.status
        if word not in wire.STATUS:
            raise VenueUnavailable(f"{self.venue}: no state of an order: {word!r}")
        return wire.STATUS[word]

    def _position(self, row: wire.Position) -> Position:
        if row.posMode != _ONE_WAY:
            raise VenueRefused("hedge_mode", f"{self.venue}: {row.symbol} is held by side: one-way mode is needed")
        size, liquidation = self._number(row.total), self._number(row.liquidationPrice)
        return Position(
            symbol=row.symbol,
            qty=-abs(size) if row.holdSide == "short" else size,
            entry=self._number(row.openPriceAvg),
            mark=self._number(row.markPrice),
            margin=self._number(row.marginSize),
            liquidation=liquidation if liquidation > 0 else None,
        )

    def _instrument(self, market: wire.Market, rates: Rate) -> Instrument:
        step = positive(self.venue, market.sizeMultiplier)
        return Instrument(
            venue=self.venue,
            symbol=market.symbol,
            base=market.baseCoin,
            quote=market.quoteCoin,
            ticks=(TickBand(ZERO, positive(self.venue, market.priceEndStep).scaleb(-market.pricePlace)),),
            qty_step=step,
            min_qty=max(self._number(market.minTradeNum), step),
            min_notional=self._number(market.minTradeUSDT) or self._config.min_notional,
            maker_fee_bps=rates.makerFeeRate * BPS_PER_ONE,
            taker_fee_bps=rates.takerFeeRate * BPS_PER_ONE,
            fee_side=self._config.fee_side,
            source="venue",
            fee_source="account",
            as_of_ms=wall_ms(),
            product=Product.PERP,
        )

    def _number(self, text: str) -> Decimal:
        return number(self.venue, text)
