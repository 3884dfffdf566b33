"""Perpetuals of OKX, margined in USDT: cross margin, net mode. Source: OKX API v5 reference, Trade and Trading Account.

The account trades swaps alone, with a key of its own (a sub-account): its balances are the margin of what is open.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct

from engine.domain.errors import VenueRefused, VenueUnavailable
from engine.domain.order import Abilities, OrderKind
from engine.domain.position import FundingPaid, Position
from engine.venues.okx.order_stream import OkxStreamDialect
from engine.venues.okx.trading import OkxTrading, Traded
from engine.venues.order_stream import StreamLine
from engine.venues.purse import Purpose
from engine.venues.settings import Key, OrderSettings
from engine.venues.verdict import Budgets

_PAGE = 100
_FUNDING = "8"  # type of a bill
_SPOT_MODE = "1"  # acctLv: an account that holds no contracts
_NET = "net_mode"
_SWAP = Traded(
    venue="okx_swap",
    kind="SWAP",
    margin="cross",
    abilities=Abilities(
        kinds=frozenset(OrderKind),
        reduce_only=True,
        amend=True,
        moves=True,
        countdown=True,
        expiry=True,
    ),
)


class _Config(Struct):
    acctLv: str
    posMode: str


class _Configs(Struct):
    data: list[_Config]


class _Leverage(Struct):
    lever: Decimal


class _Leverages(Struct):
    data: list[_Leverage]


class _Position(Struct):
    """`pos` counts contracts, signed in net mode."""

    instId: str
    pos: str
    avgPx: str
    markPx: str
    posSide: str = "net"
    imr: str = ""  # cross margin
    margin: str = ""  # isolated margin
    liqPx: str = ""  # empty where nothing would liquidate it


class _Positions(Struct):
    data: list[_Position]


class _Bill(Struct):
    billId: str
    instId: str
    ccy: str
    balChg: str  # of the wallet; positive: received
    ts: int


class _Bills(Struct):
    data: list[_Bill]


class OkxSwapOrders(OkxTrading):
    """Orders and Margined."""

    def __init__(self, config: OrderSettings, credential: Key, budgets: Budgets) -> None:
        super().__init__(_SWAP, config, credential, budgets)
        stream = OkxStreamDialect(
            config, credential, lambda: int(self._exchange.nonce()), self.venue, _SWAP.kind, self._unit_of
        )
        self.stream = StreamLine(stream) if config.order_stream else None

    async def prepare(self, symbols: Sequence[str], leverage: int) -> None:
        """Only what differs is changed: the venue refuses the rest while orders or positions are open."""
        answer = await self._client.ask(Purpose.READ, "GET", "account/config", {}, _Configs)
        if not answer.data:
            raise VenueUnavailable(f"{self.venue}: /account/config was answered without a row")
        if answer.data[0].acctLv == _SPOT_MODE:
            raise VenueRefused("account_mode", f"{self.venue}: the account is in spot mode: it holds no contracts")
        if answer.data[0].posMode != _NET:
            await self._change("account/set-position-mode", {"posMode": _NET})
        for symbol in symbols:
            params = {"instId": symbol, "mgnMode": "cross"}
            told = await self._client.ask(Purpose.READ, "GET", "account/leverage-info", params, _Leverages)
            if any(row.lever != leverage for row in told.data) or not told.data:
                await self._change("account/set-leverage", params | {"lever": str(leverage)})

    async def positions(self) -> Sequence[Position]:
        """Raises VenueRefused where the account holds contracts that count something else than their base, or holds
        them by side: its two sides are no one position."""
        params = {"instType": "SWAP"}
        answer = await self._client.ask(Purpose.READ, "GET", "account/positions", params, _Positions)
        return [await self._position(row) for row in answer.data if self._number(row.pos)]

    async def funding_since(self, at_ms: int) -> Sequence[FundingPaid]:
        """Three months back, page by page from the newest."""
        params: dict[str, Any] = {"instType": "SWAP", "type": _FUNDING, "begin": str(at_ms), "limit": _PAGE}
        bills: list[_Bill] = []
        while True:
            page = (await self._client.ask(Purpose.READ, "GET", "account/bills-archive", params, _Bills)).data
            bills += page
            if len(page) < _PAGE:
                break
            params["after"] = page[-1].billId
        paid = [
            FundingPaid(
                id=bill.billId, symbol=bill.instId, asset=bill.ccy, amount=self._number(bill.balChg), at_ms=bill.ts
            )
            for bill in bills
            if bill.ts >= at_ms
        ]
        return sorted(paid, key=lambda each: (each.at_ms, each.id))

    def _unit_of(self, symbol: str) -> Decimal | None:
        size = self._sizes.get(symbol)
        return size.unit if size is not None else None

    async def _change(self, path: str, params: dict[str, Any]) -> None:
        await self._client.ask(Purpose.READ, "POST", path, params, dict[str, Any])

    async def _position(self, row: _Position) -> Position:
        if row.posSide != "net":
            raise VenueRefused("hedge_mode", f"{self.venue}: {row.instId} is held by side: net mode is needed")
        size = await self._size(row.instId)
        return Position(
            symbol=row.instId,
            qty=self._number(row.pos) * (size.unit if size else 1),
            entry=self._number(row.avgPx),
            mark=self._number(row.markPx),
            margin=self._number(row.imr or row.margin),
            liquidation=self._number(row.liqPx) or None,
        )
