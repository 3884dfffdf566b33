"""Recorded books as they moved, cut loose from symbol and price, and spelled again in each venue's current dialect.

One recording holds a few symbols, the load wants two thousand: levels, sizes and their number per frame are the
recording's own, prices are scaled to one reference, symbols and sequence numbers are written in when a frame is sent.
Where no whole session of a venue's current dialect was recorded, its frames carry another venue's levels (LEVELS_OF).
"""

import gzip
import json
from collections.abc import Callable, Iterable
from itertools import zip_longest

from msgspec import Struct

from bench.feed import RECORDED, SHARED, load_case
from engine.domain.event import BookDelta, BookSnapshot
from engine.domain.market import Levels
from engine.market.book import Book
from engine.venues.feeds import build_decoder
from engine.venues.protocol import FeedEvent

KRW_PER_USDT = 1_400.0
COIN_USDT = 100.0
KOREAN = ("upbit", "bithumb", "coinone")
LEVELS_OF = {
    **{"upbit": "upbit", "bithumb": "upbit", "coinone": "upbit", "binance": "binance", "binance_usdm": "binance_usdm"},
    **{"okx": "okx", "gate": "okx", "bybit": "bybit", "bitget": "bitget", "kucoin": "bitget"},
}
VENUES = tuple(LEVELS_OF)
_STEPS = 400
_RECORDED = {name: found[0] for name, found in RECORDED.items()} | {
    "binance_usdm": "ws-20240808-btcusdt-345s",
    "bitget": "ws-v1-20220407-spot-mix-31s",
}
_REST_BOOKS = {"binance_usdm": "depth?symbol=BTCUSDT"}


class Tape(Struct, frozen=True):
    """A book and how it moved; prices are ratios to the first mid. Ends where it began: it is played in a circle."""

    base: tuple[Levels, Levels]
    steps: list[tuple[Levels, Levels]]


class Shape(Struct, frozen=True):
    """`%` templates of frames, for s (symbol), q (sequence), p (the one before) and t (our wall clock, ms)."""

    whole: bytes  # the base; of Binance the REST answer
    steps: list[bytes]


def read_tape(source: str) -> Tape:
    """The busiest symbol of a recording, through the real decoder. Raises OSError where the recording is not there."""
    events: list[FeedEvent] = []
    decoder = build_decoder(source, events.append, lambda symbol, reason: None)
    if source in RECORDED:
        case = load_case(source, 2_000)
        if case is None:
            raise FileNotFoundError(f"no recording of {source}")
        if case.base is not None:
            decoder.on_rest_book(case.codes[0], json.dumps(case.base).encode(), 1)
        for text in case.frames:
            decoder.on_frame(text.encode(), 1)
    else:
        with gzip.open(SHARED / source / f"{_RECORDED[source]}.jsonl.gz", "rt", encoding="utf-8") as lines:
            for line in map(json.loads, lines):
                if line["dir"] != "in":
                    continue
                if _REST_BOOKS.get(source, "-") in line.get("req", ""):
                    decoder.on_rest_book("BTCUSDT", line["data"].encode(), 1)
                elif line["conn"].startswith("ws") and "req" not in line:
                    decoder.on_frame(line["data"].encode(), 1)
    return _cut(source, [event for event in events if isinstance(event, BookSnapshot | BookDelta)])


def _cut(source: str, events: list[BookSnapshot | BookDelta]) -> Tape:
    counted: dict[str, int] = {}
    for event in events:
        counted[event.symbol] = counted.get(event.symbol, 0) + 1
    busiest = max(counted, key=lambda symbol: counted[symbol])
    mine = [event for event in events if event.symbol == busiest]
    begin = next(i for i, event in enumerate(mine) if isinstance(event, BookSnapshot))
    book, steps = Book(), [(event.bids, event.asks) for event in mine[begin + 1 :][:_STEPS] if event.bids or event.asks]
    base = (mine[begin].bids, mine[begin].asks)
    if isinstance(mine[-1], BookDelta):
        book.replace(*base, 1, 1)
        for bids, asks in steps:
            book.change(bids, asks, 1, 1)
        steps.append((_back(book.bids(), base[0]), _back(book.asks(), base[1])))
    mid = (base[0][0][0] + base[1][0][0]) / 2
    return Tape((_scaled(base[0], mid), _scaled(base[1], mid)), [(_scaled(b, mid), _scaled(a, mid)) for b, a in steps])


def _back(now: Iterable[tuple[float, float]], then: Levels) -> Levels:
    """The change that leads from one side of a book to another."""
    ended, began = dict(now), dict(then)
    gone = [(price, 0.0) for price in ended if price not in began]
    return gone + [(price, size) for price, size in then if ended.get(price) != size]


def _scaled(levels: Levels, mid: float) -> Levels:
    return [(price / mid, size) for price, size in levels]


def shape(venue: str, tape: Tape, reference: float) -> Shape:
    """Every frame of a tape in a venue's dialect. Prices are `reference` times the tape's ratios."""
    spell = _SPELL[venue]

    def side(levels: Levels) -> list[tuple[str, str]]:
        return [(f"{price * reference:.9g}", f"{size:.8g}") for price, size in levels]

    def frame(sides: tuple[Levels, Levels], whole: bool) -> bytes:
        return spell(side(sides[0]), side(sides[1]), whole).encode()

    return Shape(frame(tape.base, True), [frame(step, False) for step in tape.steps])


_Side = list[tuple[str, str]]


def _rows(side: _Side) -> str:
    return "[" + ",".join(f'["{price}","{size}"]' for price, size in side) + "]"


def _binance(bids: _Side, asks: _Side, whole: bool) -> str:
    if whole:
        return f'{{"lastUpdateId":%(q)d,"bids":{_rows(bids)},"asks":{_rows(asks)}}}'
    head = '{"stream":"%(l)b@depth@100ms","data":{"e":"depthUpdate","E":%(t)d,"s":"%(s)b","U":%(q)d,"u":%(q)d,'
    return f'{head}"b":{_rows(bids)},"a":{_rows(asks)}}}}}'


def _binance_usdm(bids: _Side, asks: _Side, whole: bool) -> str:
    if whole:
        return f'{{"lastUpdateId":%(q)d,"E":%(t)d,"T":%(t)d,"bids":{_rows(bids)},"asks":{_rows(asks)}}}'
    head = '{"stream":"%(l)b@depth@100ms","data":{"e":"depthUpdate","E":%(t)d,"T":%(t)d,"s":"%(s)b","U":%(q)d,'
    return f'{head}"u":%(q)d,"pu":%(p)d,"b":{_rows(bids)},"a":{_rows(asks)}}}}}'


def _okx(bids: _Side, asks: _Side, whole: bool) -> str:
    sides = [",".join(f'["{price}","{size}","0","1"]' for price, size in side) for side in (asks, bids)]
    action, before = ("snapshot", "-1") if whole else ("update", "%(p)d")
    head = f'{{"arg":{{"channel":"books","instId":"%(s)b"}},"action":"{action}","data":[{{"asks":[{sides[0]}],'
    return f'{head}"bids":[{sides[1]}],"ts":"%(t)d","checksum":0,"seqId":%(q)d,"prevSeqId":{before}}}]}}'


def _bitget(bids: _Side, asks: _Side, whole: bool) -> str:
    action, before = ("snapshot", "0") if whole else ("update", "%(p)d")
    head = f'{{"action":"{action}","arg":{{"instType":"SPOT","channel":"books","instId":"%(s)b"}},"data":[{{'
    sides = f'"asks":{_rows(asks)},"bids":{_rows(bids)}'
    return f'{head}{sides},"checksum":0,"seq":%(q)d,"pseq":{before},"ts":"%(t)d"}}],"ts":%(t)d}}'


def _bybit(bids: _Side, asks: _Side, whole: bool) -> str:
    kind = "snapshot" if whole else "delta"
    head = f'{{"topic":"orderbook.50.%(s)b","ts":%(t)d,"type":"{kind}","data":{{"s":"%(s)b",'
    return f'{head}"b":{_rows(bids)},"a":{_rows(asks)},"u":%(q)d,"seq":%(q)d}},"cts":%(t)d}}'


def _kucoin(bids: _Side, asks: _Side, whole: bool) -> str:
    kind = "snapshot" if whole else "delta"
    head = f'{{"T":"obu.SPOT","P":%(t)d000000,"dp":"increment@10ms","t":"{kind}","d":{{"s":"%(s)b","O":%(q)d,'
    return f'{head}"C":%(q)d,"M":%(t)d000000,"a":{_rows(asks)},"b":{_rows(bids)}}}}}'


def _gate(bids: _Side, asks: _Side, whole: bool) -> str:
    full = '"full":true,' if whole else ""
    head = '{"channel":"spot.obu","result":{"t":%(t)d,' + full + '"s":"ob.%(s)b.400","U":%(q)d,"u":%(q)d,'
    return f'{head}"b":{_rows(bids)},"a":{_rows(asks)}}},"time_ms":%(t)d,"event":"update"}}'


def _units(bids: _Side, asks: _Side, names: tuple[str, str, str, str]) -> str:
    none = ("0", "0")
    rows = [
        ",".join(f'"{name}":{value}' for name, value in zip(names, (*ask, *bid), strict=True))
        for bid, ask in zip_longest(bids, asks, fillvalue=none)
    ]
    return "[" + ",".join(f"{{{row}}}" for row in rows) + "]"


def _upbit(bids: _Side, asks: _Side, whole: bool) -> str:
    units = _units(bids, asks, ("ap", "as", "bp", "bs"))
    return f'{{"ty":"orderbook","cd":"%(s)b","tms":%(t)d,"tas":1.5,"tbs":1.5,"obu":{units},"st":"REALTIME","lv":0}}'


def _bithumb(bids: _Side, asks: _Side, whole: bool) -> str:
    units = _units(bids, asks, ("ask_price", "ask_size", "bid_price", "bid_size"))
    head = '{"type":"orderbook","code":"%(s)b","total_ask_size":1.5,"total_bid_size":1.5,"orderbook_units":'
    return f'{head}{units},"timestamp":%(t)d%(m)03d,"stream_type":"REALTIME"}}'


def _coinone(bids: _Side, asks: _Side, whole: bool) -> str:
    sides = ["[" + ",".join(f'{{"price":"{p}","qty":"{q}"}}' for p, q in side) + "]" for side in (bids, asks[::-1])]
    head = '{"response_type":"DATA","channel":"ORDERBOOK","data":{"quote_currency":"KRW","target_currency":"%(b)b",'
    return f'{head}"timestamp":%(t)d,"id":"%(t)d%(m)03d","asks":{sides[1]},"bids":{sides[0]}}}}}'


_SPELL: dict[str, Callable[[_Side, _Side, bool], str]] = {
    **{"upbit": _upbit, "bithumb": _bithumb, "coinone": _coinone, "binance": _binance, "binance_usdm": _binance_usdm},
    **{"okx": _okx, "bybit": _bybit, "bitget": _bitget, "kucoin": _kucoin, "gate": _gate},
}


_DASH = {"okx": "-", "kucoin": "-", "gate": "_"}


def symbol_of(venue: str, base: str) -> str:
    """The venue's own spelling: KRW at the Korean ones, USDT elsewhere."""
    if venue in KOREAN:
        return f"KRW-{base}"
    return f"{base}{_DASH.get(venue, '')}USDT"
