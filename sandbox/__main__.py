"""`python -m sandbox`: start the outside world on loopback, print one JSON line, run until SIGTERM."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import msgspec

from sandbox.tape.recording import RecordingMissing
from sandbox.world import World, WorldConfig


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--tape", choices=("seeded", "recorded", "upbit-20210405"), default="seeded")
    parser.add_argument("--tape-path", type=Path, help="the recording, or the folder of recordings")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--speed", type=float, default=1.0, help="of a recording")
    parser.add_argument("--port-base", type=int, default=0, help="0: any free ports")
    parser.add_argument("--no-episodes", action="store_true", help="open no premium but those asked for")
    parser.add_argument("--checksums", action="store_true", help="OKX and Bitget send them, as they did once")
    args = parser.parse_args()
    config = WorldConfig(
        tape=args.tape,
        seed=args.seed,
        episodes=not args.no_episodes,
        tape_path=args.tape_path,
        speed=args.speed,
        port_base=args.port_base,
        checksums=args.checksums,
    )
    try:
        asyncio.run(_run(config))
    except RecordingMissing as error:
        sys.exit(f"sandbox: {error}")


async def _run(config: WorldConfig) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with World(config) as world:
        sys.stdout.write(msgspec.json.encode(world.ready_line()).decode() + "\n")
        sys.stdout.flush()
        told = asyncio.create_task(stopped.wait())
        await asyncio.wait([told, world.player], return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if world.player.done():
            world.player.result()


if __name__ == "__main__":
    main()
