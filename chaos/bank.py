"""One venue's matching engine and money, owned by the world: it goes on while the desk's process is dead."""

from collections.abc import Callable
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from engine.domain.errors import VenueRefused
from engine.domain.market import Balance, FeeSide, Instrument, Product
from engine.domain.money import TickBand
from engine.domain.order import Fee, OrderKind, OrderReport, OrderRequest, OrderStatus, TimeInForce
from engine.domain.order import Side as EngineSide
from sandbox.venues import orders as venue
from sandbox.venues.ledger import Ledger
from sandbox.venues.liquidity import Levels
from sandbox.venues.matching import Exchange
from sandbox.venues.rules import FeeFrom, MarketRules, VenueRules
from sandbox.venues.stops import Stops

ACCOUNT = "desk"
_TIFS = {
    TimeInForce.GTC: venue.Tif.GTC,
    TimeInForce.IOC: venue.Tif.IOC,
    TimeInForce.FOK: venue.Tif.FOK,
    TimeInForce.POST_ONLY: venue.Tif.POST_ONLY,
}


class Arrival(Struct, frozen=True, kw_only=True):
    """An order as the venue got it."""

    venue: str
    request: OrderRequest
    at_ms: int


class Bank:
    """`on_arrival` hears of every order before it is executed."""

    def __init__(
        self,
        rules: VenueRules,
        funds: dict[str, Decimal],
        clock_ms: Callable[[], int],
        on_arrival: Callable[[Arrival], None],
    ) -> None:
        self.name = rules.venue
        rules = replace(rules, stops_apart=False)  # where it keeps stops apart, its client tells them apart
        self.rules = rules
        self.ledger = Ledger()
        self.exchange = Exchange(rules, self.ledger)
        self.stops = Stops(rules, self.exchange)
        self.clock_ms = clock_ms
        self._on_arrival = on_arrival
        for asset, amount in funds.items():
            self.ledger.deposit(ACCOUNT, asset, amount)
        self.funds = dict(funds)
        self._history: list[tuple[int, tuple[Balance, ...]]] = []
        self.on_order: Callable[[OrderReport], None] | None = None  # a stream of the desk's newest life
        self._forgotten_ms = 0  # what ended before then its queries do not know
        self._resting: dict[int, tuple[venue.State, Decimal]] = {}  # order -> as it was told last

    def show(self, symbol: str, bids: Levels, asks: Levels) -> None:
        self.exchange.show_book(symbol, bids, asks, self.clock_ms())
        if bids and asks:
            self.stops.show_price(symbol, (bids[0][0] + asks[0][0]) / 2, self.clock_ms())
        self.exchange.prints.clear()
        self._tell_changes()

    def place(self, request: OrderRequest, ratio: Decimal) -> OrderReport:
        """Raises VenueRefused."""
        now_ms = self.clock_ms()
        self._on_arrival(Arrival(venue=self.name, request=request, at_ms=now_ms))
        is_limit = request.kind is not OrderKind.MARKET
        takes = self.exchange if request.stop_price is None else self.stops
        wanted = venue.OrderRequest(
            account=ACCOUNT,
            symbol=request.symbol,
            side=venue.Side.BUY if request.side is EngineSide.BUY else venue.Side.SELL,
            kind=venue.Kind.LIMIT if is_limit else venue.Kind.MARKET,
            tif=_TIFS[request.tif] if is_limit else venue.Tif.IOC,
            price=request.price if is_limit else None,
            qty=request.qty / self._contract(request.symbol),
            reduce_only=request.reduce_only,
            client_id=request.cid,
            stop=request.stop_price,
            take_ratio=ratio,
        )
        try:
            order = takes.place(wanted, now_ms)
        except venue.Refused as error:
            raise VenueRefused(error.reason.value, error.detail) from error
        self.exchange.prints.clear()
        self._resting[order.id] = (venue.State.OPEN, Decimal(-1))
        self._remember()
        return self.report(order)

    def cancel(self, cid: str) -> None:
        """Raises VenueRefused."""

        def end(order: venue.Order) -> None:
            keeps = self.stops if self.stops.holds(order) else self.exchange
            keeps.cancel(order, self.clock_ms())

        self._change(cid, end)

    def keeps_stop(self, cid: str) -> bool:
        """Whether it waits for its price."""
        return any(stop.waits and stop.order.client_id == cid for stop in self.stops.of(ACCOUNT))

    def amend(self, cid: str, qty: Decimal, price: Decimal) -> None:
        """Raises VenueRefused."""

        def move(order: venue.Order) -> None:
            self.exchange.amend(order, qty / self._contract(order.symbol), price, self.clock_ms())
            self.exchange.prints.clear()

        self._change(cid, move)

    def _change(self, cid: str, change: Callable[[venue.Order], object]) -> None:
        try:
            change(self.exchange.find(ACCOUNT, client_id=cid))
        except venue.Refused as error:
            raise VenueRefused(error.reason.value, error.detail) from error
        self._remember()

    def cancel_everything(self) -> None:
        for order in self.exchange.open_orders(ACCOUNT):
            self.exchange.cancel(order, self.clock_ms())
        self._remember()

    def cross(self, cid: str) -> bool:
        """Let the market trade through a resting order of ours, whole; False where none rests."""
        found = next((o for o in self.exchange.open_orders(ACCOUNT) if o.client_id == cid and o.price), None)
        if found is None or found.price is None:
            return False
        level = ((found.price, found.open_qty),)
        is_buy = found.side is venue.Side.BUY
        self.show(found.symbol, () if is_buy else level, level if is_buy else ())
        self._remember()
        return True

    def leave_order(self, symbol: str, side: venue.Side, price: Decimal, qty: Decimal) -> int:
        """Somebody else with the same account rests an order without a client id; the venue's id of it."""
        wanted = venue.OrderRequest(
            account=ACCOUNT, symbol=symbol, side=side, kind=venue.Kind.LIMIT, tif=venue.Tif.GTC, price=price, qty=qty
        )
        return self.exchange.place(wanted, self.clock_ms()).id

    def find(self, cid: str, lag_ms: int = 0) -> OrderReport | None:
        """The truth: None where there is none, or none that is so old."""
        try:
            order = self.exchange.find(ACCOUNT, client_id=cid)
        except venue.Refused:
            return None
        return self.report(order) if self.clock_ms() - order.created_ms >= lag_ms else None

    def look_up(self, cid: str, lag_ms: int, forgets_ms: int) -> OrderReport | None:
        """What its order query and lists tell: nothing of what is too new, nor of what ended unfilled too long ago.

        Fills are kept: Binance drops what was cancelled without one after three days, OKX after two hours.
        """
        if forgets_ms:
            self._forgotten_ms = max(self._forgotten_ms, self.clock_ms() - forgets_ms)
        found = self.find(cid, lag_ms)
        is_over = found is not None and found.status is not OrderStatus.OPEN and not found.filled_qty
        return None if found is None or (is_over and found.venue_ts_ms < self._forgotten_ms) else found

    def fees_paid(self) -> tuple[Fee, ...]:
        """Of every order, so far."""
        return tuple(Fee(o.fee_asset, o.fee) for o in self.exchange.orders.values() if o.fee)

    def open_orders(self) -> tuple[OrderReport, ...]:
        return (*self.resting(), *self.waiting())

    def resting(self) -> tuple[OrderReport, ...]:
        return tuple(self.report(order) for order in self.exchange.open_orders(ACCOUNT))

    def waiting(self) -> tuple[OrderReport, ...]:
        return tuple(self.report(stop.order) for stop in self.stops.of(ACCOUNT) if stop.waits)

    def balances(self) -> tuple[Balance, ...]:
        held = self.ledger.balances(ACCOUNT)
        return tuple(Balance(asset, b.free, b.total) for asset, b in sorted(held.items()) if b.total)

    def balances_before(self, at_ms: int) -> tuple[Balance, ...]:
        """What a lagging answer of that time says."""
        older = [balances for when, balances in self._history if when <= at_ms]
        return older[-1] if older else self.balances()

    def _tell_changes(self) -> None:
        """What became of orders of ours since the last look."""
        for number, was in list(self._resting.items()):
            order = self.exchange.orders.get(number) or self.stops.find(ACCOUNT, order_id=number).order
            if (order.state, order.filled) == was:
                continue
            self._resting[number] = (order.state, order.filled)
            if order.state is not venue.State.OPEN:
                del self._resting[number]
            if self.on_order is not None:
                self.on_order(self.report(order))

    def _remember(self) -> None:
        self._tell_changes()
        self._history = [*self._history[-50:], (self.clock_ms(), self.balances())]

    def report(self, order: venue.Order) -> OrderReport:
        ended = {venue.State.OPEN: OrderStatus.OPEN, venue.State.FILLED: OrderStatus.FILLED}
        return OrderReport(
            cid=order.client_id,
            venue=self.name,
            symbol=order.symbol,
            side=EngineSide.BUY if order.side is venue.Side.BUY else EngineSide.SELL,
            status=ended.get(order.state, OrderStatus.CANCELLED),
            venue_order_id=str(order.id),
            filled_qty=order.filled * order.contract,
            filled_quote=order.funds,
            fees=(Fee(order.fee_asset, order.fee),) if order.fee else (),
            venue_ts_ms=order.updated_ms,
        )

    def _contract(self, symbol: str) -> Decimal:
        """Base per unit of size."""
        market = self.rules.markets.get(symbol)
        return market.perp.contract if market is not None and market.perp is not None else Decimal(1)

    def instruments(self) -> tuple[Instrument, ...]:
        return tuple(self._instrument(market) for market in self.rules.markets.values())

    def _instrument(self, market: MarketRules) -> Instrument:
        bands = sorted((band.from_price, band.tick) for band in market.bands)
        return Instrument(
            venue=self.name,
            symbol=market.symbol,
            base=market.base,
            quote=market.quote,
            ticks=tuple(TickBand(start, tick) for start, tick in bands),
            qty_step=market.lot * self._contract(market.symbol),
            min_qty=market.min_qty * self._contract(market.symbol),
            min_notional=market.min_notional,
            maker_fee_bps=self.rules.maker_fee * 10_000,
            taker_fee_bps=self.rules.taker_fee * 10_000,
            fee_side=FeeSide.QUOTE if self.rules.fee_from is FeeFrom.QUOTE else FeeSide.RECEIVED,
            source="venue",
            product=Product.SPOT if market.perp is None else Product.PERP,
            contract_size=self._contract(market.symbol),
        )
