"""What the venues' order sides share behind their dialects: an account's orders, numbers, the dead-man's timer."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

import msgspec
from aiohttp import web

from sandbox.venues.auth import Denied, Why
from sandbox.venues.door import Malformed
from sandbox.venues.floor import Floor
from sandbox.venues.orders import Fill, Order, Refused, Side, State

SIDES = {"buy": Side.BUY, "sell": Side.SELL}


def side_of(body: Mapping[str, object]) -> Side:
    """`buy` or `sell`, in whatever case. Raises Malformed."""
    side = SIDES.get(str(body.get("side")).lower())
    if side is None:
        raise Malformed("side")
    return side


def positive(body: Mapping[str, object], name: str) -> Decimal:
    """Raises Malformed."""
    try:
        value = Decimal(str(body[name]))
    except (KeyError, InvalidOperation) as error:
        raise Malformed(name) from error
    if not value.is_finite() or value <= 0:
        raise Malformed(name)
    return value


async def json_body(request: web.Request) -> dict[str, object]:
    """Raises Malformed."""
    try:
        return msgspec.json.decode(await request.read(), type=dict[str, object])
    except msgspec.MsgspecError as error:
        raise Malformed("body") from error


def raw_query(request: web.Request) -> str:
    """As it came, percent signs and all."""
    return request.raw_path.partition("?")[2]


def stamped_ms(text: str, now_ms: int, past_ms: int, ahead_ms: int, unit_ms: int = 1) -> int:
    """A signed timestamp, inside its window. Raises Denied."""
    if not text.isascii() or not text.isdigit():
        raise Denied(Why.BAD_TIMESTAMP)
    at_ms = int(text) * unit_ms
    if now_ms - at_ms > past_ms:
        raise Denied(Why.EXPIRED)
    if at_ms - now_ms > ahead_ms:
        raise Denied(Why.AHEAD)
    return at_ms


def shown_orders(floor: Floor, account: str, symbol: str | None = None) -> list[Order]:
    """Every order of the account that the venue shows by now, and still, newest first."""
    found = traded_orders(floor, account, symbol)
    return [floor.as_told(order) for order in found if not floor.has_forgotten(order)]


def traded_orders(floor: Floor, account: str, symbol: str | None = None) -> list[Order]:
    """The same with those that it has forgotten: their trades are listed."""
    now_ms, lag_ms = floor.clock(), floor.faults.lag_ms()
    waited = () if floor.rules.stops_apart else (stop.order for stop in floor.stops.of(account) if stop.made is None)
    return [
        order
        for order in (*waited, *reversed(floor.exchange.orders.values()))
        if order.account == account and symbol in (None, order.symbol) and now_ms - order.created_ms >= lag_ms
    ]


def shown_fills(floor: Floor, account: str, symbol: str | None = None) -> list[tuple[Order, Fill]]:
    """Newest first."""
    found = [(order, fill) for order in traded_orders(floor, account, symbol) for fill in order.fills]
    return sorted(found, key=lambda pair: -pair[1].id)


class Countdown:
    """Cancels an account's resting orders unless it is told again in time."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._armed: dict[str, asyncio.TimerHandle] = {}

    def arm(self, account: str, timeout_s: float, symbols: frozenset[str] = frozenset()) -> None:
        """Zero disarms; no symbols: all."""
        old = self._armed.pop(account, None)
        if old is not None:
            old.cancel()
        if timeout_s > 0:
            loop = asyncio.get_running_loop()
            self._armed[account] = loop.call_later(timeout_s, self._strike, account, symbols)

    def _strike(self, account: str, symbols: frozenset[str]) -> None:
        self._armed.pop(account, None)
        for order in self._floor.exchange.open_orders(account):
            if not symbols or order.symbol in symbols:
                self._floor.cancel(order)


def cancelled(floor: Floor, order: Order) -> bool:
    """False where it had ended before."""
    if order.state is not State.OPEN:
        return False
    try:
        floor.cancel(order)
    except Refused:
        return False
    return True
