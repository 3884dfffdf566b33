"""Premiums close together and faults among them, for as long as a round lasts: a seeded stream of gusts."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from random import Random
from typing import Any

from sandbox.soak.storm import COINS, Gust

ORDER_TIMEOUT_MS = 3_000  # as configured for people; with the two below a start waits for what left before it
LATE_ACCEPTANCE_MS = 2_500  # longer than any delay below: what is too late for it belongs to the soak
SETTLE_MARGIN_MS = 200
TIMES = {
    "order_timeout_ms": ORDER_TIMEOUT_MS,
    "late_acceptance_ms": LATE_ACCEPTANCE_MS,
    "settle_margin_ms": SETTLE_MARGIN_MS,
}
_KINDS = (
    (5, "drop_after"),
    (4, "drop_before"),
    (4, "delay_before"),
    (4, "delay_after"),
    (4, "http_error"),
    (5, "partial"),
    (2, "reject"),
    (2, "rate_limit"),
    (4, "query_lag"),
    (1, "rest_outage"),
    (1, "ws_gap"),
    (1, "ws_disconnect"),
)


def forecast(seed: int, venues: Sequence[str], korean: Sequence[str]) -> Iterator[Gust]:
    """Gusts over these venues in order of time, without end; `korean` are those whose USDT has a price."""
    random = Random(seed)
    premium_s, fault_s = 0.0, 2.0
    while True:
        if premium_s <= fault_s:
            yield _premium(random, premium_s, venues, korean)
            premium_s += random.uniform(0.25, 0.8)
        else:
            yield from _fault(random, fault_s, venues)
            fault_s += random.expovariate(1 / 1.2)


def _premium(random: Random, at_s: float, venues: Sequence[str], korean: Sequence[str]) -> Gust:
    coin = random.choice((*COINS, *COINS, "USDT"))
    body = {
        "venue": random.choice(korean if coin == "USDT" else venues),
        "coin": coin,
        "bps": random.choice((-1, 1)) * random.uniform(60, 160),
        "seconds": random.uniform(2, 6),
    }
    return Gust(at_s=at_s, what="premium", body=body)


def _fault(random: Random, at_s: float, venues: Sequence[str]) -> Iterator[Gust]:
    venue = random.choice(venues)
    kind = random.choices([name for _, name in _KINDS], [weight for weight, _ in _KINDS])[0]
    fault: dict[str, Any] = {"kind": kind, "count": random.choice((1, 1, 2))}
    match kind:
        case "drop_after" | "drop_before":
            fault["ms"] = random.choice((0, 0, 300))
        case "delay_before" | "delay_after":
            fault["ms"] = random.randint(50, LATE_ACCEPTANCE_MS - 500)
        case "http_error":
            scope = random.choice(("placement", "placement", "query"))
            fault |= {"status": random.choice((500, 502, 504)), "executed": random.random() < 0.5, "scope": scope}
        case "rate_limit":
            fault["scope"] = random.choice(("placement", "query"))
        case "partial":
            fault["ratio"] = str(Decimal(random.randint(1, 9)) / 10)
        case "query_lag" | "rest_outage":
            fault["ms"] = random.randint(100, 700)
        case "ws_gap":
            fault["symbol"] = ""
    yield Gust(at_s=at_s, what="fault", body={"venue": venue, "fault": fault})
    if kind == "query_lag":
        yield Gust(at_s=at_s + 0.7, what="clear", body={"venue": venue, "clear": True, "kind": kind})
