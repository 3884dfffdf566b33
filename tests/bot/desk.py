"""A trading desk of few opportunities for the bot's tests: real replies by the rules of the door, no market behind."""

import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeVar

import msgspec

from engine.domain import command as given
from engine.domain.effect import Notice, OrderView, Reply, Severity
from engine.domain.view import (
    BalanceView,
    CurvePoint,
    FillView,
    LegView,
    OpportunityView,
    PnlView,
    RefusalView,
    StatusView,
    StrategyView,
    TokenView,
    TradeView,
    VenueView,
)
from tests.control.markets import MarketCommand, MarketDesk

TIERS = (("-5", "1"), ("-2", "0.7"), ("-1", "0.5"), ("0", "0.2"), ("1", "0.05"), ("3", "0"))


C = TypeVar("C")


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def opportunity(number: int, **changes: object) -> OpportunityView:
    """A kimchi premium on BTC: sell at Upbit, buy at Binance."""
    now_ms = wall_ms()
    sell = LegView(
        venue="upbit",
        symbol="KRW-BTC",
        base="BTC",
        quote="KRW",
        side="sell",
        qty=Decimal("0.0123"),
        price=Decimal(95_120_000),
        limit_price=Decimal(95_040_000),
        fee_bps=Decimal(5),
    )
    buy = LegView(
        venue="binance",
        symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        side="buy",
        qty=Decimal("0.0123"),
        price=Decimal("67210.5"),
        limit_price=Decimal("67260.1"),
        fee_bps=Decimal(10),
    )
    made = OpportunityView(
        id=f"o{number}",
        key=f"kimchi:BTC:binance>upbit{number}",
        strategy="kimchi",
        coin="BTC",
        mode="confirm",
        state="live",
        legs=(sell, buy),
        notional_krw=Decimal(1_170_000),
        gross=0.0124,
        net=0.0062,
        profit_krw=Decimal(7_250),
        confidence=0.87,
        flags=(),
        facts={"k_usdt": 0.0124, "k_fx": 0.0201, "usdt_krw": 1396.0, "fx": 1385.2, "book_age_ms": 120.0},
        reason="",
        trade_id="",
        opened_ms=now_ms,
        updated_ms=now_ms,
        expires_ms=now_ms + 15_000,
    )
    return msgspec.structs.replace(made, **changes)


def trade(found: OpportunityView, actor: str, *, state: str = "closed", outcome: str = "balanced") -> TradeView:
    """Its receipt: both legs filled, or still working."""
    done = state == "closed"
    legs = tuple(
        FillView(
            venue=leg.venue,
            symbol=leg.symbol,
            base=leg.base,
            quote=leg.quote,
            side=leg.side,
            status="filled" if done else "sent",
            planned_qty=leg.qty,
            planned_price=leg.price,
            filled_qty=leg.qty if done else Decimal(0),
            fill_price=leg.price if done else Decimal(0),
            fees={leg.quote: Decimal("585.1")} if done else {},
            slippage_bps=0.2,
            unwound_qty=Decimal(0),
            orders=1,
            unknowns=0,
        )
        for leg in found.legs
    )
    pnl = PnlView(
        expected_krw=Decimal(7_250),
        net_krw=Decimal(6_980) if done else Decimal(0),
        spread_krw=Decimal(9_100),
        slippage_krw=Decimal(270),
        fees_krw=Decimal(1_850),
        unwind_krw=Decimal(0),
    )
    return TradeView(
        id=f"t-{found.id}",
        opportunity_id=found.id,
        strategy=found.strategy,
        key=found.key,
        actor=actor,
        state=state,
        outcome=outcome if done else "",
        legs=legs,
        naked_qty=Decimal(0),
        pnl=pnl,
        facts={},
        opened_ms=wall_ms(),
        closed_ms=wall_ms() + 800 if done else 0,
        reason="",
    )


class TestDesk(MarketDesk):
    """Implements engine.control.door.Desk."""

    __test__ = False

    def __init__(self) -> None:
        self.level, self.level_reason = 0, ""
        self.modes = {"kimchi": given.Mode.CONFIRM, "tether_bot": given.Mode.ALERT}
        self.curves = [tuple(CurvePoint(Decimal(x), Decimal(y)) for x, y in TIERS)]
        self.known: dict[str, OpportunityView] = {}
        self.receipts: list[TradeView] = []
        self.tokens: dict[str, tuple[given.IssueToken, int]] = {}
        self.answers: dict[str, tuple[str, str, object]] = {}  # by confirm token: the first answer stands
        self.token_ttl_ms = 20_000
        self.checks_ok = True
        self.letters: list[TradeView] = []
        self.limits: list[dict[str, object]] = []
        self.unknown: list[OrderView] = []
        self.retry_refusal = ""
        self.blocked = ""
        self.lost_hedges = 0
        self.resume_token = ""
        self.asked: list[tuple[str, str, given.Command]] = []
        self.listeners: list[Callable[[Notice], None]] = []
        self.began_ms = wall_ms()

    # what a test makes happen

    def show(self, view: OpportunityView) -> None:
        self.known[view.id] = view
        self.tell("opportunity", view.id, view)

    def finish(self, opportunity_id: str, actor: str = "telegram:3", **how: str) -> TradeView:
        receipt = trade(self.known[opportunity_id], actor, **how)
        self.receipts = [receipt, *(old for old in self.receipts if old.id != receipt.id)]
        self.tell("trade", receipt.id, receipt)
        return receipt

    def tell(self, kind: str, key: str, body: object, severity: Severity = Severity.INFO) -> None:
        notice = Notice(kind=kind, key=key, severity=severity, wall_ms=wall_ms(), body=msgspec.json.encode(body))
        for listener in list(self.listeners):
            listener(notice)

    def commands(self, kind: type[C]) -> list[C]:
        return [command for _, _, command in self.asked if isinstance(command, kind)]

    # engine.control.door.Desk

    def ask(self, request_id: str, actor: str, role: str, command: given.Command) -> Reply:
        self.asked.append((request_id, actor, command))
        if isinstance(command, MarketCommand):
            return self.ask_markets(request_id, actor, role, command)
        rule, text, body = self._do(actor, command)
        return Reply(request_id=request_id, ok=not rule, rule=rule, text=text, body=msgspec.json.encode(body))

    def _do(self, actor: str, command: given.Command) -> tuple[str, str, object]:
        match command:
            case given.IssueToken():
                return self._issue(command)
            case given.Confirm(token=token):
                if token not in self.answers:
                    self.answers[token] = self._confirm(actor, command)
                return self.answers[token]
            case given.Skip(opportunity_id=wanted):
                return self._end(wanted, "skipped")
            case given.Mute(key=key, minutes=minutes):
                for view in [view for view in self.known.values() if view.key == key and view.state == "live"]:
                    if minutes:
                        self._end(view.id, "skipped")
                return "", "muted", {"key": key}
            case given.SetMode(strategy=name, mode=mode):
                self.modes[name] = mode
                return "", f"{name} is now {mode}", {}
            case given.SetCurve(points=points):
                self.curves.append(tuple(CurvePoint(x, y) for x, y in points))
                return "", "curve set", {}
            case given.UndoSetting():
                if len(self.curves) == 1:
                    return "nothing_to_undo", "as configured", None
                self.curves.append(self.curves[-2])
                return "", "undone", {}
            case given.Halt(level=level, reason=reason):
                self.level, self.level_reason = max(level, self.level), reason
                body = {"level": self.level, "reason": reason, "actor": actor, "cancelling": 0}
                self.tell("halt", "halt", body, Severity.CRIT)
                return "", f"halted at L{self.level}", body
            case given.ResumeRequest(token=token):
                checks = [{"name": "journal", "ok": self.checks_ok, "text": "the journal can be written"}]
                if not self.checks_ok:
                    return "self_check", "the self-check failed: journal", {"checks": checks}
                self.resume_token = token
                return "", "the self-check passed", {"checks": checks, "token": token}
            case given.ResumeConfirm(token=token):
                if token != self.resume_token:
                    return "stale_confirm", "ask for the self-check again", None
                self.level, self.level_reason = 0, ""
                return "", "trading is on again", {}
            case given.RetryDeadLetter(trade_id=wanted):
                if self.retry_refusal:
                    return self.retry_refusal, "upbit KRW-BTC: stale", {"venue": "upbit"}
                self.letters = [letter for letter in self.letters if letter.id != wanted]
                return "", "sell 0.0123 KRW-BTC at upbit", {"trade_id": wanted}
            case given.CloseDeadLetter(amount=amount):
                left = self.letters[0].naked_qty - (amount or Decimal(0))
                return "", "closed", {"trade_id": command.trade_id, "left": left}
            case given.AcceptBalances(venue=venue):
                self.blocked = ""
                return "", f"{venue}: present balances are adopted", {"venue": venue, "lost": self.lost_hedges}
            case given.ResolveUnknown():
                self.unknown = []
                return "", "resolved", {"cid": command.cid}
            case _:
                return "bad_parameter", f"not in this desk: {type(command).__name__}", None

    def _issue(self, command: given.IssueToken) -> tuple[str, str, object]:
        view = self.known.get(command.opportunity_id)
        if view is None or view.state != "live":
            return "gone", "this opportunity is over", None
        now_ms = wall_ms()
        self.tokens[command.token] = (command, now_ms)
        body = TokenView(
            token=command.token,
            opportunity=view,
            fraction=command.fraction,
            net_floor=0.003,
            profit_krw=view.profit_krw * command.fraction,
            notional_krw=view.notional_krw * command.fraction,
            expires_ms=now_ms + self.token_ttl_ms,
        )
        return "", "quoted", body

    def _confirm(self, actor: str, command: given.Confirm) -> tuple[str, str, object]:
        if command.token not in self.tokens:
            return "unknown_token", "this button is not known any more", None
        bound, issued_ms = self.tokens[command.token]
        if (bound.user_id, bound.chat_id) != (command.user_id, command.chat_id):
            return "not_yours", "this button belongs to another user", None
        view = self.known[bound.opportunity_id]
        if view.state != "live":
            return "gone", "the opportunity is over", None
        late_ms = wall_ms() - issued_ms - self.token_ttl_ms
        if late_ms > 0:
            numbers = {"late_s": f"{late_ms / 1000:.1f}", "ttl_s": str(self.token_ttl_ms // 1000)}
            return "stale_confirm", f"the quote ended {late_ms / 1000:.1f} s before the tap", numbers
        self.known[view.id] = msgspec.structs.replace(view, state="executing", trade_id=f"t-{view.id}")
        self.tell("opportunity", view.id, self.known[view.id])
        self.finish(view.id, actor, state="working")
        return "", "executing", {"trade_id": f"t-{view.id}", "opportunity_id": view.id}

    def _end(self, wanted: str, state: str) -> tuple[str, str, object]:
        view = self.known.get(wanted)
        if view is None or view.state != "live":
            return "gone", "this opportunity is over", None
        self.show(msgspec.structs.replace(view, state=state))
        return "", state, {"key": view.key}

    def subscribe(self, listener: Callable[[Notice], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def status(self) -> StatusView:
        venue = VenueView(
            venue="upbit",
            connected=True,
            ready=True,
            blocked=self.blocked,
            books=4,
            books_usable=4,
            age_ms=120.0,
            unknown_orders=0,
        )
        return StatusView(
            instance="premia-test",
            wall_ms=wall_ms(),
            uptime_ms=wall_ms() - self.began_ms,
            level=self.level,
            level_reason=self.level_reason,
            ready=True,
            venues=(venue, msgspec.structs.replace(venue, venue="binance", connected=False)),
            strategies={name: mode.value for name, mode in self.modes.items()},
            opportunities=len(self.opportunities()),
            working_trades=0,
            dead_letters=0,
            unknown_orders=0,
            breakers={"loss_streak": "closed"},
            fx=1385.2,
            fx_age_ms=100,
            fx_degraded="",
            usdt_krw=1396.0,
            pnl_today_krw=Decimal(6_980),
            trades_today=1,
            steps=1,
            events={},
        )

    def strategies(self) -> Sequence[StrategyView]:
        now = {
            "premium": 0.0078,
            "weight_now": 0.31,
            "weight_target": 0.083,
            "equity_krw": 1e7,
            "target_krw": 830_000.0,
        }
        return [
            StrategyView(
                name=name,
                mode=mode.value,
                version=len(self.curves) - 1,
                params={"min_net": 0.003},
                curve=self.curves[-1] if name == "tether_bot" else (),
                now=now if name == "tether_bot" else {},
                trades_today=0,
                open_opportunities=0,
            )
            for name, mode in self.modes.items()
        ]

    def opportunities(self) -> Sequence[OpportunityView]:
        return sorted(self.known.values(), key=lambda view: view.state != "live")

    def trades(self) -> Sequence[TradeView]:
        return [*self.letters, *self.receipts]

    def orders(self) -> Sequence[OrderView]:
        return self.unknown

    def balances(self) -> Sequence[BalanceView]:
        row = BalanceView(
            venue="upbit",
            asset="KRW",
            ledger=Decimal(12_345_678),
            venue_total=Decimal(12_345_678),
            free=Decimal(12_000_000),
            reserved=Decimal(345_678),
            difference=Decimal(0),
            krw=Decimal(12_345_678),
            age_ms=40,
        )
        usdt = msgspec.structs.replace(
            row, venue="binance", asset="USDT", ledger=Decimal(100), venue_total=Decimal(99), difference=Decimal(-1)
        )
        return [row, usdt]

    def refusals(self) -> Sequence[RefusalView]:
        return []

    def metrics(self) -> dict[str, object]:
        return {"limits": self.limits}
