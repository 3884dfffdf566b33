"""How many calls a venue allows, as data, and a limiter that keeps to it. Knows no trading.

A call holds its place from its sending until its answer came and the window passed after that: wherever between the two
the venue counted it, no window of the venue's holds more than `most`, however long the way was.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from enum import StrEnum
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct

from engine.domain.errors import RateLimited

log = logging.getLogger(__name__)

_NS_PER_S = 1_000_000_000
_NEAR = 0.8
_CALM = 0.6  # of the limit: below, the next approach is told again
_MOST_RETRY_S = 60.0


class Kind(StrEnum):
    WEIGHT = "weight"  # calls cost differently, all share one window
    COUNT = "count"  # every call costs one
    ENDPOINT = "endpoint"  # each path has a window of its own
    BUCKET = "bucket"  # `most` at once, and as many again flow in during `window_s`


class Rule(Struct, frozen=True, kw_only=True):
    name: str
    kind: Kind
    most: float
    window_s: float
    paths: tuple[str, ...] = ("",)  # beginnings of the paths that it counts


class Cost(Struct, frozen=True):
    """What calls of paths beginning so weigh; by a query parameter where the venue says so: (up to, weight), rising."""

    path: str
    weight: float
    parameter: str = ""
    steps: tuple[tuple[float, float], ...] = ()


class Header(Struct, frozen=True, kw_only=True):
    """What an answer says of a rule. `rule` "": the last of those that counted the call."""

    name: str
    says: str  # used | left | groups: Upbit's `group=market; min=600; sec=9`
    rule: str = ""
    limit: str = ""  # the header that names the limit itself: it wins over ours


class Limits(Struct, frozen=True, kw_only=True):
    """Of one venue's public calls from one address."""

    host: str  # venues of one host share it
    rules: tuple[Rule, ...]
    costs: tuple[Cost, ...] = ()
    headers: tuple[Header, ...] = ()
    # Of every rule: for cancels, exits, and what else is urgent. So ordinary calls alone never come near the limit:
    # that is told when others call from our address, or when urgent ones do in numbers.
    reserved: float = 0.25
    retry_s: float = 1.0  # after a 429 that names no time; doubles while they go on
    reset_ms_header: str = ""  # names that time in ms
    bans: tuple[tuple[int, float], ...] = ((418, 120.0),)  # statuses that shut us out: s where none is named


class _Window:
    """One rule's count."""

    def __init__(self, rule: Rule, timeout_s: float) -> None:
        self.most = rule.most
        self.flying = 0.0
        self.is_near = False
        self._rule = rule
        self._is_bucket = rule.kind is Kind.BUCKET
        # What the venue gets late it counts late: a bucket must not be emptier there than here.
        self._slack = min(0.5 * rule.most, rule.most / rule.window_s * timeout_s) if self._is_bucket else 0.0
        self._landed: deque[tuple[int, float]] = deque()  # (counts until, weight)
        self._sum = 0.0
        self._foreign: tuple[int, float] = (0, 0.0)  # others from our address, by the venue's own count
        self._drained_ns = 0

    def used(self, now_ns: int) -> float:
        if self._is_bucket:
            self._sum = max(0.0, self._sum - (now_ns - self._drained_ns) * self.most / self._rule.window_s / _NS_PER_S)
            self._drained_ns = now_ns
            return self._sum
        while self._landed and self._landed[0][0] <= now_ns:
            self._sum -= self._landed.popleft()[1]
        if not self._landed:
            self._sum = 0.0  # what rounding left
        return self.flying + self._sum + (self._foreign[1] if self._foreign[0] > now_ns else 0.0)

    def wait_s(self, weight: float, share: float, now_ns: int) -> float | None:
        """0.0: there is room. None: when something that flies has landed."""
        room = max(weight, (self.most - self._slack) * share)
        over = self.used(now_ns) + weight - room
        if over <= 1e-9:
            return 0.0
        if self._is_bucket:
            return over * self._rule.window_s / self.most
        ends = [end_ns for end_ns, _ in self._landed][:1] + [self._foreign[0]] * (self._foreign[0] > now_ns)
        return (min(ends) - now_ns) / _NS_PER_S if ends else None

    def send(self, weight: float) -> None:
        if self._is_bucket:
            self._sum += weight
        else:
            self.flying += weight

    def land(self, weight: float, now_ns: int) -> None:
        if not self._is_bucket:
            self.flying -= weight
            self._landed.append((now_ns + round(self._rule.window_s * _NS_PER_S), weight))
            self._sum += weight

    def correct(self, used: float, now_ns: int) -> None:
        """The venue counted so much. More than we know of: others call from our address too."""
        if self._is_bucket:
            self._sum = max(self.used(now_ns), used)
        else:
            self.used(now_ns)
            self._foreign = (now_ns + round(self._rule.window_s * _NS_PER_S), max(0.0, used - self._sum))


class Ticket:
    """A call on its way."""

    def __init__(self, held: list[tuple[Rule, _Window, float]]) -> None:
        self.held = held


class Limiter:
    """Every public call to one host goes through here: `enter`, the call, `leave`."""

    def __init__(
        self,
        limits: Limits,
        clock_ns: Callable[[], int],
        on_near: Callable[[str, str, float], None] | None = None,  # host, rule, share used: from 80 % on
        timeout_s: float = 5.0,  # of a call
    ) -> None:
        self.limits = limits
        self._clock_ns = clock_ns
        self._on_near = on_near
        self._bans = dict(limits.bans)
        self._timeout_s = timeout_s
        self._windows: dict[tuple[str, str], _Window] = {}
        self._blocked_until_ns = 0
        self._refusals = 0
        self._turns = {False: asyncio.Lock(), True: asyncio.Lock()}
        self._landed = asyncio.Event()

    async def enter(self, url: str, *, urgent: bool = False, patience_s: float = 10.0) -> Ticket:
        """Wait for room. Raises RateLimited where the venue has shut us out for longer than `patience_s`."""
        held = self._held(url)
        share = 1.0 if urgent else 1.0 - self.limits.reserved
        async with self._turns[urgent]:
            while True:
                now_ns = self._clock_ns()
                blocked_s = (self._blocked_until_ns - now_ns) / _NS_PER_S
                if blocked_s > patience_s:
                    raise RateLimited(f"{self.limits.host}: no calls for {blocked_s:.0f} s, it said", blocked_s)
                waits = [window.wait_s(weight, share, now_ns) for _, window, weight in held]
                if blocked_s <= 0 and not any(wait != 0.0 for wait in waits):
                    break
                self._landed.clear()
                await self._rest(max([blocked_s, *(wait for wait in waits if wait is not None)]), None in waits)
            for rule, window, weight in held:
                window.send(weight)
                self._look(rule, window, now_ns)
        return Ticket(held)

    async def _rest(self, seconds: float, for_landing: bool) -> None:
        if not for_landing:
            await asyncio.sleep(max(0.001, seconds))
            return
        await self._landed.wait()

    def leave(self, ticket: Ticket, status: int | None, headers: Mapping[str, str]) -> None:
        """The answer is here, or (status None) none will come."""
        now_ns = self._clock_ns()
        for _, window, weight in ticket.held:
            window.land(weight, now_ns)
        self._landed.set()
        self._read(ticket, headers, now_ns)
        if status in (429, *self._bans):
            self._refusals += 1
            wait_s = self._retry_s(status or 429, headers)
            self._blocked_until_ns = max(self._blocked_until_ns, now_ns + round(wait_s * _NS_PER_S))
            log.warning("rate_limited host=%s status=%s wait_s=%.1f", self.limits.host, status, wait_s)
        elif status is not None and status < 400:
            self._refusals = 0

    def used_share(self) -> Mapping[str, float]:
        """By rule (and path, where each has its own): how much of it is used now."""
        now_ns = self._clock_ns()
        return {f"{name}{path}": window.used(now_ns) / window.most for (name, path), window in self._windows.items()}

    def _held(self, url: str) -> list[tuple[Rule, _Window, float]]:
        parts = urlsplit(url)
        weight = self._weight(parts.path, parts.query)
        held = []
        for rule in self.limits.rules:
            if parts.path.startswith(rule.paths):
                key = (rule.name, parts.path if rule.kind is Kind.ENDPOINT else "")
                window = self._windows.get(key)
                if window is None:
                    window = self._windows[key] = _Window(rule, self._timeout_s)
                held.append((rule, window, weight if rule.kind is Kind.WEIGHT else 1.0))
        return held

    def _weight(self, path: str, query: str) -> float:
        for cost in self.limits.costs:
            if path.startswith(cost.path):
                said = parse_qs(query).get(cost.parameter, [""])[0] if cost.parameter else ""
                if said.isdigit():
                    return next((weight for up_to, weight in cost.steps if int(said) <= up_to), cost.weight)
                return cost.weight
        return 1.0

    def _look(self, rule: Rule, window: _Window, now_ns: int) -> None:
        share = window.used(now_ns) / window.most
        if share >= _NEAR and not window.is_near:
            window.is_near = True
            log.warning("rate_near host=%s rule=%s used=%.0f%%", self.limits.host, rule.name, share * 100)
            if self._on_near is not None:
                self._on_near(self.limits.host, rule.name, share)
        elif share < _CALM:
            window.is_near = False

    def _read(self, ticket: Ticket, headers: Mapping[str, str], now_ns: int) -> None:
        for header in self.limits.headers:
            text = headers.get(header.name, "")
            if not text or not ticket.held:
                continue
            name, left_only = header.rule, header.says == "left"
            if header.says == "groups":
                said = dict(part.strip().split("=", 1) for part in text.split(";") if "=" in part)
                name, text, left_only = said.get("group", ""), said.get("sec", ""), True
            held = [entry for entry in ticket.held if entry[0].name == name] if name else ticket.held[-1:]
            for rule, window, _ in held:
                limit, said_count = _number(headers.get(header.limit, "")), _number(text)
                if limit:
                    window.most = limit
                if said_count is not None:
                    window.correct(max(0.0, window.most - said_count) if left_only else said_count, now_ns)
                    self._look(rule, window, now_ns)

    def _retry_s(self, status: int, headers: Mapping[str, str]) -> float:
        named = _number(headers.get("Retry-After", ""))
        if named is not None:
            return named
        reset_ms = _number(headers.get(self.limits.reset_ms_header, "")) if self.limits.reset_ms_header else None
        if reset_ms is not None:
            return reset_ms / 1e3
        if status in self._bans:
            return self._bans[status]
        return min(_MOST_RETRY_S, self.limits.retry_s * 2.0 ** (self._refusals - 1))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 1e9 else None
