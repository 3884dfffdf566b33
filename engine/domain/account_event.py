"""What the shell tells of an account beside its orders and balances, and of its own end."""

from decimal import Decimal

from msgspec import Struct


class CountdownSet(Struct, frozen=True, kw_only=True, tag=True):
    """The venue's own timer was asked to be set: all our orders there end unless it is set again in time."""

    venue: str
    timeout_s: int  # 0: disarmed
    asked_ns: int
    seen_ns: int
    reason: str = ""  # why it could not be set; "" where the venue took it


class LatencySampled(Struct, frozen=True, kw_only=True, tag=True):
    """How long some requests of the last second took."""

    venue: str
    path: str  # native | ccxt | look_up | clock
    stage: str  # engine.risk.latency.Stage
    us: tuple[int, ...]
    seen_ns: int


class Amended(Struct, frozen=True, kw_only=True, tag=True):
    """An open order was asked to change its price: what the venue said. Its fills are another matter: look them up."""

    cid: str
    price: Decimal
    seen_ns: int
    reason: str = ""  # why it has not, or may not have


class Stopping(Struct, frozen=True, kw_only=True, tag=True):
    """The process is about to end: whatever of ours rests is taken back next, and nothing new is begun."""

    seen_ns: int


class ClockRead(Struct, frozen=True, kw_only=True, tag=True):
    """What a venue's clock showed beside ours."""

    venue: str
    offset_ms: int  # its clock minus ours
    uncertainty_ms: int  # half of the way there and back
    seen_ns: int


AccountEvent = CountdownSet | LatencySampled | ClockRead | Amended | Stopping
