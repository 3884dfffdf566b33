"""A venue in memory: accounts, orders by client id, and a script for how each placement goes."""

from decimal import Decimal

from msgspec import Struct, field, structs

from engine.domain.market import Balance, FeeSide, Instrument
from engine.domain.money import BPS, ZERO, floor_to
from engine.domain.order import Fee, OrderReport, OrderRequest, OrderStatus, Side, TimeInForce


class Outcome(Struct, frozen=True, kw_only=True):
    """How one placement goes.

    answer: report (the end in the reply) | ack (OPEN, the end by look-up) | lost (no answer) | refused | unavailable
    """

    answer: str = "report"
    fill: Decimal = Decimal(1)  # of the ordered size, where the price allows it
    reaches: bool = True  # a lost one: whether the venue received it
    late_ms: int = 0  # a lost one: received so much later
    misses: int = 0  # look-ups that find nothing although it is there
    open_ms: int = 0  # an acknowledged one: how long it stays open before its end


class Placed(Struct, kw_only=True):
    """The venue's own record of one order."""

    request: OrderRequest
    id: str
    status: OrderStatus
    filled_qty: Decimal = ZERO
    filled_quote: Decimal = ZERO
    fees: dict[str, Decimal] = field(default_factory=dict)
    misses: int = 0
    ends_ns: int = 0
    held: Decimal = ZERO
    fill: Decimal = ZERO


class Refused(Exception):
    """The venue says no."""


class VenueModel:
    """One account at one venue. The time is an argument; nothing is sent from here."""

    def __init__(self, name: str, instruments: list[Instrument], balances: dict[str, Decimal]) -> None:
        self.name = name
        self.instruments = {rules.symbol: rules for rules in instruments}
        self.totals = dict(balances)
        self.held: dict[str, Decimal] = {}
        self.orders: dict[str, Placed] = {}
        self.tops: dict[str, tuple[Decimal, Decimal]] = {}
        self.foreign: list[OrderReport] = []
        self.cancels: list[str] = []
        self.cancels_to_lose = 0  # so many requests to cancel get lost on their way
        self.failing: tuple[str, ...] = ()  # private reads that are answered with a page of HTML
        self.placements = 0

    def place(self, request: OrderRequest, outcome: Outcome, now_ns: int) -> OrderReport:
        """Raises Refused. One client id is one order: a second placement under it would be a doubled order."""
        self.placements += 1
        assert request.cid not in self.orders, f"client id {request.cid} was sent twice"
        rules = self.instruments[request.symbol]
        assert request.qty == floor_to(request.qty, rules.qty_step), f"{request.qty} is no whole lot"
        if request.qty < rules.min_qty or request.qty * request.price < rules.min_notional:
            raise Refused("below the minimum")
        asset, needed = self._takes(request, rules)
        if self.free(asset) < needed:
            raise Refused(f"insufficient {asset}")
        order = Placed(request=request, id=f"{self.name}-{self.placements}", status=OrderStatus.OPEN)
        order.misses, order.fill = outcome.misses, outcome.fill
        self.orders[request.cid] = order
        if request.tif is TimeInForce.POST_ONLY:
            order.held = needed
            self.held[asset] = self.held.get(asset, ZERO) + needed
        elif request.tif is TimeInForce.GTC:
            self.fill(request.cid, outcome.fill)
            if order.filled_qty == request.qty:
                self._end(order)
            else:
                order.held = needed * (1 - order.filled_qty / request.qty)
                self.held[asset] = self.held.get(asset, ZERO) + order.held
        elif outcome.answer == "ack" and outcome.open_ms:
            order.ends_ns = now_ns + outcome.open_ms * 1_000_000
        else:
            self.fill(request.cid, outcome.fill)
            self._end(order)
        return self.report(order)

    def fill(self, cid: str, ratio: Decimal) -> None:
        """Fill `ratio` of the order at the top of the book it hits, or at its own price when it rests.

        More than 1: a venue that errs.
        """
        order = self.orders[cid]
        request, rules = order.request, self.instruments[order.request.symbol]
        bid, ask = self.tops[request.symbol]
        price = ask if request.side is Side.BUY else bid
        if request.tif is TimeInForce.POST_ONLY:
            price = request.price
        if (price > request.price) if request.side is Side.BUY else (price < request.price):
            return
        qty = min(
            floor_to(request.qty * ratio, rules.qty_step), request.qty * max(ratio, Decimal(1)) - order.filled_qty
        )
        if qty <= 0:
            return
        quote = qty * price
        buys = request.side is Side.BUY
        in_base = buys and rules.fee_side is FeeSide.RECEIVED
        asset, fee = (
            (rules.base, qty * rules.taker_fee_bps * BPS)
            if in_base
            else (rules.quote, quote * rules.taker_fee_bps * BPS)
        )
        self._add(rules.base, qty if buys else -qty)
        self._add(rules.quote, -quote if buys else quote)
        self._add(asset, -fee)
        order.filled_qty += qty
        order.filled_quote += quote
        order.fees[asset] = order.fees.get(asset, ZERO) + fee

    def cancel(self, cid: str) -> None:
        """Raises Refused where there is nothing to cancel."""
        if self.cancels_to_lose:
            self.cancels_to_lose -= 1
            return
        self.cancels.append(cid)
        order = self.orders.get(cid)
        if order is None or order.status is not OrderStatus.OPEN:
            raise Refused("no open order")
        self._end(order)

    def amend(self, cid: str, qty: Decimal, price: Decimal) -> None:
        """Raises Refused."""
        order = self.orders.get(cid)
        if order is None or order.status is not OrderStatus.OPEN:
            raise Refused("no open order")
        rules = self.instruments[order.request.symbol]
        moved = structs.replace(order.request, price=price)
        assert qty == moved.qty, "its size stays"
        asset, needed = self._takes(moved, rules)
        needed *= 1 - order.filled_qty / moved.qty
        if needed - order.held > self.free(asset):
            raise Refused(f"insufficient {asset}")
        self.held[asset] = self.held.get(asset, ZERO) + needed - order.held
        order.request, order.held = moved, needed

    def take(self, cid: str, ratio: Decimal) -> None:
        """Somebody trades with an order that rests here: one that is filled whole has ended."""
        order = self.orders.get(cid)
        if order is not None and order.status is OrderStatus.OPEN:
            self.fill(cid, ratio)
            if order.filled_qty == order.request.qty:
                self._end(order)

    def cancel_all(self) -> None:
        """Whoever's they are."""
        self.foreign.clear()
        for order in self.orders.values():
            if order.status is OrderStatus.OPEN:
                self._end(order)

    def look_up(self, cid: str, now_ns: int) -> OrderReport | None:
        order = self.orders.get(cid)
        if order is None:
            return None
        if order.misses:
            order.misses -= 1
            return None
        self.pass_time(now_ns)
        return self.report(order)

    def pass_time(self, now_ns: int) -> None:
        """End the acknowledged orders whose time has come."""
        for order in self.orders.values():
            if order.ends_ns and order.ends_ns <= now_ns and order.status is OrderStatus.OPEN:
                self.fill(order.request.cid, order.fill)
                self._end(order)

    def open_orders(self, now_ns: int) -> tuple[OrderReport, ...]:
        self.pass_time(now_ns)
        ours = [self.report(order) for order in self.orders.values() if order.status is OrderStatus.OPEN]
        return (*ours, *self.foreign)

    def balances(self) -> tuple[Balance, ...]:
        return tuple(Balance(asset, self.free(asset), total) for asset, total in sorted(self.totals.items()) if total)

    def free(self, asset: str) -> Decimal:
        return self.totals.get(asset, ZERO) - self.held.get(asset, ZERO)

    def report(self, order: Placed) -> OrderReport:
        return OrderReport(
            cid=order.request.cid,
            venue=self.name,
            symbol=order.request.symbol,
            side=order.request.side,
            status=order.status,
            venue_order_id=order.id,
            filled_qty=order.filled_qty,
            filled_quote=order.filled_quote,
            fees=tuple(Fee(asset, amount) for asset, amount in sorted(order.fees.items())),
        )

    def _end(self, order: Placed) -> None:
        rules = self.instruments[order.request.symbol]
        order.status = OrderStatus.FILLED if order.filled_qty == order.request.qty else OrderStatus.CANCELLED
        asset, _ = self._takes(order.request, rules)
        self.held[asset] = self.held.get(asset, ZERO) - order.held
        order.held = ZERO

    def _takes(self, request: OrderRequest, rules: Instrument) -> tuple[str, Decimal]:
        if request.side is Side.SELL:
            return rules.base, request.qty
        fee = rules.taker_fee_bps * BPS if rules.fee_side is FeeSide.QUOTE else ZERO
        return rules.quote, request.qty * request.price * (1 + fee)

    def _add(self, asset: str, amount: Decimal) -> None:
        self.totals[asset] = self.totals.get(asset, ZERO) + amount
