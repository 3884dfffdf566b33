"""What the public sockets of the watched venues share: who reads which topic, what changed in a book, faults of frames.

A dialect says how frames look; nothing here knows a venue.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Protocol

from aiohttp import web
from msgspec import Struct, field

from sandbox.venues.door import Malformed
from sandbox.venues.floor import Floor, Limited, PerpState, RawFrame
from sandbox.venues.floor import Side as WholeSide
from sandbox.venues.ledger import ZERO
from sandbox.venues.limits import Window
from sandbox.venues.liquidity import Level, Levels
from sandbox.venues.orders import Print
from sandbox.venues.sockets import OnText, Socket, Sockets
from sandbox.venues.tickers import Day

Frame = tuple[str, str | bytes]  # topic, and what its readers get


class Shown(Struct):
    """A book as the stream left it."""

    last_id: int
    at_ms: int = 0
    bids: Levels = ()
    asks: Levels = ()
    lies: list[Decimal] = field(default_factory=list)  # bids sent by a fault: taken back with the next update


class Update(Struct, frozen=True, kw_only=True):
    """One step of a book. Size zero deletes a level; `first_id` … `last_id` are the ids that it uses up."""

    symbol: str
    first_id: int
    last_id: int
    at_ms: int
    bids: list[Level]  # what changed
    asks: list[Level]
    book: tuple[Levels, Levels]  # the whole after it, lies included
    bad_checksum: bool = False


class Writer(Protocol):
    """How one venue writes its frames."""

    ids_per_change: bool  # ids count changed levels; else one per frame

    def book(self, update: Update) -> Iterable[Frame]: ...
    def trade(self, number: int, trade: Print, day: Day) -> Iterable[Frame]: ...
    def perp(self, state: PerpState) -> Iterable[Frame]: ...
    def topics(self, symbol: str) -> Iterable[str]:
        """Topics whose readers make a fault of this symbol's book visible."""
        ...


class Stream:
    """The public socket of one floor. `topics` of a socket are its subscriptions."""

    def __init__(self, floor: Floor, writer: Writer, first_id: int) -> None:
        self.floor = floor
        self.shown = {symbol: Shown(last_id=first_id + 1_000 * i) for i, symbol in enumerate(floor.rules.markets)}
        self.days = {symbol: Day() for symbol in floor.rules.markets}
        self.topics: dict[Socket, dict[str, None]] = {}
        self._writer = writer
        self._held: dict[str, list[Frame]] = {}  # frames that a fault keeps back for one update
        self._next_trade = first_id
        floor.listen(self)
        floor.listen_perps(self)

    # the floor says

    def book(self, symbol: str, at_ms: int) -> None:
        bids, asks = self.floor.exchange.book(symbol)
        shown = self.shown[symbol]
        b, a = changes(shown.bids, bids), changes(shown.asks, asks)
        if not b and not a:
            return
        count = len(b) + len(a) if self._writer.ids_per_change else 1
        kept = dict(bids)
        b += [(price, ZERO) for price in shown.lies if price not in kept]
        first_id = shown.last_id + 1
        self.shown[symbol] = now = Shown(last_id=shown.last_id + count, at_ms=at_ms, bids=bids, asks=asks)
        if self.is_silent(symbol):
            return
        heard = any(self._readers(topic) for topic in self._writer.topics(symbol))
        fault = self.floor.faults.for_frame(symbol) if heard else None
        kind = fault.kind if fault is not None else ""
        if kind == "ws_gap":
            return
        if kind == "ws_crossed" and asks:
            now.lies = [asks[-1][0]]
            b = [(asks[-1][0], Decimal(1)), *b]
            bids = ((asks[-1][0], Decimal(1)), *bids)
        frames = list(
            self._writer.book(
                Update(
                    symbol=symbol,
                    first_id=first_id,
                    last_id=now.last_id,
                    at_ms=at_ms,
                    bids=b,
                    asks=a,
                    book=(bids, asks),
                    bad_checksum=kind == "ws_checksum",
                )
            )
        )
        if kind == "ws_malformed":
            frames = [(topic, _torn(frame)) for topic, frame in frames]
        if kind == "ws_reorder":
            self._held[symbol] = self._held.get(symbol, []) + frames
            return
        self._say(frames * 2 if kind == "ws_repeat" else frames)
        self._say(self._held.pop(symbol, []))

    def trade(self, trade: Print) -> None:
        self._next_trade += 1
        day = self.days[trade.symbol]
        day.add(self._next_trade, trade)
        if not self.is_silent(trade.symbol):
            self._say(self._writer.trade(self._next_trade, trade, day))

    def perp(self, state: PerpState) -> None:
        if not self.is_silent(state.symbol):
            self._say(self._writer.perp(state))

    def raw(self, frame: RawFrame) -> None:
        """No recording is replayed through these venues."""

    def depth(self, symbol: str, update_id: int, bids: WholeSide, asks: WholeSide) -> None:
        """No recording is replayed through these venues."""

    # sockets

    def join(self, socket: Socket) -> None:
        self.topics[socket] = {}

    def leave(self, socket: Socket) -> None:
        self.topics.pop(socket, None)

    def is_silent(self, symbol: str) -> bool:
        return self.floor.faults.lasting("ws_silence", symbol, count=False) is not None

    def _say(self, frames: Iterable[Frame]) -> None:
        for topic, frame in frames:
            for socket in self._readers(topic):
                socket.send(frame)

    def _readers(self, topic: str) -> list[Socket]:
        return [socket for socket, topics in self.topics.items() if topic in topics]


class Reader(Protocol):
    """Whoever writes to sockets and must know when one has gone."""

    def join(self, socket: Socket) -> None: ...
    def leave(self, socket: Socket) -> None: ...


class Public:
    """Half of a public-only dialect: limits by address, and each kind of no as the subclass writes it."""

    def __init__(self, floor: Floor, sockets: Sockets, window: Window) -> None:
        self.floor = floor
        self.sockets = sockets
        self.window = window

    def is_placement(self, request: web.Request) -> bool:
        return False

    def take(self, request: web.Request, weight: int = 1, scope: str = "") -> int:
        """Count the request, within `scope` alone; what is left of that window. Raises Limited."""
        who, now_ms = f"{request.remote}{scope}", self.floor.clock()
        if not self.window.take(who, now_ms, weight):
            raise Limited(retry_after_ms=self.window.per_ms - now_ms % self.window.per_ms)
        return self.window.remaining(who, now_ms)

    async def run_socket(
        self,
        request: web.Request,
        streams: Iterable[Reader],
        on_text: Callable[[Socket, str], None],
        *,
        idle_seconds: float,
        sending_counts: bool = False,
        ping_seconds: float | None = None,
        first: Callable[[Socket], None] | None = None,
    ) -> web.WebSocketResponse:
        """One connection that may read topics of several floors."""
        joined = tuple(streams)

        def join(socket: Socket) -> OnText:
            for stream in joined:
                stream.join(socket)
            if first is not None:
                first(socket)

            async def reader(text: str) -> None:
                on_text(socket, text)

            return reader

        def leave(socket: Socket) -> None:
            for stream in joined:
                stream.leave(socket)

        return await self.sockets.serve(
            request, join, leave, idle_seconds=idle_seconds, sending_counts=sending_counts, ping_seconds=ping_seconds
        )


def changes(old: Levels, new: Levels) -> list[Level]:
    """Levels that are new, differ or are gone (size zero)."""
    before, after = dict(old), dict(new)
    changed = [(price, qty) for price, qty in after.items() if before.get(price) != qty]
    return changed + [(price, ZERO) for price in before if price not in after]


def endpoint(request: web.Request) -> str:
    """Method and path, ids left out: what venues count apart."""
    resource = request.match_info.route.resource
    return f"{request.method} {resource.canonical if resource is not None else request.path}"


def symbol_of(floor: Floor, symbol: str | None, name: str = "symbol") -> str:
    """A market of this floor. Raises Malformed where it is none."""
    if symbol is None or symbol not in floor.rules.markets:
        raise Malformed(name, symbol or "")
    return symbol


def _torn(frame: str | bytes) -> str | bytes:
    return frame[: len(frame) * 2 // 3]
