"""Reports, legs and plans for tests, from plain text numbers."""

from decimal import Decimal

from engine.domain.order import (
    Fee,
    LegRole,
    OrderReport,
    OrderRequest,
    OrderStatus,
    PlannedLeg,
    Policy,
    Side,
    TimeInForce,
    TradePlan,
)
from engine.portfolio.pnl import Done


def report(qty, quote, *, cid="c1", venue="upbit", side=Side.BUY, fees=(), status=OrderStatus.OPEN):
    return OrderReport(
        cid=cid,
        venue=venue,
        symbol="KRW-BTC",
        side=side,
        status=status,
        venue_order_id="v-" + cid,
        filled_qty=Decimal(qty),
        filled_quote=Decimal(quote),
        fees=tuple(Fee(asset, Decimal(amount)) for asset, amount in fees),
    )


def leg(side, qty, price, *, venue, quote="KRW", quote_krw="1", fee_bps="5", base="BTC"):
    return PlannedLeg(
        venue=venue,
        symbol=f"{base}/{quote}",
        base=base,
        quote=quote,
        side=side,
        qty=Decimal(qty),
        limit_price=Decimal(price),
        planned_vwap=Decimal(price),
        fee_bps=Decimal(fee_bps),
        quote_krw=Decimal(quote_krw),
    )


def plan(*legs, expected="0"):
    return TradePlan(
        trade_id="t1",
        strategy="kimchi",
        opportunity_id="o1",
        key="kimchi:BTC:binance>upbit",
        legs=legs,
        policy=Policy.SIMULTANEOUS,
        hard_leg=0,
        tif=TimeInForce.IOC,
        rest_ms=0,
        expected_profit_krw=Decimal(expected),
        expected_net=Decimal(0),
        naked_deadline_ms=1_500,
        max_chase=2,
        max_unwind=3,
        band_bps=Decimal(8),
        actor="auto",
        created_ms=0,
    )


def done(made_plan, index, qty, quote, *, role=LegRole.ENTRY, side=None, fees=(), cid="c"):
    """An order of leg `index` that filled `qty` for `quote` in all; None as `qty`: no word yet."""
    at = made_plan.legs[index]
    side = side or at.side
    request = OrderRequest(
        cid=cid,
        trade_id="t1",
        leg=index,
        role=role,
        venue=at.venue,
        symbol=at.symbol,
        side=side,
        qty=at.qty,
        price=at.limit_price,
        tif=TimeInForce.IOC,
    )
    if qty is None:
        return Done(request, None)
    return Done(request, report(qty, quote, cid=cid, venue=at.venue, side=side, fees=fees))
