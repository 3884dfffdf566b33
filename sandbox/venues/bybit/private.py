"""Whose request it is and which category it means; then that category's desk answers. The unified account is here."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from aiohttp import web

from sandbox.venues import auth
from sandbox.venues.auth import Credential, Denied, Why
from sandbox.venues.bybit.orders import Desk, Say
from sandbox.venues.bybit.positions import Positions
from sandbox.venues.door import Malformed
from sandbox.venues.orders import Refused
from sandbox.venues.spelling import plain
from sandbox.venues.trading import json_body, raw_query, stamped_ms

_AHEAD_MS = 1_000
Handler = Callable[[web.Request], Awaitable[web.Response]]
OfDesk = Callable[[Desk, str, Mapping[str, Any]], web.Response]


class Private:
    """The signed calls of the house. A key opens the one floor that has its account."""

    def __init__(self, desks: Mapping[str, Desk], positions: Positions, say: Say) -> None:
        self._desks = desks
        self._positions = positions
        self._say = say

    def routes(self) -> list[web.RouteDef]:
        said, held = self._said, self._positions
        return [
            web.post("/v5/order/create", self._place),
            web.post("/v5/order/amend", said(Desk.amend)),
            web.post("/v5/order/cancel", said(Desk.cancel)),
            web.post("/v5/order/cancel-all", said(Desk.cancel_all)),
            web.get("/v5/order/realtime", said(Desk.realtime)),
            web.get("/v5/order/history", said(Desk.history)),
            web.get("/v5/execution/list", said(Desk.executions)),
            web.get("/v5/account/fee-rate", said(Desk.rates)),
            web.get("/v5/position/list", said(held.listed, "linear")),
            web.post("/v5/position/set-leverage", said(held.set_leverage, "linear")),
            web.post("/v5/position/switch-mode", said(held.switch_mode, "linear")),
            web.get("/v5/account/transaction-log", partial(self._of_account, self._positions.log)),
            web.get("/v5/account/wallet-balance", partial(self._of_account, self._balance)),
            web.get("/v5/account/info", partial(self._of_account, self._info)),
            web.post("/v5/account/set-margin-mode", partial(self._of_account, self._margin_mode)),
            web.get("/v5/user/query-api", partial(self._of_account, self._key)),
            web.get("/v5/asset/coin/query-info", partial(self._of_account, self._coins)),
        ]

    def desk_of(self, credential: Credential, category: object) -> Desk:
        """Raises Malformed, Denied."""
        desk = self._desks.get(str(category))
        if desk is None:
            raise Malformed("category")
        if credential.key not in desk.floor.keys:
            raise Denied(Why.NOT_ALLOWED)
        return desk

    def keys(self) -> dict[str, Credential]:
        return {key: credential for desk in self._desks.values() for key, credential in desk.floor.keys.items()}

    def check_window(self, headers: Mapping[str, str]) -> None:
        """Raises Denied."""
        window = headers.get("X-BAPI-RECV-WINDOW", "")
        past_ms = int(window) if window.isdigit() else 5_000
        now_ms = self._desks["spot"].floor.clock()
        stamped_ms(headers.get("X-BAPI-TIMESTAMP", ""), now_ms, past_ms, _AHEAD_MS)

    async def placed(self, credential: Credential, body: dict[str, object], headers: Mapping[str, str]) -> web.Response:
        """Raises whatever the floor shows but Refused, Malformed, Denied."""
        desk = self.desk_of(credential, body.get("category"))
        try:
            return await desk.place(credential.account, body, lambda: self.check_window(headers))
        except Refused as error:
            return desk.refused(error)

    async def _whose(self, request: web.Request) -> Credential:
        """Raises Denied."""
        payload = await request.text() if request.method == "POST" else raw_query(request)
        credential = auth.bybit(request.headers, payload, self.keys())
        self.check_window(request.headers)
        return credential

    async def _place(self, request: web.Request) -> web.Response:
        return await self.placed(await self._whose(request), await json_body(request), request.headers)

    def _said(self, answer: OfDesk, only: str = "") -> Handler:
        """A call that names its category; `only` that one will do."""

        async def handle(request: web.Request) -> web.Response:
            credential = await self._whose(request)
            asked: Mapping[str, Any] = await json_body(request) if request.method == "POST" else request.query
            if only and asked.get("category") != only:
                raise Malformed("category")
            desk = self.desk_of(credential, asked.get("category"))
            try:
                return answer(desk, credential.account, asked)
            except Refused as error:
                return desk.refused(error)

        return handle

    async def _of_account(self, answer: OfDesk, request: web.Request) -> web.Response:
        """A call about the whole account: its key says which one that is."""
        credential = await self._whose(request)
        asked: Mapping[str, Any] = await json_body(request) if request.method == "POST" else request.query
        desk = next(desk for desk in self._desks.values() if credential.key in desk.floor.keys)
        return answer(desk, credential.account, asked)

    def _balance(self, desk: Desk, account: str, query: Mapping[str, Any]) -> web.Response:
        if query.get("accountType") != "UNIFIED":
            raise Malformed("accountType")
        coins = [
            {"coin": asset, "walletBalance": plain(held.total), "locked": plain(held.held), "equity": plain(held.total)}
            for asset, held in desk.floor.statements.balances(account).items()
            if held.total
        ]
        if desk.category == "linear":
            coins = [self._positions.coin(desk, account)]
        return self._say({"list": [{"accountType": "UNIFIED", "coin": coins}]})

    def _info(self, _: Desk, __: str, ___: Mapping[str, Any]) -> web.Response:
        return self._say({"unifiedMarginStatus": 5, "marginMode": "REGULAR_MARGIN", "dcpStatus": "OFF"})

    def _margin_mode(self, _: Desk, __: str, body: Mapping[str, Any]) -> web.Response:
        """Cross margin is all that there is."""
        if body.get("setMarginMode") != "REGULAR_MARGIN":
            raise Malformed("setMarginMode")
        return self._say({"reasons": []})

    def _key(self, desk: Desk, account: str, _: Mapping[str, Any]) -> web.Response:
        permissions = {
            "Spot": ["SpotTrade"] if desk.category == "spot" else [],
            "ContractTrade": [] if desk.category == "spot" else ["Order", "Position"],
            "Wallet": [],
        }
        return self._say(
            {"note": account, "readOnly": 0, "permissions": permissions, "ips": ["127.0.0.1"], "unified": 0, "uta": 1}
        )

    def _coins(self, desk: Desk, _: str, query: Mapping[str, Any]) -> web.Response:
        wanted, wallets = query.get("coin"), desk.floor.wallets
        networks = {"BTC": ("BTC",), "ETH": ("ETH", "ARBI"), "XRP": ("XRP",), "USDT": ("TRX", "ETH")}
        rows = [
            {
                "coin": coin,
                "name": coin,
                "remainAmount": "1000000",
                "chains": [
                    {
                        "chain": name,
                        "chainType": name,
                        "confirmation": "2",
                        "withdrawFee": "0.0005",
                        "depositMin": "0.0001",
                        "withdrawMin": "0.001",
                        "minAccuracy": "8",
                        "chainDeposit": str(int(wallets.of(coin, name).deposits)),
                        "chainWithdraw": str(int(wallets.of(coin, name).withdrawals)),
                        "withdrawPercentageFee": "0",
                    }
                    for name in names
                ],
            }
            for coin, names in networks.items()
            if wanted in (None, "", coin)
        ]
        return self._say({"rows": rows})
