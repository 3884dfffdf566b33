"""How Bybit writes an order and an execution, and its reasons for no: by category where they differ."""

from collections.abc import Mapping
from typing import Any

from sandbox.venues.auth import Denied, Why
from sandbox.venues.orders import End, Fill, Kind, Order, Reason, Refused, State, Tif
from sandbox.venues.positions import Flow
from sandbox.venues.spelling import plain

TIFS = {"GTC": Tif.GTC, "IOC": Tif.IOC, "FOK": Tif.FOK, "PostOnly": Tif.POST_ONLY}
_TIF_NAMES = {tif: name for name, tif in TIFS.items()}
_ORDER_BASE = 1_520_000_000_000_000_000
Codes = Mapping[Reason, tuple[int, str]]
SPOT: Codes = {
    Reason.UNKNOWN_MARKET: (170_121, "Invalid symbol."),
    Reason.BAD_TICK: (170_134, "Order price has too many decimals."),
    Reason.BAD_LOT: (170_137, "Order quantity has too many decimals."),
    Reason.BELOW_MIN_QTY: (170_136, "The quantity of a single order is less than the minimum."),
    Reason.BELOW_MIN_NOTIONAL: (170_140, "Order value exceeded lower limit."),
    Reason.ABOVE_MAX_NOTIONAL: (170_124, "Order amount too large."),
    Reason.INSUFFICIENT_FUNDS: (170_131, "Insufficient balance."),
    Reason.DUPLICATE_CLIENT_ID: (170_141, "Duplicate clientOrderId."),
    Reason.NO_LIQUIDITY: (170_210, "New order rejected."),
    Reason.WOULD_TRIGGER: (170_193, "Buy order price cannot be higher."),
    Reason.WOULD_TAKE: (170_218, "The LIMIT-MAKER order is rejected due to invalid price."),
    Reason.UNKNOWN_ORDER: (170_213, "Order does not exist."),
    Reason.ALREADY_CLOSED: (170_213, "Order does not exist."),
    Reason.ON_REQUEST: (170_210, "New order rejected."),
}
LINEAR: Codes = {
    Reason.UNKNOWN_MARKET: (10_001, "params error: symbol invalid"),
    Reason.BAD_TICK: (10_001, "params error: price invalid"),
    Reason.BAD_LOT: (10_001, "params error: Qty invalid"),
    Reason.BELOW_MIN_QTY: (10_001, "The number of contracts exceeds minimum limit allowed"),
    Reason.BELOW_MIN_NOTIONAL: (110_094, "Order does not meet minimum order value"),
    Reason.ABOVE_MAX_NOTIONAL: (10_001, "The number of contracts exceeds maximum limit allowed: too large"),
    Reason.INSUFFICIENT_FUNDS: (110_007, "ab not enough for new order"),
    Reason.DUPLICATE_CLIENT_ID: (110_072, "OrderLinkedID is duplicate"),
    Reason.NO_LIQUIDITY: (110_003, "Order price exceeds the allowable range."),
    Reason.WOULD_TRIGGER: (110_092, "expect Rising, but trigger_price <= current"),
    Reason.WOULD_TAKE: (110_003, "Order price exceeds the allowable range."),
    Reason.UNKNOWN_ORDER: (110_001, "order not exists or too late to cancel"),
    Reason.ALREADY_CLOSED: (110_001, "order not exists or too late to cancel"),
    Reason.REDUCE_ONLY: (110_017, "current position is zero, cannot fix reduce-only order qty"),
    Reason.BAD_LEVERAGE: (110_013, "Cannot set leverage due to risk limit level"),
    Reason.ON_REQUEST: (110_066, "Trading is currently not allowed"),
}
_DENIALS = {
    Why.NO_KEY: (10_003, "API key is invalid."),
    Why.UNKNOWN_KEY: (10_003, "API key is invalid."),
    Why.BAD_SIGNATURE: (10_004, "Error sign, please check your signature generation algorithm."),
    Why.NOT_ALLOWED: (10_005, "Permission denied, please check your API key permissions."),
}
_EXPIRED = (10_002, "invalid request, please check your server timestamp or recv_window param")


def denial(error: Denied) -> tuple[int, str]:
    return _DENIALS.get(error.why, _EXPIRED)


def refusal(error: Refused, codes: Codes) -> tuple[int, str]:
    code, text = codes[error.reason]
    return (int(error.code) if error.code.isdigit() else code), text


def order_row(order: Order) -> dict[str, Any]:
    """As /v5/order/realtime shows it."""
    return {
        "orderId": order_id(order),
        "orderLinkId": order.client_id,
        "symbol": order.symbol,
        "side": order.side.name.capitalize(),
        "orderType": "Limit" if order.kind is Kind.LIMIT else "Market",
        "timeInForce": _TIF_NAMES[order.tif],
        "price": plain(order.price) if order.price is not None else "0",
        "qty": plain(order.qty if order.qty is not None else order.budget or order.filled),
        "marketUnit": "quoteCoin" if order.kind is Kind.BUDGET else "baseCoin" if order.kind is Kind.MARKET else "",
        "orderStatus": _status(order),
        "rejectReason": "EC_PostOnlyWillTakeLiquidity" if _crossed(order) else "EC_NoError",
        "cancelType": _cancel_type(order),
        "avgPrice": plain(round(order.average, 12)) if order.filled else "",
        "leavesQty": plain(order.open_qty) if order.state is State.OPEN else "0",
        "cumExecQty": plain(order.filled),
        "cumExecValue": plain(order.funds),
        "cumExecFee": plain(order.fee),
        "reduceOnly": order.reduce_only,
        "triggerPrice": plain(order.stop) if order.stop is not None else "",
        "positionIdx": 0,
        "smpType": "None",
        "createdTime": str(order.created_ms),
        "updatedTime": str(order.updated_ms),
    }


def fill_row(order: Order, fill: Fill, fee_currency: str) -> dict[str, Any]:
    """As /v5/execution/list shows it."""
    return {
        "symbol": order.symbol,
        "orderId": order_id(order),
        "orderLinkId": order.client_id,
        "side": order.side.name.capitalize(),
        "orderPrice": plain(order.price) if order.price is not None else "0",
        "orderQty": plain(order.qty) if order.qty is not None else "0",
        "orderType": "Limit" if order.kind is Kind.LIMIT else "Market",
        "execId": str(2_100_000_000_000_000_000 + fill.id),
        "execPrice": plain(fill.price),
        "execQty": plain(fill.qty),
        "execValue": plain(fill.price * fill.qty),
        "execFee": plain(fill.fee),
        "feeCurrency": fee_currency,
        "feeRate": "",
        "execType": "Trade",
        "isMaker": fill.maker,
        "execTime": str(fill.at_ms),
    }


def funding_row(flow: Flow) -> dict[str, Any]:
    """As /v5/execution/list shows a settlement: a positive fee was paid."""
    return {
        "symbol": flow.symbol,
        "orderId": f"funding-{flow.id}",
        "orderLinkId": "",
        "side": "Buy" if flow.qty > 0 else "Sell",
        "orderPrice": "0",
        "orderQty": "0",
        "orderType": "UNKNOWN",
        "execId": str(2_300_000_000_000_000_000 + flow.id),
        "execPrice": plain(flow.mark),
        "execQty": plain(abs(flow.qty)),
        "execValue": plain(abs(flow.qty) * flow.mark),
        "execFee": plain(-flow.amount),
        "feeCurrency": "",
        "feeRate": plain(flow.rate),
        "execType": "Funding",
        "isMaker": False,
        "execTime": str(flow.at_ms),
    }


def _status(order: Order) -> str:
    if order.state is State.OPEN:
        return "PartiallyFilled" if order.filled else "New"
    if order.state is State.FILLED:
        return "Filled"
    if _crossed(order) or order.end is End.REFUSED:
        return "Rejected"
    if order.stop is not None and not order.filled and order.end is End.USER:
        return "Deactivated"
    return "PartiallyFilledCanceled" if order.filled else "Cancelled"


def _cancel_type(order: Order) -> str:
    return {End.USER: "CancelByUser", End.LIQUIDATION: "CancelAllBeforeLiq"}.get(order.end or End.TIF, "UNKNOWN")


def _crossed(order: Order) -> bool:
    return order.tif is Tif.POST_ONLY and order.end is End.TIF


def order_id(order: Order) -> str:
    return str(_ORDER_BASE + order.id)


def order_number(text: str) -> int:
    return int(text) - _ORDER_BASE if text.isdigit() else -1
