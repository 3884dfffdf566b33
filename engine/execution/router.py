"""Where to trade: the best venue by what a size really costs after fees, and how to split what is too much for one."""

from decimal import Decimal

from msgspec import Struct

from engine.domain.market import FeeSide, Instrument, Levels
from engine.domain.money import BPS, ZERO, exact, floor_to
from engine.domain.order import Side
from engine.execution.plan import NotExecutable, too_small


class Offer(Struct, frozen=True, kw_only=True):
    """One venue as a candidate. `out`: why it takes no part now ("" where it does)."""

    rules: Instrument
    levels: Levels  # of the side that would be taken, best first
    quote_krw: Decimal  # KRW per 1 quote asset
    limit: Decimal  # quote per base: levels beyond it are not taken
    room: Decimal  # base that our money or coins there suffice for
    out: str = ""


class Part(Struct, frozen=True, kw_only=True):
    venue: str
    symbol: str
    qty: Decimal
    price_krw: Decimal  # KRW per base, fees included, for this part


class Route(Struct, frozen=True, kw_only=True):
    """Parts, dearest last; `reasons` tells of every venue that was looked at why it was or was not taken."""

    parts: tuple[Part, ...]
    reasons: tuple[str, ...]


class _Level(Struct, frozen=True):
    price_krw: Decimal  # after fees
    qty: Decimal
    offer: int


def route(side: Side, qty: Decimal, offers: tuple[Offer, ...]) -> Route | NotExecutable:
    """The cheapest way to trade `qty` now, or as much of it as the offers hold.

    One venue where one can carry it all: the cheapest of those for the whole size. Else level by level over all of
    them, cheapest first; a part that its venue would not take goes to the others.
    """
    reasons = {offer.rules.venue: offer.out for offer in offers if offer.out}
    open_ones = [offer for offer in offers if not offer.out]
    whole = [(part, offer) for offer in open_ones for part in _alone(side, qty, offer)]
    if whole:
        best, chosen = min(whole, key=lambda item: (_rank(side, item[0].price_krw), item[0].venue))
        for part, offer in whole:
            reasons[part.venue] = (
                _beside(side, part, best) if offer is not chosen else f"best at {best.price_krw:,.0f} KRW"
            )
        for offer in open_ones:
            reasons.setdefault(offer.rules.venue, "too thin for the whole size, or too little held there")
        return Route(parts=(best,), reasons=_told(reasons))
    while parts := _split(side, qty, open_ones):
        taking = {part.venue for part in parts}
        small = [offer for offer in open_ones if offer.rules.venue in taking and _refuses(offer, parts)]
        for offer in open_ones:
            if offer.rules.venue not in taking:
                reasons[offer.rules.venue] = "nothing within the limit that is cheaper, or nothing held there"
        if not small:
            for part in parts:
                reasons[part.venue] = f"takes {part.qty} at {part.price_krw:,.0f} KRW"
            return Route(parts=tuple(parts), reasons=_told(reasons))
        worst = max(small, key=lambda offer: offer.rules.venue)
        reasons[worst.rules.venue] = "its part would be below the venue's minimum"
        open_ones.remove(worst)
    for offer in open_ones:
        reasons.setdefault(offer.rules.venue, "nothing within the limit, or nothing held there")
    text = "; ".join(f"{venue}: {why}" for venue, why in sorted(reasons.items())) or "no venue trades it"
    return NotExecutable(rule="no_route", text=f"no venue can take this now: {text}", numbers={"qty": str(qty)})


def cost_krw(side: Side, offer: Offer, price: Decimal) -> Decimal:
    """What one base costs, or brings, in KRW after the taker fee: a fee in base makes a bought coin dearer."""
    fee = offer.rules.taker_fee_bps * BPS
    if side is Side.SELL:
        return price * (1 - fee) * offer.quote_krw
    return price * (1 + fee if offer.rules.fee_side is FeeSide.QUOTE else 1 / (1 - fee)) * offer.quote_krw


def _rank(side: Side, price_krw: Decimal) -> Decimal:
    return price_krw if side is Side.BUY else -price_krw


def _within(side: Side, offer: Offer) -> list[tuple[Decimal, Decimal]]:
    """Its levels no worse than its limit, as exact numbers."""
    found = [(exact(price), exact(size)) for price, size in offer.levels]
    return [
        (price, size) for price, size in found if (price <= offer.limit if side is Side.BUY else price >= offer.limit)
    ]


def _alone(side: Side, qty: Decimal, offer: Offer) -> tuple[Part, ...]:
    """The whole size at this venue; () where it cannot carry it."""
    wanted = floor_to(qty, offer.rules.qty_step)
    left, total = wanted, ZERO
    for price, size in _within(side, offer):
        taken = min(left, size)
        total += taken * price
        left -= taken
        if not left:
            break
    if left or not wanted or wanted > offer.room or too_small(offer.rules, wanted, total / wanted) is not None:
        return ()
    price_krw = cost_krw(side, offer, total / wanted)
    return (Part(venue=offer.rules.venue, symbol=offer.rules.symbol, qty=wanted, price_krw=price_krw),)


def _split(side: Side, qty: Decimal, offers: list[Offer]) -> list[Part]:
    """Level by level over all venues, cheapest first, each within its room; sizes rounded down to each one's step."""
    levels = [
        _Level(cost_krw(side, offer, price), size, index)
        for index, offer in enumerate(offers)
        for price, size in _within(side, offer)
    ]
    levels.sort(key=lambda level: (_rank(side, level.price_krw), offers[level.offer].rules.venue))
    taken = [ZERO] * len(offers)
    paid = [ZERO] * len(offers)
    left = qty
    for level in levels:
        piece = min(left, level.qty, offers[level.offer].room - taken[level.offer])
        if piece > 0:
            taken[level.offer] += piece
            paid[level.offer] += piece * level.price_krw
            left -= piece
    made = [
        Part(
            venue=offer.rules.venue,
            symbol=offer.rules.symbol,
            qty=floor_to(taken[index], offer.rules.qty_step),
            price_krw=paid[index] / taken[index],
        )
        for index, offer in enumerate(offers)
        if taken[index]
    ]
    return sorted(made, key=lambda part: (_rank(side, part.price_krw), part.venue))


def _refuses(offer: Offer, parts: list[Part]) -> bool:
    """Whether its part of the split is one that it would not take."""
    mine = next(part for part in parts if part.venue == offer.rules.venue)
    return too_small(offer.rules, mine.qty, mine.price_krw / offer.quote_krw) is not None


def _beside(side: Side, part: Part, best: Part) -> str:
    worse_bps = abs(part.price_krw / best.price_krw - 1) / BPS
    return f"{worse_bps:.1f} bp worse than {best.venue}"


def _told(reasons: dict[str, str]) -> tuple[str, ...]:
    return tuple(f"{venue}: {why}" for venue, why in sorted(reasons.items()))
