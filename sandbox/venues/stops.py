"""Stop-losses that wait at a venue: nobody sees them, and each becomes an order once the last price is there.

Most venues keep them apart, with ids and lists of their own, and the order that one makes has neither its id nor its
client id. `VenueRules.stops_apart` says so; elsewhere it is one order all its life.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from sandbox.venues.client_ids import KnownIds
from sandbox.venues.ledger import ZERO
from sandbox.venues.matching import Exchange
from sandbox.venues.orders import End, Order, OrderRequest, Reason, Refused, Side, State
from sandbox.venues.rules import VenueRules


class Stop(Struct, kw_only=True):
    order: Order  # as its account sees it while it waits
    request: OrderRequest
    falls: bool  # the price that sets it off, else it rises
    made: Order | None = None  # what it became
    refused: Refused | None = None  # it went off, and nothing came of it
    went_off_ms: int = 0

    @property
    def waits(self) -> bool:
        return self.order.state is State.OPEN and not self.went_off_ms

    def is_reached(self, price: Decimal) -> bool:
        return self.request.stop is not None and _is_there(self.request.stop, price, falls=self.falls)


class Stops:
    """One venue's. `holds_stops`: what one may cost is held from its placement on."""

    def __init__(self, rules: VenueRules, exchange: Exchange) -> None:
        self._rules = rules
        self._exchange = exchange
        self._ids = KnownIds(rules.client_ids) if rules.stops_apart else exchange.ids
        self._all: dict[int, Stop] = {}
        self._last: dict[str, Decimal] = {}  # price of each market's last trade
        self.name_made: Callable[[Order], str] = lambda _: ""  # client id of what one makes, where they stand apart

    def place(self, request: OrderRequest, now_ms: int) -> Order:
        """Raises Refused, also where its price is there already, unless it goes off at once then."""
        first = None if self._rules.repeats_stop_ids else self._ids.first_of(request)
        if first is not None:
            return first
        if request.stop is None or request.price is None:
            raise Refused(Reason.BAD_TICK, "a stop needs both of its prices", side=request.side)
        self._exchange.check(request)
        tick = self._rules.markets[request.symbol].tick_at(request.stop)
        if request.stop <= 0 or request.stop % tick:
            raise Refused(Reason.BAD_TICK, f"{request.stop} is no multiple of {tick}", side=request.side)
        last, falls = self._last.get(request.symbol), request.side is Side.SELL
        is_there = last is not None and _is_there(request.stop, last, falls=falls)
        if is_there and last != request.stop and self._rules.stops_either_way:
            falls, is_there = not falls, False  # passed already: it waits for the price to return
        if is_there and not self._rules.stops_at_once:
            raise Refused(Reason.WOULD_TRIGGER, f"the last price is {last}", side=request.side)
        order = self._exchange.made_of(request, now_ms)
        if self._rules.holds_stops:
            self._exchange.money(request.symbol).hold(order, ())
        self._all[order.id] = Stop(order=order, request=request, falls=falls)
        self._ids.add(order)
        if is_there:
            self._go_off(self._all[order.id], now_ms)
        return order

    def holds(self, order: Order) -> bool:
        """Whether it waits here."""
        return order.id in self._all and self._all[order.id].waits

    def cancel(self, order: Order, now_ms: int) -> Order:
        """Raises Refused where it waits no more."""
        if not self.holds(order):
            raise Refused(Reason.ALREADY_CLOSED, f"stop {order.id} is {order.state.value}")
        self._end(order, End.USER, now_ms)
        return order

    def find(self, account: str, *, order_id: int | None = None, client_id: str = "") -> Stop:
        """The newest where a client id came twice. Raises Refused."""
        for stop in reversed(self._all.values()):
            if stop.order.account == account and (
                stop.order.id == order_id if order_id is not None else client_id and stop.order.client_id == client_id
            ):
                return stop
        raise Refused(Reason.UNKNOWN_ORDER, client_id or str(order_id))

    def behind(self, order: Order) -> Stop | None:
        """What made this order, where that has another id."""
        made = (stop for stop in self._all.values() if stop.made is not None and stop.made.id == order.id)
        return next(made, None) if self._rules.stops_apart else None

    def of(self, account: str, symbol: str | None = None) -> list[Stop]:
        """All that there ever were, newest first."""
        mine = (stop for stop in reversed(self._all.values()) if stop.order.account == account)
        return [stop for stop in mine if symbol in (None, stop.order.symbol)]

    def show_price(self, symbol: str, price: Decimal, now_ms: int) -> bool:
        """A trade at this price; whether any went off."""
        self._last[symbol] = price
        reached = list(self._reached(symbol, price))
        for stop in reached:
            self._go_off(stop, now_ms)
        return bool(reached)

    def _reached(self, symbol: str, price: Decimal) -> Iterator[Stop]:
        for stop in self._all.values():
            if stop.waits and stop.order.symbol == symbol and stop.is_reached(price):
                yield stop

    def _go_off(self, stop: Stop, now_ms: int) -> None:
        waited, apart = stop.order, self._rules.stops_apart
        stop.went_off_ms = waited.updated_ms = now_ms
        if self._rules.holds_stops:
            self._exchange.money(waited.symbol).close(waited, State.OPEN, None, now_ms)
        is_named = not apart or self._rules.stops_name_child
        wanted = stop.request if is_named else replace(stop.request, client_id=self.name_made(waited))
        if not apart:
            self._ids.forget(waited)
        try:
            stop.made = self._exchange.place(wanted, now_ms, number=0 if apart else waited.id)
        except Refused as error:
            stop.refused = error
            waited.state, waited.end = State.CANCELLED, End.REFUSED
            if not apart:
                self._ids.add(waited)

    def _end(self, order: Order, end: End, now_ms: int) -> None:
        if self._rules.holds_stops:
            self._exchange.money(order.symbol).close(order, State.CANCELLED, end, now_ms)
        order.held, order.state, order.end, order.updated_ms = ZERO, State.CANCELLED, end, now_ms


def _is_there(stop: Decimal, price: Decimal, *, falls: bool) -> bool:
    return price <= stop if falls else price >= stop
