"""Where a life ends: at a system call of its own, at something a venue sees, or at a moment."""

from random import Random
from typing import Literal

from msgspec import Struct

Trigger = Literal["call", "order", "moment"]


class Point(Struct, frozen=True):
    """One named place. `call` is for crash/shim.c, with {n} for how often it happens before."""

    name: str
    trigger: Trigger
    call: str = ""
    most: int = 1  # n is drawn from 1 to this
    weight: int = 2
    sends: bool = False  # the n-th call hands over the n-th order of this life


class Plan(Struct, frozen=True, kw_only=True):
    """How one life is to end."""

    point: Point
    n: int
    delay_s: float = 0.0  # after the n-th order (order), after the start (moment)

    @property
    def call(self) -> str:
        return self.point.call.format(n=self.n)


# Placements and nothing else. By HTTP: questions, cancels, timers and keys of streams are POSTs, too, so the whole path
# counts, up to the blank behind it.
_PLACED = (
    "/v1/orders",  # Upbit
    "/v2/orders",  # Bithumb
    "/v2.1/order",  # Coinone
    "/api/v3/order",  # Binance
    "/fapi/v1/order",
    "/fapi/v1/algoOrder",
    "/api/v5/trade/order",  # OKX, spot and swaps
    "/api/v5/trade/order-algo",
    "/v5/order/create",  # Bybit, spot and linear
    "/api/v4/spot/orders",  # Gate
    "/api/v4/futures/usdt/orders",
    "/api/v4/futures/usdt/price_orders",
    "/api/v2/spot/trade/place-order",  # Bitget
    "/api/v2/spot/trade/place-plan-order",
    "/api/v2/mix/order/place-order",
    "/api/v2/mix/order/place-plan-order",
    "/api/v1/hf/orders",  # KuCoin
    "/api/v1/stop-order",
    "/api/v1/orders",  # its futures
)
# By order sockets: Binance, Bybit, OKX.
_FRAMES = ('"method":"order.place"', '"op":"order.create"', '"op":"order"')
_ORDERS = "|".join((*(f"POST {path} HTTP" for path in _PLACED), *_FRAMES))
POINTS = (
    # The intent of the n-th record of this life has not reached the file: nothing may have left.
    Point("before the journal", "call", "write before {n} journal.db-wal", 30, 3),
    # It lies in the page cache alone.
    Point("journal written, not synced", "call", "sync before {n} journal.db-wal", 10, 3),
    # It is durable and nothing has left yet.
    Point("journal synced, not sent", "call", "sync after {n} journal.db-wal", 10, 4),
    # The request is signed and is being handed to the socket; right after, the kernel has all of it.
    Point("before the send", "call", f"send before {{n}} {_ORDERS}", 4, 4, sends=True),
    Point("after the send", "call", f"send after {{n}} {_ORDERS}", 4, 4, sends=True),
    # The venue has executed it and has not answered yet: of two legs the first (odd n) or the second.
    Point("at the venue, before its answer", "order", "", 4, 5),
    # The same, a moment later: answers are on their way, one leg may be known and the other not.
    Point("between legs and answers", "order", "", 4, 5),
    # Its schema is being brought to its newest form (a first start), or a settled trade written to it.
    Point("writing the store", "call", "write before {n} premia.db-wal", 30, 2),
    Point("reading the journal", "call", "read before {n} journal.db", 4, 2),
    # The first requests of a life: rules, clocks, balances, open orders, look-ups.
    Point("reconciling, before a question", "call", "send before {n} GET ", 8, 3),
    Point("reconciling, after a question", "call", "send after {n} GET ", 8, 2),
    Point("at any moment of the start", "moment", weight=4),
    Point("at any moment", "moment", weight=4),
)


def draw(random: Random, has_shim: bool, at: str = "") -> Plan:
    """The next end, at the point named `at` if any; without the shim only those that need no system call."""
    points = [point for point in POINTS if (has_shim or point.trigger != "call") and at in ("", point.name)]
    point = random.choices(points, [point.weight for point in points])[0]
    delay_s = 0.0
    match point.name:
        case "between legs and answers":
            delay_s = random.choice((0.001, 0.004, 0.015, 0.05))
        case "at any moment of the start":
            delay_s = random.uniform(0, 1.5)
        case "at any moment":
            delay_s = random.uniform(1, 6)
    return Plan(point=point, n=random.randint(1, point.most), delay_s=delay_s)
