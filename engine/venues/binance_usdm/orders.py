"""Orders and positions on Binance's USDT perpetuals: REST under /fapi, HMAC or Ed25519, `newClientOrderId`.

One account in one-way mode with cross margin; sizes are in base at the venue, too. Source: Binance USD-M Futures API.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from engine.domain.errors import OrderNotFound, VenueRefused, VenueUnavailable
from engine.domain.market import Balance, Instrument, MarketWarning, Product, Wallet
from engine.domain.money import ZERO, TickBand
from engine.domain.order import Abilities, OrderKind, OrderReport, OrderRequest, OrderStatus, Side, TimeInForce
from engine.domain.position import FundingPaid, Position
from engine.venues.binance.order_socket import USDM, BinanceOrderDialect
from engine.venues.binance_usdm import private
from engine.venues.binance_usdm.order_stream import BinanceUsdmStream
from engine.venues.binance_usdm.private import DIALECT, ENDED, V3, Exchange
from engine.venues.binance_usdm.stops import WHOLE_LIST_PRICE, Stops, told
from engine.venues.ccxt_orders import CcxtClient, options, plain, wall_ms
from engine.venues.purse import Purpose
from engine.venues.reports import acknowledged, fees_of, settled
from engine.venues.settings import Key, OrderSettings
from engine.venues.socket_line import SocketLine
from engine.venues.verdict import Budgets

_MAX_RECV_WINDOW_MS = 60_000
_TRADES_PAGE, _INCOME_PAGE, _ORDERS_PAGE = 1_000, 1_000, 1_000
_ORDERS_PRICE = 5  # allOrders weighs 5, an order's own query 1
_BPS_PER_ONE = 10_000
_NO_END_MS = 4_000_000_000_000  # a delivery date beyond it says that a perpetual has no end
_MARGIN_TYPE_AS_IS, _MODE_AS_IS = "-4046", "-4059"


class BinanceUsdmOrders:
    """Orders, Margined, Conditional and DeadMan. The venue takes its fee from the wallet, or in BNB."""

    venue = "binance_usdm"
    abilities = Abilities(
        kinds=frozenset(OrderKind),
        reduce_only=True,
        amend=True,
        moves=True,
        countdown=True,
        expiry=True,
    )

    def __init__(self, config: OrderSettings, credential: Key, budgets: Budgets) -> None:
        # After `timestamp + recvWindow` the venue drops the request by itself.
        recv_window_ms = min(config.order_timeout_ms, _MAX_RECV_WINDOW_MS)
        self.late_acceptance_ms = recv_window_ms + config.settle_margin_ms
        settings = options(credential.key, credential.secret, config.order_timeout_ms)
        settings["options"]["recvWindow"] = recv_window_ms
        self._exchange = Exchange(settings)
        self.line = _line(config, credential, recv_window_ms) if config.order_path == "native" else None
        self._client = CcxtClient(self.venue, self._exchange, config.rest_base, DIALECT, budgets, self.line)
        self._stops = Stops(self.venue, self._client)
        self._config = config
        self.stream = BinanceUsdmStream(config.ws_base, self._client) if config.order_stream else None

    async def place(self, order: OrderRequest) -> OrderReport:
        self.abilities.check(order)
        if order.kind is OrderKind.STOP_LOSS:
            return await self._stops.place(order)
        params: dict[str, Any] = {
            "symbol": order.symbol,
            "side": order.side.value.upper(),
            "type": "LIMIT",
            "timeInForce": "GTX" if order.tif is TimeInForce.POST_ONLY else order.tif.value.upper(),
            "quantity": plain(order.qty),
            "price": plain(order.price),
            "newClientOrderId": order.cid,
            "newOrderRespType": "RESULT",
        }
        if order.kind is OrderKind.MARKET:
            params["type"] = "MARKET"
            del params["timeInForce"], params["price"]
        if order.reduce_only:
            params["reduceOnly"] = "true"
        row = await self._client.place(order, "order", params, private.Order)
        if row.status in ENDED and not row.executedQty:
            return self._told(row, order.cid, [])
        # What it traded is in this answer, its fees are not: a look-up brings both.
        return acknowledged(order, str(row.orderId), row.updateTime)

    async def amend(self, symbol: str, cid: str, venue_order_id: str, qty: Decimal, price: Decimal) -> None:
        """The venue wants the side, too, so the order is asked for first. A size no larger than what is filled, and a
        price at which a post-only order would take, cancel it."""
        found = {"symbol": symbol, "origClientOrderId": cid}
        row = await self._client.ask(Purpose.CANCEL, "GET", "order", found, private.Order)
        params = {**found, "side": row.side, "quantity": plain(qty), "price": plain(price)}
        await self._client.ask(Purpose.CANCEL, "PUT", "order", params, dict[str, Any])

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> None:
        params = {"symbol": symbol, "origClientOrderId": cid}
        await self._client.ask(Purpose.CANCEL, "DELETE", "order", params, dict[str, Any])

    async def cancel_stop(self, symbol: str, cid: str, venue_order_id: str) -> None:
        if made := await self._stops.cancel(cid):
            params = {"symbol": symbol, "orderId": made}
            await self._client.ask(Purpose.CANCEL, "DELETE", "order", params, dict[str, Any])

    async def look_up(self, symbol: str, cid: str) -> OrderReport:
        """By client id, else among the newest of its market: trades name no client id."""
        row = await self._find(symbol, {"origClientOrderId": cid}, lambda row: row.clientOrderId == cid)
        return self._told(row, cid, await self._fills(row, Purpose.LOOK_UP))

    async def look_up_stop(self, symbol: str, cid: str) -> OrderReport:
        """The stop, or the order that it names; a stop that nobody knows may have made one under its own id."""
        stop = await self._stops.find(symbol, cid)
        if stop is None:
            return await self.look_up(symbol, cid)
        if not (made := stop.made):
            return told(stop, self.venue)
        try:
            row = await self._find(symbol, {"orderId": made}, lambda row: str(row.orderId) == made)
        except OrderNotFound as error:
            if stop.made_nothing(int(self._exchange.nonce())):
                return told(stop, self.venue)
            raise VenueUnavailable(f"{self.venue}: {cid} has gone off and order {made} is not shown yet") from error
        return self._told(row, cid, await self._fills(row, Purpose.LOOK_UP))

    async def open_orders(self) -> Sequence[OrderReport]:
        asked: dict[str, Any] = {}
        rows = await self._client.ask(
            Purpose.READ, "GET", "openOrders", asked, list[private.Order], price=WHOLE_LIST_PRICE
        )
        return [self._told(row, row.clientOrderId, await self._fills(row, Purpose.READ)) for row in rows]

    async def waiting_stops(self) -> Sequence[OrderReport]:
        return await self._stops.waiting()

    async def balances(self) -> Sequence[Balance]:
        rows = await self._client.ask(Purpose.READ, "GET", "balance", {}, list[private.Balance], V3)
        return [Balance(row.asset, row.availableBalance, row.balance) for row in rows if row.balance]

    async def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        found = []
        for row in await self._markets(symbols):
            if row.contractType == "PERPETUAL" and row.marginAsset == row.quoteAsset:
                asked = {"symbol": row.symbol}
                fees = await self._client.ask(Purpose.READ, "GET", "commissionRate", asked, private.Commission)
                found.append(self._instrument(row, fees))
        return found

    async def wallets(self, assets: Sequence[str]) -> Sequence[Wallet]:
        """Nothing is deposited here: money comes by a transfer from the spot account."""
        return ()

    async def warnings(self, symbols: Sequence[str]) -> Sequence[MarketWarning]:
        """Markets that are halted or gone, and those whose end has a date."""
        known = {row.symbol: row for row in await self._markets(symbols)}
        dated = [
            MarketWarning(symbol=symbol, kind="delisting", text="deliveryDate", at_ms=row.deliveryDate)
            for symbol, row in known.items()
            if row.deliveryDate < _NO_END_MS
        ]
        status = {symbol: known[symbol].status if symbol in known else "not listed any more" for symbol in symbols}
        halted = [
            MarketWarning(symbol=symbol, kind="suspended", text=text)
            for symbol, text in status.items()
            if text != "TRADING"
        ]
        return dated + halted

    async def prepare(self, symbols: Sequence[str], leverage: int) -> None:
        """Only what differs is changed: the venue refuses the rest while orders or positions are open."""
        mode = await self._client.ask(Purpose.READ, "GET", "positionSide/dual", {}, private.Mode)
        if mode.dualSidePosition:
            await self._set("positionSide/dual", {"dualSidePosition": "false"}, _MODE_AS_IS)
        rows = await self._client.ask(Purpose.READ, "GET", "symbolConfig", {}, list[private.SymbolConfig])
        known = {row.symbol: row for row in rows}
        for symbol in symbols:
            row = known.get(symbol)
            if row is None or row.marginType != "CROSSED":
                await self._set("marginType", {"symbol": symbol, "marginType": "CROSSED"}, _MARGIN_TYPE_AS_IS)
            if row is None or row.leverage != leverage:
                await self._set("leverage", {"symbol": symbol, "leverage": leverage})

    async def positions(self) -> Sequence[Position]:
        """Raises VenueRefused for an account in hedge mode: its two sides are no one position."""
        rows = await self._client.ask(Purpose.READ, "GET", "positionRisk", {}, list[private.Position], V3)
        held = [row for row in rows if row.positionAmt]
        for row in held:
            if row.positionSide != "BOTH":
                raise VenueRefused("hedge_mode", f"{self.venue}: {row.symbol} is held by side: one-way mode is needed")
        return [
            Position(
                symbol=row.symbol,
                qty=row.positionAmt,
                entry=row.entryPrice,
                mark=row.markPrice,
                margin=row.initialMargin,
                liquidation=row.liquidationPrice if row.liquidationPrice > 0 else None,
            )
            for row in held
        ]

    async def funding_since(self, at_ms: int) -> Sequence[FundingPaid]:
        """Three months back at most, page by page from the oldest."""
        params: dict[str, Any] = {"incomeType": "FUNDING_FEE", "startTime": at_ms, "limit": _INCOME_PAGE}
        rows: dict[int, private.Income] = {}
        for number in range(1, 1_000):
            asked = {**params, "page": number}
            page = await self._client.ask(Purpose.READ, "GET", "income", asked, list[private.Income])
            rows |= {row.tranId: row for row in page}
            if len(page) < _INCOME_PAGE:
                break
        paid = [
            FundingPaid(id=str(row.tranId), symbol=row.symbol, asset=row.asset, amount=row.income, at_ms=row.time)
            for row in rows.values()
        ]
        return sorted(paid, key=lambda each: (each.at_ms, int(each.id)))

    async def arm(self, timeout_s: int) -> None:
        """Each symbol has a countdown of its own: those of the configuration are set, one after the other."""
        for symbol in self._config.symbols:
            params = {"symbol": symbol, "countdownTime": timeout_s * 1_000}
            await self._client.ask(Purpose.CANCEL, "POST", "countdownCancelAll", params, dict[str, Any])

    async def server_time_ms(self) -> int:
        sent_ms = wall_ms()
        time = await self._client.ask(Purpose.READ, "GET", "time", {}, private.Time, access="public")
        received_ms = wall_ms()
        # Signed timestamps follow the venue's clock, never ahead of it: recvWindow then ends no later than we count.
        self._exchange.options["timeDifference"] = received_ms - time.serverTime
        return time.serverTime + (received_ms - sent_ms) // 2

    async def warm(self) -> None:
        """Connect, learn the venue's clock and prove the key before the first order. Raises VenueRefused."""
        await self.server_time_ms()  # pays for the connection, so that the second reading is a sharp one
        await self.server_time_ms()
        await self.balances()

    async def close(self) -> None:
        await self._client.close()

    async def _set(self, path: str, params: dict[str, Any], as_is: str = "") -> None:
        """Change a setting; `as_is` is the refusal that says it was so before."""
        try:
            await self._client.ask(Purpose.READ, "POST", path, params, dict[str, Any])
        except VenueRefused as error:
            if error.code != as_is:
                raise

    async def _markets(self, symbols: Sequence[str]) -> list[private.Symbol]:
        """The venue tells of all markets or of none."""
        info = await self._client.ask(Purpose.READ, "GET", "exchangeInfo", {}, private.ExchangeInfo, "public")
        return [row for row in info.symbols if row.symbol in symbols]

    async def _find(self, symbol: str, by: dict[str, str], is_it: Callable[[private.Order], bool]) -> private.Order:
        """By its id, else among the newest of its market. Raises OrderNotFound where both say no."""
        try:
            return await self._client.ask(Purpose.LOOK_UP, "GET", "order", {"symbol": symbol, **by}, private.Order)
        except OrderNotFound:
            asked = {"symbol": symbol, "limit": _ORDERS_PAGE}
            newest = reversed(await self._client.ended("allOrders", asked, list[private.Order], _ORDERS_PRICE))
            found = next((each for each in newest if is_it(each)), None)
            if found is None:
                raise
            return found

    async def _fills(self, row: private.Order, purpose: Purpose) -> list[private.Fill]:
        """Every fill of the order, with its fee. Raises VenueUnavailable while they do not add up to it."""
        fills: list[private.Fill] = []
        params: dict[str, Any] = {"symbol": row.symbol, "orderId": row.orderId, "limit": _TRADES_PAGE}
        while row.executedQty:
            page = await self._client.ask(purpose, "GET", "userTrades", params, list[private.Fill])
            fills += page
            if len(page) < _TRADES_PAGE:
                break
            params["fromId"] = page[-1].id + 1
        settled(self.venue, str(row.orderId), row.executedQty, sum((fill.qty for fill in fills), ZERO))
        return fills

    def _told(self, row: private.Order, cid: str, fills: Sequence[private.Fill]) -> OrderReport:
        return OrderReport(
            cid=cid,
            venue=self.venue,
            symbol=row.symbol,
            side=Side(row.side.lower()),
            status=ENDED.get(row.status, OrderStatus.OPEN),
            venue_order_id=str(row.orderId),
            filled_qty=row.executedQty,
            filled_quote=row.cumQuote,
            fees=fees_of((fill.commissionAsset, fill.commission) for fill in fills),
            venue_ts_ms=row.updateTime,
        )

    def _instrument(self, row: private.Symbol, fees: private.Commission) -> Instrument:
        rules = {rule.filterType: rule for rule in row.filters}
        if not {"PRICE_FILTER", "LOT_SIZE"} <= rules.keys():
            raise VenueUnavailable(f"{self.venue}: exchangeInfo of {row.symbol} lacks its price or lot rule")
        lot, notional = rules["LOT_SIZE"], rules.get("MIN_NOTIONAL")
        return Instrument(
            venue=self.venue,
            symbol=row.symbol,
            base=row.baseAsset,
            quote=row.quoteAsset,
            ticks=(TickBand(ZERO, rules["PRICE_FILTER"].tickSize.normalize()),),
            qty_step=lot.stepSize.normalize(),
            min_qty=lot.minQty.normalize(),
            min_notional=notional.notional if notional else self._config.min_notional,
            maker_fee_bps=(fees.makerCommissionRate * _BPS_PER_ONE).normalize(),
            taker_fee_bps=(fees.takerCommissionRate * _BPS_PER_ONE).normalize(),
            fee_side=self._config.fee_side,
            source="venue",
            fee_source="account",
            as_of_ms=wall_ms(),
            product=Product.PERP,
        )


def _line(config: OrderSettings, credential: Key, recv_window_ms: int) -> SocketLine:
    dialect = BinanceOrderDialect(config, credential, recv_window_ms, USDM)
    return SocketLine(dialect, config.order_timeout_ms / 1000)
