"""systemd's notification socket: READY=1 when the bot runs, WATCHDOG=1 while its poll loop makes progress."""

import asyncio
import os
import socket
import time


def notify(text: str) -> None:
    """Send one state line to $NOTIFY_SOCKET; nothing happens where there is none. Raises OSError for a broken one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]  # systemd's spelling of an abstract socket
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
        out.sendto(text.encode(), address)


class Heart:
    """Tells systemd that the poll loop turns: not that Telegram answers, for an outage is no reason to restart."""

    # A turn takes at most a long poll that hangs (35 s) and the longest pause (30 s).
    STALLED_S = 90.0
    EVERY_S = 5.0

    def __init__(self) -> None:
        self._turned_s = time.monotonic()

    def beat(self) -> None:
        self._turned_s = time.monotonic()

    async def run(self) -> None:
        while True:
            if time.monotonic() - self._turned_s < self.STALLED_S:
                notify("WATCHDOG=1")
            await asyncio.sleep(self.EVERY_S)
