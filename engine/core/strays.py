"""Orders that this desk never planned, resting or filled: a person is told of each once; none is touched or booked.

An id of our own form is an alarm: another copy of this desk trades on the account, or a journal was lost. Any other is
somebody's on the same account, by hand or by a program, often on purpose: a quiet word, and not for each of a hundred.
The sums come with the next balances: as a ledger mismatch, which a person accepts.
"""

from collections.abc import Sequence
from decimal import Context

from engine.core.state import State
from engine.domain.effect import Severity
from engine.domain.money import NS_PER_S, ZERO
from engine.domain.order import OrderKind, OrderReport
from engine.execution.cid import is_like_ours

_REMEMBERED = 1_000  # orders per venue, those heard of last: what forgets none would grow with somebody else's trading
_REST_NS = 600 * NS_PER_S  # from one word on others' fills at a venue to the next
_STOP_NS = 60 * NS_PER_S  # so long after a stop of ours ended its venue may still speak of what the stop has made
_DIGITS = Context(prec=10)  # of an average price, as people read it


def hear(state: State, report: OrderReport) -> None:
    """One report of an order that is not in our books."""
    held = state.venues.get(report.venue)
    if held is None or report.filled_qty <= 0:
        return
    is_alarm = is_like_ours(report.cid)
    name = report.venue_order_id or report.cid
    is_told = name in held.strays
    if not (is_told or is_alarm) and (state.now_ns < held.quiet_until_ns or _is_of_a_stop(state, report)):
        return
    held.strays.pop(name, None)
    held.strays[name] = None
    if is_told:
        return
    if len(held.strays) > _REMEMBERED:
        del held.strays[next(iter(held.strays))]
    if not is_alarm:
        held.quiet_until_ns = state.now_ns + _REST_NS
    _tell(state, report, is_alarm)


def show(state: State, venue: str, cids: Sequence[str]) -> None:
    """Open orders that were not seen there before, by the ids of whoever sent them."""
    ours = sorted(cid for cid in cids if is_like_ours(cid))
    if ours:
        state.alert(
            "stray_orders",
            Severity.WARN,
            f"{venue}: {len(ours)} open orders have ids of our own form, and this desk never sent them: {ours[0]}; "
            "they are left alone",
            venue=venue,
            numbers={"count": str(len(ours)), "cid": ours[0]},
        )
    count = len(cids) - len(ours)
    if count:
        state.alert(
            "foreign_orders",
            Severity.INFO,
            f"{venue}: {count} open orders that are not ours; they are left alone",
            venue=venue,
            numbers={"count": str(count)},
        )


def _tell(state: State, report: OrderReport, is_alarm: bool) -> None:
    rules = state.market.instruments.get((report.venue, report.symbol))  # None: of a market that is not traded here
    price = _DIGITS.divide(report.filled_quote, report.filled_qty) if report.filled_quote > 0 else ZERO
    at = f" at {price:f}" if price else ""
    state.alert(
        "stray_fill" if is_alarm else "foreign_fill",
        Severity.WARN if is_alarm else Severity.INFO,
        f"{report.venue}: {report.side} {report.filled_qty:f} {report.symbol}{at} filled by order "
        f"{report.cid or report.venue_order_id}, not sent by this desk; nothing is booked",
        venue=report.venue,
        symbol=report.symbol,
        numbers={
            "cid": report.cid or report.venue_order_id,
            "symbol": report.symbol,
            "side": str(report.side),
            "qty": f"{report.filled_qty:f}",
            "base": rules.base if rules is not None else report.symbol,
            "price": f"{price:f}" if price else "",  # not every stream tells it
            "worth": f"{report.filled_quote:f}" if price else "",
            "quote": rules.quote if rules is not None else "",
        },
    )


def _is_of_a_stop(state: State, report: OrderReport) -> bool:
    """A stop of ours that goes off makes an order under an id of its venue: a look-up takes it for the stop's own."""
    stops = (order for _, order in state.orders.values() if order.request.kind is OrderKind.STOP_LOSS)
    return any(
        (order.request.venue, order.request.symbol, order.request.side) == (report.venue, report.symbol, report.side)
        and (not order.is_terminal or state.now_ns - order.done_ns < _STOP_NS)
        for order in stops
    )
