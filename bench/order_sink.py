"""A venue's order door reduced to its socket: says when a placement's first byte arrived, and answers it at once.

Runs in a process of its own. The time is the kernel's, taken when the segment reached the socket (SO_TIMESTAMPNS): when
this process gets to run is no part of what is measured. Wall clock of one machine, so times compare across processes.
"""

import asyncio
import json
import re
import socket
import struct
import time
from multiprocessing.connection import Connection

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_SO_TIMESTAMPNS = 35  # Linux; Python has no name for it
_TIMESPEC = struct.Struct("qq")


class _Caller:
    """One connection of an order client."""

    def __init__(self, sock: socket.socket, stamps: Connection) -> None:
        self._sock = sock
        self._stamps = stamps
        self._buffer = b""
        self._first_ns = 0
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)

    def read(self) -> None:
        data, ancillary, _, _ = self._sock.recvmsg(1 << 16, 256)
        if not data:
            asyncio.get_running_loop().remove_reader(self._sock)
            self._sock.close()
            return
        if not self._buffer:
            self._first_ns = _arrival(ancillary)
        self._buffer += data
        head, mark, body = self._buffer.partition(b"\r\n\r\n")
        found = _LENGTH.search(head)
        length = int(found.group(1)) if found else 0
        if not mark or len(body) < length:
            return
        self._buffer = body[length:]
        self._answer(head.decode(), body[:length].decode())

    def _answer(self, head: str, body: str) -> None:
        line = head.split("\r\n", 1)[0]
        answer = json.dumps(_body(line, body)).encode()
        self._sock.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer
        )
        if line.startswith("POST"):
            self._stamps.send(self._first_ns)


def _arrival(ancillary: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            return int(seconds * 1_000_000_000 + nanoseconds)
    return time.time_ns()  # a system without these stamps: when it was read


def _body(line: str, body: str) -> object:
    """What Binance and OKX answer to a placement and to the look-up after it; everything filled as asked."""
    fields = dict(
        pair.split("=", 1) for pair in (body or line.split("?", 1)[-1].split(" ")[0]).split("&") if "=" in pair
    )
    if "/api/v3/order" in line:
        qty, price = fields.get("quantity", "1"), fields.get("price", "1")
        return {
            "symbol": fields["symbol"],
            "orderId": 1,
            "clientOrderId": fields.get("newClientOrderId", ""),
            "transactTime": 1,
            "executedQty": qty,
            "cummulativeQuoteQty": str(float(qty) * float(price)),
            "status": "FILLED",
            "side": fields.get("side", "BUY"),
            "fills": [{"price": price, "qty": qty, "commission": "0", "commissionAsset": "USDT"}],
        }
    return {"code": "0", "msg": "", "data": [{"ordId": "1", "clOrdId": "", "sCode": "0", "sMsg": "", "ts": "1"}]}


def serve(stamps: Connection) -> None:
    """Process entry: sends its port first, then one stamp per placement; ends when it is terminated."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as door:
            door.setblocking(False)
            stamps.send(door.getsockname()[1])
            while True:
                sock, _ = await loop.sock_accept(door)
                loop.add_reader(sock, _Caller(sock, stamps).read)

    asyncio.run(run())
