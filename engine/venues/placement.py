"""One placement, sent once: every way it can end is one event."""

from collections.abc import Callable

from engine.domain.errors import OutcomeUnknown, SendStopped, VenueRefused, VenueUnavailable
from engine.domain.event import OrderLost, OrderNotSent, OrderRefused, OrderReported
from engine.domain.money import NS_PER_MS
from engine.domain.order import OrderRequest
from engine.venues.protocol import Orders


async def outcome(
    venue: Orders, order: OrderRequest, mono_ns: Callable[[], int]
) -> OrderReported | OrderRefused | OrderNotSent | OrderLost:
    """Anything that is not a clear word means UNKNOWN."""
    try:
        return OrderReported(report=await venue.place(order), seen_ns=mono_ns())
    except VenueRefused as error:
        if error.code == "duplicate":  # ids are never used twice: the request has arrived twice, and once it was taken
            return _lost(venue, order, f"its venue has it already: {error}", mono_ns)
        return OrderRefused(
            cid=order.cid, code=error.code, text=error.text, about_rules=error.about_rules, seen_ns=mono_ns()
        )
    except SendStopped as error:
        return OrderNotSent(cid=order.cid, reason=str(error), seen_ns=mono_ns())
    except VenueUnavailable as error:
        return OrderNotSent(cid=order.cid, reason=f"nothing left: {error}", seen_ns=mono_ns())
    except OutcomeUnknown as error:
        return _lost(venue, order, str(error), mono_ns)


def _lost(venue: Orders, order: OrderRequest, reason: str, mono_ns: Callable[[], int]) -> OrderLost:
    """Counted from the failure, not from the hand-over: the request may have waited for its rate budget."""
    final_after_ns = mono_ns() + venue.late_acceptance_ms * NS_PER_MS
    return OrderLost(cid=order.cid, reason=reason, final_after_ns=final_after_ns, seen_ns=mono_ns())
