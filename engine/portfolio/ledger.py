"""Double entry per venue and asset, exact. Entries sum to zero per asset; a fill is posted once, whatever repeats.

Accounts: `assets:<venue>:<asset>` is what we hold there, `fees:<venue>:<asset>` what the venue took, `trading` the
other side of every exchange, `equity:opening` and `equity:adjusted` where balances came from that no trade explains.

A perpetual is not delivered: `position:<venue>:<symbol>` is what stands open in base, `cost:<venue>:<symbol>` what is
owed for it in quote (below zero for a long). Closing moves the result out of the cost into the wallet; funding comes
from `funding:<venue>:<symbol>`; what a venue rounds otherwise than we do stands under `rounding:<venue>`.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Context, Decimal, Inexact

from msgspec import Struct

from engine.domain.errors import InvariantBroken
from engine.domain.market import Product
from engine.domain.money import ZERO
from engine.domain.order import OrderReport, Side
from engine.domain.position import FundingPaid, Holding
from engine.portfolio.positions import Open, realised

# Balances of 10^12 KRW with 16 decimals pass the default 28 digits: here nothing is ever rounded, it raises instead.
_EXACT = Context(prec=60, traps=[Inexact])

_FUNDING_KEPT_MS = 7 * 86_400_000

TRADING = "trading"
OPENING = "equity:opening"
ADJUSTED = "equity:adjusted"


def assets_account(venue: str, asset: str) -> str:
    return f"assets:{venue}:{asset}"


def fees_account(venue: str, asset: str) -> str:
    return f"fees:{venue}:{asset}"


def position_account(venue: str, symbol: str) -> str:
    return f"position:{venue}:{symbol}"


def cost_account(venue: str, symbol: str) -> str:
    return f"cost:{venue}:{symbol}"


def funding_account(venue: str, symbol: str) -> str:
    return f"funding:{venue}:{symbol}"


def rounding_account(venue: str) -> str:
    return f"rounding:{venue}"


class Posting(Struct, frozen=True):
    """One line of an entry; positive debits the account (an asset or a cost grows), negative credits it."""

    account: str
    asset: str
    amount: Decimal


class Entry(Struct, frozen=True):
    """Postings that belong together: per asset they sum to zero."""

    reason: str  # open:<venue> | adjust:<venue> | fill:<cid> | funding:<id> | align:<venue>
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
        self._open: dict[str, dict[str, Open]] = {}  # venue -> symbol -> position and cost once more, none at zero
        self._funded: dict[str, dict[str, int]] = {}  # venue -> id of a payment, "" for the opening -> its time, UTC

    def open(
        self,
        venue: str,
        balances: Mapping[str, Decimal],
        holdings: Sequence[Holding] = (),
        paid: Sequence[FundingPaid] = (),
        at_ms: int = 0,
    ) -> Entry | None:
        """Adopt a venue's balances: the first time as its opening ones, later as an adjustment. None if all agreed.

        Afterwards each asset and position stands at its value here, or at 0 where it is not named. `paid` is funding
        that these balances of `at_ms` hold already.
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
        if at_ms:
            self._funded.setdefault(venue, {}).update({"": at_ms} | {each.id: each.at_ms for each in paid})
        return self._post(reason, moves + self._adopted(venue, counter, holdings))

    def _adopted(self, venue: str, counter: str, holdings: Sequence[Holding]) -> list[tuple[str, str, str, Decimal]]:
        """Moves that bring every position of the venue to what it says."""
        moves, known = [], self.positions(venue)
        told = {
            each.symbol: Open(each.base, each.quote, each.qty, _EXACT.multiply(each.qty, each.entry))
            for each in holdings
        }
        for symbol in sorted({*known, *told}):
            at = told.get(symbol) or known[symbol]
            to, was = told.get(symbol, _none(at)), known.get(symbol, _none(at))
            moves.append((counter, position_account(venue, symbol), at.base, _minus(to.qty, was.qty)))
            moves.append((cost_account(venue, symbol), counter, at.quote, _minus(to.cost, was.cost)))
        return moves

    def post_fill(
        self,
        before: OrderReport | None,
        report: OrderReport,
        base: str,
        quote: str,
        product: Product = Product.SPOT,
    ) -> Entry | None:
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
        if product is Product.PERP:
            moves += self._traded(report, base, quote, in_base, in_quote)
        elif report.side is Side.BUY:
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

    def _traded(
        self, report: OrderReport, base: str, quote: str, in_base: Decimal, in_quote: Decimal
    ) -> list[tuple[str, str, str, Decimal]]:
        """A fill of a perpetual: position, cost, and what closing has realised."""
        held = self.position(report.venue, report.symbol) or Open(base, quote, ZERO, ZERO)
        sign = 1 if report.side is Side.BUY else -1
        traded, paid = _times(in_base, sign), _times(in_quote, sign)
        position, cost = position_account(report.venue, report.symbol), cost_account(report.venue, report.symbol)
        return [
            (TRADING, position, base, traded),
            (cost, TRADING, quote, paid),
            (cost, assets_account(report.venue, quote), quote, realised(held.qty, held.cost, traded, paid)),
        ]

    def post_funding(self, venue: str, paid: FundingPaid) -> Entry | None:
        """Book one settlement; None where its id is known."""
        known = self._funded.setdefault(venue, {})
        if paid.id in known:
            return None
        known[paid.id] = paid.at_ms
        source, target = funding_account(venue, paid.symbol), assets_account(venue, paid.asset)
        return self._post(f"funding:{paid.id}", [(source, target, paid.asset, paid.amount)])

    def align(self, venue: str, asset: str, wallet: Decimal, costs: Mapping[str, Decimal]) -> Entry | None:
        """Take over the venue's split between wallet and costs; what does not cancel out is its rounding."""
        rounding = rounding_account(venue)
        moves = [(rounding, assets_account(venue, asset), asset, wallet)]
        moves += [(cost_account(venue, symbol), rounding, asset, amount) for symbol, amount in sorted(costs.items())]
        return self._post(f"align:{venue}", moves)

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
            elif kind in ("position", "cost"):
                self._look_at(rest, posting)
        return Entry(reason, tuple(postings)) if postings else None

    def _look_at(self, market: str, posting: Posting) -> None:
        """Renew the position that a posting is about."""
        venue, _, symbol = market.partition(":")
        known = self._open.setdefault(venue, {})
        amount = self._accounts[posting.account, posting.asset]
        held = known.get(symbol, Open("", "", ZERO, ZERO))
        if posting.account.startswith("position:"):
            held = Open(posting.asset, held.quote, amount, held.cost)
        else:
            held = Open(held.base, posting.asset, held.qty, amount.copy_negate() if amount else ZERO)
        known[symbol] = held
        if not held.qty and not held.cost:
            del known[symbol]

    def positions(self, venue: str) -> dict[str, Open]:
        """What should stand open there, by symbol."""
        return dict(self._open.get(venue, {}))

    def position(self, venue: str, symbol: str) -> Open | None:
        return self._open.get(venue, {}).get(symbol)

    def funded(self) -> dict[str, dict[str, int]]:
        """Venue -> id of each payment of funding that is booked -> its time; of long ago none, for none is asked."""
        return {
            venue: {key: at_ms for key, at_ms in ids.items() if at_ms > max(ids.values()) - _FUNDING_KEPT_MS}
            for venue, ids in self._funded.items()
        }

    def know_funding(self, venue: str, paid: FundingPaid) -> None:
        """It is in the adopted balances already."""
        self._funded.setdefault(venue, {})[paid.id] = paid.at_ms

    def opened_ms(self, venue: str) -> int:
        """When the balances were asked for that were adopted last; 0 where that is not known."""
        return self._funded.get(venue, {}).get("", 0)

    def is_funded(self, venue: str, payment_id: str) -> bool:
        return payment_id in self._funded.get(venue, {})

    def newest_funding_ms(self, venue: str) -> int:
        """Of what is booked, or of the opening; 0 where nothing is."""
        return max(self._funded.get(venue, {}).values(), default=0)

    def accounts(self) -> tuple[tuple[str, str, Decimal], ...]:
        """(account, asset, amount) of every account."""
        return tuple((account, asset, amount) for (account, asset), amount in self._accounts.items())

    def held(self) -> dict[str, dict[str, Decimal]]:
        """Venue -> asset -> amount, zeros included, of every venue with opening balances."""
        return {venue: dict(assets) for venue, assets in self._held.items()}

    def stand_at(
        self,
        accounts: Iterable[tuple[str, str, Decimal]],
        held: Mapping[str, Mapping[str, Decimal]],
        funded: Mapping[str, Mapping[str, int]],
    ) -> None:
        """Take over all accounts of a former ledger; how much of each order is booked stays."""
        self._accounts = {(account, asset): amount for account, asset, amount in accounts}
        self._open.clear()
        for (account, asset), amount in self._accounts.items():
            kind, _, market = account.partition(":")
            if kind in ("position", "cost"):
                self._look_at(market, Posting(account, asset, amount))
        self._funded = {venue: dict(ids) for venue, ids in funded.items()}
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


def _none(like: Open) -> Open:
    return Open(like.base, like.quote, ZERO, ZERO)


def _times(amount: Decimal, sign: int) -> Decimal:
    return amount if sign > 0 else amount.copy_negate()


def _minus(left: Decimal, right: Decimal) -> Decimal:
    return _EXACT.subtract(left, right)


def _cumulative(report: OrderReport) -> _Posted:
    fees: dict[str, Decimal] = {}
    for fee in report.fees:
        fees[fee.asset] = _EXACT.add(fees.get(fee.asset, ZERO), fee.amount)
    return _Posted(report.filled_qty, report.filled_quote, fees)
