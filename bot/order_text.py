"""`buy BTC 0.5 upbit twap 10m` as an order, in Korean words too. A word without meaning is an error, never a guess."""

import re
from decimal import Decimal, InvalidOperation

from pydantic import ValidationError

from engine.control.messages import OrderBody

SIDES = {"buy": "buy", "매수": "buy", "사기": "buy", "sell": "sell", "매도": "sell", "팔기": "sell"}
TEMPLATES = {
    **{name: name for name in ("sweep", "ioc", "fok", "limit", "ladder", "twap", "vwap", "iceberg", "buckets", "stop")},
    **{"market": "sweep", "시장가": "sweep", "즉시": "ioc", "전량": "fok", "지정가": "limit", "사다리": "ladder"},
    **{"분할": "twap", "거래량": "vwap", "빙산": "iceberg", "단계": "buckets", "손절": "stop"},
}
VENUES = {
    **{
        "best": "best",
        "최적": "best",
        "업비트": "upbit",
        "빗썸": "bithumb",
        "코인원": "coinone",
        "바이낸스": "binance",
    },
    **{"오케이엑스": "okx", "바이비트": "bybit", "쿠코인": "kucoin", "게이트": "gate", "비트겟": "bitget"},
}
_UNITS_MS = {"s": 1_000, "초": 1_000, "m": 60_000, "분": 60_000, "h": 3_600_000, "시간": 3_600_000}
_DURATION = re.compile(r"(\d{1,5})(s|m|h|초|분|시간)")
_PARTS = re.compile(r"x(\d{1,3})|(\d{1,3})(?:개|회)")
_BAND = re.compile(r"(\d{1,3}(?:\.\d{1,2})?)bp")
_SHOWN = re.compile(r"(?:show|노출)=(\d{1,12}(?:\.\d{1,12})?)")
_PRICE = re.compile(r"@?(\d{1,3}(?:,\d{3})+(?:\.\d{1,12})?|\d{1,15}(?:\.\d{1,12})?)")
_VENUE = re.compile(r"[a-z][a-z0-9_]{1,30}")
_FOLLOWS = frozenset({"follow", "추적"})
_REDUCES = frozenset({"reduce", "축소"})
_COIN = re.compile(r"[A-Z0-9]{1,15}")


class NotUnderstood(Exception):
    """`word` is what could not be read; "" where something is missing."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


def parse(text: str) -> OrderBody:
    """side coin size [venue] template [price] [time] [x parts] [band bp] [show=size] [follow] [reduce].

    Raises NotUnderstood.
    """
    words = text.split()
    if len(words) < 4:
        raise NotUnderstood("")
    side, coin, size, *rest = words
    if side.lower() not in SIDES:
        raise NotUnderstood(side)
    if not _COIN.fullmatch(coin.upper()):
        raise NotUnderstood(coin)
    values: dict[str, object] = {
        "side": SIDES[side.lower()],
        "base": coin.upper(),
        "qty": _number(size),
        "venue": "best",
    }
    where = rest[0].lower()
    if where in VENUES or (where not in TEMPLATES and _VENUE.fullmatch(where)):
        values["venue"] = VENUES.get(where, where)
        rest = rest[1:]
    if not rest:
        raise NotUnderstood("")
    if rest[0].lower() not in TEMPLATES:
        raise NotUnderstood(rest[0])
    values["template"] = TEMPLATES[rest[0].lower()]
    for word in rest[1:]:
        _take(values, word)
    try:
        return OrderBody.model_validate(values)
    except ValidationError as error:
        raise NotUnderstood(".".join(str(step) for step in error.errors()[0]["loc"])) from error


def _take(values: dict[str, object], word: str) -> None:
    """One word after the template; none may come twice. A stop's first price is its stop."""
    if found := _DURATION.fullmatch(word):
        name, value = "over_ms", int(found[1]) * _UNITS_MS[found[2]]
    elif found := _PARTS.fullmatch(word):
        name, value = "parts", int(found[1] or found[2])
    elif found := _BAND.fullmatch(word):
        name, value = "band_bps", found[1]  # type: ignore[assignment]
    elif found := _SHOWN.fullmatch(word):
        name, value = "shown", found[1]  # type: ignore[assignment]
    elif found := _PRICE.fullmatch(word):
        is_stop = values["template"] == "stop" and "stop" not in values
        name, value = "stop" if is_stop else "price", _number(found[1])  # type: ignore[assignment]
    elif word.lower() in _FOLLOWS:
        name, value = "follow", True
    elif word.lower() in _REDUCES:
        name, value = "reduce_only", True
    else:
        raise NotUnderstood(word)
    if name in values:
        raise NotUnderstood(word)
    values[name] = value


def _number(text: str) -> Decimal:
    try:
        value = Decimal(text.replace(",", ""))
    except InvalidOperation as error:
        raise NotUnderstood(text) from error
    if not value.is_finite() or value <= 0:
        raise NotUnderstood(text)
    return value
