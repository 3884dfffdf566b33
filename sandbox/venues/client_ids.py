"""The client ids that a venue has seen, and its rule for one that comes again."""

from collections import defaultdict

from sandbox.venues.orders import Order, OrderRequest, Reason, Refused, State
from sandbox.venues.rules import ClientIds


class KnownIds:
    """By account. An empty id is none."""

    def __init__(self, rule: ClientIds) -> None:
        self._rule = rule
        self._orders: dict[tuple[str, str], list[Order]] = defaultdict(list)
        self._burnt: set[tuple[str, str]] = set()

    def first_of(self, request: OrderRequest) -> Order | None:
        """The order that is the answer to this request, too; None for a new one. Raises Refused."""
        key = (request.account, request.client_id)
        if not request.client_id:
            return None
        known = self._orders.get(key, [])
        match self._rule:
            case ClientIds.RETURNS_FIRST:
                return known[0] if known else None
            case ClientIds.UNIQUE_AMONG_OPEN:
                taken = any(order.state is State.OPEN for order in known)
            case ClientIds.REFUSED:
                taken = bool(known)
            case ClientIds.BURNT_FOR_EVER:
                taken = key in self._burnt
        if taken:
            raise Refused(Reason.DUPLICATE_CLIENT_ID, request.client_id, side=request.side)
        self._burnt.add(key)
        return None

    def add(self, order: Order) -> None:
        if order.client_id:
            self._orders[order.account, order.client_id].append(order)

    def forget(self, order: Order) -> None:
        if order.client_id:
            self._orders[order.account, order.client_id].remove(order)

    def newest(self, account: str, client_id: str) -> Order | None:
        found = self._orders.get((account, client_id))
        return found[-1] if found else None
