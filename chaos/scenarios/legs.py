"""Two legs that do not become one trade: refused, too small, in the wrong unit, less than was paid for."""

import msgspec

from chaos import unguarded
from chaos.bank import ACCOUNT, Arrival
from chaos.careless import FeesAside, QuoteForBase, WithoutMinimum
from chaos.scenarios.stage import Composition, Scenario, Stage, configured, on_the_desk, only, strategies
from chaos.world import Seams, World, configuration
from engine.config import Config
from engine.domain.order import Side
from sandbox.venues.rules import FeeFrom

_PAYS_IN_COIN = "binance"


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


def _holds_no_coin(world: World) -> None:
    """What it has of the coin is what was bought there a moment ago, less the fee."""
    bank = world.banks[_PAYS_IN_COIN]
    bank.ledger.deposit(ACCOUNT, "BTC", -bank.funds.pop("BTC"))


async def _sells_what_it_has(stage: Stage) -> None:
    """One venue buys first and keeps its fee out of the coin; the other sells, or refuses and the coin goes back.

    By the venues' own records no order that ends an exposure is larger than that exposure, to the last digit.
    """
    world = stage.world

    def arrived(arrival: Arrival) -> None:
        request, bank = arrival.request, world.banks[arrival.venue]
        if bank.rules.markets[request.symbol].base != "BTC" or not world.checks.finishes(request.cid):
            return
        naked = world.checks.exposure.open_qty(request.trade_id, world.banks)
        brings = request.qty
        if request.side is Side.BUY and bank.rules.fee_from is not FeeFrom.QUOTE:
            brings -= brings * bank.rules.taker_fee
        world.counts["sized from fills"] += 1
        if brings > abs(naked):
            stage.breach("sized from net", f"{request.role} {request.side} {request.qty} where {naked} stands open")

    world.on_arrival.append(arrived)
    other = stage.random.choice([name for name in world.spots if name != _PAYS_IN_COIN])
    if stage.random.random() < 0.5:
        stage.force(other, *["refused"] * stage.random.randint(1, 5))  # after three the coin goes back
    await stage.premium(other, seconds=3, ratio=stage.random.uniform(0.006, 0.012))
    stage.met("sized from fills")
    if not any(fee.asset == "BTC" for fee in world.banks[_PAYS_IN_COIN].fees_paid()):
        stage.breach("the scenario", f"{_PAYS_IN_COIN} kept no fee of the coin")


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


def _buying_first() -> Config:
    """Only pairs with the venue that keeps its fee out of the coin, whose leg goes first."""
    pairs = {"spatial": {"groups": ((_PAYS_IN_COIN, "okx"),)}, "kimchi": {"global": (_PAYS_IN_COIN,)}}
    first = {"first": {f"{_PAYS_IN_COIN}/{name}": _PAYS_IN_COIN for name in ("upbit", "bithumb", "okx")}}
    known = only(*pairs)
    changed = {name: {"params": known[name].params | params | first} for name, params in pairs.items()}
    return configured(strategies=known | {n: msgspec.structs.replace(known[n], **new) for n, new in changed.items()})


_BUYS_FIRST = _buying_first()

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
        guard="the ledger counts what was received",
        law="ledger",
        run=on_the_desk(_fees, Composition(seams=Seams(orders=FeesAside))),
    ),
    Scenario(
        number=15,
        part="b",
        name="sells more than it has",
        fault="the first leg pays its fee in the coin, into an account that holds nothing else of it",
        guard="the second leg, a chase and an unwind are sized from what was received",
        law="sized from net",
        run=on_the_desk(
            _sells_what_it_has,
            Composition(config=_BUYS_FIRST, without=unguarded.fees_in_the_coin),
            Composition(config=_BUYS_FIRST),
            before=_holds_no_coin,
        ),
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
