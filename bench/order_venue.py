"""The order doors of five venues reduced to their sockets: HTTP and WebSocket, every placement accepted at once.

Runs in a process of its own and keeps, for each order, the time from its decision to its first byte: the decision's
wall clock is a part of the client id, the arrival is the kernel's stamp of the segment (SO_TIMESTAMPNS).
"""

import asyncio
import re
import socket
import struct
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha1
from multiprocessing.connection import Connection

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_CID = re.compile(
    rb"(?:newClientOrderId|clOrdId|client_order_id|clientOrderId|identifier|orderLinkId|user_order_id)(?:\":\"|=)([0-9A-Za-z]+)"
)
_ID = re.compile(rb'"(?:id|reqId)":"(\d+)"')
_KEY = re.compile(rb"sec-websocket-key: (\S+)", re.IGNORECASE)
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SO_TIMESTAMPNS = 35  # Linux; Python has no name for it
_TIMESPEC = struct.Struct("qq")
_READ = 1 << 16
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
_MARKET = (
    b'{"code":"0","msg":"","data":[{"instId":"BTC-USDT","instIdCode":10459,"baseCcy":"BTC","quoteCcy":"USDT",'
    b'"tickSz":"0.01","lotSz":"0.00001","minSz":"0.00001","maker":"-0.001","taker":"-0.001","state":"live","ts":"1"}]}'
)
_ROW = (
    b'{"uuid":"%b","order_id":"%b","user_order_id":"%b","result":"success","error_code":"0","market":"KRW-BTC",'
    b'"created_at":"2026-11-21T09:00:00+09:00","side":"bid","ord_type":"limit","price":"84120000","state":"wait",'
    b'"volume":"0.01"}'
)
_FILLED = (
    b'{"symbol":"BTCUSDT","orderId":1,"clientOrderId":"%b","transactTime":1,"executedQty":"0.01","price":"60000",'
    b'"origQty":"0.01","cummulativeQuoteQty":"600","status":"FILLED","side":"BUY","type":"LIMIT","timeInForce":"IOC",'
    b'"fills":[{"price":"60000","qty":"0.01","commission":"0","commissionAsset":"USDT"}]}'
)
_PLACED = b'{"code":"0","msg":"","data":[{"ordId":"1","clOrdId":"%b","sCode":"0","sMsg":"","ts":"1"}]}'
_CREATED = b'{"retCode":0,"retMsg":"OK","result":{"orderId":"1","orderLinkId":"%b"},"retExtInfo":{},"time":1}'
_LOGGED_IN = {b"login": b'{"event":"login","code":"0","msg":""}', b"auth": b'{"op":"auth","retCode":0,"retMsg":"OK"}'}


class Caller:
    """One connection of an order client: HTTP until it asks for a WebSocket. `came` hears of each placement: its client
    id, and the wall clock in ns at which its first byte arrived.
    """

    def __init__(self, sock: socket.socket, came: Callable[[bytes, int], None]) -> None:
        self._sock = sock
        self._came = came
        self._buffer = b""
        self._first_ns = 0
        self._is_socket = False
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)

    def read(self) -> None:
        try:
            data, ancillary, _, _ = self._sock.recvmsg(_READ, 256)
        except ConnectionError:
            data, ancillary = b"", []
        if not data:
            asyncio.get_running_loop().remove_reader(self._sock)
            self._sock.close()
            return
        now_ns = _arrival(ancillary)
        if not self._buffer:
            self._first_ns = now_ns
        self._buffer += data
        answers = b""
        while (answer := self._next_frame() if self._is_socket else self._next_request()) is not None:
            answers += answer
            self._first_ns = now_ns  # only the first of them may have begun earlier
        if answers:
            self._sock.sendall(answers)

    def _next_request(self) -> bytes | None:
        head, mark, body = self._buffer.partition(b"\r\n\r\n")
        if not mark:
            return None
        found = _LENGTH.search(head)
        length = int(found.group(1)) if found else 0
        if len(body) < length:
            return None
        self._buffer = body[length:]
        key = _KEY.search(head)
        if key is not None:
            self._is_socket = True
            accept = b64encode(sha1(key.group(1) + _GUID).digest())
            lines = (b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade")
            return b"\r\n".join((*lines, b"Sec-WebSocket-Accept: " + accept, b"", b""))
        text = b64decode(body[:length]) if b"/v2.1/" in head else body[:length]
        cid = self._take(text)
        answer = _answer(head[: head.index(b"\r\n")], cid)
        return _OK % (len(answer), answer)

    def _take(self, text: bytes) -> bytes:
        """The order's client id; b"" where there is none."""
        found = _CID.search(text)
        if found is None:
            return b""
        self._came(found.group(1), self._first_ns)
        return found.group(1)

    def _next_frame(self) -> bytes | None:
        """Frames of a client are masked; none here is longer than 64 KB."""
        data = self._buffer
        if len(data) < 6:
            return None
        size, at = data[1] & 0x7F, 2
        if size == 126:
            size, at = int.from_bytes(data[2:4], "big"), 4
        if len(data) < at + 4 + size:
            return None
        mask, body = data[at : at + 4], data[at + 4 : at + 4 + size]
        self._buffer = data[at + 4 + size :]
        whole = (mask * (size // 4 + 1))[:size]
        text = (int.from_bytes(body, "big") ^ int.from_bytes(whole, "big")).to_bytes(size, "big")
        kind = data[0] & 0x0F
        if kind == 9:
            return bytes((0x8A, len(text))) + text
        return _frame(self._said(text)) if kind == 1 else b""

    def _said(self, text: bytes) -> bytes:
        for op, answer in _LOGGED_IN.items():
            if b'"op":"%b"' % op in text:
                return answer
        if text in (b"ping", b'{"op":"ping"}'):
            return b"pong" if text == b"ping" else b'{"op":"pong"}'
        cid, found = self._take(text), _ID.search(text)
        key = found.group(1) if found else b""
        if b'"order.place"' in text:
            return b'{"id":"%b","status":200,"result":%b,"rateLimits":[]}' % (key, _FILLED % cid)
        if b'"order.create"' in text:
            data = b'{"orderId":"1","orderLinkId":"%b"}' % cid
            return b'{"reqId":"%b","retCode":0,"retMsg":"OK","op":"order.create","data":%b}' % (key, data)
        return b'{"id":"%b","op":"order",%b' % (key, (_PLACED % cid)[1:])


def _frame(text: bytes) -> bytes:
    size = len(text)
    return bytes((0x81, size)) + text if size < 126 else b"\x81\x7e" + size.to_bytes(2, "big") + text


def _answer(line: bytes, cid: bytes) -> bytes:
    """What each venue says to the placement in its own path; a market's row to every question."""
    if line.startswith(b"GET"):
        return _MARKET
    if b"/api/v3/" in line:
        return _FILLED % cid
    if b"/api/v5/" in line:
        return _PLACED % cid
    return _CREATED % cid if b"/v5/" in line else _ROW % (cid, cid, cid)


def _arrival(ancillary: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            return int(seconds * 1_000_000_000 + nanoseconds)
    return time.time_ns()  # a system without these stamps: when it was read


def serve(pipe: Connection) -> None:
    """Process entry: sends its port first; answers each question on the pipe with the waits since the last one."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        waits_ns: list[int] = []

        def came(cid: bytes, arrived_ns: int) -> None:
            waits_ns.append(arrived_ns - int(cid[2:18], 16))

        def tell() -> None:
            try:
                pipe.recv()
            except EOFError:  # whoever asked is gone, and this process with it
                accepting.cancel()
                return
            pipe.send(waits_ns)
            waits_ns.clear()

        async def accept(door: socket.socket) -> None:
            while True:
                sock, _ = await loop.sock_accept(door)
                loop.add_reader(sock, Caller(sock, came).read)

        with socket.create_server(("127.0.0.1", 0)) as door:
            door.setblocking(False)
            accepting = loop.create_task(accept(door))
            pipe.send(door.getsockname()[1])
            loop.add_reader(pipe.fileno(), tell)
            with suppress(asyncio.CancelledError):
                await accepting

    asyncio.run(run())
