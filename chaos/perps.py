"""A venue of perpetuals in a simulated world: the sandbox's margin engine, its marks and funding, and its client."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from random import Random

from chaos.bank import ACCOUNT, Arrival, Bank
from chaos.venue import SimVenue
from engine.domain import event as ev
from engine.domain.errors import VenueRefused
from engine.domain.market import Balance
from engine.domain.order import Abilities, OrderKind
from engine.domain.position import FundingPaid, Position
from engine.portfolio.positions import Open
from sandbox.venues import listings, orders
from sandbox.venues.positions import FlowKind, Mark
from sandbox.venues.rules import FeeFrom, VenueRules

VENUE, SYMBOL = "binance_usdm", "BTCUSDT"
HOUR_MS = 3_600_000
_CONTRACT, _LOT = "0.01", "0.1"  # base per contract, and the step of their number
_TAKERS = ("0.0001", "0.0005")  # the cheap one makes a hedge the usual way out
_MOST_RATE = 0.0005  # of funding, an hour's


def rules(seed: int) -> VenueRules:
    """One coin; every other seed has a venue so cheap that a hedge costs less than most ways back."""
    markets = listings.perps(lambda base: f"{base}USDT", {"BTC": _CONTRACT}, {"BTC": _LOT}, "5")
    return listings.venue(VENUE, "0.0001", _TAKERS[seed % 2], FeeFrom.QUOTE, markets, margined=True)


class PerpBank(Bank):
    """An account of perpetuals. The engine speaks of base, the exchange of contracts."""

    def __init__(
        self,
        found: VenueRules,
        funds: dict[str, Decimal],
        clock_ms: Callable[[], int],
        on_arrival: Callable[[Arrival], None],
        random: Random,
    ) -> None:
        super().__init__(found, funds, clock_ms, on_arrival)
        self._random = random
        self._next_ms = (clock_ms() // HOUR_MS + 1) * HOUR_MS
        self._rate = Decimal(0)
        self._was: list[tuple[int, tuple[Position, ...]]] = []
        self.deleveraged = self.accepted = self.accepts = 0

    def deleverage(self, share: float) -> bool:
        """The venue closes so much of our position without asking; False where there is none."""
        for held in self.exchange.clearing.positions(ACCOUNT):
            lot = self.rules.markets[held.symbol].lot
            qty = max(1, round(share * float(abs(held.qty) / lot))) * lot
            self.exchange.deleverage(ACCOUNT, held.symbol, min(qty, abs(held.qty)), self.clock_ms())
            self.exchange.prints.clear()
            self.deleveraged += 1
            self._remember()
            return True
        return False

    @property
    def is_apart(self) -> bool:
        """Whether a person has not taken its word yet on what it has closed."""
        return self.deleveraged > self.accepted

    def is_known(self, balances: Mapping[str, Balance], positions: Mapping[str, Position]) -> bool:
        """Whether somebody who was told this knows what is so."""
        wallet = balances.get("USDT")
        return wallet is not None and wallet.total == self.balances()[0].total and not self.unlike(positions)

    def unlike(self, positions: Mapping[str, Position | Open]) -> bool:
        """Whether these are others than it has."""
        return {symbol: at.qty for symbol, at in positions.items() if at.qty} != {
            at.symbol: at.qty for at in self.positions()
        }

    def show_mark(self, mid: float, now_ns: int) -> ev.PerpState:
        """The mark follows the mid; each full hour the rate of the hour before is charged."""
        now_ms, mark = self.clock_ms(), Decimal(repr(round(mid, 2)))
        settled = self._rate
        while now_ms >= self._next_ms:
            self._next_ms += HOUR_MS
            self._rate = Decimal(repr(round(self._random.uniform(-_MOST_RATE, _MOST_RATE), 6)))
        told = Mark(price=mark, settled_rate=settled, interval_ms=HOUR_MS, next_ms=self._next_ms)
        self.exchange.show_mark(SYMBOL, told, now_ms)
        self._remember()
        return ev.PerpState(
            venue=self.name,
            symbol=SYMBOL,
            mark=float(mark),
            funding_rate=float(self._rate),
            interval_ms=HOUR_MS,
            next_funding_ms=self._next_ms,
            venue_ts_ms=now_ms,
            seen_ns=now_ns,
        )

    def prepare(self, symbols: Sequence[str], leverage: int) -> None:
        """Raises VenueRefused."""
        try:
            for symbol in symbols:
                self.exchange.clearing.set_leverage(ACCOUNT, symbol, leverage)
        except orders.Refused as error:
            raise VenueRefused(error.reason.value, error.detail) from error

    def balances(self) -> tuple[Balance, ...]:
        at = self.exchange.clearing.margin(ACCOUNT)
        return (Balance("USDT", max(Decimal(0), at.available), at.wallet),)

    def positions(self) -> tuple[Position, ...]:
        return tuple(
            Position(
                symbol=at.symbol,
                qty=at.qty * at.contract,
                entry=at.entry,
                mark=at.mark,
                margin=at.initial,
                liquidation=at.liquidation,
            )
            for at in self.exchange.clearing.positions(ACCOUNT)
        )

    def positions_before(self, at_ms: int) -> tuple[Position, ...]:
        """What a lagging answer of that time says."""
        older = [positions for when, positions in self._was if when <= at_ms]
        return older[-1] if older else self.positions()

    def funding_since(self, at_ms: int) -> tuple[FundingPaid, ...]:
        flows = self.exchange.clearing.statement(ACCOUNT, at_ms, FlowKind.FUNDING)
        return tuple(
            FundingPaid(id=str(each.id), symbol=each.symbol, asset=each.asset, amount=each.amount, at_ms=each.at_ms)
            for each in flows
        )

    def _remember(self) -> None:
        super()._remember()
        self._was = [*self._was[-50:], (self.clock_ms(), self.positions())]


class SimPerps(SimVenue):
    """A client of it. Its query of positions is as good or as bad as that of its balances."""

    def __init__(self, bank: PerpBank, *rest: object, expires: bool) -> None:
        super().__init__(bank, *rest, expires=expires)  # type: ignore[arg-type]
        self._perps = bank
        kinds = frozenset({OrderKind.LIMIT, OrderKind.MARKET})
        self.abilities = Abilities(kinds=kinds, expiry=expires, reduce_only=True)

    async def prepare(self, symbols: Sequence[str], leverage: int) -> None:
        await self._ask(lambda: self._perps.prepare(symbols, leverage))

    async def positions(self) -> Sequence[Position]:
        return await self._ask(self._seen_positions)

    def _seen_positions(self) -> tuple[Position, ...]:
        weather = self._fates.weather
        if weather.zero_balances:
            return ()
        if weather.stale_balances:
            return self._perps.positions_before(self._perps.clock_ms() - self._random.randint(500, 8_000))
        return self._perps.positions()

    async def funding_since(self, at_ms: int) -> Sequence[FundingPaid]:
        return await self._ask(lambda: self._perps.funding_since(at_ms))
