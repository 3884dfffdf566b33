"""What can go wrong on a venue, on request: armed over HTTP, shown once or for a while, always counted."""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Literal

from msgspec import Struct, to_builtins

Kind = Literal[
    # the next `count` placements that match `symbol` and `side`; those from drop to delay with another `scope`: the
    # next `count` requests in it
    "reject",  # refused with `code`, the venue's own
    "drop_before",  # cut before it reached the venue: nothing executed
    "drop_after",  # executed, then the answer never came; with `ms` the socket hangs that long first
    "delay_before",  # executed `ms` later
    "delay_after",  # executed at once, answered `ms` later
    "partial",  # only `ratio` of it may trade at once
    # the next `count` requests inside `scope`
    "http_error",  # `status` with an HTML page; `executed` says whether a placement took place
    "rate_limit",  # the venue's 429
    "ban",  # the venue's 418
    "nonce_used",  # "this nonce was used", where the venue has nonces; `executed`: said of what it has carried out
    "twice",  # it arrives twice; what the client is told `answers`: the first or the last of them
    # for `ms`, or until cleared where ms is 0
    "reject_all",
    "query_lag",  # an order cannot be looked up until it is `ms` old
    # what queries of an account say (`symbol`: of one asset alone); the match and its streams go on knowing better
    "balance_lag",  # balances as they were `behind_ms` ago
    "balance_zero",  # they are there, and zero
    "balance_empty",  # they are not there; an account of one row shows it as zero
    "position_empty",  # no position of `symbol`
    "query_stale",  # it and the lists tell an order of `symbol` as it stood `behind_ms` ago, once it had come
    "query_blind",  # an order of `symbol` is in the lists, and its own query says that there is none
    # the query and the lists of orders know none of `symbol` that ended `forgets_after_ms` ago; its trades stay listed
    "forgets_ended",
    "rest_outage",
    "maintenance",  # REST answers 503, new sockets are refused; the open ones are cut when it begins
    "clock_offset",  # the venue's own clock is off by `offset_ms`
    "clock_drift",  # it gains `drift_ppm` (1,000: a millisecond a second), and is right again when that ends
    # sockets
    "ws_gap",  # the next `count` deltas of `symbol` are lost
    "ws_silence",  # `symbol` says nothing for `ms`
    "ws_crossed",  # the next `count` books of `symbol` are crossed
    "ws_malformed",  # the next `count` frames of `symbol` are cut short
    "ws_repeat",  # the next `count` deltas of `symbol` come twice
    "ws_reorder",  # each of the next `count` deltas of `symbol` comes after the one that follows it
    "ws_checksum",  # the next `count` deltas of `symbol` carry a wrong checksum, where the venue sends one
    "ws_half_open",  # every open socket stays open and says nothing more
    "ws_disconnect",  # every open socket is cut
    "ws_refuse",  # new sockets are refused for `ms`
    "ws_late",  # for `ms`: every frame of every socket leaves `behind_ms` late, private ones and answers too, in order
    # private streams of orders
    "orders_silence",  # they say nothing of `symbol` for `ms`
    "orders_cut",  # their sockets are cut
    "orders_miss",  # the next `count` messages are lost
    "orders_repeat",  # the next `count` messages come twice
    "orders_reorder",  # each of the next `count` messages comes after the one that follows it
]

_PLACEMENT = {"reject", "drop_before", "drop_after", "delay_before", "delay_after", "partial"}
_ON_THE_WAY = {"drop_before", "drop_after", "delay_before", "delay_after"}
_WHOLE = {"twice", "nonce_used"}
_REQUEST = {"http_error", "rate_limit", "ban"}
_LASTING = {
    "reject_all",
    "query_lag",
    "query_stale",
    "balance_lag",
    "balance_zero",
    "balance_empty",
    "position_empty",
    "query_blind",
    "forgets_ended",
    "rest_outage",
    "maintenance",
    "clock_offset",
    "clock_drift",
    "ws_silence",
    "ws_refuse",
    "ws_late",
    "orders_silence",
}
_FRAME = {"ws_gap", "ws_crossed", "ws_malformed", "ws_repeat", "ws_reorder", "ws_checksum"}
_ORDER_FRAME = {"orders_miss", "orders_repeat", "orders_reorder"}


class Fault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One order to go wrong; `symbol` and `side` are the venue's own spelling, empty means any."""

    kind: Kind
    count: int = 1
    symbol: str = ""
    side: Literal["", "bid", "ask"] = ""
    scope: Literal["placement", "cancel", "query", "any"] = "placement"
    answers: Literal["first", "last"] = "first"
    code: str = ""
    ms: int = 0
    offset_ms: int = 0
    drift_ppm: int = 0
    behind_ms: int = 0
    forgets_after_ms: int = 0
    unfilled: bool = False  # only what ended without a trade is forgotten
    ratio: Decimal = Decimal("0.5")
    status: int = 502
    executed: bool = False


class _Armed:
    def __init__(self, fault: Fault, now_ms: int) -> None:
        self.fault = fault
        self.left = fault.count
        self.since_ms = now_ms
        self.until_ms = now_ms + fault.ms if fault.ms else None


class VenueFaults:
    """The faults of one venue. `on_sockets` carries out what concerns open sockets at once."""

    def __init__(self, clock: Callable[[], int], *, has_nonces: bool = False) -> None:
        self._clock = clock
        self._has_nonces = has_nonces
        self._armed: list[_Armed] = []
        self._asked: Counter[str] = Counter()
        self.shown: Counter[str] = Counter()  # by kind
        self.on_sockets: Callable[[Literal["ws_half_open", "ws_disconnect"]], int] = lambda _: 0
        self.on_order_sockets: list[Callable[[], int]] = []  # each cuts the private streams of one floor

    def arm(self, fault: Fault) -> None:
        """Raises ValueError for a fault that this venue cannot have."""
        if fault.kind == "nonce_used" and not self._has_nonces:
            raise ValueError("this venue has no nonces")
        self._asked[fault.kind] += 1
        if fault.kind == "ws_half_open" or fault.kind == "ws_disconnect":
            self.shown[fault.kind] += self.on_sockets(fault.kind)
        elif fault.kind == "orders_cut":
            self.shown[fault.kind] += sum(cut() for cut in self.on_order_sockets)
        else:
            self._armed.append(_Armed(fault, self._clock()))
            if fault.kind == "maintenance":
                self.on_sockets("ws_disconnect")

    def clear(self, kind: str = "") -> int:
        """Take back what is still armed; how many were."""
        kept = [armed for armed in self._armed if kind and armed.fault.kind != kind]
        taken = len(self._armed) - len(kept)
        self._armed = kept
        return taken

    def for_placement(self, symbol: str, side: str) -> Fault | None:
        """The fault that this placement shows, if any; it is used up by asking."""
        if (lasting := self.lasting("reject_all", symbol)) is not None:
            return lasting
        return self._next(lambda f: f.kind in _PLACEMENT | _REQUEST and f.scope == "placement", symbol, side)

    def for_request(self, scope: str) -> Fault | None:
        """Of a placement only what strikes any request: the floor shows the rest. A cancel gets a query's noes, too."""
        noes = {"cancel": ("cancel", "query", "any"), "query": ("query", "any")}.get(scope, ())
        ways = () if scope == "placement" else (scope, "any")
        return self._next(
            lambda f: (
                (f.kind in _WHOLE and f.scope in (scope, "any"))
                or (f.kind in _REQUEST and f.scope in noes)
                or (f.kind in _ON_THE_WAY and f.scope in ways)
            ),
            "",
            "",
        )

    def for_frame(self, symbol: str) -> Fault | None:
        return self._next(lambda f: f.kind in _FRAME, symbol, "")

    def for_order_frame(self, symbol: str) -> Fault | None:
        return self._next(lambda f: f.kind in _ORDER_FRAME, symbol, "")

    def lasting(self, kind: Kind, symbol: str = "", *, count: bool = True) -> Fault | None:
        """A fault of this kind that holds now."""
        armed = self._holding(kind, symbol)
        if armed is not None and count:
            self.shown[kind] += 1
        return armed.fault if armed is not None else None

    def _holding(self, kind: Kind, symbol: str = "") -> _Armed | None:
        now_ms = self._clock()
        self._armed = [a for a in self._armed if a.fault.kind == "query_lag" or not _is_over(a, now_ms)]
        return next((a for a in self._armed if a.fault.kind == kind and a.fault.symbol in ("", symbol)), None)

    def offset_ms(self) -> int:
        """How far the venue's clock is off now."""
        fault, drift = self.lasting("clock_offset", count=False), self._holding("clock_drift")
        gained_ms = (self._clock() - drift.since_ms) * drift.fault.drift_ppm // 1_000_000 if drift else 0
        return gained_ms + (fault.offset_ms if fault else 0)

    def frames_late_ms(self) -> int:
        """How long a frame that is said now waits before it leaves."""
        fault = self.lasting("ws_late")
        return fault.behind_ms if fault else 0

    def lag_ms(self) -> int:
        fault = self.lasting("query_lag", count=False)
        return fault.ms if fault else 0

    def forgets(self, symbol: str, age_ms: int, *, filled: bool) -> bool:
        """Whether an order that ended so long ago is no longer known."""
        fault = self.lasting("forgets_ended", symbol, count=False)
        if fault is None or age_ms < fault.forgets_after_ms or (filled and fault.unfilled):
            return False
        self.count("forgets_ended")
        return True

    def count(self, kind: Kind) -> None:
        self.shown[kind] += 1

    def report(self) -> dict[str, object]:
        return {
            "asked": dict(self._asked),
            "shown": dict(self.shown),
            "armed": [to_builtins(armed.fault, str_keys=True) | {"left": armed.left} for armed in self._armed],
        }

    def _next(self, wanted: Callable[[Fault], bool], symbol: str, side: str) -> Fault | None:
        for armed in self._armed:
            fault = armed.fault
            if wanted(fault) and fault.symbol in ("", symbol) and fault.side in ("", side):
                armed.left -= 1
                if armed.left <= 0:
                    self._armed.remove(armed)
                self.shown[fault.kind] += 1
                return fault
        return None


def _is_over(armed: _Armed, now_ms: int) -> bool:
    return armed.fault.kind in _LASTING and armed.until_ms is not None and now_ms >= armed.until_ms
