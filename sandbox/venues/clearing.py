"""Accounts of linear perpetuals: positions, margin, funding. Exact and pure; one-way mode, cross margin.

Sizes are contracts, as in the books. The other side of every position and of every payment is the market.
"""

from collections.abc import Callable, Iterator, Sequence
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal

from msgspec import Struct

from sandbox.venues.ledger import FEES, MARKET, ZERO, Ledger
from sandbox.venues.liquidity import Levels
from sandbox.venues.orders import End, Fill, Order, Reason, Refused, Side, State
from sandbox.venues.positions import Flow, FlowKind, Margin, Mark, Position
from sandbox.venues.rules import Perp, VenueRules
from sandbox.venues.settlement import walk

_MONEY = Decimal("0.00000001")  # results of parts and funding are rounded to this; what is left carries the rest
_ENTRY = Decimal("0.000000000001")
_ONE = Decimal(1)


class _Stake(Struct):
    """What one account holds of one symbol. `cost` is the value at entry, signed as `qty` is."""

    qty: Decimal = ZERO
    cost: Decimal = ZERO
    realised: Decimal = ZERO
    updated_ms: int = 0


class Clearing:
    """Settles the orders of perpetuals as `Settlement` does those of spot."""

    def __init__(
        self,
        rules: VenueRules,
        ledger: Ledger,
        fill_ids: Iterator[int],
        open_orders: Callable[[str], Sequence[Order]],
    ) -> None:
        """`open_orders(account)`: oldest first."""
        self.flows: list[Flow] = []
        self._rules = rules
        self._ledger = ledger
        self._fill_ids = fill_ids
        self._open_orders = open_orders
        self._stakes: dict[str, dict[str, _Stake]] = {}  # account -> symbol -> what it holds
        self._leverage: dict[tuple[str, str], int] = {}
        self._marks: dict[str, Mark] = {}

    # what the dialects ask

    def positions(self, account: str) -> list[Position]:
        """Those that are not zero, in order of first trade."""
        return [self.position(account, symbol) for symbol, stake in self._of(account).items() if stake.qty]

    def position(self, account: str, symbol: str) -> Position:
        """A flat one, too."""
        stake, perp = self._stake(account, symbol), self._perp(symbol)
        leverage, value = self.leverage(account, symbol), self._value(symbol, stake.qty)
        size = stake.qty * perp.contract
        return Position(
            account=account,
            symbol=symbol,
            qty=stake.qty,
            contract=perp.contract,
            entry=(stake.cost / size).quantize(_ENTRY) if size else ZERO,
            mark=self.mark(symbol),
            leverage=leverage,
            notional=abs(value),
            unrealised=value - stake.cost,
            initial=abs(value) / leverage,
            maintenance=abs(value) * perp.maintenance,
            liquidation=self._liquidation_price(account, symbol),
            realised=stake.realised,
            updated_ms=stake.updated_ms,
        )

    def margin(self, account: str) -> Margin:
        unrealised = positions = maintenance = ZERO
        for symbol, stake in self._of(account).items():
            value = self._value(symbol, stake.qty)
            unrealised += value - stake.cost
            positions += abs(value) / self.leverage(account, symbol)
            maintenance += abs(value) * self._perp(symbol).maintenance
        orders = self._for_orders(account)
        balance = self._ledger.balance(account, self.asset)
        return Margin(
            wallet=balance.total,
            unrealised=unrealised,
            positions=positions,
            orders=orders,
            maintenance=maintenance,
            available=balance.free + unrealised - positions - orders,
        )

    def leverage(self, account: str, symbol: str) -> int:
        return self._leverage.get((account, symbol), self._perp(symbol).leverage)

    def set_leverage(self, account: str, symbol: str, leverage: int) -> None:
        """Raises Refused where the venue has no such leverage, or the account's margin does not carry it."""
        most = self._perp(symbol).max_leverage
        if not 1 <= leverage <= most:
            raise Refused(Reason.BAD_LEVERAGE, f"{leverage} is not between 1 and {most}")
        before = self.leverage(account, symbol)
        self._leverage[account, symbol] = leverage
        if leverage < before and self.margin(account).available < 0:
            self._leverage[account, symbol] = before
            raise Refused(Reason.INSUFFICIENT_FUNDS, f"leverage {leverage} needs more margin than there is")

    def statement(self, account: str, since_ms: int = 0, kind: FlowKind | None = None) -> list[Flow]:
        """Oldest first."""
        mine = (flow for flow in self.flows if flow.account == account and flow.at_ms >= since_ms)
        return [flow for flow in mine if kind in (None, flow.kind)]

    def reducible(self, account: str, symbol: str, side: Side) -> Decimal:
        """Contracts that an order on this side can close."""
        qty = self._stake(account, symbol).qty
        return max(ZERO, -qty if side is Side.BUY else qty)

    def spare(self, account: str, symbol: str, side: Side) -> Decimal:
        """Contracts that a new reduce-only order may close, by the venue's rule for those that rest."""
        reducible = self.reducible(account, symbol, side)
        if not self._rules.counts_reduce_only:
            return reducible
        resting = (o for o in self._open_orders(account) if (o.symbol, o.side, o.reduce_only) == (symbol, side, True))
        return max(ZERO, reducible - sum((order.open_qty for order in resting), ZERO))

    def open_interest(self, symbol: str) -> dict[str, Decimal]:
        """Contracts by account, signed, the market's too: their sum is zero."""
        return {account: held[symbol].qty for account, held in self._stakes.items() if symbol in held}

    def mark(self, symbol: str) -> Decimal:
        """Zero before the venue named one."""
        known = self._marks.get(symbol)
        return ZERO if known is None else known.price

    # an order's life, as the matching engine tells it

    def assets(self, symbol: str, side: Side) -> tuple[str, str]:
        """The asset of the margin, and the one that pays the fee."""
        quote = self._rules.markets[symbol].quote
        return quote, quote

    def hold(self, order: Order, offered: Levels) -> None:
        """Whether the margin carries it: nothing leaves the wallet. `offered` prices an order at the market.

        Raises Refused.
        """
        if order.reduce_only:
            if not self.spare(order.account, order.symbol, order.side):
                raise Refused(Reason.REDUCE_ONLY, "no position to reduce", side=order.side)
            return
        if order.symbol not in self._marks:
            raise Refused(Reason.NO_LIQUIDITY, f"{order.symbol} has no mark yet", side=order.side)
        margin = self.margin(order.account)
        needed = self._for_orders(order.account, order, offered) - margin.orders
        if needed > max(ZERO, margin.available):
            detail = f"margin: needed {needed}, available {margin.available}"
            raise Refused(Reason.INSUFFICIENT_FUNDS, detail, side=order.side)

    def fill(self, order: Order, price: Decimal, qty: Decimal, now_ms: int, *, maker: bool) -> None:
        """The result of what it closes, then the fee, into and out of the wallet."""
        funds = price * qty * order.contract
        rate = self._rules.maker_fee if maker else self._rules.taker_fee
        fee = (funds * rate).quantize(self._rules.fee_quantum, ROUND_DOWN)
        number = next(self._fill_ids)
        signed = qty if order.side is Side.BUY else -qty
        realised = self._move(order.account, order.symbol, signed, price, now_ms)
        for kind, amount in ((FlowKind.REALISED, realised), (FlowKind.FEE, -fee)):
            self._pay(order.account, order.symbol, kind, amount, now_ms, fill_id=number)
        fill = Fill(
            id=number,
            order_id=order.id,
            price=price,
            qty=qty,
            fee=fee,
            fee_asset=order.fee_asset,
            maker=maker,
            at_ms=now_ms,
            realised=realised,
        )
        order.add(fill, funds)

    def trim(self, order: Order) -> None:
        """Nothing was put aside."""

    def close(self, order: Order, state: State, end: End | None, now_ms: int) -> None:
        order.state = state
        order.end = end
        order.updated_ms = now_ms

    # the venue's own clock

    def show_mark(self, symbol: str, mark: Mark) -> list[str]:
        """The accounts that have to be liquidated now. Charges funding, once per settlement."""
        known = self._marks.get(symbol)
        self._marks[symbol] = mark
        if known is not None and mark.next_ms > known.next_ms:
            self.settle(symbol, mark.settled_rate, mark.next_ms - mark.interval_ms)
        holders = [account for account, qty in self.open_interest(symbol).items() if qty and account != MARKET]
        margins = {account: self.margin(account) for account in holders}
        return [account for account, margin in margins.items() if margin.equity <= margin.maintenance]

    def cover(self, account: str, symbol: str, now_ms: int) -> None:
        """After its liquidation nobody owes the venue anything."""
        owed = -self._ledger.balance(account, self._rules.markets[symbol].quote).total
        if owed > 0:
            self._pay(account, symbol, FlowKind.COVER, owed, now_ms)

    def settle(self, symbol: str, rate: Decimal, at_ms: int) -> None:
        """Charge funding at the mark of now: a positive rate is paid by the longs."""
        for account, qty in self.open_interest(symbol).items():
            if qty and account != MARKET:
                owed = (self._value(symbol, qty) * rate).quantize(_MONEY, ROUND_HALF_EVEN)
                self._pay(account, symbol, FlowKind.FUNDING, -owed, at_ms, rate=rate, qty=qty)

    def _pay(
        self,
        account: str,
        symbol: str,
        kind: FlowKind,
        amount: Decimal,
        at_ms: int,
        *,
        fill_id: int = 0,
        rate: Decimal = ZERO,
        qty: Decimal = ZERO,
    ) -> None:
        if not amount:
            return
        asset = self._rules.markets[symbol].quote
        self._ledger.pay_free(FEES if kind is FlowKind.FEE else MARKET, asset, amount, account)
        flow = Flow(
            id=len(self.flows) + 1,
            account=account,
            symbol=symbol,
            kind=kind,
            asset=asset,
            amount=amount,
            at_ms=at_ms,
            fill_id=fill_id,
            rate=rate,
            qty=qty,
            mark=self.mark(symbol),
        )
        self.flows.append(flow)

    # positions and what they need

    def _move(self, account: str, symbol: str, signed: Decimal, price: Decimal, now_ms: int) -> Decimal:
        """Close first, then open: the result of what was closed."""
        stake, market = self._stake(account, symbol), self._stake(MARKET, symbol)
        cost_before, unit, realised = stake.cost, price * self._perp(symbol).contract, ZERO
        market.qty -= signed
        if signed * stake.qty < 0:
            closed = min(abs(signed), abs(stake.qty)) * _ONE.copy_sign(stake.qty)
            whole = closed == stake.qty
            released = stake.cost if whole else (stake.cost * closed / stake.qty).quantize(_MONEY, ROUND_HALF_EVEN)
            realised = unit * closed - released
            stake.realised += realised
            stake.qty -= closed
            stake.cost -= released
            signed += closed
        if signed:
            stake.realised = stake.realised if stake.qty else ZERO
            stake.qty += signed
            stake.cost += unit * signed
        stake.updated_ms = now_ms
        market.cost -= stake.cost - cost_before
        return realised

    def _for_orders(self, account: str, extra: Order | None = None, offered: Levels = ()) -> Decimal:
        """Initial margin of what open orders may open: each side uses the position up first, oldest order first."""
        left: dict[tuple[str, Side], Decimal] = {}
        total = ZERO
        for order in (*self._open_orders(account), *(() if extra is None else (extra,))):
            if order.reduce_only or self._rules.markets[order.symbol].perp is None:
                continue
            wanted, key = order.open_qty, (order.symbol, order.side)
            spare = left.setdefault(key, self.reducible(account, *key))
            left[key] = max(ZERO, spare - wanted)
            opening = max(ZERO, wanted - spare)
            price = walk(offered, wanted) / wanted if order.price is None else order.price
            total += opening * price * order.contract / self.leverage(account, order.symbol)
        return total

    def _liquidation_price(self, account: str, symbol: str) -> Decimal | None:
        """Where equity meets maintenance while every other symbol stays where it is."""
        stake, perp = self._stake(account, symbol), self._perp(symbol)
        if not stake.qty:
            return None
        margin, value = self.margin(account), self._value(symbol, stake.qty)
        rest = margin.equity - (value - stake.cost) - (margin.maintenance - abs(value) * perp.maintenance)
        size = stake.qty * perp.contract
        price = (stake.cost - rest) / (size - abs(size) * perp.maintenance)
        return price if price > 0 else None

    def _value(self, symbol: str, qty: Decimal) -> Decimal:
        """At the mark, signed as `qty` is."""
        return qty * self._perp(symbol).contract * self.mark(symbol)

    def _perp(self, symbol: str) -> Perp:
        """Raises Refused for what is no perpetual of this venue."""
        market = self._rules.markets.get(symbol)
        if market is None or market.perp is None:
            raise Refused(Reason.UNKNOWN_MARKET, symbol)
        return market.perp

    @property
    def asset(self) -> str:
        """All perpetuals of a venue are margined in one asset."""
        return next((market.quote for market in self._rules.markets.values() if market.perp is not None), "USDT")

    def _of(self, account: str) -> dict[str, _Stake]:
        return self._stakes.setdefault(account, {})

    def _stake(self, account: str, symbol: str) -> _Stake:
        return self._of(account).setdefault(symbol, _Stake())
