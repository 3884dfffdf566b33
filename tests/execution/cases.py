"""What the tables of this folder are made of."""

from decimal import Decimal

from engine.domain.event import BookSnapshot
from engine.domain.market import FeeSide, Instrument
from engine.domain.money import TickBand
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
from engine.execution.order_state import OrderState
from engine.execution.trade import Trade
from engine.market.fx import FxRules
from engine.market.view import Market, VenueRules

D = Decimal


def instrument(venue: str = "upbit", **changes: object) -> Instrument:
    """Upbit KRW-BTC (fee in KRW) or binance BTCUSDT (fee in what is received)."""
    korean = venue == "upbit"
    values: dict[str, object] = {
        "venue": venue,
        "symbol": "KRW-BTC" if korean else "BTCUSDT",
        "base": "BTC",
        "quote": "KRW" if korean else "USDT",
        "ticks": (TickBand(D(0), D(1)), TickBand(D(1_000_000), D(1_000))) if korean else (TickBand(D(0), D("0.01")),),
        "qty_step": D("0.00000001") if korean else D("0.00001"),
        "min_qty": D("0.00000001") if korean else D("0.00001"),
        "min_notional": D(5_000) if korean else D(5),
        "maker_fee_bps": D(5) if korean else D(8),
        "taker_fee_bps": D(5) if korean else D(10),
        "fee_side": FeeSide.QUOTE if korean else FeeSide.RECEIVED,
    }
    return Instrument(**{**values, **changes})  # type: ignore[arg-type]


def market(**books: tuple[list[tuple[float, float]], list[tuple[float, float]]]) -> Market:
    """`upbit=(bids, asks)`, `binance=(bids, asks)`; best first."""
    held = Market({name: VenueRules(max_book_age_ms=1_000) for name in ("upbit", "binance")}, FxRules())
    for venue, (bids, asks) in books.items():
        rules = instrument(venue)
        held.instruments[venue, rules.symbol] = rules
        held.take_book(BookSnapshot(venue=venue, symbol=rules.symbol, bids=bids, asks=asks, venue_ts_ms=0, seen_ns=1))
    return held


def leg(venue: str, side: Side, qty: str = "0.01", price: str = "") -> PlannedLeg:
    """Planned at 141,400,000 KRW or 100,000 USDT (1,400 KRW each)."""
    rules = instrument(venue)
    price = price or ("141400000" if venue == "upbit" else "100000")
    return PlannedLeg(
        venue=venue,
        symbol=rules.symbol,
        base="BTC",
        quote=rules.quote,
        side=side,
        qty=D(qty),
        limit_price=D(price),
        planned_vwap=D(price),
        fee_bps=rules.taker_fee_bps,
        quote_krw=D(1) if venue == "upbit" else D(1_400),
    )


def plan(*legs: PlannedLeg, policy: Policy = Policy.SIMULTANEOUS, hard_leg: int = 0, rest_ms: int = 0) -> TradePlan:
    """Buys at binance and sells at upbit unless told otherwise."""
    return TradePlan(
        trade_id="t1",
        strategy="kimchi",
        opportunity_id="o1",
        key="kimchi:BTC:binance>upbit",
        legs=legs or (leg("binance", Side.BUY), leg("upbit", Side.SELL)),
        policy=policy,
        hard_leg=hard_leg,
        tif=TimeInForce.IOC,
        rest_ms=rest_ms,
        expected_profit_krw=D(10_000),
        expected_net=D("0.007"),
        naked_deadline_ms=1_500,
        max_chase=2,
        max_unwind=3,
        band_bps=D(8),
        actor="auto",
        created_ms=0,
    )


def order(
    made_for: TradePlan,
    index: int,
    role: LegRole = LegRole.ENTRY,
    status: OrderStatus = OrderStatus.PLANNED,
    filled: str = "",
    fee: str = "",
) -> OrderState:
    """An order of one leg; `filled` base at the planned price, `fee` in base ("0.00001 BTC") or as told."""
    planned = made_for.legs[index]
    side = planned.side if role in (LegRole.ENTRY, LegRole.CHASE) else planned.side.opposite
    request = OrderRequest(
        cid=f"c{index}{role}{status}{filled}",
        trade_id=made_for.trade_id,
        leg=index,
        role=role,
        venue=planned.venue,
        symbol=planned.symbol,
        side=side,
        qty=planned.qty,
        price=planned.limit_price,
        tif=TimeInForce.IOC,
    )
    made = OrderState(request=request, status=status)
    if filled:
        made.report = report(request, status, filled, fee, planned.planned_vwap)
    return made


def report(
    request: OrderRequest, status: OrderStatus, filled: str = "0", fee: str = "", price: Decimal = D(100)
) -> OrderReport:
    """`fee`: "0.1 USDT", several joined by a comma; "" for none."""
    fees = [part.split() for part in fee.split(",") if part]
    return OrderReport(
        cid=request.cid,
        venue=request.venue,
        symbol=request.symbol,
        side=request.side,
        status=status,
        venue_order_id="v1",
        filled_qty=D(filled),
        filled_quote=D(filled) * price,
        fees=tuple(Fee(asset, D(amount)) for amount, asset in fees),
    )


def trade(made_for: TradePlan, *orders: OrderState, naked_since_ns: int = 1) -> Trade:
    return Trade(plan=made_for, opened_ns=0, orders=list(orders), naked_since_ns=naked_since_ns)
