"""How KuCoin's futures write orders, fills, positions and funding, and how they say no."""

from typing import Any

from sandbox.venues.ledger import ZERO
from sandbox.venues.orders import Fill, Kind, Order, Reason, Side, State, Tif
from sandbox.venues.positions import Flow, Position
from sandbox.venues.spelling import plain

REFUSALS = {
    Reason.UNKNOWN_MARKET: ("200003", "Contract symbol does not exist"),
    Reason.BAD_TICK: ("100001", "Price parameter invalid."),
    Reason.BAD_LOT: ("100001", "Quantity parameter invalid."),
    Reason.BELOW_MIN_QTY: ("100001", "Quantity parameter is below the minimum."),
    Reason.BELOW_MIN_NOTIONAL: ("100001", "Quantity parameter is below the minimum."),
    Reason.ABOVE_MAX_NOTIONAL: ("300002", "Your order exceeds the risk limit."),
    Reason.INSUFFICIENT_FUNDS: ("300003", "Insufficient balance. Please deposit first and try again."),
    Reason.DUPLICATE_CLIENT_ID: ("100001", "Duplicate clientOid."),
    Reason.NO_LIQUIDITY: ("300011", "No counterparty in the book."),
    Reason.WOULD_TAKE: ("300000", "A post-only order would match immediately."),
    Reason.UNKNOWN_ORDER: ("100001", "error.getOrder.orderNotExist"),
    Reason.ALREADY_CLOSED: ("100004", "The order cannot be canceled."),
    Reason.REDUCE_ONLY: ("300009", "No open positions to close."),
    Reason.BAD_LEVERAGE: ("100001", "Leverage parameter invalid."),
    Reason.ON_REQUEST: ("300000", "Order placement is suspended."),
}


def order_row(order: Order) -> dict[str, Any]:
    """As /api/v1/orders shows it: sizes are contracts and numbers, money is text."""
    is_open = order.state is State.OPEN
    return {
        "id": order_id(order),
        "clientOid": order.client_id or None,
        "symbol": order.symbol,
        "type": "limit" if order.kind is Kind.LIMIT else "market",
        "side": order.side.name.lower(),
        "price": plain(order.price) if order.price is not None else None,
        "size": int(order.qty or 0),
        "value": plain(order.funds),
        "filledSize": int(order.filled),
        "filledValue": plain(order.funds),
        "dealSize": int(order.filled),
        "dealValue": plain(order.funds),
        "timeInForce": "IOC" if order.tif is Tif.IOC else "GTC",
        "postOnly": order.tif is Tif.POST_ONLY,
        "reduceOnly": order.reduce_only,
        "stop": "" if order.stop is None else "down" if order.side is Side.SELL else "up",
        "stopPriceType": "" if order.stop is None else "TP",
        "stopPrice": plain(order.stop) if order.stop is not None else None,
        "hidden": False,
        "iceberg": False,
        "marginMode": "CROSS",
        "positionSide": "BOTH",
        "settleCurrency": "USDT",
        "status": "open" if is_open else "done",
        "isActive": is_open,
        "cancelExist": order.state is State.CANCELLED,
        "createdAt": order.created_ms,
        "updatedAt": order.updated_ms,
        "endAt": None if is_open else order.updated_ms,
    }


def fill_row(order: Order, fill: Fill) -> dict[str, Any]:
    return {
        "symbol": order.symbol,
        "tradeId": str(1_828_900_000_000 + fill.id),
        "orderId": order_id(order),
        "side": order.side.name.lower(),
        "liquidity": "maker" if fill.maker else "taker",
        "price": plain(fill.price),
        "size": int(fill.qty),
        "value": plain(fill.price * fill.qty * order.contract),
        "fee": plain(fill.fee),
        "feeCurrency": fill.fee_asset,
        "settleCurrency": "USDT",
        "orderType": "limit" if order.kind is Kind.LIMIT else "market",
        "tradeType": "trade",
        "marginMode": "CROSS",
        "tradeTime": fill.at_ms * 1_000_000,
        "createdAt": fill.at_ms,
    }


def position_row(held: Position) -> dict[str, Any]:
    return {
        "id": f"5000000000{held.symbol}",
        "symbol": held.symbol,
        "crossMode": True,
        "marginMode": "CROSS",
        "positionSide": "BOTH",
        "leverage": held.leverage,
        "realLeverage": held.leverage,
        "isOpen": held.qty != 0,
        "currentQty": int(held.qty),
        "avgEntryPrice": held.entry,
        "markPrice": held.mark,
        "markValue": held.notional,
        "posInit": held.initial,
        "posMargin": held.initial,
        "maintMargin": held.maintenance,
        "liquidationPrice": held.liquidation if held.liquidation is not None else ZERO,
        "unrealisedPnl": held.unrealised,
        "realisedPnl": held.realised,
        "settleCurrency": "USDT",
        "currentTimestamp": held.updated_ms,
        "isInverse": False,
    }


def payment_row(flow: Flow) -> dict[str, Any]:
    return {
        "id": payment_id(flow),
        "symbol": flow.symbol,
        "timePoint": flow.at_ms,
        "fundingRate": flow.rate,
        "markPrice": flow.mark,
        "positionQty": int(flow.qty),
        "funding": flow.amount,
        "settleCurrency": flow.asset,
        "marginMode": "CROSS",
    }


def payment_id(flow: Flow) -> int:
    return 1_472_387_374_042_000 + flow.id


def order_id(order: Order) -> str:
    return str(235_000_000_000_000_000 + order.id)


def order_number(text: str) -> int:
    return int(text) - 235_000_000_000_000_000 if text.isdigit() else -1
