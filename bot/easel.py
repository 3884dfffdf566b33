"""The worker that draws: `python -m bot.easel`, fed over stdin, answering over stdout, ending with its parent.

What it imports is what it costs, so nothing of Telegram or of the engine.
"""

import signal
import sys
from typing import BinaryIO

import msgspec

from bot.easel_wire import DRAWN, LENGTH, NOT_DRAWN, framed
from bot.views import pictures
from bot.views.content import Picture


def answer(ask: bytes) -> bytes:
    """One ask to one answer; a picture whose data do not fit its drawing is our own mistake, and told as such."""
    try:
        picture = msgspec.json.decode(ask, type=Picture)
        return DRAWN + framed(pictures.draw(picture.kind, picture.data))
    except (KeyError, ValueError, ArithmeticError) as error:
        return NOT_DRAWN + framed(f"{type(error).__name__}: {error}".encode())


def serve(asks: BinaryIO, answers: BinaryIO) -> None:
    """Until the other side closes."""
    while len(head := asks.read(LENGTH.size)) == LENGTH.size:
        answers.write(answer(asks.read(LENGTH.unpack(head)[0])))
        answers.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the bot decides when the worker ends, not the terminal
    pictures.warm()
    serve(sys.stdin.buffer, sys.stdout.buffer)
