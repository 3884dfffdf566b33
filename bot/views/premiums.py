"""The premium board in chat: one line per coin, a page per coin with every input, a picture."""

from collections.abc import Callable, Sequence
from typing import Any
from unicodedata import east_asian_width

import msgspec

from bot.views import money
from bot.views.ages import age, why
from bot.views.content import Button, Content, Markup, Picture
from bot.views.drawings import PremiumDrawing
from bot.views.reader import Reader
from bot.views.standing import lock_line, warning_line
from engine.control.messages import ExecutableView, PremiumBoard, PremiumView

SORTS = ("tether", "fx", "name", "age")
COINS_SHOWN = 15
_BUTTONS = 8
_PAIRS_SHOWN = 6
_PICTURE_COINS = 12
_WARNINGS_SHOWN = 4


def board(reader: Reader, view: PremiumBoard, sort: str) -> Content:
    """One line per coin: its pair farthest from zero, fresh ones before stale ones."""
    best = by_coin(view.rows)
    rows = sorted(best, key=_key(sort))
    lines: list[str] = [reader.say("premium.title", time=reader.clock(view.wall_ms)), _rates(reader, view)]
    if rows:
        lines += ["", reader.say("premium.head"), *(_line(reader, row) for row in rows[:COINS_SHOWN])]
        if len(rows) > COINS_SHOWN:
            lines.append(reader.say("more", count=len(rows) - COINS_SHOWN))
        lines += ["", reader.say("premium.more")]
    else:
        lines.append(reader.say("premium.none"))
    if view.left_out:
        names = ", ".join(
            f"{reader.named('venue', out.venue)} {out.symbol} ({out.reason})" for out in view.left_out[:4]
        )
        lines.append(reader.say("premium.quarantined", names=names))
    return Content(text="\n".join(lines), rows=_buttons(reader, rows, sort))


def by_coin(rows: Sequence[PremiumView]) -> list[PremiumView]:
    """Of each coin the first: the board's rows come farthest first, stale ones last."""
    best: dict[str, PremiumView] = {}
    for row in rows:
        best.setdefault(row.coin, row)
    return list(best.values())


def _key(sort: str) -> Callable[[PremiumView], tuple[Any, ...]]:
    keys: dict[str, Callable[[PremiumView], tuple[Any, ...]]] = {
        "tether": lambda row: (bool(row.stale), -abs(row.k_usdt or 0.0), row.coin),
        "fx": lambda row: (bool(row.stale), -abs(row.k_fx or 0.0), row.coin),
        "name": lambda row: (row.coin,),
        "age": lambda row: (_oldest(row), row.coin),
    }
    return keys[sort]


def _oldest(row: PremiumView) -> float:
    """Of its books; FX has its own line."""
    ages = [part.age_ms for part in row.inputs if part.what != "fx"]
    return max((found if found is not None else float("inf") for found in ages), default=float("inf"))


def _line(reader: Reader, row: PremiumView) -> Markup:
    grave = any(warning.kind in ("delisting", "suspended") for warning in row.warnings)
    mark = "▫️ " if row.stale else "🔒 " if row.locked else "⛔ " if grave else "⚠️ " if row.warnings else ""
    return reader.say(
        "premium.row",
        coin=_wide(row.coin, 5),
        tether=_wide(_percent(row.k_usdt), 8),
        fx=_wide(_percent(row.k_fx), 8),
        age=_wide(age(reader, _oldest(row)), 5),
        mark=mark,
        route=f"{reader.named('venue', row.korean)}·{reader.named('venue', row.world)}",
    )


def _wide(text: str, width: int) -> str:
    """Padded to `width` columns of a monospaced font, where Korean takes two."""
    taken = sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)
    return text + " " * max(0, width - taken)


def _percent(value: float | None) -> str:
    return "–" if value is None else money.percent_signed(value).replace(" %", "%")


def _rates(reader: Reader, view: PremiumBoard) -> Markup:
    tethers = " · ".join(
        reader.plain(
            "premium.tether",
            venue=reader.named("venue", at.venue),
            price=money.number((at.bid + at.ask) / 2, 1),
            premium=_percent(at.premium),
        )
        for at in view.tethers
        if at.bid and at.ask
    )
    if view.fx is None or view.fx_degraded in ("none", "stale", "disagreement"):
        return reader.say("premium.no_fx", why=why(reader, view.fx_degraded), tethers=tethers or "–")
    return reader.say(
        "premium.rates", fx=money.number(view.fx, 1), fx_age=age(reader, view.fx_age_ms), tethers=tethers or "–"
    )


def _buttons(reader: Reader, rows: Sequence[PremiumView], sort: str) -> tuple[tuple[Button, ...], ...]:
    sorts = tuple(
        Button(
            text=("● " if name == sort else "") + reader.plain(f"button.by_{name}"),
            data=f"m:p:{name}",
            style="primary" if name == sort else "",
        )
        for name in SORTS
    )
    coins = [Button(text=row.coin, data=f"m:pc:{row.coin}") for row in rows[:_BUTTONS]]
    last = (
        Button(text=reader.plain("button.refresh"), data=f"m:p:{sort}"),
        Button(text=reader.plain("button.picture"), data="m:pp:new"),
    )
    return (sorts, *(tuple(coins[i : i + 4]) for i in range(0, len(coins), 4)), last)


def coin(reader: Reader, view: PremiumBoard, name: str) -> Content:
    """Every pair of one coin: both directions at every size, and the age of every input."""
    rows = (
        (
            Button(text=reader.plain("button.refresh"), data=f"m:pc:{name}"),
            Button(text=reader.plain("button.back"), data="m:p:tether"),
        ),
    )
    if not view.rows:
        return Content(text=reader.say("premium.unknown", coin=name), rows=rows)
    lines: list[str] = [reader.say("premium.coin", coin=name, time=reader.clock(view.wall_ms)), _rates(reader, view)]
    for row in view.rows[:_PAIRS_SHOWN]:
        lines += ["", *_pair(reader, row)]
    if len(view.rows) > _PAIRS_SHOWN:
        lines.append(reader.say("more", count=len(view.rows) - _PAIRS_SHOWN))
    return Content(text="\n".join(lines), rows=rows)


def _pair(reader: Reader, row: PremiumView) -> list[Markup]:
    lines = [
        reader.say(
            "premium.pair",
            mark="▫️ " if row.stale else "",
            korean=reader.named("venue", row.korean),
            world=reader.named("venue", row.world),
            tether=_percent(row.k_usdt),
            fx=_percent(row.k_fx),
        )
    ]
    if row.stale:
        what, _, reason = row.stale.partition(": ")
        lines.append(reader.say("premium.stale", why=f"{reader.named('book', what)}: {why(reader, reason)}"))
    for direction in row.locked:
        lines.append(reader.say(f"premium.locked_{direction}"))
        lines += [lock_line(reader, lock) for lock in row.locks if lock.direction == direction]
    lines += [warning_line(reader, warning) for warning in row.warnings[:_WARNINGS_SHOWN]]
    for size in dict.fromkeys(found.notional_krw for found in row.executable):
        sell, buy = (
            next(f for f in row.executable if f.notional_krw == size and f.direction == direction)
            for direction in ("sell_korea", "buy_korea")
        )
        lines.append(
            reader.say(
                "premium.size",
                size=money.won_short(size, reader.language),
                sell=_priced(reader, sell),
                buy=_priced(reader, buy),
            )
        )
    parts = [
        reader.plain(
            "premium.age",
            what=reader.named("venue", part.venue) if part.what in ("korean", "world") else _input(reader, part.what),
            age=age(reader, part.age_ms),
            limit=age(reader, part.limit_ms),
        )
        for part in row.inputs
    ]
    lines.append(reader.say("premium.ages", inputs=" · ".join(parts)))
    return lines


def _input(reader: Reader, what: str) -> str:
    return "USDT" if what == "tether" else reader.named("book", what)


def _priced(reader: Reader, found: ExecutableView) -> str:
    if found.k_usdt is None:
        return reader.plain("premium.short", book=reader.named("book", found.short))
    return reader.plain("premium.priced", premium=_percent(found.k_usdt), net=_percent(found.net))


def picture(reader: Reader, view: PremiumBoard) -> Content:
    """The board to look at. Without a premium there is nothing to draw: the words say so."""
    rows = [row for row in by_coin(view.rows) if row.k_usdt is not None][:_PICTURE_COINS]
    if not rows:
        return Content(text=reader.say("premium.none"))
    bars = tuple(
        (
            row.coin,
            f"{reader.named('venue', row.korean)}·{reader.named('venue', row.world)}",
            100 * (row.k_usdt or 0.0),
            None if row.k_fx is None else 100 * row.k_fx,
            bool(row.stale),
        )
        for row in rows
    )
    drawing = PremiumDrawing(
        title=reader.plain("premium.picture"),
        as_of=reader.clock(view.wall_ms),
        tether_label=reader.plain("premium.picture_tether"),
        fx_label=reader.plain("premium.picture_fx"),
        bars=bars,
    )
    widest = " · ".join(f"{row.coin} {_percent(row.k_usdt)}" for row in rows[:3])
    buttons = (
        Button(text=reader.plain("button.refresh"), data="m:pp:again"),
        Button(text=reader.plain("button.table"), data="m:pt:new"),
    )
    return Content(
        text=reader.say("premium.caption", time=reader.clock(view.wall_ms), widest=widest),
        picture=Picture(kind="premium", data=msgspec.json.encode(drawing)),
        rows=(buttons,),
    )
