"""What OKX tells an account of itself: balances, mode, fees, what it may borrow, coins."""

from collections.abc import Mapping

from aiohttp import web

from sandbox.venues.ledger import ZERO
from sandbox.venues.okx.answers import answer
from sandbox.venues.okx.seats import Seat, Seats
from sandbox.venues.okx.wire import balance_row, currency_row
from sandbox.venues.spelling import plain


class Account:
    def __init__(self, seats: Seats) -> None:
        self._seats = seats

    def routes(self) -> list[web.RouteDef]:
        v5 = "/api/v5"
        return [
            web.get(f"{v5}/account/balance", self._balance),
            web.get(f"{v5}/account/config", self._config),
            web.get(f"{v5}/account/trade-fee", self._fee),
            web.get(f"{v5}/account/interest-rate", self._loans),
            web.get(f"{v5}/asset/currencies", self._currencies),
        ]

    async def _balance(self, request: web.Request) -> web.Response:
        seat = await self._seats.of(request)
        row = balance_row(seat.floor.statements, seat.account, seat.floor.clock())
        details = row["details"] if isinstance(row["details"], list) else []
        if seat.is_swap:
            details = [detail | _margined(seat) if detail["ccy"] == "USDT" else detail for detail in details]
        wanted = request.query.get("ccy")
        kept = [detail for detail in details if not wanted or detail["ccy"] in wanted.split(",")]
        return answer([row | {"details": kept}])

    async def _config(self, request: web.Request) -> web.Response:
        seat = await self._seats.of(request)
        row = {
            "uid": "44705892343619584",
            "acctLv": "2" if seat.is_swap else "1",  # futures mode, spot mode
            "posMode": "net_mode",
            "level": "Lv1",
            "perm": "read_only,trade",
            "acctStpMode": "cancel_maker",
            "ip": "127.0.0.1",
            "label": "premia",
        }
        return answer([row])

    async def _fee(self, request: web.Request) -> web.Response:
        """Commissions are negative; those of contracts margined in USDT have fields of their own."""
        seat = await self._seats.of(request)
        maker, taker = plain(-seat.floor.rules.maker_fee), plain(-seat.floor.rules.taker_fee)
        row = {"category": "1", "instType": seat.kind, "level": "Lv1", "maker": maker, "taker": taker}
        special = {"makerU": maker, "takerU": taker} if seat.is_swap else {"makerU": "", "takerU": ""}
        return answer([row | special | {"ruleType": "normal", "ts": str(seat.floor.clock())}])

    async def _loans(self, request: web.Request) -> web.Response:
        """The account's rates per hour; of one coin where `ccy` names it."""
        seat = await self._seats.of(request)
        wanted, hourly = request.query.get("ccy"), seat.floor.loans.hourly
        rows = [{"ccy": coin, "interestRate": plain(rate)} for coin, rate in hourly.items() if wanted in (None, coin)]
        return answer(rows)

    async def _currencies(self, request: web.Request) -> web.Response:
        seat = await self._seats.of(request)
        assets = dict.fromkeys(a for rules in seat.floor.rules.markets.values() for a in (rules.base, rules.quote))
        return answer([currency_row(asset, seat.floor.wallets) for asset in assets])


def _margined(seat: Seat) -> Mapping[str, str]:
    """What open contracts make of the USDT of an account. `cashBal` stays: it knows no unrealised result."""
    margin = seat.floor.statements.margin(seat.account)
    used = margin.positions + margin.orders
    return {
        "eq": plain(margin.equity),
        "availEq": plain(max(margin.available, ZERO)),
        "availBal": plain(max(margin.available, ZERO)),
        "frozenBal": plain(used),
        "ordFrozen": plain(margin.orders),
        "imr": plain(used),
        "mmr": plain(margin.maintenance),
        "upl": plain(margin.unrealised),
        "mgnRatio": plain(round(margin.equity / margin.maintenance, 8)) if margin.maintenance else "",
    }
