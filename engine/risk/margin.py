"""Margin of an account of perpetuals: what is known of it, and how much of it may be used (domain.md §7)."""

from decimal import Decimal
from enum import IntEnum

from msgspec import Struct, field

from engine.domain.money import ZERO
from engine.domain.position import FundingPaid, Position
from engine.risk.limits import Limits

ASSET = "USDT"  # every account of perpetuals here is margined and settled in it
_EASED = Decimal("0.05")  # an alarm ends so far below where it begins


class Alarm(IntEnum):
    """How near an account is to being liquidated."""

    NONE = 0
    WARN = 1
    REDUCE = 2  # no new position
    OVER = 3

    @staticmethod
    def of(usage: Decimal | None, now: "Alarm", limits: Limits) -> "Alarm":
        """`usage` is maintenance margin by equity; None: nothing is left of the equity. `now` stays until it eases."""
        if usage is None:
            return Alarm.OVER
        steps = (
            (Alarm.OVER, limits.margin_over),
            (Alarm.REDUCE, limits.margin_reduce),
            (Alarm.WARN, limits.margin_warn),
        )
        for alarm, least in steps:
            if usage >= (least - _EASED if now >= alarm else least):
                return alarm
        return Alarm.NONE


class Account(Struct, kw_only=True):
    """What a venue last said of one. Written by the core alone."""

    positions: dict[str, Position] = field(default_factory=dict)  # by symbol
    asked_ns: int = 0
    seen_ns: int = 0
    payments: tuple[FundingPaid, ...] = ()  # of the newest answer
    paid_ns: int = -(10**18)  # when that came
    marks: dict[str, Decimal] = field(default_factory=dict)  # of positions that differ, when that was seen first
    usage: Decimal | None = ZERO
    alarm: Alarm = Alarm.NONE
    near: str = ""  # the position that stands so near to its liquidation that people were told
