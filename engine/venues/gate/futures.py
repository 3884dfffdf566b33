"""Orders and positions on Gate's USDT perpetuals. Source: Gate API v4, Futures.

Sizes on the wire are contracts, signed: below zero sells. A price of 0 is the market's. The account is in single mode
with cross margin (a leverage of 0, and a limit beside it).
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from engine.domain.errors import OrderNotFound, VenueRefused, VenueUnavailable
from engine.domain.market import Balance, Instrument, MarketWarning, Product, Wallet
from engine.domain.money import ZERO, TickBand
from engine.domain.order import Abilities, OrderKind, OrderReport, OrderRequest, OrderStatus, Side
from engine.domain.position import FundingPaid, Position
from engine.venues.ccxt_orders import CcxtClient, options, plain, wall_ms
from engine.venues.contracts import Contracts
from engine.venues.gate import futures_wire as wire
from engine.venues.gate import standing
from engine.venues.gate.futures_stream import GateFuturesStreamDialect
from engine.venues.gate.paging import FINISHED_PAGES, FUTURES, MOST_PAGES, pages
from engine.venues.gate.private import (
    BPS_PER_ONE,
    DIALECT,
    LEAST_COUNTDOWN_S,
    PREFIX,
    TIFS,
    Exchange,
    server_time_ms,
)
from engine.venues.gate.stops import Stops
from engine.venues.order_stream import StreamLine
from engine.venues.purse import Purpose
from engine.venues.reports import acknowledged, fees_of, number, settled
from engine.venues.settings import Key, OrderSettings
from engine.venues.verdict import Budgets

_UNKNOWN = "CONTRACT_NOT_FOUND"
_CROSS = "0"  # as a leverage
_FORGOTTEN_MS = 600_000


class GateFuturesOrders:
    """One account of USDT perpetuals."""

    abilities = Abilities(
        kinds=frozenset(OrderKind),
        reduce_only=True,
        amend=True,
        moves=True,
        countdown=True,
        expiry=False,  # its orders' requests expire, those of its stops do not: an account has one bound
    )

    def __init__(self, config: OrderSettings, credential: Key, budgets: Budgets) -> None:
        self.venue = "gate_futures"
        self.late_acceptance_ms = config.late_acceptance_ms + config.settle_margin_ms
        self._exchange = Exchange(options(credential.key, credential.secret, config.order_timeout_ms))
        self._exchange.expiry_ms = config.order_timeout_ms
        self._client = CcxtClient(self.venue, self._exchange, config.rest_base, DIALECT, budgets)
        self._stops = Stops(self.venue, self._client)
        self._contracts = Contracts(self.venue, self._size)
        self._config = config
        stream = GateFuturesStreamDialect(
            config, credential, lambda: int(self._exchange.nonce()), self._user, self._contracts.known
        )
        self.stream = StreamLine(stream) if config.order_stream else None

    async def place(self, order: OrderRequest) -> OrderReport:
        self.abilities.check(order)
        count = await self._contracts.whole(order.symbol, order.qty)
        is_market, size = order.kind is OrderKind.MARKET, count if order.side is Side.BUY else -count
        if order.kind is OrderKind.STOP_LOSS:
            return await self._stops.place(order, size)
        params: dict[str, Any] = {
            "contract": order.symbol,
            "size": size,
            "price": "0" if is_market else plain(order.price),
            "tif": "ioc" if is_market else TIFS[order.tif],
            "text": PREFIX + order.cid,
        }
        if order.reduce_only:
            params["reduce_only"] = True
        row = await self._client.place(order, f"{FUTURES}/orders", params, wire.Order)
        return acknowledged(order, str(row.id))

    async def amend(self, symbol: str, cid: str, venue_order_id: str, qty: Decimal, price: Decimal) -> None:
        """The sign of a size is its side, so the order is looked up first."""
        count = await self._contracts.whole(symbol, qty)
        row = await self._order(cid, venue_order_id)
        params = {"order_id": str(row.id), "size": count if row.size > 0 else -count, "price": plain(price)}
        await self._client.ask(Purpose.CANCEL, "PUT", f"{FUTURES}/orders/{{order_id}}", params, dict[str, Any])

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> None:
        params = {"order_id": venue_order_id or PREFIX + cid}
        await self._client.ask(Purpose.CANCEL, "DELETE", f"{FUTURES}/orders/{{order_id}}", params, dict[str, Any])

    async def cancel_stop(self, symbol: str, cid: str, venue_order_id: str) -> None:
        for made in await self._stops.cancel(symbol, cid, venue_order_id):
            await self.cancel(symbol, cid, str(made))

    async def look_up_stop(self, symbol: str, cid: str) -> OrderReport:
        """By its text among those that wait and those that have ended; then the order that it made, by its id."""
        stop = await self._stops.find(symbol, cid)
        if stop.waits or not stop.trade_id:
            return self._stops.report(stop)
        made = await self._made(symbol, stop.trade_id)
        if made is not None:
            return await self._report(made, cid, Purpose.LOOK_UP)
        # Without a fill the venue forgets an order some ten minutes after its end.
        if not stop.finish_time or self._exchange.nonce() - stop.at_ms < _FORGOTTEN_MS:
            raise VenueUnavailable(f"{self.venue}: the order {stop.trade_id} of the stop {cid} is not listed")
        return self._stops.report(stop)

    async def look_up(self, symbol: str, cid: str) -> OrderReport:
        """By text while the venue keeps it (a minute after the end), else among the ended; then its trades."""
        try:
            return await self._report(await self._order(cid), cid, Purpose.LOOK_UP)
        except OrderNotFound:
            ended = await self._listed(symbol, lambda row: row.text == PREFIX + cid)
            if ended is not None:
                return await self._report(ended, cid, Purpose.LOOK_UP)
        trades = await self._trades({"contract": symbol}, Purpose.LOOK_UP, FINISHED_PAGES)
        if any(trade.text == PREFIX + cid for trade in trades):
            raise VenueUnavailable(f"{self.venue}: {cid} has trades and is not listed yet")
        raise OrderNotFound(f"{self.venue}: no order and no trade of {cid}")

    async def open_orders(self) -> Sequence[OrderReport]:
        rows = await pages(self._client, "orders", {"status": "open"}, Purpose.READ, wire.Order)
        found = []
        for row in rows:
            name = await self._stops.name_of(row)
            found.append(await self._report(row, name.removeprefix(PREFIX), Purpose.READ))
        return found

    async def waiting_stops(self) -> Sequence[OrderReport]:
        return await self._stops.waiting()

    async def balances(self) -> Sequence[Balance]:
        account = await self._account()
        total, available = number(self.venue, account.total), number(self.venue, account.available)
        return [Balance(account.currency, max(min(available, total), ZERO), total)] if total else []

    async def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        found = []
        for symbol in symbols:
            contract = await self._contract(symbol)
            if contract is None or not contract.quanto_multiplier:
                continue
            self._contracts.learn(symbol, contract.quanto_multiplier)
            asked = {"contract": symbol}
            rates = await self._client.ask(Purpose.READ, "GET", f"{FUTURES}/fee", asked, dict[str, wire.Rate])
            if symbol not in rates:
                raise VenueUnavailable(f"{self.venue}: no fees for {symbol}")
            found.append(self._instrument(contract, rates[symbol]))
        return found

    async def wallets(self, assets: Sequence[str]) -> Sequence[Wallet]:
        """Those of the spot account: what comes in passes through it."""
        return await standing.wallets(self._client, assets)

    async def warnings(self, symbols: Sequence[str]) -> Sequence[MarketWarning]:
        found = []
        for symbol in symbols:
            contract = await self._contract(symbol)
            if contract is None:
                found.append(MarketWarning(symbol=symbol, kind="suspended", text="not listed any more"))
            elif contract.in_delisting:
                found.append(MarketWarning(symbol=symbol, kind="delisting", text="in delisting"))
            elif contract.status != "trading":
                found.append(MarketWarning(symbol=symbol, kind="suspended", text=contract.status))
        return found

    async def prepare(self, symbols: Sequence[str], leverage: int) -> None:
        """Single mode and cross margin with this limit; what is so already is left, for orders and positions may
        forbid a change. Raises VenueRefused where they do."""
        if (await self._account()).in_dual_mode:
            asked = {"dual_mode": "false"}
            await self._client.ask(Purpose.READ, "POST", f"{FUTURES}/dual_mode", asked, object)
        rows = await self._client.ask(Purpose.READ, "GET", f"{FUTURES}/positions", {}, list[wire.Position])
        so = {row.contract for row in rows if (row.leverage, row.cross_leverage_limit) == (_CROSS, str(leverage))}
        for symbol in symbols:
            if symbol not in so:
                params = {"contract": symbol, "leverage": _CROSS, "cross_leverage_limit": str(leverage)}
                path = f"{FUTURES}/positions/{{contract}}/leverage"
                await self._client.ask(Purpose.READ, "POST", path, params, object)

    async def positions(self) -> Sequence[Position]:
        rows = await self._client.ask(Purpose.READ, "GET", f"{FUTURES}/positions", {}, list[wire.Position])
        return [await self._position(row) for row in rows if row.size]

    async def funding_since(self, at_ms: int) -> Sequence[FundingPaid]:
        asked = {"type": "fund", "from": at_ms // 1_000}
        rows = await pages(self._client, "account_book", asked, Purpose.READ, wire.Entry)
        found = [self._paid(row) for row in rows]
        return sorted((paid for paid in found if paid.at_ms >= at_ms), key=lambda paid: (paid.at_ms, paid.id))

    async def arm(self, timeout_s: int) -> None:
        """Every open order is cancelled unless this comes again in time; 0 disarms. Five seconds at least."""
        params = {"timeout": max(timeout_s, LEAST_COUNTDOWN_S) if timeout_s else 0}
        path = f"{FUTURES}/countdown_cancel_all"
        await self._client.ask(Purpose.CANCEL, "POST", path, params, dict[str, Any])

    async def server_time_ms(self) -> int:
        return await server_time_ms(self._client, self._exchange)

    async def warm(self) -> None:
        """Connect, learn the venue's clock and prove the key before the first order. Raises VenueRefused."""
        await self.server_time_ms()  # pays for the connection, so that the second reading is a sharp one
        await self.server_time_ms()
        await self.balances()

    async def close(self) -> None:
        await self._client.close()

    # asking

    async def _account(self) -> wire.Account:
        return await self._client.ask(Purpose.READ, "GET", f"{FUTURES}/accounts", {}, wire.Account)

    async def _user(self) -> str:
        return str((await self._account()).user)

    async def _order(self, cid: str, venue_order_id: str = "") -> wire.Order:
        params = {"order_id": venue_order_id or PREFIX + cid}
        return await self._client.ask(Purpose.LOOK_UP, "GET", f"{FUTURES}/orders/{{order_id}}", params, wire.Order)

    async def _made(self, symbol: str, order_id: int) -> wire.Order | None:
        """The order that a stop made; None where no query and no list knows it, and it has no trade."""
        try:
            return await self._order("", str(order_id))
        except OrderNotFound:
            for status in ("open", "finished"):
                if (row := await self._listed(symbol, lambda row: row.id == order_id, status)) is not None:
                    return row
        if await self._trades({"contract": symbol, "order": order_id}, Purpose.LOOK_UP):
            raise VenueUnavailable(f"{self.venue}: {order_id} has trades and is not listed yet")
        return None

    async def _listed(
        self, symbol: str, is_it: Callable[[wire.Order], bool], status: str = "finished"
    ) -> wire.Order | None:
        asked = {"contract": symbol, "status": status}
        rows = await pages(self._client, "orders", asked, Purpose.LOOK_UP, wire.Order, FINISHED_PAGES)
        return next((row for row in rows if is_it(row)), None)

    async def _trades(self, asked: dict[str, Any], purpose: Purpose, most: int = MOST_PAGES) -> list[wire.Trade]:
        return await pages(self._client, "my_trades", asked, purpose, wire.Trade, most)

    async def _contract(self, symbol: str) -> wire.Contract | None:
        """None where the venue does not list it."""
        path, asked = f"{FUTURES}/contracts/{{contract}}", {"contract": symbol}
        try:
            return await self._client.ask(Purpose.READ, "GET", path, asked, wire.Contract, "public")
        except VenueRefused as error:
            if error.code != _UNKNOWN:
                raise
            return None

    async def _size(self, symbol: str) -> Decimal | None:
        contract = await self._contract(symbol)
        return contract.quanto_multiplier if contract is not None else None

    # reading

    async def _report(self, row: wire.Order, cid: str, purpose: Purpose) -> OrderReport:
        size, executed = await self._contracts.size(row.contract), abs(row.size) - abs(row.left)
        asked = {"contract": row.contract, "order": row.id}
        trades = await self._trades(asked, purpose) if executed else []
        settled(self.venue, str(row.id), executed, sum((abs(trade.size) for trade in trades), ZERO))
        ended = OrderStatus.CANCELLED if row.left else OrderStatus.FILLED
        paid = [(wire.SETTLE, trade.fee) for trade in trades] + [("POINT", trade.point_fee) for trade in trades]
        return OrderReport(
            cid=cid,
            venue=self.venue,
            symbol=row.contract,
            side=Side.BUY if row.size > 0 else Side.SELL,
            status=OrderStatus.OPEN if row.status == "open" else ended,
            venue_order_id=str(row.id),
            filled_qty=executed * size,
            filled_quote=sum((abs(trade.size) * trade.price for trade in trades), ZERO) * size,
            fees=fees_of((asset, number(self.venue, amount)) for asset, amount in paid),
            venue_ts_ms=int((row.finish_time or row.create_time) * 1_000),
        )

    async def _position(self, row: wire.Position) -> Position:
        if row.mode != wire.ONE_WAY:
            raise VenueUnavailable(f"{self.venue}: {row.contract} is held in dual mode, where it has two sides")
        margin = number(self.venue, row.initial_margin) or number(self.venue, row.margin)
        return Position(
            symbol=row.contract,
            qty=row.size * await self._contracts.size(row.contract),
            entry=number(self.venue, row.entry_price),
            mark=number(self.venue, row.mark_price),
            margin=margin,
            liquidation=number(self.venue, row.liq_price) or None,
        )

    def _paid(self, row: wire.Entry) -> FundingPaid:
        """A contract settles once at a time: both name the payment, for old entries bear no id."""
        symbol, at_ms = row.contract or row.text.partition(":")[0], int(row.time * 1_000)
        return FundingPaid(id=f"{symbol}@{at_ms}", symbol=symbol, asset=wire.SETTLE, amount=row.change, at_ms=at_ms)

    def _instrument(self, contract: wire.Contract, rate: wire.Rate) -> Instrument:
        base, _, quote = contract.name.partition("_")
        size = contract.quanto_multiplier
        return Instrument(
            venue=self.venue,
            symbol=contract.name,
            base=base,
            quote=quote,
            ticks=(TickBand(ZERO, contract.order_price_round),),
            qty_step=size,
            min_qty=size * max(contract.order_size_min, Decimal(1)),
            min_notional=self._config.min_notional,
            maker_fee_bps=rate.maker_fee * BPS_PER_ONE,
            taker_fee_bps=rate.taker_fee * BPS_PER_ONE,
            fee_side=self._config.fee_side,
            source="venue",
            fee_source="account",
            as_of_ms=wall_ms(),
            product=Product.PERP,
            contract_size=size,
        )
