"""KuCoin's private high-frequency REST, spot: signed headers and a signed passphrase, a window of five seconds."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from sandbox.venues import auth
from sandbox.venues.auth import Denied, Why
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor
from sandbox.venues.orders import Fill, Kind, Order, OrderRequest, Reason, Refused, State, Tif
from sandbox.venues.public import symbol_of
from sandbox.venues.rules import Stp
from sandbox.venues.spelling import plain
from sandbox.venues.trading import Countdown, json_body, positive, shown_fills, shown_orders, side_of, stamped_ms

_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_TIFS = {"GTC": Tif.GTC, "GTT": Tif.GTC, "IOC": Tif.IOC, "FOK": Tif.FOK}
_STP = {"CN": Stp.CANCEL_TAKER, "CO": Stp.CANCEL_MAKER, "CB": Stp.CANCEL_BOTH, "DC": Stp.REDUCE}
STAMP_MS = 5_000
_LEAST_COUNTDOWN_S, _MOST_COUNTDOWN_S = 5, 86_400
REFUSALS = {
    Reason.UNKNOWN_MARKET: ("400600", "validation.createOrder.symbolNotAvailable"),
    Reason.BAD_TICK: ("600100", "Price increment invalid."),
    Reason.BAD_LOT: ("600100", "Order size increment invalid."),
    Reason.BELOW_MIN_QTY: ("400100", "Order size below the minimum requirement."),
    Reason.BELOW_MIN_NOTIONAL: ("600101", "The order funds should more then 5 USDT."),
    Reason.ABOVE_MAX_NOTIONAL: ("600100", "Order size above the maximum requirement."),
    Reason.INSUFFICIENT_FUNDS: ("200004", "Balance insufficient!"),
    Reason.DUPLICATE_CLIENT_ID: ("400100", "validation.createOrder.clientOidDuplicated"),
    Reason.NO_LIQUIDITY: ("400200", "Forbidden to place an order"),
    Reason.WOULD_TAKE: ("300000", "post only order would match"),
    Reason.UNKNOWN_ORDER: ("400100", "order_not_exist_or_not_allow_to_cancel"),
    Reason.ALREADY_CLOSED: ("400100", "order_not_exist_or_not_allow_to_cancel"),
    Reason.ON_REQUEST: ("400200", "Forbidden to place an order"),
}
_DENIALS = {
    Why.NO_KEY: ("400001", "Please check the header of your request for KC-API-KEY"),
    Why.UNKNOWN_KEY: ("400003", "KC-API-KEY not exists"),
    Why.BAD_SIGNATURE: ("400005", "Invalid KC-API-SIGN"),
    Why.BAD_PASSPHRASE: ("400004", "KC-API-PASSPHRASE error"),
}
_EXPIRED = ("400002", "KC-API-TIMESTAMP Invalid")
Say = Callable[[object], web.Response]


class Desk:
    """Orders, fills and the trading account of one floor."""

    def __init__(self, floor: Floor, say: Say) -> None:
        self._floor = floor
        self._say = say
        self._countdown = Countdown(floor)

    def routes(self) -> list[web.RouteDef]:
        hf = "/api/v1/hf/orders"
        return [
            web.post(hf, self._place),
            web.post(f"{hf}/sync", self._place_whole),
            web.post(f"{hf}/dead-cancel-all", self._arm),
            web.delete(f"{hf}/client-order/{{client_oid}}", self._cancel),
            web.delete(f"{hf}/{{order_id}}", self._cancel),
            web.get(f"{hf}/active/symbols", self._symbols),
            web.get(f"{hf}/active", self._active),
            web.get(f"{hf}/done", self._done),
            web.get(f"{hf}/client-order/{{client_oid}}", self._order),
            web.get(f"{hf}/{{order_id}}", self._order),
            web.get("/api/v1/hf/fills", self._fills),
            web.get("/api/v1/accounts", self._accounts),
            web.get("/api/v1/user/api-key", self._key),
        ]

    async def account_of(self, request: web.Request) -> str:
        """Raises Denied."""
        body = await request.text()
        credential = auth.kucoin(request.headers, request.method, request.raw_path, body, self._floor.keys)
        stamp = request.headers.get("KC-API-TIMESTAMP", "")
        stamped_ms(stamp, self._floor.clock(), STAMP_MS, STAMP_MS)
        return credential.account

    async def _placed(self, request: web.Request) -> Order:
        account = await self.account_of(request)
        return await self._floor.place(wish(account, await json_body(request)))

    async def _place(self, request: web.Request) -> web.Response:
        order = await self._placed(request)
        return self._say({"orderId": order_id(order), "clientOid": order.client_id})

    async def _place_whole(self, request: web.Request) -> web.Response:
        """The answer waits for the match."""
        row = order_row(await self._placed(request))
        return self._say(
            {
                "orderId": row["id"],
                "clientOid": row["clientOid"],
                "orderTime": row["createdAt"],
                "originSize": row["size"],
                "dealSize": row["dealSize"],
                "remainSize": row["remainSize"],
                "canceledSize": row["cancelledSize"],
                "status": "open" if row["active"] else "done",
                "matchTime": row["lastUpdatedAt"],
            }
        )

    async def _cancel(self, request: web.Request) -> web.Response:
        order = self._floor.cancel(self._find(await self.account_of(request), request))
        if "client_oid" in request.match_info:
            return self._say({"clientOid": order.client_id})
        return self._say({"orderId": order_id(order)})

    async def _order(self, request: web.Request) -> web.Response:
        """An order that is not there is no data."""
        account = await self.account_of(request)
        try:
            return self._say(order_row(self._find(account, request)))
        except Refused:
            return self._say(None)

    def _find(self, account: str, request: web.Request) -> Order:
        """Raises Malformed, Refused."""
        symbol_of(self._floor, request.query.get("symbol"))
        if "client_oid" in request.match_info:
            return self._floor.find(account, client_id=request.match_info["client_oid"])
        return self._floor.find(account, order_id=_order_number(request.match_info["order_id"]))

    async def _symbols(self, request: web.Request) -> web.Response:
        orders = self._floor.open_orders(await self.account_of(request))
        return self._say({"symbols": list(dict.fromkeys(order.symbol for order in orders))})

    async def _active(self, request: web.Request) -> web.Response:
        account = await self.account_of(request)
        symbol = symbol_of(self._floor, request.query.get("symbol"))
        return self._say([order_row(order) for order in reversed(self._floor.open_orders(account, symbol))])

    async def _done(self, request: web.Request) -> web.Response:
        account = await self.account_of(request)
        symbol = symbol_of(self._floor, request.query.get("symbol"))
        rows = [order_row(o) for o in shown_orders(self._floor, account, symbol) if o.state is not State.OPEN]
        return self._say({"lastId": 0, "items": rows[: whole(request.query, "limit", 20)]})

    async def _fills(self, request: web.Request) -> web.Response:
        account, query = await self.account_of(request), request.query
        symbol = symbol_of(self._floor, query.get("symbol"))
        rows = [
            fill_row(order, fill)
            for order, fill in shown_fills(self._floor, account, symbol)
            if query.get("orderId") in (None, order_id(order))
        ]
        return self._say({"lastId": 0, "items": rows[: whole(query, "limit", 20)]})

    async def _accounts(self, request: web.Request) -> web.Response:
        account, query = await self.account_of(request), request.query
        said = [
            {
                "id": f"6717{i:020d}",
                "currency": asset,
                "type": query.get("type", "trade"),  # one account by two names
                "balance": plain(held.total),
                "available": plain(held.free),
                "holds": plain(held.held),
            }
            for i, (asset, held) in enumerate(self._floor.statements.balances(account).items())
            if query.get("currency") in (None, asset) and query.get("type") in (None, "trade", "trade_hf")
        ]
        return self._say(said)

    async def fees(self, request: web.Request) -> web.Response:
        await self.account_of(request)
        rules = self._floor.rules
        symbols = [symbol_of(self._floor, symbol) for symbol in request.query.get("symbols", "").split(",")]
        rates = {"takerFeeRate": plain(rules.taker_fee), "makerFeeRate": plain(rules.maker_fee)}
        return self._say([{"symbol": symbol, **rates} for symbol in symbols])

    async def _key(self, request: web.Request) -> web.Response:
        await self.account_of(request)
        return self._say({"permission": "General,Spot", "ipWhitelist": "127.0.0.1", "isMaster": True, "uid": 10001})

    async def _arm(self, request: web.Request) -> web.Response:
        account, body = await self.account_of(request), await json_body(request)
        timeout = body.get("timeout")
        if not isinstance(timeout, int) or not (timeout == -1 or _LEAST_COUNTDOWN_S <= timeout <= _MOST_COUNTDOWN_S):
            raise Malformed("timeout")
        symbols = str(body.get("symbols") or "")
        self._countdown.arm(account, max(timeout, 0), frozenset(symbols.split(",") if symbols else ()))
        now_s = self._floor.clock() // 1_000
        return self._say({"currentTime": now_s, "triggerTime": now_s + max(timeout, 0)})


def denial(error: Denied) -> tuple[str, str]:
    return _DENIALS.get(error.why, _EXPIRED)


def refusal(error: Refused) -> tuple[str, str]:
    code, text = REFUSALS[error.reason]
    return error.code or code, text


def wish(account: str, body: Mapping[str, object]) -> OrderRequest:
    """Raises Malformed."""
    kind, tif = body.get("type", "limit"), str(body.get("timeInForce") or "GTC")
    if kind not in ("limit", "market"):
        raise Malformed("type")
    if tif not in _TIFS or (body.get("postOnly") and tif in ("IOC", "FOK")):
        raise Malformed("timeInForce")
    client_id = str(body.get("clientOid") or "")
    if client_id and not _CLIENT_ID.fullmatch(client_id):
        raise Malformed("clientOid")
    stp = body.get("stp")
    if stp is not None and stp not in _STP:
        raise Malformed("stp")
    market = kind == "market"
    by_money = market and body.get("funds") is not None
    return OrderRequest(
        account=account,
        symbol=str(body.get("symbol", "")),
        side=side_of(body),
        kind=Kind.LIMIT if not market else Kind.BUDGET if by_money else Kind.MARKET,
        tif=Tif.IOC if market else Tif.POST_ONLY if body.get("postOnly") else _TIFS[tif],
        price=None if market else positive(body, "price"),
        qty=None if by_money else positive(body, "size"),
        budget=positive(body, "funds") if by_money else None,
        client_id=client_id,
        stp=_STP[str(stp)] if stp else None,
    )


def order_row(order: Order) -> dict[str, Any]:
    """As the high-frequency endpoints show it."""
    is_open = order.state is State.OPEN
    return {
        "id": order_id(order),
        "clientOid": order.client_id,
        "symbol": order.symbol,
        "opType": "DEAL",
        "type": "limit" if order.kind is Kind.LIMIT else "market",
        "side": order.side.name.lower(),
        "price": plain(order.price) if order.price is not None else "0",
        "size": plain(order.qty) if order.qty is not None else "0",
        "funds": plain(order.budget) if order.budget is not None else "0",
        "dealSize": plain(order.filled),
        "dealFunds": plain(order.funds),
        "remainSize": plain(order.open_qty) if is_open else "0",
        "cancelledSize": plain(order.open_qty) if order.state is State.CANCELLED else "0",
        "fee": plain(order.fee),
        "feeCurrency": order.fee_asset,
        "stp": None,
        "timeInForce": {Tif.IOC: "IOC", Tif.FOK: "FOK"}.get(order.tif, "GTC"),
        "postOnly": order.tif is Tif.POST_ONLY,
        "hidden": False,
        "iceberg": False,
        "cancelAfter": 0,
        "channel": "API",
        "remark": None,
        "tags": None,
        "cancelExist": order.state is State.CANCELLED,
        "active": is_open,
        "inOrderBook": is_open,
        "tradeType": "TRADE",
        "createdAt": order.created_ms,
        "lastUpdatedAt": order.updated_ms,
    }


def fill_row(order: Order, fill: Fill) -> dict[str, Any]:
    return {
        "id": fill.id,
        "tradeId": fill.id,
        "orderId": order_id(order),
        "symbol": order.symbol,
        "side": order.side.name.lower(),
        "liquidity": "maker" if fill.maker else "taker",
        "forceTaker": False,
        "price": plain(fill.price),
        "size": plain(fill.qty),
        "funds": plain(fill.price * fill.qty),
        "fee": plain(fill.fee),
        "feeCurrency": fill.fee_asset,
        "type": "limit" if order.kind is Kind.LIMIT else "market",
        "tradeType": "TRADE",
        "createdAt": fill.at_ms,
    }


def order_id(order: Order) -> str:
    """24 hexadecimal digits."""
    return f"67c{order.id:021x}"


def _order_number(text: str) -> int:
    try:
        return int(text.removeprefix("67c"), 16)
    except ValueError:
        return -1
