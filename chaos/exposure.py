"""How much stands open without its partner and for how long: bounds from the configuration, sums from the venues."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from decimal import Decimal

from msgspec import Struct

from chaos.bank import Arrival, Bank
from chaos.perps import PerpBank
from engine.config import Config
from engine.core.state import State
from engine.core.trades import legs_in_use
from engine.domain.order import OrderStatus, Side, TradeState
from engine.execution.order_state import net_base
from engine.execution.trade import Trade
from engine.risk.limits import limits_of

ZERO = Decimal(0)
_DUST_KRW = Decimal(20_000)
# A trade is sized at its own venues' prices and rates, and weighed at another one's: an episode's premium is up to
# 1.6 %, the tether's about 1 %, and a second leg may come a while after its plan.
_ROOM = Decimal("1.05")
_KRW_PER_USD = Decimal(1_390)  # as the world shows it
_HEDGES = 3  # tries of a hedge: execution.trade has no configuration for them
_HOPELESS_MS = 30_000  # so long an exposure without any price waits (core.trades), then it is a person's
_LONGEST_LOOK_MS = 5_000  # between two look-ups of an order without an answer (core.placing)


class Bounds(Struct, frozen=True, kw_only=True):
    """What a configuration allows."""

    trade_krw: Decimal  # one trade's larger leg, at any venue's price
    total_krw: Decimal  # all of one coin (max_position_coin_usd)
    flat_ms: int  # from an exposure to its end, while no fault holds
    blind_ms: int  # the same where nothing but prices is missing
    answer_ms: int  # from an order's failure until it must have an end
    late_ms: int  # from its send until a venue accepts it no more
    found_ms: int  # from an order that nobody counted on until its fill must be known


class Sky(Struct, frozen=True, kw_only=True):
    """What hinders a trade at its venues now; "" and False where nothing does."""

    fault: str = ""
    blind: bool = False  # its books are not shown


def bounds(config: Config) -> Bounds:
    """Every try takes an order's time-out at most: what has no answer by then is a fault of its own."""
    execution, limits = config.execution, limits_of(config.risk.profile, config.risk.overrides)
    largest = max(Decimal(str(each.params.get("max_notional_krw", 0))) for each in config.strategies.values())
    venues = config.venues.values()
    timeout_ms = max(venue.order_timeout_ms for venue in venues)
    late_ms = max(venue.late_acceptance_ms for venue in venues)
    tries = 1 + execution.max_chase + _HEDGES + execution.max_unwind  # the first is the second leg under HARD_LEG_FIRST
    flat_ms = execution.naked_deadline_ms + tries * timeout_ms
    settle_ms = max(venue.settle_margin_ms for venue in venues)
    return Bounds(
        trade_krw=largest * _ROOM,
        total_krw=limits.max_position_coin_usd * _KRW_PER_USD * _ROOM,
        flat_ms=flat_ms,
        blind_ms=flat_ms + _HOPELESS_MS,
        answer_ms=late_ms + settle_ms + _LONGEST_LOOK_MS + 2 * timeout_ms,
        late_ms=timeout_ms + late_ms,
        found_ms=execution.reconcile_every_s * 1_000 + _LONGEST_LOOK_MS,
    )


class _Clock(Struct):
    """How long an exposure has stood open."""

    began_ms: int
    looked_ms: int
    clear_ms: int = 0  # without any fault
    lit_ms: int = 0  # with books or without, no other fault
    was: Sky = Sky(fault="not looked at yet")


class Exposure:
    """Every trade's by the venues' own records; `breach` writes down what must not be."""

    def __init__(self, allowed: Bounds, breach: Callable[[str, str], None]) -> None:
        self.allowed = allowed
        self.slowest_ms = 0  # from the first to the last look at which it stood open, faults included
        self.slowest_clear_ms = self.slowest_blind_ms = 0
        self.most_krw = self.most_total_krw = ZERO
        self._breach = breach
        self._by_trade: dict[str, list[Arrival]] = defaultdict(list)
        self._clocks: dict[str, _Clock] = {}
        self._fresh: list[Arrival] = []  # since the last look
        self._sent_ms: dict[str, int] = {}  # by client id
        self._doubted_ms: dict[str, int] = {}  # trade -> until when one of its orders may have no end
        self._marks: dict[str, Decimal] = {}  # trade -> KRW a coin when its first order came
        self._late: dict[str, int] = {}  # trade -> orders that came when no venue was to accept them any more
        self.late_cids: set[str] = set()
        self._apart: dict[str, Decimal] = {}  # trade -> signed coin that no order of it has brought or taken
        self._told: set[tuple[str, str]] = set()

    @property
    def watches(self) -> bool:
        """Whether a trade stood open at the last look, or an order has come since."""
        return bool(self._clocks or self._fresh)

    def on_send(self, cid: str, now_ms: int) -> None:
        self._sent_ms.setdefault(cid, now_ms)

    def on_doubt(self, trade_id: str, now_ms: int) -> None:
        """An order of it has no answer."""
        self._doubt(trade_id, now_ms + self.allowed.answer_ms)

    def _doubt(self, trade_id: str, until_ms: int) -> None:
        self._doubted_ms[trade_id] = max(self._doubted_ms.get(trade_id, 0), until_ms)

    def on_arrival(self, arrival: Arrival) -> None:
        request = arrival.request
        self._by_trade[request.trade_id].append(arrival)
        self._fresh.append(arrival)
        if arrival.at_ms - self._sent_ms.get(request.cid, arrival.at_ms) > self.allowed.late_ms:
            self._late[request.trade_id] = self._late.get(request.trade_id, 0) + 1
            self.late_cids.add(request.cid)
            self._doubt(request.trade_id, arrival.at_ms + self.allowed.found_ms)

    def look(
        self,
        state: State | None,
        banks: Mapping[str, Bank],
        now_ms: int,
        mark: Decimal,
        asked: Mapping[str, str],
        sky: Callable[[set[str]], Sky],
    ) -> None:
        """Once a second while something is under way. `asked`: trades whose coin a person wants."""
        due = {*self._clocks, *(each.request.trade_id for each in self._fresh)}
        if state is not None:
            due |= {*state.live_trades, *state.letters}
        self._sizes(banks, mark, asked)
        total = ZERO
        for trade_id in sorted(due):
            closes = all(each.request.reduce_only for each in self._by_trade[trade_id])  # what others have opened
            if trade_id not in asked and not closes:
                total += self._weigh(trade_id, state, banks, now_ms, self._marks.get(trade_id, mark), sky)
        self.most_total_krw = max(self.most_total_krw, total)
        most = self.allowed.total_krw + sum(self._late.values()) * self.allowed.trade_krw
        if total > most:
            self._tell("unhedged notional", "all", f"all trades together stand open with {total:.0f} of {most:.0f} KRW")

    def _sizes(self, banks: Mapping[str, Bank], now_mark: Decimal, asked: Mapping[str, str]) -> None:
        """No order of a trade is larger than a trade may be, and what came too late is closed with it."""
        for arrival in self._fresh:
            request = arrival.request
            # What waits for a person is closed hours later: its coins are still those of the plan, its price is not.
            mark = self._marks.setdefault(request.trade_id, now_mark)
            if request.trade_id in asked or request.reduce_only or not _is_coin(arrival, banks):
                continue
            most = self._most(request.trade_id)
            if request.qty * mark > most:
                text = f"{request.role} {request.cid} is worth {request.qty * mark:.0f} KRW"
                self._tell("order size", request.cid, f"{text}, a trade {most:.0f} at most")
        self._fresh.clear()

    def _weigh(
        self,
        trade_id: str,
        state: State | None,
        banks: Mapping[str, Bank],
        now_ms: int,
        mark: Decimal,
        sky: Callable[[set[str]], Sky],
    ) -> Decimal:
        """KRW that the trade stands open with."""
        known = state.trades.get(trade_id) if state is not None else None
        venues = {each.venue for each in self._by_trade[trade_id]}
        if known is not None:
            self._apart[trade_id] = self._closed_without_us(known, banks)
            venues |= {leg.venue for leg in (*legs_in_use(known), *known.plan.hedges)}
        krw = abs(self.open_qty(trade_id, banks) + self._apart.get(trade_id, ZERO)) * mark
        if krw <= _DUST_KRW or (known is not None and _is_a_persons(known)):
            self._end(trade_id, now_ms)
            return krw if krw > _DUST_KRW else ZERO
        self._run(trade_id, now_ms, sky(venues))
        self.most_krw = max(self.most_krw, krw)
        most = self._most(trade_id)
        if krw > most:
            self._tell("unhedged notional", trade_id, f"{trade_id} stands open with {krw:.0f} of {most:.0f} KRW")
        return krw

    def _most(self, trade_id: str) -> Decimal:
        """KRW; once more for each order that came when no venue was to accept it."""
        return self.allowed.trade_krw * (1 + self._late.get(trade_id, 0))

    def _closed_without_us(self, trade: Trade, banks: Mapping[str, Bank]) -> Decimal:
        """What a person has closed by hand, and what of its hedges their venue took away.

        Of the latter the books have fills that no order of ours has brought; that they lose no more than the position
        has lost is a law of its own (Checks.hedges).
        """
        taken = [
            net_base(order, "BTC")
            for order in trade.orders
            if order.request.cid not in self._sent_ms and isinstance(banks[order.request.venue], PerpBank)
        ]
        return sum(taken, -trade.written_off)

    def _run(self, trade_id: str, now_ms: int, sky: Sky) -> None:
        """The clock of a trade stands while a fault holds, and while one of its orders may lack an end."""
        if self._doubted_ms.get(trade_id, 0) > now_ms:
            sky = Sky(fault="an order without an answer")
        clock = self._clocks.setdefault(trade_id, _Clock(now_ms, now_ms))
        passed_ms, was = now_ms - clock.looked_ms, clock.was
        clock.looked_ms, clock.was = now_ms, sky
        if was.fault or sky.fault:
            return
        clock.lit_ms += passed_ms
        if not (was.blind or sky.blind):
            clock.clear_ms += passed_ms
        if clock.clear_ms > self.allowed.flat_ms:
            text = f"{trade_id} stands open for {clock.clear_ms} ms without a fault"
            self._tell("time to flat", trade_id, f"{text}, {self.allowed.flat_ms} are allowed")
        elif clock.lit_ms > self.allowed.blind_ms:
            text = f"{trade_id} stands open for {clock.lit_ms} ms without a fault but books"
            self._tell("time to flat", trade_id, f"{text}, {self.allowed.blind_ms} are allowed")

    def _end(self, trade_id: str, now_ms: int) -> None:
        clock = self._clocks.pop(trade_id, None)
        if clock is not None:
            self.slowest_ms = max(self.slowest_ms, now_ms - clock.began_ms)
            self.slowest_clear_ms = max(self.slowest_clear_ms, clock.clear_ms)
            self.slowest_blind_ms = max(self.slowest_blind_ms, clock.lit_ms)

    def _tell(self, law: str, whose: str, text: str) -> None:
        if (law, whose) not in self._told:
            self._told.add((law, whose))
            self._breach(law, text)

    def open_qty(self, trade_id: str, banks: Mapping[str, Bank]) -> Decimal:
        """Signed coin that a trade stands open with, by the venues' own records."""
        return sum((_signed(arrival, banks) for arrival in self._by_trade[trade_id]), ZERO)


def _is_a_persons(trade: Trade) -> bool:
    """A dead letter, or one of its orders was rung for: neither its venue nor the balances tell what became of it."""
    is_rung = any(each.unknown_alerted and each.status is OrderStatus.UNKNOWN for each in trade.orders)
    return trade.state is TradeState.DEAD_LETTER or is_rung


def _is_coin(arrival: Arrival, banks: Mapping[str, Bank]) -> bool:
    return banks[arrival.venue].rules.markets[arrival.request.symbol].base == "BTC"


def _signed(arrival: Arrival, banks: Mapping[str, Bank]) -> Decimal:
    """What the order brought of the coin, by the venue's own record."""
    request = arrival.request
    report = banks[arrival.venue].find(request.cid, 0) if _is_coin(arrival, banks) else None
    if report is None:
        return ZERO
    fee = sum((fee.amount for fee in report.fees if fee.asset == "BTC"), ZERO)
    return report.filled_qty - fee if request.side is Side.BUY else -report.filled_qty
