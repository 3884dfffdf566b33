"""OKX's retired CRC32 over the top of a book: 25 levels a side, bid and ask interleaved, as the venue spelled them.

The field is 0 since 2026-06-23; recordings from before carry it, and there it proves every update.
"""

from binascii import crc32

from engine.venues.okx.wire import TextRow

_LEVELS = 25
_Side = dict[float, TextRow]


class TextBook:
    """A book by its spelling, kept only while frames carry a checksum."""

    def __init__(self) -> None:
        self._bids: _Side = {}
        self._asks: _Side = {}

    def change(self, bids: list[TextRow], asks: list[TextRow]) -> None:
        for side, rows in ((self._bids, bids), (self._asks, asks)):
            for row in rows:
                price = float(row.price)
                if float(row.size):
                    side[price] = row
                else:
                    side.pop(price, None)

    def checksum(self) -> int:
        """Signed 32 bits. Where one side is shorter, the other goes on alone."""
        bids = [self._bids[price] for price in sorted(self._bids, reverse=True)[:_LEVELS]]
        asks = [self._asks[price] for price in sorted(self._asks)[:_LEVELS]]
        parts: list[str] = []
        for index in range(max(len(bids), len(asks))):
            for side in (bids, asks):
                if index < len(side):
                    parts += (side[index].price, side[index].size)
        value = crc32(":".join(parts).encode())
        return value - (1 << 32) if value >= 1 << 31 else value
