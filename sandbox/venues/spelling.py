"""How numbers and times are written on the wire, venue by venue."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

import msgspec

KST = timezone(timedelta(hours=9))
_FOUR = Decimal("0.0001")
_EIGHT = Decimal("0.00000001")

json_bytes = msgspec.json.Encoder(decimal_format="number").encode


@lru_cache(maxsize=8192)
def plain(number: Decimal) -> str:
    """No exponent, no trailing zeros: `0.1`, `95000000`."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@lru_cache(maxsize=8192)
def fixed(number: Decimal, places: int = 8) -> str:
    """Trailing zeros kept: `0.10000000`."""
    return f"{number:.{places}f}"


@lru_cache(maxsize=8192)
def java_double(number: Decimal) -> str:
    """A double as Java prints it: `1.16539E8`, `3080.0`, `7.9276E-4`."""
    if number == 0:
        return "0.0"
    if Decimal("0.001") <= abs(number) < 10_000_000:
        text = plain(number)
        return text if "." in text else text + ".0"
    digits = number.normalize()
    exponent = digits.adjusted()
    mantissa = plain(digits.scaleb(-exponent))
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{exponent}"


@lru_cache(maxsize=8192)
def java_plain(number: Decimal) -> str:
    """A price in SIMPLE frames: plain, with one decimal at least."""
    text = plain(number)
    return text if "." in text else text + ".0"


@lru_cache(maxsize=8192)
def four_places(number: Decimal) -> str:
    """Bithumb's sizes: dust rounds to `0`."""
    return plain(number.quantize(_FOUR, ROUND_HALF_UP))


def kst(ms: int) -> str:
    """`2024-07-09T16:32:23+09:00`."""
    return datetime.fromtimestamp(ms // 1000, KST).isoformat()


def utc_parts(ms: int, zone: timezone = UTC) -> tuple[str, str]:
    """Date and time of day: `2026-08-13`, `09:24:46`."""
    moment = datetime.fromtimestamp(ms / 1000, zone)
    return moment.strftime("%Y-%m-%d"), moment.strftime("%H:%M:%S")
