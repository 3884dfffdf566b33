"""An opportunity as a card: both bases of the premium, legs, what remains after fees, how long it holds."""

from decimal import Decimal

from msgspec import Struct

from bot.views import money
from bot.views.content import Button, Content
from bot.views.reader import Reader
from bot.views.receipt import receipt
from bot.views.refusals import reason_of
from bot.views.standing import lock_line, warning_line
from engine.control.messages import LegView, OpportunityView, TradeView

_LIVE = ("live",)
_WARNINGS_SHOWN = 3


class Quote(Struct, frozen=True, kw_only=True):
    """The buttons' tokens and what each would do: data, size in ₩."""

    full: str
    full_krw: Decimal
    half: str
    half_krw: Decimal
    expires_ms: int


class Extras(Struct, frozen=True, kw_only=True):
    """What the bot adds to the engine's view."""

    skip: str = ""  # callback data of the buttons, "" where there is none
    mute: str = ""
    note: str = ""  # HTML: what came of the last tap
    actor: str = ""  # who confirmed


def card(
    reader: Reader, view: OpportunityView, trade: TradeView | None, quote: Quote | None, extras: Extras
) -> Content:
    if trade is not None:
        return receipt(reader, trade, coin=view.coin, actor=extras.actor)
    if view.state not in _LIVE:
        return ended(reader, view, extras)
    text = live_text(reader, view)
    if extras.note:
        text += f"\n{extras.note}"
    rows: list[tuple[Button, ...]] = []
    if quote is not None:
        rows.append(_execute_row(reader, quote))
    if extras.skip or extras.mute:
        buttons = []
        if extras.skip:
            buttons.append(Button(text=reader.plain("button.skip"), data=extras.skip))
        if extras.mute:
            buttons.append(Button(text=reader.plain("button.mute"), data=extras.mute))
        rows.append(tuple(buttons))
    return Content(
        text=f"{text}\n{_time_line(reader, view, quote)}",
        rows=tuple(rows),
        core=_core(view, extras),
        fresh_until_ms=quote.expires_ms if quote else view.expires_ms,
    )


def _core(view: OpportunityView, extras: Extras) -> str:
    """What of a live card is worth an edit by itself: 5 bp of net, a tenth of the size, a warning, an answer."""
    size = f"{view.notional_krw:.1e}"
    standing = (*(lock.venue + lock.way for lock in view.locks), *(told.venue + told.text for told in view.warnings))
    return "|".join(
        (view.id, view.mode, f"{view.net / 0.0005:.0f}", size, *view.flags, *standing, view.reason, extras.note)
    )


def _execute_row(reader: Reader, quote: Quote) -> tuple[Button, ...]:
    full = money.won_short(quote.full_krw, reader.language)
    row = [Button(text=reader.plain("button.execute", size=full), data=quote.full, style="success")]
    if quote.half:
        half = money.won_short(quote.half_krw, reader.language)
        row.append(Button(text=reader.plain("button.half", size=half), data=quote.half, style="primary"))
    return tuple(row)


def _time_line(reader: Reader, view: OpportunityView, quote: Quote | None) -> str:
    if quote is None:
        return reader.say("card.as_of", time=reader.clock(view.updated_ms))
    seconds = max(0, quote.expires_ms - view.updated_ms) // 1000
    return reader.say("card.valid", time=reader.clock(view.updated_ms), seconds=seconds)


def live_text(reader: Reader, view: OpportunityView) -> str:
    lines: list[str] = [headline(reader, view), *(leg_line(reader, leg) for leg in view.legs)]
    if view.strategy == "tether_bot":
        lines += _rebalance_lines(reader, view)
    else:
        lines += _premium_lines(reader, view)
        lines.append(
            reader.say(
                "card.net",
                net=money.percent_signed(view.net),
                gross=money.percent_signed(view.gross),
                profit=money.won_signed(view.profit_krw),
            )
        )
    lines.append(
        reader.say(
            "card.size",
            notional=money.won_short(view.notional_krw, reader.language),
            confidence=money.percent(view.confidence, 0),
            age=f"{max(0.0, view.facts.get('book_age_ms', 0.0)) / 1000:.1f}",
        )
    )
    lines += [reader.say("card.flag", flag=reader.named("flag", flag)) for flag in view.flags]
    if view.locks:
        lines += [reader.say("card.locked"), *(lock_line(reader, lock) for lock in view.locks)]
    lines += [warning_line(reader, warning) for warning in view.warnings[:_WARNINGS_SHOWN]]
    if view.reason:
        lines.append(reader.say("card.hindrance", reason=reason_of(reader, view.reason)))
    return "\n".join(lines)


def headline(reader: Reader, view: OpportunityView) -> str:
    """One line that says what it is: coin, strategy, and the figure that matters."""
    facts = view.facts
    if view.strategy == "tether_bot":
        figure = money.percent_signed(facts.get("tether_premium", facts.get("premium", 0.0)))
    else:
        figure = money.percent_signed(facts.get("k_usdt", view.gross))
    return reader.say("card.title", coin=view.coin, strategy=reader.named("strategy", view.strategy), figure=figure)


def leg_line(reader: Reader, leg: LegView) -> str:
    return reader.say(
        f"card.{leg.side}",
        venue=reader.named("venue", leg.venue),
        price=money.price(leg.price, leg.quote),
        qty=money.amount(leg.qty),
        base=leg.base,
    )


def _premium_lines(reader: Reader, view: OpportunityView) -> list[str]:
    """Both bases where the strategy knows them; the tether basis is the one a trade realises."""
    facts = view.facts
    lines: list[str] = []
    if "k_usdt" in facts:
        if "k_fx" in facts:
            lines.append(
                reader.say(
                    "card.bases",
                    tether=money.percent_signed(facts["k_usdt"]),
                    fx=money.percent_signed(facts["k_fx"]),
                )
            )
        else:
            lines.append(reader.say("card.base_tether", tether=money.percent_signed(facts["k_usdt"])))
    if "usdt_krw" in facts and "fx" in facts:
        lines.append(reader.say("card.rates", usdt=money.number(facts["usdt_krw"], 1), fx=money.number(facts["fx"], 1)))
    return lines


def _rebalance_lines(reader: Reader, view: OpportunityView) -> list[str]:
    """The tether bot's card: a step towards the curve's weight, and what the step costs."""
    facts = view.facts
    lines: list[str] = []
    if "weight_now" in facts and "weight_target" in facts:
        lines.append(
            reader.say(
                "card.weights",
                now=money.percent(facts["weight_now"], 1),
                target=money.percent(facts["weight_target"], 1),
                target_krw=money.won_short(facts.get("target_krw", 0.0), reader.language),
            )
        )
    if "usdt_krw" in facts and "fx" in facts:
        lines.append(reader.say("card.rates", usdt=money.number(facts["usdt_krw"], 1), fx=money.number(facts["fx"], 1)))
    lines.append(reader.say("card.cost", cost=money.percent(-view.net), krw=money.won(-view.profit_krw)))
    return lines


def ended(reader: Reader, view: OpportunityView, extras: Extras) -> Content:
    """No buttons any more: what became of it, and why."""
    title = headline(reader, view)
    state = reader.say(f"card.{view.state}") if view.state != "live" else ""
    lines = [title, *(leg_line(reader, leg) for leg in view.legs), state]
    because = reason_of(reader, view.reason)
    if view.state == "refused" or because != view.reason:  # "the premium is gone" says what the state says
        lines.append(reader.say("card.because", reason=because) if because else "")
    if extras.note:
        lines.append(extras.note)
    text = "\n".join(line for line in lines if line)
    brief = f"{title} {state}"
    rows = ((Button(text=reader.plain("button.unmute"), data=extras.mute),),) if extras.mute else ()
    return Content(text=text, core=text, brief=brief, rows=rows)
