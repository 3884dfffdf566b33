"""Market boards of a busy hour, as the door gives them."""

from engine.control import messages as m
from engine.control.boards import IntervalChange

WALL_MS = 1_795_231_422_000
HOUR_MS = 3_600_000
PERPS = ("binance_usdm", "bitget_futures", "bybit_linear", "gate_futures", "kucoin_futures", "okx_swap")
COINS = ("BTC", "ETH", "XRP", "SOL", "DOGE", "SHIB", "ADA", "TRX")


def funding_row(venue: str, coin: str, rate: float | None, hours: int = 8, why: str = "") -> m.FundingView:
    hourly = None if rate is None else rate / hours
    annual = None if hourly is None else hourly * 8760
    return m.FundingView(
        venue=venue,
        symbol=f"{coin}USDT",
        coin=coin,
        rate=rate,
        predicted=rate * 1.2 if rate is not None and venue == "gate_futures" else None,
        interval_ms=hours * HOUR_MS,
        per_hour=hourly,
        annual=annual,
        annual_compounded=annual,
        next_funding_ms=WALL_MS + 11_500_000,
        mark=68_034.0,
        index=68_000.0,
        basis=0.0005,
        quote_volume=1e9 / (1 + COINS.index(coin)),
        age_ms=120.0,
        why=why,
    )


def funding_board() -> m.FundingBoard:
    """Six venues, eight coins: large and small rates, a contract that is missing, one not to be believed."""
    rows = []
    for v, venue in enumerate(PERPS):
        for c, coin in enumerate(COINS):
            if venue == "kucoin_futures" and coin == "SHIB":
                continue
            rate = ((v * 7 + c * 5) % 13 - 5) * 0.00007
            stale = venue == "gate_futures" and coin == "SOL"
            rows.append(funding_row(venue, coin, rate, 4 if c == 4 else 8, "stale" if stale else ""))
    rows.sort(key=lambda row: (row.coin, row.venue))
    edge = m.EdgeView(
        coin="DOGE",
        short="okx_swap",
        long="binance_usdm",
        per_hour=0.00005,
        per_8h=0.0004,
        annual=0.438,
        cost=0.002,
        break_even_h=40.0,
    )
    change = IntervalChange(
        venue="bybit_linear", symbol="DOGEUSDT", wall_ms=WALL_MS - 6 * HOUR_MS, interval_ms=4 * HOUR_MS
    )
    return m.FundingBoard(wall_ms=WALL_MS, rows=tuple(rows), edges=(edge,), changes=(change,), left_out=())


def premium_row(
    coin: str,
    k_usdt: float,
    *,
    world: str = "binance",
    stale: str = "",
    locked: tuple[str, ...] = (),
    age_ms: float = 120,
) -> m.PremiumView:
    inputs = tuple(
        m.InputView(what=what, venue=venue, symbol=symbol, price=1.0, age_ms=age, limit_ms=limit, why="")
        for what, venue, symbol, age, limit in (
            ("korean", "upbit", f"KRW-{coin}", age_ms, 2_000),
            ("world", world, f"{coin}USDT", 80.0, 500),
            ("tether", "upbit", "KRW-USDT", 300.0, 2_000),
            ("fx", "dunamu,frankfurter", "USD/KRW", 24_000.0, 600_000),
        )
    )
    priced = [
        m.ExecutableView(
            direction=direction,
            notional_krw=size,
            qty=0.1,
            korean_price=95e6,
            world_price=68e3,
            usdt_krw=1_395.0,
            k_usdt=None if size == 1e8 else k_usdt - sign * 0.0004,
            k_fx=None if size == 1e8 else k_usdt + 0.0108,
            net=None if size == 1e8 else sign * k_usdt - 0.0015,
            short="world" if size == 1e8 else "",
        )
        for size in (1e6, 1e7, 1e8)
        for direction, sign in (("sell_korea", 1), ("buy_korea", -1))
    ]
    return m.PremiumView(
        coin=coin,
        korean="upbit",
        world=world,
        product="spot",
        k_usdt=k_usdt,
        k_fx=(1 + k_usdt) * 1.010870 - 1,
        tether=0.010870,
        stale=stale,
        locked=locked,
        inputs=inputs,
        executable=tuple(priced),
    )


def premium_board() -> m.PremiumBoard:
    rows = (
        premium_row("XRP", 0.0214, locked=("sell_korea",)),
        premium_row("BTC", 0.0148),
        premium_row("BTC", 0.0141, world="okx"),
        premium_row("SHIB", -0.0092, age_ms=900),
        premium_row("ETH", 0.0031),
        premium_row("DOGE", 0.0420, stale="world: stale", age_ms=4_000),
    )
    tether = m.TetherView(
        venue="upbit",
        symbol="KRW-USDT",
        bid=1_394.0,
        ask=1_396.0,
        premium=0.0109,
        age_ms=300.0,
        why="",
        turns=(),
    )
    return m.PremiumBoard(
        wall_ms=WALL_MS,
        fx=1_380.0,
        fx_age_ms=24_000,
        fx_sources=("dunamu", "frankfurter"),
        fx_degraded="",
        sizes_krw=(1e6, 1e7, 1e8),
        rows=rows,
        total=len(rows),
        tethers=(tether,),
        left_out=(),
    )
