"""What a venue answers about an account: the truth, or what a fault makes of it."""

from collections.abc import Callable

from msgspec.structs import replace

from sandbox.faults import VenueFaults
from sandbox.venues.clearing import Clearing
from sandbox.venues.ledger import ZERO, Balance, Ledger
from sandbox.venues.positions import Margin, Position

_NOTHING = Balance(ZERO, ZERO)


class Statements:
    """Every dialect's balances and positions. `clock` is the one that dates the ledger."""

    def __init__(self, ledger: Ledger, clearing: Clearing, faults: VenueFaults, clock: Callable[[], int]) -> None:
        self._ledger = ledger
        self._clearing = clearing
        self._faults = faults
        self._clock = clock

    def balances(self, account: str) -> dict[str, Balance]:
        """By asset; an asset that a fault hides is missing."""
        shown = self._ledger.balances(account)
        for asset in tuple(shown):
            if (lag := self._faults.lasting("balance_lag", asset)) is not None:
                shown[asset] = self._ledger.balances_at(account, self._clock() - lag.behind_ms)[asset]
            if self._faults.lasting("balance_zero", asset) is not None:
                shown[asset] = _NOTHING
            if self._faults.lasting("balance_empty", asset) is not None:
                del shown[asset]
        return shown

    def margin(self, account: str) -> Margin:
        """Of an account on margin, with the wallet that `balances` shows."""
        margin = self._clearing.margin(account)
        missing = margin.wallet - self.balances(account).get(self._clearing.asset, _NOTHING).total
        return replace(margin, wallet=margin.wallet - missing, available=margin.available - missing)

    def positions(self, account: str) -> list[Position]:
        """Those that are not flat, as it is told."""
        return [each for held in self._clearing.positions(account) if (each := self._told(held)).qty]

    def position(self, account: str, symbol: str) -> Position:
        """A flat one, too."""
        return self._told(self._clearing.position(account, symbol))

    def _told(self, held: Position) -> Position:
        if not held.qty or self._faults.lasting("position_empty", held.symbol) is None:
            return held
        return replace(
            held,
            qty=ZERO,
            entry=ZERO,
            notional=ZERO,
            unrealised=ZERO,
            initial=ZERO,
            maintenance=ZERO,
            liquidation=None,
            realised=ZERO,
        )
