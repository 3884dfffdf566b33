"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# As `Exact` in engine.storage.models, in words of its own: a migration does not change when a model does.
EXACT = sa.String(64).with_variant(sa.Numeric(38, 18), "postgresql")


def _arbitrage_signals() -> None:
    op.create_table(
        "arbitrage_signals",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("strategy", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("coin", sa.String(), nullable=False),
        sa.Column("buy_venue", sa.String(), nullable=False),
        sa.Column("sell_venue", sa.String(), nullable=False),
        sa.Column("gross_spread", sa.Float(), nullable=False),
        sa.Column("net_spread", sa.Float(), nullable=False),
        sa.Column("estimated_pnl_krw", EXACT, nullable=False),
        sa.Column("notional_krw", EXACT, nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("trade_id", sa.String(), nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_signals_coin", "arbitrage_signals", ["coin", "opened_ms"])
    op.create_index("ix_signals_opened", "arbitrage_signals", ["opened_ms"])


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("wall_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("command", sa.String(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("prev_hash", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _daily_performance() -> None:
    op.create_table(
        "daily_performance",
        sa.Column("date", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("signals", sa.BigInteger(), nullable=False),
        sa.Column("trades", sa.BigInteger(), nullable=False),
        sa.Column("total_pnl_krw", EXACT, nullable=False),
        sa.Column("fees_krw", EXACT, nullable=False),
        sa.Column("net_pnl_krw", EXACT, nullable=False),
        sa.Column("sharpe", sa.Float(), nullable=True),
        sa.Column("max_drawdown_krw", EXACT, nullable=False),
        sa.Column("win_rate", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("date", "mode"),
    )


def _exchanges() -> None:
    op.create_table(
        "exchanges",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("tier", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("maker_pct", EXACT, nullable=False),
        sa.Column("taker_pct", EXACT, nullable=False),
        sa.Column("config", sa.String(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _notices() -> None:
    op.create_table(
        "notices",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("wall_ms", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_notices_wall", "notices", ["wall_ms"])


def _orders() -> None:
    op.create_table(
        "orders",
        sa.Column("cid", sa.String(), nullable=False),
        sa.Column("trade_id", sa.String(), nullable=False),
        sa.Column("venue", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("venue_order_id", sa.String(), nullable=False),
        sa.Column("requested_qty", EXACT, nullable=False),
        sa.Column("requested_price", EXACT, nullable=False),
        sa.Column("filled_qty", EXACT, nullable=False),
        sa.Column("filled_quote", EXACT, nullable=False),
        sa.Column("fees", sa.String(), nullable=False),
        sa.Column("latency_us", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("cid"),
    )
    op.create_index("ix_orders_symbol", "orders", ["symbol", "updated_ms"])
    op.create_index("ix_orders_trade", "orders", ["trade_id"])
    op.create_index("ix_orders_updated", "orders", ["updated_ms"])


def _portfolio_snapshots() -> None:
    op.create_table(
        "portfolio_snapshots",
        sa.Column("wall_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("venue", sa.String(), nullable=False),
        sa.Column("asset", sa.String(), nullable=False),
        sa.Column("ledger", EXACT, nullable=False),
        sa.Column("venue_total", EXACT, nullable=False),
        sa.Column("difference", EXACT, nullable=False),
        sa.Column("value_krw", EXACT, nullable=False),
        sa.PrimaryKeyConstraint("wall_ms", "venue", "asset"),
    )


def _refusals() -> None:
    op.create_table(
        "refusals",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("wall_ms", sa.BigInteger(), nullable=False),
        sa.Column("strategy", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("opportunity_id", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_refusals_key", "refusals", ["key", "wall_ms"])
    op.create_index("ix_refusals_wall", "refusals", ["wall_ms"])


def _replies() -> None:
    op.create_table(
        "replies",
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("wall_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_index("ix_replies_wall", "replies", ["wall_ms"])


def _settings() -> None:
    op.create_table(
        "settings",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("wall_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "version"),
    )


def _trades() -> None:
    op.create_table(
        "trades",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("signal_id", sa.String(), nullable=False),
        sa.Column("strategy", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("coin", sa.String(), nullable=False),
        sa.Column("venue_pair", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("notional_krw", EXACT, nullable=False),
        sa.Column("planned_notional_krw", EXACT, nullable=False),
        sa.Column("expected_krw", EXACT, nullable=False),
        sa.Column("net_krw", EXACT, nullable=False),
        sa.Column("fees_krw", EXACT, nullable=False),
        sa.Column("slippage_krw", EXACT, nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("closed_ms", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_trades_closed", "trades", ["closed_ms"])
    op.create_index("ix_trades_opened", "trades", ["opened_ms"])


def upgrade() -> None:
    _arbitrage_signals()
    _audit()
    _daily_performance()
    _exchanges()
    _notices()
    _orders()
    _portfolio_snapshots()
    _refusals()
    _replies()
    _settings()
    _trades()


def downgrade() -> None:
    for table in (
        "trades",
        "settings",
        "replies",
        "refusals",
        "portfolio_snapshots",
        "orders",
        "notices",
        "exchanges",
        "daily_performance",
        "audit",
        "arbitrage_signals",
    ):
        op.drop_table(table)
