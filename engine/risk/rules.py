"""Every rule that can refuse a trade. Pure tests of one case each; `RULES` is their order.

A refusal names its rule (stable snake_case, listed in docs/refusals.md), says in one sentence what was seen and what
was allowed, and carries the numbers as text.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

from msgspec import Struct

from engine.domain.market import Product
from engine.domain.money import ZERO, exact
from engine.domain.order import PlannedLeg, Side
from engine.risk.latch import opens_trades
from engine.risk.limits import Held, Limits, ceiling
from engine.risk.situation import Seen, Situation


class Refused(Struct, frozen=True, kw_only=True):
    """One rule's no."""

    rule: str
    text: str  # one English sentence with the numbers
    numbers: dict[str, str]


class Case(Struct, frozen=True):
    """What one rule gets."""

    legs: tuple[PlannedLeg, ...]
    now: Situation
    limits: Limits

    @property
    def closes(self) -> bool:
        """It only makes smaller what is there: limits on new risk do not hold back who gets out."""
        return "closes" in self.now.flags or all(leg.reduce_only for leg in self.legs)

    @property
    def is_stop(self) -> bool:
        """A stop that gets out: its own limit says how far it may go, in just the market that sets stops off."""
        return "stop" in self.now.flags

    def pairs(self) -> Iterator[tuple[PlannedLeg, Seen]]:
        return zip(self.legs, self.now.seen, strict=True)


Rule = Callable[[Case], Refused | None]


def refuse(rule: str, text: str, /, **numbers: object) -> Refused:
    return Refused(rule=rule, text=text, numbers={name: _plain(value) for name, value in numbers.items()})


def _plain(value: object) -> str:
    """A number as text, without exponent and with eight decimals at most."""
    if not isinstance(value, Decimal):
        return str(value)
    text = f"{value:.8f}"
    return text.rstrip("0").rstrip(".")


def notional_krw(leg: PlannedLeg) -> Decimal:
    """What a leg is worth at its planned VWAP; 0 where its quote has no rate."""
    return leg.qty * leg.planned_vwap * leg.quote_krw


def _krw(amount: Decimal) -> str:
    return f"{amount:,.0f} KRW"


def _pct(ratio: Decimal | float) -> str:
    return f"{float(ratio) * 100:.2f} %"


# What stops everything


def _halted(case: Case) -> Refused | None:
    now = case.now
    if opens_trades(now.level):
        return None
    return refuse(
        "halted", f"trading is halted at L{now.level}: {now.level_reason}", level=now.level, reason=now.level_reason
    )


def _journal(case: Case) -> Refused | None:
    if case.now.journal_writable:
        return None
    return refuse("journal", "the journal cannot be written, and no order goes out without its line")


def _breaker(case: Case) -> Refused | None:
    now = case.now
    if not now.breaker or case.closes:
        return None
    return refuse(
        "breaker", f"breaker {now.breaker} is {now.breaker_reason}", breaker=now.breaker, reason=now.breaker_reason
    )


# The venues and what is under way


def _venue(case: Case) -> Refused | None:
    for leg, seen in case.pairs():
        if seen.blocked:
            return refuse(
                "venue_blocked", f"{leg.venue} is blocked: {seen.blocked}", venue=leg.venue, reason=seen.blocked
            )
        if not seen.ready:
            return refuse("venue_not_ready", f"{leg.venue} is not reconciled yet", venue=leg.venue)
        if seen.clock_off and not case.closes:
            return refuse("clock_off", f"{leg.venue}: {seen.clock_off}", venue=leg.venue, reason=seen.clock_off)
        if seen.unread and not case.closes:
            return refuse("account_unread", f"{leg.venue}: {seen.unread}", venue=leg.venue, reason=seen.unread)
        if not seen.allowed:
            text = f"{leg.venue} {leg.symbol} is not on the list of traded symbols"
            return refuse("symbol_not_allowed", text, venue=leg.venue, symbol=leg.symbol)
    return None


def _under_way(case: Case) -> Refused | None:
    now = case.now
    if now.dead_letter:
        text = f"trade {now.dead_letter} left a remainder for a person; its pair is closed until then"
        return refuse("dead_letter", text, trade_id=now.dead_letter, key=now.key)
    if now.opportunity_trade:
        text = f"this opportunity was executed already as trade {now.opportunity_trade}"
        return refuse("duplicate", text, trade_id=now.opportunity_trade)
    if now.naked_trades and not case.closes:
        text = f"{now.naked_trades} trades in {case.legs[0].base} have an open exposure"
        return refuse("naked", text, trades=now.naked_trades, coin=case.legs[0].base)
    if now.open_trades:
        return refuse("already_working", f"{now.open_trades} trades of {now.key} are under way", trades=now.open_trades)
    for leg, seen in case.pairs():
        if seen.unknown_orders and not case.closes:  # what they may have spent is reserved
            text = f"{seen.unknown_orders} orders at {leg.venue} in {leg.base} or {leg.quote} have no answer yet"
            return refuse("order_unknown", text, venue=leg.venue, orders=seen.unknown_orders)
    return None


def _anomaly(case: Case) -> Refused | None:
    if not case.now.is_auto or "anomaly" not in case.now.flags:
        return None
    return refuse(
        "anomaly", "the gross premium is above its cap: a person must confirm it", flags=",".join(case.now.flags)
    )


# How often


def _frequency(case: Case) -> Refused | None:
    now, limits = case.now, case.limits
    orders = now.orders_last_minute + len(case.legs)
    if orders > limits.max_orders_per_minute:
        text = f"{orders} orders within a minute with this one, the limit is {limits.max_orders_per_minute}"
        return refuse("orders_per_minute", text, orders=orders, limit=limits.max_orders_per_minute)
    if case.closes:
        return None
    if now.since_last_ms is not None and now.since_last_ms < limits.cooldown_ms:
        text = f"the last trade of {now.key} is {now.since_last_ms} ms old, the cool-down is {limits.cooldown_ms} ms"
        return refuse("cooldown", text, since_ms=now.since_last_ms, limit_ms=limits.cooldown_ms)
    counts = (
        ("trades_in_window", now.trades_in_window, limits.max_trades_per_window, f"in {limits.window_ms // 1000} s"),
        ("trades_per_hour", now.trades_last_hour, limits.max_trades_per_hour, "in the last hour"),
        ("trades_per_day", now.trades_today, limits.max_trades_per_day, "today"),
    )
    for rule, count, limit, when in counts:
        if count >= limit:
            return refuse(rule, f"{count} trades {when}, the limit is {limit}", trades=count, limit=limit)
    return None


# The market as it stands


def _books(case: Case) -> Refused | None:
    for leg, seen in case.pairs():
        if seen.unusable:
            text = f"the book of {leg.venue} {leg.symbol} cannot be traded on: {seen.unusable}"
            numbers = {
                "venue": leg.venue,
                "symbol": leg.symbol,
                "reason": seen.unusable,
                "age_ms": f"{seen.age_ms:.0f}",
            }
            return refuse("book_unusable", text, **numbers)
        if not 0 < seen.best_bid < seen.best_ask:
            text = f"{leg.venue} {leg.symbol} shows bid {seen.best_bid} and ask {seen.best_ask}"
            return refuse("book_unusable", text, venue=leg.venue, symbol=leg.symbol, reason="no spread")
    return None


def _prices(case: Case) -> Refused | None:
    for leg, seen in case.pairs():
        where = f"{leg.venue} {leg.symbol}"
        bid, ask = exact(seen.best_bid), exact(seen.best_ask)
        mid = (bid + ask) / 2
        if case.is_stop:
            refused = _collar(case, leg, where, leg.stop_price or mid)
            if refused is not None:
                return refused
            continue
        if (ask - bid) / mid > case.limits.max_spread:
            text = f"the spread of {where} is {_pct((ask - bid) / mid)}, the limit is {_pct(case.limits.max_spread)}"
            return refuse("spread", text, venue=leg.venue, spread=(ask - bid) / mid, limit=case.limits.max_spread)
        # No median is no proof: a price that nothing confirms counts as too far away.
        if seen.median_mid <= 0:
            text = f"{where} has no median of the last 60 s that its price {mid} could be held against"
            return refuse("deviation", text, venue=leg.venue, deviation="unknown", limit=case.limits.max_deviation)
        off = abs(mid / exact(seen.median_mid) - 1)
        if off > case.limits.max_deviation:
            text = f"{where} is {_pct(off)} away from its 60 s median, the limit is {_pct(case.limits.max_deviation)}"
            return refuse("deviation", text, venue=leg.venue, deviation=off, limit=case.limits.max_deviation)
        top = ask if leg.side is Side.BUY else bid
        if leg.stop_price is not None:
            top = mid = leg.stop_price  # it will be sent when the price is there
        slipped = (leg.planned_vwap / top - 1) * (1 if leg.side is Side.BUY else -1)
        if slipped > case.limits.max_slippage:
            text = f"{where} would slip {_pct(slipped)} at this size, the limit is {_pct(case.limits.max_slippage)}"
            return refuse("slippage", text, venue=leg.venue, slippage=slipped, limit=case.limits.max_slippage)
        refused = _collar(case, leg, where, mid)
        if refused is not None:
            return refused
    return None


def _collar(case: Case, leg: PlannedLeg, where: str, mid: Decimal) -> Refused | None:
    off, most = abs(leg.limit_price / mid - 1), case.limits.max_collar
    if off <= most:
        return None
    text = f"the limit {leg.limit_price} of {where} is {_pct(off)} from its mid {mid}, the collar is {_pct(most)}"
    return refuse("collar", text, venue=leg.venue, limit_price=leg.limit_price, mid=mid)


# Losses and sizes


def _losses(case: Case) -> Refused | None:
    now, limits = case.now, case.limits
    if case.closes:
        return None
    if now.usd_krw is None or now.equity_krw is None or now.equity_krw <= 0:
        missing = "USD/KRW" if now.usd_krw is None else "equity"
        return refuse("no_rate", f"{missing} is not known, so the loss limits count as breached", missing=missing)
    limit = min(limits.max_daily_loss_usd * now.usd_krw, limits.max_daily_loss_ratio * now.equity_krw)
    if limits.max_daily_loss_krw is not None:
        limit = min(limit, limits.max_daily_loss_krw)
    if -now.pnl_today_krw >= limit:
        text = f"today's loss is {_krw(-now.pnl_today_krw)}, the limit is {_krw(limit)}"
        return refuse("daily_loss", text, loss_krw=-now.pnl_today_krw, limit_krw=limit)
    if -now.pnl_total_krw >= limits.max_total_loss_krw:
        text = f"the loss in all is {_krw(-now.pnl_total_krw)}, the limit is {_krw(limits.max_total_loss_krw)}"
        return refuse("total_loss", text, loss_krw=-now.pnl_total_krw, limit_krw=limits.max_total_loss_krw)
    drawdown = now.drawdown_krw / (now.equity_krw + now.drawdown_krw)
    if drawdown >= limits.max_drawdown:
        text = f"the drawdown from the peak is {_pct(drawdown)}, the limit is {_pct(limits.max_drawdown)}"
        return refuse("drawdown", text, drawdown=drawdown, limit=limits.max_drawdown)
    return None


def _sizes(case: Case) -> Refused | None:
    now, limits = case.now, case.limits
    for leg in case.legs:
        if leg.quote_krw <= 0:
            return refuse("no_rate", f"no KRW rate for {leg.quote} is known", missing=leg.quote)
    notional = max(notional_krw(leg) for leg in case.legs)
    # What only closes positions may be as large as they are.
    held, venues = (Held(), ()) if case.closes else (now.held, tuple(leg.venue for leg in case.legs))
    highest = ceiling(limits, held, venues, now.usd_krw, now.btc_krw)
    if highest.rule == "no_rate":
        missing = "USD/KRW" if not now.usd_krw else "BTC/KRW"
        return refuse("no_rate", f"{missing} is not known, so the size limits count as breached", missing=missing)
    if notional > highest.krw:
        text = f"this trade is worth {_krw(notional)}, {_krw(highest.krw)} may still be opened"
        return refuse(highest.rule, text, notional_krw=notional, limit_krw=highest.krw)
    minute = now.notional_last_minute_krw + notional
    if minute > limits.max_notional_per_minute_krw:
        text = f"{_krw(minute)} within a minute with this one, the limit is {_krw(limits.max_notional_per_minute_krw)}"
        return refuse("notional_per_minute", text, notional_krw=minute, limit_krw=limits.max_notional_per_minute_krw)
    return None


def _balances(case: Case) -> Refused | None:
    """Legs that draw on one account are added up: two promises of one balance are refused together."""
    needed: dict[tuple[str, str], Decimal] = {}
    for leg, seen in case.pairs():
        account = (leg.venue, seen.pays)
        needed[account] = needed.get(account, ZERO) + max(seen.needed, _least(leg))
        if needed[account] > seen.available:
            text = f"{leg.venue} needs {needed[account]} {seen.pays}, {seen.available} is available"
            numbers = {"venue": leg.venue, "asset": seen.pays, "needed": needed[account], "available": seen.available}
            return refuse("balance", text, **numbers)
    return None


def _margin(case: Case) -> Refused | None:
    """A perpetual that would open or grow, where its account stands too near to being liquidated."""
    limits = case.limits
    for leg, seen in case.pairs():
        at = seen.margin
        if at is None:
            continue
        for used, most, when in (
            (at.usage, limits.margin_reduce, "is needed"),
            (at.usage_after, limits.margin_over, "would be needed"),
        ):
            if used is None or used >= most:
                share = _pct(used) if used is not None else "more than all"
                text = f"{share} of the equity at {leg.venue} {when} as margin, the limit is {_pct(most)}"
                return refuse("margin_usage", text, venue=leg.venue, usage=used or 1, limit=most)
        off, least = at.liquidation_off, limits.min_liquidation_distance
        if off is not None and off < least:
            text = f"{leg.venue} {leg.symbol} would be liquidated {_pct(off)} from here, the least is {_pct(least)}"
            return refuse("liquidation_near", text, venue=leg.venue, distance=off, limit=least)
    return None


def _least(leg: PlannedLeg) -> Decimal:
    """What the order takes at its limit without any fee: a situation that names less has been filled wrongly.

    A perpetual takes margin, which is the venue's business.
    """
    if leg.product is Product.PERP:
        return ZERO
    return leg.qty * leg.limit_price if leg.side is Side.BUY else leg.qty


RULES: tuple[Rule, ...] = (
    _halted,
    _journal,
    _breaker,
    _venue,
    _under_way,
    _anomaly,
    _losses,
    _frequency,
    _books,
    _prices,
    _sizes,
    _balances,
    _margin,
)

MEANINGS: Mapping[str, str] = {
    "halted": "The kill latch stands at L1 or higher.",
    "journal": "The journal cannot be written: no order goes out without its line.",
    "breaker": "A circuit breaker is open, or half open with its canary under way.",
    "venue_blocked": "The venue is stopped, for instance because its balances differ from the ledger.",
    "venue_not_ready": "The venue has not been reconciled since the start.",
    "clock_off": "The venue's clock and ours are too far apart, or how far is not known.",
    "account_unread": "The venue's balances, or its open orders, could not be read for four rounds of the comparison.",
    "symbol_not_allowed": "The symbol is not on the list of traded symbols.",
    "dead_letter": "An earlier trade of this pair left a remainder that waits for a person.",
    "duplicate": "This very opportunity has been executed already.",
    "naked": "Another trade in this coin has an open exposure.",
    "already_working": "A trade of this pair is under way.",
    "order_unknown": "An order in one of the assets at this venue has no answer yet.",
    "anomaly": "The gross premium is above its cap: automatic mode leaves it to a person.",
    "daily_loss": "Today's loss has reached its limit.",
    "total_loss": "The loss in all has reached its limit.",
    "drawdown": "The fall from the peak has reached its limit.",
    "cooldown": "The last trade of this pair is too recent.",
    "trades_in_window": "Too many trades of this pair within the window.",
    "trades_per_hour": "Too many trades within the last hour.",
    "trades_per_day": "Too many trades today.",
    "orders_per_minute": "Too many orders within a minute: a loop may have gone wild.",
    "notional_per_minute": "Too much traded within a minute: a loop may have gone wild.",
    "book_unusable": "A book is stale, quiet for too long, not synced, one-sided or crossed.",
    "spread": "A book's spread is abnormally wide.",
    "deviation": "A price is too far from its own median of the last 60 s, or has none.",
    "slippage": "This size would slip too far beyond the top of the book.",
    "collar": "A limit price is too far from its own symbol's mid.",
    "no_rate": "A rate needed to compare limits is not known: the limit counts as breached.",
    "order_size": "The trade is larger than one order may be.",
    "position_coin": "Open positions in this coin would be too large.",
    "position_venue": "Open positions at this venue would be too large.",
    "position_total": "Open positions in all would be too large.",
    "position_perp": "Open perpetuals at this venue would be too large.",
    "balance": "The account does not hold enough that is free and not reserved.",
    "margin_usage": "Too much of the account's equity is needed as margin of its perpetuals.",
    "liquidation_near": "The position that would grow stands too near to its liquidation.",
}
