"""Which coins may come and go at a venue, and which markets it warns of: quiet until somebody asks otherwise."""

from msgspec import Struct


class Wallet(Struct, frozen=True):
    deposits: bool = True
    withdrawals: bool = True

    @property
    def korean(self) -> str:
        """As Upbit and Bithumb say it."""
        if self.deposits:
            return "working" if self.withdrawals else "deposit_only"
        return "withdraw_only" if self.withdrawals else "paused"


_OPEN = Wallet()
_ENDS = "end:"


class Wallets:
    """Of one venue. Networks are spelled as the venue spells them; "" stands for all of an asset."""

    def __init__(self) -> None:
        self._set: dict[tuple[str, str], Wallet] = {}
        self._warnings: dict[str, tuple[str, ...]] = {}

    def set(self, asset: str, network: str, wallet: Wallet) -> None:
        if not network:
            self._set = {key: kept for key, kept in self._set.items() if key[0] != asset}
        self._set[asset, network] = wallet

    def of(self, asset: str, network: str) -> Wallet:
        return self._set.get((asset, network), self._set.get((asset, ""), _OPEN))

    def warn(self, symbol: str, kinds: tuple[str, ...]) -> None:
        """`kinds` in the venue's own words; none takes the warning back."""
        self._warnings[symbol] = kinds

    def warnings(self, symbol: str) -> tuple[str, ...]:
        return self._warnings.get(symbol, ())

    def status(self, symbol: str, open_word: str) -> str:
        """As venues with one status per market tell it: the first kind that is no date of an end."""
        return next((kind for kind in self.warnings(symbol) if not kind.startswith(_ENDS)), open_word)

    def end_ms(self, symbol: str) -> int:
        """When the market is taken off, from a kind like `end:1795000000000`; 0: never."""
        return next((int(kind[len(_ENDS) :]) for kind in self.warnings(symbol) if kind.startswith(_ENDS)), 0)
