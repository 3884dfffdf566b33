"""Which leg of a pair leaves first: a strategy's own policy, or what is said for a pair of venues or one coin there."""

from collections.abc import Mapping

from engine.domain.order import LegWish, Policy

BOTH = "both"


def check(first: Mapping[str, str]) -> None:
    """`{"binance/upbit": "upbit", "XRP:okx/bithumb": "both"}`, in whatever order. Raises ValueError."""
    for pair, venue in first.items():
        venues = pair.rpartition(":")[2].split("/")
        if len(venues) != 2 or not all(venues) or venues[0] == venues[1]:
            raise ValueError(f"first: {pair!r} is no pair: write venue/venue or COIN:venue/venue")
        if venue != BOTH and venue not in venues:
            raise ValueError(f"first: {pair!r} is sent by {venue!r} first: neither of its venues, nor {BOTH!r}")


def order_of(
    first: Mapping[str, str], coin: str, legs: tuple[LegWish, LegWish], policy: Policy, hard_leg: int
) -> tuple[Policy, int]:
    """The policy of these two legs and the hard one: what is said for the coin, then for the venues, then as given."""
    if not first:
        return policy, hard_leg
    one, other = legs[0].venue, legs[1].venue
    for pair in (f"{coin}:{one}/{other}", f"{coin}:{other}/{one}", f"{one}/{other}", f"{other}/{one}"):
        venue = first.get(pair)
        if venue == BOTH:
            return Policy.SIMULTANEOUS, hard_leg
        if venue is not None:
            return Policy.HARD_LEG_FIRST, 0 if venue == one else 1
    return policy, hard_leg
