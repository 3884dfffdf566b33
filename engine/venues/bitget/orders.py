"""Orders on Bitget spot: REST v2 of a classic account, HMAC, `clientOid`. Source: Bitget API v2, Spot Trade."""

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any

from msgspec import Struct

from engine.domain.errors import OrderNotFound, VenueRefused
from engine.domain.market import Balance, Instrument, MarketWarning
from engine.domain.money import ZERO, TickBand, floor_to
from engine.domain.order import Abilities, OrderKind, OrderReport, OrderRequest, OrderStatus, Side
from engine.venues.bitget import standing
from engine.venues.bitget.account import BPS_PER_ONE, FORCES, PAGE, Data, Placed, Rate
from engine.venues.bitget.order_stream import BitgetStreamDialect
from engine.venues.bitget.stops import Paths, Plan, StopAccount, limit_body, side_of
from engine.venues.ccxt_orders import plain, wall_ms
from engine.venues.order_stream import StreamLine
from engine.venues.purse import Purpose
from engine.venues.reports import acknowledged, fees_of, number, settled
from engine.venues.settings import Key, OrderSettings
from engine.venues.verdict import Budgets

_CENT = Decimal("0.01")
_PLANS_SPAN_MS = 90 * 86_400_000  # the longest stretch of one question
_AHEAD_MS = 5_000  # we read its clock late: what was placed just now must lie within


class _State(StrEnum):
    INIT = "init"
    LIVE = "live"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"


_STATUS = {_State.FILLED: OrderStatus.FILLED, _State.CANCELLED: OrderStatus.CANCELLED}


class _Order(Struct):
    symbol: str
    orderId: str
    clientOid: str
    side: str
    status: _State
    baseVolume: str  # number fields may be empty text
    quoteVolume: str
    uTime: int
    cTime: int | str | None = None


class _FeeDetail(Struct):
    feeCoin: str
    totalFee: Decimal  # negative: paid by us


class _Fill(Struct):
    tradeId: str
    size: Decimal
    feeDetail: _FeeDetail


class _Asset(Struct):
    coin: str
    available: Decimal
    frozen: Decimal
    locked: Decimal = ZERO


class _Plans(Struct):
    orderList: list[Any] | None


class _Made(Struct):
    orderId: str | None = None


class _Result(Struct):
    result: str


class _Market(Struct):
    symbol: str
    baseCoin: str
    quoteCoin: str
    pricePrecision: int
    quantityPrecision: int
    minTradeAmount: str = ""
    minTradeUSDT: str = ""


class BitgetOrders(StopAccount[_Order]):
    """One classic spot account. The venue takes its fee from what is received."""

    abilities = Abilities(kinds=frozenset(OrderKind))
    paths = Paths(
        place="v2/spot/trade/place-plan-order",
        cancel="v2/spot/trade/cancel-plan-order",
        waiting="v2/spot/trade/current-plan-order",
        ended="v2/spot/trade/history-plan-order",
        ticker="v2/spot/market/tickers",
    )

    def __init__(self, config: OrderSettings, credential: Key, budgets: Budgets) -> None:
        super().__init__("bitget", "spot", config, credential, budgets)
        stream = BitgetStreamDialect(config, credential, self._now_ms, name=self.names.of)
        self.stream = StreamLine(stream) if config.order_stream else None

    async def place(self, order: OrderRequest) -> OrderReport:
        self.abilities.check(order)
        if order.kind is OrderKind.STOP_LOSS:
            return await self._place_stop(order)
        params = {
            "symbol": order.symbol,
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
            if order.side is Side.BUY:  # by amount: never more than was reserved
                params["size"] = plain(floor_to(order.qty * order.price, _CENT))
        answer = await self._client.place(order, "v2/spot/trade/place-order", params, Data[Placed])
        return acknowledged(order, answer.data.orderId)

    async def amend(self, symbol: str, cid: str, venue_order_id: str, qty: Decimal, price: Decimal) -> None:
        raise VenueRefused("unsupported", "bitget: open orders are not changed here, but cancelled and placed anew")

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> None:
        params = {"symbol": symbol, "clientOid": cid}
        await self._client.ask(Purpose.CANCEL, "POST", "v2/spot/trade/cancel-order", params, dict[str, Any])

    async def look_up(self, symbol: str, cid: str) -> OrderReport:
        return await self._report(await self._found(symbol, "clientOid", cid), cid, Purpose.LOOK_UP)

    async def _found(self, symbol: str, by: str, named: str) -> _Order:
        """By an id, else among the newest that have ended: its fills name no client id. Raises OrderNotFound."""
        try:
            return await self._info(by, named)
        except OrderNotFound:
            params = {"symbol": symbol, "limit": PAGE}
            path = "v2/spot/trade/history-orders"
            ended = await self._client.ended(path, params, Data[list[_Order]])
            for row in ended.data:
                if getattr(row, by) == named:
                    return row
            raise

    async def open_orders(self) -> Sequence[OrderReport]:
        rows = await self._unfilled()
        await self._learn_makers(rows)
        named = [(row, self.names.of(row.clientOid, row.orderId)) for row in rows]
        return [await self._report(row, cid, Purpose.READ) for row, cid in named]

    async def _unfilled(self) -> list[_Order]:
        path = "v2/spot/trade/unfilled-orders"
        params: dict[str, Any] = {"limit": PAGE}
        rows: list[_Order] = []
        while True:
            page = (await self._client.ask(Purpose.READ, "GET", path, params, Data[list[_Order]])).data
            rows += page
            if len(page) < PAGE:
                return rows
            params = {"limit": PAGE, "idLessThan": page[-1].orderId}

    async def balances(self) -> Sequence[Balance]:
        path = "v2/spot/account/assets"
        answer = await self._client.ask(Purpose.READ, "GET", path, {}, Data[list[_Asset]])
        found = [Balance(row.coin, row.available, row.available + row.frozen + row.locked) for row in answer.data]
        return [balance for balance in found if balance.total]

    async def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        found = []
        for symbol in symbols:
            market = await standing.market(self._client, symbol, _Market)
            if market is not None:
                found.append(self._instrument(market, await self._rate(symbol, "spot")))
        return found

    async def warnings(self, symbols: Sequence[str]) -> Sequence[MarketWarning]:
        return await standing.warnings(self._client, symbols)

    async def _info(self, by: str, named: str) -> _Order:
        """Raises OrderNotFound; a list without rows says the same."""
        path, params = "v2/spot/trade/orderInfo", {by: named}
        answer = await self._client.ask(Purpose.LOOK_UP, "GET", path, params, Data[list[_Order]])
        if not answer.data:
            raise OrderNotFound(f"bitget: no order of {named}")
        return answer.data[0]

    def _stop_body(self, order: OrderRequest) -> dict[str, Any]:
        return limit_body(order) | {"planType": "amount", "executePrice": plain(order.price)}

    def _asked(self, symbol: str, cid: str, *, ended: bool) -> dict[str, Any]:
        """No list takes a client id. Older pages want both ends of the time, newer ones do not."""
        asked: dict[str, Any] = {"symbol": symbol, "limit": PAGE} if symbol else {"limit": PAGE}
        if not ended:
            return asked
        last_ms = (self._now_ms() // _AHEAD_MS + 2) * _AHEAD_MS  # in steps: look-ups that ask for the same share it
        return asked | {"startTime": str(last_ms - _PLANS_SPAN_MS), "endTime": str(last_ms)}

    async def _page(self, purpose: Purpose, path: str, params: dict[str, Any]) -> list[Any]:
        if purpose is Purpose.LOOK_UP:  # a list that is not asked for one order: no error of it says that one is absent
            return (await self._client.ended(path, params, Data[_Plans])).data.orderList or []
        return (await self._client.ask(purpose, "GET", path, params, Data[_Plans])).data.orderList or []

    async def _cancel_plan(self, symbol: str, cid: str) -> None:
        answer = await self._client.ask(Purpose.CANCEL, "POST", self.paths.cancel, {"clientOid": cid}, Data[_Result])
        if answer.data.result != "success":
            raise VenueRefused(answer.data.result, f"bitget: stop {cid} is not cancelled")

    async def _cancel_made(self, symbol: str, order_id: str) -> None:
        params = {"symbol": symbol, "orderId": order_id}
        await self._client.ask(Purpose.CANCEL, "POST", "v2/spot/trade/cancel-order", params, dict[str, Any])

    async def _became(self, plan: Plan) -> _Order | None:
        """By the client id that it has, else by the id that the venue names; that query has been seen to know none."""
        try:
            return await self._found(plan.symbol, "clientOid", plan.orderId)
        except OrderNotFound:
            made_id = await self._made_id(plan.orderId)
        return await self._found(plan.symbol, "orderId", made_id) if made_id else None

    async def _made_id(self, plan_id: str) -> str:
        """ "" where the venue names none."""
        path, params = "v2/spot/trade/plan-sub-order", {"planOrderId": plan_id}
        try:
            answer = await self._client.ask(Purpose.LOOK_UP, "GET", path, params, Data[list[_Made]])
        except OrderNotFound:
            return ""
        return next((made.orderId for made in answer.data if made.orderId and made.orderId.strip("0")), "")

    async def _report(self, row: _Order, cid: str, purpose: Purpose) -> OrderReport:
        executed = number(self.venue, row.baseVolume)
        fills = await self._fills(row, purpose) if executed else []
        settled(self.venue, row.orderId, executed, sum((fill.size for fill in fills), ZERO))
        return OrderReport(
            cid=cid,
            venue=self.venue,
            symbol=row.symbol,
            side=side_of(self.venue, row.side),
            status=_STATUS.get(row.status, OrderStatus.OPEN),
            venue_order_id=row.orderId,
            filled_qty=executed,
            filled_quote=number(self.venue, row.quoteVolume),
            fees=fees_of((fill.feeDetail.feeCoin, -fill.feeDetail.totalFee) for fill in fills),
            venue_ts_ms=row.uTime,
        )

    async def _fills(self, row: _Order, purpose: Purpose) -> list[_Fill]:
        params: dict[str, Any] = {"symbol": row.symbol, "orderId": row.orderId, "limit": PAGE}
        fills: list[_Fill] = []
        while True:
            page = (await self._client.ask(purpose, "GET", "v2/spot/trade/fills", params, Data[list[_Fill]])).data
            fills += page
            if len(page) < PAGE:
                return fills
            params["idLessThan"] = page[-1].tradeId

    def _instrument(self, market: _Market, rates: Rate) -> Instrument:
        step = Decimal(1).scaleb(-market.quantityPrecision)
        return Instrument(
            venue=self.venue,
            symbol=market.symbol,
            base=market.baseCoin,
            quote=market.quoteCoin,
            ticks=(TickBand(ZERO, Decimal(1).scaleb(-market.pricePrecision)),),
            qty_step=step,
            min_qty=max(number(self.venue, market.minTradeAmount), step),
            min_notional=number(self.venue, market.minTradeUSDT) or self._config.min_notional,
            maker_fee_bps=rates.makerFeeRate * BPS_PER_ONE,
            taker_fee_bps=rates.takerFeeRate * BPS_PER_ONE,
            fee_side=self._config.fee_side,
            source="venue",
            fee_source="account",
            as_of_ms=wall_ms(),
        )
