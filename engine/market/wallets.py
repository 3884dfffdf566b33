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


class Lock(Struct, frozen=True, kw_only=True):
    """A venue lets the asset not out (withdraw) or not in (deposit), on no network that it has."""

    venue: str
    direction: Direction
    source: str
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

    def locks(self, buy_venue: str, sell_venue: str, asset: str) -> tuple[Lock, ...]:
        """What certainly keeps the asset from being carried from where it is bought to where it is sold."""
        ends: tuple[tuple[str, Direction], ...] = ((buy_venue, "withdraw"), (sell_venue, "deposit"))
        found = ((venue, direction, self.gate(venue, asset, direction)) for venue, direction in ends)
        return tuple(
            Lock(venue=venue, direction=direction, source=view.source, seen_ns=view.seen_ns)
            for venue, direction, view in found
            if view.gate is Gate.CLOSED
        )

    def suspended(self, venue: str, symbol: str) -> str:
        """The venue's own word where a market takes no orders now; "" where it does."""
        return next((told.text for told in self.warnings(venue, symbol) if told.kind == "suspended"), "")
