"""Orders on Bybit spot: REST under /v5, HMAC, `orderLinkId`, a window per request. Source: Bybit v5, Trade."""

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, Generic, TypeVar

from ccxt.async_support.bybit import bybit  # type: ignore[import-untyped]
from msgspec import Struct

from engine.domain.errors import OrderNotFound, VenueRefused, VenueUnavailable
from engine.domain.market import Balance, Instrument, Loan, MarketWarning, Wallet
from engine.domain.money import ZERO, TickBand
from engine.domain.order import Abilities, OrderKind, OrderReport, OrderRequest, OrderStatus, Side, TimeInForce
from engine.venues.bybit import standing
from engine.venues.bybit.order_socket import BybitOrderDialect
from engine.venues.ccxt_orders import CcxtClient, Hooked, Purpose, options, plain, wall_ms
from engine.venues.reports import acknowledged, fees_of, number, settled
from engine.venues.settings import Key, OrderSettings
from engine.venues.socket_line import SocketLine
from engine.venues.verdict import Answer, Budgets, Dialect

T = TypeVar("T")

_MAX_RECV_WINDOW_MS = 60_000
_ORDERS_PAGE, _FILLS_PAGE = 50, 100
_IP_BAN_S = 600.0  # an address that asks too much is shut out with HTTP 403 for ten minutes
_LONGEST_CALM_S = 5.0
_BPS_PER_ONE = 10_000
_TIFS = {
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
    TimeInForce.POST_ONLY: "PostOnly",
}


class _Exchange(Hooked, bybit):  # type: ignore[misc]
    pass


class _State(StrEnum):
    NEW = "New"
    CREATED = "Created"
    PARTIALLY_FILLED = "PartiallyFilled"
    UNTRIGGERED = "Untriggered"
    TRIGGERED = "Triggered"
    FILLED = "Filled"
    CANCELLED = "Cancelled"
    PARTIALLY_FILLED_CANCELED = "PartiallyFilledCanceled"
    DEACTIVATED = "Deactivated"
    REJECTED = "Rejected"  # a post-only that would take, too


_STATUS = {
    _State.FILLED: OrderStatus.FILLED,
    _State.CANCELLED: OrderStatus.CANCELLED,
    _State.PARTIALLY_FILLED_CANCELED: OrderStatus.CANCELLED,
    _State.DEACTIVATED: OrderStatus.CANCELLED,
    _State.REJECTED: OrderStatus.CANCELLED,  # accepted first, ended by the venue without a trade
}


class _Result(Struct, Generic[T]):
    result: T


class _Placed(Struct):
    orderId: str


class _Order(Struct):
    symbol: str
    orderId: str
    orderLinkId: str
    side: str
    orderStatus: _State
    cumExecQty: str  # number fields may be empty text
    cumExecValue: str
    updatedTime: int


class _Fill(Struct):
    execQty: Decimal
    execFee: Decimal
    feeCurrency: str


class _Page(Struct, Generic[T]):
    list: list[T]
    nextPageCursor: str = ""


class _Coin(Struct):
    coin: str
    walletBalance: str
    locked: str


class _Account(Struct):
    coin: list[_Coin]


class _Lot(Struct):
    basePrecision: Decimal
    minOrderQty: Decimal
    minOrderAmt: Decimal


class _Prices(Struct):
    tickSize: Decimal


class _Market(Struct):
    symbol: str
    baseCoin: str
    quoteCoin: str
    lotSizeFilter: _Lot
    priceFilter: _Prices


class _Rate(Struct):
    takerFeeRate: Decimal
    makerFeeRate: Decimal


class _Time(Struct):
    timeNano: int


def _error_of(body: Any) -> tuple[str, str] | None:
    """Errors ride in HTTP 200."""
    code = str(body.get("retCode", "0")) if isinstance(body, dict) else "0"
    return None if code == "0" else (code, str(body.get("retMsg", "")))


def _obey(answer: Answer, budgets: Budgets) -> None:
    """`X-Bapi-Limit-Status`: calls left of this endpoint's second. Which endpoint is not said: both budgets rest."""
    if answer.headers.get("x-bapi-limit-status") != "0":
        return
    reset = answer.headers.get("x-bapi-limit-reset-timestamp", "")
    left_s = (int(reset) - wall_ms()) / 1000 if reset.isdecimal() and len(reset) < 16 else 1.0
    for budget in (budgets.orders, budgets.reads):
        budget.calm(min(max(left_s, 0.1), _LONGEST_CALM_S))


def _wait_s(answer: Answer) -> float:
    return _IP_BAN_S if answer.status == 403 else 1.0  # windows are a second long


_DIALECT = Dialect(
    error_of=_error_of,
    # 10000 and 170007 are timeouts behind the door, 170146 says that creating took too long; the rest is its trouble.
    unknown=frozenset(
        {"10000", "10016", "10019", "170001", "170007", "170032", "170035", "170146", "170149", "170234"}
    ),
    limited=frozenset({"10006", "10018", "10403", "10429", "170005", "170222"}),
    not_found=frozenset({"110001", "170213"}),
    duplicate=("170141", "110072", "12141"),
    wait_s=_wait_s,
    obey=_obey,
)


class BybitOrders:
    """A unified account trading spot with its own money. The venue takes its fee from what is received."""

    abilities = Abilities(kinds=frozenset({OrderKind.LIMIT, OrderKind.MARKET}), expiry=True)

    def __init__(self, config: OrderSettings, credential: Key, budgets: Budgets) -> None:
        self.venue = "bybit"
        # After `timestamp + recv_window` of its own clock the venue drops the request.
        recv_window_ms = min(config.order_timeout_ms, _MAX_RECV_WINDOW_MS)
        self.late_acceptance_ms = recv_window_ms + config.settle_margin_ms
        settings = options(credential.key, credential.secret, config.order_timeout_ms)
        settings["options"]["recvWindow"] = recv_window_ms
        self._exchange = _Exchange(settings)
        self.line = _line(config, credential, recv_window_ms) if config.order_path == "native" else None
        self._client = CcxtClient(self.venue, self._exchange, config.rest_base, _DIALECT, budgets, self.line)
        self._config = config

    async def place(self, order: OrderRequest) -> OrderReport:
        self.abilities.check(order)
        params = {
            "category": "spot",
            "symbol": order.symbol,
            "side": order.side.value.capitalize(),
            "orderType": "Limit",
            "qty": plain(order.qty),
            "price": plain(order.price),
            "timeInForce": _TIFS[order.tif],
            "orderLinkId": order.cid,
        }
        if order.kind is OrderKind.MARKET:
            # Without marketUnit the size of a market buy would count the quote asset.
            params |= {"orderType": "Market", "timeInForce": "IOC", "marketUnit": "baseCoin"}
            del params["price"]
        answer = await self._client.place(order, "v5/order/create", params, _Result[_Placed])
        return acknowledged(order, answer.result.orderId)

    async def amend(self, symbol: str, cid: str, venue_order_id: str, qty: Decimal, price: Decimal) -> None:
        raise VenueRefused("unsupported", "bybit: open orders are not changed here, but cancelled and placed anew")

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> None:
        params = {"category": "spot", "symbol": symbol, "orderLinkId": cid}
        await self._client.ask(Purpose.CANCEL, "POST", "v5/order/cancel", params, dict[str, Any])

    async def look_up(self, symbol: str, cid: str) -> OrderReport:
        """Open or ended lately, else in the history; without either, its fills are asked for before it is none."""
        params: dict[str, Any] = {"category": "spot", "symbol": symbol, "orderLinkId": cid}
        for path in ("v5/order/realtime", "v5/order/history"):
            answer = await self._client.ask(Purpose.LOOK_UP, "GET", path, params, _Result[_Page[_Order]])
            if answer.result.list:
                return await self._report(answer.result.list[0], cid, Purpose.LOOK_UP)
        if await self._fills(params, Purpose.LOOK_UP):
            raise VenueUnavailable(f"bybit: {cid} has fills and is not listed yet")
        raise OrderNotFound(f"bybit: no order and no fill of {cid}")

    async def open_orders(self) -> Sequence[OrderReport]:
        params: dict[str, Any] = {"category": "spot", "openOnly": 0, "limit": _ORDERS_PAGE}
        rows = await self._pages(Purpose.READ, "v5/order/realtime", params, _Order)
        return [await self._report(row, row.orderLinkId, Purpose.READ) for row in rows]

    async def balances(self) -> Sequence[Balance]:
        params = {"accountType": "UNIFIED"}
        answer = await self._client.ask(
            Purpose.READ, "GET", "v5/account/wallet-balance", params, _Result[_Page[_Account]]
        )
        found = []
        for row in (coin for account in answer.result.list for coin in account.coin):
            total = number(self.venue, row.walletBalance)
            found.append(Balance(row.coin, total - number(self.venue, row.locked), total))
        return [balance for balance in found if balance.total]

    async def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        found = []
        for symbol in symbols:
            markets = await standing.market(self._client, symbol, _Result[_Page[_Market]])
            if markets is None or not markets.result.list:
                continue
            params = {"category": "spot", "symbol": symbol}
            rates = await self._client.ask(Purpose.READ, "GET", "v5/account/fee-rate", params, _Result[_Page[_Rate]])
            if not rates.result.list:
                raise VenueUnavailable(f"bybit: no fees for {symbol}")
            found.append(self._instrument(markets.result.list[0], rates.result.list[0]))
        return found

    async def wallets(self, assets: Sequence[str]) -> Sequence[Wallet]:
        return await standing.wallets(self._client, assets)

    async def warnings(self, symbols: Sequence[str]) -> Sequence[MarketWarning]:
        return await standing.warnings(self._client, symbols)

    async def loans(self, assets: Sequence[str]) -> Sequence[Loan]:
        return await standing.loans(self._client, assets)

    async def server_time_ms(self) -> int:
        sent_ms = wall_ms()
        answer = await self._client.ask(Purpose.READ, "GET", "v5/market/time", {}, _Result[_Time], "public")
        received_ms, venue_ms = wall_ms(), answer.result.timeNano // 1_000_000
        # Signed timestamps follow the venue's clock, never ahead of it: the window then ends no later than we count.
        self._exchange.options["timeDifference"] = received_ms - venue_ms
        return venue_ms + (received_ms - sent_ms) // 2

    async def warm(self) -> None:
        """Connect, learn the venue's clock and prove the key before the first order. Raises VenueRefused."""
        await self.server_time_ms()  # pays for the connection, so that the second reading is a sharp one
        await self.server_time_ms()
        await self.balances()

    async def close(self) -> None:
        await self._client.close()

    async def _report(self, row: _Order, cid: str, purpose: Purpose) -> OrderReport:
        executed = number(self.venue, row.cumExecQty)
        params: dict[str, Any] = {"category": "spot", "symbol": row.symbol, "orderId": row.orderId}
        fills = await self._fills(params, purpose) if executed else []
        settled(self.venue, row.orderId, executed, sum((fill.execQty for fill in fills), ZERO))
        return OrderReport(
            cid=cid,
            venue=self.venue,
            symbol=row.symbol,
            side=Side(row.side.lower()),
            status=_STATUS.get(row.orderStatus, OrderStatus.OPEN),
            venue_order_id=row.orderId,
            filled_qty=executed,
            filled_quote=number(self.venue, row.cumExecValue),
            fees=fees_of((fill.feeCurrency, fill.execFee) for fill in fills),
            venue_ts_ms=row.updatedTime,
        )

    async def _fills(self, params: dict[str, Any], purpose: Purpose) -> list[_Fill]:
        return await self._pages(purpose, "v5/execution/list", {**params, "limit": _FILLS_PAGE}, _Fill)

    async def _pages(self, purpose: Purpose, path: str, params: dict[str, Any], row: type[T]) -> list[T]:
        rows: list[T] = []
        asked = dict(params)
        while True:
            page = (await self._client.ask(purpose, "GET", path, asked, _Result[_Page[row]])).result  # type: ignore[valid-type]
            rows += page.list
            if not page.nextPageCursor or not page.list:
                return rows
            asked["cursor"] = page.nextPageCursor

    def _instrument(self, market: _Market, rate: _Rate) -> Instrument:
        return Instrument(
            venue=self.venue,
            symbol=market.symbol,
            base=market.baseCoin,
            quote=market.quoteCoin,
            ticks=(TickBand(ZERO, market.priceFilter.tickSize),),
            qty_step=market.lotSizeFilter.basePrecision,
            min_qty=market.lotSizeFilter.minOrderQty,
            min_notional=market.lotSizeFilter.minOrderAmt,
            maker_fee_bps=rate.makerFeeRate * _BPS_PER_ONE,
            taker_fee_bps=rate.takerFeeRate * _BPS_PER_ONE,
            fee_side=self._config.fee_side,
            source="venue",
            fee_source="account",
            as_of_ms=wall_ms(),
        )


def _line(config: OrderSettings, credential: Key, recv_window_ms: int) -> SocketLine:
    dialect = BybitOrderDialect(config, credential, recv_window_ms)
    return SocketLine(dialect, config.order_timeout_ms / 1000)
