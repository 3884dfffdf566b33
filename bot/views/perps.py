"""Open perpetuals: position, result, margin, liquidation, funding, and whose hedge each is."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from bot.views import money
from bot.views.content import Button, Content
from bot.views.reader import Reader
from engine.control.messages import PerpView

SHOWN = 8
_FULL = Decimal("0.5")  # of the equity (domain.md §7)


def beside(reader: Reader, content: Content, perps: Sequence[PerpView], data: Mapping[str, str]) -> Content:
    """The board of trades with the perpetuals under it. `data`: what a button is bound to, by `key_of` or trade."""
    if not perps:
        return content
    rows = [
        (Button(text=reader.plain(f"button.{kind}", symbol=symbol), data=data[key]),)
        for at in perps[:SHOWN]
        for key, kind, symbol in _buttons(at)
        if key in data
    ]
    return Content(text=f"{content.text}\n\n{board(reader, perps)}", rows=(*content.rows, *rows))


def _buttons(at: PerpView) -> list[tuple[str, str, str]]:
    """(key, kind, symbol): its hedges one by one; what no hedge is as a whole."""
    if at.hedge_of:
        return [(trade_id, "close_hedge", f"{at.symbol} {trade_id[-4:]}") for trade_id in at.hedge_of]
    return [(key_of(at), "close_position", at.symbol)] if at.qty else []


def key_of(at: PerpView) -> str:
    return f"{at.venue}:{at.symbol}"


def board(reader: Reader, perps: Sequence[PerpView]) -> str:
    worth = sum((at.worth_krw for at in perps), Decimal(0))
    title: str = reader.say("perps.title", count=len(perps), worth=money.won_short(worth, reader.language))
    lines = [title]
    for at in perps[:SHOWN]:
        lines += _lines(reader, at)
    if len(perps) > SHOWN:
        lines.append(reader.say("more", count=len(perps) - SHOWN))
    return "\n".join(lines)


def _lines(reader: Reader, at: PerpView) -> list[str]:
    side = "long" if at.qty > 0 else "short" if at.qty else "flat"
    lines: list[str] = [
        reader.say(
            f"perps.{side}",
            venue=reader.named("venue", at.venue),
            symbol=at.symbol,
            qty=money.amount(abs(at.qty)),
            base=at.base,
            worth=money.won_short(at.worth_krw, reader.language),
        )
    ]
    if at.qty:
        lines.append(
            reader.say(
                "perps.prices",
                entry=money.price(at.entry, at.quote),
                mark=money.price(at.mark, at.quote),
                result=money.money(at.unrealised, at.quote),
                krw=money.won_signed(at.unrealised_krw),
            )
        )
    lines.append(
        reader.say(
            "perps.margin",
            usage=money.percent(at.margin_usage, 1),
            leverage=at.leverage,
            funding=money.money(at.funding, at.quote),
        )
    )
    lines.append(_liquidation(reader, at))
    lines += [reader.say("perps.hedge_of", id=trade_id) for trade_id in at.hedge_of]
    if at.margin_usage >= _FULL:
        lines.append(reader.say("perps.full"))
    if at.difference:
        lines.append(reader.say("perps.difference", qty=money.amount(at.difference), base=at.base))
    return lines


def _liquidation(reader: Reader, at: PerpView) -> str:
    if at.liquidation is None or not at.mark:
        return reader.say("perps.no_liquidation")
    off = abs(at.liquidation / at.mark - 1)
    return reader.say("perps.liquidation", price=money.price(at.liquidation, at.quote), off=money.percent(off, 1))
