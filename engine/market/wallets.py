"""Whether coins can move between venues, by the venues' own words (domain.md §10)."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from engine.domain.event import WalletsReported, WarningsReported
from engine.domain.market import Gate, MarketWarning, Wallet

Direction = Literal["deposit", "withdraw"]
_BEST_FIRST = (Gate.OPEN, Gate.DELAYED, Gate.UNKNOWN, Gate.CLOSED)


class GateView(Struct, frozen=True, kw_only=True):
    """One direction of one asset at one venue: open if any network is, closed only if all are."""

    gate: Gate
    networks: tuple[str, ...]  # those that are in that state
    source: str  # "" where nothing was ever told
    seen_ns: int


class Wallets:
    """What every venue last said. Written by the core alone."""

    def __init__(self) -> None:
        self._told: dict[str, WalletsReported] = {}
        self._by_asset: dict[tuple[str, str], tuple[Wallet, ...]] = {}
        self._warnings: dict[str, dict[str, tuple[MarketWarning, ...]]] = {}

    def take(self, event: WalletsReported) -> None:
        self._told[event.venue] = event
        self._by_asset = {key: found for key, found in self._by_asset.items() if key[0] != event.venue}
        grouped: dict[str, list[Wallet]] = {}
        for wallet in event.wallets:
            grouped.setdefault(wallet.asset, []).append(wallet)
        for asset, found in grouped.items():
            self._by_asset[event.venue, asset] = tuple(found)

    def warn(self, event: WarningsReported) -> None:
        grouped: dict[str, list[MarketWarning]] = {}
        for warning in event.warnings:
            grouped.setdefault(warning.symbol, []).append(warning)
        self._warnings[event.venue] = {symbol: tuple(found) for symbol, found in grouped.items()}

    def warnings(self, venue: str, symbol: str) -> Sequence[MarketWarning]:
        return self._warnings.get(venue, {}).get(symbol, ())

    def networks(self, venue: str, asset: str) -> Sequence[Wallet]:
        return self._by_asset.get((venue, asset), ())

    def gate(self, venue: str, asset: str, direction: Direction) -> GateView:
        """UNKNOWN where the venue never spoke of the asset."""
        told = self._told.get(venue)
        found = self._by_asset.get((venue, asset), ())
        if told is None or not found:
            return GateView(gate=Gate.UNKNOWN, networks=(), source="", seen_ns=0)
        states = [(wallet.deposit if direction == "deposit" else wallet.withdraw, wallet.network) for wallet in found]
        best = next(gate for gate in _BEST_FIRST if any(state is gate for state, _ in states))
        networks = tuple(network for state, network in states if state is best)
        return GateView(gate=best, networks=networks, source=told.source, seen_ns=told.seen_ns)

    def is_locked(self, buy_venue: str, sell_venue: str, asset: str) -> bool:
        """Whether the asset certainly cannot be carried from where it is bought to where it is sold."""
        return (
            self.gate(buy_venue, asset, "withdraw").gate is Gate.CLOSED
            or self.gate(sell_venue, asset, "deposit").gate is Gate.CLOSED
        )
