"""What every order is held to directly before it is sent, whatever a strategy, a template or a person asked for.

The gate judges a wish once, with much knowledge. This knows little and trusts nobody: which markets may be traded at
all, what the order's own symbol costs at this moment, and what has left within the last minute. Knight and Goldman lost
their millions between the two (SEC 34-70694, 34-75331). New trades stop at the limit; what ends an exposure has a share
beyond it.
"""

from collections import Counter, deque
from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct

from engine.domain.money import NS_PER_S, ZERO
from engine.domain.order import LegRole, OrderRequest, Side

_MINUTE_NS = 60 * NS_PER_S
_ENDS = frozenset({LegRole.CHASE, LegRole.UNWIND, LegRole.FLATTEN})


class LastStepRules(Struct, frozen=True, kw_only=True):
    """Ratios are plain: 0.05 is 5 %. Counts and sums are those of one minute."""

    allowed: Mapping[str, frozenset[str]]  # venue -> the symbols that may be traded there
    collar: Decimal  # a limit price beyond its symbol's mid, against us
    exit_collar: Decimal
    reference_age_ms: int  # of the book that the mid is taken from
    exit_reference_age_ms: int
    orders: int
    venue_orders: int
    notional_krw: Decimal
    venue_notional_krw: Decimal
    repeats: int  # new orders of one venue, symbol and side
    exit_share: Decimal  # of each total: left for what ends an exposure


class Reference(Struct, frozen=True, kw_only=True):
    """The order's own symbol at this moment; zeros where nothing is known."""

    mid: Decimal = ZERO
    age_ms: float = float("inf")
    quote_krw: Decimal = ZERO  # KRW per 1 quote asset


class Breach(Struct, frozen=True, kw_only=True):
    """Why an order is not sent, and the level that the desk is halted at for it; 0: it only is not sent."""

    rule: str
    text: str
    numbers: dict[str, str]
    level: int


class LimitUse(Struct, frozen=True, kw_only=True):
    """One limit and how much of it is used; `used` is None where there is nothing to count."""

    name: str
    limit: Decimal
    used: Decimal | None = None
    venue: str = ""  # "": of all


class _Left(Struct, frozen=True):
    at_ns: int
    venue: str
    symbol: str
    side: Side
    krw: Decimal
    is_exit: bool


class _Sum(Struct):
    """Of one minute, of one venue or of all."""

    orders: int = 0
    krw: Decimal = ZERO

    def add(self, krw: Decimal, sign: int = 1) -> None:
        self.orders += sign
        self.krw += krw * sign


class LastStep:
    """Counts what it has let pass. Time is an argument."""

    def __init__(self, rules: LastStepRules) -> None:
        self.rules = rules
        self._left: deque[_Left] = deque()
        self._sums: dict[str, _Sum] = {"": _Sum()}
        self._repeats: Counter[tuple[str, str, Side]] = Counter()
        self._all = {is_exit: _most(rules.orders, rules.notional_krw, rules, is_exit) for is_exit in (False, True)}
        self._one = {
            is_exit: _most(rules.venue_orders, rules.venue_notional_krw, rules, is_exit) for is_exit in (False, True)
        }

    def admit(
        self, orders: tuple[OrderRequest, ...], references: Mapping[str, Reference], finishes: bool, now_ns: int
    ) -> Breach | None:
        """All of them or none: a second leg that is stopped alone leaves its partner naked. References by client id.

        `finishes`: they belong to a trade that has begun.
        """
        self._forget(now_ns)
        leaving: list[_Left] = []
        for order in orders:
            is_exit = finishes or order.role in _ENDS
            reference = references.get(order.cid, Reference())
            breach = self._market(order, reference, is_exit)
            if breach is not None:
                return breach
            krw = order.qty * order.price * reference.quote_krw
            leaving.append(_Left(now_ns, order.venue, order.symbol, order.side, krw, is_exit))
        for new in leaving:
            self._count(new)
        breach = self._minute(leaving)
        if breach is None:
            self._left.extend(leaving)
            return None
        for new in leaving:
            self._count(new, -1)
        return breach

    def _forget(self, now_ns: int) -> None:
        while self._left and now_ns - self._left[0].at_ns > _MINUTE_NS:
            self._count(self._left.popleft(), -1)

    def _count(self, each: _Left, sign: int = 1) -> None:
        self._sums[""].add(each.krw, sign)
        self._sums.setdefault(each.venue, _Sum()).add(each.krw, sign)
        if not each.is_exit:
            self._repeats[each.venue, each.symbol, each.side] += sign

    def _market(self, order: OrderRequest, reference: Reference, is_exit: bool) -> Breach | None:
        rules, numbers = self.rules, {"venue": order.venue, "symbol": order.symbol}
        if order.symbol not in rules.allowed.get(order.venue, ()):
            return Breach(
                rule="not_listed",
                text=f"{order.venue} {order.symbol} is not on the list of traded markets",
                numbers=numbers,
                level=2,
            )
        most_ms = rules.exit_reference_age_ms if is_exit else rules.reference_age_ms
        if reference.mid <= 0 or reference.age_ms > most_ms or (reference.quote_krw <= 0 and not is_exit):
            return Breach(
                rule="no_reference",
                text=f"{order.venue} {order.symbol} has no price of its own fresh enough to hold the order against",
                numbers={**numbers, "age_ms": f"{reference.age_ms:.0f}", "limit_ms": str(most_ms)},
                level=0,
            )
        collar = rules.exit_collar if is_exit else rules.collar
        # A stop waits away from the market; its limit is held against the price that sets it off.
        base = order.stop_price or reference.mid
        beyond = (order.price / base - 1) * (1 if order.side is Side.BUY else -1)
        if beyond > collar:
            return Breach(
                rule="last_collar",
                text=f"{order.venue} {order.symbol}: to {order.side} at {order.price} is {beyond:.2%} beyond its mid",
                numbers={**numbers, "distance": f"{beyond:.6f}", "limit": str(collar)},
                level=1,
            )
        return None

    def _minute(self, leaving: list[_Left]) -> Breach | None:
        """What has left within the minute, the new ones counted."""
        is_exit = all(each.is_exit for each in leaving)
        for venue in ("", *dict.fromkeys(each.venue for each in leaving)):
            breach = self._totals(venue, is_exit)
            if breach is not None:
                return breach
        for new in leaving:
            same = self._repeats[new.venue, new.symbol, new.side]
            if not new.is_exit and same > self.rules.repeats:
                text = f"{same} orders to {new.side} {new.symbol} at {new.venue} within a minute"
                return self._runaway("repeated", text, same, self.rules.repeats, is_exit)
        return None

    def _totals(self, venue: str, is_exit: bool) -> Breach | None:
        total, (most, most_krw) = self._sums[venue], (self._one if venue else self._all)[is_exit]
        if total.orders <= most and total.krw <= most_krw:
            return None
        where = f" at {venue}" if venue else ""
        if total.orders > most:
            text = f"{total.orders} orders{where} within a minute"
            return self._runaway("last_orders", text, total.orders, most, is_exit)
        text = f"{total.krw:.0f} KRW{where} within a minute"
        return self._runaway("last_notional", text, total.krw, most_krw, is_exit)

    def _runaway(self, rule: str, text: str, value: Decimal | int, limit: Decimal | int, is_exit: bool) -> Breach:
        """A loop of new trades stops at L1, and its exits go on; a loop of exits stops at L2."""
        numbers = {"value": f"{value:.0f}", "limit": f"{limit:.0f}"}
        return Breach(rule=rule, text=text, numbers=numbers, level=2 if is_exit else 1)

    def used(self, now_ns: int) -> dict[str, tuple[int, Decimal]]:
        """(orders, KRW) of the last minute by venue, and of all under ""."""
        self._forget(now_ns)
        return {name: (total.orders, total.krw) for name, total in self._sums.items()}

    def shown(self, now_ns: int) -> list[LimitUse]:
        """For people: what stands before each send now."""
        rules, made = self.rules, []
        for venue, (orders, krw) in sorted(self.used(now_ns).items()):
            most, most_krw = (
                (rules.venue_orders, rules.venue_notional_krw) if venue else (rules.orders, rules.notional_krw)
            )
            made.append(LimitUse(name="orders", venue=venue, used=Decimal(orders), limit=Decimal(most)))
            made.append(LimitUse(name="notional_krw", venue=venue, used=krw, limit=most_krw))
        most_repeated = Decimal(max(self._repeats.values(), default=0))
        made.append(LimitUse(name="repeats", used=most_repeated, limit=Decimal(rules.repeats)))
        made.append(LimitUse(name="collar", limit=rules.collar))
        made.append(LimitUse(name="exit_collar", limit=rules.exit_collar))
        return made


def _most(orders: int, krw: Decimal, rules: LastStepRules, is_exit: bool) -> tuple[int, Decimal]:
    """Of one minute; what ends an exposure has its share beyond what new trades have."""
    beyond = 1 / (1 - rules.exit_share) if is_exit else Decimal(1)
    return int(orders * beyond), krw * beyond
