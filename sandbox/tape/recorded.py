"""Tapes that replay recordings as a venue's own frames, with a synthetic market around them."""

import heapq
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path

import msgspec
from msgspec import Struct

from sandbox.tape.events import BookTick, DepthTick, PrintTick, RawTick, TapeEvent
from sandbox.tape.history import PremiumPath
from sandbox.tape.recording import Line, Player, RecordingMissing, read_lines
from sandbox.tape.seeded import KOREAN, SeededTape
from sandbox.venues.floor import RawFrame
from sandbox.venues.liquidity import Level, Levels
from sandbox.venues.orders import Print, Side
from sandbox.venues.rules import VenueRules

BINANCE_FILE = "binance/ws-spot-20240808-btcusdt-346s.jsonl.gz"
UPBIT_FILE = "upbit/ws-20210405-10sym-120s.jsonl.gz"
UPBIT_CODES = (
    *("KRW-STX", "KRW-ANKR", "BTC-FLOW", "BTC-BASIC", "KRW-IQ"),
    *("USDT-ADA", "BTC-CHZ", "KRW-DAWN", "KRW-BAT", "KRW-ADA"),
)
SHOWN = 50  # levels of the replayed book that our orders can reach
_SYMBOL = "BTCUSDT"


class _Diff(Struct):
    e: str = ""
    U: int = 0
    u: int = 0
    b: list[tuple[Decimal, Decimal]] | Decimal = []  # a diff's rows; in a bookTicker the best bid
    a: list[tuple[Decimal, Decimal]] | Decimal = []
    p: Decimal = Decimal(0)
    q: Decimal = Decimal(0)
    m: bool = False


class _Frame(Struct):
    stream: str
    data: _Diff


class _Snapshot(Struct):
    lastUpdateId: int
    bids: list[tuple[Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal]]


_frame = msgspec.json.Decoder(_Frame, strict=False)
_snapshot = msgspec.json.Decoder(_Snapshot, strict=False)


class RecordedTape:
    """Binance's frames of 2024-08-08 as they were; Korea and OKX around them are made here."""

    def __init__(
        self, folder: Path, seed: int, venues: Mapping[str, VenueRules], *, speed: float = 1.0, episodes: bool = True
    ) -> None:
        lines = read_lines(folder / BINANCE_FILE)
        first = next(i for i, line in enumerate(lines) if line.conn == "rest")
        self._start = _snapshot.decode(lines[first].data)
        self._player = Player([line for line in lines[first:] if line.conn != "rest"], speed)
        self._turn = -1
        self._update_id = 0
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}
        path = PremiumPath(folder / "_history")
        self._seeded = SeededTape(
            seed,
            venues,
            episodes=episodes,
            skip={("binance", _SYMBOL)},
            drift=lambda venue, coin, now: path.at(now) if venue in KOREAN and coin == "BTC" else 0.0,
        )
        self.recorded = {"binance": {_SYMBOL}}
        self.label = (
            "Binance BTCUSDT: recorded frames of 2024-08-08, repeated after 346 s. Synthetic: every KRW book (BTC from "
            f"the recording x FX x tether x a premium path of bars from {path.start:%Y-%m-%d}), OKX (near Binance), "
            f"all ETH and XRP (seed {seed}). No real capture holds a KRW and a USDT book at the same time."
        )

    def advance(self, at_ms: int) -> list[TapeEvent]:
        events: list[TapeEvent] = []
        for line in self._player.due(at_ms):
            if self._turn != self._player.turns:
                events += self._begin()
            events += self._play(line, at_ms)
        if self._turn < 0:
            events += self._begin()
        return events + self._seeded.advance(at_ms)

    def force(self, venue: str, coin: str, bps: float, seconds: float) -> None:
        """The recording itself cannot be moved: on Binance BTC this has no effect."""
        self._seeded.force(venue, coin, bps, seconds)

    def _begin(self) -> list[TapeEvent]:
        """The book as REST gave it when the recording was made."""
        self._turn = self._player.turns
        self._update_id = self._start.lastUpdateId
        self._bids = dict(self._start.bids)
        self._asks = dict(self._start.asks)
        return self._shown()

    def _play(self, line: Line, at_ms: int) -> list[TapeEvent]:
        frame = _frame.decode(line.data)
        channel = frame.stream.partition("@")[2]
        data = frame.data
        inner = line.data[line.data.index('"data":') + 7 : -1]
        raw = RawTick("binance", RawFrame(_SYMBOL, channel, inner))
        if channel == "trade":
            aggressor = Side.SELL if data.m else Side.BUY
            return [raw, PrintTick("binance", Print(_SYMBOL, data.p, data.q, aggressor, at_ms))]
        if not channel.startswith("depth"):
            return [raw]
        if data.u <= self._update_id:
            return []  # older than the snapshot that stands
        for side, rows in ((self._bids, data.b), (self._asks, data.a)):
            for price, size in rows if isinstance(rows, list) else ():
                if size:
                    side[price] = size
                else:
                    side.pop(price, None)
        self._update_id = data.u
        return [*self._shown(), raw]

    def _shown(self) -> list[TapeEvent]:
        bids = tuple((price, self._bids[price]) for price in heapq.nlargest(SHOWN, self._bids))
        asks = tuple((price, self._asks[price]) for price in heapq.nsmallest(SHOWN, self._asks))
        self._seeded.anchors["BTC"] = float(bids[0][0] + asks[0][0]) / 2
        return [
            DepthTick("binance", _SYMBOL, self._update_id, self._bids, self._asks),
            BookTick("binance", _SYMBOL, bids, asks),
        ]


class _UpbitUnit(Struct):
    ap: Decimal
    bp: Decimal
    as_: Decimal = msgspec.field(name="as")
    bs: Decimal = msgspec.field()


class _UpbitFrame(Struct):
    ty: str
    cd: str
    obu: list[_UpbitUnit] = []
    tp: Decimal = Decimal(0)
    tv: Decimal = Decimal(0)
    ab: str = ""


_upbit_frame = msgspec.json.Decoder(_UpbitFrame, strict=False)


class UpbitTape:
    """Upbit's frames of 2021-04-05 to whoever subscribes those codes; the seeded market goes on beside them."""

    def __init__(
        self, folder: Path, seed: int, venues: Mapping[str, VenueRules], *, speed: float = 1.0, episodes: bool = True
    ) -> None:
        self._player = Player([line for line in read_lines(folder / UPBIT_FILE) if line.data], speed)
        skip = {("upbit", code) for code in UPBIT_CODES}
        self._seeded = SeededTape(seed, venues, episodes=episodes, skip=skip)
        self.recorded = {"upbit": set(UPBIT_CODES)}
        self.label = (
            "Upbit: recorded SIMPLE frames of 2021-04-05 for ten codes, repeated after 120 s. "
            f"Everything else is a seeded market, seed {seed}."
        )

    def advance(self, at_ms: int) -> list[TapeEvent]:
        events: list[TapeEvent] = []
        for line in self._player.due(at_ms):
            frame = _upbit_frame.decode(line.data)
            if frame.ty == "orderbook":
                bids, asks = _side((u.bp, u.bs) for u in frame.obu), _side((u.ap, u.as_) for u in frame.obu)
                events.append(BookTick("upbit", frame.cd, bids, asks))
            else:
                aggressor = Side.BUY if frame.ab == "BID" else Side.SELL
                events.append(PrintTick("upbit", Print(frame.cd, frame.tp, frame.tv, aggressor, at_ms)))
            events.append(RawTick("upbit", RawFrame(frame.cd, frame.ty, line.data)))
        return events + self._seeded.advance(at_ms)

    def force(self, venue: str, coin: str, bps: float, seconds: float) -> None:
        self._seeded.force(venue, coin, bps, seconds)


def _side(levels: Iterable[Level]) -> Levels:
    """A thin side is padded with zeros: those are no levels."""
    return tuple(level for level in levels if level[0] and level[1])


def recordings(path: Path | None) -> Path:
    """The folder of recordings, from the folder itself or a file in it. Raises RecordingMissing."""
    if path is None:
        raise RecordingMissing("this tape needs --tape-path: the folder of recordings, or a file in it")
    folder = path if path.is_dir() else path.parent.parent
    if not (folder / "binance").is_dir() and not (folder / "upbit").is_dir():
        raise RecordingMissing(f"no recordings under {folder}")
    return folder
