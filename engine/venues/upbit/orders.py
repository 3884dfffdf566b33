"""Orders on Upbit: REST under /v1, JWT, `identifier` as client id. Source: Upbit API reference, Exchange API."""

import logging
import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from ccxt.async_support.upbit import upbit  # type: ignore[import-untyped]
from msgspec import Struct

from engine.domain.errors import OrderNotFound, VenueRefused, VenueUnavailable
from engine.domain.market import Balance, Instrument, MarketWarning, Wallet
from engine.domain.money import ZERO, TickBand, floor_to, tick_at
from engine.domain.order import Abilities, Fee, OrderKind, OrderReport, OrderRequest, OrderStatus, Side, TimeInForce
from engine.venues.ccxt_orders import CcxtClient, Hooked, options, plain, wall_ms
from engine.venues.date_clock import DateClock
from engine.venues.order_stream import StreamLine
from engine.venues.purse import Purpose
from engine.venues.settings import Key, OrderSettings
from engine.venues.upbit import standing
from engine.venues.upbit.line import UpbitLine
from engine.venues.upbit.order_stream import UpbitStreamDialect
from engine.venues.verdict import Answer, Budgets, Dialect

log = logging.getLogger(__name__)

_QTY_STEP = Decimal("0.00000001")  # volumes have eight decimals; no endpoint says so
_PAGE = 100
_ENDED_PAGE = 1_000  # of the last seven days; the most that one answer holds
_BPS_PER_ONE = 10_000
_SPEND_STEP = Decimal(1)  # KRW of a market buy
_ABILITIES = Abilities(kinds=frozenset({OrderKind.LIMIT, OrderKind.MARKET}))


class _Exchange(Hooked, upbit):  # type: ignore[misc]
    """ccxt signs HS256. The venue's documentation names HS512; long-standing clients still send the other."""

    digest = "sha512"

    def jwt(self, claims: Any, secret: Any, algorithm: str = "sha512") -> Any:
        return upbit.jwt(claims, secret, self.digest)


class _State(StrEnum):
    WAIT = "wait"
    WATCH = "watch"
    DONE = "done"
    CANCEL = "cancel"
    PREVENTED = "prevented"  # ended by the self-match rule


class _Trade(Struct):
    volume: Decimal
    funds: Decimal


class _Order(Struct):
    uuid: str
    side: str
    state: _State
    market: str
    created_at: datetime
    executed_volume: Decimal
    paid_fee: Decimal
    volume: Decimal | None = None  # absent on a buy by amount
    executed_funds: Decimal | None = None
    identifier: str | None = None
    trades: list[_Trade] | None = None


class _Placed(Struct):
    uuid: str
    created_at: datetime


class _Account(Struct):
    currency: str
    balance: Decimal
    locked: Decimal


class _ChanceSide(Struct):
    currency: str
    min_total: Decimal


class _ChanceMarket(Struct):
    id: str
    bid: _ChanceSide
    ask: _ChanceSide


class _Chance(Struct):
    bid_fee: Decimal
    ask_fee: Decimal
    market: _ChanceMarket
    maker_bid_fee: Decimal | None = None
    maker_ask_fee: Decimal | None = None


class _MarketTick(Struct):
    market: str
    tick_size: Decimal


class _Unit(Struct):
    ask_price: Decimal


class _Book(Struct):
    market: str
    orderbook_units: list[_Unit]


def _error_of(body: Any) -> tuple[str, str] | None:
    if not isinstance(body, dict) or not isinstance(error := body.get("error"), dict):
        return None
    return str(error.get("name", "")), str(error.get("message", ""))


def _wait_s(answer: Answer) -> float:
    """429 lasts for the rest of the second; a 418 says in its text for how long."""
    if answer.status != 418:
        return 1.0
    said = re.search(r"(\d+)\s*(초|sec)", answer.text)
    return float(said.group(1)) if said else 60.0


def _obey(answer: Answer, budgets: Budgets) -> None:
    """`Remaining-Req: group=order; min=1800; sec=7`: with sec=0 the group rests until the second is over."""
    fields = dict(part.strip().partition("=")[::2] for part in answer.headers.get("remaining-req", "").split(";"))
    if fields.get("sec") == "0":
        budget = budgets.orders if fields.get("group") == "order" else budgets.reads
        budget.block(1.0)


_DIALECT = Dialect(
    error_of=_error_of,
    unknown=frozenset({"nonce_used"}),  # ours are used once: the request came twice, and the first may have been taken
    not_found=frozenset({"order_not_found"}),
    about_rules=("invalid_price_", "invalid_volume_", "under_min_total_"),
    duplicate=("duplicate_identifier", "identifier_already", "이미 사용된 identifier"),
    wait_s=_wait_s,
    obey=_obey,
)


class UpbitOrders:
    """One pocket of one account. Fees are in the quote asset on both sides."""

    def __init__(self, config: OrderSettings, credential: Key, budgets: Budgets) -> None:
        self.venue = "upbit"
        self.abilities = _ABILITIES
        # No request expiry here: what is late is bounded by what we have seen (reliability.md §3.2).
        self.late_acceptance_ms = config.late_acceptance_ms + config.settle_margin_ms
        self._exchange = _Exchange(options(credential.key, credential.secret, config.order_timeout_ms))
        self.line = UpbitLine(config, credential) if config.order_path == "native" else None
        self._client = CcxtClient(self.venue, self._exchange, config.rest_base, _DIALECT, budgets, self.line)
        self._config = config
        self._clock = DateClock()
        stream = UpbitStreamDialect(config, credential, lambda: self._exchange.digest)
        self.stream = StreamLine(stream) if config.order_stream else None

    async def place(self, order: OrderRequest) -> OrderReport:
        self.abilities.check(order)
        params = {
            "market": order.symbol,
            "side": "bid" if order.side is Side.BUY else "ask",
            "volume": plain(order.qty),
            "price": plain(order.price),
            "ord_type": "limit",
            "identifier": order.cid,
        }
        if order.kind is OrderKind.MARKET and order.side is Side.BUY:
            # A market buy names the money to spend: what it brings may be more or less than `qty`.
            params |= {"ord_type": "price", "price": plain(floor_to(order.qty * order.price, _SPEND_STEP))}
            del params["volume"]
        elif order.kind is OrderKind.MARKET:
            params["ord_type"] = "market"
            del params["price"]
        elif order.tif is not TimeInForce.GTC:
            params["time_in_force"] = order.tif.value
        placed = await self._client.place(order, "orders", params, _Placed)
        # The answer is written before the order meets the book: fills come with a look-up.
        return OrderReport(
            cid=order.cid,
            venue=self.venue,
            symbol=order.symbol,
            side=order.side,
            status=OrderStatus.OPEN,
            venue_order_id=placed.uuid,
            filled_qty=ZERO,
            filled_quote=ZERO,
            fees=(),
            venue_ts_ms=_ms(placed.created_at),
        )

    async def amend(self, symbol: str, cid: str, venue_order_id: str, qty: Decimal, price: Decimal) -> None:
        """Its cancel_and_new is no amendment: the old order may end before the new one is accepted."""
        raise VenueRefused("unsupported", "upbit cannot change an open order")

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> None:
        await self._client.ask(Purpose.CANCEL, "DELETE", "order", {"identifier": cid}, dict[str, Any])

    async def look_up(self, symbol: str, cid: str) -> OrderReport:
        """By identifier, else among the newest that have ended: its fills name no identifier."""
        try:
            row = await self._client.ask(Purpose.LOOK_UP, "GET", "order", {"identifier": cid}, _Order)
        except OrderNotFound:
            params = {"market": symbol, "limit": _ENDED_PAGE}
            ended = await self._client.ended("orders/closed", params, list[_Order])
            found = next((each for each in ended if each.identifier == cid), None)
            if found is None:
                raise
            row = found
        return self._report(row, cid)

    async def open_orders(self) -> Sequence[OrderReport]:
        reports: list[OrderReport] = []
        seen: set[str] = set()
        for state in (_State.WAIT, _State.WATCH):
            page = 1
            while True:
                params = {"state": state.value, "page": page, "limit": _PAGE}
                rows = await self._client.ask(Purpose.READ, "GET", "orders/open", params, list[_Order])
                reports += [self._report(row, row.identifier or "") for row in rows if row.uuid not in seen]
                seen.update(row.uuid for row in rows)
                if len(rows) < _PAGE:
                    break
                page += 1
        return reports

    async def balances(self) -> Sequence[Balance]:
        rows = await self._client.ask(Purpose.READ, "GET", "accounts", {}, list[_Account])
        return [
            Balance(row.currency, row.balance, row.balance + row.locked) for row in rows if row.balance + row.locked
        ]

    async def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        """One market that is not listed spoils an answer about many: then the list says which ones are."""
        try:
            return await self._instruments(symbols)
        except VenueRefused as error:
            listed = await standing.listed(self._client)
            if listed.issuperset(symbols):
                raise
            log.warning("not_listed venue=upbit symbols=%s: %s", sorted(set(symbols) - listed), error)
            left = [symbol for symbol in symbols if symbol in listed]
            return await self._instruments(left) if left else ()

    async def _instruments(self, symbols: Sequence[str]) -> list[Instrument]:
        codes = ",".join(symbols)
        ticks = await self._client.ask(
            Purpose.READ, "GET", "orderbook/instruments", {"markets": codes}, list[_MarketTick], access="public"
        )
        books = await self._client.ask(
            Purpose.READ, "GET", "orderbook", {"markets": codes, "count": 1}, list[_Book], access="public"
        )
        now = {tick.market: tick.tick_size for tick in ticks}
        asks = {book.market: book.orderbook_units[0].ask_price for book in books if book.orderbook_units}
        found = []
        for symbol in symbols:
            chance = await self._client.ask(Purpose.READ, "GET", "orders/chance", {"market": symbol}, _Chance)
            bands = self._bands(symbol, asks.get(symbol, ZERO), now.get(symbol, ZERO))
            found.append(self._instrument(chance, bands))
        return found

    async def wallets(self, assets: Sequence[str]) -> Sequence[Wallet]:
        return await standing.wallets(self._client, assets)

    async def warnings(self, symbols: Sequence[str]) -> Sequence[MarketWarning]:
        return await standing.warnings(self._client, symbols)

    async def server_time_ms(self) -> int:
        reading = await self._client.date_header(f"/v1/orderbook/instruments?markets={self._config.symbols[0]}")
        try:
            return self._clock.read(*reading)
        except ValueError as error:
            raise VenueUnavailable(f"upbit: bad Date header {reading[2]!r}") from error

    async def warm(self) -> None:
        """Connect and prove the key and its signature before the first order. Raises VenueRefused for a bad key."""
        await self.server_time_ms()
        try:
            await self.balances()
        except VenueRefused as error:
            if error.code != "jwt_verification":
                raise
            log.warning("signature_refused venue=upbit digest=%s trying=sha256", self._exchange.digest)
            self._exchange.digest = "sha256"
            if self.line is not None:
                self.line.sign_with("sha256")
            await self.balances()

    async def close(self) -> None:
        await self._client.close()

    def _report(self, row: _Order, cid: str) -> OrderReport:
        quote = row.market.split("-")[0]
        return OrderReport(
            cid=cid,
            venue=self.venue,
            symbol=row.market,
            side=Side.BUY if row.side == "bid" else Side.SELL,
            status=_status(row),
            venue_order_id=row.uuid,
            filled_qty=row.executed_volume,
            filled_quote=_funds(row),
            fees=(Fee(quote, row.paid_fee),) if row.paid_fee else (),
            venue_ts_ms=_ms(row.created_at),
        )

    def _bands(self, symbol: str, price: Decimal, tick: Decimal) -> tuple[TickBand, ...]:
        """The policy's table; where the venue's tick at the present price differs, its word stands for that band."""
        bands = tuple(TickBand(band.from_price, band.tick) for band in self._config.ticks)
        if not price or not tick or not bands or tick_at(bands, price) == tick:
            return bands or (TickBand(ZERO, tick),)
        log.warning(
            "tick_differs venue=upbit symbol=%s price=%s table=%s venue=%s", symbol, price, tick_at(bands, price), tick
        )
        current = max(band.from_price for band in bands if band.from_price <= price)
        return tuple(TickBand(b.from_price, tick) if b.from_price == current else b for b in bands)

    def _instrument(self, chance: _Chance, bands: tuple[TickBand, ...]) -> Instrument:
        market = chance.market
        makers = (chance.maker_bid_fee, chance.maker_ask_fee)
        taker = max(chance.bid_fee, chance.ask_fee)
        maker = max((fee for fee in makers if fee is not None), default=taker)
        return Instrument(
            venue=self.venue,
            symbol=market.id,
            base=market.ask.currency,
            quote=market.bid.currency,
            ticks=bands,
            qty_step=_QTY_STEP,
            min_qty=_QTY_STEP,
            min_notional=max(market.bid.min_total, market.ask.min_total),
            maker_fee_bps=maker * _BPS_PER_ONE,
            taker_fee_bps=taker * _BPS_PER_ONE,
            fee_side=self._config.fee_side,
            source="account",
            tick_source="venue",
            as_of_ms=wall_ms(),
        )


def _status(row: _Order) -> OrderStatus:
    if row.state in (_State.WAIT, _State.WATCH):
        return OrderStatus.OPEN
    if row.state is _State.DONE if row.volume is None else row.executed_volume >= row.volume:
        return OrderStatus.FILLED
    return OrderStatus.CANCELLED


def _funds(row: _Order) -> Decimal:
    """Quote exchanged so far, before fees. Raises VenueUnavailable while the fills do not add up to the order."""
    trades = row.trades or []
    if sum((trade.volume for trade in trades), ZERO) == row.executed_volume:
        return sum((trade.funds for trade in trades), ZERO)
    if row.executed_funds is not None:
        return row.executed_funds
    raise VenueUnavailable(
        f"upbit: fills of {row.uuid} not settled: {row.executed_volume} executed, {len(trades)} trades"
    )


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
