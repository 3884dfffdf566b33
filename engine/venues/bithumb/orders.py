"""Orders on Bithumb: REST v1 and v2, JWT v2, `client_order_id`. Source: Bithumb API reference 2.1."""

import logging
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from ccxt.async_support.bithumb import bithumb  # type: ignore[import-untyped]
from msgspec import Struct

from engine.domain.errors import OrderNotFound, VenueRefused, VenueUnavailable
from engine.domain.market import Balance, Instrument, MarketWarning, Wallet
from engine.domain.money import ZERO, TickBand, floor_to
from engine.domain.order import Abilities, Fee, OrderKind, OrderReport, OrderRequest, OrderStatus, Side, TimeInForce
from engine.venues.bithumb import standing
from engine.venues.bithumb.line import BithumbLine
from engine.venues.bithumb.order_stream import BithumbStreamDialect
from engine.venues.ccxt_orders import CcxtClient, Hooked, options, plain, wall_ms
from engine.venues.date_clock import DateClock
from engine.venues.order_stream import StreamLine
from engine.venues.purse import Purpose
from engine.venues.settings import Key, OrderSettings
from engine.venues.verdict import Answer, Budgets, Dialect, retry_after_s

log = logging.getLogger(__name__)

# What every client sends; the API names no step. Finer sizes stand in the book, so four decimals are on the safe side.
_QTY_STEP = Decimal("0.0001")
_PAGE = 100
_ENDED_PAGES = 3
_BPS_PER_ONE = 10_000
_SPEND_STEP = Decimal(1)  # KRW of a market buy
_ABILITIES = Abilities(kinds=frozenset({OrderKind.LIMIT, OrderKind.MARKET}))


class _Exchange(Hooked, bithumb):  # type: ignore[misc]
    pass


class _State(StrEnum):
    WAIT = "wait"
    WATCH = "watch"
    DONE = "done"
    CANCEL = "cancel"


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
    client_order_id: str | None = None
    trades: list[_Trade] | None = None


class _Placed(Struct):
    order_id: str
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


def _error_of(body: Any) -> tuple[str, str] | None:
    """A 2xx can carry an error object here, and its name can be a number."""
    if not isinstance(body, dict) or not isinstance(error := body.get("error"), dict):
        return None
    return str(error.get("name", "")), str(error.get("message", ""))


def _obey(answer: Answer, budgets: Budgets) -> None:
    """`x-ratelimit-remaining` counts down from 140 or 150 a second, far above what we spend."""
    if answer.headers.get("x-ratelimit-remaining") == "0":
        budgets.reads.calm(1.0)


_DIALECT = Dialect(
    error_of=_error_of,
    # order_not_ready: the venue is still accepting it, so it neither exists nor is missing. jwt_verification: a token
    # that it does not take, perhaps for a nonce that was used (its pages name no reason): the request came twice then,
    # and the first may have been taken. A key that cannot sign fails at the reads before.
    unknown=frozenset({"order_not_ready", "jwt_verification"}),
    not_found=frozenset({"order_not_found"}),
    about_rules=("invalid_price_", "invalid_volume_", "under_min_total_"),
    duplicate=("duplicate",),
    wait_s=lambda answer: retry_after_s(answer, 1.0),
    obey=_obey,
)


class BithumbOrders:
    """One account. Fees are in the quote asset on both sides."""

    def __init__(self, config: OrderSettings, credential: Key, budgets: Budgets) -> None:
        self.venue = "bithumb"
        self.abilities = _ABILITIES
        # No request expiry here: what is late is bounded by what we have seen (reliability.md §3.2).
        self.late_acceptance_ms = config.late_acceptance_ms + config.settle_margin_ms
        exchange = _Exchange(options(credential.key, credential.secret, config.order_timeout_ms))
        self.line = BithumbLine(config, credential) if config.order_path == "native" else None
        self._client = CcxtClient(self.venue, exchange, config.rest_base, _DIALECT, budgets, self.line)
        self._config = config
        self._clock = DateClock()
        self.stream = StreamLine(BithumbStreamDialect(config, credential, wall_ms)) if config.order_stream else None

    async def place(self, order: OrderRequest) -> OrderReport:
        self.abilities.check(order)
        params = {
            "market": order.symbol,
            "side": "bid" if order.side is Side.BUY else "ask",
            "order_type": "limit",
            "price": plain(order.price),
            "volume": plain(order.qty),
            "client_order_id": order.cid,
        }
        if order.kind is OrderKind.MARKET and order.side is Side.BUY:
            # A market buy names the money to spend: what it brings may be more or less than `qty`.
            params |= {"order_type": "price", "price": plain(floor_to(order.qty * order.price, _SPEND_STEP))}
            del params["volume"]
        elif order.kind is OrderKind.MARKET:
            params["order_type"] = "market"
            del params["price"]
        elif order.tif is not TimeInForce.GTC:
            params["time_in_force"] = order.tif.value
        placed = await self._client.place(order, "v2/orders", params, _Placed)
        # The answer is an acceptance: fills, and the end of a post-only that would take, come with a look-up.
        return OrderReport(
            cid=order.cid,
            venue=self.venue,
            symbol=order.symbol,
            side=order.side,
            status=OrderStatus.OPEN,
            venue_order_id=placed.order_id,
            filled_qty=ZERO,
            filled_quote=ZERO,
            fees=(),
            venue_ts_ms=_ms(placed.created_at),
        )

    async def amend(self, symbol: str, cid: str, venue_order_id: str, qty: Decimal, price: Decimal) -> None:
        """There is no call for it."""
        raise VenueRefused("unsupported", "bithumb cannot change an open order")

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> None:
        await self._client.ask(Purpose.CANCEL, "DELETE", "v2/order", {"client_order_id": cid}, dict[str, Any])

    async def look_up(self, symbol: str, cid: str) -> OrderReport:
        """By client id, else among the newest that have ended: its fills name no client id."""
        try:
            row = await self._client.ask(Purpose.LOOK_UP, "GET", "v1/order", {"client_order_id": cid}, _Order)
        except OrderNotFound:
            found = await self._ended(symbol, cid)
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
                rows = await self._client.ask(Purpose.READ, "GET", "v1/orders", params, list[_Order])
                reports += [self._report(row, row.client_order_id or "") for row in rows if row.uuid not in seen]
                seen.update(row.uuid for row in rows)
                if len(rows) < _PAGE:
                    break
                page += 1
        return reports

    async def balances(self) -> Sequence[Balance]:
        rows = await self._client.ask(Purpose.READ, "GET", "v1/accounts", {}, list[_Account])
        return [
            Balance(row.currency, row.balance, row.balance + row.locked) for row in rows if row.balance + row.locked
        ]

    async def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        """Fees and minimums are the account's own; the tick table is the venue's policy page, from configuration."""
        found = []
        for symbol in symbols:
            try:
                chance = await self._client.ask(Purpose.READ, "GET", "v1/orders/chance", {"market": symbol}, _Chance)
            except VenueRefused as error:
                if symbol in await standing.listed(self._client):
                    raise
                log.warning("not_listed venue=bithumb symbol=%s: %s", symbol, error)
                continue
            found.append(self._instrument(chance))
        return found

    async def wallets(self, assets: Sequence[str]) -> Sequence[Wallet]:
        return await standing.wallets(self._client, assets)

    async def warnings(self, symbols: Sequence[str]) -> Sequence[MarketWarning]:
        return await standing.warnings(self._client, symbols)

    async def server_time_ms(self) -> int:
        reading = await self._client.date_header(f"/v1/orderbook?markets={self._config.symbols[0]}")
        try:
            return self._clock.read(*reading)
        except ValueError as error:
            raise VenueUnavailable(f"bithumb: bad Date header {reading[2]!r}") from error

    async def warm(self) -> None:
        """Connect and prove the key before the first order needs it. Raises VenueRefused for a bad key."""
        await self.server_time_ms()
        await self.balances()

    async def close(self) -> None:
        await self._client.close()

    async def _ended(self, symbol: str, cid: str) -> _Order | None:
        states = [_State.DONE.value, _State.CANCEL.value]
        for page in range(1, _ENDED_PAGES + 1):
            params = {"market": symbol, "states": states, "order_by": "desc", "limit": _PAGE, "page": page}
            rows = await self._client.ended("v1/orders", params, list[_Order])
            for row in rows:
                if row.client_order_id == cid:
                    return row
            if len(rows) < _PAGE:
                break
        return None

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

    def _instrument(self, chance: _Chance) -> Instrument:
        market = chance.market
        makers = (chance.maker_bid_fee, chance.maker_ask_fee)
        taker = max(chance.bid_fee, chance.ask_fee)
        maker = max((fee for fee in makers if fee is not None), default=taker)
        return Instrument(
            venue=self.venue,
            symbol=market.id,
            base=market.ask.currency,
            quote=market.bid.currency,
            ticks=tuple(TickBand(band.from_price, band.tick) for band in self._config.ticks),
            qty_step=_QTY_STEP,
            min_qty=_QTY_STEP,
            min_notional=max(market.bid.min_total, market.ask.min_total),
            maker_fee_bps=maker * _BPS_PER_ONE,
            taker_fee_bps=taker * _BPS_PER_ONE,
            fee_side=self._config.fee_side,
            source="account",
            tick_source="config",
            as_of_ms=wall_ms(),
        )


def _status(row: _Order) -> OrderStatus:
    """An IOC that filled in part ends as `done`: what was executed decides, not the state."""
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
        f"bithumb: fills of {row.uuid} not settled: {row.executed_volume} executed, {len(trades)} trades"
    )


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
