"""Binance's JSON: requests in, rows out. Every number is text with eight decimals."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from sandbox.venues.door import Malformed
from sandbox.venues.ledger import ZERO
from sandbox.venues.orders import Fill, Kind, Order, OrderRequest, Side, State, Tif
from sandbox.venues.rules import MarketRules, Stp, VenueRules
from sandbox.venues.spelling import fixed, plain
from sandbox.venues.statements import Statements
from sandbox.venues.wallets import Wallets

CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_STP = {
    "EXPIRE_MAKER": Stp.CANCEL_MAKER,
    "EXPIRE_TAKER": Stp.CANCEL_TAKER,
    "EXPIRE_BOTH": Stp.CANCEL_BOTH,
    "DECREMENT": Stp.REDUCE,
    "NONE": Stp.NONE,
}
_STP_NAMES = {stp: name for name, stp in _STP.items()}
ORDER_TYPES = ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT"]


def wish(account: str, query: Mapping[str, str]) -> OrderRequest:
    """Raises Malformed."""
    side = {"BUY": Side.BUY, "SELL": Side.SELL}.get(query.get("side", ""))
    if side is None:
        raise Malformed("side")
    client_id = query.get("newClientOrderId", "")
    if client_id and not CLIENT_ID.fullmatch(client_id):
        raise Malformed("newClientOrderId", "illegal")
    stp = query.get("selfTradePreventionMode")
    if stp is not None and stp not in _STP:
        raise Malformed("selfTradePreventionMode")
    kind = query.get("type", "")
    budget = number(query, "quoteOrderQty") if kind == "MARKET" and "quoteOrderQty" in query else None
    if kind not in ORDER_TYPES:
        raise Malformed("type")
    return OrderRequest(
        account=account,
        symbol=query.get("symbol", ""),
        side=side,
        kind=Kind.LIMIT if kind != "MARKET" else Kind.MARKET if budget is None else Kind.BUDGET,
        tif=_tif(kind, query),
        price=number(query, "price") if kind != "MARKET" else None,
        qty=number(query, "quantity") if budget is None else None,
        budget=budget,
        client_id=client_id,
        stp=_STP[stp] if stp else None,
        stop=number(query, "stopPrice") if kind == "STOP_LOSS_LIMIT" else None,
    )


def _tif(kind: str, query: Mapping[str, str]) -> Tif:
    if kind == "LIMIT_MAKER":
        return Tif.POST_ONLY
    if kind == "MARKET":
        return Tif.IOC
    tif = {"GTC": Tif.GTC, "IOC": Tif.IOC, "FOK": Tif.FOK}.get(query.get("timeInForce", ""))
    if tif is None:
        raise Malformed("timeInForce")
    return tif


def number(query: Mapping[str, str], name: str) -> Decimal:
    """Raises Malformed."""
    try:
        value = Decimal(query[name])
    except (KeyError, InvalidOperation) as error:
        raise Malformed(name) from error
    if not value.is_finite() or value <= 0:
        raise Malformed(name)
    return value


def order_row(order: Order) -> dict[str, object]:
    """As GET /api/v3/order shows it."""
    return {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "price": fixed(order.price or ZERO),
        "origQty": fixed(order.qty if order.qty is not None else order.filled),
        "executedQty": fixed(order.filled),
        "origQuoteOrderQty": fixed(order.budget or ZERO),
        "cummulativeQuoteQty": fixed(order.funds),
        "status": _status(order),
        "timeInForce": "GTC" if order.tif is Tif.POST_ONLY or order.kind is not Kind.LIMIT else order.tif.name,
        "type": _type_name(order),
        "side": order.side.name,
        "stopPrice": fixed(order.stop or ZERO),
        "icebergQty": fixed(ZERO),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": True,
        "workingTime": order.created_ms,
        "selfTradePreventionMode": _STP_NAMES.get(order.stp, "NONE"),
    }


def placed_row(order: Order, response: str) -> dict[str, object]:
    """The answer to a placement: ACK, RESULT or FULL."""
    row = order_row(order)
    ack: dict[str, object] = {key: row[key] for key in ("symbol", "orderId", "orderListId", "clientOrderId")}
    ack["transactTime"] = order.updated_ms
    if response == "ACK":
        return ack
    drop = ("stopPrice", "icebergQty", "time", "updateTime", "isWorking")
    result = ack | {key: value for key, value in row.items() if key not in drop}
    return result | {"fills": [_fill_row(fill) for fill in order.fills]} if response == "FULL" else result


def _fill_row(fill: Fill) -> dict[str, object]:
    return {
        "price": fixed(fill.price),
        "qty": fixed(fill.qty),
        "commission": fixed(fill.fee),
        "commissionAsset": fill.fee_asset,
        "tradeId": fill.id,
    }


def trade_row(order: Order, fill: Fill) -> dict[str, object]:
    """As GET /api/v3/myTrades shows it."""
    row = _fill_row(fill)
    number_of = row.pop("tradeId")
    buys = order.side is Side.BUY
    return {
        "symbol": order.symbol,
        "id": number_of,
        "orderId": order.id,
        "orderListId": -1,
        **row,
        "quoteQty": fixed(fill.price * fill.qty),
        "time": fill.at_ms,
        "isBuyer": buys,
        "isMaker": fill.maker,
        "isBestMatch": True,
    }


def account_row(rules: VenueRules, statements: Statements, account: str, now_ms: int) -> dict[str, object]:
    maker, taker = fixed(rules.maker_fee), fixed(rules.taker_fee)
    zero = fixed(ZERO)
    return {
        "makerCommission": int(rules.maker_fee * 10_000),
        "takerCommission": int(rules.taker_fee * 10_000),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {"maker": maker, "taker": taker, "buyer": zero, "seller": zero},
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": now_ms,
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": fixed(balance.free), "locked": fixed(balance.held)}
            for asset, balance in statements.balances(account).items()
        ],
        "permissions": ["SPOT"],
        "uid": 354937868,
    }


def market_row(rules: MarketRules, status: str) -> dict[str, object]:
    """One symbol of exchangeInfo."""
    tick, lot = rules.bands[0].tick, rules.lot
    return {
        "symbol": rules.symbol,
        "status": status,
        "baseAsset": rules.base,
        "baseAssetPrecision": 8,
        "quoteAsset": rules.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ORDER_TYPES,
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": fixed(tick),
                "maxPrice": "1000000.00000000",
                "tickSize": fixed(tick),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": fixed(rules.min_qty),
                "maxQty": "900000.00000000",
                "stepSize": fixed(lot),
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": fixed(rules.min_notional),
                "applyMinToMarket": True,
                "maxNotional": fixed(rules.max_notional),
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": list(_STP)[:4],
    }


def currency_row(asset: str, wallets: Wallets) -> dict[str, object]:
    """One coin of capital/config/getall."""
    network = {"USDT": "TRX"}.get(asset, asset)
    wallet = wallets.of(asset, network)
    fee = {"BTC": "0.00015", "ETH": "0.0012", "XRP": "0.2", "USDT": "1"}.get(asset, "0")
    return {
        "coin": asset,
        "name": asset,
        "free": "0",
        "locked": "0",
        "isLegalMoney": False,
        "trading": True,
        "depositAllEnable": wallet.deposits,
        "withdrawAllEnable": wallet.withdrawals,
        "networkList": [
            {
                "network": network,
                "coin": asset,
                "name": network,
                "isDefault": True,
                "depositEnable": wallet.deposits,
                "withdrawEnable": wallet.withdrawals,
                "withdrawFee": fee,
                "withdrawMin": plain(Decimal(fee) * 2),
                "withdrawMax": "9999999",
                "withdrawIntegerMultiple": "0.00000001",
                "minConfirm": 1,
                "unLockConfirm": 2,
            }
        ],
    }


def _type_name(order: Order) -> str:
    if order.kind is not Kind.LIMIT:
        return "MARKET"
    if order.stop is not None:
        return "STOP_LOSS_LIMIT"
    return "LIMIT_MAKER" if order.tif is Tif.POST_ONLY else "LIMIT"


def _status(order: Order) -> str:
    if order.state is State.OPEN:
        return "PARTIALLY_FILLED" if order.filled else "NEW"
    if order.state is State.FILLED:
        return "FILLED"
    if order.end is None:
        return "CANCELED"
    return {"user": "CANCELED", "tif": "EXPIRED", "self_trade": "EXPIRED_IN_MATCH"}[order.end.value]
