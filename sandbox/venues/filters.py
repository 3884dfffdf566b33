"""Whether a venue takes an order's numbers: tick, lot, minimum and maximum."""

from decimal import Decimal

from sandbox.venues.ledger import ZERO
from sandbox.venues.orders import OrderRequest, Reason, Refused
from sandbox.venues.rules import MarketRules


def check_numbers(request: OrderRequest, rules: MarketRules, reference: Decimal) -> None:
    """`reference` prices what names no price. Raises Refused."""
    side = request.side
    if request.price is not None and (request.price <= 0 or request.price % rules.tick_at(request.price)):
        raise Refused(Reason.BAD_TICK, f"{request.price} is no multiple of {rules.tick_at(request.price)}", side=side)
    if request.qty is not None and request.qty % rules.lot:
        raise Refused(Reason.BAD_LOT, f"{request.qty} is no multiple of {rules.lot}", side=side)
    if request.qty is not None and request.qty < rules.min_qty:
        raise Refused(Reason.BELOW_MIN_QTY, f"{request.qty} is below {rules.min_qty}", side=side)
    contract = Decimal(1) if rules.perp is None else rules.perp.contract
    notional = request.budget if request.budget is not None else (request.qty or ZERO) * reference * contract
    if notional < rules.min_notional and not request.reduce_only:  # a small position can always be closed
        raise Refused(Reason.BELOW_MIN_NOTIONAL, f"{notional} is below {rules.min_notional}", side=side)
    if notional > rules.max_notional:
        raise Refused(Reason.ABOVE_MAX_NOTIONAL, f"{notional} is above {rules.max_notional}", side=side)
