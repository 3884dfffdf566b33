"""Orders on OKX spot, with the account's own money. Source: OKX API v5 reference, Trade."""

from collections.abc import Sequence

from engine.domain.market import Loan
from engine.domain.order import Abilities, OrderKind
from engine.venues.okx import standing
from engine.venues.okx.order_stream import OkxStreamDialect
from engine.venues.okx.trading import OkxTrading, Traded
from engine.venues.order_stream import StreamLine
from engine.venues.settings import Key, OrderSettings
from engine.venues.verdict import Budgets

_SPOT = Traded(
    venue="okx",
    kind="SPOT",
    margin="cash",
    abilities=Abilities(kinds=frozenset(OrderKind), amend=True, moves=True, countdown=True, expiry=True),
)


class OkxOrders(OkxTrading):
    """One account trading spot with its own money (tdMode cash). The venue takes its fee from what is received."""

    def __init__(self, config: OrderSettings, credential: Key, budgets: Budgets) -> None:
        super().__init__(_SPOT, config, credential, budgets)
        stream = OkxStreamDialect(config, credential, lambda: int(self._exchange.nonce()))
        self.stream = StreamLine(stream) if config.order_stream else None

    async def loans(self, assets: Sequence[str]) -> Sequence[Loan]:
        return await standing.loans(self._client, assets)
