"""Orders on KuCoin spot: the high-frequency REST endpoints, HMAC, `clientOid`. Source: KuCoin API, Spot Trading."""

from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from ccxt.async_support.kucoin import kucoin  # type: ignore[import-untyped]
from msgspec import Struct

from engine.domain.errors import OrderNotFound, VenueRefused, VenueUnavailable
from engine.domain.market import Balance, Instrument, MarketWarning, Wallet
from engine.domain.money import ZERO, TickBand
from engine.domain.order import Abilities, OrderKind, OrderReport, OrderRequest, OrderStatus, Side, TimeInForce
from engine.venues.ccxt_orders import CcxtClient, Hooked, options, plain, wall_ms
from engine.venues.kucoin import standing, stops
from engine.venues.kucoin.order_stream import KucoinStreamDialect, address
from engine.venues.kucoin.private import BPS_PER_ONE, DIALECT, Data, Placed, Rate, waiting
from engine.venues.order_stream import StreamLine
from engine.venues.purse import Purpose
from engine.venues.reports import acknowledged, fees_of, number
from engine.venues.settings import Key, OrderSettings
from engine.venues.verdict import Budgets

_PAGE = 100
_LEAST_COUNTDOWN_S = 5
_TRADING = ("trade", "trade_hf")  # accounts that orders draw on; which one depends on the account's age


class _Exchange(Hooked, kucoin):  # type: ignore[misc]
    pass


class _Order(Struct):
    id: str
    clientOid: str | None
    symbol: str
    side: str
    dealSize: str
    dealFunds: str
    fee: str
    feeCurrency: str
    active: bool
    size: str = ""  # nothing on a buy by amount
    cancelExist: bool = False
    lastUpdatedAt: int = 0
    createdAt: int = 0
    price: str = ""


class _Ended(Struct):
    items: list[_Order]


class _Active(Struct):
    symbols: list[str] | None = None


class _Account(Struct):
    currency: str
    type: str  # main | trade | trade_hf | ...
    balance: Decimal
    available: Decimal


class _Market(Struct):
    symbol: str
    baseCurrency: str
    quoteCurrency: str
    baseMinSize: Decimal
    baseIncrement: Decimal
    priceIncrement: Decimal
    minFunds: str | None = None


class KucoinOrders:
    """One spot account; fees are in the quote asset. No expiry: what is late is bounded by what has been seen."""

    abilities = Abilities(kinds=frozenset(OrderKind), countdown=True)

    def __init__(self, config: OrderSettings, credential: Key, budgets: Budgets) -> None:
        self.venue = "kucoin"
        self.late_acceptance_ms = config.late_acceptance_ms + config.settle_margin_ms
        settings = options(credential.key, credential.secret, config.order_timeout_ms, credential.passphrase)
        self._exchange = _Exchange(settings)
        self._client = CcxtClient(self.venue, self._exchange, config.rest_base, DIALECT, budgets)
        self._config = config
        stream = KucoinStreamDialect(partial(address, self._client))
        self.stream = StreamLine(stream) if config.order_stream else None

    async def place(self, order: OrderRequest) -> OrderReport:
        self.abilities.check(order)
        if order.kind is OrderKind.STOP_LOSS:
            placed = await self._client.place(order, stops.PATH, stops.fields(order), Data[Placed])
            return acknowledged(order, placed.data.orderId)
        params: dict[str, Any] = {
            "clientOid": order.cid,
            "symbol": order.symbol,
            "side": order.side.value,
            "type": "limit",
            "price": plain(order.price),
            "size": plain(order.qty),
        }
        if order.kind is OrderKind.MARKET:
            params["type"] = "market"  # `size` is in the base asset on both sides; `funds` is never sent
            del params["price"]
        elif order.tif is TimeInForce.POST_ONLY:
            params |= {"timeInForce": "GTC", "postOnly": True}
        else:
            params["timeInForce"] = order.tif.value.upper()
        answer = await self._client.place(order, "hf/orders", params, Data[Placed])
        return acknowledged(order, answer.data.orderId)

    async def amend(self, symbol: str, cid: str, venue_order_id: str, qty: Decimal, price: Decimal) -> None:
        raise VenueRefused("unsupported", "kucoin: open orders are not changed here, but cancelled and placed anew")

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> None:
        params = {"clientOid": cid, "symbol": symbol}
        path = "hf/orders/client-order/{clientOid}"
        await self._client.ask(Purpose.CANCEL, "DELETE", path, params, dict[str, Any])

    async def look_up(self, symbol: str, cid: str) -> OrderReport:
        """By client id, else among the newest that have ended: its fills name no client id."""
        try:
            return self._report(await self._named(symbol, cid), cid)
        except OrderNotFound:
            for row in await self._done(symbol):
                if row.clientOid == cid:
                    return self._report(row, cid)
            raise

    async def _named(self, symbol: str, cid: str) -> _Order:
        """Raises OrderNotFound, and what asking raises."""
        params = {"clientOid": cid, "symbol": symbol}
        path = "hf/orders/client-order/{clientOid}"
        found = await self._client.ask(Purpose.LOOK_UP, "GET", path, params, Data[_Order | None])
        if found.data is None:
            raise OrderNotFound(f"kucoin: no order of {cid}")
        return found.data

    async def _done(self, symbol: str) -> list[_Order]:
        """The newest hundred of a market that have ended, of three days at most."""
        return (await self._client.ended("hf/orders/done", {"symbol": symbol, "limit": _PAGE}, Data[_Ended])).data.items

    async def cancel_stop(self, symbol: str, cid: str, venue_order_id: str) -> None:
        if not await stops.cancel(self._client, symbol, cid):
            await self.cancel(symbol, cid, venue_order_id)  # it has gone off

    async def look_up_stop(self, symbol: str, cid: str) -> OrderReport:
        """Its record says whether it waits; the order that it makes bears its client id, and is looked up by that."""
        stop = await stops.find(self._client, symbol, cid)
        if stop is None:
            return await self.look_up(symbol, cid)
        if stop.waits:
            return stops.report(self.venue, stop, cid)
        try:
            made: _Order | None = await self._named(symbol, cid)
        except OrderNotFound:
            made = await self._made_by(stop, cid)
        return stops.report(self.venue, stop, cid) if made is None else self._report(made, cid)

    async def _made_by(self, stop: stops.Stop, cid: str) -> _Order | None:
        """The order of a stop that waits no more; None where its market had none like it since.

        No page says which ids that order has: none is taken for it that only looks like it, and none is denied.
        Raises VenueUnavailable while that cannot be told: for good once the lists reach back to it no more.
        """
        active: list[_Order] = []
        if stop.may_have_made_one:
            asked = {"symbol": stop.symbol}
            active = (await self._client.ended("hf/orders/active", asked, Data[list[_Order] | None])).data or []
        done = await self._done(stop.symbol)
        rows = [*active, *done]
        made = next((row for row in rows if row.clientOid == cid or row.id == stop.id), None)
        if made is None and stop.may_have_made_one:
            since_ms = stop.stopTriggerTime or 0
            is_cut = len(done) >= _PAGE and min(row.lastUpdatedAt or since_ms for row in done) >= since_ms
            is_likely = any(self._is_like(row, stop) for row in rows if (row.createdAt or since_ms) >= since_ms)
            if is_cut or is_likely or not stop.would_be_shown(wall_ms()):
                raise VenueUnavailable(f"kucoin: stop {stop.id} has gone off, and its order is not known yet")
        return made

    def _is_like(self, row: _Order, stop: stops.Stop) -> bool:
        numbers = [number(self.venue, text or "") for text in (row.size, row.price, stop.size, stop.price)]
        return row.side == stop.side and numbers[:2] == numbers[2:]

    async def waiting_stops(self) -> Sequence[OrderReport]:
        return [waiting(self.venue, row) for row in await stops.waiting(self._client)]

    async def open_orders(self) -> Sequence[OrderReport]:
        """The venue lists them market by market."""
        path = "hf/orders/active"
        active = await self._client.ask(Purpose.READ, "GET", f"{path}/symbols", {}, Data[_Active])
        reports: list[OrderReport] = []
        for symbol in active.data.symbols or []:
            rows = await self._client.ask(Purpose.READ, "GET", path, {"symbol": symbol}, Data[list[_Order] | None])
            reports += [self._report(row, row.clientOid or "") for row in rows.data or []]
        return reports

    async def balances(self) -> Sequence[Balance]:
        answer = await self._client.ask(Purpose.READ, "GET", "accounts", {}, Data[list[_Account]])
        return [
            Balance(row.currency, row.available, row.balance)
            for row in answer.data
            if row.type in _TRADING and row.balance
        ]

    async def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        found = []
        for symbol in symbols:
            market = await standing.market(self._client, symbol, _Market)
            if market is not None:
                asked = {"symbols": symbol}
                rates = await self._client.ask(Purpose.READ, "GET", "trade-fees", asked, Data[list[Rate]])
                found += [self._instrument(market, rate) for rate in rates.data[:1]]
        return found

    async def wallets(self, assets: Sequence[str]) -> Sequence[Wallet]:
        return await standing.wallets(self._client, assets)

    async def warnings(self, symbols: Sequence[str]) -> Sequence[MarketWarning]:
        return await standing.warnings(self._client, symbols)

    async def arm(self, timeout_s: int) -> None:
        """Every open order is cancelled unless this comes again in time; 0 disarms. Five seconds at least."""
        params = {"timeout": max(timeout_s, _LEAST_COUNTDOWN_S) if timeout_s else -1}
        await self._client.ask(Purpose.CANCEL, "POST", "hf/orders/dead-cancel-all", params, dict[str, Any])

    async def server_time_ms(self) -> int:
        sent_ms = wall_ms()
        answer = await self._client.ask(Purpose.READ, "GET", "timestamp", {}, Data[int], "public")
        received_ms = wall_ms()
        self._exchange.options["timeDifference"] = received_ms - answer.data
        return answer.data + (received_ms - sent_ms) // 2

    async def warm(self) -> None:
        """Connect, learn the venue's clock and prove the key before the first order. Raises VenueRefused."""
        await self.server_time_ms()
        await self.balances()

    async def close(self) -> None:
        await self._client.close()

    def _report(self, row: _Order, cid: str) -> OrderReport:
        """Its fees are in the order, in the asset that it names."""
        filled, wanted = number(self.venue, row.dealSize), number(self.venue, row.size)
        is_whole = filled >= wanted if wanted else not row.cancelExist
        ended = OrderStatus.FILLED if is_whole else OrderStatus.CANCELLED
        return OrderReport(
            cid=cid,
            venue=self.venue,
            symbol=row.symbol,
            side=Side(row.side),
            status=OrderStatus.OPEN if row.active else ended,
            venue_order_id=row.id,
            filled_qty=filled,
            filled_quote=number(self.venue, row.dealFunds),
            fees=fees_of([(row.feeCurrency, number(self.venue, row.fee))]),
            venue_ts_ms=row.lastUpdatedAt,
        )

    def _instrument(self, market: _Market, rate: Rate) -> Instrument:
        return Instrument(
            venue=self.venue,
            symbol=market.symbol,
            base=market.baseCurrency,
            quote=market.quoteCurrency,
            ticks=(TickBand(ZERO, market.priceIncrement),),
            qty_step=market.baseIncrement,
            min_qty=market.baseMinSize,
            min_notional=number(self.venue, market.minFunds or "") or self._config.min_notional,
            maker_fee_bps=rate.makerFeeRate * BPS_PER_ONE,
            taker_fee_bps=rate.takerFeeRate * BPS_PER_ONE,
            fee_side=self._config.fee_side,
            source="venue",
            fee_source="account",
            as_of_ms=wall_ms(),
        )
