"""A plain WebSocket client that rebuilds each venue's book the way its documentation says."""

import asyncio
import json
from collections.abc import Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp

Book = tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]
DEADLINE_SECONDS = 10.0


def decode(text: str | bytes):
    """JSON whose fractions are Decimal."""
    return json.loads(text, parse_float=Decimal)


class Gap(Exception):
    """A delta does not follow the one before."""


class Heard:
    """Everything one socket said so far; `until` waits for a condition over it."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.frames: list[aiohttp.WSMessage] = []

    async def until(self, done: Callable[[list[aiohttp.WSMessage]], bool]) -> list[aiohttp.WSMessage]:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not done(self.frames):
                message = await self.ws.receive()
                self.frames.append(message)
                if message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.ERROR):
                    break
        return self.frames


@asynccontextmanager
async def listening(url: str, *first: str):
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as ws:
        for frame in first:
            await ws.send_str(frame)
        yield Heard(ws)


def binance_apply(book: Book, last_id: int, event: dict[str, Any]) -> int:
    """Returns the new last id. Raises Gap."""
    if event["u"] <= last_id:
        return last_id
    if not event["U"] <= last_id + 1:
        raise Gap(f"expected {last_id + 1}, received {event['U']}")
    _merge(book[0], event["b"])
    _merge(book[1], event["a"])
    return int(event["u"])


def okx_apply(book: Book, last_id: int, frame: dict[str, Any]) -> int:
    """Returns the new last id. Raises Gap."""
    data = frame["data"][0]
    if frame["action"] == "snapshot":
        book[0].clear()
        book[1].clear()
    elif data["prevSeqId"] != last_id:
        raise Gap(f"expected {last_id}, received {data['prevSeqId']}")
    _merge(book[0], data["bids"])
    _merge(book[1], data["asks"])
    return int(data["seqId"])


def _merge(side: dict[Decimal, Decimal], rows) -> None:
    for price, size, *_ in rows:
        if Decimal(size):
            side[Decimal(price)] = Decimal(size)
        else:
            side.pop(Decimal(price), None)


def units(frame: dict[str, Any]) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
    """Bids and asks of a Korean frame or REST row, numbers as values."""
    rows = frame["orderbook_units"]
    bids = [(Decimal(str(row["bid_price"])), Decimal(str(row["bid_size"]))) for row in rows]
    return bids, [(Decimal(str(row["ask_price"])), Decimal(str(row["ask_size"]))) for row in rows]


def rest_book(answer: dict[str, Any]) -> Book:
    """Bids and asks of a REST book with rows [price, size, …]."""
    bids, asks = ({Decimal(row[0]): Decimal(row[1]) for row in answer[side]} for side in ("bids", "asks"))
    return bids, asks
