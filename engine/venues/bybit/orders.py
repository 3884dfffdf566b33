"""Orders on Bybit spot, with its own money and what may be borrowed. Source: Bybit v5, Trade and Account."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct

from engine.domain.market import Balance, Instrument, Loan
from engine.domain.money import ZERO, TickBand
from engine.domain.order import Abilities, OrderKind, OrderRequest
from engine.venues.bybit import standing
from engine.venues.bybit.account import BybitAccount, bps
from engine.venues.bybit.order_stream import BybitStreamDialect
from engine.venues.bybit.private import Page, Prices, Rate, Result
from engine.venues.ccxt_orders import wall_ms
from engine.venues.order_stream import StreamLine
from engine.venues.reports import number
from engine.venues.settings import Key, OrderSettings
from engine.venues.verdict import Budgets


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
    """A unified account trading spot with its own money. The venue takes its fee from what is received."""

    abilities = Abilities(kinds=frozenset(OrderKind), amend=True, moves=True, expiry=True)

    def __init__(self, config: OrderSettings, credential: Key, budgets: Budgets) -> None:
        super().__init__("bybit", "spot", "", config, credential, budgets)
        self._fee_side = config.fee_side
        stream = BybitStreamDialect(config, credential, lambda: int(self._exchange.nonce()))
        self.stream = StreamLine(stream) if config.order_stream else None

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
