"""Open perpetuals through the door: everybody looks, the owner closes."""

import pytest

from engine.control import messages as m
from engine.control import views
from engine.control.client import Door
from engine.domain import view as domain
from tests.control.conftest import OWNER, TRADER, VIEWER
from tests.control.desk import MemoryDesk
from tests.control.markets import perp


@pytest.mark.parametrize("message, name", [(m.PerpView, "PerpView"), (views.FillView, "FillView")])
def test_messages_mirror_the_domain(message: type[m.Message], name: str) -> None:
    assert tuple(message.model_fields) == getattr(domain, name).__struct_fields__


async def test_everybody_looks(door: Door, desk: MemoryDesk) -> None:
    assert await door.reads(VIEWER).perps() == []
    desk.open_perps = (perp(), perp(liquidation=None, hedge_of=()))
    hedge, position = await door.reads(VIEWER).perps()
    assert (hedge.symbol, str(hedge.qty), hedge.hedge_of) == ("BTCUSDT", "-0.01", ("t1",))
    assert position.liquidation is None and position.hedge_of == ()


async def test_the_owner_alone_closes_and_the_core_says_why_not(door: Door) -> None:
    for actor in (VIEWER, TRADER):
        assert not (await door.commands(actor).close_hedge("t1")).ok
        assert not (await door.commands(actor).close_position("binance_usdm", "BTCUSDT")).ok
    refused = await door.commands(OWNER).close_hedge("t1", "once")
    assert refused.rule == "no_hedge" and await door.commands(OWNER).close_hedge("t1", "once") == refused
    assert (await door.commands(OWNER).close_position("binance_usdm", "BTC/USDT:USDT")).rule in (
        "no_position",
        "http_404",
    )
