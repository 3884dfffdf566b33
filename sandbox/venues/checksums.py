"""The CRC32 that OKX and Bitget sent with each book until they dropped it; a world may ask for it back."""

from zlib import crc32

from sandbox.venues.liquidity import Levels
from sandbox.venues.spelling import plain

_LEVELS = 25


def of_book(bids: Levels, asks: Levels) -> int:
    """Of 25 levels a side, best first, bid and ask by turns, in the spelling of the frames; signed 32 bits."""
    bids, asks = bids[:_LEVELS], asks[:_LEVELS]
    parts: list[str] = []
    for i in range(max(len(bids), len(asks))):
        for side in (bids, asks):
            if i < len(side):
                parts += map(plain, side[i])
    value = crc32(":".join(parts).encode())
    return value - (1 << 32) if value >= 1 << 31 else value
