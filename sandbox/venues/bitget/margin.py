"""Bitget's account of USDT perpetuals: wallet, modes, leverage, positions, and the bills of its wallet."""

from typing import Any

from aiohttp import web

from sandbox.venues.bitget.keys import Keys
from sandbox.venues.bitget.mix import COIN, No, Say, check_product, guarded
from sandbox.venues.bitget.orders import FIRST_ID
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor
from sandbox.venues.ledger import ZERO
from sandbox.venues.orders import Reason, Refused
from sandbox.venues.positions import Flow, FlowKind, Position
from sandbox.venues.public import symbol_of
from sandbox.venues.spelling import plain
from sandbox.venues.trading import json_body

_BUSINESS = {
    FlowKind.FUNDING: "contract_settle_fee",
    FlowKind.REALISED: "close_position",
    FlowKind.FEE: "transaction_fee",
    FlowKind.COVER: "burst_cover",
}
_LONGEST_MS = 30 * 86_400_000
_ONE_WAY, _CROSSED = "one_way_mode", "crossed"


class MixAccount:
    def __init__(self, floor: Floor, keys: Keys, say: Say, no: No) -> None:
        self._floor = floor
        self._keys = keys
        self._say = say
        self._no = no

    def routes(self) -> list[web.RouteDef]:
        account, no = "/api/v2/mix/account", self._no
        return [
            web.get(f"{account}/accounts", guarded(self._accounts, no)),
            web.get(f"{account}/account", guarded(self._account, no)),
            web.post(f"{account}/set-leverage", guarded(self._set_leverage, no)),
            web.post(f"{account}/set-margin-mode", guarded(self._set_margin_mode, no)),
            web.post(f"{account}/set-position-mode", guarded(self._set_position_mode, no)),
            web.get(f"{account}/bill", guarded(self._bills, no)),
            web.get("/api/v2/mix/position/all-position", guarded(self._positions, no)),
        ]

    async def rate(self, request: web.Request) -> web.Response:
        await self._keys.account(request, self._floor)
        symbol_of(self._floor, request.query.get("symbol"))
        rules = self._floor.rules
        return self._say({"makerFeeRate": plain(rules.maker_fee), "takerFeeRate": plain(rules.taker_fee)})

    async def _asked(self, request: web.Request) -> str:
        """Raises Denied, Malformed."""
        account = await self._keys.account(request, self._floor)
        check_product(request.query)
        return account

    async def _told(self, request: web.Request) -> tuple[str, dict[str, object]]:
        """Raises Denied, Malformed."""
        account, body = await self._keys.account(request, self._floor), await json_body(request)
        check_product(body)
        return account, body

    async def _accounts(self, request: web.Request) -> web.Response:
        return self._say([self._wallet(await self._asked(request))])

    async def _account(self, request: web.Request) -> web.Response:
        """Of one symbol: its leverage and the modes with the wallet."""
        account, symbol = await self._asked(request), symbol_of(self._floor, request.query.get("symbol"))
        leverage = self._floor.exchange.clearing.leverage(account, symbol)
        modes = {"marginMode": _CROSSED, "posMode": _ONE_WAY}
        return self._say(self._wallet(account) | modes | {"crossedMarginLeverage": leverage})

    def _wallet(self, account: str) -> dict[str, Any]:
        margin = self._floor.statements.margin(account)
        free, equity = plain(max(margin.available, ZERO)), plain(margin.equity)
        risk = round(margin.maintenance / margin.equity, 8) if margin.equity > 0 else ZERO
        return {
            "marginCoin": COIN,
            "locked": plain(margin.orders),
            "available": plain(margin.wallet),
            "crossedMaxAvailable": free,
            "isolatedMaxAvailable": free,
            "maxTransferOut": free,
            "accountEquity": equity,
            "usdtEquity": equity,
            "crossedRiskRate": plain(risk),
            "unrealizedPL": plain(margin.unrealised),
            "crossedUnrealizedPL": plain(margin.unrealised),
            "isolatedUnrealizedPL": "",
            "coupon": "0",
        }

    async def _set_leverage(self, request: web.Request) -> web.Response:
        account, body = await self._told(request)
        symbol, text = symbol_of(self._floor, str(body.get("symbol", ""))), str(body.get("leverage", ""))
        if not text.isdigit():
            raise Malformed("leverage")
        self._floor.exchange.clearing.set_leverage(account, symbol, int(text))
        said = {"symbol": symbol, "marginCoin": COIN, "crossMarginLeverage": text, "marginMode": _CROSSED}
        return self._say(said)

    async def _set_margin_mode(self, request: web.Request) -> web.Response:
        """Crossed margin is the only one here."""
        _, body = await self._told(request)
        if body.get("marginMode") != _CROSSED:
            raise Refused(Reason.ON_REQUEST, "margin mode", code="45117")
        return self._say({"symbol": str(body.get("symbol", "")), "marginCoin": COIN, "marginMode": _CROSSED})

    async def _set_position_mode(self, request: web.Request) -> web.Response:
        """One-way mode is the only one here: asking for the other is refused as with positions open."""
        _, body = await self._told(request)
        if body.get("posMode") != _ONE_WAY:
            raise Refused(Reason.ON_REQUEST, "position mode", code="40920")
        return self._say({"posMode": _ONE_WAY})

    async def _positions(self, request: web.Request) -> web.Response:
        account = await self._asked(request)
        return self._say([_position_row(held) for held in self._floor.statements.positions(account)])

    async def _bills(self, request: web.Request) -> web.Response:
        """Newest first; thirty days at most between `startTime` and `endTime`."""
        account, query = await self._asked(request), request.query
        now_ms = self._floor.clock()
        last_ms = whole(query, "endTime", now_ms)
        first_ms = whole(query, "startTime", max(0, last_ms - _LONGEST_MS))
        if last_ms - first_ms > _LONGEST_MS:
            raise Malformed("startTime")
        before = whole(query, "idLessThan", 2 * FIRST_ID) - FIRST_ID
        flows = [
            flow
            for flow in reversed(self._floor.exchange.clearing.statement(account))
            if first_ms <= flow.at_ms <= last_ms
            and flow.id < before
            and query.get("businessType") in (None, _BUSINESS[flow.kind])
            and query.get("symbol") in (None, flow.symbol)
        ][: min(100, whole(query, "limit", 20))]
        rows = [_bill_row(flow) for flow in flows]
        return self._say({"bills": rows, "endId": rows[-1]["billId"] if rows else None})


def _position_row(held: Position) -> dict[str, Any]:
    size = plain(abs(held.qty))
    return {
        "marginCoin": COIN,
        "symbol": held.symbol,
        "holdSide": "long" if held.qty > 0 else "short",
        "openDelegateSize": "0",
        "marginSize": plain(held.initial),
        "available": size,
        "locked": "0",
        "total": size,
        "leverage": str(held.leverage),
        "achievedProfits": plain(held.realised),
        "openPriceAvg": plain(held.entry),
        "marginMode": _CROSSED,
        "posMode": _ONE_WAY,
        "unrealizedPL": plain(held.unrealised),
        "liquidationPrice": plain(round(held.liquidation, 12)) if held.liquidation is not None else "0",
        "keepMarginRate": plain(round(held.maintenance / held.notional, 8)) if held.notional else "0",
        "markPrice": plain(held.mark),
        "cTime": str(held.updated_ms),
        "uTime": str(held.updated_ms),
    }


def _bill_row(flow: Flow) -> dict[str, Any]:
    is_fee = flow.kind is FlowKind.FEE
    return {
        "billId": str(FIRST_ID + flow.id),
        "symbol": flow.symbol,
        "amount": "0" if is_fee else plain(flow.amount),
        "fee": plain(flow.amount) if is_fee else "0",
        "feeByCoupon": "",
        "businessType": _BUSINESS[flow.kind],
        "coin": flow.asset,
        "cTime": str(flow.at_ms),
    }
