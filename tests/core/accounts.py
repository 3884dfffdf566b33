"""The four accounts that a rig begins with."""

from decimal import Decimal

from engine.config import VenueConfig
from engine.domain.market import Instrument
from engine.domain.money import TickBand
from tests.core.venue_model import VenueModel

STEPS = {"BTC": Decimal("0.00001"), "USDT": Decimal("0.01")}
BALANCES = {
    "upbit": {"KRW": Decimal(50_000_000), "BTC": Decimal("0.5"), "USDT": Decimal(10_000)},
    "bithumb": {"KRW": Decimal(50_000_000), "BTC": Decimal("0.5"), "USDT": Decimal(10_000)},
    "binance": {"USDT": Decimal(50_000), "BTC": Decimal("0.5")},
    "okx": {"USDT": Decimal(50_000), "BTC": Decimal("0.5")},
    "binance_usdm": {"USDT": Decimal(20_000)},
}
_KRW_TICKS = (TickBand(Decimal(0), Decimal(1)), TickBand(Decimal(1_000_000), Decimal(1_000)))
_USDT_TICKS = (TickBand(Decimal(0), Decimal("0.01")),)


def account(config: VenueConfig, name: str) -> VenueModel:
    """One venue's markets, with the fees of its configuration, and what we hold there."""
    rules = []
    for symbol in config.symbols:
        base = "USDT" if symbol == "KRW-USDT" else "BTC"
        is_krw = symbol.startswith("KRW-")
        rules.append(
            Instrument(
                venue=name,
                symbol=symbol,
                base=base,
                quote="KRW" if is_krw else "USDT",
                ticks=_KRW_TICKS if is_krw else _USDT_TICKS,
                qty_step=STEPS[base],
                min_qty=STEPS[base],
                min_notional=Decimal(5_000) if is_krw else Decimal(5),
                maker_fee_bps=config.maker_fee_bps,
                taker_fee_bps=config.taker_fee_bps,
                fee_side=config.fee_side,
                source="venue",
            )
        )
    return VenueModel(name, rules, BALANCES[name])
