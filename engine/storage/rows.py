"""Views -> rows of the SQL tables. Pure; the caller has the database."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
import sqlalchemy as sa

from engine.domain.effect import OrderView, Record
from engine.domain.money import ZERO, exact
from engine.domain.order import Side
from engine.domain.view import BalanceView, FillView, LegView, OpportunityView, RefusalView, TradeView
from engine.storage import models

Row = dict[str, Any]

_signal = msgspec.json.Decoder(OpportunityView).decode
_trade = msgspec.json.Decoder(TradeView).decode
_order = msgspec.json.Decoder(OrderView).decode
_refusal = msgspec.json.Decoder(RefusalView).decode
_balances = msgspec.json.Decoder(list[BalanceView]).decode


def table_of(model: type[models.Base]) -> sa.Table:
    table = model.__table__
    assert isinstance(table, sa.Table)
    return table


def rows_of(record: Record) -> tuple[sa.Table, list[Row]]:
    """Raises msgspec.ValidationError for a row that is not its table's view, KeyError for an unknown table."""
    model, make = _TABLES[record.table]
    return table_of(model), make(record)


def exchange_row(
    name: str, active: bool, maker_fee_bps: Decimal, taker_fee_bps: Decimal, config: str, now_ms: int
) -> Row:
    """A venue as configured, for `exchanges`. `config`: JSON without secrets. Every venue is of tier 2 (R155)."""
    return {
        "name": name,
        "tier": 2,
        "active": active,
        "maker_pct": maker_fee_bps / 100,
        "taker_pct": taker_fee_bps / 100,
        "config": config,
        "updated_ms": now_ms,
    }


def _signal_rows(record: Record) -> list[Row]:
    view = _signal(record.row)
    return [
        {
            "id": view.id,
            "strategy": view.strategy,
            "key": view.key,
            "coin": view.coin,
            "buy_venue": _venue(view.legs, Side.BUY),
            "sell_venue": _venue(view.legs, Side.SELL),
            "gross_spread": view.gross,
            "net_spread": view.net,
            "estimated_pnl_krw": view.profit_krw,
            "notional_krw": view.notional_krw,
            "status": view.state,
            "reason": view.reason,
            "trade_id": view.trade_id,
            "opened_ms": view.opened_ms,
            "updated_ms": view.updated_ms,
            "body": record.row,
        }
    ]


def _trade_rows(record: Record) -> list[Row]:
    view = _trade(record.row)
    # A dead letter may have no end yet, but what it earned or lost belongs to the day on which it became one.
    closed_ms = view.closed_ms or (record.wall_ms if view.state == "dead_letter" else 0)
    return [
        {
            "id": view.id,
            "signal_id": view.opportunity_id,
            "strategy": view.strategy,
            "key": view.key,
            "coin": view.legs[0].base if view.legs else "",
            "venue_pair": ">".join(v for v in (_venue(view.legs, Side.BUY), _venue(view.legs, Side.SELL)) if v),
            "actor": view.actor,
            "state": view.state,
            "outcome": view.outcome,
            "notional_krw": _notional_krw(view, [leg.filled_qty * leg.fill_price for leg in view.legs]),
            "planned_notional_krw": _notional_krw(view, [leg.planned_qty * leg.planned_price for leg in view.legs]),
            "expected_krw": view.pnl.expected_krw,
            "net_krw": view.pnl.net_krw,
            "fees_krw": view.pnl.fees_krw,
            "slippage_krw": view.pnl.slippage_krw,
            "opened_ms": view.opened_ms,
            "closed_ms": closed_ms,
            "body": record.row,
        }
    ]


def _order_rows(record: Record) -> list[Row]:
    view = _order(record.row)
    request, report = view.request, view.report
    fees = {fee.asset: fee.amount for fee in report.fees} if report else {}
    return [
        {
            "cid": request.cid,
            "trade_id": request.trade_id,
            "venue": request.venue,
            "symbol": request.symbol,
            "side": request.side.value,
            "role": request.role.value,
            "type": request.tif.value,
            "status": view.status,
            "venue_order_id": report.venue_order_id if report else "",
            "requested_qty": request.qty,
            "requested_price": request.price,
            "filled_qty": report.filled_qty if report else ZERO,
            "filled_quote": report.filled_quote if report else ZERO,
            "fees": msgspec.json.encode(fees).decode(),
            "latency_us": view.latency_us,
            "updated_ms": record.wall_ms,
            "body": record.row,
        }
    ]


def _refusal_rows(record: Record) -> list[Row]:
    view = _refusal(record.row)
    return [
        {
            "id": view.id,
            "wall_ms": view.wall_ms,
            "strategy": view.strategy,
            "key": view.key,
            "opportunity_id": view.opportunity_id,
            "rule": view.rule,
            "body": record.row,
        }
    ]


def _snapshot_rows(record: Record) -> list[Row]:
    return [
        {
            "wall_ms": record.wall_ms,
            "venue": balance.venue,
            "asset": balance.asset,
            "ledger": balance.ledger,
            "venue_total": balance.venue_total,
            "difference": balance.difference,
            "value_krw": balance.krw,
        }
        for balance in _balances(record.row)
    ]


def _venue(legs: tuple[LegView, ...] | tuple[FillView, ...], side: Side) -> str:
    return next((leg.venue for leg in legs if leg.side == side.value), "")


def _notional_krw(view: TradeView, quote_amounts: list[Decimal]) -> Decimal:
    """The larger leg in KRW at the rates that the trade was planned with; a leg without a known rate does not count."""
    known = [amount * _krw_per(leg.quote, view.facts) for leg, amount in zip(view.legs, quote_amounts, strict=True)]
    return max(known, default=ZERO)


def _krw_per(quote: str, facts: Mapping[str, float]) -> Decimal:
    if quote == "KRW":
        return Decimal(1)
    rate = facts.get("usdt_krw") or facts.get("fx") if quote in ("USDT", "USD", "USDC") else None
    return exact(rate) if rate else ZERO


_TABLES: dict[str, tuple[type[models.Base], Any]] = {
    "signals": (models.ArbitrageSignal, _signal_rows),
    "trades": (models.Trade, _trade_rows),
    "orders": (models.Order, _order_rows),
    "refusals": (models.Refusal, _refusal_rows),
    "snapshots": (models.PortfolioSnapshot, _snapshot_rows),
}
