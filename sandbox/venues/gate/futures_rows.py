"""How Gate's futures write orders, trades, positions and changes of the wallet, and how they say no."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sandbox.venues.orders import End, Fill, Kind, Order, Reason, Side, State, Tif
from sandbox.venues.positions import Flow, FlowKind, Position
from sandbox.venues.spelling import plain
from sandbox.venues.stops import Stop, Stops

TIFS = {"gtc": Tif.GTC, "ioc": Tif.IOC, "fok": Tif.FOK, "poc": Tif.POST_ONLY}
_TIF_NAMES = {tif: name for name, tif in TIFS.items()}
USER = 10_002
_ORDER_BASE = 58_828_270_000_000
STOP_BASE = 2_050_000_000_000_000_000  # past 2^53
LABELS = {
    Reason.UNKNOWN_MARKET: ("CONTRACT_NOT_FOUND", "contract not found"),
    Reason.BAD_TICK: ("INVALID_PARAM_VALUE", "invalid argument: price is no multiple of order_price_round"),
    Reason.BAD_LOT: ("INVALID_PARAM_VALUE", "invalid argument: size"),
    Reason.BELOW_MIN_QTY: ("SIZE_TOO_SMALL", "size too small"),
    Reason.BELOW_MIN_NOTIONAL: ("SIZE_TOO_SMALL", "size too small"),
    Reason.ABOVE_MAX_NOTIONAL: ("SIZE_TOO_LARGE", "size too large"),
    Reason.INSUFFICIENT_FUNDS: ("BALANCE_NOT_ENOUGH", "balance not enough"),
    Reason.DUPLICATE_CLIENT_ID: ("REPEATED_CREATION", "Duplicate text"),
    Reason.NO_LIQUIDITY: ("CONTRACT_NO_COUNTER", "no counter order"),
    Reason.WOULD_TRIGGER: ("AUTO_TRIGGER_PRICE_LESS_LAST", "invalid argument: Trigger.Price must < last_price"),
    Reason.WOULD_TAKE: ("ORDER_POC_IMMEDIATE", "order price would match immediately"),
    Reason.UNKNOWN_ORDER: ("ORDER_NOT_FOUND", "Order not found"),
    Reason.ALREADY_CLOSED: ("ORDER_FINISHED", "order is finished"),
    Reason.REDUCE_ONLY: ("INCREASE_POSITION", "reduce-only order would increase the position"),
    Reason.BAD_LEVERAGE: ("LEVERAGE_TOO_HIGH", "leverage exceeds the limit"),
    Reason.ON_REQUEST: ("TRADE_RESTRICTED", "Trade restricted"),
}
_FINISHED = {
    End.USER: "cancelled",
    End.SELF_TRADE: "stp",
    End.REDUCE_ONLY: "reduce_only",
    End.LIQUIDATION: "liquidated",
}
_TYPES = {FlowKind.REALISED: "pnl", FlowKind.FEE: "fee", FlowKind.FUNDING: "fund", FlowKind.COVER: "dnw"}


def order_row(order: Order, stops: Stops) -> dict[str, Any]:
    """As /futures/usdt/orders shows it: buying is above zero."""
    sign = 1 if order.side is Side.BUY else -1
    said: dict[str, Any] = {
        "id": int(order_id(order)),
        "user": USER,
        "contract": order.symbol,
        "create_time": order.created_ms / 1_000,
        "status": "open" if order.state is State.OPEN else "finished",
        "size": sign * int(order.qty or 0),
        "left": sign * int(order.open_qty),
        "iceberg": 0,
        "price": plain(order.price) if order.kind is Kind.LIMIT and order.price is not None else "0",
        "fill_price": plain(round(order.average, 12)) if order.filled else "0",
        "tif": _TIF_NAMES[order.tif],
        "text": _text(order, stops),
        "is_reduce_only": order.reduce_only,
        "is_close": False,
        "is_liq": order.client_id.startswith("autoclose"),
    }
    if order.state is not State.OPEN:
        ended = _FINISHED.get(order.end or End.TIF, _TIF_NAMES[order.tif])
        said |= {"finish_time": order.updated_ms / 1_000}
        said |= {"finish_as": "filled" if order.state is State.FILLED else ended}
    return said


def trade_row(order: Order, fill: Fill, stops: Stops) -> dict[str, Any]:
    return {
        "id": 26_884_000 + fill.id,
        "create_time": fill.at_ms / 1_000,
        "contract": order.symbol,
        "order_id": order_id(order),
        "size": int(fill.qty) if order.side is Side.BUY else -int(fill.qty),
        "price": plain(fill.price),
        "role": "maker" if fill.maker else "taker",
        "text": _text(order, stops),
        "fee": plain(fill.fee),
        "point_fee": "0",
    }


def position_row(held: Position) -> dict[str, Any]:
    """In cross margin the leverage is 0 and its limit stands beside it."""
    return {
        "user": USER,
        "contract": held.symbol,
        "size": int(held.qty),
        "leverage": "0",
        "cross_leverage_limit": str(held.leverage),
        "leverage_max": "100",
        "mode": "single",
        "value": plain(held.notional),
        "entry_price": plain(held.entry),
        "mark_price": plain(held.mark),
        "liq_price": plain(held.liquidation) if held.liquidation is not None else "0",
        "margin": "0",
        "initial_margin": plain(held.initial),
        "maintenance_margin": plain(held.maintenance),
        "maintenance_rate": "0.005",
        "unrealised_pnl": plain(held.unrealised),
        "realised_pnl": plain(held.realised),
        "update_time": held.updated_ms // 1_000,
    }


def book_rows(flows: Sequence[Flow], wallet: Decimal) -> list[dict[str, Any]]:
    """Newest first, each with the wallet as it left it; `wallet` is what there is now."""
    rows = []
    for flow in reversed(flows):
        rows.append(
            {
                "time": flow.at_ms / 1_000,
                "change": plain(flow.amount),
                "balance": plain(wallet),
                "type": _TYPES[flow.kind],
                "text": f"{flow.symbol}:{flow.fill_id}" if flow.fill_id else flow.symbol,
                "contract": flow.symbol,
                "trade_id": str(26_884_000 + flow.fill_id) if flow.fill_id else "",
            }
        )
        wallet -= flow.amount
    return rows


def stop_row(stop: Stop) -> dict[str, Any]:
    """As /futures/usdt/price_orders shows it, times in seconds."""
    order, request = stop.order, stop.request
    is_buy = order.side is Side.BUY
    if stop.waits:
        ended = ""
    elif stop.went_off_ms:
        ended = "failed" if stop.made is None else "succeeded"
    else:
        ended = "cancelled"
    made = int(order_id(stop.made)) if stop.made is not None else 0
    return {
        "user": USER,
        "trigger": {
            "strategy_type": 0,
            "price_type": 0,
            "price": plain(request.stop) if request.stop is not None else "",
            "rule": 1 if is_buy else 2,
            "expiration": 0,
        },
        "initial": {
            "contract": order.symbol,
            "size": int(order.qty or 0) * (1 if is_buy else -1),
            "price": plain(order.price) if order.price is not None else "0",
            "tif": "gtc",
            "text": order.client_id,
            "iceberg": 0,
            "is_close": False,
            "is_reduce_only": order.reduce_only,
            "auto_size": "",
        },
        "id": stop_number(order),
        "id_string": str(stop_number(order)),
        "trade_id": made,
        "trade_id_string": str(made) if made else "",
        "status": "open" if stop.waits else "finished",
        "finish_as": ended,
        "reason": stop.refused.reason.value if stop.refused is not None else "",
        "create_time": order.created_ms // 1_000,
        "finish_time": order.updated_ms // 1_000,
        "is_stop_order": False,
        "order_type": "",
        "me_order_id": 0,
    }


def _text(order: Order, stops: Stops) -> str:
    """Ours; of an order that a stop made the venue's own, which names the stop."""
    stop = stops.behind(order) if order.stop is not None else None
    return f"ao-{stop_number(stop.order)}" if stop is not None else order.client_id or "api"


def stop_number(order: Order) -> int:
    return STOP_BASE + order.id


def order_id(order: Order) -> str:
    return str(_ORDER_BASE + order.id)


def order_number(text: str) -> int:
    return int(text) - _ORDER_BASE
