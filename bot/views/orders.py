"""A person's order as a card: what it does, how far it is, and buttons to hold, let go and end it."""

from collections.abc import Mapping, Sequence

from bot.views import money
from bot.views.content import Button, Content
from bot.views.reader import Reader
from bot.views.refusals import reason_of
from engine.control.messages import ParentQuote, ParentView

_BAR = 10
OVER = frozenset({"done", "cancelled"})


def draft(reader: Reader, quote: ParentQuote, confirm: str, cancel: str) -> Content:
    """What the tap would begin: cost, band, children."""
    view = quote.order
    key = "own.cost_buy" if view.side == "buy" else "own.cost_sell"
    lines = [
        reader.say("own.draft"),
        *_what(reader, view),
        reader.say(key, cost=money.won(view.cost_krw), fee=money.won(view.fee_krw)),
        *_route(reader, view),
        reader.say("own.valid", seconds=max(0, quote.expires_ms - view.updated_ms) // 1_000),
    ]
    buttons = (
        Button(text=reader.plain(f"button.order_{view.side}"), data=confirm, style="success"),
        Button(text=reader.plain("button.cancel"), data=cancel),
    )
    return Content(text="\n".join(lines), rows=(buttons,))


def card(reader: Reader, view: ParentView, buttons: Mapping[str, str]) -> Content:
    """`buttons`: callback data of pause, resume and cancel, where the reader may."""
    lines = [*_what(reader, view), _progress(reader, view)]
    if view.filled_qty:
        price = money.price(view.price, view.quote) if view.price else money.won(view.filled_krw / view.filled_qty)
        lines.append(
            reader.say(
                "own.filled",
                worth=money.won(view.filled_krw),
                price=price,
                fee=money.won(view.fees_krw),
            )
        )
    if view.reason:
        lines.append(reader.say("own.reason", reason=reason_of(reader, view.reason)))
    lines += _route(reader, view)
    row = tuple(
        Button(text=reader.plain(f"button.order_{name}"), data=buttons[name])
        for name in _possible(view)
        if name in buttons
    )
    share = int(view.filled_qty * _BAR / view.qty) if view.qty else 0
    core = "|".join((view.id, view.state, str(share), view.reason.partition(":")[0]))
    state = reader.named("order_state", view.state)
    return Content(
        text="\n".join(lines),
        rows=(row,) if row else (),
        core=core if view.state not in OVER else "",
        brief=f"{_title(reader, view)} · {state}",
    )


def overview(reader: Reader, views: Sequence[ParentView]) -> Content:
    """Those under way, the newest that are over, and how to give one."""
    lines: list[str] = [reader.say("own.list")] if views else [reader.say("own.none")]
    lines += [f"{_title(reader, view)} · {_progress(reader, view)}" for view in views[:_BAR]]
    return Content(text="\n".join([*lines, reader.say("own.help")]))


def _possible(view: ParentView) -> tuple[str, ...]:
    return {"running": ("pause", "cancel"), "paused": ("resume", "cancel")}.get(view.state, ())


def _title(reader: Reader, view: ParentView) -> str:
    return reader.say(
        f"own.title_{view.side}",
        qty=money.amount(view.qty),
        coin=view.base,
        venue=reader.named("venue", view.venue),
        template=reader.named("template", view.template),
    )


def _what(reader: Reader, view: ParentView) -> list[str]:
    lines = [_title(reader, view)]
    if view.stop is not None:
        where = reader.say(f"own.stop_{view.stop_at or 'desk'}", venue=reader.named("venue", view.venue))
        lines.append(reader.say("own.stop", stop=money.price(view.stop, view.quote), where=where))
    lines.append(reader.say(f"own.limit_{view.side}", limit=money.price(view.limit, view.quote)))
    if view.reduces:
        lines.append(reader.say("own.reduces"))
    if view.margin_krw:
        lines.append(reader.say("own.margin", krw=money.won(view.margin_krw)))
    if view.follows:
        lines.append(reader.say("own.follows"))
    if view.over_ms:
        over = money.duration(view.over_ms, reader.language)
        lines.append(reader.say("own.slices_over", slices=view.slices, over=over))
    elif view.slices > 1:
        lines.append(reader.say("own.slices", slices=view.slices))
    return lines


def _progress(reader: Reader, view: ParentView) -> str:
    share = float(view.filled_qty / view.qty) if view.qty else 0.0
    done = min(_BAR, int(share * _BAR))
    return reader.say(
        "own.progress",
        bar="▰" * done + "▱" * (_BAR - done),
        share=money.percent(share, 0),
        filled=money.amount(view.filled_qty),
        qty=money.amount(view.qty),
        state=reader.named("order_state", view.state),
    )


def _route(reader: Reader, view: ParentView) -> list[str]:
    return [reader.say("own.route", line=line) for line in view.route]
