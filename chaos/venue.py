"""The engine's `Orders` over a network that delays, loses and lies as the seed says; one object per life and venue."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from random import Random
from typing import TypeVar

from msgspec.structs import replace

from chaos.bank import Bank
from chaos.disk import Life
from chaos.faults import Fates
from chaos.streams import SimStream
from engine.domain.errors import OrderNotFound, OutcomeUnknown, RateLimited, VenueRefused, VenueUnavailable
from engine.domain.market import Balance, Gate, Instrument, MarketWarning, Wallet
from engine.domain.money import NS_PER_S
from engine.domain.order import Abilities, LegRole, OrderKind, OrderReport, OrderRequest, OrderStatus
from engine.net.ratelimit import TokenBucket
from engine.venues import departure
from engine.venues.purse import Purpose, Purse, budgets

T = TypeVar("T")
TIMEOUT_S = 1.5  # of every call
LATE_ACCEPTANCE_MS = 3_000  # what the desk is told of venues without a request expiry
SETTLE_MARGIN_MS = 1_000
_BAN_S = 20.0
_CONNECT_S = 1.0
_WINDOW_MS = 1_000  # a venue with request expiry refuses a request that is dated so far from its own clock
_ORDERS_PER_S, _ORDER_BURST = 8.0, 16.0
_AMENDS = "okx"
STOPS = ("binance", "okx")  # stops rest there
_READS_PER_S = Decimal(5)


class SimVenue:
    """`expires`: the venue refuses a request that is older than our time-out (Binance, OKX)."""

    def __init__(
        self,
        bank: Bank,
        fates: Fates,
        life: Life,
        random: Random,
        later: Callable[[float, Callable[[], None]], None],
        on_send: Callable[[OrderRequest], None],
        on_move: Callable[[str, str, Decimal], None],
        on_doubt: Callable[[OrderRequest], None],
        clock_ns: Callable[[], int],
        skew_ms: Callable[[], int],
        *,
        expires: bool,
    ) -> None:
        self.venue = bank.name
        kinds = frozenset(OrderKind if self.venue in STOPS else {OrderKind.LIMIT, OrderKind.MARKET})
        self.abilities = Abilities(
            kinds=kinds, expiry=expires, amend=self.venue == _AMENDS, moves=self.venue == _AMENDS
        )
        self.late_acceptance_ms = SETTLE_MARGIN_MS + (0 if expires else LATE_ACCEPTANCE_MS)
        self._bank = bank
        self._fates = fates
        self._life = life
        self._random = random
        self._later = later
        self._on_send = on_send
        self._on_move = on_move
        self._on_doubt = on_doubt
        self._clock_ns = clock_ns
        self.blocked_until_ns = 0  # before then no order can leave for it
        self._skew_ms = skew_ms
        self._expires = expires
        self._orders = TokenBucket(_ORDERS_PER_S, _ORDER_BURST, clock_ns, reserved=_ORDER_BURST / 2)
        allowed = replace(budgets(_READS_PER_S, _READS_PER_S, clock_ns), orders=self._orders)
        self._purse = Purse(self.venue, allowed, TIMEOUT_S)
        self.stream: SimStream | None = None
        self.told_ms: dict[str, int] = {}  # when its account was told to this life last
        self.looks_again = True  # at the latch, where bytes are written

    async def place(self, order: OrderRequest) -> OrderReport:
        self.abilities.check(order)
        fate = self._fates.placement()
        if fate == "no_connection":
            await asyncio.sleep(0.001)
            raise VenueUnavailable("connection refused")
        try:
            self._purse.pay_now(urgent=order.role is not LegRole.ENTRY)
        except RateLimited:
            self._fates.counts["place.no budget"] += 1
            raise
        if fate == "cold":
            await asyncio.sleep(self._random.uniform(0.05, _CONNECT_S))
        if self.looks_again:
            departure.check()
        self._life.point("before the send")
        self._on_send(order)
        answer: asyncio.Future[OrderReport] = asyncio.get_running_loop().create_future()
        if fate != "lost_request":
            self._later(self._arrival_s(fate), lambda: self._arrive(order, fate, answer))
        self._life.point("after the send")
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await answer
        except TimeoutError:
            self._on_doubt(order)
            raise OutcomeUnknown(f"no answer within {TIMEOUT_S} s") from None
        except OutcomeUnknown:
            self._on_doubt(order)
            raise

    def _arrival_s(self, fate: str) -> float:
        if fate == "late":
            return self._random.uniform(TIMEOUT_S, TIMEOUT_S + LATE_ACCEPTANCE_MS / 1_000 - 0.2)
        if fate == "very_late":
            return self._random.uniform(6, 60)
        return self._fates.out_s()

    def _arrive(self, order: OrderRequest, fate: str, answer: "asyncio.Future[OrderReport]") -> None:
        """At the venue. From here on the desk's process may be dead: what happens, happens."""
        late = fate in ("late", "very_late")
        error: Exception | None = None
        report: OrderReport | None = None
        if self._fates.weather.away:
            error = OutcomeUnknown("HTTP 503: maintenance")
        elif self._expires and abs(self._skew_ms()) > _WINDOW_MS:
            self._fates.counts["refused.clock"] += 1
            error = VenueRefused("expired", "the time of the request is out of its window")
        elif late and self._expires:
            error = VenueRefused("expired", "the request is too old")
        elif fate == "refused":
            error = VenueRefused("on_request", "refused on request")
        elif fate in ("rate_limited", "banned"):
            error = RateLimited("too many requests", _BAN_S if fate == "banned" else 1.0)
        elif fate == "error_not_executed":
            error = OutcomeUnknown("HTTP 502: <html>")
        else:
            ratio = Decimal(self._random.randint(1, 9)) / 10 if fate == "partial" else Decimal(1)
            try:
                report = self._bank.place(order, ratio)
            except VenueRefused as refused:
                self._fates.counts[f"refused.{refused.code}"] += 1
                error = refused
            if fate == "error_executed":
                error, report = OutcomeUnknown("HTTP 504: <html>"), None
            elif fate == "used" and report is not None:  # it came twice: the second answer is the one that is heard
                error, report = VenueRefused("duplicate", "this nonce is used"), None
            elif fate == "ack_only" and report is not None:
                report = _acknowledged(report)
        if fate != "lost_reply":
            self._later(self._fates.out_s(), lambda: self._reply(answer, report, error))

    def _reply(
        self, answer: "asyncio.Future[OrderReport]", report: OrderReport | None, error: Exception | None
    ) -> None:
        if self._life.dead or answer.done():
            return
        if isinstance(error, RateLimited):
            self._rest(error.retry_after_s)
        if error is not None:
            answer.set_exception(error)
        elif report is not None:
            answer.set_result(report)

    async def amend(self, symbol: str, cid: str, venue_order_id: str, qty: Decimal, price: Decimal) -> None:
        """Raises OutcomeUnknown where it may have been done."""
        if not self.abilities.moves:
            raise VenueRefused("unsupported", f"{self.venue} cannot change an open order")
        has_left = False

        def leave() -> None:
            nonlocal has_left
            if self.looks_again:
                departure.check()
            self._on_move(symbol, cid, qty)
            self._fates.counts["amend"] += 1
            has_left = True

        try:
            await self._ask(lambda: self._bank.amend(cid, qty, price), Purpose.CANCEL, leave)
        except VenueUnavailable as error:
            if has_left and not isinstance(error, RateLimited) and self._random.random() < 0.5:
                with suppress(VenueRefused):
                    self._bank.amend(cid, qty, price)  # its answer was lost, and not the question
            raise OutcomeUnknown(str(error)) from error

    def spend(self, what: str) -> None:
        """The venue said that it is nearly too much (calm: exits alone may leave), or too much (block: nothing may)."""
        seconds = self._random.uniform(2, 15)
        if what == "block":
            self._orders.block(seconds)
            self._no_orders_for(seconds)
        else:
            self._orders.calm(seconds)

    def _rest(self, seconds: float) -> None:
        self._purse.rest(seconds)
        self._no_orders_for(seconds)

    def _no_orders_for(self, seconds: float) -> None:
        self.blocked_until_ns = max(self.blocked_until_ns, self._clock_ns() + int(seconds * NS_PER_S))

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> None:
        await self._ask(lambda: self._cancel(cid), Purpose.CANCEL)

    def _cancel(self, cid: str) -> None:
        if self._fates.fills_first > 0 and self._bank.cross(cid):
            self._fates.fills_first -= 1
            self._fates.counts["cancel.filled first"] += 1
        self._bank.cancel(cid)

    def count(self, what: str) -> None:
        """Of what a client of ours met on its side of the wire."""
        self._fates.counts[what] += 1

    def cancel_everything(self) -> None:
        """The endpoint that asks for no id: whoever's order it is."""
        self._bank.cancel_everything()

    async def look_up(self, symbol: str, cid: str) -> OrderReport:
        weather = self._fates.weather
        found = await self._ask(lambda: self._bank.look_up(cid, weather.lag_ms, weather.forgets_ms), Purpose.LOOK_UP)
        if found is None:
            self._fates.counts["query.forgotten"] += self._bank.find(cid, weather.lag_ms) is not None
            raise OrderNotFound(cid)
        return found

    async def open_orders(self) -> Sequence[OrderReport]:
        found = await self._ask(self._of_account(self._bank.open_orders))
        self.told_ms["open_orders"] = self._bank.clock_ms()
        return found

    async def balances(self) -> Sequence[Balance]:
        found = await self._ask(self._of_account(self._seen_balances))
        self.told_ms["balances"] = self._bank.clock_ms()
        return found

    def _of_account(self, work: Callable[[], T]) -> Callable[[], T]:
        if not self._fates.weather.unread:
            return work
        self._fates.counts["query.unread"] += 1
        raise VenueUnavailable("HTTP 502: <html>")

    def _seen_balances(self) -> tuple[Balance, ...]:
        weather = self._fates.weather
        if weather.zero_balances:
            return ()
        if weather.stale_balances:
            return self._bank.balances_before(self._bank.clock_ms() - self._random.randint(500, 8_000))
        return self._bank.balances()

    async def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        known = await self._ask(self._bank.instruments)
        return [rules for rules in known if rules.symbol in symbols]

    async def wallets(self, assets: Sequence[str]) -> Sequence[Wallet]:
        """Nothing is carried between venues here: every way is open."""
        await self._ask(lambda: None)
        return [Wallet(asset=asset, network="", deposit=Gate.OPEN, withdraw=Gate.OPEN) for asset in assets]

    async def warnings(self, symbols: Sequence[str]) -> Sequence[MarketWarning]:
        known = await self._ask(self._bank.instruments)
        gone = set(symbols) - {rules.symbol for rules in known}
        return [MarketWarning(symbol=symbol, kind="suspended", text="not listed") for symbol in sorted(gone)]

    async def server_time_ms(self) -> int:
        return await self._ask(self._bank.clock_ms)

    async def warm(self) -> None:
        await self._ask(lambda: None)

    async def close(self) -> None:
        """Nothing is open."""

    async def _ask(
        self, work: Callable[[], T], purpose: Purpose = Purpose.READ, leave: Callable[[], None] = lambda: None
    ) -> T:
        """One query there and back; `leave` where its bytes are written. Raises VenueUnavailable, VenueRefused."""
        try:
            await self._purse.pay(purpose)
        except RateLimited:
            self._fates.counts[f"query.no budget to {purpose.value}"] += 1
            raise
        fate = self._fates.query()
        if fate == "no_connection":
            await asyncio.sleep(0.001)
            raise VenueUnavailable("connection refused")
        leave()
        await asyncio.sleep(self._fates.out_s())
        if fate == "lost":
            await asyncio.sleep(TIMEOUT_S)
            raise VenueUnavailable(f"no answer within {TIMEOUT_S} s")
        if fate == "rate_limited":
            self._rest(1.0)
            raise RateLimited("too many requests", 1.0)
        if fate == "error":
            raise VenueUnavailable("HTTP 503: <html>")
        said = work()
        await asyncio.sleep(self._random.uniform(0.5, TIMEOUT_S) if fate == "slow" else self._fates.out_s())
        return said


def _acknowledged(report: OrderReport) -> OrderReport:
    """The venue's first word: it has the order. How it ended is told to who asks."""
    return OrderReport(
        cid=report.cid,
        venue=report.venue,
        symbol=report.symbol,
        side=report.side,
        status=OrderStatus.OPEN,
        venue_order_id=report.venue_order_id,
        filled_qty=Decimal(0),
        filled_quote=Decimal(0),
        fees=(),
        venue_ts_ms=report.venue_ts_ms,
    )
