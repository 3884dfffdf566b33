"""The shim sees an order in what leaves a socket: by HTTP, and in the masked frames of a WebSocket client."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from crash.points import POINTS

CHILD = """
import socket, sys
from engine.net.ws_frames import text_frames
line = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
other = b'{"op":"subscribe","args":[]}'
for number in range(3):
    text = sys.argv[2].encode() % number
    line.sendall(text_frames([other, text, other]) if text.startswith(b"{") else text)
"""
ORDERS = [
    "POST /v1/orders HTTP/1.1\r\nX-Count: %d\r\n",
    '{"id":"%d","method":"order.place","params":{}}',
    '{"reqId":"%d","op":"order.create","args":[]}',
    '{"id":"%d","op":"order","args":[' + "1," * 200 + "1]}",  # its length takes two bytes more
]


def sent(shim: Path, order: str, at: str) -> tuple[int, int]:
    """(exit code, bytes that arrived) of a process that sends three orders."""
    server = socket.create_server(("127.0.0.1", 0))
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(server.getsockname()[1]), order],
        env={**os.environ, "LD_PRELOAD": str(shim), "CRASH_AT": at},
    )
    peer, _ = server.accept()
    with server, peer:
        arrived = 0
        while part := peer.recv(1 << 16):
            arrived += len(part)
        return child.wait(10), arrived


@pytest.mark.parametrize("order", ORDERS, ids=["http", "binance", "bybit", "okx"])
def test_a_life_ends_before_or_after_its_second_order(shim: Path, order: str):
    before, after = (
        next(point.call.format(n=2) for point in POINTS if point.name == name)
        for name in ("before the send", "after the send")
    )
    _, all_three = sent(shim, order, "")
    assert sent(shim, order, before) == (-signal.SIGKILL, all_three // 3)
    assert sent(shim, order, after) == (-signal.SIGKILL, all_three // 3 * 2)


@pytest.mark.parametrize(
    "other",
    [
        '{"id":"%d","op":"cancel-order"}',
        '{"id":"%d","op":"subscribe","args":[{"channel":"orders"}]}',
        "POST /v2.1/account/balance/all HTTP/1.1\r\nX-Count: %d\r\n",
        "POST /v2.1/order/cancel HTTP/1.1\r\nX-Count: %d\r\n",
        "POST /api/v1/bullet-private HTTP/1.1\r\nX-Count: %d\r\n",
        "POST /api/v1/hf/orders/dead-cancel-all HTTP/1.1\r\nX-Count: %d\r\n",
        "POST /fapi/v1/listenKey HTTP/1.1\r\nX-Count: %d\r\n",
        "PUT /fapi/v1/order HTTP/1.1\r\nX-Count: %d\r\n",
        "GET /v1/orders HTTP/1.1\r\nX-Count: %d\r\nX-Said: POST /v1/orders HTTP/1.1\r\n",
    ],
)
def test_what_is_no_order_ends_nothing(shim: Path, other: str):
    """The same against the houses themselves is test_every_house."""
    before = next(point.call.format(n=1) for point in POINTS if point.name == "before the send")
    assert sent(shim, other, before)[0] == 0
