"""What Upbit says of its wallets and against its markets. Source: Upbit API reference, Service Status and Pairs."""

from collections.abc import Sequence

from msgspec import Struct

from engine.domain.market import Gate, MarketWarning, Wallet
from engine.venues.ccxt_orders import CcxtClient
from engine.venues.purse import Purpose

_DEPOSIT = {"working": Gate.OPEN, "deposit_only": Gate.OPEN, "withdraw_only": Gate.CLOSED}
_WITHDRAW = {"working": Gate.OPEN, "withdraw_only": Gate.OPEN, "deposit_only": Gate.CLOSED}
_SHUT = {"paused": Gate.CLOSED, "unsupported": Gate.CLOSED}


class WalletRow(Struct):
    """One network of one coin. The venue's word lags the truth by minutes: a veto, never a proof."""

    currency: str
    wallet_state: str  # working | withdraw_only | deposit_only | paused | unsupported
    block_state: str | None = None  # normal | delayed | inactive: whether its view of the chain moves on
    net_type: str | None = None

    def wallet(self) -> Wallet:
        """A state that nobody documented is UNKNOWN."""
        return Wallet(
            asset=self.currency,
            network=self.net_type or "",
            deposit=self._gate((_DEPOSIT | _SHUT).get(self.wallet_state, Gate.UNKNOWN)),
            withdraw=self._gate((_WITHDRAW | _SHUT).get(self.wallet_state, Gate.UNKNOWN)),
        )

    def _gate(self, gate: Gate) -> Gate:
        is_late = self.block_state in ("delayed", "inactive")
        return Gate.DELAYED if gate is Gate.OPEN and is_late else gate


class _Event(Struct):
    warning: bool = False
    caution: dict[str, bool] = {}


class _Market(Struct):
    market: str
    market_event: _Event | None = None


async def wallets(client: CcxtClient, assets: Sequence[str]) -> list[Wallet]:
    rows = await client.ask(Purpose.READ, "GET", "status/wallet", {}, list[WalletRow])
    return [row.wallet() for row in rows if row.currency in assets]


async def warnings(client: CcxtClient, symbols: Sequence[str]) -> list[MarketWarning]:
    """`warning` is the stronger flag. A market that the list does not name any more has ended."""
    listed = {row.market: row.market_event for row in await _all(client)}
    found: list[MarketWarning] = []
    for symbol in symbols:
        event = listed.get(symbol)
        if symbol not in listed:
            found.append(MarketWarning(symbol=symbol, kind="suspended", text="not listed any more"))
        elif event is not None:
            if event.warning:
                found.append(MarketWarning(symbol=symbol, kind="warning", text="WARNING"))
            cautions = sorted(name for name, holds in event.caution.items() if holds)
            found += [MarketWarning(symbol=symbol, kind="caution", text=name) for name in cautions]
    return found


async def listed(client: CcxtClient) -> set[str]:
    return {row.market for row in await _all(client)}


async def _all(client: CcxtClient) -> list[_Market]:
    asked = {"is_details": "true"}
    return await client.ask(Purpose.READ, "GET", "market/all", asked, list[_Market], access="public")
