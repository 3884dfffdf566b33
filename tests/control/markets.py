"""The market side of a test's desk: the real core over a virtual clock, with three perpetuals beside its books."""

from collections.abc import Sequence
from decimal import Decimal
from functools import cached_property

from engine.domain import event as ev
from engine.domain.alerting import AlertSettings, AlertsPreview, AlertsView
from engine.domain.board import (
    ClockView,
    ConnectionView,
    FundingBoard,
    OrderStreamView,
    PremiumBoard,
    VenueHealth,
    Wires,
)
from engine.domain.command import (
    CloseHedge,
    ClosePosition,
    ConfirmParent,
    MoveParent,
    PreviewParent,
    ReleaseMarket,
    SetAlerts,
    UndoAlerts,
)
from engine.domain.effect import Reply
from engine.domain.market import FeeSide, Instrument, Product
from engine.domain.money import TickBand
from engine.domain.view import ParentView, PerpView
from tests.core.harness import Rig

HOUR_MS = 3_600_000
MarketCommand = (
    SetAlerts | UndoAlerts | ReleaseMarket | PreviewParent | ConfirmParent | MoveParent | CloseHedge | ClosePosition
)
RATES = {"BTC": (0.0001, 8), "DOGE": (-0.00012, 4), "SHIB": (0.0005, 8)}


def perpetual(venue: str, coin: str) -> Instrument:
    return Instrument(
        venue=venue,
        symbol=f"{coin}-USDT-SWAP",
        base=coin,
        quote="USDT",
        ticks=(TickBand(Decimal(0), Decimal("0.00001")),),
        qty_step=Decimal(1),
        min_qty=Decimal(1),
        min_notional=Decimal(0),
        maker_fee_bps=Decimal(2),
        taker_fee_bps=Decimal(5),
        fee_side=FeeSide.QUOTE,
        product=Product.PERP,
        price_per=Decimal(1000) if coin == "SHIB" else Decimal(1),
    )


def perp(**changes: object) -> PerpView:
    """A short of 0.01 BTC that hedges trade t1."""
    values: dict[str, object] = {
        "venue": "binance_usdm",
        "symbol": "BTCUSDT",
        "base": "BTC",
        "quote": "USDT",
        "qty": Decimal("-0.01"),
        "entry": Decimal(68_000),
        "mark": Decimal(68_500),
        "worth_krw": Decimal(956_000),
        "unrealised": Decimal(-5),
        "unrealised_krw": Decimal(-6_980),
        "funding": Decimal("0.0685"),
        "liquidation": Decimal(92_475),
        "margin_usage": Decimal("0.012"),
        "leverage": 2,
        "hedge_of": ("t1",),
        "difference": Decimal(0),
        "age_ms": 900,
    }
    return PerpView(**{**values, **changes})  # type: ignore[arg-type]


def line(name: str, **changes: object) -> ConnectionView:
    values: dict[str, object] = {
        "state": "up",
        "symbols": ("KRW-BTC",),
        "connected_since_ms": 1_790_000_000_000,
        "last_frame_age_ms": 40.0,
        "frames_per_s": 120.5,
        "reconnects": 1,
        "gaps": 2,
        "resyncs": 2,
        "errors": 0,
        "latency_p50_ms": 12.0,
        "latency_p99_ms": 48.0,
        "ping_rtt_ms": 9.5,
        "reason": "",
    }
    return ConnectionView(name=name, **{**values, **changes})  # type: ignore[arg-type]


WIRES = Wires(
    connections={"upbit": (line("upbit#1"), line("upbit#2", frames_per_s=20.0, latency_p99_ms=90.0))},
    clocks={"upbit": ClockView(offset_ms=-3.5, uncertainty_ms=1.5)},
    rates={"upbit": {"market": 0.42}},
    order_streams={
        "upbit": OrderStreamView(
            state="up",
            up_since_ms=1_790_000_000_000,
            alive_age_ms=310.0,
            told_age_ms=None,
            reconnects=6,
            told=17,
            errors=0,
            ping_rtt_ms=None,
            reason="",
        )
    },
)


class MarketDesk:
    """Implements the boards, the venues and the alert settings of engine.control.door.Desk."""

    open_perps: Sequence[PerpView] = ()

    @cached_property
    def rig(self) -> Rig:
        rig = Rig().ready()
        rig.desk.wires = lambda: WIRES
        for venue, shift in (("binance", 0.0), ("okx", 0.00004)):
            rules = tuple(perpetual(venue, coin) for coin in RATES)
            rig.handle(ev.InstrumentsLoaded(venue=venue, instruments=rules, seen_ns=rig.now_ns))
            for coin, (rate, hours) in RATES.items():
                state = ev.PerpState(
                    venue=venue,
                    symbol=f"{coin}-USDT-SWAP",
                    mark=0.2002,
                    index=0.2,
                    funding_rate=rate + shift,
                    interval_ms=hours * HOUR_MS,
                    next_funding_ms=rig.wall_ms + HOUR_MS,
                    seen_ns=rig.now_ns,
                )
                rig.handle(state)
        rig.show_all()
        return rig

    def premiums(self, coin: str, limit: int) -> PremiumBoard:
        return self.rig.desk.premiums(coin, limit)

    def fundings(self, coin: str) -> FundingBoard:
        return self.rig.desk.fundings(coin)

    def venues(self) -> Sequence[VenueHealth]:
        return self.rig.desk.venues()

    def alerts(self, owner: str) -> AlertsView:
        return self.rig.desk.alerts(owner)

    def preview_alerts(self, owner: str, settings: AlertSettings) -> AlertsPreview:
        return self.rig.desk.preview_alerts(owner, settings)

    def perps(self) -> Sequence[PerpView]:
        return self.open_perps

    def parents(self) -> Sequence[ParentView]:
        return self.rig.desk.parents()

    def ask_markets(self, request_id: str, actor: str, role: str, command: MarketCommand) -> Reply:
        return self.rig.desk.ask(request_id, actor, role, command)
