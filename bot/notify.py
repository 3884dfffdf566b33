"""systemd's notification socket: READY=1 when the bot runs, WATCHDOG=1 while its poll loop makes progress."""

import os
import socket


def notify(text: str) -> None:
    """Send one state line to $NOTIFY_SOCKET; nothing happens where there is none. Raises OSError for a broken one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]  # systemd's spelling of an abstract socket
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
        out.sendto(text.encode(), address)
