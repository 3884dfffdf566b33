"""What goes wrong and when: a seeded list of premiums, faults, kills and halts. The same seed, the same storm."""

from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any, Literal

from msgspec import Struct

COINS = ("BTC", "ETH", "XRP")
KOREAN = ("upbit", "bithumb")
GLOBAL = ("binance", "okx")
VENUES = KOREAN + GLOBAL
ORDER_TIMEOUT_MS = 1_500  # what the soak's engine is configured with
LATE_ACCEPTANCE_MS = 3_000  # longer than any delay below, but for `too_late`

What = Literal["premium", "fault", "clear", "fx", "kill", "kill_on_order", "halt_file", "halt"]


class Gust(Struct, frozen=True, kw_only=True):
    """One thing that goes wrong, `at_s` after the start. `body` is what the world's door is told."""

    at_s: float
    what: What
    body: dict[str, Any] = {}


class StormConfig(Struct, frozen=True, kw_only=True):
    seconds: float
    seed: int
    kills: int = 6
    halts: int = 4
    fault_every_s: float = 0.8
    too_late: bool = True  # also executions later than the engine was told to expect


def forecast(config: StormConfig) -> list[Gust]:
    """Every gust of the storm, in order of time."""
    random = Random(config.seed)
    gusts = [*_premiums(config, random), *_faults(config, random), *_stops(config, random)]
    return sorted(gusts, key=lambda gust: gust.at_s)


def _symbol(venue: str, coin: str) -> str:
    return {"binance": f"{coin}USDT", "okx": f"{coin}-USDT"}.get(venue, f"KRW-{coin}")


def _premiums(config: StormConfig, random: Random) -> Iterator[Gust]:
    at_s = 2.0
    while at_s < config.seconds:
        body = {
            "venue": random.choice(VENUES),
            "coin": random.choice((*COINS, *COINS, "USDT")),
            "bps": random.choice((-1, 1)) * random.uniform(60, 160),
            "seconds": random.uniform(3, 9),
        }
        if body["coin"] == "USDT":
            body["venue"] = random.choice(KOREAN)
        yield Gust(at_s=at_s, what="premium", body=body)
        at_s += random.uniform(0.6, 2.0)


def _faults(config: StormConfig, random: Random) -> Iterator[Gust]:
    at_s = 4.0
    while at_s < config.seconds:
        if random.random() < 0.06:
            yield from _fx(random, at_s)
        else:
            venue = random.choice(VENUES)
            fault, lasts_s = _fault(config, random, venue)
            yield Gust(at_s=at_s, what="fault", body={"venue": venue, "fault": fault})
            if lasts_s:
                body = {"venue": venue, "clear": True, "kind": fault["kind"]}
                yield Gust(at_s=at_s + lasts_s, what="clear", body=body)
        at_s += random.expovariate(1 / config.fault_every_s)


def _fx(random: Random, at_s: float) -> Iterator[Gust]:
    source = random.choice(("dunamu", "frankfurter"))
    bad = random.choice(({"outage": True}, {"frozen": True}, {"off_percent": "1.5"}))
    yield Gust(at_s=at_s, what="fx", body={"source": source, **bad})
    yield Gust(at_s=at_s + random.uniform(2, 8), what="fx", body={"source": source})


def _fault(config: StormConfig, random: Random, venue: str) -> tuple[dict[str, Any], float]:
    """A fault, and after how many seconds it is to be taken back (0: it ends by itself)."""
    kinds = [
        (4, "drop_after"),
        (3, "drop_before"),
        (3, "delay_before"),
        (3, "delay_after"),
        (3, "http_error"),
        (3, "partial"),
        (2, "reject"),
        (2, "rate_limit"),
        (1, "ban"),
        (2, "query_lag"),
        (1, "rest_outage"),
        (1, "reject_all"),
        (1, "ws_gap"),
        (1, "ws_silence"),
        (1, "ws_crossed"),
        (1, "ws_malformed"),
        (1, "ws_half_open"),
        (1, "ws_disconnect"),
        (1, "ws_refuse"),
    ]
    kind = random.choices([name for _, name in kinds], [weight for weight, _ in kinds])[0]
    fault: dict[str, Any] = {"kind": kind, "count": random.choice((1, 1, 1, 3))}
    match kind:
        case "drop_after" | "drop_before":
            fault["ms"] = random.choice((0, 0, 300, 2 * ORDER_TIMEOUT_MS))
        case "delay_before":
            late = config.too_late and random.random() < 0.2
            fault["ms"] = LATE_ACCEPTANCE_MS + 4_000 if late else random.randint(100, LATE_ACCEPTANCE_MS)
        case "delay_after":
            fault["ms"] = random.randint(100, 3 * ORDER_TIMEOUT_MS)
        case "http_error":
            scope = random.choice(("placement", "placement", "query", "any"))
            fault |= {"status": random.choice((500, 502, 503, 504)), "executed": random.random() < 0.5, "scope": scope}
        case "rate_limit" | "ban":
            fault["scope"] = random.choice(("placement", "query", "any"))
        case "partial":
            fault |= {"ratio": str(Decimal(random.randint(1, 9)) / 10), "count": random.randint(1, 3)}
        case "query_lag":
            fault["ms"] = random.randint(300, 4_000)
            return fault, random.uniform(2, 6)
        case "rest_outage" | "reject_all" | "ws_refuse":
            fault["ms"] = random.randint(500, 4_000)
        case "ws_silence":
            fault |= {"ms": random.randint(1_000, 6_000), "symbol": _symbol(venue, random.choice(COINS))}
        case "ws_gap" | "ws_crossed" | "ws_malformed":
            fault |= {"count": random.randint(1, 4), "symbol": _symbol(venue, random.choice(COINS))}
    return fault, 0.0


def _stops(config: StormConfig, random: Random) -> Iterator[Gust]:
    """Kills and halts, spread over the run; every second kill waits for the next order to leave."""
    calm_s = min(8, config.seconds / 3)
    span = config.seconds - 1.5 * calm_s
    for i in range(config.kills):
        at_s = calm_s + span * (i + random.uniform(0.1, 0.9)) / config.kills
        yield Gust(at_s=at_s, what="kill_on_order" if i % 2 == 0 else "kill")
    for i in range(config.halts):
        at_s = calm_s + span * (i + random.uniform(0.1, 0.9)) / config.halts
        if i % 2 == 0:
            yield Gust(at_s=at_s, what="halt_file")
        else:
            yield Gust(at_s=at_s, what="halt", body={"level": random.choice((1, 2, 3)), "reason": "soak"})
