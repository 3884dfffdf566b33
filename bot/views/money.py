"""Numbers as traders read them: ₩1,234,567, 123만, 1.2억, +1.24 %. Rounded half-even, for display only."""

from decimal import ROUND_HALF_EVEN, Decimal

MAN = Decimal(10_000)
EOK = Decimal(100_000_000)
MINUS = "−"


def _decimal(value: Decimal | float | int) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(repr(value))


def _rounded(value: Decimal, places: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)


def number(value: Decimal | float | int, places: int = 0) -> str:
    """Grouped by thousands with a true minus sign; never "−0"."""
    rounded = _rounded(_decimal(value), places)
    return (MINUS if rounded < 0 else "") + f"{abs(rounded):,.{places}f}"


def won(value: Decimal | float | int) -> str:
    """₩1,234,567; −₩12,300."""
    rounded = _rounded(_decimal(value), 0)
    return f"{MINUS if rounded < 0 else ''}₩{abs(rounded):,}"


def won_signed(value: Decimal | float | int) -> str:
    """A result: +₩1,234, −₩1,234, ₩0."""
    rounded = _rounded(_decimal(value), 0)
    return f"+{won(rounded)}" if rounded > 0 else won(rounded)


def won_short(value: Decimal | float | int, language: str) -> str:
    """A size: ₩123만 and ₩1.2억 in Korean, ₩1.23M and ₩1.2B in English; small sums in full."""
    exact = _decimal(value)
    size = abs(exact)
    sign = MINUS if exact < 0 else ""
    if language != "ko":
        for unit, name in ((Decimal(1_000_000_000), "B"), (Decimal(1_000_000), "M")):
            if size >= unit:
                return f"{sign}₩{_trimmed(size / unit, 2)}{name}"
        return won(exact)
    # 99,999,500 would round to 10,000만: that is 1억.
    if _rounded(size / MAN, 0) >= MAN:
        return f"{sign}₩{_trimmed(size / EOK, 2)}억"
    if size >= MAN:
        return f"{sign}₩{_trimmed(size / MAN, 0 if size >= 100 * MAN else 1)}만"
    return won(exact)


def _trimmed(value: Decimal, places: int) -> str:
    text = f"{_rounded(value, places):,.{places}f}"
    return text.rstrip("0").rstrip(".") if places else text


def percent(ratio: Decimal | float, places: int = 2) -> str:
    """A plain ratio as percent: 0.0124 -> 1.24 %."""
    return number(_decimal(ratio) * 100, places) + " %"


def percent_signed(ratio: Decimal | float, places: int = 2) -> str:
    """+1.24 %, −0.30 %, 0.00 %."""
    text = percent(ratio, places)
    return f"+{text}" if _rounded(_decimal(ratio) * 100, places) > 0 else text


def bps(value: Decimal | float) -> str:
    """Basis points with sign: +3.2 bp."""
    text = number(value, 1)
    return f"+{text} bp" if _rounded(_decimal(value), 1) > 0 else f"{text} bp"


def amount(value: Decimal | float, places: int = 8) -> str:
    """A quantity of an asset: up to 8 places, no trailing zeros: 0.0123, 1,240.5."""
    text = number(value, places)
    return text.rstrip("0").rstrip(".") if "." in text else text


def price(value: Decimal | float, quote: str) -> str:
    """A price in its quote asset: ₩95,120,000, ₩3,112, ₩842.5, 64,210.5 USDT, 2.2034 USDT, ₩0.01234."""
    exact = _decimal(value)
    digits = exact.adjusted() if exact else 0
    if quote == "KRW":
        places = 0 if digits >= 3 else max(0, 3 - digits)
        text = number(exact, places)
        return f"₩{text.rstrip('0').rstrip('.') if '.' in text else text}"
    return f"{amount(exact, max(2, 5 - digits))} {quote}"


def money(value: Decimal | float, asset: str) -> str:
    """A sum in its asset: ₩1,234 or 12.34 USDT or 0.00012 BTC."""
    if asset == "KRW":
        return won(value)
    if asset in ("USDT", "USDC", "USD"):
        return f"{number(value, 2)} {asset}"
    return f"{amount(value)} {asset}"


def duration(ms: int, language: str) -> str:
    """Two units at most: 3일 4시간, 12분 5초; 3d 4h, 12m 5s."""
    names = ("일", "시간", "분", "초") if language == "ko" else ("d", "h", "m", "s")
    seconds = max(0, ms) // 1000
    parts = (seconds // 86_400, seconds // 3600 % 24, seconds // 60 % 60, seconds % 60)
    first = next((index for index, part in enumerate(parts) if part), 3)
    return " ".join(f"{parts[index]}{names[index]}" for index in range(first, min(first + 2, 4)))
