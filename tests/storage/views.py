"""Views as the core would make them, with figures that a test can check by hand."""

from decimal import Decimal

import msgspec

from engine.domain.effect import OrderView, Record
from engine.domain.order import Fee, LegRole, OrderReport, OrderRequest, OrderStatus, Side, TimeInForce
from engine.domain.view import FillView, LegView, OpportunityView, ParentView, PnlView, RefusalView, TradeView


def opportunity(number: int, coin: str = "BTC", opened_ms: int = 1_000) -> OpportunityView:
    def leg(venue: str, symbol: str, quote: str, side: str, price: str) -> LegView:
        return LegView(
            venue=venue,
            symbol=symbol,
            base=coin,
            quote=quote,
            side=side,
            qty=Decimal("0.01"),
            price=Decimal(price),
            limit_price=Decimal(price),
            fee_bps=Decimal(10),
        )

    return OpportunityView(
        id=f"o{number}",
        key=f"kimchi:{coin}:binance>upbit",
        strategy="kimchi",
        coin=coin,
        mode="confirm",
        state="live",
        legs=(
            leg("binance", f"{coin}USDT", "USDT", "buy", "60000"),
            leg("upbit", f"KRW-{coin}", "KRW", "sell", "84500000"),
        ),
        notional_krw=Decimal(845000),
        gross=0.0124,
        net=0.0098,
        profit_krw=Decimal("8281"),
        confidence=0.9,
        flags=(),
        facts={"usdt_krw": 1400.0, "k_fx": 0.0124},
        reason="",
        trade_id="",
        opened_ms=opened_ms,
        updated_ms=opened_ms,
        expires_ms=opened_ms + 15_000,
    )


def trade(
    number: int,
    net_krw: str,
    closed_ms: int,
    *,
    strategy: str = "kimchi",
    coin: str = "BTC",
    state: str = "closed",
    outcome: str = "balanced",
) -> TradeView:
    """Bought 0.01 at 60,000 USDT (840,000 KRW at 1,400), sold at 84,500,000 KRW: the larger leg is 845,000 KRW."""

    def fill(venue: str, symbol: str, quote: str, side: str, price: str) -> FillView:
        return FillView(
            venue=venue,
            symbol=symbol,
            base=coin,
            quote=quote,
            side=side,
            status="filled",
            planned_qty=Decimal("0.01"),
            planned_price=Decimal(price),
            filled_qty=Decimal("0.01"),
            fill_price=Decimal(price),
            fees={quote: Decimal(1)},
            slippage_bps=0.5,
            unwound_qty=Decimal(0),
            orders=1,
            unknowns=0,
        )

    return TradeView(
        id=f"t{number}",
        opportunity_id=f"o{number}",
        strategy=strategy,
        key=f"{strategy}:{coin}:binance>upbit",
        actor="telegram:1001",
        state=state,
        outcome=outcome,
        legs=(
            fill("binance", f"{coin}USDT", "USDT", "buy", "60000"),
            fill("upbit", f"KRW-{coin}", "KRW", "sell", "84500000"),
        ),
        naked_qty=Decimal(0),
        pnl=PnlView(
            expected_krw=Decimal(4225),
            net_krw=Decimal(net_krw),
            spread_krw=Decimal(5000),
            slippage_krw=Decimal(40),
            fees_krw=Decimal(1200),
            unwind_krw=Decimal(0),
        ),
        facts={"usdt_krw": 1400.0},
        opened_ms=closed_ms - 500,
        closed_ms=closed_ms,
        reason="",
    )


def order(cid: str, symbol: str = "KRW-BTC", status: str = "filled") -> OrderView:
    request = OrderRequest(
        cid=cid,
        trade_id="t1",
        leg=1,
        role=LegRole.ENTRY,
        venue="upbit",
        symbol=symbol,
        side=Side.SELL,
        qty=Decimal("0.01000000"),
        price=Decimal("84500000"),
        tif=TimeInForce.IOC,
    )
    report = OrderReport(
        cid=cid,
        venue="upbit",
        symbol=symbol,
        side=Side.SELL,
        status=OrderStatus.FILLED,
        venue_order_id="v-" + cid,
        filled_qty=Decimal("0.01000000"),
        filled_quote=Decimal("845000.00000000"),
        fees=(Fee("KRW", Decimal("422.50")),),
    )
    return OrderView(request=request, status=status, report=report, reason="", sent_ms=10, done_ms=20, latency_us=9_500)


def refusal(number: int, key: str = "kimchi:BTC:binance>upbit", wall_ms: int = 1_000) -> RefusalView:
    return RefusalView(
        id=f"r{number}",
        wall_ms=wall_ms,
        strategy=key.split(":")[0],
        key=key,
        opportunity_id=f"o{number}",
        rule="max_notional",
        text="2,000,000 KRW is above 1,000,000 KRW",
        numbers={"notional_krw": "2000000", "limit_krw": "1000000"},
    )


def record(table: str, key: str, view: object, wall_ms: int = 1_000) -> Record:
    return Record(table=table, key=key, wall_ms=wall_ms, row=msgspec.json.encode(view))


def parent(number: str, *, state: str = "running", sent: int = 0) -> ParentView:
    """A person's order for 0.01 BTC, in one slice."""
    none = Decimal(0)
    return ParentView(
        id=number,
        template="limit",
        side="buy",
        base="BTC",
        qty=Decimal("0.01"),
        venue="upbit",
        symbol="KRW-BTC",
        quote="KRW",
        limit=Decimal(84_500_000),
        stop=None,
        state=state,
        reason="",
        slices=1,
        sent=sent,
        children=0,
        filled_qty=none,
        filled_krw=none,
        fees_krw=none,
        price=none,
        cost_krw=none,
        fee_krw=none,
        over_ms=0,
        ran_ms=0,
        route=(),
        actor="telegram:1001",
        opened_ms=1,
        updated_ms=1,
    )
