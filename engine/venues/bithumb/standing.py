"""What Bithumb says of its wallets and against its markets. Source: Bithumb API reference 2.1."""

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from msgspec import Struct

from engine.domain.errors import VenueUnavailable
from engine.domain.market import Gate, MarketWarning, Wallet
from engine.venues.ccxt_orders import CcxtClient
from engine.venues.purse import Purpose

_DEPOSIT = {"working": Gate.OPEN, "deposit_only": Gate.OPEN, "withdraw_only": Gate.CLOSED}
_WITHDRAW = {"working": Gate.OPEN, "withdraw_only": Gate.OPEN, "deposit_only": Gate.CLOSED}
_SHUT = {"paused": Gate.CLOSED, "unsupported": Gate.CLOSED}
_KST = timezone(timedelta(hours=9))


class WalletRow(Struct):
    """One network of one coin."""

    currency: str
    wallet_state: str
    block_state: str | None = None
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


class _Listed(Struct):
    market: str


class _Warning(Struct):
    market: str
    warning_type: str
    warning_step: str = "CAUTION"  # CAUTION | WARNING | DANGER
    end_date: str = ""  # Korean wall time: when the word lapses

    def warning(self) -> MarketWarning:
        kind = "caution" if self.warning_step == "CAUTION" else "warning"
        return MarketWarning(symbol=self.market, kind=kind, text=self.warning_type, at_ms=_ms(self.end_date))


async def wallets(client: CcxtClient, assets: Sequence[str]) -> list[Wallet]:
    rows = await client.ask(Purpose.READ, "GET", "v1/status/wallet", {}, list[WalletRow])
    return [row.wallet() for row in rows if row.currency in assets]


async def warnings(client: CcxtClient, symbols: Sequence[str]) -> list[MarketWarning]:
    """One row per market and kind. A market that the list of all does not name any more has ended."""
    rows = await client.ask(Purpose.READ, "GET", "v1/market/virtual_asset_warning", {}, list[_Warning], "public")
    there = await listed(client)
    gone = [
        MarketWarning(symbol=symbol, kind="suspended", text="not listed any more")
        for symbol in symbols
        if symbol not in there
    ]
    return [row.warning() for row in rows if row.market in symbols] + gone


async def listed(client: CcxtClient) -> set[str]:
    rows = await client.ask(Purpose.READ, "GET", "v1/market/all", {}, list[_Listed], "public")
    return {row.market for row in rows}


def _ms(text: str) -> int:
    """Raises VenueUnavailable for what is no date."""
    if not text:
        return 0
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=_KST).timestamp()) * 1_000
    except ValueError as error:
        raise VenueUnavailable(f"bithumb: a warning ends at {text!r}") from error
