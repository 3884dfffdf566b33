"""A disk that refuses the heartbeat: the desk halts and lives, and beats again when it may."""

import asyncio
import errno

import msgspec

from engine.domain.effect import Notice
from engine.domain.money import NS_PER_S
from engine.shell import Clock
from tests.test_overload import Hand, started


class Awake(Hand):
    """A tick each tenth of a second, also while nothing is under way."""

    def clock(self) -> Clock:
        return msgspec.structs.replace(super().clock(), idle_tick_s=0.1)


class Disk:
    """Takes beats until it is told not to."""

    def __init__(self) -> None:
        self.is_bad = False
        self.beats: list[int] = []

    def beat(self, level: int) -> None:
        if self.is_bad:
            raise OSError(errno.EROFS, "Read-only file system")
        self.beats.append(level)


async def pass_seconds(hand: Hand, seconds: int) -> None:
    for _ in range(seconds):
        hand.now_ns += NS_PER_S
        await asyncio.sleep(0.15)  # a tick of the real loop


async def test_a_heartbeat_that_cannot_be_written_halts_the_desk_and_does_not_end_it(tmp_path):
    hand, disk = Awake(), Disk()
    shell = started(tmp_path, hand)
    told: list[Notice] = []
    shell.desk.subscribe(told.append)
    ticks = asyncio.ensure_future(shell.run_ticks(lambda: None, disk.beat))
    await pass_seconds(hand, 2)
    assert set(disk.beats) == {0}
    disk.is_bad = True
    await pass_seconds(hand, 2)
    assert not ticks.done()
    assert shell.desk.level == 2
    assert shell.desk.state.level_reason == "journal: heartbeat file: Read-only file system"
    alerts = [notice.severity for notice in told if notice.kind == "alert" and b"heartbeat" in notice.body]
    assert alerts == ["crit"], "told once"
    disk.is_bad = False
    await pass_seconds(hand, 2)
    assert disk.beats[-1] == 2, "it is alive again, and stays halted until a person resumes"
    assert shell.desk.state.journal_writable
    ticks.cancel()
