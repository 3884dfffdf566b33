"""What a halt leaves open: each leg without a partner, its amount and worth, and where a person settles it."""

from bot.views import money
from bot.views.content import Markup
from bot.views.reader import Reader
from engine.control.messages import NakedView

SHOWN = 5


def lines(reader: Reader, body: object) -> list[Markup]:
    """Of the body of a halt's answer or notice; none where repairs go on, and from an engine that does not tell."""
    rows = body.get("naked", ()) if isinstance(body, dict) else ()
    legs = [NakedView.model_validate(row) for row in rows]
    out = [_line(reader, leg) for leg in legs[:SHOWN]]
    if len(legs) > SHOWN:
        out.append(reader.say("more", count=len(legs) - SHOWN))
    return out


def _line(reader: Reader, leg: NakedView) -> Markup:
    return reader.say(
        "halt.in_dlq" if leg.is_letter else "halt.naked",
        venue=reader.named("venue", leg.venue),
        side=reader.named("side", leg.side),
        qty=f"{money.amount(leg.qty)} {leg.base}",
        krw=money.won_short(leg.krw, reader.language),
        id=leg.trade_id,
    )
