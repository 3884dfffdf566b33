"""systemd's readiness protocol: one datagram to the socket it names. Silent where there is none."""

import os
import socket


def notify(text: str) -> bool:
    """Send e.g. "READY=1" or "WATCHDOG=1"; False where no supervisor listens. Source: sd_notify(3)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.sendto(text.encode(), address)
        except OSError:
            return False
    return True
