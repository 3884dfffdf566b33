"""The rig's desk with an account of perpetuals beside its four of coins."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from engine.domain import event as ev
from engine.domain.effect import FetchBalances
from engine.domain.margin_event import FundingReported, PositionsReported
from engine.domain.market import Balance, Instrument, Product
from engine.domain.money import ZERO
from engine.domain.order import Abilities, OrderRequest, Side
from engine.domain.position import FundingPaid, Position
from tests.core.harness import Rig
from tests.core.venue_model import Refused, VenueModel

VENUE, SYMBOL = "binance_usdm", "BTCUSDT"
OVERLAY = Path(__file__).parent / "perps.yaml"
WALLET = Decimal(20_000)
LOT = Decimal("0.001")


class PerpModel(VenueModel):
    """One account of one perpetual, kept as its cash: what all fills brought, and what the position was entered at."""

    def __init__(self, rules: Instrument) -> None:
        super().__init__(VENUE, [rules], {"USDT": WALLET})
        self.qty = self.entry = ZERO
        self.payments: list[FundingPaid] = []
        self.lists_funding = True  # what is settled is in the wallet at once
        self.refuses = False  # every order
        self.liquidation: Decimal | None = None

    def hold(self, qty: str, entry: str) -> None:
        """As somebody else has left it."""
        self.qty, self.entry = Decimal(qty), Decimal(entry)

    def place(self, request: OrderRequest, outcome: Any, now_ns: int) -> Any:
        if self.refuses:
            raise Refused("not now")
        if request.reduce_only and (self.qty == 0 or (self.qty > 0) == (request.side is Side.BUY)):
            raise Refused("nothing to reduce")
        return super().place(request, outcome, now_ns)

    def fill(self, cid: str, ratio: Decimal) -> None:
        """As in coins, and then: no coin was delivered, and of the money only fee and result stay."""
        order = self.orders[cid]
        had_qty, had_quote, had_fee = order.filled_qty, order.filled_quote, order.fees.get("USDT", ZERO)
        wallet = self.totals["USDT"]
        super().fill(cid, ratio)
        self.totals.pop("BTC", None)
        qty, quote = order.filled_qty - had_qty, order.filled_quote - had_quote
        if qty:
            traded = qty if order.request.side is Side.BUY else -qty
            fee = order.fees.get("USDT", ZERO) - had_fee
            self.totals["USDT"] = wallet - fee + self.trade(traded, quote / qty)

    def trade(self, traded: Decimal, price: Decimal) -> Decimal:
        """The result of what it closes."""
        if self.qty * traded >= 0:
            self.entry = (self.entry * self.qty + price * traded) / (self.qty + traded)
            self.qty += traded
            return ZERO
        closed = min(abs(traded), abs(self.qty)).copy_sign(self.qty)
        result = (price - self.entry) * closed
        self.qty += traded
        if self.qty * traded > 0:
            self.entry = price
        return result

    def pay(self, amount: str, at_ms: int) -> None:
        """Funding is settled."""
        paid = FundingPaid(
            id=f"f{len(self.payments)}", symbol=SYMBOL, asset="USDT", amount=Decimal(amount), at_ms=at_ms
        )
        self.payments.append(paid)
        self.totals["USDT"] += paid.amount

    def positions(self) -> tuple[Position, ...]:
        if not self.qty:
            return ()
        mark = self.tops[SYMBOL][0]
        margin = abs(self.qty) * mark / 2
        liquidation = self.liquidation
        return (
            Position(symbol=SYMBOL, qty=self.qty, entry=self.entry, mark=mark, margin=margin, liquidation=liquidation),
        )

    def balances(self) -> tuple[Balance, ...]:
        return (Balance("USDT", self.totals["USDT"], self.totals["USDT"]),)

    def _takes(self, request: OrderRequest, rules: Instrument) -> tuple[str, Decimal]:
        return "USDT", ZERO if request.reduce_only else request.qty * request.price / 2


class PerpRig(Rig):
    """`perp` is the account."""

    def __init__(self, *overlays: Path) -> None:
        super().__init__(OVERLAY, *overlays)

    def start(self) -> "PerpRig":
        super().start()
        able = Abilities(reduce_only=True)
        self.handle(ev.VenueAble(venue=VENUE, abilities=able, seen_ns=self.now_ns))
        return self

    def lay_out(self, krw: float, usdt: float, tether: float) -> None:
        self.perp = PerpModel(_perpetual(self.venues[VENUE].instruments[SYMBOL]))
        self.venues[VENUE] = self.perp
        super().lay_out(krw, usdt, tether)
        self.set_book(VENUE, SYMBOL, usdt)

    def _balances(self, effect: FetchBalances) -> None:
        if effect.venue != VENUE:
            super()._balances(effect)
            return
        self.effects.append(effect)
        asked_ns = self.now_ns

        def back(told: tuple[Sequence[Any], Sequence[Any], Sequence[Any]]) -> None:
            paid, positions, balances = (tuple(each) for each in told)
            times = {"asked_ns": asked_ns, "seen_ns": self.now_ns}
            if since_ms:
                self.handle(FundingReported(venue=VENUE, payments=paid, seen_ns=self.now_ns))
            self.handle(PositionsReported(venue=VENUE, positions=positions, **times))
            self.handle(ev.BalancesReported(venue=VENUE, balances=balances, **times))

        since_ms = effect.funding_since_ms
        self._there_and_back(
            lambda: (
                [each for each in self.perp.payments if each.at_ms >= since_ms and self.perp.lists_funding],
                self.perp.positions(),
                self.perp.balances(),
            ),
            back,
        )

    def books_agree(self) -> bool:
        """Wallet and position, to the last digit."""
        at = self.state.ledger.position(VENUE, SYMBOL)
        ours = (self.state.ledger.balance(VENUE, "USDT"), at.qty if at is not None else ZERO)
        self.state.ledger.check()
        return ours == (self.perp.totals["USDT"], self.perp.qty)


def _perpetual(rules: Instrument) -> Instrument:
    return replace(rules, qty_step=LOT, min_qty=LOT, product=Product.PERP)
