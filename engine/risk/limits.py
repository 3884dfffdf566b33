"""One set of limits in three profiles (requirements C4, R104-R117). Of several that apply, the tightest wins.

Amounts compare in KRW; those given in USD or BTC go through the live rate, and a missing rate counts as a breach.
A *position* here is what trades have opened and not closed: legs in flight at their worst case, naked remainders, dead
letters. Pre-positioned inventory is none: a trade from inventory leaves the amount of coin that we hold unchanged.
An open perpetual is one for as long as it stands.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from msgspec import Struct, convert, structs

from engine.domain.money import ZERO


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`None` switches a limit off. Ratios are plain: 0.05 is 5 %."""

    # One trade (its larger leg)
    max_order_krw: Decimal = Decimal(5_000_000)  # R117
    max_order_btc: Decimal = Decimal("0.1")  # R117: worth of any coin, at the live BTC price
    # Open positions, this trade included
    max_position_krw: Decimal | None = None  # R105: per coin
    max_position_coin_usd: Decimal = Decimal(10_000)  # R111
    max_position_venue_usd: Decimal = Decimal(50_000)
    max_position_total_usd: Decimal = Decimal(100_000)
    # Losses: the day is the reports' local day
    max_daily_loss_krw: Decimal | None = None  # R106
    max_daily_loss_usd: Decimal = Decimal(500)  # R112
    max_daily_loss_ratio: Decimal = Decimal("0.01")  # of equity
    max_total_loss_krw: Decimal = Decimal(5_000_000)  # R107: the source gives no number, this is ours
    max_drawdown: Decimal = Decimal("0.05")  # R113: peak to now, of equity
    # How often
    max_trades_per_hour: int = 100  # R108
    max_trades_per_day: int = 1_000
    cooldown_ms: int = 1_000  # between two trades of one opportunity key (R079)
    window_ms: int = 60_000
    max_trades_per_window: int = 20  # of one key
    max_orders_per_minute: int = 120  # a loop gone wild stops here
    max_notional_per_minute_krw: Decimal = Decimal(100_000_000)
    # The market as it stands
    max_deviation: Decimal = Decimal("0.10")  # R114: mid against its own 60 s median
    max_spread: Decimal = Decimal("0.05")  # R115: of each book, against its mid
    max_slippage: Decimal = Decimal("0.005")  # R109: planned VWAP against the top of the book
    max_collar: Decimal = Decimal("0.02")  # an order's limit against its own symbol's mid
    max_clock_off_ms: int = 2_000  # of a venue's clock against ours, and how far it may be uncertain
    # Accounts of perpetuals: maintenance margin as a share of equity (domain.md §7), and how much one may hold
    margin_warn: Decimal = Decimal("0.5")
    margin_reduce: Decimal = Decimal("0.7")  # no new position
    margin_over: Decimal = Decimal("0.8")  # a trade must not lead there
    min_liquidation_distance: Decimal = Decimal("0.1")  # of the mark, of a position that would be made larger
    max_perp_venue_usd: Decimal = Decimal(20_000)  # notional of all positions at one venue, the trade's included

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value is not None and (not Decimal(value).is_finite() or value < 0):
                raise ValueError(f"{name} must not be negative: {value}")


PROFILES: dict[str, Limits] = {
    "canary": Limits(
        max_order_btc=Decimal("0.01"),  # R104
        max_position_krw=Decimal(1_000_000),
        max_daily_loss_krw=Decimal(100_000),
        max_total_loss_krw=Decimal(300_000),
        max_notional_per_minute_krw=Decimal(5_000_000),
        max_slippage=Decimal("0.002"),
    ),
    "liveguard": Limits(
        max_position_krw=Decimal(1_000_000),
        max_daily_loss_krw=Decimal(500_000),
        max_total_loss_krw=Decimal(1_500_000),
        max_notional_per_minute_krw=Decimal(20_000_000),
        max_slippage=Decimal("0.003"),
    ),
    "standard": Limits(),
}


def limits_of(profile: str, overrides: Mapping[str, Decimal]) -> Limits:
    """A profile with single limits replaced by name. Raises ValueError naming an unknown limit or a bad value."""
    made = PROFILES[profile]
    known = set(made.__struct_fields__)
    for name in overrides:
        if name not in known:
            raise ValueError(f"overrides: no limit is called `{name}`; there are {', '.join(sorted(known))}")
    values: dict[str, Any] = structs.asdict(made) | {name: str(value) for name, value in overrides.items()}
    return convert(values, Limits, strict=False)


class Held(Struct, frozen=True, kw_only=True):
    """Open positions in KRW before the trade in question, as the module's first lines define them."""

    coin_krw: Decimal = ZERO  # of the trade's coin
    venue_krw: Mapping[str, Decimal] = {}
    perp_krw: Mapping[str, Decimal] = {}  # venues of perpetuals: worth of all positions there
    total_krw: Decimal = ZERO


class Ceiling(Struct, frozen=True):
    """The tightest limit on the size of one trade, and its name."""

    krw: Decimal
    rule: str


def ceiling(
    limits: Limits, held: Held, venues: tuple[str, ...], usd_krw: Decimal | None, btc_krw: Decimal | None
) -> Ceiling:
    """The largest notional in KRW that no size limit refuses at these venues; 0 and `no_rate` without rates."""
    if not usd_krw or not btc_krw:
        return Ceiling(ZERO, "no_rate")
    found = [
        Ceiling(limits.max_order_krw, "order_size"),
        Ceiling(limits.max_order_btc * btc_krw, "order_size"),
        Ceiling(limits.max_position_coin_usd * usd_krw - held.coin_krw, "position_coin"),
        Ceiling(limits.max_position_total_usd * usd_krw - held.total_krw, "position_total"),
    ]
    if limits.max_position_krw is not None:
        found.append(Ceiling(limits.max_position_krw - held.coin_krw, "position_coin"))
    for venue in venues:
        room = limits.max_position_venue_usd * usd_krw - held.venue_krw.get(venue, ZERO)
        found.append(Ceiling(room, "position_venue"))
        if venue in held.perp_krw:
            found.append(Ceiling(limits.max_perp_venue_usd * usd_krw - held.perp_krw[venue], "position_perp"))
    tightest = min(found, key=lambda item: item.krw)
    return Ceiling(max(tightest.krw, ZERO), tightest.rule)
