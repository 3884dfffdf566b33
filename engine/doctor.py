"""`premia doctor`: what would keep the desk from trading, told before it starts. Reads only, places nothing."""

import asyncio
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from msgspec import Struct

from engine.assemble import core_config
from engine.catalogue import Asked, ask_process
from engine.config import Config, VenueConfig, load, secret, venue_credential
from engine.domain.errors import ConfigError, OutcomeUnknown, PremiaError, VenueRefused, VenueUnavailable
from engine.native import which
from engine.net.http import Http
from engine.storage.latch import read_latch
from engine.venues.fx import decode_source
from engine.venues.protocol import Margined, Orders
from engine.venues.registry import NEEDS_PASSPHRASE, build_orders

_MIN_FREE_BYTES = 500 * 1024 * 1024
_MAX_SKEW_MS = 1_500  # a Date header tells whole seconds only


class Finding(Struct, frozen=True):
    """One checked thing. `ok` None: it could not be checked, and that is said."""

    name: str
    ok: bool | None
    text: str


def run(directory: Path, overlays: tuple[Path, ...]) -> int:
    """Print one line per finding; exit 0 when nothing is wrong, 1 otherwise. Raises ConfigError."""
    config = load(directory, overlays)
    core_config(config)
    findings = asyncio.run(_examine(config))
    for finding in findings:
        mark = {True: "ok  ", False: "FAIL", None: "?   "}[finding.ok]
        print(f"{mark} {finding.name}: {finding.text}")
    return 1 if any(finding.ok is False for finding in findings) else 0


async def _examine(config: Config) -> list[Finding]:
    found = [Finding("configuration", True, "every key is known and every number is in its range")]
    found += _house(config)
    async with asyncio.TaskGroup() as tasks:
        venues = [
            tasks.create_task(_venue(name, venue)) for name, venue in sorted(config.venues.items()) if venue.enabled
        ]
        sources = [tasks.create_task(_fx(name, source.kind, source.url)) for name, source in config.fx.sources.items()]
    for task in venues:
        found += task.result()
    return found + [task.result() for task in sources]


def _house(config: Config) -> list[Finding]:
    data = Path(config.data_dir)
    at = data if data.is_dir() else data.absolute().parent
    free = shutil.disk_usage(at).free
    latch = read_latch(data / "latch.json")
    users = config.telegram.users
    owners = [user.id for user in users if user.role == "owner"]
    return [
        Finding("data_dir", os.access(at, os.W_OK), f"{data} can be written"),
        Finding("disk", free >= _MIN_FREE_BYTES, f"{free // 1024**2} MiB free, {_MIN_FREE_BYTES // 1024**2} wanted"),
        Finding("latch", latch.level == 0, f"L{latch.level} {latch.reason}".strip()),
        Finding("books", True, which()),
        Finding("allow-list", bool(owners), f"{len(users)} users, {len(owners)} of them owner"),
        Finding(
            "telegram token",
            bool(secret("TELEGRAM_BOT_TOKEN")) or None,
            "TELEGRAM_BOT_TOKEN is set" if secret("TELEGRAM_BOT_TOKEN") else "not visible to this process",
        ),
    ]


async def _venue(name: str, config: VenueConfig) -> list[Finding]:
    """Keys, reach, clock and account of one venue. Key scopes are not asked: see the last line of the list."""
    if not config.trade:
        return [Finding(f"{name} rules", *await _catalogue(name, config))]
    try:
        credential = venue_credential(name, name in NEEDS_PASSPHRASE)
    except ConfigError as error:
        return [Finding(f"{name} keys", False, str(error))]
    orders = build_orders(name, config, credential)
    try:
        return [
            await _ask(f"{name} clock", lambda: _clock(orders)),
            await _ask(f"{name} account", lambda: _account(orders)),
            await _ask(f"{name} rules", lambda: _rules(orders, config)),
            Finding(f"{name} key scope", None, "withdrawal must be off and an IP list set: see the venue's site"),
        ]
    finally:
        await orders.close()


async def _catalogue(name: str, config: VenueConfig) -> tuple[bool, str]:
    """A watched venue needs no key: only its public catalogue."""
    async for told in ask_process([Asked.of(name, config, with_rules=True)]):
        known = {rules.symbol for rules in told.instruments}
        missing = [symbol for symbol in told.asked if symbol not in known]
        if told.error:
            return False, told.error
        return not missing, f"not listed: {', '.join(missing)}" if missing else f"{len(known)} symbols, watched only"
    return False, "no answer"


async def _ask(name: str, question: Callable[[], Awaitable[tuple[bool, str]]]) -> Finding:
    try:
        ok, text = await question()
    except (VenueUnavailable, VenueRefused, OutcomeUnknown) as error:
        return Finding(name, False, str(error))
    return Finding(name, ok, text)


async def _clock(orders: Orders) -> tuple[bool, str]:
    before_ms = time.time_ns() // 1_000_000
    theirs_ms = await orders.server_time_ms()
    after_ms = time.time_ns() // 1_000_000
    skew_ms = theirs_ms - (before_ms + after_ms) // 2
    return abs(skew_ms) <= _MAX_SKEW_MS, f"{skew_ms:+d} ms against ours, answered in {after_ms - before_ms} ms"


async def _account(orders: Orders) -> tuple[bool, str]:
    balances = await orders.balances()
    held = f"{len(balances)} assets held"
    if isinstance(orders, Margined):
        held += f", {len(await orders.positions())} positions open"
    return True, f"the key is accepted; {held}"


async def _rules(orders: Orders, config: VenueConfig) -> tuple[bool, str]:
    known = {rules.symbol for rules in await orders.instruments(config.symbols)}
    missing = [symbol for symbol in config.symbols if symbol not in known]
    return not missing, f"not listed: {', '.join(missing)}" if missing else f"{len(known)} symbols with their rules"


async def _fx(name: str, kind: str, url: str) -> Finding:
    http = Http()
    try:
        rate, _ = decode_source(kind, await http.get(url))
    except PremiaError as error:
        return Finding(f"fx {name}", False, str(error))
    finally:
        await http.close()
    return Finding(f"fx {name}", True, f"{rate} KRW per USD")
