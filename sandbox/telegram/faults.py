"""What can go wrong between a bot and Telegram, on request."""

from enum import Enum

from msgspec import Struct, field

from sandbox.telegram.settings import NS_PER_S


class FaultKind(Enum):
    TOO_MANY = "too_many"  # 429 with retry_after, nothing done
    BAD_GATEWAY = "bad_gateway"  # 502 with an HTML page, nothing done
    DROP = "drop"  # the connection is cut, nothing done
    DROP_AFTER = "drop_after"  # the request is carried out, then the connection is cut before the answer
    SLOW = "slow"  # the answer comes late
    CONFLICT = "conflict"  # 409, to getUpdates alone: another process polls with this token
    DUPLICATE = "duplicate"  # the next acknowledged updates are delivered once more
    REORDER = "reorder"  # each of the next updates is delivered when the one that follows it has been acknowledged


class Fault(Struct, kw_only=True, forbid_unknown_fields=True):
    """Strikes the next `next` fitting calls, or every fitting call for `for_s` seconds."""

    kind: FaultKind
    next: int = 1
    for_s: float = 0  # > 0 replaces the count
    methods: tuple[str, ...] = ()  # empty: every method
    chat_id: int = 0  # 0: every chat
    retry_after_s: int = 3  # of too_many
    delay_s: float = 1.0  # of slow

    def __post_init__(self) -> None:
        if self.next < 1 or self.for_s < 0 or self.retry_after_s < 1 or self.delay_s < 0:
            raise ValueError("next and retry_after_s must be >= 1, for_s and delay_s >= 0")

    def fits(self, method: str, chat_id: int) -> bool:
        if self.kind is FaultKind.CONFLICT and method.lower() != "getupdates":
            return False
        named = not self.methods or method.lower() in {name.lower() for name in self.methods}
        return named and self.chat_id in (0, chat_id)


class _Armed(Struct):
    fault: Fault
    left: int
    until_ns: int  # 0: counted, not timed


class Faults(Struct):
    """Armed faults, oldest first; one call is struck by at most one of them."""

    armed: list[_Armed] = field(default_factory=list)

    def arm(self, fault: Fault, now_ns: int) -> None:
        until_ns = now_ns + int(fault.for_s * NS_PER_S) if fault.for_s > 0 else 0
        self.armed.append(_Armed(fault, fault.next, until_ns))

    def strike(self, method: str, chat_id: int, now_ns: int) -> Fault | None:
        self.armed = [armed for armed in self.armed if armed.until_ns > now_ns or (not armed.until_ns and armed.left)]
        for armed in self.armed:
            if armed.fault.fits(method, chat_id):
                armed.left -= 0 if armed.until_ns else 1
                return armed.fault
        return None

    def clear(self) -> None:
        self.armed.clear()
