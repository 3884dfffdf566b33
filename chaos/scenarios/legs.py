"""Two legs that do not become one trade: refused, too small, in the wrong unit, less than was paid for."""

import msgspec

from chaos.careless import FeesAside, QuoteForBase, WithoutMinimum
from chaos.scenarios.stage import Composition, Scenario, Stage, configured, on_the_desk, only, strategies
from chaos.world import Seams, configuration


async def _one_leg(stage: Stage) -> None:
    name = stage.random.choice(tuple(stage.world.banks))
    stage.force(name, *["refused"] * stage.random.randint(1, 3))
    await stage.premium(name)
    stage.met("place.refused")


async def _hedged(stage: Stage) -> None:
    """Neither leg's venue takes what would close the exposure; a perpetual does, until a person closes both."""
    world = stage.world
    name = stage.random.choice(world.spots)
    for each in world.spots:
        stage.force(each, *(["refused"] * 8 if each == name else ["fine", *["refused"] * 8]))
    await stage.premium(name)
    await stage.storm.rounds(stage.random.uniform(3, 8))
    for fates in world.fates.values():
        fates.script.clear()
    if stage.guarded:
        stage.met("order.hedge")
        if world.shell is not None and world.shell.desk.level:
            stage.breach("the scenario", f"the desk halted: {world.shell.desk.state.level_reason}")
        await stage.taps()


async def _fees(stage: Stage) -> None:
    """Binance and OKX keep their fee out of the coin that they deliver."""
    await stage.premium(stage.random.choice(("upbit", "bithumb")), ratio=stage.random.uniform(0.006, 0.012))
    coins = {fee.asset for bank in stage.world.banks.values() for fee in bank.fees_paid()}
    if "BTC" not in coins:
        stage.breach("the scenario", f"fees were paid in {sorted(coins)} only")


async def _units(stage: Stage) -> None:
    await stage.premium()
    stage.met("venue orders")


async def _too_small(stage: Stage) -> None:
    """Wishes around the venues' smallest orders, and fills in part that leave less than that."""
    stage.force_all("partial", "fine", "partial")
    for _ in range(2):
        await stage.premium()
    refused = [name for name in stage.world.counts if name.startswith("refused.below_min")]
    if refused:
        stage.breach("large enough", f"venues refused orders: {', '.join(sorted(refused))}")


_NO_REPAIR = msgspec.structs.replace(configuration().execution, max_chase=0, max_unwind=0)
_PERPS = msgspec.structs.replace(configuration(with_perps=True), strategies=only("spatial", "kimchi"))  # of spot alone
_NO_HEDGE = msgspec.structs.replace(_PERPS, execution=msgspec.structs.replace(_PERPS.execution, hedge={}))
_SMALL = strategies(max_notional_krw=15_000)

SCENARIOS = (
    Scenario(
        number=4,
        name="one leg",
        fault="one to three orders in a row are refused at one venue while the other leg fills",
        guard="an exposure is chased, then unwound",
        law="liveness",
        run=on_the_desk(_one_leg, Composition(config=configured(execution=_NO_REPAIR))),
    ),
    Scenario(
        number=4,
        part="b",
        name="one leg, and no way back",
        fault="one leg is refused, and so is every order that would take the other back",
        guard="an exposure that cannot be taken back is hedged on a perpetual, and both are closed by a person",
        law="liveness",
        run=on_the_desk(_hedged, Composition(config=_NO_HEDGE), Composition(config=_PERPS)),
    ),
    Scenario(
        number=15,
        name="fee in the coin",
        fault="what a venue delivers is less than what was bought",
        guard="the ledger and the second leg count what was received",
        law="ledger",
        run=on_the_desk(_fees, Composition(seams=Seams(orders=FeesAside))),
    ),
    Scenario(
        number=16,
        name="quote for base",
        fault="one trade spans a venue that counts in won and one that counts in tether",
        guard="what arrives at the venue is the quantity that was journaled",
        law="arrives as journaled",
        run=on_the_desk(_units, Composition(seams=Seams(orders=QuoteForBase))),
    ),
    Scenario(
        number=18,
        name="too small",
        fault="wishes of about the smallest order, filled in part",
        guard="no order below the venue's minimum is sent; what cannot be closed is dust",
        law="large enough",
        run=on_the_desk(
            _too_small,
            Composition(config=configured(strategies=_SMALL), seams=Seams(orders=WithoutMinimum)),
            Composition(config=configured(strategies=_SMALL)),
        ),
    ),
)
