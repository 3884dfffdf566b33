"""`python -m crash.forge VENUE…`: loads the engine with these order sides, and forks a fresh life of it per request.

One JSON line on stdin per life (`Order`), one on stdout when it has begun and one when it has ended (`Heard`).
"""

import gc
import importlib
import os
import selectors
import signal
import sys

import msgspec

import engine.daemon as loaded
from crash.errand import Heard, Order
from engine.__main__ import main as premia


def _live(order: Order) -> None:
    """The child: never returns."""
    os.environ.update(order.env)  # before its first file call: the shim reads its orders there, once
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(order.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for old, new in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(old, new)
    sys.argv = order.argv
    code = 1
    try:
        premia()
        code = 0
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _say(heard: Heard) -> None:
    os.write(1, msgspec.json.encode(heard) + b"\n")


def _bury() -> None:
    """Tell of every child that has ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        _say(Heard(pid=pid, ended=True, code=os.waitstatus_to_exitcode(status)))


def main() -> None:
    assert loaded
    for venue in sys.argv[1:]:
        importlib.import_module(f"engine.venues.{venue}.orders")
    gc.freeze()  # what is loaded is shared by all lives: no collection writes to it
    wake_in, wake_out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_out, warn_on_full_buffer=False)
    waiting = selectors.DefaultSelector()
    waiting.register(0, selectors.EVENT_READ)
    waiting.register(wake_in, selectors.EVENT_READ)
    unread = b""
    while True:
        for key, _ in waiting.select():
            if key.fd == wake_in:
                os.read(wake_in, 4096)
                _bury()
                continue
            read = os.read(0, 65536)
            if not read:
                return
            *lines, unread = (unread + read).split(b"\n")
            for line in lines:
                order = msgspec.json.decode(line, type=Order)
                pid = os.fork()
                if not pid:
                    _live(order)
                _say(Heard(pid=pid))


if __name__ == "__main__":
    main()
