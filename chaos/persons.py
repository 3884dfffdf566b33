"""Persons who trade by hand while the storm blows: every template, paused, resumed and cancelled at any child."""

from collections.abc import Callable
from decimal import Decimal
from random import Random

from chaos.venue import STOPS
from chaos.world import World
from engine.domain.command import Command, ConfirmParent, Halt, MoveParent, PreviewParent
from engine.domain.order import Side
from engine.domain.parent import BEST, Ask, Template

USER = 1
_EPISODE_S = 8.0  # about as long as a premium stands
_SLICED = (Template.TWAP, Template.VWAP, Template.BUCKETS, Template.LADDER)


class Persons:
    """`ask` brings a command to the desk's door; False where nobody listens or it is refused."""

    def __init__(self, world: World, ask: Callable[[Command], bool]) -> None:
        self._world = world
        self._ask = ask
        self._random = world.stream("persons")
        self._halts = world.stream("persons' halts")
        self._asked = 0

    def trade(self) -> None:
        """One order: previewed, and tapped if the desk has planned it."""
        self._asked += 1
        token, ask = f"p{self._asked}", self._wish(self._random)
        counts = self._world.counts
        if not self._ask(PreviewParent(token=token, ask=ask, user_id=USER, chat_id=USER)):
            counts["person.refused"] += 1
        elif self._ask(ConfirmParent(token=token, user_id=USER, chat_id=USER)):
            counts[f"person.{ask.template}"] += 1
            if ask.template is Template.STOP and ask.venue in STOPS:
                counts["person.stop at its venue"] += 1

    def _wish(self, random: Random) -> Ask:
        template = random.choice(
            (*Template, Template.LADDER, Template.LADDER, Template.LIMIT, Template.STOP, Template.STOP)
        )
        venue = random.choice((*self._world.banks, "okx", "okx", BEST))  # it moves what rests, and keeps stops apart
        side = random.choice((Side.BUY, Side.SELL))
        off = Decimal(random.randint(-40, 10)) / 10_000  # of a limit price from the mid: beyond it, or not yet there
        mid = self._mid(venue)
        away = off if side is Side.BUY else -off
        is_priced = template in (Template.LIMIT, Template.ICEBERG, Template.STOP) or random.random() < 0.2
        rise = Decimal(random.randint(-3, 12)) / 10_000
        stop = mid * (1 + (rise if side is Side.BUY else -rise))
        return Ask(
            template=template,
            side=side,
            base="BTC",
            qty=Decimal(random.randint(2, 14)) / 1_000,
            venue=venue,
            price=_tidy(mid * (1 + away)) if is_priced and template is not Template.STOP else None,
            stop=_tidy(stop) if template is Template.STOP else None,
            over_ms=random.choice((0, 4_000, 20_000, 120_000)),
            parts=random.randint(2, 5) if template in _SLICED else 0,
            follow=random.random() < 0.7 and template in (Template.LIMIT, Template.LADDER, Template.ICEBERG),
            curve=tuple(random.uniform(1, 9) for _ in range(24)) if template is Template.VWAP else (),
        )

    def _mid(self, venue: str) -> Decimal:
        at = venue if venue in self._world.banks else "upbit"
        market = next(each for each in self._world.banks[at].rules.markets.values() if each.base == "BTC")
        return Decimal(repr(self._world.market.mid(at, market)))

    def change_their_mind(self) -> None:
        """Now and then one of the open orders is paused, goes on, or is taken back."""
        open_ = self._open()
        if open_ and self._random.random() < 0.15:
            to = self._random.choice(("pause", "resume", "resume", "cancel"))
            if self._ask(MoveParent(parent_id=self._random.choice(open_), to=to)):
                self._world.counts[f"person.{to}"] += 1

    def hold_back(self) -> None:
        """In one episode of six nothing new is to begin from some moment on; what is under way may end."""
        if self._halts.random() < 1 / 6:
            self._world.later(self._halts.uniform(0, _EPISODE_S), self._halt)

    def _halt(self) -> None:
        self._world.counts["person.halt"] += self._ask(Halt(level=1, reason="nothing new"))

    def give_up(self) -> None:
        """All that is still open is taken back."""
        for parent_id in self._open():
            self._ask(MoveParent(parent_id=parent_id, to="cancel"))

    def _open(self) -> list[str]:
        shell = self._world.shell
        return list(shell.desk.state.parents.live) if shell is not None else []


def _tidy(price: Decimal) -> Decimal:
    """As a person types it: four or five digits."""
    return Decimal(f"{price:.5g}").quantize(Decimal("0.01"))
