"""The premium board: both bases per coin and venue pair, at the mids and executable (domain.md §2, §3)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import isclose
from typing import NamedTuple

from msgspec import Struct

from engine.domain.board import (
    ExecutableView,
    InputView,
    LeftOut,
    LockView,
    PremiumBoard,
    PremiumView,
    TetherView,
    TurnView,
    WarningView,
)
from engine.domain.errors import InvariantBroken
from engine.domain.market import Product
from engine.domain.money import NS_PER_MS
from engine.market.fx import FxView
from engine.market.pairs import Key, Tables, asks, bids, mid, tables
from engine.market.view import Market, Seat
from engine.market.walk import walk, walk_amount

SELL_KOREA, BUY_KOREA = "sell_korea", "buy_korea"
_Levels = Iterable[tuple[float, float]]


class Bases(NamedTuple):
    """All ratios: `1 + k_fx = (1 + k_usdt)(1 + t)`."""

    k_fx: float
    k_usdt: float
    tether: float


def bases(korean: float, world: float, fx: float, usdt_krw: float) -> Bases:
    """`korean` in KRW, `world` in USDT per coin, `fx` KRW per USD, `usdt_krw` KRW per USDT; all above zero.

    Raises InvariantBroken when the identity of the two bases does not hold.
    """
    k_fx = korean / (world * fx) - 1
    k_usdt = korean / (world * usdt_krw) - 1
    tether = usdt_krw / fx - 1
    if not isclose(1 + k_fx, (1 + k_usdt) * (1 + tether), rel_tol=1e-9, abs_tol=1e-12):
        raise InvariantBroken(f"1 + {k_fx} is not (1 + {k_usdt})(1 + {tether})")
    return Bases(k_fx, k_usdt, tether)


class Row(Struct, frozen=True, kw_only=True):
    """One pair at its mids, without depth: what alerts look at."""

    coin: str
    korean: Seat
    world: Seat
    tether: Seat
    k_usdt: float | None
    k_fx: float | None
    t: float | None
    stale: str


class PremiumSight:
    """The market at one moment, as a premium needs it. Raises nothing: what is missing is None, with its reason."""

    def __init__(self, market: Market, now_ns: int, quarantined: Mapping[Key, str]) -> None:
        self.market = market
        self.now_ns = now_ns
        self.quarantined = quarantined
        self.fx: FxView = market.fx_view(now_ns)

    def seats(self, keys: Sequence[Key]) -> list[Seat]:
        """Those that have a book and are not quarantined."""
        found = (self.market.seat(key) for key in keys if key not in self.quarantined)
        return [seat for seat in found if seat is not None]

    def why(self, seat: Seat) -> str:
        return self.market.why_unusable(seat.venue, seat.symbol, self.now_ns)

    def pair(self, table: Tables, coin: str, korean: Key, world: Key) -> Row | None:
        """One row; None where one of its markets is not there any more."""
        key = table.tether_of(korean[0])
        if key is None:
            return None
        found = self.seats((korean, world, key))
        if len(found) < 3:
            return None
        here, there, tether = found
        parts = (("korean", here), ("tether", tether), ("world", there))
        stale = next((f"{what}: {why}" for what, seat in parts if (why := self.why(seat))), "")
        return self._row(coin, (here, there, tether), (mid(here), mid(there), mid(tether)), stale)

    def rows(self, table: Tables, coin: str) -> Iterator[Row]:
        """Every Korean market of the coin against every global one."""
        worlds = [(world, mid(world), self.why(world)) for world in self.seats(table.world.get(coin, ()))]
        for korean in self.seats(table.korean.get(coin, ())):
            key = table.tether_of(korean.venue)
            tether = self.market.seat(key) if key is not None and key not in self.quarantined else None
            if tether is None:
                continue
            parts = (("korean", self.why(korean)), ("tether", self.why(tether)))
            here = next((f"{what}: {why}" for what, why in parts if why), "")
            k, t = mid(korean), mid(tether)
            for world, g, why in worlds:
                stale = here or (f"world: {why}" if why else "")
                yield self._row(coin, (korean, world, tether), (k, g, t), stale)

    def _row(
        self,
        coin: str,
        seats: tuple[Seat, Seat, Seat],
        mids: tuple[float | None, float | None, float | None],
        stale: str,
    ) -> Row:
        """Seats and mids of the Korean, the global and the USDT/KRW market."""
        korean, world, tether = seats
        k, g, t = mids
        k_usdt = k / (g * t) - 1 if k and g and t else None
        k_fx = premium = None
        if k and g and t and self.fx.usable and self.fx.rate > 0.0:
            k_fx, k_usdt, premium = bases(k, g, self.fx.rate, t)
        return Row(
            coin=coin, korean=korean, world=world, tether=tether, k_usdt=k_usdt, k_fx=k_fx, t=premium, stale=stale
        )

    def locks(self, row: Row) -> tuple[LockView, ...]:
        """What certainly keeps the coin from being carried. A perpetual holds no coin."""
        if row.world.instrument.product is not Product.SPOT:
            return ()
        ways = (
            (SELL_KOREA, row.world.venue, row.korean.venue),
            (BUY_KOREA, row.korean.venue, row.world.venue),
        )
        return tuple(
            LockView(
                direction=name,
                venue=lock.venue,
                way=lock.direction,
                source=lock.source,
                age_ms=(self.now_ns - lock.seen_ns) // NS_PER_MS,
            )
            for name, buy, sell in ways
            for lock in self.market.wallets.locks(buy, sell, row.coin)
        )

    def warnings(self, row: Row) -> tuple[WarningView, ...]:
        """Of both markets, the Korean one's first."""
        return tuple(
            WarningView(venue=seat.venue, symbol=told.symbol, kind=told.kind, text=told.text, at_ms=told.at_ms)
            for seat in (row.korean, row.world)
            for told in self.market.wallets.warnings(seat.venue, seat.symbol)
        )

    def inputs(self, row: Row) -> tuple[InputView, ...]:
        books = (("korean", row.korean), ("world", row.world), ("tether", row.tether))
        return (*(self._book_input(what, seat) for what, seat in books), self._fx_input())

    def _book_input(self, what: str, seat: Seat) -> InputView:
        return InputView(
            what=what,
            venue=seat.venue,
            symbol=seat.symbol,
            price=mid(seat),
            age_ms=_known(self.market.age_ms(seat.venue, seat.symbol, self.now_ns)),
            limit_ms=self.market.max_book_age_ms(seat.venue),
            why=self.why(seat),
        )

    def _fx_input(self) -> InputView:
        fx = self.fx
        return InputView(
            what="fx",
            venue=",".join(fx.sources),
            symbol="USD/KRW",
            price=fx.rate or None,
            age_ms=fx.age_ms if fx.sources else None,
            limit_ms=self.market.fx.max_age_ms(self.market.wall_ms),
            why="" if fx.usable else fx.degraded,
        )

    def executable(self, row: Row, notional_krw: float, direction: str) -> ExecutableView:
        """Sell in Korea: Korean bids, global asks, the USDT/KRW ask. The reverse: asks, bids, bid (domain.md §2)."""
        sells = direction == SELL_KOREA
        here = walk_amount(bids(row.korean) if sells else asks(row.korean), notional_krw)
        there = walk(asks(row.world) if sells else bids(row.world), here.qty)
        turned = walk(asks(row.tether) if sells else bids(row.tether), there.quote)
        short = ""
        if here.quote < notional_krw:
            short = "korean"
        elif there.qty < here.qty:
            short = "world"
        elif turned.qty < there.quote:
            short = "tether"
        if short or not (here.qty and there.quote and turned.quote):
            borne = min(here.qty, there.qty)
            if turned.qty < there.quote:
                affordable = walk_amount(asks(row.world) if sells else bids(row.world), turned.qty)
                borne = min(borne, affordable.qty)
            return _unpriced(direction, notional_krw, borne, short or "korean")
        k_usdt = here.vwap / (there.vwap * turned.vwap) - 1
        k_fx = None
        if self.fx.usable and self.fx.rate > 0.0:
            k_fx, k_usdt, _ = bases(here.vwap, there.vwap, self.fx.rate, turned.vwap)
        fee_here, fee_there = row.korean.fee, row.world.fee
        kept = (1 + k_usdt) * (1 - fee_here) / (1 + fee_there)
        given = (1 + k_usdt) * (1 + fee_here) / (1 - fee_there)
        return ExecutableView(
            direction=direction,
            notional_krw=notional_krw,
            qty=here.qty,
            korean_price=here.vwap,
            world_price=there.vwap,
            usdt_krw=turned.vwap,
            k_usdt=k_usdt,
            k_fx=k_fx,
            net=kept - 1 if sells else 1 / given - 1,
            short="",
        )

    def view(self, row: Row, sizes_krw: Sequence[float]) -> PremiumView:
        locks = self.locks(row)
        return PremiumView(
            coin=row.coin,
            korean=row.korean.venue,
            world=row.world.venue,
            product=row.world.instrument.product.value,
            k_usdt=row.k_usdt,
            k_fx=row.k_fx,
            tether=row.t,
            stale=row.stale,
            locked=tuple(dict.fromkeys(lock.direction for lock in locks)),
            locks=locks,
            warnings=self.warnings(row),
            inputs=self.inputs(row),
            executable=tuple(
                self.executable(row, size, direction) for size in sizes_krw for direction in (SELL_KOREA, BUY_KOREA)
            ),
        )

    def tether(self, seat: Seat, sizes_krw: Sequence[float]) -> TetherView:
        """USDT/KRW of one Korean book, at the sizes too."""
        middle, has_fx = mid(seat), self.fx.usable and self.fx.rate > 0.0
        return TetherView(
            venue=seat.venue,
            symbol=seat.symbol,
            bid=seat.book.best_bid or None,
            ask=seat.book.best_ask or None,
            premium=middle / self.fx.rate - 1 if middle and has_fx else None,
            age_ms=_known(self.market.age_ms(seat.venue, seat.symbol, self.now_ns)),
            why=self.why(seat),
            turns=tuple(
                TurnView(notional_krw=size, buy=_price(seat.book.asks, size), sell=_price(seat.book.bids, size))
                for size in sizes_krw
            ),
        )


def board(
    market: Market,
    now_ns: int,
    sizes_krw: Sequence[float],
    *,
    coin: str = "",
    limit: int = 100,
    quarantined: Mapping[Key, str] | None = None,
) -> PremiumBoard:
    """The `limit` pairs of `coin` (of all coins where it is "") that are farthest from zero, with depth."""
    sight = PremiumSight(market, now_ns, quarantined or {})
    table = tables(market)
    rows = [row for name in ([coin] if coin else table.coins()) for row in sight.rows(table, name)]
    return _board(sight, table, rows, sizes_krw, sizes_krw, limit, coin)


def overview(
    market: Market,
    now_ns: int,
    sizes_krw: Sequence[float],
    pairs: Mapping[str, tuple[Key, Key]],
    *,
    limit: int = 100,
    quarantined: Mapping[Key, str] | None = None,
) -> PremiumBoard:
    """One row per coin, without depth: its pair in `pairs`, or the farthest one where that is not known.

    Every pair of 200 coins in ten venues would hold the loop for 20 ms, with depth for 200.
    """
    sight = PremiumSight(market, now_ns, quarantined or {})
    table = tables(market)
    rows = []
    for coin in table.coins():
        known = pairs.get(coin)
        row = sight.pair(table, coin, *known) if known is not None else None
        row = row or farthest(list(sight.rows(table, coin)))
        if row is not None:
            rows.append(row)
    return _board(sight, table, rows, sizes_krw, (), limit, "")


def farthest(rows: Sequence[Row]) -> Row | None:
    """The row whose tether basis is farthest from zero, a fresh one before a stale one."""
    return min(rows, key=_rank, default=None)


def _rank(row: Row) -> tuple[bool, float, str, str, str]:
    return bool(row.stale), -abs(row.k_usdt or 0.0), row.coin, row.korean.venue, row.world.venue


def _board(
    sight: PremiumSight,
    table: Tables,
    rows: list[Row],
    sizes_krw: Sequence[float],
    walked_krw: Sequence[float],
    limit: int,
    coin: str,
) -> PremiumBoard:
    market, fx = sight.market, sight.fx
    rows.sort(key=_rank)
    return PremiumBoard(
        wall_ms=market.wall_ms,
        fx=fx.rate or None,
        fx_age_ms=fx.age_ms,
        fx_sources=fx.sources,
        fx_degraded=fx.degraded,
        sizes_krw=tuple(sizes_krw),
        rows=tuple(sight.view(row, walked_krw) for row in rows[:limit]),
        total=len(rows),
        tethers=tuple(sight.tether(seat, sizes_krw) for seat in sight.seats(tuple(table.tether.values()))),
        left_out=left_out(market, sight.quarantined, coin),
    )


def left_out(market: Market, quarantined: Mapping[Key, str], coin: str = "") -> tuple[LeftOut, ...]:
    """What is quarantined, with its reason."""
    made = []
    for key, reason in sorted(quarantined.items()):
        at = market.instruments.get(key)
        base = at.base if at is not None else ""
        if coin in ("", base):
            made.append(LeftOut(venue=key[0], symbol=key[1], coin=base, reason=reason))
    return tuple(made)


def _unpriced(direction: str, notional_krw: float, qty: float, short: str) -> ExecutableView:
    return ExecutableView(
        direction=direction,
        notional_krw=notional_krw,
        qty=qty,
        korean_price=None,
        world_price=None,
        usdt_krw=None,
        k_usdt=None,
        k_fx=None,
        net=None,
        short=short,
    )


def _price(levels: Callable[[], _Levels], quote: float) -> float | None:
    found = walk_amount(levels(), quote)
    return found.vwap if found.quote >= quote and found.qty else None


def _known(age_ms: float) -> float | None:
    """A frame may be a little newer than the step in which somebody looks."""
    return None if age_ms == float("inf") else max(0.0, age_ms)
