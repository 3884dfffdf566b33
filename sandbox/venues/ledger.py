"""Balances and holds of every account on one venue, in Decimal; nothing is made or lost here."""

from collections import defaultdict, deque
from collections.abc import Callable
from decimal import Decimal

from msgspec import Struct

ZERO = Decimal(0)
MARKET = "_market"  # the counterparty behind the tape's liquidity: it may owe, nobody else may
FEES = "_fees"
_REMEMBERED = 20_000  # changes of balances


class ShortOfFunds(Exception):
    """The account has less free than asked for; carries the asset."""

    def __init__(self, asset: str, needed: Decimal, free: Decimal) -> None:
        super().__init__(f"{asset}: needed {needed}, free {free}")
        self.asset = asset


class Balance(Struct, frozen=True):
    free: Decimal
    held: Decimal

    @property
    def total(self) -> Decimal:
        return self.free + self.held


class _Change(Struct, frozen=True):
    at_ms: int
    account: str
    asset: str
    before: Balance


class Ledger:
    """`clock` dates its changes, for whoever asks what was; it goes forward only."""

    def __init__(self, clock: Callable[[], int] = lambda: 0) -> None:
        self._clock = clock
        self._changes: deque[_Change] = deque(maxlen=_REMEMBERED)
        self._free: dict[str, dict[str, Decimal]] = defaultdict(dict)
        self._held: dict[str, dict[str, Decimal]] = defaultdict(dict)

    def deposit(self, account: str, asset: str, amount: Decimal) -> None:
        self._note(account, asset)
        self._free[account][asset] = self._free[account].get(asset, ZERO) + amount

    def balance(self, account: str, asset: str) -> Balance:
        return Balance(self._free[account].get(asset, ZERO), self._held[account].get(asset, ZERO))

    def balances(self, account: str) -> dict[str, Balance]:
        """Every asset the account ever had, in order of first arrival."""
        assets = dict.fromkeys((*self._free[account], *self._held[account]))
        return {asset: self.balance(account, asset) for asset in assets}

    def balances_at(self, account: str, at_ms: int) -> dict[str, Balance]:
        """As they were then, as far back as the ledger remembers."""
        balances = self.balances(account)
        for change in reversed(self._changes):
            if change.at_ms <= at_ms:
                break
            if change.account == account:
                balances[change.asset] = change.before
        return balances

    def accounts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self._free, *self._held)))

    def hold(self, account: str, asset: str, amount: Decimal) -> None:
        """Raises ShortOfFunds."""
        free = self._free[account].get(asset, ZERO)
        if amount > free:
            raise ShortOfFunds(asset, amount, free)
        self._note(account, asset)
        self._free[account][asset] = free - amount
        self._held[account][asset] = self._held[account].get(asset, ZERO) + amount

    def release(self, account: str, asset: str, amount: Decimal) -> None:
        self._note(account, asset)
        self._held[account][asset] = self._held[account].get(asset, ZERO) - amount
        self._free[account][asset] = self._free[account].get(asset, ZERO) + amount

    def pay_held(self, payer: str, asset: str, amount: Decimal, payee: str) -> None:
        self._note(payer, asset)
        self._held[payer][asset] = self._held[payer].get(asset, ZERO) - amount
        self.deposit(payee, asset, amount)

    def pay_free(self, payer: str, asset: str, amount: Decimal, payee: str) -> None:
        self._note(payer, asset)
        self._free[payer][asset] = self._free[payer].get(asset, ZERO) - amount
        self.deposit(payee, asset, amount)

    def total(self, asset: str) -> Decimal:
        """Over every account, the market and the fees: constant but for deposits."""
        return sum((self.balance(account, asset).total for account in self.accounts()), ZERO)

    def _note(self, account: str, asset: str) -> None:
        if account not in (MARKET, FEES):
            self._changes.append(_Change(self._clock(), account, asset, self.balance(account, asset)))
