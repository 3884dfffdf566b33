"""How painter and easel talk. Ask: length, a Picture as JSON. Answer: one byte, length, PNG or an error's text."""

import struct

LENGTH = struct.Struct(">I")
DRAWN, NOT_DRAWN = b"\x00", b"\x01"


def framed(body: bytes) -> bytes:
    return LENGTH.pack(len(body)) + body
