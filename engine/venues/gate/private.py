"""What spot and futures share of Gate's private REST: signing, expiry, how it says no. Source: Gate API v4."""

from typing import Any

from ccxt.async_support.gate import gate  # type: ignore[import-untyped]
from msgspec import Struct

from engine.domain.order import TimeInForce
from engine.venues.ccxt_orders import CcxtClient, Hooked, wall_ms
from engine.venues.purse import Purpose
from engine.venues.verdict import Answer, Budgets, Dialect, retry_after_s

PREFIX = "t-"  # every client id must begin so
LEAST_COUNTDOWN_S = 5
BPS_PER_ONE = 10_000
_WINDOW_S, _LEAST_REST_S = 10.0, 0.1
NO_STOP = "AUTO_ORDER_NOT_FOUND"  # of futures; also of one that waits no more
TIFS = {TimeInForce.GTC: "gtc", TimeInForce.IOC: "ioc", TimeInForce.FOK: "fok", TimeInForce.POST_ONLY: "poc"}
_EXPIRING = frozenset({("POST", "spot/orders"), ("POST", "futures/usdt/orders"), ("PATCH", "spot/orders/{order_id}")})


class Exchange(Hooked, gate):  # type: ignore[misc]
    """ccxt wants the section beside the path: `spot/orders` is `orders` of `spot`."""

    expiry_ms = 0

    def sign(self, path: str, api: Any, method: str = "GET", params: Any = None) -> Any:
        section, _, rest = path.partition("/")
        request = super().sign(rest, [api[0], section], method, {} if params is None else params)
        if (method, path) in _EXPIRING:
            # Past this moment of its own clock the venue drops the request unprocessed.
            request["headers"]["x-gate-exptime"] = str(self.nonce() + self.expiry_ms)
        return request


class _Time(Struct):
    server_time: int


def _error_of(body: Any) -> tuple[str, str] | None:
    if not isinstance(body, dict) or "label" not in body:
        return None
    return str(body["label"]), str(body.get("message") or body.get("detail") or "")


def _obey(answer: Answer, budgets: Budgets) -> None:
    """`X-Gate-RateLimit-Requests-Remain` counts one endpoint down; which one is not said: reads rest."""
    if answer.headers.get("x-gate-ratelimit-requests-remain") == "0":
        budgets.reads.calm(1.0)


def _wait_s(answer: Answer) -> float:
    """Until the moment it names, if within a window of ten seconds: below the limit that moment is now."""
    if answer.status != 429:
        return retry_after_s(answer, 60.0)
    text = answer.headers.get("x-gate-ratelimit-reset-timestamp", "")
    left_s = int(text) - wall_ms() / 1000 if text.isdecimal() and len(text) < 12 else 0.0
    return retry_after_s(answer, left_s if _LEAST_REST_S <= left_s <= _WINDOW_S else _WINDOW_S)


DIALECT = Dialect(
    error_of=_error_of,
    unknown=frozenset({"INTERNAL", "SERVER_ERROR", "TOO_BUSY"}),
    limited=frozenset({"TOO_MANY_REQUESTS", "TOO_FAST"}),
    not_found=frozenset({"ORDER_NOT_FOUND", "CLIENT_ID_NOT_FOUND", NO_STOP}),
    duplicate=("REPEATED_CREATION", "uplicate"),
    wait_s=_wait_s,
    obey=_obey,
)


async def server_time_ms(client: CcxtClient, exchange: Exchange) -> int:
    sent_ms = wall_ms()
    time = await client.ask(Purpose.READ, "GET", "spot/time", {}, _Time, "public")
    received_ms = wall_ms()
    # The expiry follows the venue's clock, never ahead of it: a request then expires no later than we count.
    exchange.options["timeDifference"] = received_ms - time.server_time
    return time.server_time + (received_ms - sent_ms) // 2
