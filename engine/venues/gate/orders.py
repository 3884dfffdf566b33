"""Orders on Gate spot: REST v4, HMAC-SHA512, `text` as client id, request expiry. Source: Gate API v4, Spot."""

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any

from msgspec import Struct

from engine.domain.errors import OrderNotFound, VenueUnavailable
from engine.domain.market import Balance, Instrument, MarketWarning, Wallet
from engine.domain.money import ZERO, TickBand, floor_to
from engine.domain.order import Abilities, OrderKind, OrderReport, OrderRequest, OrderStatus, Side
from engine.venues.ccxt_orders import CcxtClient, options, plain, wall_ms
from engine.venues.gate import standing
from engine.venues.gate.order_stream import GateStreamDialect
from engine.venues.gate.private import (
    BPS_PER_ONE,
    DIALECT,
    LEAST_COUNTDOWN_S,
    PREFIX,
    TIFS,
    Exchange,
    server_time_ms,
)
from engine.venues.order_stream import StreamLine
from engine.venues.purse import Purpose
from engine.venues.reports import fees_of, number
from engine.venues.settings import Key, OrderSettings
from engine.venues.verdict import Budgets

_PAGE = 100
_FINISHED_PAGES = 3
_TRADES_PAGE = 1_000
_CENT = Decimal("0.01")


class _State(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    CANCELLED = "cancelled"


_STATUS = {
    _State.OPEN: OrderStatus.OPEN,
    _State.CLOSED: OrderStatus.FILLED,
    _State.CANCELLED: OrderStatus.CANCELLED,
}


class _Order(Struct):
    id: str
    text: str
    currency_pair: str
    status: _State
    side: str
    amount: str  # quote on a market buy
    left: str
    filled_total: str  # quote
    update_time_ms: int
    filled_amount: str = ""  # base; older answers lack it
    fee: str = ""
    fee_currency: str = ""
    gt_fee: str = ""  # where the account pays fees in GT, or with points
    point_fee: str = ""


class _Pair(Struct):
    orders: list[_Order]


class _Trade(Struct):
    text: str = ""


class _Account(Struct):
    currency: str
    available: Decimal
    locked: Decimal


class _Rates(Struct):
    maker_fee: Decimal
    taker_fee: Decimal


class _Market(Struct):
    id: str
    base: str
    quote: str
    precision: int  # decimals of a price
    amount_precision: int
    min_base_amount: str = ""
    min_quote_amount: str = ""


class GateOrders:
    """One spot account. The venue takes its fee from what is received, or in GT, or in points."""

    abilities = Abilities(kinds=frozenset({OrderKind.LIMIT, OrderKind.MARKET}), moves=True, countdown=True, expiry=True)

    def __init__(self, config: OrderSettings, credential: Key, budgets: Budgets) -> None:
        self.venue = "gate"
        self.late_acceptance_ms = config.order_timeout_ms + config.settle_margin_ms
        self._exchange = Exchange(options(credential.key, credential.secret, config.order_timeout_ms))
        self._exchange.expiry_ms = config.order_timeout_ms
        self._client = CcxtClient(self.venue, self._exchange, config.rest_base, DIALECT, budgets)
        self._config = config
        stream = GateStreamDialect(config, credential, lambda: int(self._exchange.nonce()))
        self.stream = StreamLine(stream) if config.order_stream else None

    async def place(self, order: OrderRequest) -> OrderReport:
        self.abilities.check(order)
        params: dict[str, Any] = {
            "text": PREFIX + order.cid,
            "currency_pair": order.symbol,
            "type": "limit",
            "account": "spot",
            "side": order.side.value,
            "amount": plain(order.qty),
            "price": plain(order.price),
            "time_in_force": TIFS[order.tif],
        }
        if order.kind is OrderKind.MARKET:
            params |= {"type": "market", "time_in_force": "ioc"}
            del params["price"]
            if order.side is Side.BUY:  # by amount: never more than was reserved
                params["amount"] = plain(floor_to(order.qty * order.price, _CENT))
        return self._report(await self._client.place(order, "spot/orders", params, _Order), order.cid)

    async def amend(self, symbol: str, cid: str, venue_order_id: str, qty: Decimal, price: Decimal) -> None:
        """The price alone: of price and size the venue changes one at a time. It goes behind the queue at its price."""
        params = {"order_id": venue_order_id or PREFIX + cid, "currency_pair": symbol, "price": plain(price)}
        await self._client.ask(Purpose.CANCEL, "PATCH", "spot/orders/{order_id}", params, dict[str, Any])

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> None:
        params = {"order_id": venue_order_id or PREFIX + cid, "currency_pair": symbol}
        await self._client.ask(Purpose.CANCEL, "DELETE", "spot/orders/{order_id}", params, dict[str, Any])

    async def look_up(self, symbol: str, cid: str) -> OrderReport:
        """By text while the venue keeps it (an hour after the end), else among the ended; then its trades are asked."""
        text = PREFIX + cid
        params = {"order_id": text, "currency_pair": symbol}
        try:
            row = await self._client.ask(Purpose.LOOK_UP, "GET", "spot/orders/{order_id}", params, _Order)
            return self._report(row, cid)
        except OrderNotFound:
            ended = await self._ended(symbol, text)
            if ended is not None:
                return self._report(ended, cid)
        asked = {"currency_pair": symbol, "limit": _TRADES_PAGE}
        trades = await self._client.ended("spot/my_trades", asked, list[_Trade])
        if any(trade.text == text for trade in trades):
            raise VenueUnavailable(f"gate: {cid} has trades and is not listed yet")
        raise OrderNotFound(f"gate: no order and no trade of {cid}")

    async def open_orders(self) -> Sequence[OrderReport]:
        reports: list[OrderReport] = []
        page = 1
        while True:
            params = {"page": page, "limit": _PAGE}  # so many of each pair
            pairs = await self._client.ask(Purpose.READ, "GET", "spot/open_orders", params, list[_Pair])
            reports += [self._report(row, row.text.removeprefix(PREFIX)) for pair in pairs for row in pair.orders]
            if all(len(pair.orders) < _PAGE for pair in pairs):
                return reports
            page += 1

    async def balances(self) -> Sequence[Balance]:
        rows = await self._client.ask(Purpose.READ, "GET", "spot/accounts", {}, list[_Account])
        return [
            Balance(row.currency, row.available, row.available + row.locked)
            for row in rows
            if row.available + row.locked
        ]

    async def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        found = []
        for symbol in symbols:
            market = await standing.market(self._client, symbol, _Market)
            if market is not None:
                asked = {"currency_pair": symbol}
                rates = await self._client.ask(Purpose.READ, "GET", "wallet/fee", asked, _Rates)
                found.append(self._instrument(market, rates))
        return found

    async def wallets(self, assets: Sequence[str]) -> Sequence[Wallet]:
        return await standing.wallets(self._client, assets)

    async def warnings(self, symbols: Sequence[str]) -> Sequence[MarketWarning]:
        return await standing.warnings(self._client, symbols)

    async def arm(self, timeout_s: int) -> None:
        """Every open order is cancelled unless this comes again in time; 0 disarms. Five seconds at least."""
        params = {"timeout": max(timeout_s, LEAST_COUNTDOWN_S) if timeout_s else 0}
        await self._client.ask(Purpose.CANCEL, "POST", "spot/countdown_cancel_all", params, dict[str, Any])

    async def server_time_ms(self) -> int:
        return await server_time_ms(self._client, self._exchange)

    async def warm(self) -> None:
        """Connect, learn the venue's clock and prove the key before the first order. Raises VenueRefused."""
        await self.server_time_ms()  # pays for the connection, so that the second reading is a sharp one
        await self.server_time_ms()
        await self.balances()

    async def close(self) -> None:
        await self._client.close()

    async def _ended(self, symbol: str, text: str) -> _Order | None:
        params: dict[str, Any] = {"currency_pair": symbol, "status": "finished", "limit": _PAGE}
        for page in range(1, _FINISHED_PAGES + 1):
            asked = {**params, "page": page}
            rows = await self._client.ended("spot/orders", asked, list[_Order])
            for row in rows:
                if row.text == text:
                    return row
            if len(rows) < _PAGE:
                break
        return None

    def _report(self, row: _Order, cid: str) -> OrderReport:
        filled = row.filled_amount or str(number(self.venue, row.amount) - number(self.venue, row.left))
        paid = ((row.fee_currency, row.fee), ("GT", row.gt_fee), ("POINT", row.point_fee))
        return OrderReport(
            cid=cid,
            venue=self.venue,
            symbol=row.currency_pair,
            side=Side(row.side),
            status=_STATUS[row.status],
            venue_order_id=row.id,
            filled_qty=number(self.venue, filled),
            filled_quote=number(self.venue, row.filled_total),
            fees=fees_of((asset, number(self.venue, amount)) for asset, amount in paid),
            venue_ts_ms=row.update_time_ms,
        )

    def _instrument(self, market: _Market, rates: _Rates) -> Instrument:
        step = Decimal(1).scaleb(-market.amount_precision)
        return Instrument(
            venue=self.venue,
            symbol=market.id,
            base=market.base,
            quote=market.quote,
            ticks=(TickBand(ZERO, Decimal(1).scaleb(-market.precision)),),
            qty_step=step,
            min_qty=max(number(self.venue, market.min_base_amount), step),
            min_notional=number(self.venue, market.min_quote_amount) or self._config.min_notional,
            maker_fee_bps=rates.maker_fee * BPS_PER_ONE,
            taker_fee_bps=rates.taker_fee * BPS_PER_ONE,
            fee_side=self._config.fee_side,
            source="venue",
            fee_source="account",
            as_of_ms=wall_ms(),
        )
