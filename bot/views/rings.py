"""What an alert says under its title: for every kind one sentence of the reader's own, from its venue and numbers."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from bot.texts import number_name, rule_title
from bot.views import money
from bot.views.reader import Reader
from engine.control.messages import AlertView

Numbers = Mapping[str, str]
Sentence = Callable[[Reader, Numbers], str]
_HELD = ("halted", "paused")  # of a stop for which nothing is sent


def sentence(reader: Reader, view: AlertView) -> str:
    """The engine's English where we do not know the kind, or where an older engine brings fewer figures."""
    say = SENTENCES.get(view.rule)
    if say is None:
        return view.text
    try:
        return say(reader, {"coin": view.coin, **view.numbers})
    except KeyError:
        return view.text


def breaker(reader: Reader, name: str) -> str:
    """`order_failures:upbit`: a venue has its own."""
    kind, _, venue = name.partition(":")
    title = reader.named("breaker", kind)
    return f"{title} ({reader.named('venue', venue)})" if venue else title


def _as_is(key: str) -> Sentence:
    """A text whose placeholders are the numbers themselves."""
    return lambda reader, numbers: reader.plain(key, **numbers)


def _level(reader: Reader, numbers: Numbers) -> str:
    return reader.plain(
        "ring.level",
        value=money.percent_signed(float(numbers["value"])),
        side=reader.named("side", numbers["side"]),
        level=money.percent_signed(Decimal(numbers["level"])),
    )


def _sign_flip(reader: Reader, numbers: Numbers) -> str:
    value = money.percent_signed(float(numbers["value"]))
    return reader.plain("ring.sign_flip", figure=reader.named("figure", numbers["figure"]), value=value)


def _venue_down(reader: Reader, numbers: Numbers) -> str:
    return reader.plain("ring.venue_away" if "away_s" in numbers else "ring.venue_cut", **numbers)


def _gate(key: str) -> Sentence:
    return lambda reader, numbers: reader.plain(key, way=reader.named("way", numbers["way"]), coin=numbers["coin"])


def _warning(key: str) -> Sentence:
    return lambda reader, numbers: reader.plain(
        key, kind=reader.named("warning", numbers["kind"]), word=numbers["word"]
    )


def _countdown_off(reader: Reader, numbers: Numbers) -> str:
    if "foreign" in numbers:
        return reader.plain("venues.countdown_shared", count=numbers["foreign"])
    return reader.plain("ring.countdown_off", **numbers)


def _pace(key: str) -> Sentence:
    def say(reader: Reader, numbers: Numbers) -> str:
        stage, path = reader.named("stage", numbers["stage"]), reader.named("path", numbers["path"])
        used = "ring.venue_tried" if numbers["took_ms"] == "0" else key
        return reader.plain(used, stage=stage, path=path, took=numbers["took_ms"], usual=numbers["usual_ms"])

    return say


def _margin_usage(reader: Reader, numbers: Numbers) -> str:
    where = reader.plain("ring.near", **numbers) if numbers.get("liquidation") else ""
    return reader.plain("ring.margin_usage", usage=numbers["usage"], where=where)


def _left(key: str) -> Sentence:
    return lambda reader, numbers: reader.plain(key if numbers["left"] else "ring.all_flat", left=numbers["left"])


def _amount(reader: Reader, value: str, asset: str) -> str:
    """₩123만, −1.50 USDT, 0.0123 BTC."""
    exact = Decimal(value)
    return money.won_short(exact, reader.language) if asset == "KRW" else money.money(exact, asset)


def _signed(reader: Reader, value: str, asset: str) -> str:
    shown = _amount(reader, value, asset)
    return f"+{shown}" if Decimal(value) > 0 else shown


def _ledger_mismatch(reader: Reader, numbers: Numbers) -> str:
    """The numbers are asset -> difference."""
    found = [f"{asset} {_signed(reader, value, asset)}" for asset, value in numbers.items() if asset != "coin"]
    return reader.plain("ring.ledger_mismatch", differences=" · ".join(found))


def _leg(reader: Reader, numbers: Numbers) -> str:
    """Upbit buy 0.0123 BTC (≈ ₩1.72M)."""
    return reader.plain(
        "ring.leg",
        venue=reader.named("venue", numbers["at"]),
        side=reader.named("side", numbers["side"]),
        qty=_amount(reader, numbers["naked"], numbers["base"]),
        krw=money.won_short(Decimal(numbers["krw"]), reader.language),
    )


def _naked(reader: Reader, numbers: Numbers) -> str:
    if "naked" not in numbers:
        return _position(reader, numbers)
    key = "ring.naked_halted" if numbers["halt"] == "2" else "ring.naked"
    return reader.plain(key, leg=_leg(reader, numbers))


def _position(reader: Reader, numbers: Numbers) -> str:
    """A trade of one leg has no partner to lack: what is left is a position."""
    return reader.plain("ring.position_left", venue=reader.named("venue", numbers["at"]), symbol=numbers["symbol"])


def _dead_letter(reader: Reader, numbers: Numbers) -> str:
    if "naked" not in numbers:
        return _position(reader, numbers)
    key = "ring.dead_letter_halted" if numbers["halt"] == "2" else "ring.dead_letter"
    return reader.plain(key, leg=_leg(reader, numbers))


def _order(key: str) -> Sentence:
    """Of one order: its side, size, worth and what is known of it."""

    def say(reader: Reader, numbers: Numbers) -> str:
        base = numbers["base"]
        shown = reader.plain(
            "ring.order",
            side=reader.named("side", numbers["side"]),
            qty=_amount(reader, numbers["qty"], base),
            symbol=numbers["symbol"],
            krw=money.won_short(Decimal(numbers["krw"]), reader.language),
        )
        return reader.plain(
            key,
            order=shown,
            filled=_amount(reader, numbers["filled"], base),
            status=reader.named("order", numbers["status"]),
            was=reader.named("order", numbers.get("was", "")),
            by=numbers.get("by", ""),
        )

    return say


def _fill(key: str) -> Sentence:
    """Of an order that is not ours: what it has filled, at which price and for how much where that was told."""

    def say(reader: Reader, numbers: Numbers) -> str:
        quote, price = numbers["quote"], numbers["price"]
        at = ""
        if price:
            worth = money.money(Decimal(numbers["worth"]), quote)
            at = reader.plain("ring.fill_at", price=money.price(Decimal(price), quote), worth=worth)
        fill = reader.plain(
            "ring.fill",
            symbol=numbers["symbol"],
            side=reader.named("side", numbers["side"]),
            qty=_amount(reader, numbers["qty"], numbers["base"]),
            at=at,
        )
        return reader.plain(key, fill=fill, cid=numbers["cid"])

    return say


def _order_paused(reader: Reader, numbers: Numbers) -> str:
    return reader.plain(
        "ring.order_paused",
        order=numbers["order"],
        side=reader.named("side", numbers["side"]),
        qty=_amount(reader, numbers["qty"], numbers["base"]),
        why=rule_title(reader.language, numbers["rule"]),
    )


def _taken_back(reader: Reader, numbers: Numbers) -> str:
    key = "ring.order_taken_back" if numbers["named"] == "yes" else "ring.order_not_seen"
    return reader.plain(key, **numbers)


def _stop(key: str) -> Sentence:
    """Of a stop-loss: what it was to do, at which price at the worst, and what is left of it."""

    def say(reader: Reader, numbers: Numbers) -> str:
        base, quote = numbers["base"], numbers["quote"]
        return reader.plain(
            key,
            order=numbers["order"],
            side=reader.named("side", numbers["side"]),
            qty=_amount(reader, numbers["qty"], base),
            left=_amount(reader, numbers.get("unfilled", "0"), base),
            stop=money.price(Decimal(numbers["stop"]), quote),
            limit=money.price(Decimal(numbers["limit"]), quote),
            why=rule_title(reader.language, numbers["rule"])
            if numbers.get("rule")
            else numbers.get("why") or reader.plain("ring.unsold"),
            then=reader.plain("ring.stop_waits" if numbers.get("rule") in _HELD else "ring.stop_tries"),
        )

    return say


def _clock(key: str) -> Sentence:
    """Seconds with their sign; how far it is uncertain and what is allowed."""

    def say(reader: Reader, numbers: Numbers) -> str:
        off, around, limit = (Decimal(numbers[name]) / 1_000 for name in ("offset_ms", "uncertain_ms", "limit_ms"))
        sign = "+" if off > 0 else ""
        shown = sign + money.number(off, 1)
        return reader.plain(key, off=shown, around=money.number(around, 1), limit=money.number(limit, 1))

    return say


def _quarantined(reader: Reader, numbers: Numbers) -> str:
    if "off" not in numbers:
        return reader.plain("ring.agrees_again")
    return reader.plain("ring.quarantined", off=money.percent_signed(float(numbers["off"]), 1))


def _released(reader: Reader, numbers: Numbers) -> str:
    return reader.plain("ring.released", off=money.percent_signed(float(numbers["off"]), 1), by=numbers["by"])


def _rules_changed(reader: Reader, numbers: Numbers) -> str:
    """The numbers are figure -> `old → new`."""
    found = [f"{number_name(reader.language, name)} {said}" for name, said in numbers.items() if name != "coin"]
    return reader.plain("ring.rules_changed", changes=" · ".join(found))


def _journal(reader: Reader, numbers: Numbers) -> str:
    return reader.plain("ring.journal_broken" if "reason" in numbers else "ring.journal_back", **numbers)


def _breaker(reader: Reader, numbers: Numbers) -> str:
    return reader.plain("ring.breaker", breaker=breaker(reader, numbers["breaker"]))


SENTENCES: Mapping[str, Sentence] = {
    "k_usdt": _level,
    "k_fx": _level,
    "tether": _level,
    "funding": _level,
    "basis": _level,
    "sign_flip": _sign_flip,
    "interval_changed": _as_is("ring.interval_changed"),
    "rate_budget": _as_is("ring.rate_budget"),
    "venue_down": _venue_down,
    "venue_up": _as_is("ring.venue_back"),
    "venue_ready": _as_is("ring.venue_ready"),
    "venue_slow": _pace("ring.venue_slow"),
    "venue_paced": _pace("ring.venue_paced"),
    "gate_closed": _gate("ring.gate_closed"),
    "gate_opened": _gate("ring.gate_opened"),
    "market_warning": _warning("ring.market_warning"),
    "warning_over": _warning("ring.warning_over"),
    "rules_changed": _rules_changed,
    "unmapped": _as_is("ring.unmapped"),
    "quarantined": _quarantined,
    "released": _released,
    "countdown_off": _countdown_off,
    "countdown_on": _as_is("ring.countdown_on"),
    "margin_usage": _margin_usage,
    "margin_eased": _as_is("ring.margin_eased"),
    "liquidation_near": _as_is("ring.liquidation_near"),
    "flattening": _left("ring.left"),
    "flatten_stuck": _left("ring.stuck"),
    "ledger_mismatch": _ledger_mismatch,
    "ledger_agrees": _as_is("ring.ledger_agrees"),
    "balance_below_zero": _as_is("ring.balance_below_zero"),
    "foreign_orders": _as_is("ring.foreign_orders"),
    "stray_orders": _as_is("ring.stray_orders"),
    "foreign_fill": _fill("ring.foreign_fill"),
    "stray_fill": _fill("ring.stray_fill"),
    "order_unknown": _order("ring.order_unknown"),
    "unknown_resolved": _order("ring.unknown_resolved"),
    "late_order": _order("ring.late_order"),
    "overfilled": _order("ring.overfilled"),
    "resolved_by_hand": _order("ring.resolved_by_hand"),
    "order_forgotten": _order("ring.order_forgotten"),
    "order_stuck": _order("ring.order_stuck"),
    "order_taken_back": _taken_back,
    "order_paused": _order_paused,
    "orders_held": _as_is("ring.orders_held"),
    "stop_went_off": _stop("ring.stop_went_off"),
    "stop_unfilled": _stop("ring.stop_unfilled"),
    "stop_gone": _stop("ring.stop_gone"),
    "account_unread": _as_is("ring.account_unread"),
    "account_read": _as_is("ring.account_read"),
    "clock_off": _clock("ring.clock_off"),
    "clock_agrees": _clock("ring.clock_agrees"),
    "naked": _naked,
    "dead_letter": _dead_letter,
    "breaker": _breaker,
    "journal": _journal,
    "bad_setting": _as_is("ring.bad_setting"),
    "token_misuse": _as_is("ring.token_misuse"),
    "more_alerts": _as_is("ring.count"),
    "held_back": _as_is("ring.count"),
}
