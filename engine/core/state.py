"""All that the desk knows. Plain values; every change happens inside `step`."""

from collections import Counter, deque
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct, field

from engine.core import collateral
from engine.core.audience import Audience
from engine.core.rounds import Watch
from engine.core.venue_state import VenueSettings, VenueState
from engine.core.wanted import Wanted
from engine.domain.alerting import KIND_OF
from engine.domain.command import Mode
from engine.domain.effect import Effect, Notice, Record, Reply, Severity
from engine.domain.market import plain
from engine.domain.money import NS_PER_MS
from engine.domain.order import Intent, OrderKind, PlannedLeg, Side
from engine.domain.parent import ParentPlan
from engine.domain.view import AlertView, RefusalView
from engine.execution.order_state import OrderState
from engine.execution.parent import Parent
from engine.execution.plan import PlanRules
from engine.execution.trade import Trade
from engine.market.fx import FxRules
from engine.market.pairs import Tables, tables
from engine.market.view import Market
from engine.portfolio.ledger import Ledger
from engine.risk.breakers import Breakers
from engine.risk.limits import Limits
from engine.risk.margin import ASSET
from engine.risk.reservations import Reservations
from engine.strategies.registry import REGISTRY
from engine.strategies.sight import LastAction, Sight, Strategy

encode = msgspec.json.Encoder(decimal_format="string", enc_hook=plain).encode


class CoreConfig(Struct, frozen=True, kw_only=True):
    venues: dict[str, VenueSettings]
    strategies: dict[str, tuple[Mode, Any]]  # name -> (mode, its Params)
    fx: FxRules
    plan: PlanRules
    limits: Limits
    token_ttl_ms: int
    opportunity_ttl_ms: int
    reconcile_every_ms: int
    auto_cooldown_ms: int
    best_pair_first: bool = True  # of several wishes at one event
    breaker_cooldown_s: int = 300
    plugged: dict[str, Strategy] = {}  # strategies that are not in our own registry
    premium_sizes_krw: tuple[float, ...] = (1e6, 1e7, 1e8)  # at which the board walks the books


class StrategyState(Struct, kw_only=True):
    strategy: Strategy
    mode: Mode
    params: Any
    version: int = 0
    history: dict[int, bytes] = field(default_factory=dict)  # version -> stored JSON; 0 is what was configured
    trades_today: int = 0
    rests_until_ns: dict[tuple[str, str], int] = field(default_factory=dict)  # market -> not evaluated before
    calm: dict[str, dict[tuple[str, str], int]] = field(default_factory=dict)  # base -> market -> `tops`: nothing near


class Opportunity(Struct, kw_only=True):
    id: str
    key: str
    strategy: str
    intent: Intent
    state: str = "live"
    reason: str = ""
    trade_id: str = ""
    opened_ms: int
    updated_ms: int
    expires_ns: int
    noticed_ns: int = 0
    tried_ns: int = 0
    legs: tuple[PlannedLeg, ...] = ()
    net_est: float = 0.0
    profit_krw: Decimal = Decimal(0)


class Token(Struct, kw_only=True):
    """A quote bound to one user, chat, opportunity, side, size and price floor. Single use."""

    token: str
    opportunity_id: str
    key: str
    strategy: str
    sides: tuple[Side, ...]  # of its legs: one key may turn from buying to selling
    user_id: int
    chat_id: int
    max_qty: Decimal
    net_floor: float
    expires_ns: int
    answer: Reply | None = None


class ParentDraft(Struct, kw_only=True):
    """A planned order that waits for its tap. Single use, bound to one user and chat."""

    plan: ParentPlan
    user_id: int
    chat_id: int
    expires_ns: int
    answer: Reply | None = None


class Parents(Struct, kw_only=True):
    """Persons' orders."""

    all: dict[str, Parent] = field(default_factory=dict)  # those under way, and the newest that are over
    live: dict[str, Parent] = field(default_factory=dict)
    due: dict[str, None] = field(default_factory=dict)  # a child has ended: looked at before the step ends
    drafts: dict[str, ParentDraft] = field(default_factory=dict)  # by token


class Release(Struct, frozen=True, kw_only=True):
    """A person let a market out of quarantine, at a price `off` from the others."""

    until_ms: int  # UTC
    off: float


class Doubts(Struct, kw_only=True):
    """What is kept to tell one asset from another of the same name."""

    markets: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # coin -> where it is traded
    turn: int = 0
    asleep: dict[str, int] = field(default_factory=dict)  # coin -> changes of the market when it had no price
    calm_since_ns: dict[tuple[str, str], int] = field(default_factory=dict)  # a quarantined price agrees again
    off: dict[tuple[str, str], float] = field(default_factory=dict)  # of quarantined prices, at the last look
    released: dict[tuple[str, str], Release] = field(default_factory=dict)


class Flattening(Struct, kw_only=True):
    """Closing everything at L3."""

    since_ns: int = 0  # nothing has closed since then; 0: it is not under way
    began_ns: int = 0
    tries: dict[tuple[str, str], int] = field(default_factory=dict)  # (venue, symbol), or ("", trade) of a hedge
    left: tuple[str, ...] = ()  # as last told
    is_stuck: bool = False


class State:
    """Everything, in one place. `step` sets `now_ns` from each event and collects effects in `out`."""

    rates_of = (-1, 0.0)  # (changes of the market, KRW per USDT) that `krw_rates` were made of
    equity_krw: Decimal | None = None
    usd_krw: Decimal | None = None
    btc_krw: Decimal | None = None
    tables = Tables(korean={}, world={}, tether={})  # replaced with new instruments, never changed

    def __init__(self, config: CoreConfig) -> None:
        self.config = config
        self.out: list[Effect] = []
        self.instance = ""
        self.now_ns = self.started_ns = self.wall_ms = 0
        self.tick_ns = 0  # monotonic time of the newest wall clock reading
        self.tick_wall_ms = 0
        self.local_day = self.utc_offset_ms = 0
        self.recovering = self.journal_writable = True
        self.leaving = False  # the process is about to end
        self.market = Market({name: venue.rules for name, venue in config.venues.items()}, config.fx)
        self.venues = {name: VenueState(name=name, settings=venue) for name, venue in config.venues.items()}
        self.strategies = {
            name: StrategyState(strategy=REGISTRY.get(name) or config.plugged[name], mode=mode, params=params)
            for name, (mode, params) in config.strategies.items()
        }
        self.ledger = Ledger()
        self.reservations = Reservations()
        self.breakers = Breakers(config.breaker_cooldown_s)
        self.level, self.level_reason = 0, ""
        self.opportunities: dict[str, Opportunity] = {}
        self.by_key: dict[str, Opportunity] = {}
        self.tokens: dict[str, Token] = {}
        self.versions: dict[str, int] = {}  # newest of each setting that is numbered by the wall clock
        self.resume_token = ("", 0)
        self.trades: dict[str, Trade] = {}
        self.live_trades: dict[str, Trade] = {}
        self.orders: dict[str, tuple[Trade, OrderState]] = {}
        self.parents = Parents()
        self.hedged: dict[str, Trade] = {}  # trades that are over and whose hedge still stands
        self.flattening = Flattening()
        self.letters: dict[str, Trade] = {}  # the dead-letter queue, by trade
        self.blocked_keys: dict[str, str] = {}  # opportunity key -> the newest of them
        self.last: dict[str, LastAction] = {}
        self.muted_until_ns: dict[str, int] = {}
        self.requests: dict[str, Reply] = {}
        self.refusals: deque[RefusalView] = deque(maxlen=200)
        self.sequence = self.steps = self.trades_today = self.rates_ns = 0
        self.counts: Counter[str] = Counter()
        self.pnl_today_krw = self.pnl_total_krw = self.pnl_peak_krw = Decimal(0)
        self.submitted: deque[tuple[int, Decimal]] = deque(maxlen=1024)  # (when, KRW) of orders: per-minute limits
        self.traded_ns: deque[int] = deque(maxlen=2048)  # times of opened trades: per-hour limits
        self.usdt_symbols: tuple[tuple[str, str], ...] = ()
        self.wake: dict[tuple[str, str], tuple[StrategyState, ...]] = {}
        self.foreign_holds: dict[tuple[str, str], Decimal] = {}  # held by open orders that are not ours
        self.krw_rates: dict[str, Decimal] = {}
        self.cards_due: dict[str, tuple[Opportunity, bool]] = {}  # to be shown at the end of the step; True: and a row
        self.trades_due: dict[str, Trade] = {}
        self.available: dict[tuple[str, str], float] = {}
        self.audience = Audience()
        self.watch = Watch()
        self.quarantined: dict[tuple[str, str], str] = {}  # markets on no board and in no trade, and why
        self.doubts = Doubts()
        self.wanted = Wanted()
        self.sight = Sight(market=self.market, available=self.available, last=self.last, usdt_symbols=(), now_ns=0)

    def set_time(self, now_ns: int) -> None:
        self.now_ns = now_ns
        self.sight.now_ns = now_ns
        self.wall_ms = self.tick_wall_ms + (now_ns - self.tick_ns) // NS_PER_MS
        self.market.wall_ms = self.wall_ms

    @property
    def local_min(self) -> int:
        """The minute of the local day."""
        return (self.wall_ms + self.utc_offset_ms) // 60_000 % 1_440

    def at_ns(self, wall_ms: int) -> int:
        """Our monotonic time of a wall clock time before this start; negative before the machine's own."""
        return self.started_ns - max(0, self.tick_wall_ms - wall_ms) * NS_PER_MS

    def next_id(self, prefix: str) -> str:
        """Unique for ever: the start's wall clock and a counter."""
        self.sequence += 1
        return f"{prefix}{self.wall_ms:x}-{self.sequence}"

    def emit(self, effect: Effect) -> None:
        self.out.append(effect)

    def notice(self, kind: str, key: str, severity: Severity, body: Struct) -> None:
        self.out.append(Notice(kind=kind, key=key, severity=severity, wall_ms=self.wall_ms, body=encode(body)))

    def record(self, table: str, key: str, row: Struct | Mapping[str, object]) -> None:
        self.out.append(Record(table=table, key=key, wall_ms=self.wall_ms, row=encode(row)))

    def publish(self, kind: str, table: str, key: str, severity: Severity, view: Struct) -> None:
        """A notice and its row say the same thing: written out once."""
        body = encode(view)
        self.out.append(Notice(kind=kind, key=key, severity=severity, wall_ms=self.wall_ms, body=body))
        self.out.append(Record(table=table, key=key, wall_ms=self.wall_ms, row=body))

    def alert(
        self,
        rule: str,
        severity: Severity,
        text: str,
        *,
        venue: str = "",
        symbol: str = "",
        trade_id: str = "",
        coin: str = "",
        only: str = "",
        numbers: dict[str, str] | None = None,
        is_new: bool = False,
    ) -> None:
        """Tell a person. What the journal tells again at a start was told when it happened, unless it `is_new`."""
        if self.recovering and not is_new:
            return
        kind = KIND_OF.get(rule, "desk")
        view = AlertView(
            rule=rule,
            venue=venue,
            symbol=symbol,
            trade_id=trade_id,
            text=text,
            numbers=numbers or {},
            kind=kind,
            coin=coin,
            only=only,
            heard=self.audience.hear(kind, severity, venue, coin, only, self.wall_ms, self.local_min),
        )
        self.notice("alert", f"{rule}:{venue}{symbol}{trade_id}{only}", severity, view)

    def next_version(self, name: str) -> int:
        """Of a setting numbered by the wall clock: above every one of before, also when the clock was set back."""
        self.versions[name] = max(self.wall_ms, self.versions.get(name, 0) + 1)
        return self.versions[name]

    def refuse(
        self, strategy: str, key: str, opportunity_id: str, rule: str, text: str, numbers: Mapping[str, str]
    ) -> RefusalView:
        """Keep a refusal with its numbers: `/why` reads it."""
        view = RefusalView(
            id=self.next_id("r"),
            wall_ms=self.wall_ms,
            strategy=strategy,
            key=key,
            opportunity_id=opportunity_id,
            rule=rule,
            text=text,
            numbers=dict(numbers),
        )
        if self.recovering:
            return view
        self.refusals.appendleft(view)
        self.counts["refusals"] += 1
        self.record("refusals", view.id, view)
        self.notice("refusal", view.id, Severity.INFO, view)
        return view

    def refresh_available(self, venue: str) -> None:
        """Recompute what may still be committed at a venue: ledger minus reservations minus what others hold there."""
        state = self.venues.get(venue)
        if state is None or self.recovering:  # at its end all are made once
            return
        for asset in self.ledger.assets(venue):
            foreign = Decimal(0)
            balance = state.balances.get(asset)
            if balance is not None and state.foreign:
                ours = self.reservations.total(venue, asset) + self._tied(venue, asset) - self._unheld(venue, asset)
                foreign = max(Decimal(0), balance.total - balance.free - ours)
            self.foreign_holds[venue, asset] = foreign
            self.available[venue, asset] = float(self.free(venue, asset))

    def _unheld(self, venue: str, asset: str) -> Decimal:
        """Promised to stops that wait at a venue which holds nothing for them: its balance does not show it."""
        if self.venues[venue].abilities.holds_stops:
            return Decimal(0)
        waiting = (
            self.reservations.of(order.request.cid)
            for trade in self.live_trades.values()
            for order in trade.unresolved
            if order.request.kind is OrderKind.STOP_LOSS and order.request.venue == venue
        )
        promised = (held.amount for held in waiting if held is not None and held.asset == asset)
        return sum(promised, Decimal(0))

    def free(self, venue: str, asset: str) -> Decimal:
        """Ledger minus reservations, minus what others' orders hold there and what open perpetuals tie up."""
        held = self.reservations.total(venue, asset) + self._tied(venue, asset)
        return self.ledger.balance(venue, asset) - held - self.foreign_holds.get((venue, asset), Decimal(0))

    def _tied(self, venue: str, asset: str) -> Decimal:
        leverage = self.config.venues[venue].leverage if venue in self.config.venues else 0
        if not leverage or asset != ASSET:
            return Decimal(0)
        return collateral.tied(self.market, self.ledger, venue, leverage)

    def touch(self, venue: str) -> None:
        """An order of ours changed there: a comparison of balances asked for before is void."""
        held = self.venues.get(venue)
        if held is not None:
            held.touched_ns = self.now_ns

    def wire(self) -> None:
        """Work out which strategies each market wakes. After new instruments or parameters."""
        self.usdt_symbols = tuple(
            sorted(
                key for key, rules in self.market.instruments.items() if (rules.base, rules.quote) == ("USDT", "KRW")
            )
        )
        self.sight.usdt_symbols = self.usdt_symbols
        self.sight.memo.clear()
        self.tables = tables(self.market)
        self.market.changes += 1
        wake: dict[tuple[str, str], list[StrategyState]] = {}
        for _, held in sorted(self.strategies.items()):
            held.calm.clear()
            if held.mode is not Mode.OFF:
                for market in sorted(held.strategy.reads(self.sight, held.params)):
                    wake.setdefault(market, []).append(held)
        self.wake = {market: tuple(held) for market, held in wake.items()}
