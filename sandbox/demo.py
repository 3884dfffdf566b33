"""`make demo`: the whole product on this machine against the sandbox; --headless plays the scene by a script."""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import Literal

import aiohttp

from sandbox.scene import Scene
from sandbox.stage import Daemon, Stage, StageConfig
from sandbox.tape.recorded import BINANCE_FILE, UPBIT_CODES, UPBIT_FILE
from sandbox.venues.opening import DESK, KRW_MARKETS, NATIVE, TRADED
from sandbox.world import WorldConfig

_RESTART_S = 1.0
# A scripted trader may take its time, yet cards must not run out of sight: fewer of them, and a resting tether order.
_SCENE_OVERLAY: dict[str, object] = {
    "strategies": {
        "kimchi": {"params": {"global": ["binance"]}},
        "tether_bot": {"mode": "off", "params": {"tif": "post_only", "rest_ms": 120_000, "cooldown_s": 1}},
    },
}
_KOREAN, _GLOBAL = ["upbit", "bithumb", "coinone"], ["binance", "okx", "bybit", "kucoin", "gate", "bitget"]
# For people: every spot venue has an account, and the strategies look at all of them.
_PEOPLE_OVERLAY: dict[str, object] = {
    "strategies": {
        "kimchi": {"params": {"korean": _KOREAN, "global": _GLOBAL}},
        "spatial": {"params": {"groups": [_KOREAN, _GLOBAL]}},
    },
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--headless", action="store_true", help="play the scene with a scripted trader, then end")
    parser.add_argument("--json", action="store_true", help="with --headless: one JSON object as the last line")
    parser.add_argument("--tape", default="seeded", help="seeded, or a recording below shared/venues")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--port", type=int, default=8899, help="of the phone page")
    parser.add_argument("--keep", type=Path, help="folder of this run's files (a temporary one otherwise)")
    parser.add_argument("--traded-only", action="store_true", help="the first four venues alone")
    return parser.parse_args()


def _world(arguments: argparse.Namespace) -> WorldConfig:
    if arguments.tape == "seeded":
        houses = DESK if arguments.headless or arguments.traded_only else NATIVE
        return WorldConfig(seed=arguments.seed, episodes=not arguments.headless, houses=houses)
    tape = Path(arguments.tape)
    kinds: dict[str, Literal["recorded", "upbit-20210405"]] = {
        Path(BINANCE_FILE).name: "recorded",
        Path(UPBIT_FILE).name: "upbit-20210405",
    }
    if tape.name not in kinds or not tape.exists():
        sys.exit(f"demo: no such tape: {tape}; there are: seeded, {', '.join(f'…/{name}' for name in kinds)}")
    return WorldConfig(seed=arguments.seed, tape=kinds[tape.name], tape_path=tape, episodes=not arguments.headless)


def _overlay(world: WorldConfig) -> dict[str, object]:
    """What the scene needs of the product's configuration; with Upbit's recording its codes are watched, too."""
    if world.tape != "upbit-20210405":
        return _SCENE_OVERLAY
    return {**_SCENE_OVERLAY, "venues": {"upbit": {"symbols": [*KRW_MARKETS, *UPBIT_CODES]}}}


async def _supervise(daemon: Daemon) -> None:
    """What systemd's Restart=always does."""
    while True:
        code = await daemon.ended()
        print(f"{daemon.name} ended with {code}; starting it again", flush=True)
        await asyncio.sleep(_RESTART_S)
        await daemon.start()


async def _watch(stage: Stage) -> None:
    """The demo for people: runs until Ctrl-C."""
    await stage.engine.start()
    await stage.bot.start()
    await stage.watchdog.start()
    print(f"premia runs. The trader's phone: {stage.phone_url}", flush=True)
    print("Open it in a browser, press Start, and wait for the first card. Ctrl-C ends everything.", flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    keepers = [asyncio.create_task(_supervise(daemon)) for daemon in (stage.engine, stage.bot, stage.watchdog)]
    await stop.wait()
    for keeper in keepers:
        keeper.cancel()


async def _play(stage: Stage, as_json: bool) -> int:
    await stage.engine.start()
    await stage.bot.start()
    async with aiohttp.ClientSession() as session:
        scene = Scene(stage, session)
        ok = await scene.play()
        result: dict[str, object] = {"ok": ok, "tape": stage.world.tape.label}
        if ok:
            result |= await scene.result()
        result["steps"] = scene.steps
    for step in scene.steps:
        print(f"{'held' if step['ok'] else 'FAILED'} {step['seconds']:>6} s  {step['step']} {step['why']}", flush=True)
    if as_json:
        print(json.dumps(result, ensure_ascii=False), flush=True)
    return 0 if ok else 1


async def _run(arguments: argparse.Namespace, run_dir: Path) -> int:
    world = _world(arguments)
    everywhere = set(TRADED) <= set(world.houses)
    config = StageConfig(
        world=world,
        run_dir=run_dir,
        overlay=_overlay(world) if arguments.headless else _PEOPLE_OVERLAY if everywhere else {},
        telegram_port=0 if arguments.headless else arguments.port,
        traded=TRADED if everywhere else DESK,
    )
    async with Stage(config) as stage:
        if arguments.headless:
            return await _play(stage, arguments.json)
        await _watch(stage)
        return 0


def main() -> int:
    arguments = _arguments()
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
        if any(arguments.keep.iterdir()):
            sys.exit(f"demo: {arguments.keep} is not empty: a journal of another world would not agree with this one")
        return asyncio.run(_run(arguments, arguments.keep))
    with tempfile.TemporaryDirectory(prefix="premia-demo-") as folder:
        return asyncio.run(_run(arguments, Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
