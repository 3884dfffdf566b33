"""/dlq: what only a person can settle, each with what is open, what it is worth and how it came."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from bot.views import money
from bot.views.content import Button, Content, Markup
from bot.views.reader import Reader
from bot.views.receipt import receipt
from engine.control.messages import OrderView, TradeView

SHOWN = 5


def board(
    reader: Reader,
    trades: Sequence[TradeView],
    unknown: Sequence[OrderView],
    usdt_krw: float,
    data: Mapping[tuple[str, str], str],
) -> Content:
    """Dead letters, then orders without an answer. `data`: (retry | close | unknown, id) -> callback data."""
    if not trades and not unknown:
        return Content(text=reader.say("dlq.none"))
    parts: list[str] = []
    rows: list[tuple[Button, ...]] = []
    if trades:
        parts.append(reader.say("dlq.title", count=len(trades)))
    for trade in trades[:SHOWN]:
        opened = reader.say("dlq.open", qty=open_of(trade), krw=money.won(trade.naked_krw), id=trade.id)
        parts.append(f"{receipt(reader, trade).text}\n{opened}")
        rows.append(_buttons(reader, _coin(trade), [("retry", trade.id), ("close", trade.id)], data))
    if unknown:
        parts.append(reader.say("dlq.unknowns", count=len(unknown)))
    for order in unknown[:SHOWN]:
        parts.append(_unknown_row(reader, order, usdt_krw))
        rows.append(_buttons(reader, order.request.symbol, [("unknown", order.request.cid)], data))
    hidden = max(0, len(trades) - SHOWN) + max(0, len(unknown) - SHOWN)
    if hidden:
        parts.append(reader.say("more", count=hidden))
    return Content(text="\n\n".join(parts), rows=tuple(row for row in rows if row))


def _buttons(
    reader: Reader, coin: str, wanted: list[tuple[str, str]], data: Mapping[tuple[str, str], str]
) -> tuple[Button, ...]:
    names = {"retry": "button.dlq_retry", "close": "button.dlq_close", "unknown": "button.dlq_unknown"}
    return tuple(
        Button(text=reader.plain(names[what], coin=coin), data=data[what, key])
        for what, key in wanted
        if (what, key) in data
    )


def _coin(trade: TradeView) -> str:
    return trade.legs[0].base if trade.legs else trade.key


def open_of(trade: TradeView) -> str:
    return f"{money.amount(abs(trade.naked_qty))} {_coin(trade)}"


def price_of(trade: TradeView) -> Decimal:
    """The planned price of its first leg: a start for whoever types the real one."""
    return trade.legs[0].planned_price if trade.legs else Decimal(0)


def _unknown_row(reader: Reader, order: OrderView, usdt_krw: float) -> Markup:
    request = order.request
    rate = Decimal(1) if "KRW" in request.symbol else Decimal(repr(usdt_krw))
    return reader.say(
        "dlq.unknown_row",
        venue=reader.named("venue", request.venue),
        side=reader.named("side", request.side),
        qty=money.amount(request.qty),
        symbol=request.symbol,
        price=money.amount(request.price),
        krw=money.won(request.qty * request.price * rate),
        time=reader.clock(order.sent_ms),
        reason=order.reason[:200],
        cid=request.cid,
    )


def how_to_close(reader: Reader, trade_id: str, qty: str, price: str) -> Content:
    return Content(text=reader.say("dlq.how_close", id=trade_id, qty=qty, price=price))


def how_to_resolve(reader: Reader, cid: str, qty: str, price: str) -> Content:
    return Content(text=reader.say("dlq.how_unknown", cid=cid, qty=qty, price=price))
