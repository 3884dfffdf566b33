"""Record what the seeded venues say: `python -m sandbox.venues.capture OUT [--seconds 10]`.

One gzipped file per venue in the line format of recorded traffic: `t`, `dir`, `conn`, `data`, with `ev` and `url` on
connects, `req` on REST answers, `bin` on binary frames. The markets are synthetic, the dialects are the venues'.
"""

import argparse
import asyncio
import gzip
import time
from pathlib import Path

import aiohttp
import msgspec

from sandbox.world import World, WorldConfig

START_MS = 1_795_132_800_000  # 2026-11-20 00:00 UTC: the clock of every capture starts here
_KOREAN = ["KRW-BTC.15", "KRW-ETH.5", "KRW-XRP.5", "KRW-USDT.5"]


def _ticketed(codes: list[str], form: str) -> str:
    parts: list[dict[str, object]] = [{"ticket": "capture"}]
    parts += [{"type": "orderbook", "codes": codes}]
    parts += [{"type": "trade", "codes": [code.split(".")[0] for code in codes]}, {"format": form}]
    return msgspec.json.encode(parts).decode()


_BINANCE = "/".join(f"{s}usdt@{channel}" for s in ("btc", "xrp") for channel in ("depth@100ms", "trade", "bookTicker"))
_OKX = [{"channel": channel, "instId": f"{s}-USDT"} for s in ("BTC", "XRP") for channel in ("books", "trades")]
SOCKETS: dict[str, list[tuple[str, str, str]]] = {  # venue -> (path, first frame, keep-alive)
    "upbit": [
        ("/websocket/v1", _ticketed(_KOREAN, "DEFAULT"), "PING"),
        ("/websocket/v1", _ticketed(["KRW-BTC.5"], "SIMPLE"), ""),
    ],
    "bithumb": [
        ("/websocket/v1", _ticketed(["KRW-BTC", "KRW-XRP.5", "KRW-USDT.5"], "DEFAULT"), "PING"),
        ("/websocket/v1", _ticketed(["KRW-ETH.5"], "SIMPLE"), ""),
    ],
    "binance": [(f"/stream?streams={_BINANCE}", "", "")],
    "okx": [("/ws/v5/public", msgspec.json.encode({"op": "subscribe", "args": _OKX}).decode(), "ping")],
}
ANSWERS: dict[str, list[str]] = {
    "upbit": [
        "/v1/market/all?is_details=true",
        "/v1/orderbook/instruments?markets=KRW-BTC,KRW-XRP,KRW-USDT",
        "/v1/orderbook?markets=KRW-BTC,KRW-USDT&count=5",
        "/v1/ticker?markets=KRW-BTC",
        "/v1/orderbook?markets=KRW-NO",
    ],
    "bithumb": [
        "/v1/market/all?isDetails=true",
        "/v1/orderbook?markets=KRW-BTC",
        "/v1/ticker?markets=KRW-BTC",
        "/v1/orderbook?markets=KRW-NO",
    ],
    "binance": [
        "/api/v3/exchangeInfo",
        "/api/v3/depth?symbol=BTCUSDT&limit=1000",
        "/api/v3/depth?symbol=XRPUSDT&limit=1000",
    ],
    "okx": [
        "/api/v5/public/instruments?instType=SPOT",
        "/api/v5/market/books?instId=BTC-USDT&sz=400",
        "/api/v5/public/time",
    ],
}


class Recorder:
    def __init__(self, clock_ms: int) -> None:
        self._shift_ns = clock_ms * 1_000_000 - time.monotonic_ns()
        self.lines: list[bytes] = []

    def now_ms(self) -> int:
        return (time.monotonic_ns() + self._shift_ns) // 1_000_000

    def note(self, direction: str, conn: str, data: str, **more: object) -> None:
        at = (time.monotonic_ns() + self._shift_ns) / 1_000_000_000
        self.lines.append(
            msgspec.json.encode({"t": round(at, 6), "dir": direction, "conn": conn, "data": data, **more})
        )


async def record(out: Path, seconds: float) -> None:
    """One venue after the other, each from the same moment of the same market."""
    for venue in SOCKETS:
        recorder = Recorder(START_MS)
        async with World(WorldConfig(seed=11), clock=recorder.now_ms) as world:
            await _record_venue(world.urls[venue]["rest"], venue, recorder, seconds)
        path = out / venue / "ws-seeded.jsonl.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(b"\n".join(recorder.lines) + b"\n", 9, mtime=0))
        print(path, len(recorder.lines), "lines", path.stat().st_size, "bytes")


async def _record_venue(rest: str, venue: str, recorder: Recorder, seconds: float) -> None:
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
        for i, (path, first, keep_alive) in enumerate(SOCKETS[venue], 1):
            tasks.create_task(_listen(session, rest + path, f"ws{i}", first, keep_alive, recorder, seconds))
        await asyncio.sleep(min(1.0, seconds / 2))
        for path in ANSWERS[venue]:
            async with session.get(rest + path) as answer:
                request = f"GET {path}"
                recorder.note("in", "rest", await answer.text(), req=request, status=answer.status)


async def _listen(
    session: aiohttp.ClientSession, url: str, conn: str, first: str, keep_alive: str, recorder: Recorder, seconds: float
) -> None:
    async with session.ws_connect(url) as ws:
        place = "/" + url.split("/", 3)[3]
        recorder.note("out", conn, "", ev="open", url=place)
        for frame in filter(None, (first, keep_alive)):
            await ws.send_str(frame)
            recorder.note("out", conn, frame, url=place)
        try:
            async with asyncio.timeout(seconds):
                async for message in ws:
                    if message.type is aiohttp.WSMsgType.BINARY:
                        recorder.note("in", conn, message.data.decode(), bin=1)
                    else:
                        recorder.note("in", conn, message.data)
        except TimeoutError:
            return


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.venues.capture", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    args = parser.parse_args()
    asyncio.run(record(args.out, args.seconds))


if __name__ == "__main__":
    main()
