"""What finished trades of long ago have left behind: all that a start must know of them."""

from decimal import Decimal

from msgspec import Struct


class ActionPast(Struct, frozen=True, kw_only=True):
    """A strategy's history under one key."""

    key: str
    premium: float
    newest_ms: int  # wall clock
    recent_ms: tuple[int, ...]


class BreakerPast(Struct, frozen=True, kw_only=True):
    """One circuit breaker; `opened_ms` None: closed."""

    opened_ms: int | None
    reason: str
    canary: str


class BreakersPast(Struct, frozen=True, kw_only=True):
    """All breakers and what they count; times by the wall clock."""

    named: dict[str, BreakerPast]
    failed_in_a_row: dict[str, int]  # by venue
    failed_ms: tuple[int, ...]
    results: tuple[tuple[int, Decimal, Decimal], ...]  # (when, net KRW, notional KRW)
    lost_in_a_row: int
    slipped: tuple[Decimal, ...]


class Past(Struct, frozen=True, kw_only=True):
    """Sums over everything up to one entry of the journal."""

    accounts: tuple[tuple[str, str, Decimal], ...]  # (account, asset, amount) of the ledger
    held: dict[str, dict[str, Decimal]]  # venue -> asset -> amount, zeros included; its keys have opening balances
    pnl_total_krw: Decimal
    pnl_peak_krw: Decimal
    local_day: int  # whose the next figures are
    pnl_today_krw: Decimal
    trades_today: int
    trades_today_by: dict[str, int]  # strategy -> trades
    actions: tuple[ActionPast, ...]
    traded_ms: tuple[int, ...]
    submitted: tuple[tuple[int, Decimal], ...]  # (wall ms, KRW)
    breakers: BreakersPast
    counts: dict[str, int]
    funding: dict[str, dict[str, int]] = {}  # venue -> id of a payment that is booked -> its time, UTC
