"""Orders and positions on Bybit's USDT perpetuals. Source: Bybit v5, Trade, Position and Account.

The account is in one-way mode with cross margin. Its dead-man switch (`disconnected-cancel-all`) acts when the last
private socket of the account breaks, is granted by an account manager alone, and is no timer: it is not armed here.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct

from engine.domain.errors import VenueRefused, VenueUnavailable
from engine.domain.market import Balance, Instrument, Product
from engine.domain.money import ZERO, TickBand
from engine.domain.order import Abilities, OrderKind, OrderRequest
from engine.domain.position import FundingPaid, Position
from engine.venues.bybit import standing
from engine.venues.bybit.account import BybitAccount, bps
from engine.venues.bybit.order_stream import BybitStreamDialect
from engine.venues.bybit.private import Coin, Page, Prices, Rate, Result
from engine.venues.ccxt_orders import wall_ms
from engine.venues.order_stream import StreamLine
from engine.venues.purse import Purpose
from engine.venues.reports import number
from engine.venues.settings import Key, OrderSettings
from engine.venues.verdict import Budgets

_SETTLE = "USDT"
_CROSS = "REGULAR_MARGIN"
_MODE_AS_IS, _LEVERAGE_AS_IS = "110025", "110043"
_POSITIONS_PAGE, _LOG_PAGE = 200, 50
_LOG_SPAN_MS = 7 * 86_400_000  # the longest stretch of one question
_LOG_KEPT_MS = 730 * 86_400_000


class _Lot(Struct):
    qtyStep: Decimal
    minOrderQty: Decimal
    minNotionalValue: str = ""


class _Market(Struct):
    symbol: str
    baseCoin: str
    quoteCoin: str
    settleCoin: str
    lotSizeFilter: _Lot
    priceFilter: Prices


class _Position(Struct):
    symbol: str
    side: str  # Buy | Sell | "" where there is none
    size: str
    avgPrice: str
    markPrice: str
    positionIM: str
    liqPrice: str = ""
    positionIdx: int = 0  # 1 and 2: the two sides of hedge mode


class _Entry(Struct):
    id: str
    symbol: str
    currency: str
    change: str  # of the wallet: the sign of `funding` beside it has been documented both ways
    transactionTime: int


class _Margin(Struct):
    marginMode: str


class BybitLinearOrders(BybitAccount):
    """A unified account trading USDT perpetuals, one-way, on margin; sizes are in base at the venue, too."""

    abilities = Abilities(kinds=frozenset(OrderKind), reduce_only=True, amend=True, moves=True, expiry=True)

    def __init__(self, config: OrderSettings, credential: Key, budgets: Budgets) -> None:
        super().__init__("bybit_linear", "linear", _SETTLE, config, credential, budgets)
        self._config = config
        stream = BybitStreamDialect(config, credential, self.now_ms, self.venue, self.category, _SETTLE)
        self.stream = StreamLine(stream) if config.order_stream else None

    def wire(self, order: OrderRequest) -> dict[str, Any]:
        params = super().wire(order) | {"positionIdx": 0}
        if order.kind is OrderKind.MARKET:
            params |= {"orderType": "Market", "timeInForce": "IOC"}
            del params["price"]
        if order.reduce_only:
            params["reduceOnly"] = True
        return params

    async def balances(self) -> Sequence[Balance]:
        return [balance for balance in map(self._balance, await self.coins()) if balance.total]

    async def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        found = []
        for symbol in symbols:
            markets = await standing.market(self.client, symbol, Result[Page[_Market]], self.category)
            if markets is not None and markets.result.list and markets.result.list[0].settleCoin == _SETTLE:
                found.append(self._instrument(markets.result.list[0], await self.rate(symbol)))
        return found

    async def prepare(self, symbols: Sequence[str], leverage: int) -> None:
        """Cross margin, one-way mode, this leverage; what already is so is left. Raises VenueRefused where positions
        or open orders forbid it."""
        told = await self.client.ask(Purpose.READ, "GET", "v5/account/info", {}, Result[_Margin])
        if told.result.marginMode != _CROSS:
            await self._set("v5/account/set-margin-mode", {"setMarginMode": _CROSS})
        mode = {"category": self.category, "coin": _SETTLE, "mode": 0}
        await self._set("v5/position/switch-mode", mode, _MODE_AS_IS)
        for symbol in symbols:
            both = {"buyLeverage": str(leverage), "sellLeverage": str(leverage)}
            params = {"category": self.category, "symbol": symbol, **both}
            await self._set("v5/position/set-leverage", params, _LEVERAGE_AS_IS)

    async def positions(self) -> Sequence[Position]:
        params: dict[str, Any] = {"category": self.category, "settleCoin": _SETTLE, "limit": _POSITIONS_PAGE}
        rows = await self.pages(Purpose.READ, "v5/position/list", params, _Position)
        return [position for position in map(self._position, rows) if position.qty]

    async def funding_since(self, at_ms: int) -> Sequence[FundingPaid]:
        """Week by week: the venue's log answers no longer stretch, and keeps two years."""
        now_ms = self.now_ms()
        start_ms = max(at_ms, now_ms - _LOG_KEPT_MS)
        asked = {"accountType": "UNIFIED", "category": self.category, "currency": _SETTLE, "type": "SETTLEMENT"}
        found: list[FundingPaid] = []
        while start_ms <= now_ms:
            params: dict[str, Any] = {**asked, "startTime": start_ms, "endTime": start_ms + _LOG_SPAN_MS - 1}
            params["limit"] = _LOG_PAGE
            rows = await self.pages(Purpose.READ, "v5/account/transaction-log", params, _Entry)
            found += [self._paid(row) for row in rows]
            start_ms += _LOG_SPAN_MS
        return sorted(found, key=lambda paid: (paid.at_ms, paid.id))

    async def _set(self, path: str, params: dict[str, Any], as_is: str = "") -> None:
        """Raises VenueRefused, but for the code that says that it is so already."""
        try:
            await self.client.ask(Purpose.READ, "POST", path, params, dict[str, Any])
        except VenueRefused as error:
            if error.code != as_is:
                raise

    def _balance(self, row: Coin) -> Balance:
        """Free is what may become margin now: unrealised losses count against it, unrealised gains not."""
        total, equity = number(self.venue, row.walletBalance), number(self.venue, row.equity or row.walletBalance)
        bound = (row.locked, row.totalOrderIM, row.totalPositionIM)
        free = min(total, equity) - sum((number(self.venue, each) for each in bound), ZERO)
        return Balance(row.coin, max(free, ZERO), total)

    def _position(self, row: _Position) -> Position:
        size, liquidation = number(self.venue, row.size), number(self.venue, row.liqPrice)
        if row.positionIdx and size:
            raise VenueUnavailable(f"{self.venue}: {row.symbol} is held in hedge mode, where it has two sides")
        return Position(
            symbol=row.symbol,
            qty=-size if row.side == "Sell" else size,
            entry=number(self.venue, row.avgPrice),
            mark=number(self.venue, row.markPrice),
            margin=number(self.venue, row.positionIM),
            liquidation=liquidation or None,
        )

    def _paid(self, row: _Entry) -> FundingPaid:
        amount = number(self.venue, row.change)
        return FundingPaid(id=row.id, symbol=row.symbol, asset=row.currency, amount=amount, at_ms=row.transactionTime)

    def _instrument(self, market: _Market, rate: Rate) -> Instrument:
        lot = market.lotSizeFilter
        return Instrument(
            venue=self.venue,
            symbol=market.symbol,
            base=market.baseCoin,
            quote=market.quoteCoin,
            ticks=(TickBand(ZERO, market.priceFilter.tickSize),),
            qty_step=lot.qtyStep,
            min_qty=lot.minOrderQty,
            min_notional=number(self.venue, lot.minNotionalValue) or self._config.min_notional,
            maker_fee_bps=bps(rate.makerFeeRate),
            taker_fee_bps=bps(rate.takerFeeRate),
            fee_side=self._config.fee_side,
            source="venue",
            fee_source="account",
            as_of_ms=wall_ms(),
            product=Product.PERP,
        )
