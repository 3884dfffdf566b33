"""Orders on OKX spot: REST under /api/v5, HMAC, `clOrdId`, request expiry. Source: OKX API v5 reference, Trade."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from ccxt.async_support.okx import okx  # type: ignore[import-untyped]
from msgspec import Struct

from engine.domain.errors import OutcomeUnknown, VenueUnavailable
from engine.domain.market import Balance, Instrument, Loan, MarketWarning, Wallet
from engine.domain.money import ZERO, TickBand
from engine.domain.order import Abilities, Fee, OrderKind, OrderReport, OrderRequest, OrderStatus, Side, TimeInForce
from engine.venues.ccxt_orders import CcxtClient, Hooked, Purpose, options, plain, wall_ms
from engine.venues.okx import standing
from engine.venues.okx.order_socket import OkxOrderDialect
from engine.venues.settings import Key, OrderSettings
from engine.venues.socket_line import SocketLine
from engine.venues.verdict import Answer, Budgets, Dialect, retry_after_s

_PAGE = 100
_RECENT_MS = 2 * 86_400_000  # /trade/fills keeps three days, /trade/fills-history three months
_BPS_PER_ONE = 10_000
# Its stops are orders of another kind (order-algo), with ids of their own: the desk holds them.
_ABILITIES = Abilities(kinds=frozenset({OrderKind.LIMIT, OrderKind.MARKET}), amend=True, expiry=True)
_TYPES = {
    TimeInForce.GTC: "limit",
    TimeInForce.IOC: "ioc",
    TimeInForce.FOK: "fok",
    TimeInForce.POST_ONLY: "post_only",
}


class _Exchange(Hooked, okx):  # type: ignore[misc]
    expiry_ms = 0

    def sign(self, path: str, api: Any, method: str = "GET", params: Any = None) -> Any:
        request = super().sign(path, api, method, {} if params is None else params)
        if (method, path) == ("POST", "trade/order"):
            # Past this moment of its own clock the venue drops the order unprocessed.
            request["headers"]["expTime"] = str(self.nonce() + self.expiry_ms)
        return request


class _State(StrEnum):
    LIVE = "live"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    MMP_CANCELED = "mmp_canceled"


_STATUS = {
    _State.LIVE: OrderStatus.OPEN,
    _State.PARTIALLY_FILLED: OrderStatus.OPEN,
    _State.FILLED: OrderStatus.FILLED,
    _State.CANCELED: OrderStatus.CANCELLED,
    _State.MMP_CANCELED: OrderStatus.CANCELLED,
}


class _Placed(Struct):
    ordId: str
    ts: int = 0


class _Placement(Struct):
    data: list[_Placed]


class _Order(Struct):
    instId: str
    ordId: str
    clOrdId: str
    state: _State
    side: str
    accFillSz: str  # number fields may be empty text
    uTime: int


class _Orders(Struct):
    data: list[_Order]


class _Fill(Struct):
    fillSz: Decimal
    fillPx: Decimal
    fee: str  # negative: paid by us
    feeCcy: str
    billId: str


class _Fills(Struct):
    data: list[_Fill]


class _Detail(Struct):
    ccy: str
    availBal: str
    cashBal: str


class _Details(Struct):
    details: list[_Detail]


class _Account(Struct):
    data: list[_Details]


class _Market(Struct):
    instId: str
    baseCcy: str
    quoteCcy: str
    tickSz: Decimal
    lotSz: Decimal
    minSz: Decimal
    instIdCode: int | None = None  # what the order socket calls it


class _Markets(Struct):
    data: list[_Market]


class _Rate(Struct):
    maker: Decimal  # negative: paid by us
    taker: Decimal


class _Rates(Struct):
    data: list[_Rate]


class _Clock(Struct):
    ts: int


class _Time(Struct):
    data: list[_Clock]


def _error_of(body: Any) -> tuple[str, str] | None:
    """The first row's own code where there is one: the outer code then only says that something failed."""
    if not isinstance(body, dict):
        return None
    rows = body.get("data") or []
    first = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
    if first.get("sCode", "0") != "0":
        return str(first["sCode"]), str(first.get("sMsg", ""))
    code = str(body.get("code", "0"))
    return None if code == "0" else (code, str(body.get("msg", "")))


def _obey(answer: Answer, budgets: Budgets) -> None:
    """The venue sends no limit headers."""


_DIALECT = Dialect(
    error_of=_error_of,
    # 50004, 51149 and 51054 are timeouts behind the door; 50001, 50013, 50026 and a socket's 64007 are its own trouble.
    unknown=frozenset({"50001", "50004", "50005", "50013", "50026", "51054", "51149", "64007"}),
    limited=frozenset({"50011", "50040", "50061", "60014"}),
    not_found=frozenset({"51603"}),
    about_rules=("51000 Parameter px", "51020", "51121"),
    duplicate=("51016",),
    wait_s=lambda answer: retry_after_s(answer, 2.0),  # its windows are two seconds long
    obey=_obey,
)


class OkxOrders:
    """One account trading spot with its own money (tdMode cash). The venue takes its fee from what is received."""

    def __init__(self, config: OrderSettings, credential: Key, budgets: Budgets) -> None:
        self.venue = "okx"
        self.abilities = _ABILITIES
        self.late_acceptance_ms = config.order_timeout_ms + config.settle_margin_ms
        settings = options(credential.key, credential.secret, config.order_timeout_ms, credential.passphrase)
        self._exchange = _Exchange(settings)
        self._exchange.expiry_ms = config.order_timeout_ms
        self._order_socket = OkxOrderDialect(config, credential)
        is_native = config.order_path == "native"
        self.line = SocketLine(self._order_socket, config.order_timeout_ms / 1000) if is_native else None
        self._client = CcxtClient(self.venue, self._exchange, config.rest_base, _DIALECT, budgets, self.line)
        self._config = config

    async def place(self, order: OrderRequest) -> OrderReport:
        self.abilities.check(order)
        params = {
            "instId": order.symbol,
            "tdMode": "cash",
            "side": order.side.value,
            "ordType": _TYPES[order.tif],
            "px": plain(order.price),
            "sz": plain(order.qty),
            "clOrdId": order.cid,
        }
        if order.kind is OrderKind.MARKET:
            # Without tgtCcy the size of a market buy would count the quote asset.
            params |= {"ordType": "market", "tgtCcy": "base_ccy"}
            del params["px"]
        answer = await self._client.place(order, "trade/order", params, _Placement)
        if not answer.data:
            raise OutcomeUnknown("okx: a placement was answered without a row")
        # An acknowledgement: fills come with a look-up.
        return OrderReport(
            cid=order.cid,
            venue=self.venue,
            symbol=order.symbol,
            side=order.side,
            status=OrderStatus.OPEN,
            venue_order_id=answer.data[0].ordId,
            filled_qty=ZERO,
            filled_quote=ZERO,
            fees=(),
            venue_ts_ms=answer.data[0].ts,
        )

    async def amend(self, symbol: str, cid: str, venue_order_id: str, qty: Decimal, price: Decimal) -> None:
        """A smaller size keeps its place in the queue; a larger one or another price goes behind it."""
        params = {"instId": symbol, "clOrdId": cid, "newSz": plain(qty), "newPx": plain(price)}
        await self._client.ask(Purpose.CANCEL, "POST", "trade/amend-order", params, dict[str, Any])

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> None:
        params = {"instId": symbol, "clOrdId": cid}
        await self._client.ask(Purpose.CANCEL, "POST", "trade/cancel-order", params, dict[str, Any])

    async def look_up(self, symbol: str, cid: str) -> OrderReport:
        params = {"instId": symbol, "clOrdId": cid}
        answer = await self._client.ask(Purpose.LOOK_UP, "GET", "trade/order", params, _Orders)
        if not answer.data:
            raise VenueUnavailable(f"okx: a look-up of {cid} was answered without a row")
        return await self._report(answer.data[0], cid, Purpose.LOOK_UP)

    async def open_orders(self) -> Sequence[OrderReport]:
        rows: list[_Order] = []
        params: dict[str, Any] = {"instType": "SPOT", "limit": _PAGE}
        while True:
            page = (await self._client.ask(Purpose.READ, "GET", "trade/orders-pending", params, _Orders)).data
            rows += page
            if len(page) < _PAGE:
                return [await self._report(row, row.clOrdId, Purpose.READ) for row in rows]
            params["after"] = page[-1].ordId

    async def balances(self) -> Sequence[Balance]:
        answer = await self._client.ask(Purpose.READ, "GET", "account/balance", {}, _Account)
        rows = [(row.ccy, _number(row.availBal), _number(row.cashBal)) for data in answer.data for row in data.details]
        return [Balance(asset, free, total) for asset, free, total in rows if free or total]

    async def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        found = []
        for symbol in symbols:
            markets = await standing.instrument(self._client, symbol, _Markets)
            if markets is None:
                continue
            params = {"instType": "SPOT", "instId": symbol}
            # Without the instrument the answer leaves out special rates.
            rates = await self._client.ask(Purpose.READ, "GET", "account/trade-fee", params, _Rates)
            if not markets.data or not rates.data:
                raise VenueUnavailable(f"okx: no rules or no fees for {symbol}")
            if (code := markets.data[0].instIdCode) is not None:
                self._order_socket.codes[symbol] = code
            found.append(self._instrument(markets.data[0], rates.data[0]))
        return found

    async def wallets(self, assets: Sequence[str]) -> Sequence[Wallet]:
        return await standing.wallets(self._client, assets)

    async def warnings(self, symbols: Sequence[str]) -> Sequence[MarketWarning]:
        return await standing.warnings(self._client, symbols)

    async def loans(self, assets: Sequence[str]) -> Sequence[Loan]:
        return await standing.loans(self._client, assets)

    async def server_time_ms(self) -> int:
        sent_ms = wall_ms()
        answer = await self._client.ask(Purpose.READ, "GET", "public/time", {}, _Time, "public")
        received_ms = wall_ms()
        if not answer.data:
            raise VenueUnavailable("okx: /public/time was answered without a row")
        venue_ms = answer.data[0].ts
        # Signed timestamps and expTime follow the venue's clock, never ahead of it: a request then expires no later
        # than we count.
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
        fills = await self._fills(row, purpose)
        fees: dict[str, Decimal] = {}
        for fill in fills:
            fees[fill.feeCcy] = fees.get(fill.feeCcy, ZERO) - _number(fill.fee)
        return OrderReport(
            cid=cid,
            venue=self.venue,
            symbol=row.instId,
            side=Side(row.side),
            status=_STATUS[row.state],
            venue_order_id=row.ordId,
            filled_qty=_number(row.accFillSz),
            filled_quote=sum((fill.fillPx * fill.fillSz for fill in fills), ZERO),
            fees=tuple(Fee(asset, amount) for asset, amount in fees.items() if amount),
            venue_ts_ms=row.uTime,
        )

    async def _fills(self, row: _Order, purpose: Purpose) -> list[_Fill]:
        """Every fill of the order, with its fee. Raises VenueUnavailable while they do not add up to it."""
        executed = _number(row.accFillSz)
        is_recent = wall_ms() - row.uTime < _RECENT_MS
        path = "trade/fills" if is_recent else "trade/fills-history"
        params: dict[str, Any] = {"instType": "SPOT", "instId": row.instId, "ordId": row.ordId, "limit": _PAGE}
        fills: list[_Fill] = []
        while executed:
            page = (await self._client.ask(purpose, "GET", path, params, _Fills)).data
            fills += page
            if len(page) < _PAGE:
                break
            params["after"] = page[-1].billId
        filled = sum((fill.fillSz for fill in fills), ZERO)
        if filled != executed:
            raise VenueUnavailable(f"okx: fills of {row.ordId} not settled: {filled} of {executed}")
        return fills

    def _instrument(self, market: _Market, rate: _Rate) -> Instrument:
        return Instrument(
            venue=self.venue,
            symbol=market.instId,
            base=market.baseCcy,
            quote=market.quoteCcy,
            ticks=(TickBand(ZERO, market.tickSz),),
            qty_step=market.lotSz,
            min_qty=market.minSz,
            min_notional=self._config.min_notional,  # the venue has a minimum size only
            maker_fee_bps=-rate.maker * _BPS_PER_ONE,
            taker_fee_bps=-rate.taker * _BPS_PER_ONE,
            fee_side=self._config.fee_side,
            source="venue",
            fee_source="account",
            as_of_ms=wall_ms(),
        )


def _number(text: str) -> Decimal:
    """Raises VenueUnavailable for what is no number; empty text is how the venue writes nothing."""
    try:
        return Decimal(text) if text else ZERO
    except InvalidOperation as error:
        raise VenueUnavailable(f"okx: not a number: {text!r}") from error
