"""`python -m sandbox.soak --seconds 120 --seed 3 --json`: exit 0 only when nothing was violated."""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import aiohttp

from sandbox.soak.proof import Proof
from sandbox.soak.run import OVERLAY, Soak
from sandbox.soak.storm import StormConfig
from sandbox.stage import Stage, StageConfig
from sandbox.world import WorldConfig

_COINS = {"BTC": Decimal(20), "ETH": Decimal(300), "XRP": Decimal(900_000)}
_KOREAN = {"KRW": Decimal(3_000_000_000), "USDT": Decimal(900_000), **_COINS}
_GLOBAL = {"USDT": Decimal(3_000_000), **_COINS}
FUNDS = {"upbit": _KOREAN, "bithumb": _KOREAN, "binance": _GLOBAL, "okx": _GLOBAL}


async def soak(storm: StormConfig, run_dir: Path) -> dict[str, object]:
    """Play one storm and prove what came of it."""
    began = time.monotonic()
    config = StageConfig(world=WorldConfig(seed=storm.seed, funds=FUNDS), run_dir=run_dir, overlay=OVERLAY)
    async with Stage(config) as stage, aiohttp.ClientSession() as session:
        run = Soak(stage, session, storm)
        await run.play()
        proof = Proof(stage, run)
        await proof.take()
    return {
        "ok": not proof.violations,
        "seed": storm.seed,
        "seconds": storm.seconds,
        "wall_s": round(time.monotonic() - began, 1),
        "violations": proof.violations,
        "storm": dict(sorted(run.counts.items())),
        "engine": dict(sorted(run.engine.items())),
        "peak_rss_mb": run.rss_mb,
        **proof.figures,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--halts", type=int, default=4)
    parser.add_argument("--fault-every", type=float, default=0.8, help="seconds, on average")
    parser.add_argument("--in-time", action="store_true", help="no execution later than the engine is told to expect")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--keep", type=Path, help="folder of this run's files (a temporary one otherwise)")
    given = parser.parse_args()
    storm = StormConfig(
        seconds=given.seconds,
        seed=given.seed,
        kills=given.kills,
        halts=given.halts,
        fault_every_s=given.fault_every,
        too_late=not given.in_time,
    )
    if given.keep:
        if (given.keep / "var").exists():
            parser.error(f"{given.keep} holds an earlier run: its journal belongs to another world")
        given.keep.mkdir(parents=True, exist_ok=True)
        result = asyncio.run(soak(storm, given.keep))
    else:
        with tempfile.TemporaryDirectory(prefix="premia-soak-") as folder:
            result = asyncio.run(soak(storm, Path(folder)))
    print(json.dumps(result, ensure_ascii=False) if given.json else json.dumps(result, ensure_ascii=False, indent=2))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
