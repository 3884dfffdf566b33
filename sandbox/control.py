"""The sandbox's own HTTP door: what happened, what shall go wrong, which premium shall open."""

from decimal import Decimal
from typing import Any, Protocol, TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct
from msgspec.structs import replace

from sandbox.faults import Fault
from sandbox.fx import FxFault, FxSources
from sandbox.tape.events import Tape
from sandbox.venues.floor import Floor
from sandbox.venues.ledger import FEES, MARKET
from sandbox.venues.orders import Order
from sandbox.venues.rules import Band
from sandbox.venues.sockets import Sockets
from sandbox.venues.spelling import plain
from sandbox.venues.wallets import Wallet

T = TypeVar("T")


class Watched(Protocol):
    """What the door looks at: the world."""

    floors: dict[str, Floor]
    sockets: dict[str, Sockets]
    urls: dict[str, dict[str, str]]
    tape: Tape
    fx: FxSources

    def deposit(self, venue: str, asset: str, amount: Decimal) -> None: ...


class FaultOrder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /world/faults: arm a fault, or with `clear` take back what is armed (of one kind, or all)."""

    venue: str
    fault: Fault | None = None
    clear: bool = False
    kind: str = ""


class PremiumOrder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /world/premium: `coin` on `venue` moves by `bps` for so long; no venue means both Korean ones."""

    coin: str
    bps: float
    seconds: float
    venue: str = ""


class DepositOrder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /world/accounts: money from outside the desk; negative takes away."""

    venue: str
    asset: str
    amount: Decimal


class WalletOrder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /world/wallets: what may come and go; no network: all of the asset. Networks in the venue's spelling."""

    venue: str
    asset: str
    network: str = ""
    deposits: bool = True
    withdrawals: bool = True


class WarningOrder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /world/warnings: what the venue says of a market from now on; no kinds: nothing."""

    venue: str
    symbol: str
    kinds: tuple[str, ...] = ()


class RulesOrder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /world/rules: what a venue asks of orders on a market from now on; what is not named stays."""

    venue: str
    symbol: str
    tick: Decimal | None = None  # at every price
    lot: Decimal | None = None
    min_qty: Decimal | None = None
    min_notional: Decimal | None = None


class LoanOrder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /world/loans: what a coin costs per hour, as a fraction of the loan; null: it is not lent."""

    venue: str
    asset: str
    hourly: Decimal | None = None


class PerpOrder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /world/perps: a mark until the tape's next word on it (half a second), funding, a forced close."""

    venue: str
    symbol: str
    mark: Decimal | None = None
    funding: Decimal | None = None  # fraction of the notional; positive: paid by the longs
    deleverage: Decimal | None = None  # contracts of every account's position, at the mark and without a word


def control_routes(world: Watched) -> list[web.RouteDef]:
    door = _Door(world)
    return [
        web.get("/world/status", door.status),
        web.get("/world/accounts", door.accounts),
        web.get("/world/orders", door.orders),
        web.get("/world/books", door.books),
        web.post("/world/accounts", door.deposit),
        web.post("/world/faults", door.fault),
        web.post("/world/wallets", door.wallet),
        web.post("/world/warnings", door.warn),
        web.post("/world/rules", door.rule),
        web.post("/world/loans", door.lend),
        web.post("/world/perps", door.perp),
        web.post("/world/fx", door.break_fx),
        web.post("/world/premium", door.premium),
    ]


class _Door:
    def __init__(self, world: Watched) -> None:
        self._world = world

    async def status(self, _: web.Request) -> web.Response:
        world = self._world
        venues = {}
        for venue, floor in world.floors.items():
            orders = floor.exchange.orders.values()
            venues[venue] = {
                "balances": self._balances(venue),
                "positions": _positions(floor),
                "fees": {a: str(b.total) for a, b in floor.ledger.balances(FEES).items()},
                "orders": len(orders),
                "open": sum(order.state.value == "open" for order in orders),
                "fills": sum(len(order.fills) for order in orders),
                "sockets": len(world.sockets[venue]),
                "faults": floor.faults.report(),
            }
        return _json({"tape": world.tape.label, "urls": world.urls, "fx": world.fx.report(), "venues": venues})

    async def accounts(self, _: web.Request) -> web.Response:
        return _json({venue: self._balances(venue) for venue in self._world.floors})

    def _balances(self, venue: str) -> dict[str, dict[str, dict[str, str]]]:
        ledger = self._world.floors[venue].ledger
        return {
            account: {
                asset: {"free": str(b.free), "held": str(b.held), "total": str(b.total)}
                for asset, b in ledger.balances(account).items()
            }
            for account in ledger.accounts()
            if account not in (MARKET, FEES)
        }

    async def orders(self, _: web.Request) -> web.Response:
        rows = {
            venue: [_order_row(order) for order in floor.exchange.orders.values()]
            for venue, floor in self._world.floors.items()
        }
        return _json(rows)

    async def books(self, request: web.Request) -> web.Response:
        """The visible touch of every market, for people and scripts."""
        depth = int(request.query.get("depth", "1"))
        answer = {}
        for venue, floor in self._world.floors.items():
            answer[venue] = {
                symbol: {
                    side: [[str(p), str(q)] for p, q in levels[:depth]]
                    for side, levels in zip(("bids", "asks"), floor.exchange.book(symbol), strict=True)
                }
                for symbol in floor.rules.markets
            }
        return _json(answer)

    async def deposit(self, request: web.Request) -> web.Response:
        order = await _read(request, DepositOrder)
        _known(self._world.floors, order.venue)
        self._world.deposit(order.venue, order.asset, order.amount)
        return _json({"ok": True, "balances": self._balances(order.venue)})

    async def fault(self, request: web.Request) -> web.Response:
        order = await _read(request, FaultOrder)
        faults = _known(self._world.floors, order.venue).faults
        cleared = faults.clear(order.kind) if order.clear else 0
        if order.fault is not None:
            try:
                faults.arm(order.fault)
            except ValueError as error:
                raise web.HTTPBadRequest(text=str(error)) from error
        return _json({"ok": True, "cleared": cleared, "faults": faults.report()})

    async def wallet(self, request: web.Request) -> web.Response:
        order = await _read(request, WalletOrder)
        wallet = Wallet(order.deposits, order.withdrawals)
        _known(self._world.floors, order.venue).wallets.set(order.asset, order.network, wallet)
        return _json({"ok": True})

    async def warn(self, request: web.Request) -> web.Response:
        order = await _read(request, WarningOrder)
        _known(self._world.floors, order.venue).wallets.warn(order.symbol, order.kinds)
        return _json({"ok": True})

    async def rule(self, request: web.Request) -> web.Response:
        order = await _read(request, RulesOrder)
        markets = _known(self._world.floors, order.venue).rules.markets
        if order.symbol not in markets:
            raise web.HTTPNotFound(text=f"{order.venue} has no market {order.symbol}")
        named = {name: getattr(order, name) for name in ("lot", "min_qty", "min_notional")}
        changes: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
        if order.tick is not None:
            changes["bands"] = (Band(Decimal(0), order.tick),)
        markets[order.symbol] = replace(markets[order.symbol], **changes)
        return _json({"ok": True})

    async def lend(self, request: web.Request) -> web.Response:
        order = await _read(request, LoanOrder)
        hourly = _known(self._world.floors, order.venue).loans.hourly
        hourly.pop(order.asset, None)
        if order.hourly is not None:
            hourly[order.asset] = order.hourly
        return _json({"ok": True})

    async def perp(self, request: web.Request) -> web.Response:
        order = await _read(request, PerpOrder)
        floor = _known(self._world.floors, order.venue)
        state = floor.perps.get(order.symbol)
        if state is None:
            raise web.HTTPNotFound(text=f"{order.venue} has no perpetual {order.symbol}")
        if order.mark is not None:
            floor.show_perp(replace(state, mark=order.mark))
        if order.funding is not None:
            floor.exchange.clearing.settle(order.symbol, order.funding, floor.clock())
        if order.deleverage is not None:
            self._deleverage(floor, order.symbol, order.deleverage)
        return _json({"ok": True, "positions": _positions(floor)})

    @staticmethod
    def _deleverage(floor: Floor, symbol: str, contracts: Decimal) -> None:
        if contracts <= 0:
            raise web.HTTPBadRequest(text=f"contracts must be above 0: {contracts}")
        for account in {key.account for key in floor.keys.values()}:
            held = next((at for at in floor.exchange.clearing.positions(account) if at.symbol == symbol), None)
            if held is not None:
                floor.exchange.deleverage(account, symbol, min(contracts, abs(held.qty)), floor.clock())

    async def break_fx(self, request: web.Request) -> web.Response:
        self._world.fx.break_source(await _read(request, FxFault))
        return _json({"ok": True})

    async def premium(self, request: web.Request) -> web.Response:
        order = await _read(request, PremiumOrder)
        self._world.tape.force(order.venue, order.coin, order.bps, order.seconds)
        return _json({"ok": True})


def _positions(floor: Floor) -> dict[str, dict[str, str]]:
    """Account -> symbol -> contracts, signed."""
    clearing = floor.exchange.clearing
    held = {who: clearing.positions(who) for who in floor.ledger.accounts() if who not in (MARKET, FEES)}
    return {who: {each.symbol: plain(each.qty) for each in positions} for who, positions in held.items() if positions}


def _order_row(order: Order) -> dict[str, object]:
    return {
        "id": order.id,
        "client_id": order.client_id,
        "symbol": order.symbol,
        "side": order.side.value,
        "kind": order.kind.value,
        "tif": order.tif.value,
        "price": _text(order.price),
        "qty": _text(order.qty),
        "budget": _text(order.budget),
        "state": order.state.value,
        "end": order.end.value if order.end else None,
        "filled": str(order.filled),
        "funds": str(order.funds),
        "fee": str(order.fee),
        "fee_asset": order.fee_asset,
        "created_ms": order.created_ms,
        "fills": len(order.fills),
    }


def _text(number: Decimal | None) -> str | None:
    return None if number is None else str(number)


def _known(floors: dict[str, T], venue: str) -> T:
    if venue not in floors:
        raise web.HTTPNotFound(text=f"no venue {venue}; there are {', '.join(floors)}")
    return floors[venue]


async def _read(request: web.Request, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.MsgspecError as error:
        raise web.HTTPBadRequest(text=str(error)) from error


def _json(answer: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json")
