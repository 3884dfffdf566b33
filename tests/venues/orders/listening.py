"""One venue's account in the sandbox with its private stream running, and all that it told."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

from engine.domain.order import OrderReport, OrderStatus
from engine.domain.stream_event import OrderStreamState
from engine.venues.protocol import Orders, OrderTold
from engine.venues.registry import streams_of
from sandbox.faults import Fault
from tests.venues.orders.test_against_sandbox import Trader
from tests.waiting import until

STREAMED = ("binance", "okx", "bybit", "upbit", "bithumb", "coinone", "gate", "bitget", "kucoin")
LOOKED_UP = ("bithumb", "kucoin", "kucoin_futures")  # whose streams do not tell fees for certain: a fill is never whole


class Listener:
    def __init__(self, trader: Trader, orders: Orders | None = None) -> None:
        """`orders` is another account's client; else the trader's own."""
        self.trader = trader
        [self.stream] = streams_of([orders or trader.orders])
        self.told: list[OrderTold] = []
        self.states: list[OrderStreamState] = []
        self._running = asyncio.create_task(self.stream.run(self._hear))

    def _hear(self, said: OrderTold | OrderStreamState) -> None:
        if isinstance(said, OrderTold):
            self.told.append(said)
        else:
            self.states.append(said)

    async def up(self) -> "Listener":
        await self.comes(lambda: bool(self.states) and self.states[-1].connected)
        return self

    async def close(self) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    def of(self, cid: str) -> list[OrderTold]:
        return [each for each in self.told if each.report.cid == cid]

    async def ended(self, cid: str) -> OrderReport:
        """Its end as it is known then: told whole, or looked up after the first word of it."""

        def ends() -> list[OrderTold]:
            return [each for each in self.of(cid) if each.report.status is not OrderStatus.OPEN]

        if self.trader.venue in LOOKED_UP:
            await self.comes(lambda: bool(ends()))
            assert all(not each.is_whole or not each.report.filled_qty for each in self.of(cid))
            looked_up: OrderReport = await self.trader.settled(cid)
            return looked_up
        await self.comes(lambda: any(each.is_whole for each in ends()))
        return next(each.report for each in ends() if each.is_whole)

    async def comes(self, claim: Callable[[], bool]) -> None:
        await until(claim, 20.0)

    def arm(self, kind: str, count: int = 1) -> None:
        self.trader.floor.faults.arm(Fault(kind=kind, count=count))  # type: ignore[arg-type]


def same(told: OrderReport, looked_up: OrderReport) -> bool:
    """All but the clock: to the last digit."""

    def money(report: OrderReport) -> tuple[object, ...]:
        fees = tuple(sorted((fee.asset, fee.amount.normalize()) for fee in report.fees))
        amounts: tuple[Decimal, Decimal] = (report.filled_qty.normalize(), report.filled_quote.normalize())
        return (report.cid, report.symbol, report.side, report.status, report.venue_order_id, *amounts, fees)

    return money(told) == money(looked_up)
