"""Hold a premium-dependent share of one Korean account in USDT: buy it when cheap, sell it back when dear (R076-R081).

The premium is t = T / X - 1 with T the price of the step itself: the ask when buying, the bid when selling, the other
way round where it rests as post-only. USDT held in Korea has FX risk: X can fall while t rises (domain.md §6).
"""

from collections.abc import Iterable

from msgspec import Struct

from engine.domain.money import BPS, NS_PER_S
from engine.domain.order import Intent, LegWish, Side, TimeInForce
from engine.market.view import Seat
from engine.market.walk import Walk, walk
from engine.strategies import curve as curves
from engine.strategies.edge import freshness
from engine.strategies.sight import Sight, Strategy

_QUOTE_HEADROOM = 1.002  # the IOC limit stands beyond the VWAP, and that much KRW is reserved


class Params(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ratios are plain (0.0015 is 0.15 percentage points); only the curve's premiums are in percent."""

    venue: str
    symbol: str
    curve: curves.Points
    band: float = 0.02  # of E: a smaller gap between target and holding is left alone
    hysteresis: float = 0.0015  # the premium must have moved this far since the last executed action
    cooldown_s: float = 60.0
    window_s: float = 3_600.0
    window_cap: int = 20  # actions per window
    step_cap: float = 0.10  # of E per action
    min_notional_krw: float = 10_000.0
    max_cost: float = 0.005  # fee, half spread and depth of one step; above it the step waits
    depth_share: float = 0.5  # of each visible level
    tif: TimeInForce = TimeInForce.IOC  # post_only joins the queue on its own side for rest_ms instead
    rest_ms: int = 15_000

    def __post_init__(self) -> None:
        try:
            curves.check(self.curve)
        except ValueError as error:
            raise ValueError(f"curve: {error}") from error
        if not 0 < self.band < 1 or not 0 < self.step_cap <= 1:
            raise ValueError("band must lie in (0, 1), step_cap in (0, 1]: 0.02 means 2 %")
        if not 0 <= self.hysteresis < 1:
            raise ValueError("hysteresis must lie in [0, 1): 0.0015 means 0.15 percentage points")
        if self.cooldown_s < 0 or self.window_s <= 0:
            raise ValueError("cooldown_s must not be negative, window_s must be positive")
        if not 1 <= self.window_cap <= 64:
            raise ValueError("window_cap must lie in 1..64")
        if self.min_notional_krw <= 0 or not 0 < self.max_cost < 1 or not 0 < self.depth_share <= 1:
            raise ValueError("min_notional_krw must be positive, max_cost in (0, 1), depth_share in (0, 1]")
        if self.tif not in (TimeInForce.IOC, TimeInForce.POST_ONLY) or self.rest_ms <= 0:
            raise ValueError("tif must be ioc or post_only, rest_ms positive")


class Position(Struct, frozen=True, kw_only=True):
    """Where the account stands against its curve, and the step towards it. Money in KRW, ratios plain."""

    at: Seat
    side: Side
    price: float  # KRW per USDT at the top of the side that the step would hit
    premium: float  # at that price
    premium_mid: float
    fx: float
    fx_age_ms: int
    equity_krw: float  # E = KRW + USDT·T
    weight_target: float
    weight_now: float
    target_krw: float  # of USDT
    delta_krw: float  # target minus holding, signed
    taken: Walk  # the next step; quantity 0 where nothing can be taken
    fee: float
    cost: float  # expected, as a ratio of the step: fee and distance of its VWAP from the mid


def reads(sight: Sight, params: Params) -> frozenset[tuple[str, str]]:
    return frozenset({(params.venue, params.symbol)})


def intent_key(params: Params) -> str:
    """One opportunity per account: a turn of the bias renews it under the same history."""
    return f"tether_bot:USDT:{params.venue}"


def blocked_market(sight: Sight, params: Params) -> str:
    """Why there is no signal at all: "" | no_instrument | book:<reason> | fx:<reason>."""
    market = sight.market
    if (params.venue, params.symbol) not in market.instruments:
        return "no_instrument"
    reason = market.why_unusable(params.venue, params.symbol, sight.now_ns)
    if reason:
        return f"book:{reason}"
    fx = market.fx_view(sight.now_ns)
    return "" if fx.usable else f"fx:{fx.degraded}"


def position(sight: Sight, params: Params) -> Position | None:
    """The signal; None while `blocked_market` names a reason, or the account is empty."""
    at = sight.market.seat((params.venue, params.symbol))
    if at is None or blocked_market(sight, params):
        return None
    fx = sight.market.fx_view(sight.now_ns)
    krw = sight.available.get((params.venue, at.instrument.quote), 0.0)
    usdt = sight.available.get((params.venue, at.instrument.base), 0.0)
    mid = (at.book.best_bid + at.book.best_ask) / 2
    if krw + usdt * mid <= 0.0:
        return None
    # The mid only tells the direction; every number of the step itself is at the price that it would hit.
    is_short = curves.weight_est(params.curve, mid / fx.rate - 1) * (krw + usdt * mid) > usdt * mid
    price = at.book.best_ask if is_short is not _rests(params) else at.book.best_bid
    premium = price / fx.rate - 1
    equity_krw = krw + usdt * price
    weight = curves.weight_est(params.curve, premium)
    delta_krw = weight * equity_krw - usdt * price
    side = Side.BUY if is_short else Side.SELL
    fee = float(at.instrument.maker_fee_bps * BPS) if _rests(params) else at.fee
    funds = krw / (price * (1 + fee) * _QUOTE_HEADROOM) if is_short else usdt
    step_krw = min(abs(delta_krw), params.step_cap * equity_krw)
    taken = _step(params, at, side, min(step_krw / price, funds))
    return Position(
        at=at,
        side=side,
        price=price,
        premium=premium,
        premium_mid=mid / fx.rate - 1,
        fx=fx.rate,
        fx_age_ms=fx.age_ms,
        equity_krw=equity_krw,
        weight_target=weight,
        weight_now=usdt * price / equity_krw,
        target_krw=weight * equity_krw,
        delta_krw=delta_krw,
        taken=taken,
        fee=fee,
        cost=fee + (taken.vwap / mid - 1) * (1 if is_short else -1) if taken.qty else fee,
    )


def _rests(params: Params) -> bool:
    return params.tif is TimeInForce.POST_ONLY


def _step(params: Params, at: Seat, side: Side, wanted: float) -> Walk:
    """At most `wanted` USDT in whole lot steps: from visible depth, or resting at the top of its own side."""
    step = float(at.instrument.qty_step)
    if _rests(params):
        qty, price = int(wanted / step + 1e-9) * step, at.book.best_bid if side is Side.BUY else at.book.best_ask
        return Walk(qty, qty * price, price)
    deep = walk(_levels(at, side), wanted, params.depth_share)
    return walk(_levels(at, side), int(deep.qty / step + 1e-9) * step, params.depth_share)


def _levels(at: Seat, side: Side) -> Iterable[tuple[float, float]]:
    return at.book.asks() if side is Side.BUY else at.book.bids()


def why(sight: Sight, params: Params) -> tuple[str, ...]:
    """Every reason for not acting now, in the order of domain.md §6; () when it acts."""
    blocked = blocked_market(sight, params)
    if blocked:
        return (blocked,)
    now = position(sight, params)
    return ("empty_account",) if now is None else _holds(sight, params, now)


def _holds(sight: Sight, params: Params, now: Position) -> tuple[str, ...]:
    floor_krw = max(params.min_notional_krw, float(now.at.instrument.min_notional))
    last = sight.last.get(intent_key(params))
    reasons = []
    if (now.delta_krw > 0) is not (now.side is Side.BUY):
        reasons.append("within_spread")  # the half spread is wider than the gap to the target
    if abs(now.delta_krw) < max(floor_krw, params.band * now.equity_krw):
        reasons.append("within_band")
    elif now.taken.quote < floor_krw or now.taken.qty < float(now.at.instrument.min_qty):
        reasons.append("step_too_small")  # by cap, balance or visible depth
    if last is not None:
        if abs(now.premium - last.premium) < params.hysteresis:
            reasons.append("hysteresis")
        if sight.now_ns - last.wall_ns < params.cooldown_s * NS_PER_S:
            reasons.append("cooldown")
        since_ns = sight.now_ns - params.window_s * NS_PER_S
        if sum(1 for at_ns in last.recent_ns if at_ns > since_ns) >= params.window_cap:
            reasons.append("window_cap")
    if now.cost > params.max_cost:
        reasons.append("too_costly")
    return tuple(reasons)


def evaluate(sight: Sight, params: Params, changed: tuple[str, str]) -> list[Intent]:
    """At most one wish: the next step towards the curve's weight."""
    if changed != (params.venue, params.symbol):
        return []
    now = position(sight, params)
    if now is None or _holds(sight, params, now):
        return []
    age_ms = sight.market.age_ms(params.venue, params.symbol, sight.now_ns)
    return [
        Intent(
            key=intent_key(params),
            strategy="tether_bot",
            legs=(LegWish(venue=params.venue, symbol=params.symbol, side=now.side, vwap_est=now.taken.vwap),),
            qty_est=now.taken.qty,
            gross_est=now.fee - now.cost,
            net_est=-now.cost,
            min_net_est=-params.max_cost,
            profit_krw_est=-now.cost * now.taken.quote,
            notional_krw_est=now.taken.quote,
            confidence_est=freshness(sight, now.at),
            tif=params.tif,
            rest_ms=params.rest_ms if _rests(params) else 0,
            facts=_numbers(now) | {"book_age_ms": age_ms, "fx_age_ms": float(now.fx_age_ms)},
        )
    ]


def _numbers(now: Position) -> dict[str, float]:
    """`premium` is what the core keeps as `LastAction.premium`; `bias` is +1 to buy USDT, -1 to sell it."""
    return {
        "premium": now.premium,
        "premium_mid": now.premium_mid,
        "tether_premium": now.premium,
        "fx": now.fx,
        "usdt_krw": now.price,
        "equity_krw": now.equity_krw,
        "weight_target": now.weight_target,
        "weight_now": now.weight_now,
        "target_krw": now.target_krw,
        "delta_krw": now.delta_krw,
        "step_krw": now.taken.quote,
        "step_usdt": now.taken.qty,
        "bias": 1.0 if now.side is Side.BUY else -1.0,
        "expected_cost": now.cost,
        "expected_cost_krw": now.cost * now.taken.quote,
        "break_even": break_even(now.fee),
    }


def round_trip(bought_krw: float, sold_krw: float, fee: float) -> float:
    """What one USDT bought and sold again on one venue earns, as a ratio of its cost."""
    return sold_krw * (1 - fee) / (bought_krw * (1 + fee)) - 1


def break_even(fee: float) -> float:
    """How far the price must rise, as a ratio, for a round trip to pay its two fees."""
    return (1 + fee) / (1 - fee) - 1


def figures(sight: Sight, params: Params) -> dict[str, float]:
    """The signal's numbers, and `hold.<code>` = 1 for each reason of `why` that keeps it from acting."""
    now = position(sight, params)
    found = _numbers(now) if now is not None else {}
    return found | {f"hold.{code}": 1.0 for code in why(sight, params)}


STRATEGY = Strategy(name="tether_bot", params=Params, reads=reads, evaluate=evaluate, figures=figures, curve="curve")
