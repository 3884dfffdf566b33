"""Binance futures' JSON of an account: requests in, rows out. Money has eight decimals; sizes and prices are plain."""

from collections.abc import Mapping
from typing import Any

from sandbox.venues.binance.wire import CLIENT_ID, number
from sandbox.venues.binance_usdm.refusals import refusal
from sandbox.venues.door import Malformed
from sandbox.venues.ledger import ZERO
from sandbox.venues.orders import End, Fill, Kind, Order, OrderRequest, Side, State, Tif
from sandbox.venues.positions import Flow, FlowKind, Margin, Position
from sandbox.venues.rules import MarketRules, Perp, Stp
from sandbox.venues.spelling import fixed, plain

_TIFS = {"GTC": Tif.GTC, "IOC": Tif.IOC, "FOK": Tif.FOK, "GTX": Tif.POST_ONLY}
_TIF_NAMES = {tif: name for name, tif in _TIFS.items()}
_STP = {
    "EXPIRE_MAKER": Stp.CANCEL_MAKER,
    "EXPIRE_TAKER": Stp.CANCEL_TAKER,
    "EXPIRE_BOTH": Stp.CANCEL_BOTH,
    "NONE": Stp.NONE,
}
_STP_NAMES = {stp: name for name, stp in _STP.items()}
_ENDS = {End.USER: "CANCELED", End.LIQUIDATION: "CANCELED", End.SELF_TRADE: "EXPIRED_IN_MATCH"}
INCOME = {
    FlowKind.FUNDING: "FUNDING_FEE",
    FlowKind.FEE: "COMMISSION",
    FlowKind.REALISED: "REALIZED_PNL",
    FlowKind.COVER: "INSURANCE_CLEAR",
}
_CONDITIONAL = ("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")
_FIRST_TRANSACTION = 9_689_322_000
MOST_NOTIONAL = "9000000"


def wish(account: str, query: Mapping[str, str]) -> OrderRequest:
    """Raises Malformed, and Refused for what another endpoint takes."""
    side = {"BUY": Side.BUY, "SELL": Side.SELL}.get(query.get("side", ""))
    if side is None:
        raise Malformed("side")
    kind, client_id = query.get("type", ""), query.get("newClientOrderId", "")
    if kind in _CONDITIONAL:
        raise refusal(-4120)
    if kind not in ("LIMIT", "MARKET"):
        raise Malformed("type")
    if client_id and not CLIENT_ID.fullmatch(client_id):
        raise Malformed("newClientOrderId", "illegal")
    if kind == "MARKET" and "price" in query:
        raise Malformed("price", "not required")
    stp, is_limit = query.get("selfTradePreventionMode"), kind == "LIMIT"
    if stp is not None and stp not in _STP:
        raise Malformed("selfTradePreventionMode")
    return OrderRequest(
        account=account,
        symbol=query.get("symbol", ""),
        side=side,
        kind=Kind.LIMIT if is_limit else Kind.MARKET,
        tif=_tif(query) if is_limit else Tif.IOC,
        price=number(query, "price") if is_limit else None,
        qty=number(query, "quantity"),
        client_id=client_id,
        stp=_STP[stp] if stp else None,
        reduce_only=flag(query, "reduceOnly"),
    )


def flag(query: Mapping[str, str], name: str) -> bool:
    """`true` or `false`, false where it is not named. Raises Malformed."""
    text = query.get(name, "false").lower()
    if text not in ("true", "false"):
        raise Malformed(name)
    return text == "true"


def _tif(query: Mapping[str, str]) -> Tif:
    """Raises Malformed."""
    tif = _TIFS.get(query.get("timeInForce", ""))
    if tif is None:
        raise Malformed("timeInForce")
    return tif


def order_row(order: Order) -> dict[str, Any]:
    """As GET /fapi/v1/order shows it."""
    kind = "LIMIT" if order.kind is Kind.LIMIT else "MARKET"
    return {
        "orderId": order.id,
        "symbol": order.symbol,
        "status": _status(order),
        "clientOrderId": order.client_id,
        "price": plain(order.price or ZERO),
        "avgPrice": plain(round(order.average, 8)),
        "origQty": plain(order.qty or ZERO),
        "executedQty": plain(order.filled),
        "cumQuote": plain(order.funds),
        "timeInForce": _TIF_NAMES[order.tif] if order.kind is Kind.LIMIT else "GTC",
        "type": kind,
        "reduceOnly": order.reduce_only,
        "closePosition": False,
        "side": order.side.name,
        "positionSide": "BOTH",
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": kind,
        "priceMatch": "NONE",
        "selfTradePreventionMode": _STP_NAMES.get(order.stp, "NONE"),
        "goodTillDate": 0,
        "time": order.created_ms,
        "updateTime": order.updated_ms,
    }


def changed_row(order: Order) -> dict[str, Any]:
    """As the answers to a placement, a change and a cancel show it."""
    row = order_row(order)
    del row["time"]
    return row | {"cumQty": row["executedQty"]}


def accepted_row(order: Order) -> dict[str, Any]:
    """The answer to a placement that asks for no result: the order before it met the book."""
    nothing = dict.fromkeys(("executedQty", "cumQty", "cumQuote", "avgPrice"), "0")
    return changed_row(order) | nothing | {"status": "NEW", "updateTime": order.created_ms}


def trade_row(order: Order, fill: Fill) -> dict[str, Any]:
    """As GET /fapi/v1/userTrades shows it."""
    return {
        "symbol": order.symbol,
        "id": fill.id,
        "orderId": order.id,
        "side": order.side.name,
        "price": plain(fill.price),
        "qty": plain(fill.qty),
        "realizedPnl": fixed(fill.realised),
        "quoteQty": plain(fill.price * fill.qty),
        "commission": fixed(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.at_ms,
        "positionSide": "BOTH",
        "buyer": order.side is Side.BUY,
        "maker": fill.maker,
    }


def income_row(flow: Flow) -> dict[str, Any]:
    kind = INCOME[flow.kind]
    return {
        "symbol": flow.symbol,
        "incomeType": kind,
        "income": fixed(flow.amount),
        "asset": flow.asset,
        "time": flow.at_ms,
        "info": str(flow.fill_id) if flow.fill_id else kind,
        "tranId": _FIRST_TRANSACTION + flow.id,
        "tradeId": str(flow.fill_id) if flow.fill_id else "",
    }


def balance_row(margin: Margin, now_ms: int) -> dict[str, Any]:
    """As GET /fapi/v3/balance shows it."""
    available = fixed(max(ZERO, margin.available))
    return {
        "accountAlias": "SgsR",
        "asset": "USDT",
        "balance": fixed(margin.wallet),
        "crossWalletBalance": fixed(margin.wallet),
        "crossUnPnl": fixed(margin.unrealised),
        "availableBalance": available,
        "maxWithdrawAmount": available,
        "marginAvailable": True,
        "updateTime": now_ms,
    }


def account_row(margin: Margin, positions: list[dict[str, Any]], now_ms: int) -> dict[str, Any]:
    """As GET /fapi/v2/account and /fapi/v3/account show it."""
    available = fixed(max(ZERO, margin.available))
    said = {
        "InitialMargin": fixed(margin.positions + margin.orders),
        "MaintMargin": fixed(margin.maintenance),
        "WalletBalance": fixed(margin.wallet),
        "UnrealizedProfit": fixed(margin.unrealised),
        "MarginBalance": fixed(margin.equity),
        "PositionInitialMargin": fixed(margin.positions),
        "OpenOrderInitialMargin": fixed(margin.orders),
        "CrossWalletBalance": fixed(margin.wallet),
        "CrossUnPnl": fixed(margin.unrealised),
    }
    asset: dict[str, Any] = {f"{name[0].lower()}{name[1:]}": text for name, text in said.items()}
    rest: dict[str, Any] = {"availableBalance": available, "maxWithdrawAmount": available}
    head: dict[str, Any] = {"feeTier": 0, "canTrade": True, "canDeposit": True, "canWithdraw": False}
    head |= {"multiAssetsMargin": False, "tradeGroupId": -1, "updateTime": 0}
    head |= {f"total{name}": text for name, text in said.items()}
    row = {"asset": "USDT", **asset, **rest, "marginAvailable": True, "updateTime": now_ms}
    return head | rest | {"assets": [row], "positions": positions}


def position_row(position: Position) -> dict[str, Any]:
    """As GET /fapi/v3/positionRisk shows it."""
    signed = position.notional.copy_sign(position.qty)
    return {
        "symbol": position.symbol,
        "positionSide": "BOTH",
        "positionAmt": plain(position.qty),
        "entryPrice": plain(position.entry),
        "breakEvenPrice": plain(position.entry),
        "markPrice": fixed(position.mark),
        "unRealizedProfit": fixed(position.unrealised),
        "liquidationPrice": plain(round(position.liquidation or ZERO, 8)),
        "isolatedMargin": "0",
        "notional": fixed(signed),
        "marginAsset": "USDT",
        "isolatedWallet": "0",
        "initialMargin": fixed(position.initial),
        "maintMargin": fixed(position.maintenance),
        "positionInitialMargin": fixed(position.initial),
        "openOrderInitialMargin": "0",
        "adl": 2 if position.qty else 0,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": position.updated_ms,
    }


def older_position_row(position: Position) -> dict[str, Any]:
    """As GET /fapi/v2/positionRisk shows it: with what the third version left to symbolConfig."""
    row = position_row(position)
    kept = ("entryPrice", "breakEvenPrice", "liquidationPrice", "markPrice", "positionAmt", "notional", "symbol")
    more = ("isolatedMargin", "isolatedWallet", "unRealizedProfit", "positionSide", "updateTime")
    said = {name: row[name] for name in (*kept, *more)}
    settings = {"marginType": "cross", "isAutoAddMargin": "false", "leverage": str(position.leverage)}
    return said | settings | {"maxNotionalValue": MOST_NOTIONAL}


def account_position_row(position: Position) -> dict[str, Any]:
    """As GET /fapi/v2/account lists it."""
    row = position_row(position)
    kept = ("symbol", "initialMargin", "maintMargin", "positionInitialMargin", "openOrderInitialMargin", "entryPrice")
    said = {name: row[name] for name in (*kept, "positionSide", "positionAmt", "notional", "isolatedWallet")}
    said |= {"unrealizedProfit": row["unRealizedProfit"], "updateTime": row["updateTime"]}
    return said | {"leverage": str(position.leverage), "isolated": False, "maxNotional": MOST_NOTIONAL}


def bracket_row(market: MarketRules, perp: Perp) -> dict[str, Any]:
    """One bracket holds all: margin does not grow with size here."""
    bracket = {
        "bracket": 1,
        "initialLeverage": perp.max_leverage,
        "notionalCap": int(market.max_notional),
        "notionalFloor": 0,
        "maintMarginRatio": perp.maintenance,
        "cum": 0,
    }
    return {"symbol": market.symbol, "brackets": [bracket]}


def _status(order: Order) -> str:
    if order.state is State.OPEN:
        return "PARTIALLY_FILLED" if order.filled else "NEW"
    if order.state is State.FILLED:
        return "FILLED"
    return "CANCELED" if order.end is None else _ENDS.get(order.end, "EXPIRED")
