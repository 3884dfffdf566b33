"""Orders on Bitget spot: REST v2 of a classic account, HMAC, `clientOid`. Source: Bitget API v2, Spot Trade."""

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, Generic, TypeVar

from ccxt.async_support.bitget import bitget  # type: ignore[import-untyped]
from msgspec import Struct

from engine.domain.errors import OrderNotFound, VenueRefused
from engine.domain.market import Balance, Instrument, MarketWarning, Wallet
from engine.domain.money import ZERO, TickBand, floor_to
from engine.domain.order import Abilities, OrderKind, OrderReport, OrderRequest, OrderStatus, Side, TimeInForce
from engine.venues.bitget import standing
from engine.venues.ccxt_orders import CcxtClient, Hooked, Purpose, options, plain, wall_ms
from engine.venues.reports import acknowledged, fees_of, number, settled
from engine.venues.settings import Key, OrderSettings
from engine.venues.verdict import Answer, Budgets, Dialect, retry_after_s

T = TypeVar("T")

_PAGE = 100
_CENT = Decimal("0.01")
_BPS_PER_ONE = 10_000
_FORCES = {
    TimeInForce.GTC: "gtc",
    TimeInForce.IOC: "ioc",
    TimeInForce.FOK: "fok",
    TimeInForce.POST_ONLY: "post_only",
}


class _Exchange(Hooked, bitget):  # type: ignore[misc]
    """ccxt keeps an address per product, all of one host."""

    def sign(self, path: str, api: Any, method: str = "GET", params: Any = None) -> Any:
        return super().sign(path, [api[0], "spot"], method, {} if params is None else params)


class _State(StrEnum):
    INIT = "init"
    LIVE = "live"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"


_STATUS = {_State.FILLED: OrderStatus.FILLED, _State.CANCELLED: OrderStatus.CANCELLED}


class _Data(Struct, Generic[T]):
    data: T


class _Placed(Struct):
    orderId: str


class _Order(Struct):
    symbol: str
    orderId: str
    clientOid: str
    side: str
    status: _State
    baseVolume: str  # number fields may be empty text
    quoteVolume: str
    uTime: int


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


class _Market(Struct):
    symbol: str
    baseCoin: str
    quoteCoin: str
    pricePrecision: int
    quantityPrecision: int
    minTradeAmount: str = ""
    minTradeUSDT: str = ""


class _Rate(Struct):
    makerFeeRate: Decimal
    takerFeeRate: Decimal


class _Time(Struct):
    serverTime: int


def _error_of(body: Any) -> tuple[str, str] | None:
    code = str(body.get("code", "00000")) if isinstance(body, dict) else "00000"
    return None if code == "00000" else (code, str(body.get("msg", "")))


def _obey(answer: Answer, budgets: Budgets) -> None:
    """`x-mbx-used-remain-limit`: calls left of this second. Which endpoint is not said: reads rest."""
    if answer.headers.get("x-mbx-used-remain-limit") == "0":
        budgets.reads.calm(1.0)


_DIALECT = Dialect(
    error_of=_error_of,
    # 40010 is a timeout; 40015, 40725 and 45001 are its own trouble.
    unknown=frozenset({"40010", "40015", "40200", "40725", "45001"}),
    limited=frozenset({"429", "30007"}),
    not_found=frozenset({"40109", "40768", "43001"}),
    duplicate=("40786", "43118", "uplicate"),
    wait_s=lambda answer: retry_after_s(answer, 1.0),  # windows are a second long
    obey=_obey,
)


class BitgetOrders:
    """One classic spot account. The venue takes its fee from what is received.

    Its countdown stands in the unified account's API alone, and requests have no expiry: what is late is bounded by
    what has been seen (reliability.md §3.2).
    """

    abilities = Abilities(kinds=frozenset({OrderKind.LIMIT, OrderKind.MARKET}))

    def __init__(self, config: OrderSettings, credential: Key, budgets: Budgets) -> None:
        self.venue = "bitget"
        self.late_acceptance_ms = config.late_acceptance_ms + config.settle_margin_ms
        settings = options(credential.key, credential.secret, config.order_timeout_ms, credential.passphrase)
        self._exchange = _Exchange(settings)
        self._client = CcxtClient(self.venue, self._exchange, config.rest_base, _DIALECT, budgets)
        self._config = config

    async def place(self, order: OrderRequest) -> OrderReport:
        self.abilities.check(order)
        params = {
            "symbol": order.symbol,
            "side": order.side.value,
            "orderType": "limit",
            "force": _FORCES[order.tif],
            "price": plain(order.price),
            "size": plain(order.qty),
            "clientOid": order.cid,
        }
        if order.kind is OrderKind.MARKET:
            params["orderType"] = "market"
            del params["price"], params["force"]
            if order.side is Side.BUY:  # by amount: never more than was reserved
                params["size"] = plain(floor_to(order.qty * order.price, _CENT))
        answer = await self._client.place(order, "v2/spot/trade/place-order", params, _Data[_Placed])
        return acknowledged(order, answer.data.orderId)

    async def amend(self, symbol: str, cid: str, venue_order_id: str, qty: Decimal, price: Decimal) -> None:
        raise VenueRefused("unsupported", "bitget: open orders are not changed here, but cancelled and placed anew")

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> None:
        params = {"symbol": symbol, "clientOid": cid}
        await self._client.ask(Purpose.CANCEL, "POST", "v2/spot/trade/cancel-order", params, dict[str, Any])

    async def look_up(self, symbol: str, cid: str) -> OrderReport:
        """By client id, else among the newest that have ended: its fills name no client id."""
        try:
            return await self._report((await self._info(cid)), cid, Purpose.LOOK_UP)
        except OrderNotFound:
            params = {"symbol": symbol, "limit": _PAGE}
            path = "v2/spot/trade/history-orders"
            ended = await self._client.ask(Purpose.LOOK_UP, "GET", path, params, _Data[list[_Order]])
            for row in ended.data:
                if row.clientOid == cid:
                    return await self._report(row, cid, Purpose.LOOK_UP)
            raise

    async def open_orders(self) -> Sequence[OrderReport]:
        path = "v2/spot/trade/unfilled-orders"
        params: dict[str, Any] = {"limit": _PAGE}
        rows: list[_Order] = []
        while True:
            page = (await self._client.ask(Purpose.READ, "GET", path, params, _Data[list[_Order]])).data
            rows += page
            if len(page) < _PAGE:
                return [await self._report(row, row.clientOid, Purpose.READ) for row in rows]
            params = {"limit": _PAGE, "idLessThan": page[-1].orderId}

    async def balances(self) -> Sequence[Balance]:
        path = "v2/spot/account/assets"
        answer = await self._client.ask(Purpose.READ, "GET", path, {}, _Data[list[_Asset]])
        found = [Balance(row.coin, row.available, row.available + row.frozen + row.locked) for row in answer.data]
        return [balance for balance in found if balance.total]

    async def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        found = []
        for symbol in symbols:
            market = await standing.market(self._client, symbol, _Market)
            if market is not None:
                asked = {"symbol": symbol, "businessType": "spot"}
                rates = await self._client.ask(Purpose.READ, "GET", "v2/common/trade-rate", asked, _Data[_Rate])
                found.append(self._instrument(market, rates.data))
        return found

    async def wallets(self, assets: Sequence[str]) -> Sequence[Wallet]:
        return await standing.wallets(self._client, assets)

    async def warnings(self, symbols: Sequence[str]) -> Sequence[MarketWarning]:
        return await standing.warnings(self._client, symbols)

    async def server_time_ms(self) -> int:
        sent_ms = wall_ms()
        answer = await self._client.ask(Purpose.READ, "GET", "v2/public/time", {}, _Data[_Time], "public")
        received_ms = wall_ms()
        self._exchange.options["timeDifference"] = received_ms - answer.data.serverTime
        return answer.data.serverTime + (received_ms - sent_ms) // 2

    async def warm(self) -> None:
        """Connect, learn the venue's clock and prove the key before the first order. Raises VenueRefused."""
        await self.server_time_ms()
        await self.balances()

    async def close(self) -> None:
        await self._client.close()

    async def _info(self, cid: str) -> _Order:
        """Raises OrderNotFound; a list without rows says the same."""
        path, params = "v2/spot/trade/orderInfo", {"clientOid": cid}
        answer = await self._client.ask(Purpose.LOOK_UP, "GET", path, params, _Data[list[_Order]])
        if not answer.data:
            raise OrderNotFound(f"bitget: no order of {cid}")
        return answer.data[0]

    async def _report(self, row: _Order, cid: str, purpose: Purpose) -> OrderReport:
        executed = number(self.venue, row.baseVolume)
        fills = await self._fills(row, purpose) if executed else []
        settled(self.venue, row.orderId, executed, sum((fill.size for fill in fills), ZERO))
        return OrderReport(
            cid=cid,
            venue=self.venue,
            symbol=row.symbol,
            side=Side(row.side),
            status=_STATUS.get(row.status, OrderStatus.OPEN),
            venue_order_id=row.orderId,
            filled_qty=executed,
            filled_quote=number(self.venue, row.quoteVolume),
            fees=fees_of((fill.feeDetail.feeCoin, -fill.feeDetail.totalFee) for fill in fills),
            venue_ts_ms=row.uTime,
        )

    async def _fills(self, row: _Order, purpose: Purpose) -> list[_Fill]:
        params: dict[str, Any] = {"symbol": row.symbol, "orderId": row.orderId, "limit": _PAGE}
        fills: list[_Fill] = []
        while True:
            page = (await self._client.ask(purpose, "GET", "v2/spot/trade/fills", params, _Data[list[_Fill]])).data
            fills += page
            if len(page) < _PAGE:
                return fills
            params["idLessThan"] = page[-1].tradeId

    def _instrument(self, market: _Market, rates: _Rate) -> Instrument:
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
            maker_fee_bps=rates.makerFeeRate * _BPS_PER_ONE,
            taker_fee_bps=rates.takerFeeRate * _BPS_PER_ONE,
            fee_side=self._config.fee_side,
            source="venue",
            fee_source="account",
            as_of_ms=wall_ms(),
        )
