"""A venue whose order query forgets what ended some minutes ago: the truth stays, the answer does not come back."""

from decimal import Decimal

from chaos.run import live
from chaos.scenarios.stage import Stage
from chaos.world import World
from engine.domain.money import NS_PER_MS
from engine.domain.order import LegRole, OrderRequest, OrderStatus, Side, TimeInForce

_MINUTE_MS = 60_000


def test_what_was_filled_is_not_forgotten():
    world = World(2)
    cids: list[str] = []

    async def play() -> float:
        stage = Stage(world, guarded=True)
        world.on_arrival.append(lambda arrival: cids.append(arrival.request.cid) if arrival.venue == "okx" else None)
        await stage.ready()
        await stage.premium("okx", seconds=3)
        await stage.storm.quiet(100)
        return 0.0

    live(world, play())
    bank, cid = world.banks["okx"], cids[0]
    truth = bank.find(cid)
    assert truth is not None and truth.filled_qty > Decimal(0)
    assert bank.look_up(cid, 0, 0) == bank.look_up(cid, 0, _MINUTE_MS) == truth


def test_what_still_rests_is_not_forgotten():
    world = World(2)
    bank = world.banks["upbit"]
    order = OrderRequest(
        cid="c1",
        trade_id="t1",
        leg=0,
        role=LegRole.ENTRY,
        venue="upbit",
        symbol="KRW-BTC",
        side=Side.BUY,
        qty=Decimal("0.01"),
        price=Decimal(60_000_000),
        tif=TimeInForce.GTC,
    )
    bank.place(order, Decimal(1))
    world.loop.now_ns += 10 * _MINUTE_MS * NS_PER_MS
    found = bank.look_up("c1", 0, _MINUTE_MS)
    assert found is not None and found.status is OrderStatus.OPEN
    bank.cancel("c1")
    assert bank.look_up("c1", 0, _MINUTE_MS) is not None, "it has only just ended"
    world.loop.now_ns += 2 * _MINUTE_MS * NS_PER_MS
    assert bank.look_up("c1", 0, _MINUTE_MS) is None
    assert bank.look_up("c1", 0, 0) is None, "a spell that is over brings nothing back"
    assert bank.find("c1") is not None, "the truth stays"
