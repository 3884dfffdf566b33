"""docs/orders.md says of each venue what its clients can do, and nothing else."""

import asyncio
from pathlib import Path

import pytest

from engine.domain.order import Abilities, OrderKind, TimeInForce
from engine.venues.registry import build_orders
from engine.venues.settings import MARGINED
from tests.venues.orders.stage import CREDENTIAL, config

PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "orders.md"
SPOT = ("upbit", "bithumb", "coinone", "binance", "okx", "bybit", "kucoin", "gate", "bitget")


def row(venue: str, can: Abilities) -> str:
    by_desk = sorted(tif.value.replace("_", "-") for tif in frozenset(TimeInForce) - can.tifs)
    cells = [
        f"`{venue}`",
        "venue" if OrderKind.STOP_LOSS in can.kinds else "desk",
        ", ".join(by_desk) or "–",
        "yes" if can.reduce_only else "refused",
        "price" if can.moves else "size" if can.amend else "–",
        "yes" if can.expiry else "–",
        "yes" if can.countdown else "–",
    ]
    return f"| {' | '.join(cells)} |"


@pytest.mark.parametrize("venue", [*SPOT, *sorted(MARGINED)])
def test_its_row_is_what_its_client_can_do(venue: str) -> None:
    async def abilities() -> Abilities:
        settings = config("http://127.0.0.1:9", leverage=2 if venue in MARGINED else 0)
        orders = build_orders(venue, settings, CREDENTIAL)
        try:
            return orders.abilities
        finally:
            await orders.close()

    assert row(venue, asyncio.run(abilities())) in PAGE.read_text(encoding="utf-8").splitlines()
