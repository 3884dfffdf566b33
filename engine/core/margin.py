"""Accounts of perpetuals: what the venue says of positions and funding, held against the books; margin as it stands."""

from decimal import Decimal

from engine.core import collateral
from engine.core.state import State
from engine.core.venue_state import VenueState
from engine.domain.effect import Remember, Severity
from engine.domain.margin_event import FundingBooked, FundingReported, MarginAligned, PositionsReported
from engine.domain.market import Balance, Product
from engine.domain.money import NS_PER_S, ZERO, tick_at
from engine.domain.order import PlannedLeg, Side
from engine.domain.position import FundingPaid, Holding
from engine.risk.margin import ASSET, Alarm
from engine.risk.situation import Margin

_LOOK_BACK_MS = 6 * 3_600_000  # a venue may enter a payment late
_FIRST_LOOK_MS = 24 * 3_600_000
_PAID_REST_NS = 10 * NS_PER_S
_DAY_MS = 86_400_000
_OPENING_MS = 60_000
_DUST = Decimal("0.0001")
_EASED = Decimal("1.5")


def on_positions(state: State, event: PositionsReported) -> None:
    """Kept for the balances of the same asking, which come next."""
    held = state.venues[event.venue]
    held.account.positions = {each.symbol: each for each in event.positions}
    held.account.asked_ns, held.account.seen_ns = event.asked_ns, state.now_ns


def on_funding(state: State, event: FundingReported) -> None:
    """Book what is new. Before the ledger is opened it is only known: its opening balances hold it already."""
    held = state.venues[event.venue]
    held.account.payments, held.account.paid_ns = event.payments, state.now_ns
    if held.opened:
        for paid in event.payments:
            if not (_is_doubtful(state, held, paid) or state.ledger.is_funded(event.venue, paid.id)):
                _book(state, held, paid)


def _is_doubtful(state: State, held: VenueState, paid: FundingPaid) -> bool:
    """Settled before the adopted balances were told, or while they were asked for."""
    return paid.at_ms <= state.ledger.opened_ms(held.name) + _OPENING_MS


def enter_doubtful(state: State, held: VenueState, differences: dict[str, Decimal]) -> bool:
    """Payments that were in the adopted balances, or came right after them: the wallet tells, once positions agree.

    The newest that explain what is missing, to dust, are booked at the third reading; the others were in it. True where
    some were booked, and a comparison has to be made again.
    """
    ledger = state.ledger
    known = sorted(held.account.payments, key=lambda paid: paid.at_ms)
    doubtful = [p for p in known if _is_doubtful(state, held, p) and not ledger.is_funded(held.name, p.id)]
    if not doubtful or differences.keys() - {ASSET}:
        return False
    apart = _wallet(held) - ledger.balance(held.name, ASSET) - sum(_costs(state, held).values(), ZERO)
    for first in range(len(doubtful) + 1):  # what is too small to tell is booked
        if abs(apart - sum((paid.amount for paid in doubtful[first:]), ZERO)) > _dust(held):
            continue
        late = doubtful[first:]
        if late and differences and held.mismatches < 2:
            return False
        for paid in doubtful[:first]:
            ledger.know_funding(held.name, paid)
        for paid in late:
            _book(state, held, paid)
        return bool(late)
    return False


def note_marks(state: State, held: VenueState, differences: dict[str, Decimal]) -> None:
    """What a position is worth when it is first seen to differ: nearer to its close than when a person accepts it."""
    for symbol in differences.keys() - held.account.marks.keys():
        at = state.ledger.position(held.name, symbol) if held.settings.leverage else None
        if at is not None:
            held.account.marks[symbol] = collateral.mark(state.market, held.name, symbol, at)


def _book(state: State, held: VenueState, paid: FundingPaid) -> None:
    krw = paid.amount * state.krw_rates.get(paid.asset, ZERO)
    booked = FundingBooked(venue=held.name, paid=paid, krw=krw, wall_ms=state.wall_ms, seen_ns=state.now_ns)
    state.emit(Remember(event=booked))
    state.counts["funding_payments"] += 1
    on_booked(state, booked)


def on_booked(state: State, event: FundingBooked) -> None:
    """Now, or read back from the journal: into the wallet and into the result of its day."""
    if state.ledger.post_funding(event.venue, event.paid) is None:
        return
    if (event.wall_ms + state.utc_offset_ms) // _DAY_MS == state.local_day:
        state.pnl_today_krw += event.krw
    state.pnl_total_krw += event.krw
    state.pnl_peak_krw = max(state.pnl_peak_krw, state.pnl_total_krw)
    state.refresh_available(event.venue)


def since_ms(state: State, held: VenueState) -> int:
    """From when on funding is asked for, UTC; 0 where there is none to ask, or was just now and all agrees since.

    It is the dearest of what an account is asked (Binance: 30 of 2,400 a minute), and a start compares again and again.
    """
    if not held.settings.leverage:
        return 0
    is_new = held.account.paid_ns + _PAID_REST_NS > state.now_ns
    if is_new and held.opened and not (held.differing or held.differs_ns):
        return 0
    newest = state.ledger.newest_funding_ms(held.name)
    return newest - _LOOK_BACK_MS if newest else state.wall_ms - _FIRST_LOOK_MS


def holdings(state: State, held: VenueState) -> tuple[Holding, ...]:
    """The venue's positions as the ledger takes them over; of a market without rules its symbol is its base."""
    made = []
    for symbol, at in sorted(held.account.positions.items()):
        rules = state.market.instruments.get((held.name, symbol))
        base, quote = (rules.base, rules.quote) if rules is not None else (symbol, ASSET)
        made.append(Holding(symbol=symbol, base=base, quote=quote, qty=at.qty, entry=at.entry))
    return tuple(made)


def positions_krw(state: State) -> list[tuple[str, Decimal, str]]:
    """(venue, worth, base) of every open perpetual, and a zero of each account that may hold some."""
    made: list[tuple[str, Decimal, str]] = []
    rate = state.krw_rates.get(ASSET, ZERO)
    for name, held in sorted(state.venues.items()):
        if not held.settings.leverage:
            continue
        made.append((name, ZERO, ""))
        for symbol, at in state.ledger.positions(name).items():
            price = collateral.mark(state.market, name, symbol, at)
            made.append((name, abs(at.qty) * price * rate, at.base))
    return made


def seen(state: State, leg: PlannedLeg) -> Margin | None:
    """What the review must know of the account that a leg would open a position at; None where it opens none."""
    held = state.venues[leg.venue]
    if leg.product is not Product.PERP or leg.reduce_only or not held.settings.leverage:
        return None
    at = state.ledger.position(leg.venue, leg.symbol)
    has = at.qty if at is not None else ZERO
    after = has + (leg.qty if leg.side is Side.BUY else -leg.qty)
    if abs(after) <= abs(has):
        return None
    more = (abs(after) - abs(has)) * leg.limit_price
    told = held.account.positions.get(leg.symbol)
    off = None
    if told is not None and told.liquidation is not None and told.mark and (told.qty > 0) == (after > 0):
        off = abs(told.liquidation / told.mark - 1)
    return Margin(
        usage=collateral.usage(state.market, state.ledger, leg.venue, ASSET),
        usage_after=collateral.usage(state.market, state.ledger, leg.venue, ASSET, more),
        liquidation_off=off,
    )


def compare(state: State, held: VenueState) -> dict[str, Decimal]:
    """Venue minus ledger: each position under its symbol, and the wallet under its asset where it is more than dust.

    How a wallet is split between results and the cost of what is open depends on the order of fills, which reports
    do not tell: the two are compared together.
    """
    ours, theirs = state.ledger.positions(held.name), held.account.positions
    out: dict[str, Decimal] = {}
    for symbol in sorted({*ours, *theirs}):
        told = theirs[symbol].qty if symbol in theirs else ZERO
        known = ours[symbol].qty if symbol in ours else ZERO
        if told != known:
            out[symbol] = told - known
    apart = _wallet(held) - state.ledger.balance(held.name, ASSET)
    room = _dust(held)
    if not out:
        apart -= sum(_costs(state, held).values())
        for symbol, at in theirs.items():
            rules = state.market.instruments.get((held.name, symbol))
            # The average entry that a venue shows may be cut to its tick.
            room += abs(at.qty) * tick_at(rules.ticks, at.entry) if rules is not None else ZERO
    if abs(apart) > room:
        out[ASSET] = apart
    return out


def _wallet(held: VenueState) -> Decimal:
    return held.balances.get(ASSET, Balance(ASSET, ZERO, ZERO)).total


def _dust(held: VenueState) -> Decimal:
    return held.settings.dust.get(ASSET, _DUST)


def _costs(state: State, held: VenueState) -> dict[str, Decimal]:
    """Of positions that agree: what the venue says they cost, minus ours."""
    ours = state.ledger.positions(held.name)
    return {symbol: at.qty * at.entry - ours[symbol].cost for symbol, at in held.account.positions.items()}


def align(state: State, held: VenueState) -> None:
    """After a comparison that agreed: take the venue's own split over; its roundings get their name.

    What is more than dust, and is let pass because an entry may be cut, has another name that is not known yet: funding
    that is in the wallet and not in its list would be booked twice.
    """
    wallet, costs = _wallet(held) - state.ledger.balance(held.name, ASSET), _costs(state, held)
    if not wallet or abs(wallet - sum(costs.values())) > _dust(held):
        return
    event = MarginAligned(venue=held.name, asset=ASSET, wallet=wallet, costs=costs, seen_ns=state.now_ns)
    state.emit(Remember(event=event))
    on_aligned(state, event)


def on_aligned(state: State, event: MarginAligned) -> None:
    state.ledger.align(event.venue, event.asset, event.wallet, event.costs)
    state.refresh_available(event.venue)


def look(state: State) -> None:
    """Once a second: how much of each account's equity its positions need, and who has to know of it."""
    for _, held in sorted(state.venues.items()):
        if held.settings.leverage and held.opened:
            _look_at(state, held)
            _look_for_liquidation(state, held)


def _look_at(state: State, held: VenueState) -> None:
    used = collateral.usage(state.market, state.ledger, held.name, ASSET)
    account = held.account
    account.usage = used
    alarm = Alarm.of(used, account.alarm, state.config.limits)
    if alarm is account.alarm:
        return
    is_worse, account.alarm = alarm > account.alarm, alarm
    shown = f"{used:.0%}" if used is not None else "more than all"
    numbers = {"usage": shown if used is not None else ">100%", "liquidation": _nearest(held)}
    if not is_worse:
        text = f"{held.name}: {shown} of the equity is needed as margin"
        state.alert("margin_eased", Severity.INFO, text, venue=held.name, numbers=numbers)
        return
    text, severity = {
        Alarm.WARN: (f"{held.name}: {shown} of the equity is needed as margin", Severity.WARN),
        Alarm.REDUCE: (f"{held.name}: {shown} of the equity is needed as margin; no new position there", Severity.CRIT),
        Alarm.OVER: (f"{held.name}: {shown} of the equity is needed as margin: close a position now", Severity.CRIT),
    }[alarm]
    state.alert("margin_usage", severity, text, venue=held.name, numbers=numbers)


def _near(held: VenueState) -> tuple[Decimal, str, Decimal] | None:
    """(distance as a share of its mark, symbol, price) of the liquidation that is nearest, by the venue's word."""
    found = [
        (abs(at.liquidation / at.mark - 1), symbol, at.liquidation)
        for symbol, at in sorted(held.account.positions.items())
        if at.liquidation is not None and at.mark
    ]
    return min(found, default=None)


def _nearest(held: VenueState) -> str:
    near = _near(held)
    return f"{near[1]} {near[2]:f} ({near[0]:.1%})" if near is not None else ""


def _look_for_liquidation(state: State, held: VenueState) -> None:
    """Once per position, until it stands half as far again."""
    near, least = _near(held), state.config.limits.min_liquidation_distance
    if near is None or near[0] >= least * _EASED:
        held.account.near = ""
    elif near[0] < least and held.account.near != near[1]:
        held.account.near = near[1]
        text = f"{held.name} {near[1]} would be liquidated at {near[2]:f}, {near[0]:.1%} from here: make it smaller"
        numbers = {"liquidation": _nearest(held)}
        state.alert("liquidation_near", Severity.CRIT, text, venue=held.name, symbol=near[1], numbers=numbers)
