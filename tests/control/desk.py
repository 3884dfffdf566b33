"""A small honest desk in memory: it keeps what it is told, refuses what it must, and tells its listeners."""

from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from engine.domain import command as given
from engine.domain.effect import Notice, OrderView, Reply, Severity
from engine.domain.view import (
    AlertView,
    BalanceView,
    CurvePoint,
    OpportunityView,
    RefusalView,
    StatusView,
    StrategyView,
    TokenView,
    TradeView,
    VenueView,
)
from tests.control.markets import MarketCommand, MarketDesk
from tests.storage.views import opportunity, order, refusal, trade

TIERS = tuple(
    CurvePoint(Decimal(x), Decimal(y))
    for x, y in (("-5", "1"), ("-2", "0.7"), ("-1", "0.5"), ("0", "0.2"), ("1", "0.05"), ("3", "0"))
)


class MemoryDesk(MarketDesk):
    """Implements engine.control.door.Desk."""

    def __init__(self) -> None:
        self.level, self.reason = 0, ""
        self.modes = {"kimchi": given.Mode.CONFIRM, "tether_bot": given.Mode.ALERT}
        self.params: dict[str, object] = {"min_net": "0.0025"}
        self.curve = TIERS
        self.version = 0
        self.undo: list[tuple[given.Mode, dict[str, object], tuple[CurvePoint, ...]]] = []
        self.live = {"o1": opportunity(1)}
        self.tokens: dict[str, given.IssueToken] = {}
        self.resume_token = ""
        self.asked: list[tuple[str, str, str, given.Command]] = []
        self.listeners: list[Callable[[Notice], None]] = []
        self.executed: list[str] = []

    def ask(self, request_id: str, actor: str, role: str, command: given.Command) -> Reply:
        self.asked.append((request_id, actor, role, command))
        if isinstance(command, MarketCommand):
            return self.ask_markets(request_id, actor, role, command)
        rule, text, body = self._do(command)
        return Reply(request_id=request_id, ok=not rule, rule=rule, text=text, body=msgspec.json.encode(body))

    def _do(self, command: given.Command) -> tuple[str, str, object]:
        match command:
            case given.SetMode(strategy=name, mode=mode):
                if name not in self.modes:
                    return "unknown_strategy", f"no strategy is called {name}", None
                self.modes[name] = mode
                self.version += 1
                return "", f"{name} is now {mode}", {"version": self.version}
            case given.SetParams(changes=changes):
                self.undo.append((self.modes["kimchi"], self.params, self.curve))
                self.params = self.params | msgspec.json.decode(changes)
                self.version += 1
                return "", "changed", {"version": self.version}
            case given.SetCurve(points=points):
                self.undo.append((self.modes["kimchi"], self.params, self.curve))
                self.curve = tuple(CurvePoint(x, y) for x, y in points)
                self.version += 1
                self.tell("settings", "strategy.tether_bot", {"name": "tether_bot", "version": self.version})
                return "", "curve set", {"version": self.version}
            case given.UndoSetting():
                if not self.undo:
                    return "nothing_to_undo", "as configured", None
                _, self.params, self.curve = self.undo.pop()
                return "", "undone", None
            case given.IssueToken(opportunity_id=wanted, token=token):
                if wanted not in self.live:
                    return "gone", "this opportunity is over", None
                self.tokens[token] = command
                return "", "quoted", self._token(command)
            case given.Confirm(token=token, user_id=user_id, chat_id=chat_id):
                return self._confirm(token, user_id, chat_id)
            case given.Skip(opportunity_id=wanted):
                return ("", "skipped", None) if self.live.pop(wanted, None) else ("gone", "over", None)
            case given.Halt(level=level, reason=reason):
                if level > self.level:
                    self.level, self.reason = level, reason
                self.tell("halt", "halt", {"level": self.level, "reason": self.reason}, Severity.CRIT)
                return "", f"halted at L{self.level}", {"level": self.level}
            case given.ResumeRequest(token=token):
                self.resume_token = token
                return "", "the self-check passed", {"token": token}
            case given.ResumeConfirm(token=token):
                if token != self.resume_token:
                    return "stale_confirm", "ask for the self-check again", None
                self.level, self.resume_token = 0, ""
                return "", "trading is on again", {"level": 0}
            case _:
                return "", "done", None

    def _token(self, command: given.IssueToken) -> TokenView:
        found = self.live[command.opportunity_id]
        return TokenView(
            token=command.token,
            opportunity=found,
            fraction=command.fraction,
            net_floor=0.0025,
            profit_krw=found.profit_krw * command.fraction,
            notional_krw=found.notional_krw * command.fraction,
            expires_ms=20_000,
        )

    def _confirm(self, token: str, user_id: int, chat_id: int) -> tuple[str, str, object]:
        bound = self.tokens.get(token)
        if bound is None:
            return "unknown_token", "this button is not known any more", None
        if (bound.user_id, bound.chat_id) != (user_id, chat_id):
            return "not_yours", "this button belongs to another user", None
        self.executed.append(bound.opportunity_id)
        return "", "executing", {"trade_id": "t1"}

    def tell(self, kind: str, key: str, body: object, severity: Severity = Severity.INFO) -> None:
        raw = msgspec.json.encode(body)
        for listener in list(self.listeners):
            listener(Notice(kind=kind, key=key, severity=severity, wall_ms=len(raw), body=raw))

    def alert(self, number: int) -> None:
        self.tell("alert", f"naked:{number}", AlertView(rule="naked", text=f"alert {number}"), Severity.CRIT)

    def show(self, found: OpportunityView) -> None:
        self.tell("opportunity", found.id, found)

    def subscribe(self, listener: Callable[[Notice], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def status(self) -> StatusView:
        venue = VenueView(
            venue="upbit", connected=True, ready=True, blocked="", books=3, books_usable=3,
            age_ms=float("inf"), unknown_orders=0,
        )  # fmt: skip
        return StatusView(
            instance="premia-test",
            wall_ms=1_000,
            uptime_ms=500,
            level=self.level,
            level_reason=self.reason,
            ready=True,
            venues=(venue,),
            strategies={name: mode.value for name, mode in self.modes.items()},
            opportunities=len(self.live),
            working_trades=0,
            dead_letters=1,
            unknown_orders=0,
            breakers={"order_errors": "closed"},
            fx=1400.5,
            fx_age_ms=10,
            fx_degraded="",
            usdt_krw=1401.0,
            pnl_today_krw=Decimal("3800.25"),
            trades_today=2,
            steps=10,
            events={"BookSnapshot": 5},
        )

    def strategies(self) -> Sequence[StrategyView]:
        now = {
            "premium": -0.015,
            "weight_now": 0.5,
            "weight_target": 0.6,
            "equity_krw": 10_000_000.0,
            "x": float("nan"),
        }
        return [
            StrategyView(
                name=name,
                mode=mode.value,
                version=self.version,
                params=self.params,
                curve=self.curve if name == "tether_bot" else (),
                now=now if name == "tether_bot" else {},
                trades_today=0,
                open_opportunities=1,
            )
            for name, mode in self.modes.items()
        ]

    def opportunities(self) -> Sequence[OpportunityView]:
        return list(self.live.values())

    def trades(self) -> Sequence[TradeView]:
        return [trade(7, "-500", 2_000, state="dead_letter"), trade(1, "3800.25", 1_000)]

    def orders(self) -> Sequence[OrderView]:
        return [order("c1")]

    def balances(self) -> Sequence[BalanceView]:
        return [
            BalanceView(
                venue="upbit",
                asset="KRW",
                ledger=Decimal("1000000.50"),
                venue_total=Decimal("1000000.50"),
                free=Decimal("900000.50"),
                reserved=Decimal(100000),
                difference=Decimal("0.00"),
                krw=Decimal("1000000.50"),
                age_ms=30,
            )
        ]

    def refusals(self) -> Sequence[RefusalView]:
        return [refusal(1)]

    def metrics(self) -> dict[str, object]:
        return {"steps": 10, "loop_lag_us": 120}
