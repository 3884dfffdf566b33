"""The SQL tables (R155-R158 and what the desk itself needs). A projection for people: the journal is the truth."""

from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Exact(sa.types.TypeDecorator[Decimal]):
    """A Decimal that comes back as it went in: NUMERIC in PostgreSQL, text in SQLite, which has floats only."""

    impl = sa.String(64)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(sa.Numeric(38, 18))
        return dialect.type_descriptor(sa.String(64))

    def process_bind_param(self, value: Decimal | None, dialect: sa.Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else format(value, "f")

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


class Base(DeclarativeBase):
    """Times are wall clock UTC in ms; `body` columns hold the whole view as JSON."""

    type_annotation_map = {Decimal: Exact, int: sa.BigInteger, str: sa.String, bytes: sa.LargeBinary}


class Exchange(Base):
    """A venue as configured at the newest start (R155)."""

    __tablename__ = "exchanges"
    name: Mapped[str] = mapped_column(primary_key=True)
    tier: Mapped[int] = mapped_column(default=2)
    active: Mapped[bool]
    maker_pct: Mapped[Decimal]
    taker_pct: Mapped[Decimal]
    config: Mapped[str]  # JSON, without secrets
    updated_ms: Mapped[int]


class ArbitrageSignal(Base):
    """An opportunity, live or ended (R157)."""

    __tablename__ = "arbitrage_signals"
    __table_args__ = (sa.Index("ix_signals_opened", "opened_ms"), sa.Index("ix_signals_coin", "coin", "opened_ms"))
    id: Mapped[str] = mapped_column(primary_key=True)
    strategy: Mapped[str]
    key: Mapped[str]
    coin: Mapped[str]
    buy_venue: Mapped[str]
    sell_venue: Mapped[str]
    gross_spread: Mapped[float]
    net_spread: Mapped[float]
    estimated_pnl_krw: Mapped[Decimal]
    notional_krw: Mapped[Decimal]
    status: Mapped[str]
    reason: Mapped[str]
    trade_id: Mapped[str]
    opened_ms: Mapped[int]
    updated_ms: Mapped[int]
    body: Mapped[bytes]


class Trade(Base):
    """One intent carried out: its receipt (R132, R156). Orders of its legs are in `orders`."""

    __tablename__ = "trades"
    __table_args__ = (sa.Index("ix_trades_closed", "closed_ms"), sa.Index("ix_trades_opened", "opened_ms"))
    id: Mapped[str] = mapped_column(primary_key=True)
    signal_id: Mapped[str]
    strategy: Mapped[str]
    key: Mapped[str]
    coin: Mapped[str]
    venue_pair: Mapped[str]  # "binance>upbit": bought at the first, sold at the second
    actor: Mapped[str]
    state: Mapped[str]
    outcome: Mapped[str]
    notional_krw: Mapped[Decimal]  # of the larger leg as filled, at the trade's own rates
    planned_notional_krw: Mapped[Decimal]
    expected_krw: Mapped[Decimal]
    net_krw: Mapped[Decimal]
    fees_krw: Mapped[Decimal]
    slippage_krw: Mapped[Decimal]
    opened_ms: Mapped[int]
    closed_ms: Mapped[int]  # 0 while it is open
    body: Mapped[bytes]


class Order(Base):
    """One order with the venue's newest word on it (R156)."""

    __tablename__ = "orders"
    __table_args__ = (
        sa.Index("ix_orders_updated", "updated_ms"),
        sa.Index("ix_orders_symbol", "symbol", "updated_ms"),
        sa.Index("ix_orders_trade", "trade_id"),
    )
    cid: Mapped[str] = mapped_column(primary_key=True)
    trade_id: Mapped[str]
    venue: Mapped[str]
    symbol: Mapped[str]
    side: Mapped[str]
    role: Mapped[str]
    type: Mapped[str]  # time in force
    status: Mapped[str]
    venue_order_id: Mapped[str]
    requested_qty: Mapped[Decimal]
    requested_price: Mapped[Decimal]
    filled_qty: Mapped[Decimal]
    filled_quote: Mapped[Decimal]
    fees: Mapped[str]  # JSON: asset -> amount
    latency_us: Mapped[int]
    updated_ms: Mapped[int]
    body: Mapped[bytes]


class Refusal(Base):
    """Which rule said no, with its numbers: `/why` reads it."""

    __tablename__ = "refusals"
    __table_args__ = (sa.Index("ix_refusals_wall", "wall_ms"), sa.Index("ix_refusals_key", "key", "wall_ms"))
    id: Mapped[str] = mapped_column(primary_key=True)
    wall_ms: Mapped[int]
    strategy: Mapped[str]
    key: Mapped[str]
    opportunity_id: Mapped[str]
    rule: Mapped[str]
    body: Mapped[bytes]


class PortfolioSnapshot(Base):
    """What one account held of one asset at one moment, by our ledger and by the venue's word (R130, R158)."""

    __tablename__ = "portfolio_snapshots"
    wall_ms: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    venue: Mapped[str] = mapped_column(primary_key=True)
    asset: Mapped[str] = mapped_column(primary_key=True)
    ledger: Mapped[Decimal]
    venue_total: Mapped[Decimal]
    difference: Mapped[Decimal]
    value_krw: Mapped[Decimal]


class DailyPerformance(Base):
    """One finished local day (R131, R158); written by the nightly roll-up, written again by a later one."""

    __tablename__ = "daily_performance"
    date: Mapped[str] = mapped_column(primary_key=True)  # local date of the configured time zone
    mode: Mapped[str] = mapped_column(primary_key=True)  # live | paper | sandbox
    signals: Mapped[int]
    trades: Mapped[int]
    total_pnl_krw: Mapped[Decimal]  # before fees
    fees_krw: Mapped[Decimal]
    net_pnl_krw: Mapped[Decimal]
    sharpe: Mapped[float | None]  # of the 30 days that end with this one
    max_drawdown_krw: Mapped[Decimal]
    win_rate: Mapped[float | None]


class Setting(Base):
    """Every version of every run-time setting; the newest is in force."""

    __tablename__ = "settings"
    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[bytes]  # JSON
    actor: Mapped[str]
    wall_ms: Mapped[int]


class Audit(Base):
    """Every command, refused ones too, in a chain of hashes."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # no gaps: a gap is a missing row
    wall_ms: Mapped[int]
    actor: Mapped[str]
    role: Mapped[str]
    request_id: Mapped[str]
    command: Mapped[str]
    body: Mapped[str]
    ok: Mapped[bool]
    rule: Mapped[str]
    text: Mapped[str]
    prev_hash: Mapped[str]
    hash: Mapped[str]


class KeptReply(Base):
    """The first answer to a request id, for a caller that asks again; kept for a day."""

    __tablename__ = "replies"
    __table_args__ = (sa.Index("ix_replies_wall", "wall_ms"),)
    request_id: Mapped[str] = mapped_column(primary_key=True)
    wall_ms: Mapped[int]
    actor: Mapped[str]
    ok: Mapped[bool]
    rule: Mapped[str]
    text: Mapped[str]
    body: Mapped[bytes]  # JSON


class StoredNotice(Base):
    """What people must not miss, in order; a reader goes on from the last id it saw."""

    __tablename__ = "notices"
    __table_args__ = (sa.Index("ix_notices_wall", "wall_ms"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # numbered by the one writer
    kind: Mapped[str]
    key: Mapped[str]
    severity: Mapped[str]
    wall_ms: Mapped[int]
    body: Mapped[bytes]  # JSON
