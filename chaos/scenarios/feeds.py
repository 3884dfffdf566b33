"""Market data at the parts that meet it: the watch over silent pairs, the continuity of a book; on simulated time."""

import heapq
from random import Random

import msgspec

from chaos.scenarios.stage import Scenario
from engine.domain.event import BookDelta, BookLost, BookSnapshot
from engine.domain.market import Levels
from engine.domain.money import NS_PER_MS, NS_PER_S
from engine.venues.binance.continuity import Join, SequenceGuard
from engine.venues.binance.feed import BinanceDecoder
from engine.venues.binance.wire import Depth
from engine.venues.protocol import FeedEvent
from engine.venues.watch import Watch

_SYMBOL = "BTCUSDT"


class _PingsOnly(Watch):
    """A socket that lives is taken for books that live."""

    def silent(self, now_ns: int, top_of: object = None) -> list[str]:
        return []


def silent_pair(seed: int, guarded: bool) -> list[str]:
    """Six pairs of one connection, each with a rhythm of its own; one falls silent while the others go on."""
    random = Random(f"{seed}/silent")
    means_ns = {f"S{i}": random.choice((50, 200, 700, 2_000)) * NS_PER_MS for i in range(6)}
    watch = (Watch if guarded else _PingsOnly)(means_ns, 5 * NS_PER_S)
    watch.start(0)
    dead = random.choice(tuple(means_ns))
    dies_ns = random.randint(60, 120) * NS_PER_S
    patience_ns = 3 * max(5 * NS_PER_S, 20 * 2 * means_ns[dead]) + NS_PER_S
    due = [(round(random.expovariate(1 / mean_ns)), name) for name, mean_ns in means_ns.items()]
    due.append((0, ""))  # the feed's own look, four times a second
    heapq.heapify(due)
    looks = dict.fromkeys(means_ns, 0)
    while due:
        now_ns, name = heapq.heappop(due)
        if now_ns > dies_ns + patience_ns:
            return [f"silence is noticed: {dead} has been silent for {patience_ns // NS_PER_MS} ms"]
        if not name:
            for symbol in watch.silent(now_ns):
                if symbol == dead and now_ns >= dies_ns:
                    return [f"calm: {n} of {s} looks without a cause" for s, n in looks.items() if n > 20]
                looks[symbol] += 1
                watch.looked(symbol, now_ns)
            heapq.heappush(due, (now_ns + 250 * NS_PER_MS, ""))
            continue
        if name != dead or now_ns < dies_ns:
            watch.hear(name, now_ns)
        heapq.heappush(due, (now_ns + 1 + round(random.expovariate(1 / means_ns[name])), name))
    return []


class _Gapless(BinanceDecoder):
    """Takes every change as it comes."""

    def _continues(self, join: Join, guard: SequenceGuard, diff: Depth[float], seen_ns: int) -> bool:
        return True


class _Venue:
    """The truth of one book, every state by its update id."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.now: dict[str, dict[float, float]] = {"b": {}, "a": {}}
        self.last_id = 100
        self.states: dict[int, dict[str, dict[float, float]]] = {}
        for i in range(5):
            self.now["b"][100.0 - i] = self.now["a"][101.0 + i] = 1.0
        self._keep()

    def _keep(self) -> None:
        self.states[self.last_id] = {side: dict(levels) for side, levels in self.now.items()}

    def change(self) -> bytes:
        """One frame: one to three levels of a side, zero where one goes. Its time is its update id."""
        first, self.last_id = self.last_id + 1, self.last_id + self._random.randint(1, 3)
        changed: dict[str, list[tuple[str, str]]] = {"b": [], "a": []}
        for _ in range(self._random.randint(1, 3)):
            side = self._random.choice("ba")
            depth = self._random.randint(0, 4)
            price, size = (100.0 - depth if side == "b" else 101.0 + depth), float(self._random.randint(0, 3))
            self.now[side][price] = size
            if not size:
                del self.now[side][price]
            changed[side].append((str(price), str(size)))
        self._keep()
        data = {"e": "depthUpdate", "E": self.last_id, "s": _SYMBOL, "U": first, "u": self.last_id, **changed}
        return msgspec.json.encode({"stream": "btcusdt@depth@100ms", "data": data})

    def snapshot(self, update_id: int) -> bytes:
        said = self.states[update_id]
        sides = {
            name: [(str(price), str(size)) for price, size in sorted(said[side].items(), reverse=side == "b")]
            for name, side in (("bids", "b"), ("asks", "a"))
        }
        return msgspec.json.encode({"lastUpdateId": update_id, **sides})


class _Ours:
    """The book as events make it, and the update id that it stands at."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[float, float]] = {"b": {}, "a": {}}
        self.at_id = 0
        self.synced = False
        self.asked = 0

    def ask(self, symbol: str, reason: str) -> None:
        self.asked += 1

    def take(self, event: FeedEvent) -> None:
        if isinstance(event, BookLost):
            self.synced = False
        elif isinstance(event, BookSnapshot):
            self.sides, self.synced = {"b": dict(event.bids), "a": dict(event.asks)}, True
        elif isinstance(event, BookDelta):
            self._fold("b", event.bids)
            self._fold("a", event.asks)
            self.at_id = event.venue_ts_ms

    def _fold(self, side: str, changes: Levels) -> None:
        for price, size in changes:
            self.sides[side][price] = size
            if not size:
                del self.sides[side][price]


def torn_stream(seed: int, guarded: bool) -> list[str]:
    """Frames of one book are lost, doubled and swapped; REST gives a base some frames late, cached at times."""
    random = Random(f"{seed}/torn")
    venue, ours = _Venue(random), _Ours()
    decoder = (BinanceDecoder if guarded else _Gapless)(ours.take, ours.ask)
    held: list[bytes] = []
    base_in, faults = -1, 0
    for turn in range(600):
        held.append(venue.change())
        chance = random.random()
        if chance < 0.02:
            held.pop()
        elif chance < 0.04:
            held.append(held[-1])
        elif chance < 0.06:
            held.append(venue.change())
            held.reverse()
        faults += chance < 0.06
        for frame in held:
            decoder.on_frame(frame, turn)
            if wrong := _difference(ours, venue):
                return [wrong]
        held.clear()
        if base_in < 0 and ours.asked:
            base_in, ours.asked = random.randint(0, 6), 0
        elif base_in == 0:
            update_id = random.choice(sorted(venue.states)[-8:])
            ours.at_id = update_id if not decoder.is_live(_SYMBOL) else ours.at_id
            decoder.on_rest_book(_SYMBOL, venue.snapshot(update_id), turn)
            if wrong := _difference(ours, venue):
                return [wrong]
        base_in -= base_in >= 0
    return [] if faults else ["the scenario: nothing was lost, doubled or swapped"]


def _difference(ours: _Ours, venue: _Venue) -> str:
    if not ours.synced or ours.sides == venue.states.get(ours.at_id, ours.sides):
        return ""
    return f"the book is the venue's: at {ours.at_id} it is {ours.sides}, there {venue.states[ours.at_id]}"


SCENARIOS = (
    Scenario(
        number=8,
        name="alive but silent",
        fault="one pair of a connection falls silent while the socket and the others go on",
        guard="each pair is believed for as long as its own rhythm allows, then compared over REST",
        law="silence is noticed",
        run=silent_pair,
    ),
    Scenario(
        number=10,
        part="b",
        name="a torn stream",
        fault="frames of a book are lost, doubled and swapped; bases come late",
        guard="changes without continuity are no book: it is lost until a base joins",
        law="the book is the venue's",
        run=torn_stream,
    ),
)
