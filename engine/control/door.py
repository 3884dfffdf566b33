"""What the control server asks of the engine behind it: commands, views of the present, the notice stream."""

from collections.abc import Callable, Sequence
from typing import Protocol

from engine.domain.alerting import AlertSettings, AlertsPreview, AlertsView
from engine.domain.board import FundingBoard, PremiumBoard, VenueHealth
from engine.domain.command import Command
from engine.domain.effect import Notice, OrderView, Reply
from engine.domain.view import (
    BalanceView,
    OpportunityView,
    ParentView,
    PerpView,
    RefusalView,
    StatusView,
    StrategyView,
    TradeView,
)


class Turnover(Protocol):
    """What a VWAP needs of the past."""

    async def curve(self, venue: str, base: str) -> tuple[float, ...]:
        """Turnover by hour of the day, UTC: 24 of any unit; () where the market is none. Raises NoHistory."""
        ...


class Desk(Protocol):
    """The daemon's side of the door. Every method is synchronous and runs in the loop's thread."""

    def ask(self, request_id: str, actor: str, role: str, command: Command) -> Reply:
        """Hand a command to the core; its reply is ready when this returns. A repeated request id gets the first."""
        ...

    def status(self) -> StatusView: ...

    def strategies(self) -> Sequence[StrategyView]: ...

    def opportunities(self) -> Sequence[OpportunityView]:
        """Live ones first, then those that ended lately; newest first."""
        ...

    def trades(self) -> Sequence[TradeView]:
        """Working and dead-letter trades and the last 200 closed ones, newest first."""
        ...

    def parents(self) -> Sequence[ParentView]:
        """Persons' orders: those under way first, then those that ended lately; newest first."""
        ...

    def orders(self) -> Sequence[OrderView]:
        """Orders of the trades above, newest first."""
        ...

    def balances(self) -> Sequence[BalanceView]: ...

    def perps(self) -> Sequence[PerpView]:
        """Open perpetuals, by venue and symbol."""
        ...

    def premiums(self, coin: str, limit: int) -> PremiumBoard:
        """Both bases per coin and venue pair, at the mids and executable, with the age of every input."""
        ...

    def fundings(self, coin: str) -> FundingBoard: ...

    def venues(self) -> Sequence[VenueHealth]: ...

    def alerts(self, owner: str) -> AlertsView: ...

    def preview_alerts(self, owner: str, settings: AlertSettings) -> AlertsPreview:
        """What these settings would do now. Changes nothing."""
        ...

    def refusals(self) -> Sequence[RefusalView]:
        """The newest 200 refusals, newest first."""
        ...

    def metrics(self) -> dict[str, object]:
        """Live metrics (R133): counters, latency percentiles in µs, loop lag, memory."""
        ...

    def subscribe(self, listener: Callable[[Notice], None]) -> Callable[[], None]:
        """Call `listener` for every notice from now on; the returned function ends it."""
        ...
