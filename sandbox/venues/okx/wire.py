"""OKX's JSON: requests in, rows out. Every number is text, times are text in ms, commissions are negative."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from sandbox.venues.door import Malformed
from sandbox.venues.floor import Floor, PerpState
from sandbox.venues.ledger import ZERO
from sandbox.venues.orders import End, Fill, Kind, Order, OrderRequest, Side, State, Tif
from sandbox.venues.rules import MarketRules, Stp
from sandbox.venues.spelling import plain
from sandbox.venues.statements import Statements
from sandbox.venues.wallets import Wallets

SWAP = "-SWAP"
FIRST_CODE = 10_459  # instIdCode of the first market
_FIRST_ALGO = 1_000_000_000_000_000_000
_CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_STP = {"cancel_maker": Stp.CANCEL_MAKER, "cancel_taker": Stp.CANCEL_TAKER, "cancel_both": Stp.CANCEL_BOTH}
_STP_NAMES = {stp: name for name, stp in _STP.items()}
_TARGETS = {Kind.BUDGET: "quote_ccy"}
_TIFS = {"limit": Tif.GTC, "market": Tif.IOC, "ioc": Tif.IOC, "fok": Tif.FOK, "post_only": Tif.POST_ONLY}


def wish(account: str, body: Mapping[str, object], margin: str) -> OrderRequest:
    """`margin` is the tdMode that the account trades in: cash, or cross. Raises Malformed."""
    side = {"buy": Side.BUY, "sell": Side.SELL}.get(str(body.get("side")))
    if side is None:
        raise Malformed("side")
    kind = str(body.get("ordType"))
    if kind not in _TIFS:
        raise Malformed("ordType")
    if body.get("tdMode") != margin:
        raise Malformed("tdMode")
    if body.get("posSide", "net") != "net":
        raise Malformed("posSide")
    client_id = str(body.get("clOrdId") or "")
    if client_id and not _CLIENT_ID.fullmatch(client_id):
        raise Malformed("clOrdId")
    stp = body.get("stpMode")
    if stp is not None and stp not in _STP:
        raise Malformed("stpMode")
    market = kind == "market"
    target = body.get("tgtCcy") or ("quote_ccy" if side is Side.BUY else "base_ccy")
    by_money = market and side is Side.BUY and target == "quote_ccy" and margin == "cash"
    return OrderRequest(
        account=account,
        symbol=str(body.get("instId", "")),
        side=side,
        kind=Kind.LIMIT if not market else Kind.BUDGET if by_money else Kind.MARKET,
        tif=_TIFS[kind],
        price=None if market else number(body, "px"),
        budget=number(body, "sz") if by_money else None,
        qty=None if by_money else number(body, "sz"),
        client_id=client_id,
        stp=_STP[str(stp)] if stp else None,
        reduce_only=margin == "cross" and str(body.get("reduceOnly", "")).lower() == "true",
    )


def number(body: Mapping[str, object], name: str) -> Decimal:
    """Raises Malformed."""
    try:
        value = Decimal(str(body[name]))
    except (KeyError, InvalidOperation) as error:
        raise Malformed(name) from error
    if not value.is_finite() or value <= 0:
        raise Malformed(name)
    return value


def order_row(order: Order, floor: Floor) -> dict[str, object]:
    """As GET /api/v5/trade/order shows it."""
    stop = next((stop for stop in floor.stops.of(order.account) if stop.made and stop.made.id == order.id), None)
    last, is_swap = order.fills[-1] if order.fills else None, order.symbol.endswith(SWAP)
    return {
        "accFillSz": plain(order.filled),
        "algoClOrdId": stop.order.client_id if stop is not None else "",
        "algoId": algo_id(stop.order) if stop is not None else "",
        "attachAlgoOrds": [],
        "avgPx": plain(round(order.average, 12)) if order.filled else "",
        "cTime": str(order.created_ms),
        "cancelSource": _cancel_source(order),
        "category": "normal",
        "ccy": "",
        "clOrdId": order.client_id,
        "fee": plain(-order.fee),
        "feeCcy": order.fee_asset,
        "fillPx": plain(last.price) if last else "",
        "fillSz": plain(last.qty) if last else "0",
        "fillTime": str(last.at_ms) if last else "",
        "instId": order.symbol,
        "instType": kind_of(order.symbol),
        "lever": "",
        "ordId": order_id(order),
        "ordType": _type_name(order),
        "pnl": plain(sum((fill.realised for fill in order.fills), ZERO)),
        "posSide": "net",
        "px": plain(order.price) if order.price is not None else "",
        "rebate": "0",
        "rebateCcy": order.fee_asset,
        "reduceOnly": str(order.reduce_only).lower(),
        "side": order.side.name.lower(),
        "source": "",
        "state": _state_name(order),
        "stpMode": _STP_NAMES.get(order.stp, "cancel_maker"),
        "sz": plain(order.budget if order.qty is None and order.budget is not None else order.qty or order.filled),
        "tag": "",
        "tdMode": margin_of(order.symbol),
        "tgtCcy": "" if is_swap or order.kind is Kind.LIMIT else _TARGETS.get(order.kind, "base_ccy"),
        "tradeId": str(last.id) if last else "",
        "uTime": str(order.updated_ms),
    }


def placed_row(order: Order, now_ms: int) -> dict[str, object]:
    row: dict[str, object] = {"clOrdId": order.client_id, "ordId": order_id(order), "sCode": "0", "sMsg": "", "tag": ""}
    return row | {"ts": str(now_ms)}


def fill_row(order: Order, fill: Fill) -> dict[str, object]:
    """As GET /api/v5/trade/fills shows it."""
    return {
        "instType": kind_of(order.symbol),
        "instId": order.symbol,
        "tradeId": str(fill.id),
        "ordId": order_id(order),
        "clOrdId": order.client_id,
        "billId": f"{fill.id:012d}",
        "tag": "",
        "fillPx": plain(fill.price),
        "fillSz": plain(fill.qty),
        "side": order.side.name.lower(),
        "posSide": "net",
        "execType": "M" if fill.maker else "T",
        "feeCcy": fill.fee_asset,
        "fee": plain(-fill.fee),
        "fillPnl": plain(fill.realised),
        "ts": str(fill.at_ms),
        "fillTime": str(fill.at_ms),
    }


def balance_row(statements: Statements, account: str, now_ms: int) -> dict[str, object]:
    details = [
        {
            "ccy": asset,
            "eq": plain(balance.total),
            "cashBal": plain(balance.total),
            "availBal": plain(balance.free),
            "availEq": plain(balance.free),
            "frozenBal": plain(balance.held),
            "ordFrozen": plain(balance.held),
            "uTime": str(now_ms),
        }
        for asset, balance in statements.balances(account).items()
        if balance.total
    ]
    return {"details": details, "totalEq": "", "uTime": str(now_ms)}


def instrument_row(rules: MarketRules, code: int, wallets: Wallets) -> dict[str, object]:
    end_ms = wallets.end_ms(rules.symbol)
    spot = _spot_row(rules, code) | {
        "state": wallets.status(rules.symbol, "live"),
        "expTime": str(end_ms) if end_ms else "",
    }
    if rules.perp is None:
        return spot
    pair = rules.symbol.removesuffix(SWAP)
    settled = {"baseCcy": "", "quoteCcy": "", "settleCcy": rules.quote, "uly": pair, "instFamily": pair}
    contract = {"ctVal": plain(rules.perp.contract), "ctMult": "1", "ctValCcy": rules.base, "ctType": "linear"}
    return {**spot, "instType": "SWAP", **settled, **contract, "lever": str(rules.perp.max_leverage)}


def funding_row(state: PerpState) -> dict[str, object]:
    """As `funding-rate` shows it, by socket and REST."""
    return {
        "instType": "SWAP",
        "instId": state.symbol,
        "method": "current_period",
        "fundingRate": plain(state.funding_rate),
        "nextFundingRate": plain(state.predicted_rate),
        "fundingTime": str(state.next_ms),
        "nextFundingTime": str(state.next_ms + state.interval_ms),
        "minFundingRate": "-0.003",
        "maxFundingRate": "0.003",
        "settState": "settled",
        "settFundingRate": plain(state.settled_rate),
        "ts": str(state.at_ms),
    }


def _spot_row(rules: MarketRules, code: int) -> dict[str, object]:
    return {
        "instType": "SPOT",
        "instId": rules.symbol,
        "instIdCode": code,
        "instFamily": "",
        "uly": "",
        "baseCcy": rules.base,
        "quoteCcy": rules.quote,
        "settleCcy": "",
        "category": "1",
        "groupId": "1",
        "ctVal": "",
        "ctMult": "",
        "lever": "",
        "listTime": "1548133413000",
        "tickSz": plain(rules.bands[0].tick),
        "lotSz": plain(rules.lot),
        "minSz": plain(rules.min_qty),
        "maxLmtSz": "9999999999",
        "maxMktSz": "1000000",
        "maxLmtAmt": "20000000",
        "maxMktAmt": "1000000",
        "ruleType": "normal",
    }


def currency_row(asset: str, wallets: Wallets) -> dict[str, object]:
    """One chain of asset/currencies."""
    chain = {"BTC": "Bitcoin", "ETH": "ERC20", "XRP": "Ripple", "USDT": "TRC20"}.get(asset, asset)
    wallet = wallets.of(asset, chain)
    fee = {"BTC": "0.00005", "ETH": "0.0004", "XRP": "0.1", "USDT": "1.5"}.get(asset, "0")
    return {
        "ccy": asset,
        "name": asset,
        "chain": f"{asset}-{chain}",
        "canDep": wallet.deposits,
        "canWd": wallet.withdrawals,
        "canInternal": True,
        "mainNet": True,
        "minDep": "0.001",
        "minWd": plain(Decimal(fee) * 2),
        "maxWd": "1000000",
        "minFee": fee,
        "maxFee": fee,
        "fee": fee,
        "wdTickSz": "8",
    }


def kind_of(symbol: str) -> str:
    """instType."""
    return "SWAP" if symbol.endswith(SWAP) else "SPOT"


def margin_of(symbol: str) -> str:
    """tdMode."""
    return "cross" if symbol.endswith(SWAP) else "cash"


def algo_id(stop: Order) -> str:
    return str(_FIRST_ALGO + stop.id)


def algo_number(text: str) -> int:
    return int(text) - _FIRST_ALGO if text.isdigit() else -1


def order_id(order: Order) -> str:
    return str(2_000_000_000_000_000_000 + order.id)


def order_number(text: str) -> int:
    return int(text) - 2_000_000_000_000_000_000 if text.isdigit() else -1


def _type_name(order: Order) -> str:
    if order.kind is not Kind.LIMIT:
        return "market"
    return {Tif.GTC: "limit", Tif.IOC: "ioc", Tif.FOK: "fok", Tif.POST_ONLY: "post_only"}[order.tif]


def _state_name(order: Order) -> str:
    if order.state is State.OPEN:
        return "partially_filled" if order.filled else "live"
    return "filled" if order.state is State.FILLED else "canceled"


def _cancel_source(order: Order) -> str:
    if order.end is None:
        return ""
    if order.end is End.USER:
        return "1"
    if order.end is End.SELF_TRADE:
        return "32"
    if order.end is End.REDUCE_ONLY:
        return "7"
    if order.end is End.LIQUIDATION:
        return "3"
    return {Tif.POST_ONLY: "31", Tif.FOK: "13", Tif.IOC: "14"}.get(order.tif, "0")
