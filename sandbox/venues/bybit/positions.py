"""Bybit's positions, leverage and statement of an account of linear contracts. One-way mode, cross margin."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from aiohttp import web

from sandbox.venues.bybit.orders import Desk, No, Say
from sandbox.venues.door import Malformed, whole
from sandbox.venues.positions import Flow, FlowKind, Position
from sandbox.venues.public import symbol_of
from sandbox.venues.spelling import plain
from sandbox.venues.trading import positive

_DAY_MS = 86_400_000
_SPAN_MS = 7 * _DAY_MS
_MOST_ROWS = 50
_ONE_WAY, _HEDGE = "0", "3"
_MODE_AS_IS = (110_025, "Position mode is not modified")
_LEVERAGE_AS_IS = (110_043, "Set leverage not modified")
_NO_HEDGE = (110_029, "Hedge mode is not available for this symbol")


class Positions:
    def __init__(self, say: Say, no: No) -> None:
        self._say = say
        self._no = no

    def listed(self, desk: Desk, account: str, query: Mapping[str, Any]) -> web.Response:
        """One symbol, held or not; or all that is held in what settles in a coin."""
        statements = desk.floor.statements
        if query.get("symbol"):
            found = [statements.position(account, symbol_of(desk.floor, query["symbol"]))]
        elif query.get("settleCoin"):
            found = [each for each in statements.positions(account) if query["settleCoin"] == "USDT"]
        else:
            raise Malformed("symbol", "or settleCoin")
        return desk.page([_row(each) for each in found], query, 20)

    def set_leverage(self, desk: Desk, account: str, body: Mapping[str, Any]) -> web.Response:
        """Raises Malformed, Refused."""
        symbol = symbol_of(desk.floor, str(body.get("symbol")))
        wanted = positive(body, "buyLeverage")
        if wanted != positive(body, "sellLeverage") or wanted % 1:
            raise Malformed("buyLeverage")
        if int(wanted) == desk.floor.exchange.clearing.leverage(account, symbol):
            return self._no(*_LEVERAGE_AS_IS)
        desk.floor.exchange.clearing.set_leverage(account, symbol, int(wanted))
        return self._say({})

    def switch_mode(self, desk: Desk, _: str, body: Mapping[str, Any]) -> web.Response:
        """Accounts are one-way and stay so."""
        if body.get("symbol"):
            symbol_of(desk.floor, str(body["symbol"]))
        elif body.get("coin") != "USDT":
            raise Malformed("coin")
        if str(body.get("mode")) not in (_ONE_WAY, _HEDGE):
            raise Malformed("mode")
        return self._no(*(_MODE_AS_IS if str(body["mode"]) == _ONE_WAY else _NO_HEDGE))

    def log(self, desk: Desk, account: str, query: Mapping[str, str]) -> web.Response:
        """Newest first, of a week at most; without times the last day."""
        start_ms, end_ms = _span(query, desk.floor.clock())
        if not 0 < whole(query, "limit", 20) <= _MOST_ROWS:
            raise Malformed("limit")
        rows: dict[str, dict[str, Any]] = {}
        for flow in desk.floor.exchange.clearing.statement(account, start_ms):
            if flow.at_ms <= end_ms:
                _enter(rows, flow)
        kind = query.get("type")
        kept = [row for row in reversed(rows.values()) if kind in (None, "", row["type"])]
        return desk.page([row for row in kept if query.get("currency") in (None, row["currency"])], query, 20)

    def coin(self, desk: Desk, account: str) -> dict[str, str]:
        """The margin of the account, as its balance shows it."""
        margin = desk.floor.statements.margin(account)
        return {
            "coin": "USDT",
            "walletBalance": plain(margin.wallet),
            "locked": "0",
            "equity": plain(margin.equity),
            "unrealisedPnl": plain(margin.unrealised),
            "totalPositionIM": plain(margin.positions),
            "totalOrderIM": plain(margin.orders),
            "totalPositionMM": plain(margin.maintenance),
            "availableToWithdraw": "",
        }


def _span(query: Mapping[str, str], now_ms: int) -> tuple[int, int]:
    """Raises Malformed."""
    start, end = query.get("startTime"), query.get("endTime")
    if start is None:
        end_ms = whole(query, "endTime", now_ms)
        return end_ms - _DAY_MS, end_ms
    start_ms = whole(query, "startTime", 0)
    end_ms = whole(query, "endTime", start_ms + _DAY_MS) if end is not None else start_ms + _DAY_MS
    if end_ms < start_ms or end_ms - start_ms > _SPAN_MS:
        raise Malformed("endTime")
    return start_ms, end_ms


def _enter(rows: dict[str, dict[str, Any]], flow: Flow) -> None:
    """The result and the fee of one fill are one row."""
    is_funding = flow.kind is FlowKind.FUNDING
    key = f"fill {flow.fill_id}" if flow.fill_id else f"flow {flow.id}"
    row = rows.setdefault(
        key,
        {
            "id": f"592324_{flow.symbol}_{1_000_000 + flow.id}",
            "symbol": flow.symbol,
            "category": "linear",
            "side": "Buy" if flow.qty > 0 else "Sell" if flow.qty < 0 else "None",
            "transactionTime": str(flow.at_ms),
            "type": "SETTLEMENT" if is_funding else "TRADE" if flow.fill_id else "LIQUIDATION",
            "qty": plain(abs(flow.qty)),
            "size": plain(flow.qty),
            "currency": flow.asset,
            "tradePrice": plain(flow.mark),
            "funding": "",
            "fee": "0",
            "cashFlow": "0",
            "feeRate": plain(flow.rate),
            "tradeId": str(2_100_000_000_000_000_000 + flow.fill_id) if flow.fill_id else "",
        },
    )
    name = {FlowKind.FUNDING: "funding", FlowKind.FEE: "fee"}.get(flow.kind, "cashFlow")
    row[name] = plain(-flow.amount if flow.kind is FlowKind.FEE else flow.amount)
    row["change"] = plain(Decimal(row.get("change", "0")) + flow.amount)


def _row(held: Position) -> dict[str, Any]:
    qty = abs(held.qty)
    return {
        "positionIdx": 0,
        "riskId": 1,
        "riskLimitValue": "2000000",
        "symbol": held.symbol,
        "side": "Buy" if held.qty > 0 else "Sell" if held.qty else "",
        "size": plain(qty),
        "avgPrice": plain(held.entry),
        "positionValue": plain(qty * held.entry),
        "tradeMode": 0,
        "autoAddMargin": 0,
        "positionStatus": "Normal",
        "leverage": str(held.leverage),
        "markPrice": plain(held.mark),
        "liqPrice": "" if held.liquidation is None else plain(held.liquidation),
        "bustPrice": "",
        "positionIM": plain(held.initial),
        "positionMM": plain(held.maintenance),
        "positionBalance": plain(held.initial),
        "unrealisedPnl": plain(held.unrealised),
        "curRealisedPnl": plain(held.realised),
        "cumRealisedPnl": plain(held.realised),
        "takeProfit": "",
        "stopLoss": "",
        "trailingStop": "0",
        "tpslMode": "Full",
        "isReduceOnly": False,
        "updatedTime": str(held.updated_ms),
    }
