"""A trade as its receipt: both legs planned beside done, then the money."""

from bot.views import money
from bot.views.content import Content
from bot.views.reader import Reader
from bot.views.refusals import reason_of
from engine.control.messages import FillView, TradeView


def receipt(reader: Reader, trade: TradeView, *, coin: str = "", actor: str = "") -> Content:
    name = coin or trade.legs[0].base if trade.legs else coin
    title = reader.say(
        f"receipt.{_stage(trade)}", coin=name, strategy=reader.named("strategy", trade.strategy), qty=_naked(trade)
    )
    lines: list[str] = [title, *(_leg(reader, leg) for leg in trade.legs)]
    if trade.state in ("closed", "dead_letter"):
        lines += _money_lines(reader, trade)
    else:
        lines.append(reader.say("receipt.expected", krw=money.won_signed(trade.pnl.expected_krw)))
    unknowns = sum(leg.unknowns for leg in trade.legs)
    if unknowns:
        lines.append(reader.say("receipt.unknowns" if trade.closed_ms else "receipt.unknown_open", count=unknowns))
    if trade.reason:
        lines.append(reader.say("receipt.reason", reason=reason_of(reader, trade.reason)))
    lines.append(_footer(reader, trade, actor))
    text = "\n".join(lines)
    return Content(text=text, core=text, brief=_brief(reader, trade, title))


def _stage(trade: TradeView) -> str:
    if trade.state == "closed":
        return trade.outcome if trade.outcome in ("balanced", "unwound", "hedged", "nothing_filled") else "closed"
    return trade.state if trade.state in ("naked", "dead_letter") else "working"


def _naked(trade: TradeView) -> str:
    base = trade.legs[0].base if trade.legs else ""
    return f"{money.amount(trade.naked_qty)} {base}"


def _leg(reader: Reader, leg: FillView) -> str:
    if leg.is_hedge:
        return _hedge(reader, leg)
    done = leg.filled_qty > 0
    line: str = reader.say(
        f"receipt.{leg.side}" if done else f"receipt.{leg.side}_empty",
        venue=reader.named("venue", leg.venue),
        filled=money.amount(leg.filled_qty),
        planned=money.amount(leg.planned_qty),
        base=leg.base,
        price=money.price(leg.fill_price if done else leg.planned_price, leg.quote),
        slippage=money.bps(leg.slippage_bps),
        fees=" + ".join(money.money(amount, asset) for asset, amount in leg.fees.items()) or "0",
        status=reader.named("order", leg.status),
    )
    if leg.unwound_qty:
        line += "\n" + reader.say("receipt.unwound_qty", qty=money.amount(leg.unwound_qty), base=leg.base)
    return line


def _hedge(reader: Reader, leg: FillView) -> str:
    line: str = reader.say(
        f"receipt.hedge_{leg.side}",
        venue=reader.named("venue", leg.venue),
        filled=money.amount(leg.filled_qty),
        base=leg.base,
        price=money.price(leg.fill_price, leg.quote),
        fees=" + ".join(money.money(amount, asset) for asset, amount in leg.fees.items()) or "0",
    )
    if leg.unwound_qty:
        line += "\n" + reader.say("receipt.hedge_back", qty=money.amount(leg.unwound_qty), base=leg.base)
    return line


def _money_lines(reader: Reader, trade: TradeView) -> list[str]:
    pnl = trade.pnl
    lines: list[str] = [
        reader.say("receipt.pnl", net=money.won_signed(pnl.net_krw), expected=money.won_signed(pnl.expected_krw)),
        reader.say(
            "receipt.parts",
            spread=money.won_signed(pnl.spread_krw),
            fees=money.won_signed(-pnl.fees_krw),
            slippage=money.won_signed(-pnl.slippage_krw),
        ),
    ]
    if pnl.unwind_krw:
        lines.append(reader.say("receipt.unwind", krw=money.won_signed(pnl.unwind_krw)))
    return lines


def _footer(reader: Reader, trade: TradeView, actor: str) -> str:
    who = actor or (reader.plain("actor.auto") if trade.actor == "auto" else trade.actor)
    if not trade.closed_ms:
        return reader.say("receipt.started", time=reader.clock(trade.opened_ms), actor=who)
    seconds = f"{max(0, trade.closed_ms - trade.opened_ms) / 1000:.1f}"
    return reader.say("receipt.took", time=reader.clock(trade.closed_ms), seconds=seconds, actor=who)


def _brief(reader: Reader, trade: TradeView, title: str) -> str:
    if trade.state != "closed":
        return title
    return f"{title} {money.won_signed(trade.pnl.net_krw)}"
