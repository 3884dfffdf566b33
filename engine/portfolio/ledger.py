"""Double entry per venue and asset, exact. Entries sum to zero per asset; a fill is posted once, whatever repeats.

Accounts: `assets:<venue>:<asset>` is what we hold there, `fees:<venue>:<asset>` what the venue took, `trading` the
other side of every exchange, `equity:opening` and `equity:adjusted` where balances came from that no trade explains.
"""

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal, Inexact

from msgspec import Struct

from engine.domain.errors import InvariantBroken
from engine.domain.money import ZERO
from engine.domain.order import OrderReport, Side

# Balances of 10^12 KRW with 16 decimals pass the default 28 digits: here nothing is ever rounded, it raises instead.
_EXACT = Context(prec=60, traps=[Inexact])

TRADING = "trading"
OPENING = "equity:opening"
ADJUSTED = "equity:adjusted"


def assets_account(venue: str, asset: str) -> str:
    return f"assets:{venue}:{asset}"


def fees_account(venue: str, asset: str) -> str:
    return f"fees:{venue}:{asset}"


class Posting(Struct, frozen=True):
    """One line of an entry; positive debits the account (an asset or a cost grows), negative credits it."""

    account: str
    asset: str
    amount: Decimal


class Entry(Struct, frozen=True):
    """Postings that belong together: per asset they sum to zero."""

    reason: str  # open:<venue> | adjust:<venue> | fill:<cid>
    postings: tuple[Posting, ...]


class _Posted(Struct):
    """How much of one order is in the books already; cumulative like the reports."""

    qty: Decimal
    quote: Decimal
    fees: dict[str, Decimal]


class Ledger:
    """All accounts. Written by the core alone."""

    def __init__(self) -> None:
        self._accounts: dict[tuple[str, str], Decimal] = {}  # (account, asset)
        self._held: dict[str, dict[str, Decimal]] = {}  # venue -> asset -> amount: the assets accounts once more
        self._posted: dict[str, _Posted] = {}  # by client id

    def open(self, venue: str, balances: Mapping[str, Decimal]) -> Entry | None:
        """Adopt a venue's balances: the first time as its opening ones, later as an adjustment. None if all agreed.

        Afterwards each asset of the venue stands at its value in `balances`, or at 0 where it is not named.
        """
        is_first = venue not in self._held
        held = self._held.setdefault(venue, {})
        counter, reason = (OPENING, f"open:{venue}") if is_first else (ADJUSTED, f"adjust:{venue}")
        moves = [
            (counter, assets_account(venue, asset), asset, _minus(balances.get(asset, ZERO), held.get(asset, ZERO)))
            for asset in sorted({*held, *balances})
        ]
        for asset in balances:
            held.setdefault(asset, ZERO)
        return self._post(reason, moves)

    def post_fill(self, before: OrderReport | None, report: OrderReport, base: str, quote: str) -> Entry | None:
        """Book what `report` tells beyond what is booked of its order. None where it tells nothing new.

        What is booked is remembered by client id; only for an order never seen here is `before` taken as booked. An
        older report (less filled) changes nothing. A fee that a report does not name is not yet known, not zero.
        """
        posted = self._posted.get(report.cid)
        if posted is None:
            posted = _Posted(ZERO, ZERO, {}) if before is None else _cumulative(before)
            self._posted[report.cid] = posted
        if report.filled_qty < posted.qty:
            return None
        grew = report.filled_qty > posted.qty
        moves = []
        venue = report.venue
        in_base, in_quote = _minus(report.filled_qty, posted.qty), _minus(report.filled_quote, posted.quote)
        if report.side is Side.BUY:
            moves.append((TRADING, assets_account(venue, base), base, in_base))
            moves.append((assets_account(venue, quote), TRADING, quote, in_quote))
        else:
            moves.append((assets_account(venue, base), TRADING, base, in_base))
            moves.append((TRADING, assets_account(venue, quote), quote, in_quote))
        for asset, amount in _cumulative(report).fees.items():
            known = posted.fees.get(asset, ZERO)
            if grew or abs(amount) > abs(known):
                moves.append((assets_account(venue, asset), fees_account(venue, asset), asset, _minus(amount, known)))
                posted.fees[asset] = amount
        posted.qty, posted.quote = report.filled_qty, report.filled_quote
        return self._post(f"fill:{report.cid}", moves)

    def _post(self, reason: str, moves: Iterable[tuple[str, str, str, Decimal]]) -> Entry | None:
        """Each move takes `amount` of `asset` out of its first account into its second."""
        postings = []
        for source, target, asset, amount in moves:
            if amount:
                # copy_negate: a plain minus would round to the default 28 digits.
                postings += [Posting(source, asset, amount.copy_negate()), Posting(target, asset, amount)]
        for posting in postings:
            key = (posting.account, posting.asset)
            self._accounts[key] = _EXACT.add(self._accounts.get(key, ZERO), posting.amount)
            kind, _, rest = posting.account.partition(":")
            if kind == "assets":
                held = self._held.setdefault(rest.partition(":")[0], {})
                held[posting.asset] = self._accounts[key]
        return Entry(reason, tuple(postings)) if postings else None

    def accounts(self) -> tuple[tuple[str, str, Decimal], ...]:
        """(account, asset, amount) of every account."""
        return tuple((account, asset, amount) for (account, asset), amount in self._accounts.items())

    def held(self) -> dict[str, dict[str, Decimal]]:
        """Venue -> asset -> amount, zeros included, of every venue with opening balances."""
        return {venue: dict(assets) for venue, assets in self._held.items()}

    def stand_at(self, accounts: Iterable[tuple[str, str, Decimal]], held: Mapping[str, Mapping[str, Decimal]]) -> None:
        """Take over all accounts of a former ledger; how much of each order is booked stays."""
        self._accounts = {(account, asset): amount for account, asset, amount in accounts}
        self._held = {venue: dict(assets) for venue, assets in held.items()}

    def balance(self, venue: str, asset: str) -> Decimal:
        """What we should hold there."""
        return self._held.get(venue, {}).get(asset, ZERO)

    def assets(self, venue: str) -> dict[str, Decimal]:
        """Every asset ever held at a venue, zeros included."""
        return dict(self._held.get(venue, {}))

    def fees(self, venue: str) -> dict[str, Decimal]:
        """Fees paid to a venue since its opening, per asset."""
        prefix = fees_account(venue, "")
        return {asset: amount for (account, asset), amount in self._accounts.items() if account.startswith(prefix)}

    def account(self, account: str, asset: str) -> Decimal:
        return self._accounts.get((account, asset), ZERO)

    def difference(
        self, venue: str, balances: Mapping[str, Decimal], dust: Mapping[str, Decimal]
    ) -> dict[str, Decimal]:
        """The venue's word minus ours, per asset that differs by more than its dust. Not named means zero there."""
        held = self._held.get(venue, {})
        apart = {
            asset: _minus(balances.get(asset, ZERO), held.get(asset, ZERO)) for asset in sorted({*held, *balances})
        }
        return {asset: amount for asset, amount in apart.items() if abs(amount) > dust.get(asset, ZERO)}

    def check(self) -> None:
        """Raises InvariantBroken unless all accounts sum to zero per asset."""
        sums: dict[str, Decimal] = {}
        for (_, asset), amount in self._accounts.items():
            sums[asset] = _EXACT.add(sums.get(asset, ZERO), amount)
        wrong = {asset: amount for asset, amount in sums.items() if amount}
        if wrong:
            raise InvariantBroken(f"ledger does not sum to zero: {wrong}")


def _minus(left: Decimal, right: Decimal) -> Decimal:
    return _EXACT.subtract(left, right)


def _cumulative(report: OrderReport) -> _Posted:
    fees: dict[str, Decimal] = {}
    for fee in report.fees:
        fees[fee.asset] = _EXACT.add(fees.get(fee.asset, ZERO), fee.amount)
    return _Posted(report.filled_qty, report.filled_quote, fees)
