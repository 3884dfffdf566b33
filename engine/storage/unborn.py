"""Trades and persons' orders that the store shows under way and the journal never had.

The store may be quicker than the journal's disk. A life that ends in between leaves the row and the card of what was
not durable, so nothing of it was sent: the next life ends them.
"""

import logging
from collections.abc import Container

import msgspec
from msgspec.structs import replace

from engine.domain.effect import Notice, Record, Severity
from engine.domain.errors import StoreUnavailable
from engine.domain.money import ZERO
from engine.domain.view import ParentView, TradeView
from engine.storage.queries import Queries
from engine.storage.writer import Writer

log = logging.getLogger(__name__)

_WHY = "never_journaled"  # docs/refusals.md
_OVER = ("done", "cancelled")
_encode = msgspec.json.encode
_parent = msgspec.json.Decoder(ParentView).decode


async def end_unborn(writer: Writer, queries: Queries, known: Container[str], wall_ms: int) -> list[Notice]:
    """`known`: ids of what the journal tells of. Gives back the cards' last words.

    A row of an older program that cannot be read, or a store that is away, ends none: a start waits for no card.
    """
    try:
        return await _end(writer, queries, known, wall_ms)
    except (StoreUnavailable, msgspec.DecodeError) as error:
        log.error("cards_not_ended error=%s", error)
        return []


async def _end(writer: Writer, queries: Queries, known: Container[str], wall_ms: int) -> list[Notice]:
    found = [_ended(view, wall_ms) for view in await queries.under_way() if view.id not in known]
    for view in found:
        writer.record(Record(table="trades", key=view.id, wall_ms=wall_ms, row=_encode(view)))
        for order in await queries.orders_of(view.id):
            row = _encode(replace(order, status="not_placed", reason=_WHY, done_ms=wall_ms))
            writer.record(Record(table="orders", key=order.request.cid, wall_ms=wall_ms, row=row))
        signal = await queries.signal(view.opportunity_id)
        if signal is not None and signal.state == "executing":
            row = _encode(replace(signal, state="expired", reason=_WHY, updated_ms=wall_ms))
            writer.record(Record(table="signals", key=signal.id, wall_ms=wall_ms, row=row))
    orders = [_parent(body) for body in await queries.cards("parent")]
    # What is long over is known no more, and its last word may have been lost: it has sent something, at least.
    lost = [each for each in orders if each.id not in known and each.state not in _OVER and not each.sent]
    return [
        *(_card("trade", view.id, view, wall_ms) for view in found),
        *(
            _card("parent", view.id, replace(view, state="cancelled", reason=_WHY, updated_ms=wall_ms), wall_ms)
            for view in lost
        ),
    ]


def _card(kind: str, key: str, view: TradeView | ParentView, wall_ms: int) -> Notice:
    return Notice(kind=kind, key=key, severity=Severity.INFO, wall_ms=wall_ms, body=_encode(view))


def _ended(view: TradeView, wall_ms: int) -> TradeView:
    legs = tuple(replace(leg, status="not_placed") for leg in view.legs)
    return replace(
        view,
        state="closed",
        outcome="nothing_filled",
        legs=legs,
        naked_qty=ZERO,
        naked_krw=ZERO,
        closed_ms=wall_ms,
        reason=_WHY,
    )
