"""Orders on Binance spot: REST under /api/v3, HMAC or Ed25519, `newClientOrderId`. Source: binance-spot-api-docs."""

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any

from ccxt.async_support.binance import binance  # type: ignore[import-untyped]
from msgspec import Struct, field

from engine.domain.errors import OrderNotFound, VenueUnavailable
from engine.domain.market import Balance, Instrument, Loan, MarketWarning, Wallet
from engine.domain.money import ZERO, TickBand
from engine.domain.order import Abilities, Fee, OrderKind, OrderReport, OrderRequest, OrderStatus, Side, TimeInForce
from engine.venues.binance import standing
from engine.venues.binance.order_socket import BinanceOrderDialect
from engine.venues.binance.order_stream import BinanceStreamDialect
from engine.venues.ccxt_orders import CcxtClient, Hooked, options, plain, wall_ms
from engine.venues.order_stream import StreamLine
from engine.venues.purse import Purpose
from engine.venues.settings import Key, OrderSettings
from engine.venues.socket_line import SocketLine
from engine.venues.verdict import Answer, Budgets, Dialect, retry_after_s

_WEIGHT_PER_MINUTE = 6_000
_ORDERS_PER_10_S = 100
_NEARLY = Decimal("0.9")  # from here on only urgent calls go out until the venue's window ends
_MAX_RECV_WINDOW_MS = 60_000
_TRADES_PAGE, _ORDERS_PAGE = 1_000, 1_000
_ORDERS_PRICE = 5  # allOrders weighs 20, an order's own query 4
_BPS_PER_ONE = 10_000
_ABILITIES = Abilities(kinds=frozenset(OrderKind), amend=True, expiry=True, holds_stops=True)


class _Exchange(Hooked, binance):  # type: ignore[misc]
    pass


class _State(StrEnum):
    NEW = "NEW"
    PENDING_NEW = "PENDING_NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    PENDING_CANCEL = "PENDING_CANCEL"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"  # an IOC or FOK remainder
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"  # self-trade prevention
    REJECTED = "REJECTED"


_STATUS = {
    _State.FILLED: OrderStatus.FILLED,
    _State.CANCELED: OrderStatus.CANCELLED,
    _State.EXPIRED: OrderStatus.CANCELLED,
    _State.EXPIRED_IN_MATCH: OrderStatus.CANCELLED,
    _State.REJECTED: OrderStatus.REJECTED,
}


class _Fill(Struct):
    """A fill of a placement's answer or a row of myTrades."""

    price: Decimal
    qty: Decimal
    commission: Decimal
    commissionAsset: str
    quoteQty: Decimal | None = None
    id: int = 0


class _Order(Struct):
    symbol: str
    orderId: int
    clientOrderId: str
    executedQty: Decimal
    cummulativeQuoteQty: Decimal
    status: _State
    side: str
    transactTime: int = 0
    updateTime: int = 0
    fills: list[_Fill] = []


class _Balance(Struct):
    asset: str
    free: Decimal
    locked: Decimal


class _Account(Struct):
    balances: list[_Balance]


class _Filter(Struct):
    filterType: str
    tickSize: Decimal = ZERO
    stepSize: Decimal = ZERO
    minQty: Decimal = ZERO
    minNotional: Decimal = ZERO


class _Symbol(Struct):
    symbol: str
    baseAsset: str
    quoteAsset: str
    filters: list[_Filter]


class _ExchangeInfo(Struct):
    symbols: list[_Symbol]


class _Rates(Struct):
    maker: Decimal = ZERO
    taker: Decimal = ZERO
    buyer: Decimal = ZERO
    seller: Decimal = ZERO


class _Commission(Struct):
    """Rates before any discount: with the BNB discount on, the fee is lower and in BNB while the account holds some."""

    standardCommission: _Rates
    taxCommission: _Rates = field(default_factory=_Rates)
    specialCommission: _Rates = field(default_factory=_Rates)


class _Time(Struct):
    serverTime: int


def _error_of(body: Any) -> tuple[str, str] | None:
    if not isinstance(body, dict) or "code" not in body or "msg" not in body:
        return None
    return str(body["code"]), str(body["msg"])


def _obey(answer: Answer, budgets: Budgets) -> None:
    if _count(answer, "x-mbx-used-weight-1m") >= _WEIGHT_PER_MINUTE * _NEARLY:
        left_s = 60 - wall_ms() % 60_000 / 1000
        budgets.reads.calm(left_s)
        budgets.orders.calm(left_s)
    if _count(answer, "x-mbx-order-count-10s") >= _ORDERS_PER_10_S:
        budgets.orders.calm(10 - wall_ms() % 10_000 / 1000)  # cancels do not count there


def _count(answer: Answer, header: str) -> int:
    text = answer.headers.get(header, "")
    return int(text) if text.isdecimal() and len(text) < 10 else 0


_DIALECT = Dialect(
    error_of=_error_of,
    # -1006 and -1007 say so themselves; -1000, -1001, -1004, -1008 and -1016 are the server's own trouble.
    unknown=frozenset({"-1000", "-1001", "-1004", "-1006", "-1007", "-1008", "-1016"}),
    limited=frozenset({"-1003", "-1015"}),
    refused=frozenset({"-2015"}),  # ccxt takes a bad key for a ban once a key has worked
    not_found=frozenset({"-2013"}),
    about_rules=("PRICE_FILTER", "LOT_SIZE", "NOTIONAL"),
    duplicate=("Duplicate order sent",),
    wait_s=lambda answer: retry_after_s(answer, 120.0 if answer.status == 418 else 10.0),
    obey=_obey,
)


class BinanceOrders:
    """One spot account. The venue takes its fee from what is received, or in BNB."""

    def __init__(self, config: OrderSettings, credential: Key, budgets: Budgets) -> None:
        self.venue = "binance"
        self.abilities = _ABILITIES
        # After `timestamp + recvWindow` the venue drops the request by itself.
        self._recv_window_ms = min(config.order_timeout_ms, _MAX_RECV_WINDOW_MS)
        self.late_acceptance_ms = self._recv_window_ms + config.settle_margin_ms
        settings = options(credential.key, credential.secret, config.order_timeout_ms)
        settings["options"]["recvWindow"] = self._recv_window_ms
        self._exchange = _Exchange(settings)
        self.line = _line(config, credential, self._recv_window_ms) if config.order_path == "native" else None
        self._client = CcxtClient(self.venue, self._exchange, config.rest_base, _DIALECT, budgets, self.line)
        self._config = config
        stream = BinanceStreamDialect(config, credential, self._recv_window_ms, lambda: int(self._exchange.nonce()))
        self.stream = StreamLine(stream) if config.order_stream else None

    async def place(self, order: OrderRequest) -> OrderReport:
        self.abilities.check(order)
        params: dict[str, Any] = {
            "symbol": order.symbol,
            "side": order.side.value.upper(),
            "type": "LIMIT",
            "timeInForce": order.tif.value.upper(),
            "quantity": plain(order.qty),
            "price": plain(order.price),
            "newClientOrderId": order.cid,
            "newOrderRespType": "FULL",
        }
        if order.kind is OrderKind.MARKET:
            params["type"] = "MARKET"  # `quantity` is in the base asset on both sides; `quoteOrderQty` is never sent
            del params["timeInForce"], params["price"]
        elif order.stop_price is not None:
            params |= {"type": "STOP_LOSS_LIMIT", "stopPrice": plain(order.stop_price)}
        elif order.tif is TimeInForce.POST_ONLY:
            params["type"] = "LIMIT_MAKER"
            del params["timeInForce"]
        row = await self._client.place(order, "order", params, _Order)
        if sum((fill.qty for fill in row.fills), ZERO) == row.executedQty:
            return _report(row, order.cid, row.fills)
        # Filled, but the fees are not in this answer: a look-up brings them.
        row.executedQty, row.cummulativeQuoteQty, row.status = ZERO, ZERO, _State.NEW
        return _report(row, order.cid, [])

    async def amend(self, symbol: str, cid: str, venue_order_id: str, qty: Decimal, price: Decimal) -> None:
        """A smaller size alone; the order keeps its client id. The venue refuses a larger one by itself."""
        params = {"symbol": symbol, "origClientOrderId": cid, "newClientOrderId": cid, "newQty": plain(qty)}
        path = "order/amend/keepPriority"
        await self._client.ask(Purpose.CANCEL, "PUT", path, params, dict[str, Any])

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> None:
        params = {"symbol": symbol, "origClientOrderId": cid}
        await self._client.ask(Purpose.CANCEL, "DELETE", "order", params, dict[str, Any])

    async def look_up(self, symbol: str, cid: str) -> OrderReport:
        """By client id, else among the newest of its market: trades name no client id."""
        params = {"symbol": symbol, "origClientOrderId": cid}
        try:
            row = await self._client.ask(Purpose.LOOK_UP, "GET", "order", params, _Order)
        except OrderNotFound:
            asked = {"symbol": symbol, "limit": _ORDERS_PAGE}
            newest = reversed(await self._client.ended("allOrders", asked, list[_Order], _ORDERS_PRICE))
            found = next((each for each in newest if each.clientOrderId == cid), None)
            if found is None:
                raise
            row = found
        return _report(row, cid, await self._fills(row, Purpose.LOOK_UP))

    async def open_orders(self) -> Sequence[OrderReport]:
        rows = await self._client.ask(Purpose.READ, "GET", "openOrders", {}, list[_Order])
        return [_report(row, row.clientOrderId, await self._fills(row, Purpose.READ)) for row in rows]

    async def balances(self) -> Sequence[Balance]:
        params = {"omitZeroBalances": "true"}
        account = await self._client.ask(Purpose.READ, "GET", "account", params, _Account)
        return [Balance(b.asset, b.free, b.free + b.locked) for b in account.balances if b.free + b.locked]

    async def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        told = await standing.exchange_info(self._client, symbols, _ExchangeInfo)
        found = []
        for symbol in (row for info in told for row in info.symbols if row.symbol in symbols):
            fees = await self._client.ask(
                Purpose.READ, "GET", "account/commission", {"symbol": symbol.symbol}, _Commission
            )
            found.append(self._instrument(symbol, fees))
        return found

    async def wallets(self, assets: Sequence[str]) -> Sequence[Wallet]:
        return await standing.wallets(self._client, assets)

    async def warnings(self, symbols: Sequence[str]) -> Sequence[MarketWarning]:
        return await standing.warnings(self._client, symbols)

    async def loans(self, assets: Sequence[str]) -> Sequence[Loan]:
        return await standing.loans(self._client, assets)

    async def server_time_ms(self) -> int:
        sent_ms = wall_ms()
        time = await self._client.ask(Purpose.READ, "GET", "time", {}, _Time, access="public")
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

    async def _fills(self, row: _Order, purpose: Purpose) -> list[_Fill]:
        """Every fill of the order, with its fee. Raises VenueUnavailable while they do not add up to it."""
        fills: list[_Fill] = []
        params: dict[str, Any] = {"symbol": row.symbol, "orderId": row.orderId, "limit": _TRADES_PAGE}
        while row.executedQty:
            page = await self._client.ask(purpose, "GET", "myTrades", params, list[_Fill])
            fills += page
            if len(page) < _TRADES_PAGE:
                break
            params["fromId"] = page[-1].id + 1
        filled = sum((fill.qty for fill in fills), ZERO)
        if filled != row.executedQty:
            raise VenueUnavailable(f"binance: fills of {row.orderId} not settled: {filled} of {row.executedQty}")
        return fills

    def _instrument(self, symbol: _Symbol, fees: _Commission) -> Instrument:
        rules = {rule.filterType: rule for rule in symbol.filters}
        if not {"PRICE_FILTER", "LOT_SIZE"} <= rules.keys():
            raise VenueUnavailable(f"binance: exchangeInfo of {symbol.symbol} lacks its price or lot rule")
        lot = rules["LOT_SIZE"]
        notional = rules.get("NOTIONAL") or rules.get("MIN_NOTIONAL")
        return Instrument(
            venue=self.venue,
            symbol=symbol.symbol,
            base=symbol.baseAsset,
            quote=symbol.quoteAsset,
            ticks=(TickBand(ZERO, rules["PRICE_FILTER"].tickSize.normalize()),),
            qty_step=lot.stepSize.normalize(),
            min_qty=lot.minQty.normalize(),
            min_notional=notional.minNotional.normalize() if notional else self._config.min_notional,
            maker_fee_bps=_total(fees, "maker"),
            taker_fee_bps=_total(fees, "taker"),
            fee_side=self._config.fee_side,
            source="venue",
            fee_source="account",
            as_of_ms=wall_ms(),
        )


def _line(config: OrderSettings, credential: Key, recv_window_ms: int) -> SocketLine:
    dialect = BinanceOrderDialect(config, credential, recv_window_ms)
    return SocketLine(dialect, config.order_timeout_ms / 1000)


def _total(fees: _Commission, role: str) -> Decimal:
    """All parts of the fee in bps; where buyer and seller differ, the dearer one."""
    parts = (fees.standardCommission, fees.taxCommission, fees.specialCommission)
    rate = sum((getattr(part, role) + max(part.buyer, part.seller) for part in parts), ZERO)
    return (rate * _BPS_PER_ONE).normalize()


def _report(row: _Order, cid: str, fills: Sequence[_Fill]) -> OrderReport:
    fees: dict[str, Decimal] = {}
    for fill in fills:
        fees[fill.commissionAsset] = fees.get(fill.commissionAsset, ZERO) + fill.commission
    return OrderReport(
        cid=cid,
        venue="binance",
        symbol=row.symbol,
        side=Side(row.side.lower()),
        status=_STATUS.get(row.status, OrderStatus.OPEN),
        venue_order_id=str(row.orderId),
        filled_qty=row.executedQty,
        filled_quote=row.cummulativeQuoteQty,
        fees=tuple(Fee(asset, amount) for asset, amount in fees.items() if amount),
        venue_ts_ms=row.transactTime or row.updateTime,
    )
