"""Markets of the later venues: the desk's coins with each venue's own spelling, ticks, lots and contract sizes."""

from collections.abc import Callable, Iterable
from decimal import Decimal

from sandbox.venues.rules import (
    BITHUMB_KRW,
    ClientIds,
    FeeFrom,
    MarketRules,
    Perp,
    Stp,
    VenueRules,
    bands,
)

HOUR_MS = 3_600_000
_TICKS = {"BTC": "0.1", "ETH": "0.01", "XRP": "0.0001"}
_LOTS = {"BTC": "0.00001", "ETH": "0.0001", "XRP": "0.1"}
INTERVALS_MS = {"BTC": 8 * HOUR_MS, "ETH": 8 * HOUR_MS, "XRP": 4 * HOUR_MS}


def venue(
    name: str,
    maker: str,
    taker: str,
    fee_from: FeeFrom,
    markets: Iterable[MarketRules],
    *,
    client_ids: ClientIds = ClientIds.REFUSED,
    stp: Stp = Stp.NONE,
    refuses_taking_post_only: bool = False,
    fee_quantum: str = "0.00000001",
    margined: bool = False,
    cuts_reduce_only: bool = False,
) -> VenueRules:
    """What is not named is never asked of a venue that is only watched."""
    return VenueRules(
        venue=name,
        maker_fee=Decimal(maker),
        taker_fee=Decimal(taker),
        fee_from=fee_from,
        fee_quantum=Decimal(fee_quantum),
        client_ids=client_ids,
        stp=stp,
        refuses_taking_post_only=refuses_taking_post_only,
        best_is_first_level=False,
        markets={market.symbol: market for market in markets},
        margined=margined,
        cuts_reduce_only=cuts_reduce_only,
    )


def spot(spell: Callable[[str], str]) -> list[MarketRules]:
    """USDT markets of the desk's coins."""
    return [
        MarketRules(
            symbol=spell(base),
            base=base,
            quote="USDT",
            bands=bands(f"0:{_TICKS[base]}"),
            lot=Decimal(_LOTS[base]),
            min_qty=Decimal(_LOTS[base]),
            min_notional=Decimal(5),
            max_notional=Decimal(4_000_000),
        )
        for base in _TICKS
    ]


def perps(
    spell: Callable[[str], str],
    contracts: dict[str, str],
    lots: dict[str, str] | None = None,
    min_notional: str = "0",
) -> list[MarketRules]:
    """Linear perpetuals; `contracts` is the base per contract, `lots` the step of their number (whole ones: 1)."""
    return [
        MarketRules(
            symbol=spell(base),
            base=base,
            quote="USDT",
            bands=bands(f"0:{_TICKS[base]}"),
            lot=Decimal((lots or {}).get(base, "1")),
            min_qty=Decimal((lots or {}).get(base, "1")),
            min_notional=Decimal(min_notional),
            max_notional=Decimal(9_000_000),
            perp=Perp(contract=Decimal(contract), interval_ms=INTERVALS_MS[base]),
        )
        for base, contract in contracts.items()
    ]


def krw(spell: Callable[[str], str]) -> list[MarketRules]:
    """KRW markets of the desk's coins and of the tether."""
    return [
        MarketRules(
            symbol=spell(base),
            base=base,
            quote="KRW",
            bands=BITHUMB_KRW,
            lot=Decimal("0.00000001"),
            min_qty=Decimal("0.00000001"),
            min_notional=Decimal(5000),
            max_notional=Decimal(1_000_000_000),
        )
        for base in (*_TICKS, "USDT")
    ]
