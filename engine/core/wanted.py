"""What the core wants to know anew of a venue, for whoever asks the venues; and what it took for that."""

from decimal import Decimal

from msgspec import Struct, field


class Wish(Struct, frozen=True, kw_only=True):
    """Read a venue's rules again."""

    since_ns: int
    why: str


class Wanted(Struct, kw_only=True):
    rules: dict[str, Wish] = field(default_factory=dict)  # venue -> the newest wish
    # Market -> the price that it was looked at with, and the lower end of that price's tick band.
    bands: dict[tuple[str, str], tuple[float, Decimal]] = field(default_factory=dict)
    told_wallets: set[str] = field(default_factory=set)  # venues that spoke at least once
    told_warnings: set[str] = field(default_factory=set)

    def ask(self, venue: str, now_ns: int, why: str) -> None:
        self.rules[venue] = Wish(since_ns=now_ns, why=why)
