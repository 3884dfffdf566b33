"""Latencies by venue and path: taken from what is told, judged each second, told to people when a venue turns slow."""

from engine.core.state import State
from engine.domain.account_event import LatencySampled
from engine.domain.board import PaceView
from engine.domain.effect import Severity
from engine.domain.order import OrderKind, OrderStatus
from engine.execution.order_state import OrderState
from engine.risk.latency import Line, Stage

_MOST_ACKED = 1_000


def on_sampled(state: State, event: LatencySampled) -> None:
    if event.venue in state.venues:
        for us in event.us:
            state.watch.latency.take(event.venue, event.path, Stage(event.stage), us, event.seen_ns)


def note_report(state: State, order: OrderState, was: OrderStatus, path: str) -> None:
    """From the venue's acknowledgement to the word of its end, by the way it came: look-up or stream."""
    request, acked = order.request, state.watch.latency.acked
    if not request.tif.ends_at_once and request.kind is not OrderKind.MARKET:
        return
    if order.status is OrderStatus.OPEN and was is not OrderStatus.OPEN:
        acked[request.cid] = state.now_ns
        while len(acked) > _MOST_ACKED:
            del acked[next(iter(acked))]
    elif order.is_terminal:
        acked_ns = acked.pop(request.cid, 0)
        if acked_ns and not state.recovering:
            took_us = (state.now_ns - acked_ns) // 1_000
            state.watch.latency.take(request.venue, path, Stage.ACK_FILL, took_us, state.now_ns)


def look(state: State) -> None:
    """Once a second."""
    known = state.watch.latency
    for venue, path, stage, line in known.turned(state.now_ns):
        took = line.newest(state.now_ns) / 1_000
        numbers = {"took_ms": f"{took:.0f}", "usual_ms": f"{line.usual / 1_000:.0f}", "path": path, "stage": stage}
        if line.is_slow:
            state.alert(
                "venue_slow",
                Severity.WARN,
                f"{venue}: {known.why_slow(venue, state.now_ns)}; no order of a person is routed there now",
                venue=venue,
                numbers=numbers,
            )
        else:
            text = f"{venue}: {stage} ({path}) is as usual again" if took else f"{venue}: it is tried again"
            state.alert("venue_paced", Severity.INFO, text, venue=venue, numbers=numbers)


def views(state: State, venue: str) -> tuple[PaceView, ...]:
    return tuple(_view(path, stage, line, state.now_ns) for path, stage, line in state.watch.latency.of(venue))


def _view(path: str, stage: Stage, line: Line, now_ns: int) -> PaceView:
    found = line.figures(now_ns)
    return PaceView(
        path=path,
        stage=stage,
        count=found.count,
        p50_ms=found.p50 / 1_000,
        p99_ms=found.p99 / 1_000,
        usual_ms=found.usual / 1_000,
        is_slow=line.is_slow,
    )
