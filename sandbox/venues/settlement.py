"""Money of an order: what it holds while it lives, what a fill moves, what comes back at its end."""

from collections.abc import Iterator
from decimal import ROUND_DOWN, ROUND_UP, Decimal

from sandbox.venues.ledger import FEES, MARKET, ZERO, Ledger, ShortOfFunds
from sandbox.venues.liquidity import Levels
from sandbox.venues.orders import End, Fill, Order, Reason, Refused, Side, State
from sandbox.venues.rules import FeeFrom, VenueRules

_MONEY = Decimal("0.00000001")


class Settlement:
    """Every fill is settled against the market account, which nets to zero between two of our accounts."""

    def __init__(self, rules: VenueRules, ledger: Ledger, fill_ids: Iterator[int]) -> None:
        self._rules = rules
        self._ledger = ledger
        self._fill_ids = fill_ids

    def assets(self, symbol: str, side: Side) -> tuple[str, str]:
        """The asset that an order holds, and the one that pays its fee."""
        market = self._rules.markets[symbol]
        from_base = self._rules.fee_from is FeeFrom.RECEIVED and side is Side.BUY
        return (market.quote if side is Side.BUY else market.base), (market.base if from_base else market.quote)

    def hold(self, order: Order, offered: Levels) -> None:
        """Reserve what the order may cost; `offered` prices a market buy by quantity. Raises Refused."""
        order.held = self._cost(order, offered)
        try:
            self._ledger.hold(order.account, order.hold_asset, order.held)
        except ShortOfFunds as error:
            raise Refused(Reason.INSUFFICIENT_FUNDS, str(error), side=order.side) from error

    def fill(self, order: Order, price: Decimal, qty: Decimal, now_ms: int, *, maker: bool) -> None:
        market = self._rules.markets[order.symbol]
        funds = price * qty
        rate = self._rules.maker_fee if maker else self._rules.taker_fee
        in_base = order.fee_asset == market.base
        fee = ((qty if in_base else funds) * rate).quantize(self._rules.fee_quantum, ROUND_DOWN)
        buys = order.side is Side.BUY
        paid, received = (funds, qty) if buys else (qty, funds)
        self._ledger.pay_held(order.account, order.hold_asset, paid, MARKET)
        self._ledger.pay_free(MARKET, market.base if buys else market.quote, received, order.account)
        order.held -= paid
        if order.fee_asset == order.hold_asset:
            self._ledger.pay_held(order.account, order.fee_asset, fee, FEES)
            order.held -= fee
        else:
            self._ledger.pay_free(order.account, order.fee_asset, fee, FEES)
        fill = Fill(
            id=next(self._fill_ids),
            order_id=order.id,
            price=price,
            qty=qty,
            fee=fee,
            fee_asset=order.fee_asset,
            maker=maker,
            at_ms=now_ms,
        )
        order.add(fill, funds)

    def hold_anew(self, order: Order) -> None:
        """After another size or price: more, or less. Raises Refused, and holds what it held."""
        more = self._cost(order, ()) - order.held
        if more <= 0:
            self._ledger.release(order.account, order.hold_asset, -more)
        else:
            try:
                self._ledger.hold(order.account, order.hold_asset, more)
            except ShortOfFunds as error:
                raise Refused(Reason.INSUFFICIENT_FUNDS, str(error), side=order.side) from error
        order.held += more

    def trim(self, order: Order) -> None:
        """Give back what a resting limit order no longer needs after a fill at a better price."""
        surplus = order.held - self._cost(order, ())
        if surplus > 0:
            self._ledger.release(order.account, order.hold_asset, surplus)
            order.held -= surplus

    def close(self, order: Order, state: State, end: End | None, now_ms: int) -> None:
        self._ledger.release(order.account, order.hold_asset, order.held)
        order.held = ZERO
        order.state = state
        order.end = end
        order.updated_ms = now_ms

    def _cost(self, order: Order, offered: Levels) -> Decimal:
        if order.side is Side.SELL:
            return order.open_qty
        if order.budget is not None:
            money = order.budget - order.funds
        elif order.price is not None:
            money = order.open_qty * order.price
        else:
            money = walk(offered, order.open_qty)
        rate = max(self._rules.maker_fee, self._rules.taker_fee) if order.fee_asset == order.hold_asset else ZERO
        return (money * (1 + rate)).quantize(_MONEY, ROUND_UP)


def walk(levels: Levels, qty: Decimal) -> Decimal:
    """Quote value of taking `qty` from the levels; what the book cannot give costs nothing."""
    cost = ZERO
    for price, size in levels:
        take = min(size, qty)
        cost += price * take
        qty -= take
        if qty <= 0:
            break
    return cost
