"""Korean KRW price against the global USDT price, at prices that can be hit, from inventory on both sides (R055).

Two bases (domain.md §2): k_fx converts by USD/KRW and is for the eye; k_usdt converts by the executable USDT/KRW price
and is what a trade realises, so it alone triggers. Selling in Korea hits Korean bids, global asks and the USDT/KRW ask
(the KRW proceeds buy USDT back); the reverse hits Korean asks, global bids and the USDT/KRW bid.
"""

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct, field

from engine.domain.money import NS_PER_MS
from engine.domain.order import Intent, LegWish, Policy, Side
from engine.market.book import Book
from engine.market.view import Seat
from engine.market.walk import walk
from engine.strategies import first_leg
from engine.strategies.edge import Sized, deviation, freshness, funded_qty, is_usable, size, skewed, top_net
from engine.strategies.sight import CALM, Memo, Sight, Strategy

_MOST_AT_ONCE, _BEST = 64, 32  # premiums worked out in one step
_TURN_NS = 100 * NS_PER_MS


class Params(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ratios are plain: 0.003 is 0.3 %."""

    coins: tuple[str, ...]
    korean: tuple[str, ...]
    global_: tuple[str, ...] = field(name="global")
    min_net: float = 0.003
    min_depth_usd: float = 1_000.0
    max_gross: float = 0.05  # above it the intent is flagged: a person must confirm
    max_deviation: float = 0.10  # of either price from its 60 s median
    depth_share: float = 0.4  # of each visible level
    drift_charge: float = 0.0002  # expected premium drift while the legs are open
    rebalance_charge: float = 0.0005  # of the notional, when all of the coin already lies at the buying venue
    max_notional_krw: float = 2_000_000.0
    policy: Policy = Policy.SIMULTANEOUS  # the Korean leg is the hard one
    first: dict[str, str] = {}  # pair -> the venue whose leg leaves first, or `both`: instead of `policy` there

    def __post_init__(self) -> None:
        if not self.coins or not self.korean or not self.global_:
            raise ValueError("coins, korean and global must not be empty")
        if set(self.korean) & set(self.global_):
            raise ValueError("a venue cannot be both korean and global")
        first_leg.check(self.first)
        if not 0 <= self.min_net < 1:
            raise ValueError("min_net must lie in [0, 1): 0.003 means 0.3 %")
        if not 0 <= self.drift_charge < 1 or not 0 <= self.rebalance_charge < 1:
            raise ValueError("drift_charge and rebalance_charge must lie in [0, 1)")
        if not 0 < self.depth_share <= 1:
            raise ValueError("depth_share must lie in (0, 1]")
        if not 0 < self.max_gross < 1 or not 0 < self.max_deviation < 1:
            raise ValueError("max_gross and max_deviation must lie in (0, 1): 0.05 means 5 %")
        if self.max_notional_krw <= 0 or self.min_depth_usd < 0:
            raise ValueError("max_notional_krw must be positive, min_depth_usd not negative")


class Premium(NamedTuple):
    """All ratios. `1 + fx_basis = (1 + tether_basis)(1 + tether)` whatever the prices."""

    fx_basis: float
    tether_basis: float
    tether: float


def premium(korean_price: float, global_price: float, fx: float, usdt_krw: float) -> Premium:
    """Prices in KRW and USDT per coin, `fx` in KRW per USD, `usdt_krw` in KRW per USDT; all above zero."""
    return Premium(
        fx_basis=korean_price / (global_price * fx) - 1,
        tether_basis=korean_price / (global_price * usdt_krw) - 1,
        tether=usdt_krw / fx - 1,
    )


class _Table(NamedTuple):
    """The three markets of one premium."""

    korean: Seat
    world: Seat
    tether: Seat


class _Watch(NamedTuple):
    """A table with what its cheap test needs: by which factor a bid must be above the ask in KRW to be looked at."""

    korean: Book
    world: Book
    tether: Book
    sell_at: float
    buy_at: float
    table: _Table


class _Near(NamedTuple):
    """A table whose tops pay. `above`: how much better than they must be, as a factor."""

    above: float
    table: _Table
    sells_korea: bool


def reads(sight: Sight, params: Params) -> frozenset[tuple[str, str]]:
    found = set()
    for key, at in sight.market.instruments.items():
        venues = {"KRW": params.korean, "USDT": params.global_}.get(at.quote, ())
        if at.base in params.coins and key[0] in venues:
            found.add(key)
    found.update(key for key in (_tether_key(sight, venue) for venue in params.korean) if key is not None)
    return frozenset(found)


def evaluate(sight: Sight, params: Params, changed: tuple[str, str]) -> list[Intent]:
    """Wishes of every premium that `changed` is part of: a coin's book on either side, or USDT/KRW for all coins."""
    near: list[_Near] = []
    for korean, world, tether, sell_at, buy_at, table in _watched(sight, params, changed):
        ask_krw = world.best_ask * tether.best_ask
        ask = korean.best_ask
        # An empty side has price 0; net cannot be better at any size than at the tops.
        if korean.best_bid >= ask_krw * sell_at and ask_krw > 0.0:
            near.append(_Near(korean.best_bid / (ask_krw * sell_at), table, True))
        elif world.best_bid * tether.best_bid >= ask * buy_at and ask > 0.0:
            near.append(_Near(world.best_bid * tether.best_bid / (ask * buy_at), table, False))
    if not near:
        return CALM
    wished = (_intent(sight, params, at.table, at.sells_korea) for at in _nearest(sight, near))
    return [intent for intent in wished if intent is not None]


def _nearest(sight: Sight, near: list[_Near]) -> list[_Near]:
    """Where USDT/KRW lifts every coin at once: of each coin the best pair that could be traded; of many coins half of
    the room for the best of them, half for the others in turn, for the best may be refused later on.

    A thousand sizes in one step would keep all frames waiting for a twentieth of a second. What is left out is worked
    out when a book of its own speaks, or at one of the next steps.
    """
    if len(near) <= _MOST_AT_ONCE:
        return near
    able: dict[tuple[str, bool], _Near] = {}
    for at in near:
        key = (at.table.korean.instrument.base, at.sells_korea)
        if (key not in able or at.above > able[key].above) and _is_funded(sight, at) and is_usable(sight, *at.table):
            able[key] = at
    ranked = sorted(able.values(), key=lambda at: -at.above)
    best, others = ranked[:_BEST], ranked[_BEST:]
    if len(others) <= _MOST_AT_ONCE - _BEST:
        return ranked
    turn = sight.now_ns // _TURN_NS * (_MOST_AT_ONCE - _BEST) % len(others)
    return best + (others + others)[turn : turn + _MOST_AT_ONCE - _BEST]


def _is_funded(sight: Sight, at: _Near) -> bool:
    buy, sell, _, _ = _direction(at.table, at.sells_korea)
    return funded_qty(sight, buy, sell) > 0.0


def _watched(sight: Sight, params: Params, changed: tuple[str, str]) -> tuple[_Watch, ...]:
    key, books = ("kimchi", changed), len(sight.market.books())
    known = sight.memo.get(key)
    if known is not None and known.params is params and known.books == books:
        return known.found
    hurdle = 1 + params.min_net + params.drift_charge
    found = tuple(
        _Watch(
            table.korean.book,
            table.world.book,
            table.tether.book,
            (1 + table.world.fee) * hurdle / (1 - table.korean.fee),
            (1 + table.korean.fee) * hurdle / (1 - table.world.fee),
            table,
        )
        for table in _tables(sight, params, changed)
    )
    sight.memo[key] = Memo(params, books, found)
    return found


def _tables(sight: Sight, params: Params, changed: tuple[str, str]) -> Iterator[_Table]:
    venue = changed[0]
    at = sight.market.instruments.get(changed)
    if at is None:
        return
    if changed in sight.usdt_symbols:
        for korean in params.korean:
            if changed == _tether_key(sight, korean):
                for coin in params.coins:
                    yield from _tables_of(sight, coin, (korean,), params.global_)
    elif at.base not in params.coins:
        return
    elif at.quote == "KRW" and venue in params.korean:
        yield from _tables_of(sight, at.base, (venue,), params.global_)
    elif at.quote == "USDT" and venue in params.global_:
        yield from _tables_of(sight, at.base, params.korean, (venue,))


def _tables_of(sight: Sight, coin: str, koreans: tuple[str, ...], worlds: tuple[str, ...]) -> Iterator[_Table]:
    market = sight.market
    for korean in koreans:
        here = market.seat_of(korean, coin, "KRW")
        key = _tether_key(sight, korean)
        tether = market.seat(key) if key is not None else None
        if here is None or tether is None:
            continue
        for world in worlds:
            there = market.seat_of(world, coin, "USDT")
            if there is not None:
                yield _Table(here, there, tether)


def _tether_key(sight: Sight, korean: str) -> tuple[str, str] | None:
    """Where a Korean venue's KRW turns into USDT: its own market (KRW cannot be moved in a trade), else the first."""
    for key in sight.usdt_symbols:
        if key[0] == korean:
            return key
    return sight.usdt_symbols[0] if sight.usdt_symbols else None


def _direction(table: _Table, sells_korea: bool) -> tuple[Seat, Seat, float, float]:
    """(buy, sell, KRW per quote of the buy leg, KRW per quote of the sell leg) at the top of USDT/KRW."""
    if sells_korea:
        return table.world, table.korean, table.tether.book.best_ask, 1.0
    return table.korean, table.world, 1.0, table.tether.book.best_bid


def _intent(sight: Sight, params: Params, table: _Table, sells_korea: bool) -> Intent | None:
    if not is_usable(sight, *table):
        return None
    if max(deviation(sight.market, table.korean), deviation(sight.market, table.world)) > params.max_deviation:
        return None
    buy, sell, buy_krw, sell_krw = _direction(table, sells_korea)
    charge = params.drift_charge + params.rebalance_charge * skewed(sight, buy, sell)
    hurdle = params.min_net + charge
    max_qty = params.max_notional_krw / max(buy.book.best_ask * buy_krw, sell.book.best_bid * sell_krw)
    sized = size(sight, buy, sell, buy_krw, sell_krw, hurdle, max_qty, params.depth_share)
    if sized is None:
        return None
    # The tether is walked for the USDT that this size moves; its top alone flatters a large trade.
    usdt = sized.buy.quote if sells_korea else sized.sell.quote
    turned = walk(table.tether.book.asks() if sells_korea else table.tether.book.bids(), usdt)
    if turned.qty < usdt:
        return None
    buy_krw, sell_krw = (turned.vwap, 1.0) if sells_korea else (1.0, turned.vwap)
    cost_krw, income_krw = sized.buy.quote * buy_krw * (1 + buy.fee), sized.sell.quote * sell_krw * (1 - sell.fee)
    gross = sized.sell.quote * sell_krw / (sized.buy.quote * buy_krw) - 1
    net = income_krw / cost_krw - 1 - charge
    depth_usd = sized.depth_qty * table.world.book.best_ask
    if net < params.min_net or depth_usd < params.min_depth_usd:
        return None
    coin = table.korean.instrument.base
    legs = (
        LegWish(venue=buy.venue, symbol=buy.symbol, side=Side.BUY, vwap_est=sized.buy.vwap),
        LegWish(venue=sell.venue, symbol=sell.symbol, side=Side.SELL, vwap_est=sized.sell.vwap),
    )
    policy, hard_leg = first_leg.order_of(params.first, coin, legs, params.policy, 1 if sells_korea else 0)
    return Intent(
        key=f"kimchi:{coin}:{buy.venue}>{sell.venue}",
        strategy="kimchi",
        legs=legs,
        qty_est=sized.qty,
        gross_est=gross,
        net_est=net,
        min_net_est=params.min_net,
        profit_krw_est=income_krw - cost_krw * (1 + charge),
        notional_krw_est=max(income_krw, cost_krw),
        confidence_est=freshness(sight, *table) * sized.coverage,
        policy=policy,
        hard_leg=hard_leg,
        facts=_facts(sight, table, sized, sells_korea, turned.vwap)
        | {"gross": gross, "depth_usd": depth_usd, "charge": charge},
        flags=("anomaly",) if gross > params.max_gross else (),
    )


def _facts(sight: Sight, table: _Table, sized: Sized, sells_korea: bool, usdt_krw: float) -> dict[str, float]:
    market = sight.market
    korean_price, global_price = sized.sell.vwap, sized.buy.vwap
    if not sells_korea:
        korean_price, global_price = global_price, korean_price
    facts = {
        "k_usdt": korean_price / (global_price * usdt_krw) - 1,
        "k_usdt_mid": _mid(table.korean) / (_mid(table.world) * _mid(table.tether)) - 1,
        "usdt_krw": usdt_krw,
        "korean_price": korean_price,
        "global_price": global_price,
        "book_age_ms": max(market.age_ms(at.venue, at.symbol, sight.now_ns) for at in table),
    }
    fx = market.fx_view(sight.now_ns)
    if fx.rate > 0.0:
        facts["fx"], facts["fx_age_ms"], facts["fx_usable"] = fx.rate, float(fx.age_ms), float(fx.usable)
    if fx.usable:
        both = premium(korean_price, global_price, fx.rate, usdt_krw)
        facts["k_fx"], facts["tether_premium"] = both.fx_basis, both.tether
    return facts


def _mid(at: Seat) -> float:
    return (at.book.best_bid + at.book.best_ask) / 2


def figures(sight: Sight, params: Params) -> dict[str, float]:
    """Mid premiums per coin and pair (`k_usdt.BTC.upbit.binance`, `k_fx. ...`), executable net per direction.

    `premium` is the tether-basis premium that stands farthest from zero. A pair with an unusable book is left out, FX
    numbers too while FX is unusable.
    """
    market, fx = sight.market, sight.market.fx_view(sight.now_ns)
    found: dict[str, float] = {}
    headline = 0.0
    for coin in params.coins:
        for table in _tables_of(sight, coin, params.korean, params.global_):
            if not is_usable(sight, *table):
                continue
            korean, world, tether = _mid(table.korean), _mid(table.world), _mid(table.tether)
            pair = f"{coin}.{table.korean.venue}.{table.world.venue}"
            found[f"k_usdt.{pair}"] = korean / (world * tether) - 1
            headline = max(headline, found[f"k_usdt.{pair}"], key=abs)
            if fx.usable:
                found[f"k_fx.{pair}"] = korean / (world * fx.rate) - 1
            for sells_korea in (True, False):
                buy, sell, buy_krw, sell_krw = _direction(table, sells_korea)
                found[f"net.{coin}.{buy.venue}>{sell.venue}"] = top_net(buy, sell, buy_krw, sell_krw)
    usdt_krw = market.krw_per("USDT", sight.now_ns, sight.usdt_symbols)
    if found:
        found["premium"] = headline
    if usdt_krw > 0.0:
        found["usdt_krw"] = usdt_krw
    if fx.usable:
        found["fx"], found["fx_age_ms"] = fx.rate, float(fx.age_ms)
        if usdt_krw > 0.0:
            found["tether_premium"] = usdt_krw / fx.rate - 1
    return found


STRATEGY = Strategy(name="kimchi", params=Params, reads=reads, evaluate=evaluate, figures=figures)
