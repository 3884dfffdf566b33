"""More frames than the loop can serve: it never comes back to its timers, and whoever says halt is obeyed anyway."""

import asyncio
from pathlib import Path
from typing import get_args

from engine.config import load
from engine.domain.effect import Effect
from engine.domain.event import BookDelta, Recovered, Started
from engine.domain.money import NS_PER_MS, NS_PER_S
from engine.shell import Clock, Shell
from engine.storage.latch import FileLatch

CONFIGS = Path(__file__).parent.parent / "configs"
START_NS, WALL_MS = 1_000 * NS_PER_S, 1_760_000_000_000
LATE_MS = 700  # after a step the next tick is due in 100 ms; half a second later the frames make it


class Hand:
    """A clock that moves only when the test says so."""

    def __init__(self) -> None:
        self.now_ns = START_NS

    def clock(self) -> Clock:
        return Clock(mono_ns=lambda: self.now_ns, wall_ms=lambda: WALL_MS + (self.now_ns - START_NS) // NS_PER_MS)


def started(tmp_path: Path, hand: Hand) -> Shell:
    shell = Shell(load(CONFIGS), hand.clock(), FileLatch(tmp_path / "latch.json"), dict)
    shell.desk.wire(dict.fromkeys(get_args(Effect), lambda effect: None))
    shell.desk.handle(Started(instance="t", seed=1, wall_ms=WALL_MS, utc_offset_ms=0, seen_ns=hand.now_ns))
    shell.desk.handle(Recovered(seen_ns=hand.now_ns))
    return shell


def flood(shell: Shell, hand: Hand, ms: int) -> list[int]:
    """A frame per millisecond and never a turn of the loop: at which of them the desk knew of another tick."""
    ticks = []
    for number in range(ms):
        hand.now_ns += NS_PER_MS
        before_ns = shell.desk.state.tick_ns
        shell.desk.handle(
            BookDelta(venue="binance", symbol="BTCUSDT", bids=[], asks=[], venue_ts_ms=0, seen_ns=hand.now_ns)
        )
        if shell.desk.state.tick_ns != before_ns:
            ticks.append(number)
    return ticks


async def test_halt_is_obeyed_while_frames_leave_the_loop_no_turn(tmp_path):
    hand = Hand()
    shell = started(tmp_path, hand)
    ticks = asyncio.ensure_future(shell.run_ticks(lambda: None))
    await asyncio.sleep(0)  # the first tick; the next one is the loop's to make, and it gets no turn
    assert shell.desk.level == 0
    (tmp_path / "HALT").touch()
    assert flood(shell, hand, 550) == []
    assert shell.desk.level == 0
    made = flood(shell, hand, LATE_MS)
    assert shell.desk.level == 2
    assert len(made) >= 1
    assert len(flood(shell, hand, 5_000)) == 10  # and so on, twice a second
    ticks.cancel()


async def test_a_loop_that_keeps_up_ticks_by_itself(tmp_path):
    hand = Hand()
    shell = started(tmp_path, hand)
    assert flood(shell, hand, 3_000) == []  # before the ticks begin nothing is late
    ticks = asyncio.ensure_future(shell.run_ticks(lambda: None))
    await asyncio.sleep(0)
    assert flood(shell, hand, 550) == []
    ticks.cancel()
    await asyncio.gather(ticks, return_exceptions=True)
    assert flood(shell, hand, 9_000) == []  # nor after they have ended
