"""The matching engine behind every local venue: price-time priority against the tape and our own accounts.

Pure: the time comes as an argument, ids are counted, nothing is read or written outside.
At one price the tape's liquidity trades before a resting order of ours: it was there first.
"""

from bisect import insort
from decimal import ROUND_DOWN, Decimal
from itertools import count

from sandbox.venues.clearing import Clearing
from sandbox.venues.client_ids import KnownIds
from sandbox.venues.filters import check_numbers
from sandbox.venues.ledger import ZERO, Ledger
from sandbox.venues.liquidity import Levels, Liquidity
from sandbox.venues.orders import End, Kind, Order, OrderRequest, Print, Reason, Refused, Side, State, Tif
from sandbox.venues.positions import Liquidation, Mark, Position
from sandbox.venues.priority import crosses, is_ahead, limit_of, priority
from sandbox.venues.rules import Stp, VenueRules
from sandbox.venues.settlement import Settlement


class Exchange:
    """One venue's orders, books and money."""

    def __init__(self, rules: VenueRules, ledger: Ledger) -> None:
        self.rules = rules
        self.ledger = ledger
        self.orders: dict[int, Order] = {}
        self.prints: list[Print] = []  # public trades made by our accounts; the floor takes them away
        self.liquidations: list[Liquidation] = []
        fill_ids = count(1)
        self.clearing = Clearing(rules, ledger, fill_ids, self.open_orders)
        self._settlement = Settlement(rules, ledger, fill_ids)
        self._liquidity = {symbol: Liquidity() for symbol in rules.markets}
        self._resting: dict[str, dict[Side, list[Order]]] = {
            symbol: {Side.BUY: [], Side.SELL: []} for symbol in rules.markets
        }
        self.ids = KnownIds(rules.client_ids)
        self._next_id = 1
        self._next_rank = 1

    # the dialects call

    def place(self, request: OrderRequest, now_ms: int, number: int = 0) -> Order:
        """Raises Refused. The answer holds the fills made at once. `number`: of a stop that has gone off."""
        if not number and (first := self.ids.first_of(request)) is not None:
            return first
        self.check(request)
        order = self._open(request, now_ms, number)
        if request.tif is Tif.POST_ONLY and self._would_take(order):
            if self.rules.refuses_taking_post_only:
                self._forget(order, now_ms)
                raise Refused(Reason.WOULD_TAKE, "the order would take", side=order.side)
            self._close(order, End.TIF, now_ms)
        elif request.tif is Tif.FOK and not self._fills_whole(order):
            self._close(order, End.TIF, now_ms)
        else:
            self._take(order, request.take_ratio, now_ms)
        return order

    def check(self, request: OrderRequest) -> None:
        """Validate without placing. Raises Refused."""
        rules = self.rules.markets.get(request.symbol)
        if rules is None or (rules.perp is not None and not self.rules.margined):
            raise Refused(Reason.UNKNOWN_MARKET, request.symbol)
        if request.reduce_only and rules.perp is None:
            raise Refused(Reason.REDUCE_ONLY, f"{request.symbol} has no positions", side=request.side)
        best = self._liquidity[request.symbol].best(request.side.opposite.value)
        reference = request.price if request.price is not None else (best[0] if best else None)
        if reference is None:
            raise Refused(Reason.NO_LIQUIDITY, request.symbol, side=request.side)
        check_numbers(request, rules, reference)

    def cancel(self, order: Order, now_ms: int) -> Order:
        """Raises Refused where nothing is left to cancel."""
        if order.state is not State.OPEN or self.orders.get(order.id) is not order:  # a stop that has gone off
            raise Refused(Reason.ALREADY_CLOSED, f"order {order.id} is {order.state.value}")
        self._close(order, End.USER, now_ms)
        return order

    def amend(self, order: Order, qty: Decimal, price: Decimal, now_ms: int) -> Order:
        """Another size (what is filled included) or price. Only a smaller size keeps its place.

        Raises Refused, and leaves the order as it was.
        """
        if order.state is not State.OPEN:
            raise Refused(Reason.ALREADY_CLOSED, f"order {order.id} is {order.state.value}")
        rules, before = self.rules.markets[order.symbol], (order.qty, order.price)
        request = OrderRequest(
            account=order.account,
            symbol=order.symbol,
            side=order.side,
            kind=order.kind,
            price=price,
            qty=qty,
            reduce_only=order.reduce_only,
        )
        check_numbers(request, rules, price)
        if qty <= order.filled:
            self._close(order, End.USER, now_ms)
            return order
        self._resting[order.symbol][order.side].remove(order)
        order.qty, order.price = qty, price
        try:
            if order.tif is Tif.POST_ONLY and self._would_take(order):
                raise Refused(Reason.WOULD_TAKE, "the order would take", side=order.side)
            if rules.perp is None:
                self._settlement.hold_anew(order)
            else:
                self.clearing.hold(order, ())
        except Refused:
            order.qty, order.price = before
            insort(self._resting[order.symbol][order.side], order, key=priority)
            raise
        if (qty, price) != (min(qty, before[0] or qty), before[1]):
            order.rank = self._take_rank()
        order.updated_ms = now_ms
        self._take(order, Decimal(1), now_ms)
        return order

    def find(self, account: str, *, order_id: int | None = None, client_id: str = "") -> Order:
        """The account's order, the newest where a client id came twice. Raises Refused."""
        if order_id is not None:
            order = self.orders.get(order_id)
            if order is not None and order.account == account:
                return order
        elif found := self.ids.newest(account, client_id):
            return found
        raise Refused(Reason.UNKNOWN_ORDER, client_id or str(order_id))

    def open_orders(self, account: str, symbol: str | None = None) -> list[Order]:
        """Oldest first."""
        books = self._resting.values() if symbol is None else [self._resting[symbol]]
        found = [o for book in books for side in book.values() for o in side if o.account == account]
        return sorted(found, key=lambda order: order.id)

    # the tape calls

    def show_book(self, symbol: str, bids: Levels, asks: Levels, now_ms: int) -> None:
        """The tape's next book; resting orders that it crosses trade at their own price."""
        liquidity = self._liquidity[symbol]
        liquidity.show(bids, asks)
        for side, resting in self._resting[symbol].items():
            against = side.opposite.value
            for order in tuple(resting):
                while order.state is State.OPEN:
                    best = liquidity.best(against)
                    if best is None or not crosses(order, best[0]):
                        break
                    qty = min(self._fillable(order), best[1])
                    liquidity.eat(against, best[0], qty)
                    self._fill_maker(order, qty, now_ms)

    def show_print(self, trade: Print) -> None:
        """A public trade of the tape: resting orders with a strictly better price would have been hit before it."""
        side = trade.aggressor.opposite
        left = trade.qty
        for order in tuple(self._resting[trade.symbol][side]):
            if left <= 0 or not is_ahead(limit_of(order), trade.price, side):
                return
            if order.state is not State.OPEN:  # a fill before this one left it nothing to reduce
                continue
            qty = min(self._fillable(order), left)
            left -= qty
            self._fill_maker(order, qty, trade.at_ms)

    def show_mark(self, symbol: str, mark: Mark, now_ms: int) -> None:
        """What counts for margin now: funding is charged, and accounts that it broke are liquidated."""
        for account in self.clearing.show_mark(symbol, mark):
            self._liquidate(account, now_ms)

    def _liquidate(self, account: str, now_ms: int) -> None:
        for order in self.open_orders(account):
            if self.rules.markets[order.symbol].perp is not None:
                self._close(order, End.LIQUIDATION, now_ms)
        positions = self.clearing.positions(account)
        for held in positions:
            order = self._autoclose(held, abs(held.qty), f"autoclose-{now_ms}-{len(self.liquidations)}", now_ms)
            self._take(order, Decimal(1), now_ms)
            if order.open_qty > 0:  # the tape is thinner than the position: the venue takes the rest at the mark
                self.clearing.fill(order, held.mark, order.open_qty, now_ms, maker=False)
                self.clearing.close(order, State.FILLED, None, now_ms)
            self.liquidations.append(Liquidation(account, held.symbol, held.qty, order.average, order.id, now_ms))
        for held in positions:
            self.clearing.cover(account, held.symbol, now_ms)

    def deleverage(self, account: str, symbol: str, qty: Decimal, now_ms: int) -> Order:
        """The venue closes `qty` contracts of a position at the mark, for the other side's account is broken."""
        held = next(held for held in self.clearing.positions(account) if held.symbol == symbol)
        order = self._autoclose(held, qty, f"adl-{now_ms}", now_ms, reduce_only=False)  # whatever rests to reduce
        self.clearing.fill(order, held.mark, qty, now_ms, maker=False)
        self.clearing.close(order, State.FILLED, None, now_ms)
        self._end_reducers(order, now_ms)
        return order

    def _autoclose(self, held: Position, qty: Decimal, name: str, now_ms: int, *, reduce_only: bool = True) -> Order:
        """An order that its account has not sent."""
        request = OrderRequest(
            account=held.account,
            symbol=held.symbol,
            side=Side.SELL if held.qty > 0 else Side.BUY,
            kind=Kind.MARKET,
            tif=Tif.IOC,
            qty=qty,
            client_id=name,
            reduce_only=reduce_only,
        )
        return self._open(request, now_ms)

    # the public sees

    def book(self, symbol: str) -> tuple[Levels, Levels]:
        """Bids and asks, best first: the tape less what was eaten, plus resting orders."""
        return self._visible(symbol, Side.BUY), self._visible(symbol, Side.SELL)

    def _visible(self, symbol: str, side: Side) -> Levels:
        levels = self._liquidity[symbol].side(side.value)
        resting = self._resting[symbol][side]
        if not resting:
            return levels
        merged = dict(levels)
        for order in resting:
            merged[limit_of(order)] = merged.get(limit_of(order), ZERO) + self._fillable(order)
        return tuple(sorted(merged.items(), reverse=side is Side.BUY))

    # placing

    def _open(self, request: OrderRequest, now_ms: int, number: int = 0) -> Order:
        order = self.made_of(request, now_ms, number)
        self.money(order.symbol).hold(order, self._visible(order.symbol, order.side.opposite))
        self.orders[order.id] = order
        self.ids.add(order)
        return order

    def made_of(self, request: OrderRequest, now_ms: int, number: int = 0) -> Order:
        """With a number of its own; nothing is held yet, and nobody knows of it."""
        hold_asset, fee_asset = self.money(request.symbol).assets(request.symbol, request.side)
        perp, qty = self.rules.markets[request.symbol].perp, request.qty
        if request.reduce_only and qty is not None and self.rules.cuts_reduce_only:
            qty = min(qty, self.clearing.spare(request.account, request.symbol, request.side)) or qty
        self._next_id += not number
        return Order(
            id=number or self._next_id - 1,
            account=request.account,
            symbol=request.symbol,
            side=request.side,
            kind=request.kind,
            tif=request.tif,
            price=request.price,
            qty=qty,
            budget=request.budget,
            client_id=request.client_id,
            stp=request.stp or self.rules.stp,
            created_ms=now_ms,
            updated_ms=now_ms,
            fee_asset=fee_asset,
            hold_asset=hold_asset,
            reduce_only=request.reduce_only,
            stop=request.stop,
            contract=perp.contract if perp is not None else Decimal(1),
            rank=self._take_rank(),
        )

    def _forget(self, order: Order, now_ms: int) -> None:
        """Undo `_open`: the venue refused after all."""
        self.money(order.symbol).close(order, State.CANCELLED, End.TIF, now_ms)
        del self.orders[order.id]
        self.ids.forget(order)

    def _close(self, order: Order, end: End, now_ms: int) -> None:
        resting = self._resting[order.symbol][order.side]
        if order in resting:
            resting.remove(order)
        self.money(order.symbol).close(order, State.CANCELLED, end, now_ms)

    def money(self, symbol: str) -> Settlement | Clearing:
        return self._settlement if self.rules.markets[symbol].perp is None else self.clearing

    def _take_rank(self) -> int:
        self._next_rank += 1
        return self._next_rank

    def _fillable(self, order: Order) -> Decimal:
        """What it may still trade; of a reduce-only one no more than the position."""
        if not order.reduce_only:
            return order.open_qty
        return min(order.open_qty, self.clearing.reducible(order.account, order.symbol, order.side))

    # taking

    def _against(self, order: Order) -> Levels:
        """The levels that the order may take, best first."""
        levels = self._visible(order.symbol, order.side.opposite)
        if order.kind is Kind.BEST and self.rules.best_is_first_level:
            return levels[:1]
        return tuple(level for level in levels if crosses(order, level[0]))

    def _would_take(self, order: Order) -> bool:
        return bool(self._against(order))

    def _fills_whole(self, order: Order) -> bool:
        if order.budget is not None:
            return sum((price * qty for price, qty in self._against(order)), ZERO) >= order.budget
        return sum((qty for _, qty in self._against(order)), ZERO) >= self._fillable(order)

    def _take(self, order: Order, ratio: Decimal, now_ms: int) -> None:
        passed: set[int] = set()  # resting orders of the same account that were stepped over
        ceiling = [price for price, _ in self._against(order)]
        while order.state is State.OPEN and (target := self._next_target(order, passed)):
            price, size, maker = target
            if not ceiling or is_ahead(ceiling[-1], price, order.side.opposite):
                break
            qty = min(size, self._wanted(order, price, ratio))
            if qty <= 0:
                break
            if maker is not None and maker.account == order.account and order.stp is not Stp.NONE:
                self._prevent(order, maker, qty, now_ms)
                passed.add(maker.id)
                continue
            self._trade(order, maker, price, qty, now_ms)
        if order.state is State.OPEN:
            self._rest_or_close(order, now_ms, crossed=bool(passed))

    def _wanted(self, order: Order, price: Decimal, ratio: Decimal) -> Decimal:
        lot = self.rules.markets[order.symbol].lot
        if order.budget is not None:
            return ((order.budget * ratio - order.funds) / price).quantize(lot, ROUND_DOWN)
        if order.qty is None or ratio >= 1:
            return self._fillable(order)
        return min(self._fillable(order), (order.qty * ratio).quantize(lot, ROUND_DOWN) - order.filled)

    def _next_target(self, order: Order, passed: set[int]) -> tuple[Decimal, Decimal, Order | None] | None:
        """Best price against the order, its quantity, and whose it is: None means the tape's."""
        side = order.side.opposite
        tape = self._liquidity[order.symbol].best(side.value)
        resting = next((o for o in self._resting[order.symbol][side] if o.id not in passed), None)
        if resting is not None and (tape is None or is_ahead(limit_of(resting), tape[0], side)):
            found: tuple[Decimal, Decimal, Order | None] = (limit_of(resting), self._fillable(resting), resting)
        elif tape is not None:
            found = (tape[0], tape[1], None)
        else:
            return None
        return found if crosses(order, found[0]) else None

    def _prevent(self, order: Order, maker: Order, qty: Decimal, now_ms: int) -> None:
        if order.stp in (Stp.CANCEL_MAKER, Stp.CANCEL_BOTH):
            self._close(maker, End.SELF_TRADE, now_ms)
        if order.stp in (Stp.CANCEL_TAKER, Stp.CANCEL_BOTH):
            self._close(order, End.SELF_TRADE, now_ms)
        if order.stp in (Stp.REDUCE, Stp.REDUCE_TAKER):
            self._shrink(order, qty, now_ms)
        if order.stp is Stp.REDUCE:
            self._shrink(maker, qty, now_ms)

    def _shrink(self, order: Order, qty: Decimal, now_ms: int) -> None:
        order.prevented += qty
        if order.open_qty <= 0:
            self._close(order, End.SELF_TRADE, now_ms)

    def _trade(self, taker: Order, maker: Order | None, price: Decimal, qty: Decimal, now_ms: int) -> None:
        self.prints.append(Print(taker.symbol, price, qty, taker.side, now_ms))
        if maker is None:
            self._liquidity[taker.symbol].eat(taker.side.opposite.value, price, qty)
        else:
            self._fill_maker(maker, qty, now_ms)
        self.money(taker.symbol).fill(taker, price, qty, now_ms, maker=False)
        if taker.qty is not None and taker.open_qty <= 0:
            self.money(taker.symbol).close(taker, State.FILLED, None, now_ms)
        self._end_reducers(taker, now_ms)

    def _fill_maker(self, order: Order, qty: Decimal, now_ms: int) -> None:
        money = self.money(order.symbol)
        money.fill(order, limit_of(order), qty, now_ms, maker=True)
        if order.open_qty <= 0:
            self._resting[order.symbol][order.side].remove(order)
            money.close(order, State.FILLED, None, now_ms)
        else:
            money.trim(order)
        self._end_reducers(order, now_ms)

    def _end_reducers(self, filled: Order, now_ms: int) -> None:
        """Reduce-only orders of the account that this fill left nothing to reduce, itself among them."""
        if self.rules.markets[filled.symbol].perp is None:
            return
        resting = (o for side in self._resting[filled.symbol].values() for o in side if o.account == filled.account)
        for order in (*resting, filled):
            if order.reduce_only and order.state is State.OPEN and not self._fillable(order):
                self._close(order, End.REDUCE_ONLY, now_ms)

    def _rest_or_close(self, order: Order, now_ms: int, *, crossed: bool) -> None:
        if order.budget is not None and order.filled > 0:
            self.money(order.symbol).close(order, State.FILLED, None, now_ms)
        elif crossed:  # resting here would cross our own order that was stepped over
            self._close(order, End.SELF_TRADE, now_ms)
        elif order.kind is Kind.LIMIT and order.tif in (Tif.GTC, Tif.POST_ONLY):
            self.money(order.symbol).trim(order)
            insort(self._resting[order.symbol][order.side], order, key=priority)
        else:
            self._close(order, End.TIF, now_ms)
