"""One account of OKX trading one product: REST, HMAC, `clOrdId`, request expiry. Source: OKX API v5 reference, Trade.

Sizes on the wire are in the product's own unit: base of a spot market, contracts of a swap.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from ccxt.async_support.okx import okx  # type: ignore[import-untyped]
from msgspec import Struct

from engine.domain.errors import OrderNotFound, OutcomeUnknown, VenueRefused, VenueUnavailable
from engine.domain.market import Balance, Instrument, MarketWarning, Product, Wallet
from engine.domain.money import ZERO, TickBand
from engine.domain.order import Abilities, OrderKind, OrderReport, OrderRequest, OrderStatus, Side, TimeInForce
from engine.venues.ccxt_orders import CcxtClient, Hooked, options, plain, wall_ms
from engine.venues.okx import order_wire as wire
from engine.venues.okx import standing, stops
from engine.venues.okx.order_socket import OkxOrderDialect
from engine.venues.purse import Purpose
from engine.venues.reports import fees_of, number, positive, settled
from engine.venues.settings import Key, OrderSettings
from engine.venues.socket_line import SocketLine
from engine.venues.verdict import Budgets

_PAGE = 100
_ENDED_PAGES = 3
_LEAST_COUNTDOWN_S = 10
_STAMP_MS = 30_000  # so old may a signed request be when it comes
_EXPIRING = ("trade/order", "trade/amend-order")
_KEPT_MS = 2 * 3_600_000  # what was cancelled without a fill; the venue knows it no longer then
_RECENT_MS = 2 * 86_400_000  # /trade/fills keeps three days, /trade/fills-history three months
_BPS_PER_ONE = 10_000
_TYPES = {
    TimeInForce.GTC: "limit",
    TimeInForce.IOC: "ioc",
    TimeInForce.FOK: "fok",
    TimeInForce.POST_ONLY: "post_only",
}


class Traded(Struct, frozen=True, kw_only=True):
    """Which product of OKX an account trades, and how its orders name that."""

    venue: str
    kind: str  # instType
    margin: str  # tdMode
    abilities: Abilities


class Size(Struct, frozen=True):
    """Of one market: base in one unit of size, and the step of such units."""

    unit: Decimal
    lot: Decimal


class _Exchange(Hooked, okx):  # type: ignore[misc]
    expiry_ms = 0
    _aged_ms = 0

    def nonce(self) -> int:
        return int(super().nonce()) - self._aged_ms

    def sign(self, path: str, api: Any, method: str = "GET", params: Any = None) -> Any:
        body: Any = {} if params is None else params
        if method == "POST" and path == stops.PLACE:
            # It heeds no expTime: signed as if so long ago, it is too old when that would be past.
            self._aged_ms = max(0, _STAMP_MS - self.expiry_ms)
        # This one takes a list.
        try:
            request = super().sign(path, api, method, [body] if path == stops.CANCEL else body)
        finally:
            self._aged_ms = 0
        if method == "POST" and path in _EXPIRING:
            # Past this moment of its own clock the venue drops the request unprocessed.
            request["headers"]["expTime"] = str(self.nonce() + self.expiry_ms)
        return request


class OkxTrading:
    """What both products share: placing, looking up, rules, balances, clock."""

    def __init__(self, traded: Traded, config: OrderSettings, credential: Key, budgets: Budgets) -> None:
        self.venue = traded.venue
        self.abilities = traded.abilities
        self.late_acceptance_ms = config.order_timeout_ms + config.settle_margin_ms
        settings = options(credential.key, credential.secret, config.order_timeout_ms, credential.passphrase)
        self._exchange = _Exchange(settings)
        self._exchange.expiry_ms = config.order_timeout_ms
        self._order_socket = OkxOrderDialect(config, credential, self.venue)
        is_native = config.order_path == "native"
        self.line = SocketLine(self._order_socket, config.order_timeout_ms / 1000) if is_native else None
        self._client = CcxtClient(self.venue, self._exchange, config.rest_base, wire.DIALECT, budgets, self.line)
        self._stops = stops.Stops(traded.venue, traded.kind, traded.margin, self._client)
        self._config = config
        self._traded = traded
        self._sizes: dict[str, Size] = {}  # of the contracts seen so far

    async def place(self, order: OrderRequest) -> OrderReport:
        self.abilities.check(order)
        if order.stop_price is not None:
            return await self._stops.place(order, await self._written(order.symbol, order.qty), order.stop_price)
        params = {
            "instId": order.symbol,
            "tdMode": self._traded.margin,
            "side": order.side.value,
            "ordType": _TYPES[order.tif],
            "px": plain(order.price),
            "sz": await self._written(order.symbol, order.qty),
            "clOrdId": order.cid,
        }
        if order.kind is OrderKind.MARKET:
            params["ordType"] = "market"
            del params["px"]
            if self._traded.kind == "SPOT":  # without it the size of a market buy would count the quote asset
                params["tgtCcy"] = "base_ccy"
        answer = await self._client.place(
            order, "trade/order", params | ({"reduceOnly": True} if order.reduce_only else {}), wire.Placement
        )
        if not answer.data:
            raise OutcomeUnknown(f"{self.venue}: a placement was answered without a row")
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
        size = await self._written(symbol, qty)
        params = {"instId": symbol, "clOrdId": cid, "newSz": size, "newPx": plain(price)}
        await self._client.ask(Purpose.CANCEL, "POST", "trade/amend-order", params, dict[str, Any])

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> None:
        params = {"instId": symbol, "clOrdId": cid}
        await self._client.ask(Purpose.CANCEL, "POST", "trade/cancel-order", params, dict[str, Any])

    async def cancel_stop(self, symbol: str, cid: str, venue_order_id: str) -> None:
        try:
            await self._stops.cancel(symbol, cid)
        except VenueRefused as error:
            stop = await self._stops.named(cid)
            if stop is None:  # which does not say that it has ended
                raise OrderNotFound(f"{self.venue}: no stop {cid} to cancel") from error
            if stop.has_ended and not stop.made:
                raise
            if not stop.made:
                raise VenueUnavailable(f"{self.venue}: {cid} is {stop.state} and names no order yet") from error
            for order_id in stop.made:  # it has gone off
                params = {"instId": symbol, "ordId": order_id}
                await self._client.ask(Purpose.CANCEL, "POST", "trade/cancel-order", params, dict[str, Any])

    async def look_up(self, symbol: str, cid: str) -> OrderReport:
        """By client id, else among the newest that have ended (of seven days): fills are not asked for by it."""
        return await self._report(await self._row(symbol, "clOrdId", cid), cid, Purpose.LOOK_UP)

    async def look_up_stop(self, symbol: str, cid: str) -> OrderReport:
        """Its own record, then the order that this one names."""
        stop = await self._stops.find(symbol, cid)
        if stop.waits or (stop.has_ended and not stop.made):
            return stop.report(self.venue, cid)
        if len(stop.made) != 1:
            raise VenueUnavailable(f"{self.venue}: {cid} is {stop.state} and names {len(stop.made)} orders")
        [order_id] = stop.made
        try:
            row = await self._row(symbol, "ordId", order_id)
        except OrderNotFound as error:
            at_ms = stop.at_ms or wall_ms()
            if wall_ms() - at_ms < _KEPT_MS or await self._fills(symbol, order_id, at_ms, Purpose.LOOK_UP):
                raise VenueUnavailable(f"{self.venue}: {cid} made {order_id}, which is not shown yet") from error
            raise
        return await self._report(row, cid, Purpose.LOOK_UP)

    async def open_orders(self) -> Sequence[OrderReport]:
        rows: list[wire.Order] = []
        params: dict[str, Any] = {"instType": self._traded.kind, "limit": _PAGE}
        while True:
            page = (await self._client.ask(Purpose.READ, "GET", "trade/orders-pending", params, wire.Orders)).data
            rows += page
            if len(page) < _PAGE:
                break
            params["after"] = page[-1].ordId
        return [await self._report(row, row.cid, Purpose.READ) for row in rows]

    async def waiting_stops(self) -> Sequence[OrderReport]:
        return await self._stops.waiting()

    async def balances(self) -> Sequence[Balance]:
        answer = await self._client.ask(Purpose.READ, "GET", "account/balance", {}, wire.Account)
        rows = [(row.ccy, self._free(row), self._number(row.cashBal)) for data in answer.data for row in data.details]
        return [Balance(asset, free, total) for asset, free, total in rows if free or total]

    async def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        found = []
        for symbol in symbols:
            market = await self._market(symbol)
            if market is None:
                continue
            # Without the market or its family the answer leaves out special rates.
            named = {"instId": symbol} if self._traded.kind == "SPOT" else {"instFamily": symbol.removesuffix("-SWAP")}
            params = {"instType": self._traded.kind, **named}
            rates = await self._client.ask(Purpose.READ, "GET", "account/trade-fee", params, wire.Rates)
            if not rates.data:
                raise VenueUnavailable(f"{self.venue}: no fees for {symbol}")
            if market.instIdCode is not None:
                self._order_socket.codes[symbol] = market.instIdCode
            found.append(self._instrument(market, rates.data[0]))
        return found

    async def wallets(self, assets: Sequence[str]) -> Sequence[Wallet]:
        return await standing.wallets(self._client, assets)

    async def warnings(self, symbols: Sequence[str]) -> Sequence[MarketWarning]:
        return await standing.warnings(self._client, symbols, self._traded.kind)

    async def arm(self, timeout_s: int) -> None:
        """Ten seconds at least. The venue cancels one order after the other, which may take it some seconds."""
        params = {"timeOut": str(max(timeout_s, _LEAST_COUNTDOWN_S) if timeout_s else 0)}
        await self._client.ask(Purpose.CANCEL, "POST", "trade/cancel-all-after", params, dict[str, Any])

    async def server_time_ms(self) -> int:
        sent_ms = wall_ms()
        answer = await self._client.ask(Purpose.READ, "GET", "public/time", {}, wire.Time, "public")
        received_ms = wall_ms()
        if not answer.data:
            raise VenueUnavailable(f"{self.venue}: /public/time was answered without a row")
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

    # sizes

    async def _size(self, symbol: str) -> Size | None:
        """None: sizes are base as they stand. Raises VenueRefused for a contract that counts something else."""
        if self._traded.kind == "SPOT":
            return None
        if symbol not in self._sizes and await self._market(symbol) is None:
            raise VenueRefused("unsupported", f"{self.venue}: {symbol} is no contract margined in its quote")
        return self._sizes[symbol]

    async def _written(self, symbol: str, qty: Decimal) -> str:
        """Base as the venue counts it. Raises VenueRefused where that is no whole number of lots: never rounded."""
        size = await self._size(symbol)
        if size is None:
            return plain(qty)
        units = qty / size.unit
        if units * size.unit != qty or units % size.lot:
            text = f"{plain(qty)} is no multiple of {plain(size.lot * size.unit)}"
            raise VenueRefused("lot", f"{self.venue}: {symbol}: {text}", about_rules=True)
        return plain(units)

    async def _market(self, symbol: str) -> wire.Market | None:
        """None where the venue does not list it, or not as a contract that counts its base."""
        markets = await standing.instrument(self._client, symbol, wire.Markets, self._traded.kind)
        if markets is None:
            return None
        if not markets.data:
            raise VenueUnavailable(f"{self.venue}: no rules for {symbol}")
        market = markets.data[0]
        if self._traded.kind == "SPOT":
            return market
        if market.ctType != "linear":
            return None
        unit = positive(self.venue, market.ctVal) * positive(self.venue, market.ctMult or "1")
        self._sizes[symbol] = Size(unit, positive(self.venue, market.lotSz))
        return market

    # reading

    async def _report(self, row: wire.Order, cid: str, purpose: Purpose) -> OrderReport:
        size = await self._size(row.instId)
        unit = size.unit if size else Decimal(1)
        executed = self._number(row.accFillSz)
        fills = await self._fills(row.instId, row.ordId, row.uTime, purpose) if executed else []
        sizes = [positive(self.venue, fill.fillSz) for fill in fills]
        settled(self.venue, row.ordId, executed, sum(sizes, ZERO))
        quote = sum((positive(self.venue, fill.fillPx) * size for fill, size in zip(fills, sizes, strict=True)), ZERO)
        return OrderReport(
            cid=cid,
            venue=self.venue,
            symbol=row.instId,
            side=Side(row.side),
            status=wire.STATUS[row.state],
            venue_order_id=row.ordId,
            filled_qty=executed * unit,
            filled_quote=quote * unit,
            fees=fees_of((fill.feeCcy, -self._number(fill.fee)) for fill in fills),
            venue_ts_ms=row.uTime,
        )

    async def _row(self, symbol: str, name: str, value: str) -> wire.Order:
        """Raises OrderNotFound where the list of those that have ended does not show it either."""
        try:
            params = {"instId": symbol, name: value}
            answer = await self._client.ask(Purpose.LOOK_UP, "GET", "trade/order", params, wire.Orders)
            if not answer.data:
                raise VenueUnavailable(f"{self.venue}: a look-up of {value} was answered without a row")
            return answer.data[0]
        except OrderNotFound:
            found = await self._ended(symbol, name, value)
            if found is None:
                raise
            return found

    async def _ended(self, symbol: str, name: str, value: str) -> wire.Order | None:
        params: dict[str, Any] = {"instType": self._traded.kind, "instId": symbol, "limit": _PAGE}
        for _ in range(_ENDED_PAGES):
            rows = (await self._client.ended("trade/orders-history", params, wire.Orders)).data
            for row in rows:
                if getattr(row, name) == value:
                    return row
            if len(rows) < _PAGE:
                break
            params = params | {"after": rows[-1].ordId}
        return None

    async def _fills(self, symbol: str, order_id: str, at_ms: int, purpose: Purpose) -> list[wire.Fill]:
        """Every fill of the order, with its fee."""
        is_recent = wall_ms() - at_ms < _RECENT_MS
        path = "trade/fills" if is_recent else "trade/fills-history"
        params: dict[str, Any] = {"instType": self._traded.kind, "instId": symbol, "ordId": order_id}
        params["limit"] = _PAGE
        fills: list[wire.Fill] = []
        while True:
            page = (await self._client.ask(purpose, "GET", path, params, wire.Fills)).data
            fills += page
            if len(page) < _PAGE:
                return fills
            params["after"] = page[-1].billId

    def _free(self, row: wire.Detail) -> Decimal:
        return self._number(row.availBal if self._traded.kind == "SPOT" else row.availEq or row.availBal)

    def _number(self, text: str) -> Decimal:
        return number(self.venue, text)

    def _instrument(self, market: wire.Market, rate: wire.Rate) -> Instrument:
        is_spot = self._traded.kind == "SPOT"
        maker, taker = (rate.maker, rate.taker) if is_spot else (rate.makerU or rate.maker, rate.takerU or rate.taker)
        size = self._sizes.get(market.instId, Size(Decimal(1), positive(self.venue, market.lotSz)))
        return Instrument(
            venue=self.venue,
            symbol=market.instId,
            base=market.baseCcy if is_spot else market.ctValCcy,
            quote=market.quoteCcy if is_spot else market.settleCcy,
            ticks=(TickBand(ZERO, positive(self.venue, market.tickSz)),),
            qty_step=size.lot * size.unit,
            min_qty=self._number(market.minSz) * size.unit,
            min_notional=self._config.min_notional,  # the venue has a minimum size only
            maker_fee_bps=-self._number(maker) * _BPS_PER_ONE,
            taker_fee_bps=-self._number(taker) * _BPS_PER_ONE,
            fee_side=self._config.fee_side,
            source="venue",
            fee_source="account",
            as_of_ms=wall_ms(),
            product=Product.SPOT if is_spot else Product.PERP,
            contract_size=size.unit,
        )
