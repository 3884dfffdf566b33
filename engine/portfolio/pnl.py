"""What a trade brought, in KRW at its plan's rates, and why (domain.md §12): net = spread - slippage - fees + unwind.

- spread: the planned capture on what both sides filled, by entry and chase orders;
- slippage: entry and chase fills against the planned VWAPs, positive = lost;
- fees: of every order, each in its own asset, converted;
- unwind: what became of the part that found no partner: sold or bought back, or still held (marked, see `_mark`).
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from msgspec import Struct

from engine.domain.money import BPS, ZERO
from engine.domain.order import LegRole, OrderReport, OrderRequest, PlannedLeg, Side, TradePlan
from engine.domain.view import PnlView

_AS_PLANNED = frozenset({LegRole.ENTRY, LegRole.CHASE})


class Done(Struct, frozen=True):
    """One order of a trade with the newest word on it; None while there is none."""

    request: OrderRequest
    report: OrderReport | None


def realised(plan: TradePlan, orders: Iterable[Done], rates: Mapping[str, Decimal] | None = None) -> PnlView:
    """The result so far. `rates`: KRW per unit of assets that fees may be taken in besides a leg's own two."""
    mark = _mark(plan)
    entered = {Side.BUY: ZERO, Side.SELL: ZERO}
    slippage = fees = repaired = residue = ZERO
    for done in orders:
        report = done.report
        if report is None:
            continue
        leg = plan.leg(done.request.leg)
        sign = 1 if report.side is Side.BUY else -1
        value = report.filled_quote * leg.quote_krw
        residue += sign * report.filled_qty
        fees += fees_krw(leg, report, mark, rates or {})
        if done.request.role in _AS_PLANNED:
            entered[report.side] += report.filled_qty
            slippage += sign * (value - report.filled_qty * planned_krw(leg))
        else:
            repaired -= sign * value
    bought, sold = entered[Side.BUY], entered[Side.SELL]
    buy_krw, sell_krw = _side_krw(plan, Side.BUY, mark), _side_krw(plan, Side.SELL, mark)
    matched = min(bought, sold)
    spread = matched * (sell_krw - buy_krw)
    unwind = repaired + residue * mark + (sold - matched) * sell_krw - (bought - matched) * buy_krw
    return PnlView(
        expected_krw=plan.expected_profit_krw,
        net_krw=spread - slippage - fees + unwind,
        spread_krw=spread,
        slippage_krw=slippage,
        fees_krw=fees,
        unwind_krw=unwind,
    )


def net_krw(plan: TradePlan, orders: Iterable[Done], rates: Mapping[str, Decimal] | None = None) -> Decimal:
    """The same net by plain valuation: cash in minus cash out, the coin left over at the mark, fees deducted."""
    mark = _mark(plan)
    total = ZERO
    for done in orders:
        if done.report is not None:
            leg = plan.leg(done.request.leg)
            sign = 1 if done.report.side is Side.BUY else -1
            total += sign * (done.report.filled_qty * mark - done.report.filled_quote * leg.quote_krw)
            total -= fees_krw(leg, done.report, mark, rates or {})
    return total


def planned_krw(leg: PlannedLeg) -> Decimal:
    """Planned VWAP in KRW per 1 base."""
    return leg.planned_vwap * leg.quote_krw


def _mark(plan: TradePlan) -> Decimal:
    """KRW per 1 base for what is left over and for fees in base: what buying it was planned to cost.

    A single leg is marked at its own plan: it wants to hold what it bought, so only slippage and fees are its result.
    """
    legs = [leg for leg in plan.legs if leg.side is Side.BUY] or list(plan.legs)
    return planned_krw(legs[0])


def _side_krw(plan: TradePlan, side: Side, default: Decimal) -> Decimal:
    return next((planned_krw(leg) for leg in plan.legs if leg.side is side), default)


def fees_krw(leg: PlannedLeg, report: OrderReport, base_krw: Decimal, rates: Mapping[str, Decimal]) -> Decimal:
    """Fees of one order in KRW. In an asset without a rate they count as the leg's planned fee on what was filled."""
    total = ZERO
    for fee in report.fees:
        if fee.asset == leg.quote:
            total += fee.amount * leg.quote_krw
        elif fee.asset == leg.base:
            total += fee.amount * base_krw
        elif fee.asset in rates:
            total += fee.amount * rates[fee.asset]
        else:
            total += report.filled_quote * leg.quote_krw * leg.fee_bps * BPS
    return total


def slippage_bps(side: Side, planned_vwap: Decimal, fill_vwap: Decimal) -> float:
    """Fill against plan in bps, positive = worse for us; 0 where nothing filled or nothing was planned."""
    if not planned_vwap or not fill_vwap:
        return 0.0
    apart = float(fill_vwap / planned_vwap - 1) * 10_000
    return apart if side is Side.BUY else -apart
