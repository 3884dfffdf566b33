"""What a venue's private stream of orders tells beside whole reports."""

from msgspec import Struct

from engine.domain.order import OrderReport


class OrderStirred(Struct, frozen=True, kw_only=True, tag=True):
    """An order of ours moved, told without all that a report needs (its fees, say): look it up."""

    cid: str
    seen_ns: int


class ForeignOrder(Struct, frozen=True, kw_only=True, tag=True):
    """An order of the account that is not ours: shown, never touched."""

    venue: str
    venue_order_id: str
    is_open: bool
    seen_ns: int
    cid: str = ""  # of whoever sent it
    fill: OrderReport | None = None  # where it has filled; `filled_quote` 0: at a price that was not told


class OrderStreamState(Struct, frozen=True, kw_only=True, tag=True):
    """A private stream stands (logged in, subscribed), or was lost: what happened meanwhile nobody told."""

    venue: str
    connected: bool
    reason: str
    seen_ns: int
