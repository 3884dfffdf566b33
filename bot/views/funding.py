"""Funding in chat: a heatmap of venues and coins, and the same as a table."""

from collections.abc import Sequence

import msgspec

from bot.views import money
from bot.views.ages import age, hours, left, why
from bot.views.content import Button, Content, Markup, Picture
from bot.views.drawings import HeatCell, HeatDrawing
from bot.views.reader import Reader
from engine.control.messages import EdgeView, FundingBoard, FundingView, LoanView

_COINS_DRAWN = 6  # across the width of a phone
_EDGES_SHOWN = 3
_CHANGES_SHOWN = 3
_ROWS_SHOWN = 30
_LOANS_SHOWN = 6


def heatmap(reader: Reader, view: FundingBoard, coin: str = "") -> Content:
    """Picture and caption; without any contract only words."""
    if not view.rows:
        return Content(text=reader.say("funding.none"))
    cells = _cells(view.rows)
    coins = _coins(view.rows)
    venues = sorted({row.venue for row in view.rows})
    more = len(coins) - _COINS_DRAWN
    drawing = HeatDrawing(
        title=reader.plain("funding.picture"),
        as_of=reader.clock(view.wall_ms),
        venues=tuple(reader.named("venue", venue) for venue in venues),
        coins=tuple(coins[:_COINS_DRAWN]),
        cells=tuple(
            tuple(_cell(reader, cells.get((venue, name)), view.wall_ms) for name in coins[:_COINS_DRAWN])
            for venue in venues
        ),
        note=reader.plain("funding.picture_more", count=more) if more > 0 else "",
    )
    lines: list[str] = [reader.say("funding.title", time=reader.clock(view.wall_ms)), *_summary(reader, view)]
    suffix = coin or "*"
    buttons = (
        Button(text=reader.plain("button.refresh"), data=f"m:f:{suffix}"),
        Button(text=reader.plain("button.table"), data=f"m:ft:{suffix}"),
    )
    return Content(
        text="\n".join(lines), picture=Picture(kind="heat", data=msgspec.json.encode(drawing)), rows=(buttons,)
    )


def _coins(rows: Sequence[FundingView]) -> list[str]:
    """The most traded first; where turnover is not known, the widest rate first."""
    weight: dict[str, tuple[float, float]] = {}
    for row in rows:
        volume, rate = weight.get(row.coin, (0.0, 0.0))
        weight[row.coin] = (volume + (row.quote_volume or 0.0), max(rate, abs(row.annual or 0.0)))
    return sorted(weight, key=lambda coin: (-weight[coin][0], -weight[coin][1], coin))


def _cells(rows: Sequence[FundingView]) -> dict[tuple[str, str], FundingView]:
    """Of several contracts of a coin at one venue the most traded."""
    best: dict[tuple[str, str], FundingView] = {}
    for row in rows:
        known = best.get((row.venue, row.coin))
        if known is None or (row.quote_volume or 0.0) > (known.quote_volume or 0.0):
            best[row.venue, row.coin] = row
    return best


def _cell(reader: Reader, row: FundingView | None, now_ms: int) -> HeatCell | None:
    if row is None:
        return None
    if row.why or row.annual is None:
        return HeatCell(annual=None, text="–", below=why(reader, row.why))
    return HeatCell(
        annual=row.annual, text=_year(row.annual), below=f"{hours(row.interval_ms, 'en')} · {_until(row, now_ms)}"
    )


def _until(row: FundingView, now_ms: int) -> str:
    """Until its settlement as 3:11: a cell has no room for more."""
    if row.next_funding_ms is None:
        return "–"
    minutes = max(0, row.next_funding_ms - now_ms) // 60_000
    return f"{minutes // 60}:{minutes % 60:02}"


def _year(annual: float) -> str:
    return money.percent_signed(annual, 1).replace(" %", "%")


def _summary(reader: Reader, view: FundingBoard) -> list[Markup]:
    """The widest gaps, the next settlement, what changed its interval."""
    lines = [_edge(reader, edge) for edge in view.edges[:_EDGES_SHOWN]]
    coming = [row.next_funding_ms for row in view.rows if row.next_funding_ms and row.next_funding_ms > view.wall_ms]
    if coming:
        soon = min(coming)
        lines.append(reader.say("funding.next", when=reader.clock(soon)[:5], left=left(reader, soon, view.wall_ms)))
    lines += [
        reader.say(
            "funding.change",
            venue=reader.named("venue", change.venue),
            symbol=change.symbol,
            hours=f"{change.interval_ms / 3_600_000:g}",
            when=reader.moment(change.wall_ms),
        )
        for change in view.changes[:_CHANGES_SHOWN]
    ]
    return lines


def _edge(reader: Reader, edge: EdgeView) -> Markup:
    return reader.say(
        "funding.edge",
        coin=edge.coin,
        short=reader.named("venue", edge.short),
        long=reader.named("venue", edge.long),
        gap=money.percent_signed(edge.per_8h, 4),
        annual=_year(edge.annual),
        hours=money.duration(int(edge.break_even_h * 3_600_000), reader.language),
    )


def table(reader: Reader, view: FundingBoard, coin: str = "") -> Content:
    """Every contract in words, most traded coins first."""
    if not view.rows:
        return Content(text=reader.say("funding.none"))
    lines: list[str] = [reader.say("funding.title", time=reader.clock(view.wall_ms)), *_summary(reader, view)]
    shown = 0
    for name in _coins(view.rows):
        rows = [row for row in view.rows if row.coin == name]
        if shown + len(rows) > _ROWS_SHOWN:
            break
        shown += len(rows)
        lines += [reader.say("funding.head", coin=name), *(_row(reader, row, view.wall_ms) for row in rows)]
        lines += [_loan(reader, loan) for loan in view.loans if loan.coin == name][: _LOANS_SHOWN if coin else 1]
    if shown < len(view.rows):
        lines.append(reader.say("more", count=len(view.rows) - shown))
    suffix = coin or "*"
    buttons = (
        Button(text=reader.plain("button.refresh"), data=f"m:ft:{suffix}:again"),
        Button(text=reader.plain("button.picture"), data=f"m:fp:{suffix}"),
    )
    return Content(text="\n".join(lines), rows=(buttons,))


def _loan(reader: Reader, loan: LoanView) -> Markup:
    """What selling the borrowed coin costs: what a negative funding rate is worth comes after it."""
    return reader.say(
        "funding.loan",
        venue=reader.named("venue", loan.venue),
        coin=loan.coin,
        rate=money.percent_signed(loan.hourly * 8, 4).removeprefix("+"),
        annual=_year(loan.annual).removeprefix("+"),
        source=loan.source,
        age=age(reader, loan.age_ms),
    )


def _row(reader: Reader, row: FundingView, now_ms: int) -> Markup:
    venue = reader.named("venue", row.venue)
    if row.why or row.rate is None or row.annual is None:
        return reader.say("funding.stale", venue=venue, why=why(reader, row.why))
    more = ""
    if row.predicted is not None:
        more += reader.plain("funding.predicted", rate=money.percent_signed(row.predicted, 4))
    if row.basis is not None:
        more += reader.plain("funding.basis", basis=money.percent_signed(row.basis, 3))
    return reader.say(
        "funding.row",
        venue=venue,
        rate=money.percent_signed(row.rate, 4),
        hours=hours(row.interval_ms, reader.language),
        annual=_year(row.annual),
        next=left(reader, row.next_funding_ms, now_ms),
        more=more,
    )
