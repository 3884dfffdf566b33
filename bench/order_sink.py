"""The order doors of `bench.order_venue` as stamps: says when a placement's first byte arrived, and answers it at once.

Runs in a process of its own. The time is the kernel's, taken when the segment reached the socket (SO_TIMESTAMPNS): when
this process gets to run is no part of what is measured. Wall clock of one machine, so times compare across processes.
"""

import asyncio
import socket
from multiprocessing.connection import Connection

from bench.order_venue import Caller


def serve(stamps: Connection) -> None:
    """Process entry: sends its port first, then one stamp per placement; ends when it is terminated."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as door:
            door.setblocking(False)
            stamps.send(door.getsockname()[1])
            while True:
                sock, _ = await loop.sock_accept(door)
                loop.add_reader(sock, Caller(sock, lambda cid, arrived_ns: stamps.send(arrived_ns)).read)

    asyncio.run(run())
