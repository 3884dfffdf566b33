"""The seeded loop: what a seed plays may not hang on where things lie in memory."""

import asyncio
from random import Random

from chaos.loop import SimLoop

_TASKS = 40


def ended(junk: int) -> list[int]:
    """In which order a group that is given up ends its tasks, in a process with so much else in its memory."""
    order: list[int] = []
    held: list[object] = []

    async def one(number: int) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            order.append(number)

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(_TASKS):
                held.extend(bytearray(64 + number) for _ in range(junk))
                tasks.create_task(one(number))

    async def give_up() -> None:
        whole = asyncio.get_running_loop().create_task(main())
        await asyncio.sleep(1)
        whole.cancel()
        await asyncio.wait([whole])

    loop = SimLoop(Random(7))
    try:
        loop.run_until_complete(give_up())
    finally:
        loop.close()
    return order


def test_a_group_ends_its_tasks_in_one_order_wherever_they_lie():
    first = ended(0)
    assert sorted(first) == list(range(_TASKS))
    assert all(ended(junk) == first for junk in (1, 3, 17, 170))
