"""A premium path from aligned 5-minute bars of Upbit KRW-BTC and Binance BTCUSDT (mid-2025), played faster."""

import csv
import gzip
import statistics
from datetime import datetime, timedelta
from pathlib import Path

from sandbox.tape.recording import RecordingMissing

UPBIT_BARS = "upbit-krwbtc-5m-part1.csv.gz"
BINANCE_BARS = "binance-btcusdt-5m-part1.csv.gz"
_BAR = timedelta(minutes=5)


class PremiumPath:
    """How far KRW per USDT, as BTC implies it, stood from its own median: a ratio, in bar order.

    The bars hold no tether price, so the level of the premium is unknown: the path is its movement alone.
    """

    def __init__(self, folder: Path, seconds_per_bar: float = 1.75) -> None:
        self._seconds_per_bar = seconds_per_bar
        runs = _runs(_closes(folder / UPBIT_BARS), _closes(folder / BINANCE_BARS))
        self.start, self.ratios = max(runs, key=lambda run: max(run[1]) - min(run[1]))

    def at(self, seconds: float) -> float:
        """Between two bars, linear; from the start again at the end."""
        place = seconds / self._seconds_per_bar % (len(self.ratios) - 1)
        i = int(place)
        return self.ratios[i] + (self.ratios[i + 1] - self.ratios[i]) * (place - i)


def _closes(path: Path) -> dict[datetime, float]:
    if not path.is_file():
        raise RecordingMissing(f"no history at {path}")
    with gzip.open(path, "rt") as file:
        return {datetime.fromisoformat(row["timestamp_utc"]): float(row["close"]) for row in csv.DictReader(file)}


def _runs(krw: dict[datetime, float], usdt: dict[datetime, float]) -> list[tuple[datetime, list[float]]]:
    """Stretches without a hole: the downloader of the bars left some out."""
    runs: list[list[datetime]] = []
    for moment in sorted(krw.keys() & usdt.keys()):
        if runs and moment - runs[-1][-1] == _BAR:
            runs[-1].append(moment)
        else:
            runs.append([moment])
    found = []
    for run in (run for run in runs if len(run) >= 50):
        implied = [krw[moment] / usdt[moment] for moment in run]
        middle = statistics.median(implied)
        found.append((run[0], [each / middle - 1 for each in implied]))
    return found
