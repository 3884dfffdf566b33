"""Profit and loss: the evening's figures and their picture."""

from collections.abc import Sequence

import msgspec

from bot.views import money
from bot.views.content import Button, Content, Picture
from bot.views.drawings import PnlDrawing
from bot.views.reader import Reader
from engine.control.messages import AuditPage, PnlLine, PnlReport, TradeLine

WINDOWS = (1, 7, 30)


def pnl(reader: Reader, report: PnlReport) -> Content:
    """Caption of at most 1,024 characters under an equity curve and bars by strategy."""
    total = report.total
    lines: list[str] = [_title(reader, report.days), reader.say("pnl.net", net=money.won_signed(total.net_krw))]
    if total.trades:
        lines.append(
            reader.say(
                "pnl.trades",
                trades=total.trades,
                hits=money.percent(report.hit_rate or 0.0, 0),
                expected=money.won_signed(total.expected_krw),
            )
        )
        lines.append(
            reader.say(
                "pnl.parts",
                fees=money.won(total.fees_krw),
                slippage=money.won_signed(-total.slippage_krw),
                notional=money.won_short(total.notional_krw, reader.language),
            )
        )
        lines += _edges(reader, total)
        lines += [_strategy_line(reader, line) for line in report.by_strategy[:5]]
        lines += _extremes(reader, report.best, report.worst)
    else:
        lines.append(reader.say("pnl.no_trades"))
    if report.sharpe is not None and report.days > 1:
        lines.append(reader.say("pnl.risk", sharpe=f"{report.sharpe:.2f}", drawdown=money.won(report.max_drawdown_krw)))
    lines.append(reader.say("pnl.signals", signals=report.signals, dead=report.dead_letters))
    buttons = tuple(
        Button(text=("● " if days == report.days else "") + reader.plain(f"button.pnl{days}"), data=f"n:pnl:{days}")
        for days in WINDOWS
    )
    return Content(text="\n".join(lines), rows=(buttons,), picture=_picture(reader, report))


def _title(reader: Reader, days: int) -> str:
    return reader.say(f"pnl.title{days}") if days in WINDOWS else reader.say("pnl.title", days=days)


def _edges(reader: Reader, total: PnlLine) -> list[str]:
    if total.planned_edge_bps is None or total.realised_edge_bps is None:
        return []
    planned, realised = money.bps(total.planned_edge_bps), money.bps(total.realised_edge_bps)
    return [reader.say("pnl.edge", planned=planned, realised=realised)]


def _strategy_line(reader: Reader, line: PnlLine) -> str:
    return reader.say(
        "pnl.strategy",
        strategy=reader.named("strategy", line.name),
        net=money.won_signed(line.net_krw),
        trades=line.trades,
    )


def _extremes(reader: Reader, best: TradeLine | None, worst: TradeLine | None) -> list[str]:
    if best is None or worst is None or best.id == worst.id:
        return []
    return [reader.say("pnl.extremes", best=money.won_signed(best.net_krw), worst=money.won_signed(worst.net_krw))]


def _picture(reader: Reader, report: PnlReport) -> Picture:
    title_key = f"pnl.picture{report.days}" if report.days in WINDOWS else "pnl.picture"
    drawing = PnlDrawing(
        title=reader.plain(title_key, days=report.days),
        zone=report.time_zone,
        headline=money.won_signed(report.total.net_krw),
        equity_label=reader.plain("pnl.equity"),
        equity=tuple((point.wall_ms / 1000, float(point.net_krw)) for point in report.equity),
        since_s=report.since_ms / 1000,
        until_s=report.until_ms / 1000,
        bars_label=reader.plain("pnl.bars"),
        bars=tuple((reader.named("strategy", line.name), float(line.net_krw)) for line in report.by_strategy),
        days_label=reader.plain("pnl.daily"),
        days=tuple((line.date[5:], float(line.net_krw)) for line in report.daily) if report.days > 1 else (),
        no_trades=reader.plain("pnl.no_trades_picture"),
    )
    return Picture(kind="pnl", data=msgspec.json.encode(drawing))


def audit(reader: Reader, page: AuditPage, names: Sequence[tuple[str, str]]) -> Content:
    """The newest commands, and whether the chain of hashes holds; `names` maps actors to people."""
    known = dict(names)
    head = (
        reader.say("audit.intact", checked=page.checked)
        if page.intact
        else reader.say("audit.broken", id=page.broken_at)
    )
    lines: list[str] = [head]
    for row in [row for row in page.rows if row.command != "IssueToken"][:15]:  # each edit of a card asks for two
        lines.append(
            reader.say(
                "audit.row",
                time=reader.moment(row.wall_ms),
                actor=known.get(row.actor, row.actor),
                command=row.command,
                verdict="✓" if row.ok else f"✗ {row.rule}",
            )
        )
    return Content(text="\n".join(lines))
