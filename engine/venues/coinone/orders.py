"""Orders on Coinone: REST v2.1, HMAC-SHA512 over base64 JSON, `user_order_id`. Source: Coinone API, Order.

ccxt knows none of its client ids: of ccxt only the request is used, its signature is our own.
"""

import logging
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import uuid4

from ccxt.async_support.coinone import coinone  # type: ignore[import-untyped]
from msgspec import Struct

from engine.domain.errors import OrderNotFound, VenueRefused, VenueUnavailable
from engine.domain.market import Balance, FeeSide, Instrument, MarketWarning, Wallet
from engine.domain.money import ZERO, TickBand, floor_to
from engine.domain.order import Abilities, OrderKind, OrderReport, OrderRequest, OrderStatus, Side, TimeInForce
from engine.venues.ccxt_orders import CcxtClient, Hooked, options, plain, wall_ms
from engine.venues.coinone import standing
from engine.venues.coinone.line import CoinoneLine
from engine.venues.coinone.order_stream import CoinoneStreamDialect
from engine.venues.coinone.signing import payload, signature
from engine.venues.coinone.standing import pair_of
from engine.venues.order_stream import StreamLine
from engine.venues.purse import Purpose
from engine.venues.reports import acknowledged, fees_of, number
from engine.venues.settings import Key, OrderSettings
from engine.venues.stop_sides import is_passed
from engine.venues.verdict import Answer, Budgets, Dialect, retry_after_s

log = logging.getLogger(__name__)

_SPEND_STEP = Decimal(1)  # KRW of a market buy
_BPS_PER_ONE = 10_000
_WAITING = ("NOT_TRIGGERED", "NOT_TRIGGERED_PARTIALLY_CANCELED")
_TAKEN_BACK = ("CANCELED", "NOT_TRIGGERED_CANCELED")


class _Exchange(Hooked, coinone):  # type: ignore[misc]
    rest_base = ""
    in_upper_case = False  # ccxt signs with the secret so; the venue's page shows it as it is

    def signing_secret(self) -> str:
        return str(self.secret.upper() if self.in_upper_case else self.secret)

    def sign(self, path: str, api: Any, method: str = "GET", params: Any = None) -> Any:
        fields = {} if params is None else params
        url = f"{self.rest_base}/{self.implode_params(path, fields)}"
        if api[0] == "public":
            return {"url": url, "method": method, "body": None, "headers": None}
        secret = self.signing_secret()
        body = payload({"access_token": self.apiKey, "nonce": str(uuid4()), **fields})
        headers = {
            "Content-Type": "application/json",
            "X-COINONE-PAYLOAD": body.decode(),
            "X-COINONE-SIGNATURE": signature(secret.encode(), body),
        }
        return {"url": url, "method": method, "body": body.decode(), "headers": headers}


class _Placed(Struct):
    order_id: str


class _Order(Struct):
    order_id: str
    quote_currency: str
    target_currency: str
    status: str
    side: str
    executed_qty: str | None = None  # number fields may be empty or nothing
    original_qty: str | None = None
    remain_qty: str | None = None
    traded_amount: str | None = None  # quote
    average_executed_price: str | None = None
    fee: str | None = None
    updated_at: int | None = None
    user_order_id: str | None = None


class _Detail(Struct):
    order: _Order


class _Listed(Struct):
    order_id: str
    quote_currency: str
    target_currency: str
    user_order_id: str | None = None


class _Active(Struct):
    active_orders: list[_Listed]


class _Asset(Struct):
    currency: str
    available: Decimal
    limit: Decimal  # what open orders hold


class _Assets(Struct):
    balances: list[_Asset]


class _Rate(Struct):
    target_currency: str
    maker: Decimal
    taker: Decimal


class _Rates(Struct):
    fee_rates: list[_Rate]


class _Time(Struct):
    server_time: int


def _error_of(body: Any) -> tuple[str, str] | None:
    """Errors ride in HTTP 200."""
    if not isinstance(body, dict) or str(body.get("result", "")) == "success":
        return None
    return str(body.get("error_code", "")), str(body.get("error_msg", ""))


def _obey(answer: Answer, budgets: Budgets) -> None:
    for header, budget in (
        ("private-order-ratelimit-remaining", budgets.orders),
        ("private-ratelimit-remaining", budgets.reads),
    ):
        if answer.headers.get(header) == "0":
            budget.calm(1.0)


_DIALECT = Dialect(
    error_of=_error_of,
    # Its own trouble, and maintenance: what became of the request is not said. 131: it came twice.
    unknown=frozenset({"", "1", "131", "405", "500"}),
    limited=frozenset({"4"}),
    not_found=frozenset({"104"}),
    duplicate=("312 ", "313 ", "314 "),  # all that it says of user_order_id: a look-up tells which
    wait_s=lambda answer: retry_after_s(answer, 1.0),
    obey=_obey,
)


class CoinoneOrders:
    """One account. It knows neither IOC nor FOK: the desk holds an IOC itself, as a limit and a cancel.

    A stop is one order all its life, under the same ids and in the same lists.
    """

    abilities = Abilities(
        kinds=frozenset(OrderKind),
        tifs=frozenset({TimeInForce.GTC, TimeInForce.POST_ONLY}),
    )

    def __init__(self, config: OrderSettings, credential: Key, budgets: Budgets) -> None:
        self.venue = "coinone"
        # No request expiry here: what is late is bounded by what we have seen (reliability.md §3.2).
        self.late_acceptance_ms = config.late_acceptance_ms + config.settle_margin_ms
        self._exchange = _Exchange(options(credential.key, credential.secret, config.order_timeout_ms))
        self._exchange.rest_base = config.rest_base.rstrip("/")
        self.line = CoinoneLine(config, credential) if config.order_path == "native" else None
        self._client = CcxtClient(self.venue, self._exchange, config.rest_base, _DIALECT, budgets, self.line)
        self._config = config
        stream = CoinoneStreamDialect(config, credential, self._exchange.signing_secret, wall_ms)
        self.stream = StreamLine(stream) if config.order_stream else None

    async def place(self, order: OrderRequest) -> OrderReport:
        self.abilities.check(order)
        params: dict[str, Any] = {
            **pair_of(order.symbol),
            "side": order.side.value.upper(),
            "type": "LIMIT",
            "price": plain(order.price),
            "qty": plain(order.qty),
            "post_only": order.tif is TimeInForce.POST_ONLY,
            "user_order_id": order.cid,
        }
        if order.kind is OrderKind.MARKET:
            params["type"] = "MARKET"
            del params["price"], params["post_only"]
            if order.side is Side.BUY:  # by amount: never more than was reserved
                params["amount"] = plain(floor_to(order.qty * order.price, _SPEND_STEP))
                del params["qty"]
        if order.stop_price is not None:
            await self._check_ahead(order, order.stop_price)
            params |= {"type": "STOP_LIMIT", "trigger_price": plain(order.stop_price)}
            del params["post_only"]
        placed = await self._client.place(order, "v2.1/order", params, _Placed)
        return acknowledged(order, placed.order_id)

    async def amend(self, symbol: str, cid: str, venue_order_id: str, qty: Decimal, price: Decimal) -> None:
        raise VenueRefused("unsupported", "coinone cannot change an open order")

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> None:
        params = {**pair_of(symbol), "user_order_id": cid}
        await self._client.ask(Purpose.CANCEL, "POST", "v2.1/order/cancel", params, dict[str, Any])

    async def look_up(self, symbol: str, cid: str) -> OrderReport:
        """By client id; before it is none, the open orders are asked for it: its fills name no client id."""
        pair = pair_of(symbol)
        try:
            return self._report(await self._detail({**pair, "user_order_id": cid}, Purpose.LOOK_UP), cid)
        except OrderNotFound:
            path = "v2.1/order/active_orders"
            active = await self._client.ask(Purpose.LOOK_UP, "POST", path, dict(pair), _Active)
            if any(row.user_order_id == cid for row in active.active_orders):
                raise VenueUnavailable(f"coinone: {cid} is open and is not shown yet") from None
            raise

    async def open_orders(self) -> Sequence[OrderReport]:
        active = await self._client.ask(Purpose.READ, "POST", "v2.1/order/active_orders", {}, _Active)
        reports = []
        for row in active.active_orders:
            pair = {"quote_currency": row.quote_currency, "target_currency": row.target_currency}
            order = await self._detail({**pair, "order_id": row.order_id}, Purpose.READ)
            reports.append(self._report(order, row.user_order_id or order.user_order_id or ""))
        return [report for report in reports if report.status is OrderStatus.OPEN]

    async def balances(self) -> Sequence[Balance]:
        answer = await self._client.ask(Purpose.READ, "POST", "v2.1/account/balance/all", {}, _Assets)
        found = [Balance(row.currency, row.available, row.available + row.limit) for row in answer.balances]
        return [balance for balance in found if balance.total]

    async def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        found = []
        for symbol in symbols:
            market = await standing.market(self._client, symbol)
            if market is None:
                continue
            units = await standing.units(self._client, symbol)
            path = "v2.1/account/trade_fee/{quote_currency}/{target_currency}"
            rates = await self._client.ask(Purpose.READ, "POST", path, dict(pair_of(symbol)), _Rates)
            rate = next((row for row in rates.fee_rates if row.target_currency.upper() == market.target_currency), None)
            if rate is None:
                raise VenueUnavailable(f"coinone: no fees for {symbol}")
            found.append(self._instrument(symbol, market, units, rate))
        return found

    async def wallets(self, assets: Sequence[str]) -> Sequence[Wallet]:
        return await standing.wallets(self._client, assets)

    async def warnings(self, symbols: Sequence[str]) -> Sequence[MarketWarning]:
        return await standing.warnings(self._client, symbols)

    async def server_time_ms(self) -> int:
        """Signatures carry no time here: this one is for skew alone."""
        sent_ms = wall_ms()
        path = "public/v2/markets/{quote_currency}/{target_currency}"
        pair = dict(pair_of(self._config.symbols[0]))
        time = await self._client.ask(Purpose.READ, "GET", path, pair, _Time, "public")
        return time.server_time + (wall_ms() - sent_ms) // 2

    async def warm(self) -> None:
        """Connect and prove the key and its signature before the first order. Raises VenueRefused for a bad key."""
        await self.server_time_ms()
        try:
            await self.balances()
        except VenueRefused as error:
            self._exchange.in_upper_case = not self._exchange.in_upper_case
            other = "upper" if self._exchange.in_upper_case else "as shown"
            if self.line is not None:
                self.line.sign_with(self._exchange.signing_secret())
            log.warning("signature_refused venue=coinone error=%s trying_secret=%s", error, other)
            await self.balances()

    async def close(self) -> None:
        await self._client.close()

    async def _check_ahead(self, order: OrderRequest, stop_price: Decimal) -> None:
        """It takes no direction, and refuses a stop at the last price alone (167): one beyond it may wait for the
        price to come back, which no page denies. Raises VenueRefused."""
        last = await standing.last_price(self._client, order.symbol)
        if is_passed(order.side, stop_price, last):
            raise VenueRefused("would_trigger", f"coinone: the last price is {last}, the stop's {stop_price}")

    async def _detail(self, params: dict[str, Any], purpose: Purpose) -> _Order:
        return (await self._client.ask(purpose, "POST", "v2.1/order/detail", params, _Detail)).order

    def _report(self, row: _Order, cid: str) -> OrderReport:
        executed = number(self.venue, row.executed_qty or "")
        side = Side(row.side.lower())
        in_base = side is Side.BUY and self._config.fee_side is FeeSide.RECEIVED
        traded = row.traded_amount or str(executed * number(self.venue, row.average_executed_price or ""))
        return OrderReport(
            cid=cid,
            venue=self.venue,
            symbol=f"{row.quote_currency}-{row.target_currency}".upper(),
            side=side,
            status=self._status(row, executed),
            venue_order_id=row.order_id,
            filled_qty=executed,
            filled_quote=number(self.venue, traded),
            fees=fees_of([(row.target_currency if in_base else row.quote_currency, number(self.venue, row.fee or ""))]),
            venue_ts_ms=row.updated_at or 0,
        )

    def _status(self, row: _Order, executed: Decimal) -> OrderStatus:
        """A part that was taken back leaves an order live: what remains decides, not the word; but for a stop's."""
        word, wanted = row.status.upper(), number(self.venue, row.original_qty or "")
        is_told = executed and row.remain_qty and (row.traded_amount or row.average_executed_price)
        is_over = is_told or 0 < wanted <= executed
        if word in _WAITING or (word == "TRIGGERED" and not is_over):
            return OrderStatus.OPEN
        if not word.startswith(_TAKEN_BACK) and number(self.venue, row.remain_qty or ""):
            return OrderStatus.OPEN
        return OrderStatus.FILLED if executed and executed >= wanted else OrderStatus.CANCELLED

    def _instrument(
        self, symbol: str, market: standing.Market, units: Sequence[standing.Unit], rate: _Rate
    ) -> Instrument:
        bands = sorted((TickBand(unit.range_min, unit.price_unit) for unit in units), key=lambda band: band.from_price)
        return Instrument(
            venue=self.venue,
            symbol=symbol,
            base=market.target_currency,
            quote=market.quote_currency,
            ticks=tuple(bands) or (TickBand(ZERO, market.price_unit),),
            qty_step=market.qty_unit,
            min_qty=market.min_qty,
            min_notional=market.min_order_amount,
            maker_fee_bps=rate.maker * _BPS_PER_ONE,
            taker_fee_bps=rate.taker * _BPS_PER_ONE,
            fee_side=self._config.fee_side,
            source="venue",
            fee_source="account",
            as_of_ms=wall_ms(),
        )
