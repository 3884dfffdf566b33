"""A local HTTP server that answers as it is told, and keeps what it was sent."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
from aiohttp import web

from engine.config import Credential, TickConfig, VenueConfig
from engine.domain.market import FeeSide
from engine.domain.order import LegRole, OrderRequest, Side, TimeInForce

CID = "abcdefghijklmnopqrstuvwx23"
CREDENTIAL = Credential("the-key", "the-secret", "the-phrase")


@dataclass
class Say:
    """One answer: a body (text, or anything that becomes JSON), or what happens instead of one."""

    body: Any = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    happens: str = ""  # "cut": the connection ends unanswered; "hang": nothing comes


@dataclass
class Heard:
    method: str
    path: str
    query: str
    body: str
    headers: dict[str, str]


class Stage:
    def __init__(self) -> None:
        self.base = ""
        self.heard: list[Heard] = []
        self._lines: dict[str, deque[Say]] = defaultdict(deque)

    def says(self, request: str, *answers: Say) -> None:
        """`request` is "GET /v1/order"; the last answer stays."""
        self._lines[request].extend(answers)

    def forget(self) -> None:
        self.heard.clear()
        self._lines.clear()

    async def hear(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        query = request.raw_path.partition("?")[2]
        self.heard.append(Heard(request.method, request.path, query, body, dict(request.headers)))
        lines = self._lines.get(f"{request.method} {request.path}")
        if not lines:
            return web.Response(status=404, text="<html>no such line on this stage</html>", content_type="text/html")
        say = lines.popleft() if len(lines) > 1 else lines[0]
        if say.happens == "hang":
            await asyncio.Event().wait()
        if say.happens == "cut":
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        text = say.body if isinstance(say.body, str) else msgspec.json.encode(say.body).decode()
        kind = "text/html" if text.startswith("<") else "application/json"
        return web.Response(status=say.status, text=text, headers=say.headers, content_type=kind)


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    play = Stage()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", play.hear)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    play.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield play
    finally:
        await runner.cleanup()


class Open:
    """A budget that never says no, and remembers what it was told."""

    def __init__(self, wait_s: float = 0.0) -> None:
        self._wait_s = wait_s
        self.held: list[tuple[float, bool]] = []
        self.taken: list[bool] = []
        self.owed = 0.0

    def wait_s(self, tokens: float = 1.0, *, urgent: bool = False) -> float:
        return self._wait_s

    def try_take(self, tokens: float = 1.0, *, urgent: bool = False) -> bool:
        self.taken.append(urgent)
        return self._wait_s == 0

    def owe(self, tokens: float) -> None:
        self.owed += tokens

    def block(self, seconds: float) -> None:
        self.held.append((seconds, True))

    def calm(self, seconds: float) -> None:
        self.held.append((seconds, False))


def config(base: str, **over: Any) -> VenueConfig:
    values: dict[str, Any] = {
        "rest_base": base,
        "ws_base": "ws://127.0.0.1:1",
        "symbols": ("KRW-BTC",),
        "maker_fee_bps": Decimal(5),
        "taker_fee_bps": Decimal(5),
        "fee_side": FeeSide.QUOTE,
        "max_book_age_ms": 2000,
        "order_timeout_ms": 400,
        "orders_per_second": Decimal(1000),
        "reads_per_second": Decimal(1000),
        "ticks": (TickConfig(Decimal(0), Decimal(1)), TickConfig(Decimal(1000), Decimal(1))),
        "min_notional": Decimal(5000),
    }
    return VenueConfig(**(values | over))


def order(venue: str, symbol: str, tif: TimeInForce = TimeInForce.IOC, **over: Any) -> OrderRequest:
    values: dict[str, Any] = {
        "cid": CID,
        "trade_id": "t1",
        "leg": 0,
        "role": LegRole.ENTRY,
        "venue": venue,
        "symbol": symbol,
        "side": Side.BUY,
        # More digits than a float keeps, and trailing zeros: both must reach the wire.
        "qty": Decimal("0.12345678901234567890"),
        "price": Decimal("93125000.10"),
        "tif": tif,
    }
    return OrderRequest(**(values | over))
