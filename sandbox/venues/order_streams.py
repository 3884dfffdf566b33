"""Private streams of orders: what has happened to an account's orders, told to its sockets, with faults on request."""

from collections.abc import Callable, Iterable, Iterator
from enum import Enum

from msgspec import Struct, field

from sandbox.venues.floor import Floor
from sandbox.venues.matching import Exchange
from sandbox.venues.orders import Fill, Order, State, as_it_is, as_of
from sandbox.venues.sockets import Socket

Frame = str | bytes


class Happened(Enum):
    PLACED = "placed"
    TRADED = "traded"  # one fill; `state` is FILLED where it was the last
    ENDED = "ended"  # not by its last fill


class Change(Struct, frozen=True):
    """An order as it stood when this had happened to it."""

    order: Order
    what: Happened
    fill: Fill | None = None


Write = Callable[[Change], Iterable[tuple[str, Frame]]]  # channel and frame, in the order in which they leave


class Watch:
    """Finds what is new of a venue's orders since the last look: the matching engine knows nothing of it."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._known: set[int] = set()
        self._told: dict[int, int] = {}  # open orders, and how many of their fills were told

    def look(self) -> list[Change]:
        orders = self._exchange.orders
        fresh = []
        for number in reversed(orders):
            if number in self._known:  # so are all before it; a stop that went off comes late, with a low number
                break
            fresh.append(number)
        changes = []
        for number in reversed(fresh):
            self._known.add(number)
            self._told[number] = 0
            changes.append(Change(as_of(orders[number], 0), Happened.PLACED))
        for number, told in tuple(self._told.items()):
            changes += self._since(orders[number], told)
        return changes

    def _since(self, order: Order, told: int) -> Iterator[Change]:
        for at in range(told, len(order.fills)):
            yield Change(as_of(order, at + 1), Happened.TRADED, order.fills[at])
        self._told[order.id] = len(order.fills)
        if order.state is State.OPEN:
            return
        del self._told[order.id]
        if order.state is not State.FILLED or not order.fills:
            yield Change(as_it_is(order), Happened.ENDED)


class _Reader(Struct):
    account: str
    channels: dict[str, frozenset[str]] = field(default_factory=dict)  # channel -> symbols; none: all


class OrderStreams:
    """Who listens to one floor's orders. Every socket hears of its own account alone."""

    def __init__(self, floor: Floor, write: Write) -> None:
        self._faults = floor.faults
        self._write = write
        self._watch = Watch(floor.exchange)
        self._readers: dict[Socket, _Reader] = {}
        self._late: list[tuple[Socket, Frame]] = []  # what a fault sends after the next message
        floor.on_orders.append(self._publish)
        floor.faults.on_order_sockets.append(self.cut)

    def join(self, socket: Socket, account: str, channel: str, symbols: Iterable[str] = ()) -> None:
        self._readers.setdefault(socket, _Reader(account)).channels[channel] = frozenset(symbols)

    def part(self, socket: Socket, channel: str) -> None:
        if socket in self._readers:
            self._readers[socket].channels.pop(channel, None)

    def leave(self, socket: Socket) -> None:
        self._readers.pop(socket, None)

    def cut(self) -> int:
        """How many sockets there were."""
        struck = tuple(self._readers)
        for socket in struck:
            socket.cut()
        return len(struck)

    def _publish(self) -> None:
        for change in self._watch.look():
            listening = [
                (socket, reader) for socket, reader in self._readers.items() if reader.account == change.order.account
            ]
            if listening:
                self._tell(change, listening)

    def _tell(self, change: Change, listening: list[tuple[Socket, _Reader]]) -> None:
        symbol = change.order.symbol
        if self._faults.lasting("orders_silence", symbol) is not None:
            return
        for channel, frame in self._write(change):
            to = [
                socket
                for socket, reader in listening
                if channel in reader.channels and (not reader.channels[channel] or symbol in reader.channels[channel])
            ]
            if to:
                self._send(symbol, to, frame)

    def _send(self, symbol: str, to: list[Socket], frame: Frame) -> None:
        fault = self._faults.for_order_frame(symbol)
        if fault is not None and fault.kind == "orders_miss":
            return
        if fault is not None and fault.kind == "orders_reorder":
            self._late += [(socket, frame) for socket in to]
            return
        times = 2 if fault is not None and fault.kind == "orders_repeat" else 1
        late, self._late = self._late, []
        for socket, each in [(socket, frame) for socket in to] * times + late:
            socket.send(each)
