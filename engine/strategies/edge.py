"""Two legs over one coin: the largest size that earns, and what is left of it after fees (domain.md §3).

Shared by every strategy that buys at one venue and sells at another. All money is compared in KRW, so that a leg in
USDT and a leg in KRW meet in one unit; where both legs have one quote asset its rate cancels.
"""

from math import inf

from msgspec import Struct

from engine.domain.market import FeeSide
from engine.market.view import Market, Seat
from engine.market.walk import Walk, best_size, walk
from engine.strategies.sight import Sight

# An IOC limit may stand 10 bp beyond its VWAP and that much quote is reserved; twice that leaves room for the tick.
_QUOTE_HEADROOM = 1.002


class Sized(Struct, frozen=True, kw_only=True):
    """An executable pair of legs at `qty`. Ratios are plain; `net` is after both taker fees and nothing else."""

    qty: float
    buy: Walk
    sell: Walk
    gross: float
    net: float
    cost_krw: float  # of the buy leg, fee included
    income_krw: float  # of the sell leg, fee deducted
    depth_qty: float  # how much earns at all, before caps and haircut
    coverage: float  # 0..1: usable depth over the size that caps and funds would allow


def top_net(buy: Seat, sell: Seat, buy_krw: float, sell_krw: float) -> float:
    """Net at the top of both books, which no larger size can beat; -1 where a side is empty or a rate missing."""
    cost = buy.book.best_ask * buy_krw * (1 + buy.fee)
    if cost <= 0.0:
        return -1.0
    return sell.book.best_bid * sell_krw * (1 - sell.fee) / cost - 1


def funded_qty(sight: Sight, buy: Seat, sell: Seat) -> float:
    """Base quantity that stands ready: the coin at the selling venue, the quote with its fee at the buying one."""
    coin = sight.available.get((sell.venue, sell.instrument.base), 0.0)
    quote = sight.available.get((buy.venue, buy.instrument.quote), 0.0)
    return min(coin, quote / (buy.book.best_ask * (1 + buy.fee) * _QUOTE_HEADROOM))


def skewed(sight: Sight, buy: Seat, sell: Seat) -> float:
    """0..1: how much of the pair's coin already lies at the venue where still more would be bought (domain.md §4)."""
    there = sight.available.get((buy.venue, buy.instrument.base), 0.0)
    here = sight.available.get((sell.venue, sell.instrument.base), 0.0)
    return max(0.0, (there - here) / (there + here)) if there + here > 0 else 0.0


def size(
    sight: Sight, buy: Seat, sell: Seat, buy_krw: float, sell_krw: float, hurdle: float, max_qty: float, share: float
) -> Sized | None:
    """The best executable size whose net is at least `hurdle`, at most `max_qty` and `share` of each visible level.

    The size of greatest profit is tried first. Where its average net falls short, only those units are kept that each
    clear the hurdle themselves. None where funds, steps or minimums leave nothing.
    """
    keep, cost = sell_krw * (1 - sell.fee), buy_krw * (1 + buy.fee)
    wanted = min(max_qty, funded_qty(sight, buy, sell))
    if wanted <= 0.0:
        return None
    qty = best_size(sell.book.bids(), buy.book.asks(), keep, cost, wanted, share)
    found = _at(sight, buy, sell, qty, keep, cost, share)
    if found is None or found[2] < hurdle:
        qty = best_size(sell.book.bids(), buy.book.asks(), keep, cost * (1 + hurdle), wanted, share)
        found = _at(sight, buy, sell, qty, keep, cost, share)
    if found is None or found[2] < hurdle:
        return None
    bought, sold, net = found
    income_krw, cost_krw = sold.quote * keep, bought.quote * cost
    return Sized(
        qty=bought.qty,
        buy=bought,
        sell=sold,
        gross=sold.quote * sell_krw / (bought.quote * buy_krw) - 1,
        net=net,
        cost_krw=cost_krw,
        income_krw=income_krw,
        depth_qty=best_size(sell.book.bids(), buy.book.asks(), keep, cost, inf, 1.0),
        coverage=min(1.0, qty / wanted),
    )


def _at(
    sight: Sight, buy: Seat, sell: Seat, qty: float, keep: float, cost: float, share: float
) -> tuple[Walk, Walk, float] | None:
    """Both walks and the net at `qty`, rounded down to what both venues take and the quote at hand pays for."""
    if qty <= 0.0:
        return None
    worst = walk(buy.book.asks(), qty, share).worst
    funds = sight.available.get((buy.venue, buy.instrument.quote), 0.0)
    qty = whole_steps(min(qty, funds / (worst * (1 + buy.fee) * _QUOTE_HEADROOM)), buy, sell)
    if qty <= 0.0:
        return None
    bought, sold = walk(buy.book.asks(), qty, share), walk(sell.book.bids(), qty, share)
    if bought.qty < qty or sold.qty < qty or not _clears_minimums(buy, sell, bought, sold):
        return None
    return bought, sold, sold.quote * keep / (bought.quote * cost) - 1


def whole_steps(qty: float, buy: Seat, sell: Seat) -> float:
    """`qty` rounded down to the coarser lot step of the two venues."""
    step = float(max(buy.instrument.qty_step, sell.instrument.qty_step))
    # The float of 0.3 / 0.1 is just below 3: a billionth of a step is rounding, not quantity. And 820 * 0.001 is just
    # above 0.82: what a level holds to the last step would not be there.
    return min(qty, int(qty / step + 1e-9) * step)


def _clears_minimums(buy: Seat, sell: Seat, bought: Walk, sold: Walk) -> bool:
    """Both legs are above their minimums, the selling one also with what a fee in base leaves of the purchase."""
    base_fee = buy.fee if buy.instrument.fee_side is FeeSide.RECEIVED else 0.0
    for at, done, qty in ((buy, bought, bought.qty), (sell, sold, sold.qty * (1 - base_fee))):
        if qty < float(at.instrument.min_qty) or qty * done.vwap < float(at.instrument.min_notional):
            return False
    return True


def freshness(sight: Sight, *seats: Seat) -> float:
    """0..1: 1 when the oldest book has just been proved current, 0 at its venue's age limit."""
    market = sight.market
    worst = max(market.age_ms(at.venue, at.symbol, sight.now_ns) / market.max_book_age_ms(at.venue) for at in seats)
    return max(0.0, 1.0 - worst)


def deviation(market: Market, at: Seat) -> float:
    """How far the mid stands from its 60 s median, as a ratio; infinite where there is no median."""
    middle = market.median_mid(at.venue, at.symbol)
    return abs((at.book.best_bid + at.book.best_ask) / 2 / middle - 1) if middle > 0.0 else inf


def is_usable(sight: Sight, *seats: Seat) -> bool:
    """Whether every book may be traded on now."""
    return not any(sight.market.why_unusable(at.venue, at.symbol, sight.now_ns) for at in seats)
