"""OKX's contracts of one account: positions, leverage, position mode, and the bills of its wallet."""

from collections.abc import Callable
from decimal import Decimal

from aiohttp import web

from sandbox.venues.door import Malformed, whole
from sandbox.venues.ledger import ZERO
from sandbox.venues.okx.answers import OTHER_MODE, answer, leverage_refusal
from sandbox.venues.okx.seats import Seat, Seats, body_of
from sandbox.venues.orders import Reason, Refused
from sandbox.venues.positions import Flow, FlowKind, Position
from sandbox.venues.spelling import plain

_TRADE, _LIQUIDATION, _FUNDING = "2", "5", "8"  # types of bills
_FIRST_BILL = 623_950_854_533_513_219
_MOST = 100
Row = dict[str, str]


class Margins:
    def __init__(self, seats: Seats) -> None:
        self._seats = seats

    def routes(self) -> list[web.RouteDef]:
        account = "/api/v5/account"
        return [
            web.get(f"{account}/positions", self._positions),
            web.get(f"{account}/leverage-info", self._leverage),
            web.post(f"{account}/set-leverage", self._set_leverage),
            web.post(f"{account}/set-position-mode", self._set_mode),
            web.get(f"{account}/bills", self._bills),
            web.get(f"{account}/bills-archive", self._bills),
        ]

    async def _seat(self, request: web.Request) -> Seat:
        """Raises Denied; Refused for an account that holds no contracts."""
        seat = await self._seats.of(request)
        if not seat.is_swap:
            raise Refused(Reason.UNKNOWN_MARKET, "spot mode", code=OTHER_MODE)
        return seat

    async def _positions(self, request: web.Request) -> web.Response:
        seat = await self._seat(request)
        wanted = request.query.get("instId")
        found = seat.floor.statements.positions(seat.account)
        return answer([_position_row(held) for held in found if wanted in (None, "", held.symbol)])

    async def _leverage(self, request: web.Request) -> web.Response:
        seat = await self._seat(request)
        if request.query.get("mgnMode") != "cross":
            raise Malformed("mgnMode")
        symbols = request.query.get("instId", "").split(",")
        return answer([_leverage_row(seat, symbol) for symbol in symbols])

    async def _set_leverage(self, request: web.Request) -> web.Response:
        seat, body = await self._seat(request), await body_of(request, dict[str, object])
        symbol, text = str(body.get("instId", "")), str(body.get("lever", ""))
        if body.get("mgnMode") != "cross":
            raise Malformed("mgnMode")
        if not text.isdigit():
            raise Malformed("lever")
        try:
            seat.floor.exchange.clearing.set_leverage(seat.account, symbol, int(text))
        except Refused as error:
            return answer([], *leverage_refusal(error))
        return answer([_leverage_row(seat, symbol)])

    async def _set_mode(self, request: web.Request) -> web.Response:
        """Net mode is the only one here: asking for the other is refused as with positions open."""
        await self._seat(request)
        mode = (await body_of(request, dict[str, object])).get("posMode")
        if mode == "long_short_mode":
            return answer([], "59000", "Setting failed. Cancel any open orders, close positions first.")
        if mode != "net_mode":
            raise Malformed("posMode")
        return answer([{"posMode": "net_mode"}])

    async def _bills(self, request: web.Request) -> web.Response:
        """Newest first, from `begin` to `end`, older than the bill `after`."""
        seat, query = await self._seat(request), request.query
        rows = list(reversed(_bill_rows(seat)))
        begin, end, after = (whole(query, name, 0) for name in ("begin", "end", "after"))
        keeps: list[Callable[[Row], bool]] = [
            lambda row: all(query.get(name, row[name]) == row[name] for name in ("instType", "type", "ccy", "instId")),
            lambda row: int(row["ts"]) >= begin,
            lambda row: not end or int(row["ts"]) <= end,
            lambda row: not after or int(row["billId"]) < after,
        ]
        kept = [row for row in rows if all(keep(row) for keep in keeps)]
        return answer(kept[: min(_MOST, whole(query, "limit", _MOST))])


def _leverage_row(seat: Seat, symbol: str) -> Row:
    lever = str(seat.floor.exchange.clearing.leverage(seat.account, symbol))
    return {"instId": symbol, "mgnMode": "cross", "posSide": "net", "lever": lever}


def _position_row(held: Position) -> Row:
    cost = held.entry * abs(held.qty) * held.contract
    return {
        "instType": "SWAP",
        "instId": held.symbol,
        "mgnMode": "cross",
        "posId": str(int.from_bytes(held.symbol.encode()[:7], "big")),
        "posSide": "net",
        "pos": plain(held.qty),
        "posCcy": "",
        "ccy": "USDT",
        "avgPx": plain(held.entry),
        "markPx": plain(held.mark),
        "upl": plain(held.unrealised),
        "uplRatio": plain(round(held.unrealised * held.leverage / cost, 12)) if cost else "0",
        "lever": str(held.leverage),
        "liqPx": plain(round(held.liquidation, 12)) if held.liquidation is not None else "",
        "imr": plain(held.initial),
        "mmr": plain(held.maintenance),
        "margin": "",
        "notionalUsd": plain(held.notional),
        "realizedPnl": plain(held.realised),
        "uTime": str(held.updated_ms),
    }


def _bill_rows(seat: Seat) -> list[Row]:
    """One per payment; the result and the fee of one fill are one bill. Oldest first."""
    bills: dict[tuple[int, int], list[Flow]] = {}
    for flow in seat.floor.exchange.clearing.statement(seat.account):
        bills.setdefault((flow.fill_id, 0 if flow.fill_id else flow.id), []).append(flow)
    return [_bill_row(flows) for flows in bills.values()]


def _bill_row(flows: list[Flow]) -> Row:
    newest = flows[-1]
    kinds = {FlowKind.FUNDING: _FUNDING, FlowKind.COVER: _LIQUIDATION}
    amount = sum((flow.amount for flow in flows), ZERO)
    return {
        "billId": str(_FIRST_BILL + newest.id),
        "instType": "SWAP",
        "instId": newest.symbol,
        "ccy": newest.asset,
        "mgnMode": "cross",
        "type": kinds.get(newest.kind, _TRADE),
        "subType": _sub_type(newest.kind, amount),
        "balChg": plain(amount),
        "posBalChg": "0",
        "pnl": plain(sum((flow.amount for flow in flows if flow.kind is not FlowKind.FEE), ZERO)),
        "fee": plain(sum((flow.amount for flow in flows if flow.kind is FlowKind.FEE), ZERO)),
        "sz": plain(abs(newest.qty)),
        "px": plain(newest.mark),
        "tradeId": str(newest.fill_id or ""),
        "ts": str(newest.at_ms),
    }


def _sub_type(kind: FlowKind, amount: Decimal) -> str:
    if kind is FlowKind.FUNDING:
        return "174" if amount > 0 else "173"
    return ""
