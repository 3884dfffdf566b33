"""Orders on Bybit spot, with its own money and what may be borrowed. Source: Bybit v5, Trade and Account."""

import logging
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct

from engine.domain.errors import VenueRefused, VenueUnavailable
from engine.domain.market import Balance, Instrument, Loan
from engine.domain.money import ZERO, TickBand
from engine.domain.order import Abilities, OrderKind, OrderReport, OrderRequest, Side
from engine.venues.bybit import standing
from engine.venues.bybit.account import BybitAccount, bps
from engine.venues.bybit.order_stream import BybitStreamDialect
from engine.venues.bybit.private import Page, Prices, Rate, Result, State
from engine.venues.ccxt_orders import wall_ms
from engine.venues.departure import watch
from engine.venues.order_stream import StreamLine
from engine.venues.purse import Purpose
from engine.venues.reports import number, positive
from engine.venues.settings import Key, OrderSettings
from engine.venues.stop_sides import is_passed, keep
from engine.venues.verdict import Budgets

log = logging.getLogger(__name__)


class _Lot(Struct):
    basePrecision: Decimal
    minOrderQty: Decimal
    minOrderAmt: Decimal


class _Market(Struct):
    symbol: str
    baseCoin: str
    quoteCoin: str
    lotSizeFilter: _Lot
    priceFilter: Prices


class BybitOrders(BybitAccount):
    """A unified account trading spot with its own money. The venue takes its fee from what is received.

    A stop names no direction here: the venue waits for its price from the side on which it finds the last one
    (ccxt issue 19000), so one that comes too late would wait for the price to return. Its side is proved.
    """

    abilities = Abilities(kinds=frozenset(OrderKind), amend=True, moves=True, expiry=True)

    def __init__(self, config: OrderSettings, credential: Key, budgets: Budgets) -> None:
        super().__init__("bybit", "spot", "", config, credential, budgets)
        self._fee_side = config.fee_side
        self._proved: dict[str, None] = {}  # client ids of stops that were seen on the right side
        stream = BybitStreamDialect(config, credential, lambda: int(self._exchange.nonce()))
        self.stream = StreamLine(stream) if config.order_stream else None

    async def place(self, order: OrderRequest) -> OrderReport:
        if order.stop_price is None:
            return await super().place(order)
        self.abilities.check(order)
        last = await standing.last_price(self.client, order.symbol, self.category)
        if not last or is_passed(order.side, order.stop_price, last):
            told = f"the last price is {last}" if last else "no last price is told"
            raise VenueRefused("would_trigger", f"{self.venue}: {told}, the stop's {order.stop_price}")
        report = await super().place(order)
        await self._look_behind(order, order.stop_price)
        return report

    async def look_up_stop(self, symbol: str, cid: str) -> OrderReport:
        """The answer to its placement may be lost, or the process that looked behind it: one that waits is proved
        here, or taken back. Raises VenueUnavailable while its side cannot be told."""
        row = await self.row(symbol, cid)
        if row.orderStatus is State.UNTRIGGERED and cid not in self._proved:
            stop = positive(self.venue, row.triggerPrice or "")
            last = await standing.last_price(self.client, symbol, self.category)
            if not last:
                raise VenueUnavailable(f"{self.venue}: no last price is told, and the side of stop {cid} is not known")
            if is_passed(Side(row.side.lower()), stop, last):
                await self._take_back(symbol, cid, stop, last)
                row = await self.row(symbol, cid)
            else:
                keep(self._proved, cid, None)
        return await self.report(row, cid, Purpose.LOOK_UP)

    async def _look_behind(self, order: OrderRequest, stop: Decimal) -> None:
        """What traded between question and order may have passed the stop: a look-up looks again where this fails."""
        watch()  # the order has left: this is no part of its way
        try:
            last = await standing.last_price(self.client, order.symbol, self.category)
        except (VenueUnavailable, VenueRefused) as error:
            log.warning("stop_side_unknown venue=%s cid=%s error=%s", self.venue, order.cid, error)
            last = ZERO
        if last and not is_passed(order.side, stop, last):
            keep(self._proved, order.cid, None)
            return
        try:
            await self._take_back(order.symbol, order.cid, stop, last)
        except VenueUnavailable as error:
            log.warning("stop_not_taken_back venue=%s cid=%s error=%s", self.venue, order.cid, error)

    async def _take_back(self, symbol: str, cid: str, stop: Decimal, last: Decimal) -> None:
        """Of the stop alone: what it has made by now did as it was told. Raises VenueUnavailable, RateLimited."""
        log.warning("stop_too_late venue=%s cid=%s stop=%s last=%s", self.venue, cid, stop, last)
        try:
            await self.cancel_waiting(symbol, cid)
        except VenueRefused as error:
            log.warning("stop_waits_no_more venue=%s cid=%s error=%s", self.venue, cid, error)

    def wire(self, order: OrderRequest) -> dict[str, Any]:
        params = super().wire(order)
        if order.kind is OrderKind.MARKET:
            # Without marketUnit the size of a market buy would count the quote asset.
            params |= {"orderType": "Market", "timeInForce": "IOC", "marketUnit": "baseCoin"}
            del params["price"]
        return params

    async def balances(self) -> Sequence[Balance]:
        found = []
        for row in await self.coins():
            total = number(self.venue, row.walletBalance)
            found.append(Balance(row.coin, total - number(self.venue, row.locked), total))
        return [balance for balance in found if balance.total]

    async def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        found = []
        for symbol in symbols:
            markets = await standing.market(self.client, symbol, Result[Page[_Market]], self.category)
            if markets is not None and markets.result.list:
                found.append(self._instrument(markets.result.list[0], await self.rate(symbol)))
        return found

    async def loans(self, assets: Sequence[str]) -> Sequence[Loan]:
        return await standing.loans(self.client, assets)

    def _instrument(self, market: _Market, rate: Rate) -> Instrument:
        return Instrument(
            venue=self.venue,
            symbol=market.symbol,
            base=market.baseCoin,
            quote=market.quoteCoin,
            ticks=(TickBand(ZERO, market.priceFilter.tickSize),),
            qty_step=market.lotSizeFilter.basePrecision,
            min_qty=market.lotSizeFilter.minOrderQty,
            min_notional=market.lotSizeFilter.minOrderAmt,
            maker_fee_bps=bps(rate.makerFeeRate),
            taker_fee_bps=bps(rate.takerFeeRate),
            fee_side=self._fee_side,
            source="venue",
            fee_source="account",
            as_of_ms=wall_ms(),
        )
