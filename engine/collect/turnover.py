"""Turnover by hour of the day, out of collected candles or the venue's own, in a process of its own.

`python -m engine.collect.turnover` reads one `Asked` from standard input and writes one `Told`: ccxt and Parquet stay
out of the engine's memory.
"""

import asyncio
import logging
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from engine.config import VenueConfig
from engine.domain.errors import ConfigError, VenueRefused, VenueUnavailable

log = logging.getLogger(__name__)

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
LIMIT_S = 90.0
_DAYS = 7
_LEAST_HOURS = 48  # that something is known of
_TIMEFRAMES = ("1m", "3m", "5m", "15m", "30m", "1h")


class Asked(Struct, frozen=True, kw_only=True):
    """`history`: folder of `premia collect`; used where it holds enough, else the venue is asked."""

    venue: str
    symbol: str
    config: VenueConfig
    history: str
    to_ms: int


class Told(Struct, frozen=True, kw_only=True):
    curve: tuple[float, ...] = ()  # base, an hour of an average day; by hour, UTC
    source: str = ""
    error: str = ""


def by_hour(candles: Iterable[tuple[int, float]], to_ms: int) -> tuple[float, ...]:
    """Average turnover of each hour of the day, UTC, since the first candle; () where that is too short.

    `candles`: (begin in ms, volume), of an hour or less. An hour without a candle is one without trades.
    """
    found = [(at_ms, volume) for at_ms, volume in candles if at_ms < to_ms and volume >= 0]
    if not found:
        return ()
    first = min(at_ms for at_ms, _ in found) // HOUR_MS
    last = to_ms // HOUR_MS  # the hour under way is not whole
    if last - first < _LEAST_HOURS:
        return ()
    sums, hours = [0.0] * 24, [0] * 24
    for at_ms, volume in found:
        if at_ms // HOUR_MS < last:
            sums[at_ms // HOUR_MS % 24] += volume
    for hour in range(first, last):
        hours[hour % 24] += 1
    curve = tuple(total / count for total, count in zip(sums, hours, strict=True))
    return curve if 0 < sum(curve) < float("inf") else ()


async def _read(asked: Asked) -> Told:
    curve = by_hour(_stored(asked), asked.to_ms)
    if curve:
        return Told(curve=curve, source="collected")
    from engine.collect.source import Source  # ccxt: only where nothing is collected

    source = Source(asked.venue, asked.config)
    found: list[tuple[int, float]] = []
    try:
        symbol = await source.symbol(asked.symbol)
        at_ms = (asked.to_ms - _DAYS * DAY_MS) // HOUR_MS * HOUR_MS
        while at_ms < asked.to_ms:
            page = await source.candles(symbol, "1h", at_ms, HOUR_MS)
            found += [(int(str(row[0])), float(str(row[5]))) for row in page]
            at_ms += source.candles_per_page * HOUR_MS
    except (VenueRefused, VenueUnavailable) as error:
        return Told(error=str(error))
    finally:
        await source.close()
    curve = by_hour(found, asked.to_ms)
    return Told(curve=curve, source=asked.venue, error="" if curve else f"{len(found)} hours with trades are known")


def _stored(asked: Asked) -> list[tuple[int, float]]:
    """Of the finest candles that `premia collect` has stored of the last days; a folder of others' is none."""
    from engine.collect.store import Series  # pyarrow

    kinds = Path(asked.history, f"venue={asked.venue}")
    for timeframe in _TIMEFRAMES:
        if not (kinds / f"kind=candles-{timeframe}").is_dir():
            continue
        try:
            rows = Series(Path(asked.history), asked.venue, f"candles-{timeframe}", asked.symbol).rows(
                asked.to_ms - _DAYS * DAY_MS, asked.to_ms
            )
        except (ConfigError, OSError) as error:
            log.warning("history_unreadable error=%s", error)
            continue
        if rows and int(str(rows[-1][0])) > asked.to_ms - 2 * DAY_MS:  # else it is of another week
            return [(int(str(row[0])), float(str(row[5]))) for row in rows]
    return []


def main() -> None:
    asked = msgspec.json.decode(sys.stdin.buffer.readline(), type=Asked, strict=False)
    try:
        told = asyncio.run(asyncio.wait_for(_read(asked), LIMIT_S))
    except (ConfigError, TimeoutError) as error:
        told = Told(error=str(error) or f"no answer within {LIMIT_S:.0f} s")
    sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")


if __name__ == "__main__":
    main()
