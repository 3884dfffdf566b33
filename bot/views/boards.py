"""What stands: status, venues, opportunities, trades under way, balances. Lists are cut to fit one message."""

from collections.abc import Sequence
from decimal import Decimal

from bot.views import money, rings
from bot.views.card import headline
from bot.views.content import Content
from bot.views.reader import Reader
from bot.views.receipt import receipt
from engine.control.messages import BalanceView, OpportunityView, StatusView, TradeView, VenueView, WatchdogView

_SHOWN = 12


def status(reader: Reader, view: StatusView) -> Content:
    """Level, venues, rates and today's result; small enough to be the pinned card."""
    lines: list[str] = [
        reader.say(f"status.level{view.level}", reason=view.level_reason or "–"),
        reader.say("status.ready" if view.ready else "status.not_ready"),
        "",
        *(_venue_line(reader, venue) for venue in view.venues),
        "",
        reader.say(
            "status.modes",
            modes=" · ".join(
                f"{reader.named('strategy', name)} {reader.named('mode', mode)}"
                for name, mode in view.strategies.items()
            ),
        ),
        reader.say("status.work", opportunities=view.opportunities, trades=view.working_trades),
    ]
    if view.unknown_orders or view.dead_letters:
        lines.append(reader.say("status.trouble", unknown=view.unknown_orders, dead=view.dead_letters))
    open_breakers = [name for name, state in view.breakers.items() if state != "closed"]
    if open_breakers:
        lines.append(reader.say("status.breakers", names=", ".join(rings.breaker(reader, n) for n in open_breakers)))
    if view.watchdog.known:
        lines.append(_watchdog(reader, view.watchdog))
    lines.append(_rates(reader, view))
    lines.append(reader.say("status.pnl", krw=money.won_signed(view.pnl_today_krw), trades=view.trades_today))
    core = "\n".join(lines)
    as_of = reader.say(
        "status.as_of", time=reader.clock(view.wall_ms), uptime=money.duration(view.uptime_ms, reader.language)
    )
    return Content(text=f"{core}\n{as_of}", core=core)


def _watchdog(reader: Reader, found: WatchdogView) -> str:
    """Without ages: the pinned card is edited only where something has changed."""
    if not found.alive:
        return reader.say("status.watchdog_gone")
    if not found.act:
        return reader.say("status.watchdog", sight=reader.named("sight", found.sight))
    act = reader.named("act", found.act)
    return reader.say(
        "status.watchdog_acted", sight=reader.named("sight", found.sight), act=act, time=reader.clock(found.act_ms)
    )


def _rates(reader: Reader, view: StatusView) -> str:
    if not view.fx or not view.usdt_krw:
        return reader.say("status.no_rates")
    line = reader.say(
        "status.rates",
        fx=money.number(view.fx, 1),
        usdt=money.number(view.usdt_krw, 1),
        tether=money.percent_signed(view.usdt_krw / view.fx - 1),
    )
    return line + ("\n" + reader.say("status.fx_degraded", why=view.fx_degraded) if view.fx_degraded else "")


def _venue_line(reader: Reader, view: VenueView) -> str:
    name = reader.named("venue", view.venue)
    if not view.connected:
        return reader.say("venue.down", venue=name)
    if view.blocked:
        return reader.say("venue.blocked", venue=name, why=reader.named("blocked", view.blocked))
    if not view.ready:
        return reader.say("venue.not_ready", venue=name)
    return reader.say("venue.ready", venue=name, usable=view.books_usable, books=view.books)


def opportunities(reader: Reader, views: Sequence[OpportunityView]) -> Content:
    live = [view for view in views if view.state == "live"]
    lines: list[str] = [reader.say("opps.title", count=len(live)) if live else reader.say("opps.none")]
    for view in sorted(live, key=lambda view: view.profit_krw, reverse=True)[:_SHOWN]:
        lines.append(headline(reader, view))
        lines.append(
            reader.say(
                "opps.row",
                route=" → ".join(reader.named("venue", leg.venue) for leg in sorted(view.legs, key=lambda x: x.side)),
                net=money.percent_signed(view.net),
                profit=money.won_signed(view.profit_krw),
                notional=money.won_short(view.notional_krw, reader.language),
                mode=reader.named("mode", view.mode),
            )
        )
    if len(live) > _SHOWN:
        lines.append(reader.say("more", count=len(live) - _SHOWN))
    return Content(text="\n".join(lines))


def positions(reader: Reader, trades: Sequence[TradeView]) -> Content:
    """Trades that are not closed: under way, naked, or waiting for a person."""
    if not trades:
        return Content(text=reader.say("positions.none"))
    shown = [receipt(reader, trade).text for trade in trades[:5]]
    if len(trades) > 5:
        shown.append(reader.say("more", count=len(trades) - 5))
    return Content(text="\n\n".join((reader.say("positions.title", count=len(trades)), *shown)))


def balances(reader: Reader, rows: Sequence[BalanceView]) -> Content:
    """Per venue: what the ledger says, what is free, and where ledger and venue differ."""
    if not rows:
        return Content(text=reader.say("balance.none"))
    total = sum((row.krw for row in rows), Decimal(0))
    lines: list[str] = [reader.say("balance.title", total=money.won_short(total, reader.language))]
    for venue in dict.fromkeys(row.venue for row in rows):
        mine = [row for row in rows if row.venue == venue and (row.venue_total or row.ledger)]
        worth = sum((row.krw for row in mine), Decimal(0))
        lines.append("")
        lines.append(
            reader.say(
                "balance.venue",
                venue=reader.named("venue", venue),
                krw=money.won_short(worth, reader.language),
                share=money.percent(worth / total, 0) if total else "–",
            )
        )
        lines += [_balance_line(reader, row) for row in mine]
    return Content(text="\n".join(lines))


def _balance_line(reader: Reader, row: BalanceView) -> str:
    line: str = reader.say(
        "balance.row", amount=money.money(row.venue_total, row.asset), free=money.money(row.free, row.asset)
    )
    if row.reserved:
        line += reader.say("balance.reserved", amount=money.money(row.reserved, row.asset))
    if row.difference:
        line += "\n" + reader.say("balance.difference", amount=money.money(row.difference, row.asset))
    return line
