"""What must hold at every moment and at the end. A breach is one line; nothing here changes anything."""

from collections import defaultdict
from collections.abc import Callable, Container, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from chaos.bank import ACCOUNT, Arrival, Bank
from chaos.exposure import Bounds, Exposure, Sky
from chaos.perps import SYMBOL, PerpBank
from chaos.perps import VENUE as PERPS
from engine.core.state import State
from engine.core.trades import is_dust
from engine.core.venue_state import VenueState
from engine.domain.effect import Submit
from engine.domain.order import LegRole, OrderRequest, Side, TradeState
from engine.domain.parent import Template
from engine.execution import trade as life
from engine.execution.order_state import OrderState
from engine.execution.parent import filled_base
from engine.portfolio.ledger import funding_account
from engine.storage.disk import Row

ZERO = Decimal(0)
_UNTOLD_MS = 4 * 30_000 + 5_000  # what the desk believes of an account is four rounds of its comparison old at most
_intent = msgspec.json.Decoder(Submit)


class Moment(Struct, frozen=True):
    """What holds when bytes leave for a venue."""

    state: State
    latch_level: int  # as it is written down, by whomever
    now_ms: int
    told_ms: int  # when the venue's account was told last


class Checks:
    """Fed by the disk, the network and the venues; read by nobody but the run."""

    def __init__(self, allowed: Bounds) -> None:
        self.violations: list[str] = []
        self.durable: dict[str, OrderRequest] = {}  # by client id: what an intent on disk says
        self.arrived: dict[str, Arrival] = {}
        self.sent: dict[str, int] = {}
        self.exposure = Exposure(allowed, self.breach)
        self._asked: dict[str, str] = {}  # trade -> the person's order that it is a child of
        self._finishing: set[str] = set()  # client ids of orders whose trade was under way when they were planned

    def breach(self, law: str, text: str) -> None:
        if len(self.violations) < 20:
            self.violations.append(f"{law}: {text}")

    def on_durable(self, row: Row) -> None:
        if row.kind == "intent":
            intent = _intent.decode(row.payload)
            self.durable |= {order.cid: order for order in intent.orders}
            if intent.plan is None:
                self._finishing |= {order.cid for order in intent.orders}
            if intent.plan is not None and intent.plan.parent_id:
                self._asked[intent.plan.trade_id] = intent.plan.parent_id

    def finishes(self, cid: str) -> bool:
        """Whether the order belongs to a trade that had begun when it was planned."""
        return cid in self._finishing

    def on_send(self, order: OrderRequest, at: Moment) -> None:
        """The last moment at which the desk could have stopped it."""
        self.exposure.on_send(order.cid, at.now_ms)
        self.sent[order.cid] = self.sent.get(order.cid, 0) + 1
        if self.sent[order.cid] > 1:
            self.breach("sent once", f"{order.cid} was sent {self.sent[order.cid]} times")
        if order.cid not in self.durable:
            self.breach("durable before send", f"{order.cid} left without an intent on disk")
        self._may_leave(order, at, "left")

    def on_move(self, venue: str, symbol: str, cid: str, qty: Decimal, at: Moment) -> None:
        """Another price for what rests: the order that was journaled and sent, held to what it was held to then."""
        order = self.durable.get(cid)
        if order is None or cid not in self.sent:
            self.breach("moved as journaled", f"{cid} at {venue} is no order of ours")
            return
        if (order.venue, order.symbol, order.qty) != (venue, symbol, qty):
            self.breach("moved as journaled", f"{cid}: {qty} {symbol} at {venue} instead of {order}")
        self._may_leave(order, at, "was moved")

    def _may_leave(self, order: OrderRequest, at: Moment, how: str) -> None:
        named, level = f"{order.cid} ({order.role}) {how}", max(at.state.level, at.latch_level)
        if self._is_latched(order, level):
            self.breach("no send while latched", f"{named} at L{level}")
        untold_ms = 0 if self._gets_out(order, at.state) else at.now_ms - at.told_ms
        if why := self._unreconciled(order, at.state.venues.get(order.venue), untold_ms):
            self.breach("no send while unreconciled", f"{named} at {order.venue}: {why}")

    def _is_latched(self, order: OrderRequest, level: int) -> bool:
        """L1 lets no trade begin, L2 nothing leave, L3 only what makes an exposure smaller."""
        if level == 1:
            return self._begins(order)
        return level == 2 or (level >= 3 and order.role not in (LegRole.UNWIND, LegRole.FLATTEN))

    def _begins(self, order: OrderRequest) -> bool:
        """Whether its trade begins with it."""
        return order.role is LegRole.ENTRY and not self.finishes(order.cid)

    def _gets_out(self, order: OrderRequest, state: State) -> bool:
        """Whether it is a person's stop on coins that are held, whoever waits for its price: it begins no exposure."""
        parent = state.parents.all.get(self._asked.get(order.trade_id, ""))
        is_stop = parent is not None and parent.plan.ask.template is Template.STOP
        return order.reduce_only or (is_stop and order.side is Side.SELL and order.venue != PERPS)

    def _unreconciled(self, order: OrderRequest, held: VenueState | None, untold_ms: int) -> str:
        """Why nothing of this kind may leave for the venue; "" where it may.

        What begins an exposure needs a venue that agrees with the ledger and whose account is told still (risk.rules
        `_venue`; a person's stop that gets out needs only the former), and so does a hedge, which opens a position
        (core.hedging `_way`). Between that verdict and the send nothing makes a venue unready: an order under way makes
        every comparison void. What ends an exposure may not wait for that: a trade's second leg, a chase, an unwind and
        L3's closings (core.trades `mend`, core.closing) ask for the market's rules alone, and for its book; a person's
        tap on a position asks for more, at the tap. Where an account was never opened nothing can have been entered, so
        nothing can want to leave.
        """
        if held is None or not held.opened or not held.rules_known:
            return "its rules or its opening balances are not known"
        begins = order.role is LegRole.HEDGE or self._begins(order)
        if begins and not held.ready:
            return f"swept {held.swept}, agreed {held.agreed}, blocked {held.blocked!r}"
        if begins and untold_ms > _UNTOLD_MS:
            return f"its account was last told {untold_ms // 1_000} s ago"
        return ""

    def on_arrival(self, arrival: Arrival) -> None:
        cid = arrival.request.cid
        if cid in self.arrived:
            self.breach("one venue order per intent", f"{cid} arrived twice")
        self.arrived[cid] = arrival
        if self.durable.get(cid, arrival.request) != arrival.request:
            self.breach("arrives as journaled", f"{cid}: {arrival.request} instead of {self.durable[cid]}")
        self.exposure.on_arrival(arrival)

    def look(
        self,
        state: State | None,
        banks: Mapping[str, Bank],
        now_ms: int,
        mark: Decimal,
        sky: Callable[[set[str]], Sky],
    ) -> None:
        """Exposure of every trade by the venues' own records; called once a second while something is under way."""
        self.exposure.look(state, banks, now_ms, mark, self._asked, sky)

    def money(self, banks: Mapping[str, Bank]) -> None:
        """At each venue the sum over all accounts is what was paid in."""
        for bank in banks.values():
            for asset in {**bank.funds, "BTC": 0, "USDT": 0}:
                total, paid_in = bank.ledger.total(asset), bank.funds.get(asset, ZERO)
                if total != paid_in:
                    self.breach("conservation", f"{bank.name} {asset}: {total} instead of {paid_in}")
            for asset, balance in bank.ledger.balances(ACCOUNT).items():
                if balance.free < 0 or balance.held < 0:
                    self.breach("conservation", f"{bank.name} {asset}: {balance}")

    def hedges_of(self, state: State, bank: PerpBank) -> tuple[list[Decimal], Decimal]:
        """Signed base: each hedge that stands there, and the whole position by our books."""
        at = state.ledger.position(bank.name, SYMBOL)
        owned = [
            qty
            for trade in state.hedged.values()
            for index, qty in life.standing(trade).items()
            if trade.plan.leg(index).venue == bank.name
        ]
        return owned, at.qty if at is not None else ZERO

    def hedges(self, state: State, bank: PerpBank, before: tuple[list[Decimal], Decimal]) -> None:
        """A person has just taken the venue's word: hedges lose what the position has lost, no more."""
        (owned_was, was), (owned, _) = before, self.hedges_of(state, bank)
        gone = was - sum((at.qty for at in bank.positions()), ZERO)
        lost = sum(owned_was, ZERO) - sum(owned, ZERO)
        most = min(abs(gone), abs(sum((qty for qty in owned_was if qty * gone > 0), ZERO)))
        if lost * gone < 0 or abs(lost) > most or (sum(owned_was, ZERO) == was and abs(lost) != most):
            self.breach("hedges", f"{owned_was} became {owned} where the position lost {gone} of {was}")

    def _positions(self, state: State, bank: PerpBank) -> None:
        """Of perpetuals nothing is left open; funding is booked once, and all positions there cancel out."""
        ours = {symbol: at.qty for symbol, at in state.ledger.positions(bank.name).items()}
        theirs = {at.symbol: at.qty for at in bank.positions()}
        if ours != theirs:
            self.breach("ledger", f"{bank.name}: positions {theirs} there, {ours} here")
        if theirs:
            self.breach("flat", f"{bank.name} still holds {theirs}")
        interest = sum(bank.exchange.clearing.open_interest(SYMBOL).values(), ZERO)
        if interest:
            self.breach("conservation", f"{bank.name}: all positions together are {interest}")
        payments = bank.funding_since(0)
        if unknown := [each.id for each in payments if not state.ledger.is_funded(bank.name, each.id)]:
            self.breach("ledger", f"{bank.name}: payments {unknown} of funding are not known")
        paid = sum((each.amount for each in payments), ZERO)
        booked = -state.ledger.account(funding_account(bank.name, SYMBOL), "USDT")
        if paid != booked and not bank.deleveraged:  # some are in the balances that a person has accepted
            self.breach("ledger", f"{bank.name}: funding of {paid} there, {booked} here")

    def at_rest(self, state: State, banks: Mapping[str, Bank]) -> None:
        """After the faults: flat, ready, nothing open, the ledger equal to the venues."""
        for name, held in sorted(state.venues.items()):
            if not held.ready:
                self.breach("liveness", f"{name} is not ready: {held.blocked or held.failing or 'no word'}")
        for trade in state.live_trades.values():
            if trade.state is not TradeState.DEAD_LETTER:
                statuses = [(order.request.venue, str(order.status)) for order in trade.orders]
                self.breach("liveness", f"trade {trade.plan.trade_id} is still {trade.state}: {statuses}")
        for name, bank in banks.items():
            if isinstance(bank, PerpBank):
                self._positions(state, bank)
            if bank.open_orders():
                self.breach("orphans", f"{name} still holds {[r.cid for r in bank.open_orders()]}")
            ledger = state.ledger.assets(name)
            for asset, balance in bank.ledger.balances(ACCOUNT).items():
                if balance.total != ledger.get(asset, ZERO):
                    self.breach("ledger", f"{name} {asset}: {balance.total} there, {ledger.get(asset, ZERO)} here")
                if state.reservations.total(name, asset):
                    self.breach("reservations", f"{name} {asset}: {state.reservations.total(name, asset)} is held")
        self._persons(state, banks)
        for trade in state.trades.values():
            naked = ZERO if trade.plan.parent_id else life.exposure(trade)
            if trade.state is TradeState.CLOSED and not is_dust(state, trade, naked):
                self.breach("flat", f"trade {trade.plan.trade_id} is closed with {naked} open")

    def _persons(self, state: State, banks: Mapping[str, Bank]) -> None:
        """Never more than was asked for, and as much as was told, by the venues' own records.

        What a venue accepts after its last possible moment was sent again by then: that much more, and told.
        """
        filled: dict[str, Decimal] = defaultdict(Decimal)
        late: dict[str, Decimal] = defaultdict(Decimal)
        for arrival in self.arrived.values():
            report = banks[arrival.venue].find(arrival.request.cid, 0)
            if report is not None and arrival.request.trade_id in self._asked:
                filled[self._asked[arrival.request.trade_id]] += report.filled_qty
                if arrival.request.cid in self.exposure.late_cids:
                    late[self._asked[arrival.request.trade_id]] += report.filled_qty
        for parent_id, parent in state.parents.all.items():
            told = sum((filled_base(trades) for trades in parent.children.values()), ZERO)
            asked = parent.plan.ask.qty + late[parent_id]
            if not told == filled[parent_id] <= asked:
                self.breach("a person's order", f"{parent_id}: {filled[parent_id]} of {asked} filled, {told} told")


def wallet_apart(state: State, bank: Bank) -> str:
    """A wallet of perpetuals that differs from the ledger in its last digit; "" where none does."""
    if not isinstance(bank, PerpBank):
        return ""
    here, there = state.ledger.balance(bank.name, "USDT"), bank.balances()[0].total
    return "" if here == there else f"the wallet is {there}, our ledger says {here}"


def fingerprint(state: State, durable: Container[str]) -> dict[str, Any]:
    """What a restart must not change. What never became durable never left, and is nobody's loss."""
    orders = {key: order for key, (_, order) in sorted(state.orders.items()) if key in durable}
    trades = {order.request.trade_id: state.trades[order.request.trade_id] for order in orders.values()}
    return {
        "ledger": {
            name: {asset: str(amount) for asset, amount in state.ledger.assets(name).items() if amount}
            for name in sorted(state.venues)
        },
        "positions": {
            f"{name} {symbol}": f"{at.qty} for {at.cost}"
            for name in sorted(state.venues)
            for symbol, at in sorted(state.ledger.positions(name).items())
        },
        "hedged": {key: str(life.standing(trade)) for key, trade in sorted(state.hedged.items())},
        "trades": {key: (str(t.state), t.outcome, str(life.exposure(t))) for key, t in sorted(trades.items())},
        "orders": {key: _end(order) for key, order in orders.items()},
        "persons": {key: (str(at.state), at.reason) for key, at in sorted(state.parents.all.items())},
        "blocked": dict(sorted(state.blocked_keys.items())),
        "letters": {key: str(at.written_off.normalize()) for key, at in sorted(state.letters.items())},
        "level": state.level,
        "result": f"{state.pnl_total_krw.normalize():f}",
    }


def _end(order: OrderState) -> str:
    """Without a fill one end is as good as another: what it is called depends on who told first."""
    filled = order.report.filled_qty if order.report else ZERO
    return f"ended with {filled.normalize():f}" if order.is_terminal else str(order.status)
