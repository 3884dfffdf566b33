"""Buy a coin at one venue and sell it at another that quotes in the same currency (R054, R056; domain.md §3, §4).

Funds are pre-positioned: nothing is transferred inside a trade. Skew between two books is the difference of their
proofs of currency by our own monotonic clock (`Market.age_ms`), not of venue times: on a quiet pair a venue's timestamp
is the time of the last change, minutes old and still right (protocols.md, common rules).
"""

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct

from engine.domain.order import Intent, LegWish, Policy, Side
from engine.market.book import Book
from engine.market.view import Seat
from engine.strategies import first_leg
from engine.strategies.edge import Sized, deviation, freshness, is_usable, size, skewed, top_net
from engine.strategies.sight import CALM, Memo, Sight, Strategy


class Params(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ratios are plain: 0.0025 is 0.25 %."""

    coins: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]  # venues that share a quote currency
    min_net: float = 0.0025
    min_depth_usd: float = 1_000.0
    max_skew_ms: float = 500.0
    max_gross: float = 0.05  # above it the intent is flagged: a person must confirm
    max_deviation: float = 0.10  # of either price from its 60 s median
    depth_share: float = 0.4  # of each visible level
    max_notional_krw: float = 2_000_000.0
    rebalance_charge: float = 0.0005  # of the notional, when all of the coin already lies at the buying venue
    policy: Policy = Policy.SIMULTANEOUS
    first: dict[str, str] = {}  # pair -> the venue whose leg leaves first, or `both`: instead of `policy` there

    def __post_init__(self) -> None:
        if not self.coins:
            raise ValueError("coins must not be empty")
        for group in self.groups:
            if len(group) < 2 or len(set(group)) != len(group):
                raise ValueError(f"groups: {list(group)} needs two or more different venues")
        first_leg.check(self.first)
        if not 0 <= self.min_net < 1:
            raise ValueError("min_net must lie in [0, 1): 0.0025 means 0.25 %")
        if not 0 < self.depth_share <= 1:
            raise ValueError("depth_share must lie in (0, 1]")
        if not 0 < self.max_gross < 1 or not 0 < self.max_deviation < 1:
            raise ValueError("max_gross and max_deviation must lie in (0, 1): 0.05 means 5 %")
        if self.max_notional_krw <= 0 or self.max_skew_ms <= 0:
            raise ValueError("max_notional_krw and max_skew_ms must be positive")
        if self.min_depth_usd < 0 or not 0 <= self.rebalance_charge < 1:
            raise ValueError("min_depth_usd must not be negative, rebalance_charge must lie in [0, 1)")


class _Watch(NamedTuple):
    """One direction of a pair, with the factor by which the bid must be above the ask to be looked at."""

    bought: Book
    sold: Book
    above: float
    buy: Seat
    sell: Seat


def reads(sight: Sight, params: Params) -> frozenset[tuple[str, str]]:
    venues = {venue for group in params.groups for venue in group}
    return frozenset(
        key for key, at in sight.market.instruments.items() if key[0] in venues and at.base in params.coins
    )


def evaluate(sight: Sight, params: Params, changed: tuple[str, str]) -> list[Intent]:
    """Wishes of the pairs that `changed` is one side of, in either direction."""
    intents: list[Intent | None] = []
    for bought, sold, above, buy, sell in _watched(sight, params, changed):
        ask = bought.best_ask
        # One quote asset: its rate cancels. Net cannot be better at any size than at the tops.
        if sold.best_bid >= ask * above and ask > 0.0:
            intents.append(_intent(sight, params, buy, sell))
    return [intent for intent in intents if intent is not None] if intents else CALM


def _watched(sight: Sight, params: Params, changed: tuple[str, str]) -> tuple[_Watch, ...]:
    key, books = ("spatial", changed), len(sight.market.books())
    known = sight.memo.get(key)
    if known is not None and known.params is params and known.books == books:
        return known.found
    found = tuple(
        _Watch(buy.book, sell.book, (1 + buy.fee) * (1 + params.min_net) / (1 - sell.fee), buy, sell)
        for here, there in _pairs_of(sight, params, changed)
        for buy, sell in ((here, there), (there, here))
    )
    sight.memo[key] = Memo(params, books, found)
    return found


def _pairs_of(sight: Sight, params: Params, changed: tuple[str, str]) -> Iterator[tuple[Seat, Seat]]:
    here = sight.market.seat(changed)
    if here is None or here.instrument.base not in params.coins:
        return
    venue, base, quote = here.venue, here.instrument.base, here.instrument.quote
    for group in params.groups:
        if venue not in group:
            continue
        for other in group:
            if other != venue:
                there = sight.market.seat_of(other, base, quote)
                if there is not None:
                    yield here, there


def _intent(sight: Sight, params: Params, buy: Seat, sell: Seat) -> Intent | None:
    market, now_ns = sight.market, sight.now_ns
    if not is_usable(sight, buy, sell):
        return None
    ages = [market.age_ms(at.venue, at.symbol, now_ns) for at in (buy, sell)]
    if abs(ages[0] - ages[1]) > params.max_skew_ms:
        return None
    if max(deviation(market, buy), deviation(market, sell)) > params.max_deviation:
        return None
    rate = market.krw_per(buy.instrument.quote, now_ns, sight.usdt_symbols)
    usdt_krw = market.krw_per("USDT", now_ns, sight.usdt_symbols)
    if rate <= 0.0 or usdt_krw <= 0.0:
        return None
    charge = params.rebalance_charge * skewed(sight, buy, sell)
    max_qty = params.max_notional_krw / (buy.book.best_ask * rate * (1 + buy.fee))
    sized = size(sight, buy, sell, rate, rate, params.min_net + charge, max_qty, params.depth_share)
    if sized is None:
        return None
    depth_usd = sized.depth_qty * buy.book.best_ask * rate / usdt_krw
    if depth_usd < params.min_depth_usd:
        return None
    facts = {"depth_usd": depth_usd, "book_age_ms": max(ages), "rebalance_charge": charge, "usdt_krw": usdt_krw}
    return _wish(sight, params, buy, sell, sized, facts)


def _wish(sight: Sight, params: Params, buy: Seat, sell: Seat, sized: Sized, facts: dict[str, float]) -> Intent:
    coin, charge = buy.instrument.base, facts["rebalance_charge"]
    thinner = 0 if sum(buy.book.depth()) < sum(sell.book.depth()) else 1
    legs = (
        LegWish(venue=buy.venue, symbol=buy.symbol, side=Side.BUY, vwap_est=sized.buy.vwap),
        LegWish(venue=sell.venue, symbol=sell.symbol, side=Side.SELL, vwap_est=sized.sell.vwap),
    )
    policy, hard_leg = first_leg.order_of(params.first, coin, legs, params.policy, thinner)
    return Intent(
        key=f"spatial:{coin}:{buy.venue}>{sell.venue}",
        strategy="spatial",
        legs=legs,
        qty_est=sized.qty,
        gross_est=sized.gross,
        net_est=sized.net - charge,
        min_net_est=params.min_net,
        profit_krw_est=sized.income_krw - sized.cost_krw * (1 + charge),
        notional_krw_est=max(sized.income_krw, sized.cost_krw),
        confidence_est=freshness(sight, buy, sell) * sized.coverage,
        policy=policy,
        hard_leg=hard_leg,
        facts={"gross": sized.gross, "buy_price": sized.buy.vwap, "sell_price": sized.sell.vwap} | facts,
        flags=("anomaly",) if sized.gross > params.max_gross else (),
    )


def figures(sight: Sight, params: Params) -> dict[str, float]:
    """Net at the top of the books per coin and direction (`net.BTC.upbit>bithumb`); `premium` is the best of them."""
    market = sight.market
    found: dict[str, float] = {}
    for changed in sorted(reads(sight, params)):
        for here, there in _pairs_of(sight, params, changed):
            if here.book.is_two_sided and there.book.is_two_sided and is_usable(sight, here, there):
                name = f"net.{market.instruments[changed].base}.{here.venue}>{there.venue}"
                found[name] = top_net(here, there, 1.0, 1.0)
    if found:
        found["premium"] = max(found.values())
    return found


STRATEGY = Strategy(name="spatial", params=Params, reads=reads, evaluate=evaluate, figures=figures)
