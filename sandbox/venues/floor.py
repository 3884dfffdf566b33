"""One venue's trading floor: the matching engine, its faults and clock, and who listens to its market."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from sandbox.faults import Fault, VenueFaults
from sandbox.venues.auth import Credential
from sandbox.venues.ledger import Ledger
from sandbox.venues.liquidity import Levels
from sandbox.venues.loans import Loans
from sandbox.venues.matching import Exchange
from sandbox.venues.orders import Order, OrderRequest, Print, Reason, Refused, State, as_of
from sandbox.venues.positions import Mark
from sandbox.venues.rules import VenueRules
from sandbox.venues.statements import Statements
from sandbox.venues.stops import Stop, Stops
from sandbox.venues.wallets import Wallets


class Cut(Exception):
    """The answer never comes: the connection is cut, at once or after hanging."""

    def __init__(self, hang_ms: int = 0) -> None:
        super().__init__(f"cut after {hang_ms} ms")
        self.hang_ms = hang_ms


class Page(Exception):
    """A machine in front of the venue answers with a page of HTML."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


class Limited(Exception):
    """Too many requests: 429, or 418 where `banned`."""

    def __init__(self, *, banned: bool = False, retry_after_ms: int = 1000) -> None:
        super().__init__("banned" if banned else "rate limited")
        self.banned = banned
        self.retry_after_ms = retry_after_ms


class RawFrame(Struct, frozen=True):
    """A recorded frame, sent as it is to whoever subscribes its symbol and channel."""

    symbol: str
    channel: str
    text: str


class PerpState(Struct, frozen=True, kw_only=True):
    """One perpetual at one moment. Rates are fractions per interval; a positive one is paid by the longs."""

    symbol: str
    mark: Decimal
    index: Decimal
    funding_rate: Decimal  # of the settlement at `next_ms`, as far as the venue can tell
    predicted_rate: Decimal  # of the one after it
    settled_rate: Decimal  # of the last one; what was charged
    interval_ms: int
    next_ms: int  # UTC
    at_ms: int


class PerpListener(Protocol):
    def perp(self, state: PerpState) -> None: ...


Side = dict[Decimal, Decimal]  # price -> size, unordered


class Listener(Protocol):
    def book(self, symbol: str, at_ms: int) -> None: ...
    def trade(self, trade: Print) -> None: ...
    def raw(self, frame: RawFrame) -> None: ...
    def depth(self, symbol: str, update_id: int, bids: Side, asks: Side) -> None:
        """A recording's whole book; the dicts stay the recording's."""


def _always_valid() -> None:
    """For a venue without a request expiry."""


class Floor:
    def __init__(self, rules: VenueRules, faults: VenueFaults, clock: Callable[[], int]) -> None:
        self.rules = rules
        self.faults = faults
        self.clock: Callable[[], int] = lambda: clock() + faults.offset_ms()  # its own, right or not
        self.ledger = Ledger(clock)
        self.exchange = Exchange(rules, self.ledger)
        self.statements = Statements(self.ledger, self.exchange.clearing, faults, clock)
        self.stops = Stops(rules, self.exchange)
        self.keys: dict[str, Credential] = {}
        self.wallets = Wallets()
        self.loans = Loans()
        self.sends_checksums = False  # as OKX and Bitget did once
        self.recorded: set[str] = set()  # symbols whose frames come from a recording: not rendered again
        self.perps: dict[str, PerpState] = {}  # newest of every perpetual
        self.on_placed: Callable[[Order], None] = lambda _: None  # before the answer leaves
        self.on_orders: list[Callable[[], None]] = []  # after whatever may have changed an order
        self._listeners: list[Listener] = []
        self._perp_listeners: list[PerpListener] = []

    def open_account(self, credential: Credential, funds: dict[str, Decimal]) -> None:
        self.keys[credential.key] = credential
        for asset, amount in funds.items():
            self.ledger.deposit(credential.account, asset, amount)

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def listen_perps(self, listener: PerpListener) -> None:
        self._perp_listeners.append(listener)

    # the tape's side: its times are right, what is told bears the venue's own clock

    def show_perp(self, state: PerpState) -> None:
        if off_ms := self.faults.offset_ms():
            state = replace(state, at_ms=state.at_ms + off_ms)
        self.perps[state.symbol] = state
        mark = Mark(
            price=state.mark,
            settled_rate=state.settled_rate,
            interval_ms=state.interval_ms,
            next_ms=state.next_ms,
        )
        self.exchange.show_mark(state.symbol, mark, self.clock())
        self._publish_prints()
        self._publish_orders()
        for listener in self._perp_listeners:
            listener.perp(state)

    def show_book(self, symbol: str, bids: Levels, asks: Levels, at_ms: int) -> None:
        at_ms += self.faults.offset_ms()
        self.exchange.show_book(symbol, bids, asks, at_ms)
        self._publish_prints()
        self._publish_orders()
        for listener in self._listeners:
            listener.book(symbol, at_ms)

    def show_print(self, trade: Print) -> None:
        if off_ms := self.faults.offset_ms():
            trade = replace(trade, at_ms=trade.at_ms + off_ms)
        self.exchange.show_print(trade)
        for listener in self._listeners:
            listener.trade(trade)
        if self.stops.show_price(trade.symbol, trade.price, self.clock()):
            self._publish_prints()
        self._publish_orders()

    def show_raw(self, frame: RawFrame) -> None:
        for listener in self._listeners:
            listener.raw(frame)

    def show_depth(
        self, symbol: str, update_id: int, bids: dict[Decimal, Decimal], asks: dict[Decimal, Decimal]
    ) -> None:
        for listener in self._listeners:
            listener.depth(symbol, update_id, bids, asks)

    # the dialects' side

    async def place(self, request: OrderRequest, check_expiry: Callable[[], None] = _always_valid) -> Order:
        """Execute, with whatever fault is armed. Raises Refused, Cut, Page, Limited, or what `check_expiry` raises."""
        fault = self.faults.for_placement(request.symbol, request.side.value)
        if fault is None:
            return self._execute(request)
        match fault.kind:
            case "reject" | "reject_all":
                raise Refused(Reason.ON_REQUEST, "refused on request", side=request.side, code=fault.code)
            case "rate_limit" | "ban":
                raise Limited(banned=fault.kind == "ban")
            case "drop_before":
                raise Cut(fault.ms)
            case "http_error":
                if fault.executed:
                    self._execute_unseen(request)
                raise Page(fault.status)
            case "drop_after":
                self._execute_unseen(request)
                raise Cut(fault.ms)
            case "delay_before":
                await asyncio.sleep(fault.ms / 1000)
                check_expiry()
                return self._execute(request)
            case "delay_after":
                order = self._execute(request)
                await asyncio.sleep(fault.ms / 1000)
                return order
            case _:
                return self._execute(_partly(request, fault))

    def cancel(self, order: Order) -> Order:
        """By its number: what a query told of it may be old. Raises Refused."""
        order = self.exchange.orders.get(order.id, order)
        kept_by = self.stops if self.stops.holds(order) else self.exchange
        cancelled = kept_by.cancel(order, self.clock())
        self._publish_orders()
        return cancelled

    def amend(self, order: Order, qty: Decimal, price: Decimal) -> Order:
        """An order, to this size (fills included) and price. Raises Refused."""
        order = self.exchange.orders.get(order.id, order)
        if self.stops.holds(order):
            raise Refused(Reason.ALREADY_CLOSED, "a stop that waits cannot be changed")
        self.exchange.amend(order, qty, price, self.clock())
        self._publish_prints()
        self._publish_orders()
        return order

    def find(self, account: str, *, order_id: int | None = None, client_id: str = "") -> Order:
        """Raises Refused where there is none, or none that the venue shows yet."""
        try:
            order = self.exchange.find(account, order_id=order_id, client_id=client_id)
        except Refused:
            if self.rules.stops_apart:
                raise
            order = self.stops.find(account, order_id=order_id, client_id=client_id).order
        return self._shown(order)

    def find_stop(self, account: str, *, order_id: int | None = None, client_id: str = "") -> Stop:
        """Where the venue keeps them apart. Raises Refused as `find` does."""
        stop = self.stops.find(account, order_id=order_id, client_id=client_id)
        self._shown(stop.order)
        return stop

    def _shown(self, order: Order) -> Order:
        if self.clock() - order.created_ms < self.faults.lag_ms():
            self.faults.count("query_lag")
            raise Refused(Reason.UNKNOWN_ORDER, "not visible yet")
        if self.faults.lasting("query_blind", order.symbol) is not None:
            raise Refused(Reason.UNKNOWN_ORDER, "only the lists know it")
        if self.has_forgotten(order):
            raise Refused(Reason.UNKNOWN_ORDER, "forgotten")
        return self.as_told(order)

    def as_told(self, order: Order) -> Order:
        """As a query tells it: itself, or a copy of how it stood a while ago."""
        stale = self.faults.lasting("query_stale", order.symbol, count=False)
        then_ms = self.clock() - stale.behind_ms if stale is not None else order.updated_ms
        made = sum(fill.at_ms <= then_ms for fill in order.fills)
        if order.updated_ms <= then_ms or (order.state is State.OPEN and made == len(order.fills)):
            return order
        self.faults.count("query_stale")
        return as_of(order, made)

    def has_forgotten(self, order: Order) -> bool:
        age_ms = self.clock() - order.updated_ms
        return order.state is not State.OPEN and self.faults.forgets(order.symbol, age_ms, filled=bool(order.filled))

    def open_orders(self, account: str, symbol: str | None = None) -> list[Order]:
        """Raises Refused for a market that is not here."""
        if symbol is not None and symbol not in self.rules.markets:
            raise Refused(Reason.UNKNOWN_MARKET, symbol)
        found = self.exchange.open_orders(account, symbol)
        if not self.rules.stops_apart:
            found += self._waiting(account, symbol)
        return self._told(found)

    def open_stops(self, account: str, symbol: str | None = None) -> list[Order]:
        """Those that wait, oldest first, where the venue keeps them apart."""
        return self._told(self._waiting(account, symbol))

    def _waiting(self, account: str, symbol: str | None) -> list[Order]:
        return [stop.order for stop in reversed(self.stops.of(account, symbol)) if stop.waits]

    def _told(self, orders: list[Order]) -> list[Order]:
        """What the venue shows by now."""
        now_ms, lag_ms = self.clock(), self.faults.lag_ms()
        return [self.as_told(order) for order in orders if now_ms - order.created_ms >= lag_ms]

    def _execute(self, request: OrderRequest) -> Order:
        takes = self.exchange if request.stop is None else self.stops
        order = takes.place(request, self.clock())
        self.on_placed(order)
        self._publish_prints()
        self._publish_orders()
        return order

    def _execute_unseen(self, request: OrderRequest) -> None:
        try:
            self._execute(request)
        except Refused:
            return  # refused or done, the caller hears neither

    def _publish_orders(self) -> None:
        for publish in self.on_orders:
            publish()

    def _publish_prints(self) -> None:
        prints, self.exchange.prints = self.exchange.prints, []
        for trade in prints:
            for listener in self._listeners:
                listener.trade(trade)
            if self.stops.show_price(trade.symbol, trade.price, self.clock()):
                self._publish_prints()


def _partly(request: OrderRequest, fault: Fault) -> OrderRequest:
    return replace(request, take_ratio=fault.ratio)
