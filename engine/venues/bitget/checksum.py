"""Bitget's CRC32 over the top of a book: 25 levels a side, bid and ask interleaved, as the venue spelled them.

No checksum is sent any more; recordings carry it, and where a frame has one it proves the book.
"""

from binascii import crc32

from engine.venues.bitget import wire

_LEVELS = 25
_Rows = list[tuple[str, str]]
_Side = dict[float, tuple[str, str]]


class TextBook:
    """A book by its spelling, kept only while frames carry a checksum."""

    def __init__(self) -> None:
        self._bids: _Side = {}
        self._asks: _Side = {}

    def change(self, bids: _Rows, asks: _Rows) -> None:
        for side, rows in ((self._bids, bids), (self._asks, asks)):
            for row in rows:
                price = float(row[0])
                if float(row[1]):
                    side[price] = row
                else:
                    side.pop(price, None)

    def follows(self, frame: bytes, index: int) -> bool:
        """Take the `index`-th book of a frame; whether the result is what its checksum says."""
        decoder = wire.text_books_v3 if b'"topic":"books"' in frame else wire.text_books
        spelled = decoder.decode(frame).data[index]
        self.change(spelled.bids, spelled.asks)
        return self.checksum() == spelled.checksum

    def checksum(self) -> int:
        """Signed 32 bits. Where one side is shorter, the other goes on alone."""
        bids = [self._bids[price] for price in sorted(self._bids, reverse=True)[:_LEVELS]]
        asks = [self._asks[price] for price in sorted(self._asks)[:_LEVELS]]
        parts: list[str] = []
        for index in range(max(len(bids), len(asks))):
            for side in (bids, asks):
                if index < len(side):
                    parts += side[index]
        value = crc32(":".join(parts).encode())
        return value - (1 << 32) if value >= 1 << 31 else value
