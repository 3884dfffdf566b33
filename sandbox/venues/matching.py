"""The matching engine behind every local venue: price-time priority against the tape and our own accounts.

Pure: the time comes as an argument, ids are counted, nothing is read or written outside.
At one price the tape's liquidity trades before a resting order of ours: it was there first.
"""

from bisect import insort
from collections import defaultdict
from decimal import ROUND_DOWN, Decimal

from sandbox.venues.ledger import ZERO, Ledger
from sandbox.venues.liquidity import Levels, Liquidity
from sandbox.venues.orders import End, Kind, Order, OrderRequest, Print, Reason, Refused, Side, State, Tif
from sandbox.venues.rules import ClientIds, MarketRules, Stp, VenueRules
from sandbox.venues.settlement import Settlement


class Exchange:
    """One venue's orders, books and money."""

    def __init__(self, rules: VenueRules, ledger: Ledger) -> None:
        self.rules = rules
        self.ledger = ledger
        self.orders: dict[int, Order] = {}
        self.prints: list[Print] = []  # public trades made by our accounts; the floor takes them away
        self._settlement = Settlement(rules, ledger)
        self._liquidity = {symbol: Liquidity() for symbol in rules.markets}
        self._resting: dict[str, dict[Side, list[Order]]] = {
            symbol: {Side.BUY: [], Side.SELL: []} for symbol in rules.markets
        }
        self._by_client_id: dict[tuple[str, str], list[Order]] = defaultdict(list)
        self._burnt: set[tuple[str, str]] = set()
        self._next_id = 1

    # the dialects call

    def place(self, request: OrderRequest, now_ms: int) -> Order:
        """Raises Refused. The answer holds the fills made at once."""
        first = self._first_of(request)
        if first is not None:
            return first
        self.check(request)
        order = self._open(request, now_ms)
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
        if rules is None or rules.perp is not None:  # a perpetual is watched here, not traded
            raise Refused(Reason.UNKNOWN_MARKET, request.symbol)
        best = self._liquidity[request.symbol].best(request.side.opposite.value)
        reference = request.price if request.price is not None else (best[0] if best else None)
        if reference is None:
            raise Refused(Reason.NO_LIQUIDITY, request.symbol, side=request.side)
        _check_numbers(request, rules, reference)

    def cancel(self, order: Order, now_ms: int) -> Order:
        """Raises Refused where nothing is left to cancel."""
        if order.state is not State.OPEN:
            raise Refused(Reason.ALREADY_CLOSED, f"order {order.id} is {order.state.value}")
        self._close(order, End.USER, now_ms)
        return order

    def find(self, account: str, *, order_id: int | None = None, client_id: str = "") -> Order:
        """The account's order, the newest where a client id came twice. Raises Refused."""
        if order_id is not None:
            order = self.orders.get(order_id)
            if order is not None and order.account == account:
                return order
        elif found := self._by_client_id.get((account, client_id)):
            return found[-1]
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
                    if best is None or not _crosses(order, best[0]):
                        break
                    qty = min(order.open_qty, best[1])
                    liquidity.eat(against, best[0], qty)
                    self._fill_maker(order, qty, now_ms)

    def show_print(self, trade: Print) -> None:
        """A public trade of the tape: resting orders with a strictly better price would have been hit before it."""
        side = trade.aggressor.opposite
        left = trade.qty
        for order in tuple(self._resting[trade.symbol][side]):
            if left <= 0 or not _ahead(_limit(order), trade.price, side):
                return
            qty = min(order.open_qty, left)
            left -= qty
            self._fill_maker(order, qty, trade.at_ms)

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
            merged[_limit(order)] = merged.get(_limit(order), ZERO) + order.open_qty
        return tuple(sorted(merged.items(), reverse=side is Side.BUY))

    # placing

    def _first_of(self, request: OrderRequest) -> Order | None:
        """The venue's rule for a client id seen before. Raises Refused."""
        key = (request.account, request.client_id)
        if not request.client_id:
            return None
        known = self._by_client_id.get(key, [])
        match self.rules.client_ids:
            case ClientIds.RETURNS_FIRST:
                return known[0] if known else None
            case ClientIds.UNIQUE_AMONG_OPEN:
                taken = any(order.state is State.OPEN for order in known)
            case ClientIds.REFUSED:
                taken = bool(known)
            case ClientIds.BURNT_FOR_EVER:
                taken = key in self._burnt
        if taken:
            raise Refused(Reason.DUPLICATE_CLIENT_ID, request.client_id, side=request.side)
        self._burnt.add(key)
        return None

    def _open(self, request: OrderRequest, now_ms: int) -> Order:
        hold_asset, fee_asset = self._settlement.assets(request.symbol, request.side)
        order = Order(
            id=self._next_id,
            account=request.account,
            symbol=request.symbol,
            side=request.side,
            kind=request.kind,
            tif=request.tif,
            price=request.price,
            qty=request.qty,
            budget=request.budget,
            client_id=request.client_id,
            stp=request.stp or self.rules.stp,
            created_ms=now_ms,
            updated_ms=now_ms,
            fee_asset=fee_asset,
            hold_asset=hold_asset,
        )
        self._settlement.hold(order, self._visible(order.symbol, order.side.opposite))
        self._next_id += 1
        self.orders[order.id] = order
        if order.client_id:
            self._by_client_id[order.account, order.client_id].append(order)
        return order

    def _forget(self, order: Order, now_ms: int) -> None:
        """Undo `_open`: the venue refused after all."""
        self._settlement.close(order, State.CANCELLED, End.TIF, now_ms)
        del self.orders[order.id]
        if order.client_id:
            self._by_client_id[order.account, order.client_id].remove(order)

    def _close(self, order: Order, end: End, now_ms: int) -> None:
        resting = self._resting[order.symbol][order.side]
        if order in resting:
            resting.remove(order)
        self._settlement.close(order, State.CANCELLED, end, now_ms)

    # taking

    def _against(self, order: Order) -> Levels:
        """The levels that the order may take, best first."""
        levels = self._visible(order.symbol, order.side.opposite)
        if order.kind is Kind.BEST and self.rules.best_is_first_level:
            return levels[:1]
        return tuple(level for level in levels if _crosses(order, level[0]))

    def _would_take(self, order: Order) -> bool:
        return bool(self._against(order))

    def _fills_whole(self, order: Order) -> bool:
        if order.budget is not None:
            return sum((price * qty for price, qty in self._against(order)), ZERO) >= order.budget
        return sum((qty for _, qty in self._against(order)), ZERO) >= order.open_qty

    def _take(self, order: Order, ratio: Decimal, now_ms: int) -> None:
        passed: set[int] = set()  # resting orders of the same account that were stepped over
        ceiling = [price for price, _ in self._against(order)]
        while order.state is State.OPEN and (target := self._next_target(order, passed)):
            price, size, maker = target
            if not ceiling or _ahead(ceiling[-1], price, order.side.opposite):
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
            return order.open_qty
        return (order.qty * ratio).quantize(lot, ROUND_DOWN) - order.filled

    def _next_target(self, order: Order, passed: set[int]) -> tuple[Decimal, Decimal, Order | None] | None:
        """Best price against the order, its quantity, and whose it is: None means the tape's."""
        side = order.side.opposite
        tape = self._liquidity[order.symbol].best(side.value)
        resting = next((o for o in self._resting[order.symbol][side] if o.id not in passed), None)
        if resting is not None and (tape is None or _ahead(_limit(resting), tape[0], side)):
            found: tuple[Decimal, Decimal, Order | None] = (_limit(resting), resting.open_qty, resting)
        elif tape is not None:
            found = (tape[0], tape[1], None)
        else:
            return None
        return found if _crosses(order, found[0]) else None

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
        self._settlement.fill(taker, price, qty, now_ms, maker=False)
        if taker.qty is not None and taker.open_qty <= 0:
            self._settlement.close(taker, State.FILLED, None, now_ms)

    def _fill_maker(self, order: Order, qty: Decimal, now_ms: int) -> None:
        self._settlement.fill(order, _limit(order), qty, now_ms, maker=True)
        if order.open_qty <= 0:
            self._resting[order.symbol][order.side].remove(order)
            self._settlement.close(order, State.FILLED, None, now_ms)
        else:
            self._settlement.trim(order)

    def _rest_or_close(self, order: Order, now_ms: int, *, crossed: bool) -> None:
        if order.budget is not None and order.filled > 0:
            self._settlement.close(order, State.FILLED, None, now_ms)
        elif crossed:  # resting here would cross our own order that was stepped over
            self._close(order, End.SELF_TRADE, now_ms)
        elif order.kind is Kind.LIMIT and order.tif in (Tif.GTC, Tif.POST_ONLY):
            self._settlement.trim(order)
            insort(self._resting[order.symbol][order.side], order, key=_priority)
        else:
            self._close(order, End.TIF, now_ms)


def _limit(order: Order) -> Decimal:
    """A resting order always has a price."""
    assert order.price is not None
    return order.price


def _priority(order: Order) -> tuple[Decimal, int]:
    return (-_limit(order) if order.side is Side.BUY else _limit(order)), order.id


def _ahead(price: Decimal, other: Decimal, side: Side) -> bool:
    """True where `price` is strictly better than `other` for a maker on this side."""
    return price > other if side is Side.BUY else price < other


def _crosses(order: Order, price: Decimal) -> bool:
    if order.price is None or order.kind is not Kind.LIMIT:
        return True
    return price <= order.price if order.side is Side.BUY else price >= order.price


def _check_numbers(request: OrderRequest, rules: MarketRules, reference: Decimal) -> None:
    """Tick, lot, minimum and maximum. Raises Refused."""
    side = request.side
    if request.price is not None and (request.price <= 0 or request.price % rules.tick_at(request.price)):
        raise Refused(Reason.BAD_TICK, f"{request.price} is no multiple of {rules.tick_at(request.price)}", side=side)
    if request.qty is not None and request.qty % rules.lot:
        raise Refused(Reason.BAD_LOT, f"{request.qty} is no multiple of {rules.lot}", side=side)
    if request.qty is not None and request.qty < rules.min_qty:
        raise Refused(Reason.BELOW_MIN_QTY, f"{request.qty} is below {rules.min_qty}", side=side)
    notional = request.budget if request.budget is not None else (request.qty or ZERO) * reference
    if notional < rules.min_notional:
        raise Refused(Reason.BELOW_MIN_NOTIONAL, f"{notional} is below {rules.min_notional}", side=side)
    if notional > rules.max_notional:
        raise Refused(Reason.ABOVE_MAX_NOTIONAL, f"{notional} is above {rules.max_notional}", side=side)
