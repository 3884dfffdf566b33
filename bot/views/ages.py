"""How old something is, how long until something, and why something may not be used; in few letters."""

from bot.views import money
from bot.views.reader import Reader


def age(reader: Reader, ms: float | None) -> str:
    """0.3 s, 12 s, 3m 4s; – where it was never seen."""
    if ms is None or ms == float("inf"):
        return "–"
    unit = "초" if reader.language == "ko" else "s"
    if ms < 10_000:
        return f"{max(0.0, ms) / 1000:.1f}{unit}"
    return money.duration(int(ms), reader.language) if ms >= 60_000 else f"{ms / 1000:.0f}{unit}"


def left(reader: Reader, until_ms: int | None, now_ms: int) -> str:
    """Time until a settlement: 3h 12m; – where it is not known."""
    return "–" if until_ms is None else money.duration(until_ms - now_ms, reader.language)


def hours(interval_ms: int | None, language: str) -> str:
    """8h, 8시간; ? where it is not known."""
    if interval_ms is None:
        return "?"
    return f"{interval_ms / 3_600_000:g}{'시간' if language == 'ko' else 'h'}"


def why(reader: Reader, reason: str) -> str:
    """The engine's reason, `not_synced:gap` too, in the reader's words."""
    name, _, detail = reason.partition(":")
    text = reader.named("why", name)
    return f"{text} ({detail})" if detail else text
