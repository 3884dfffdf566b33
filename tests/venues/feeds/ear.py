"""What a decoder tells, written short."""

import json
from typing import Any

from engine.domain.errors import BadFrame
from engine.domain.event import BookDelta, BookLost, BookSnapshot, TradePrint
from engine.venues.feeds import build_decoder


class Ear:
    """A decoder with its events and asks in one readable list."""

    def __init__(self, venue):
        self.told: list[str] = []
        self.events: list[Any] = []
        self.decoder = build_decoder(
            venue, self._take, lambda symbol, reason: self.told.append(f"ask {symbol} {reason}")
        )

    def _take(self, event):
        self.events.append(event)
        match event:
            case BookSnapshot():
                self.told.append(f"book {event.symbol} {_side(event.bids)}|{_side(event.asks)}")
            case BookDelta():
                self.told.append(f"change {event.symbol} {_side(event.bids)}|{_side(event.asks)}")
            case BookLost():
                self.told.append(f"lost {event.symbol} {event.reason}")
            case TradePrint():
                self.told.append(
                    f"trade {event.symbol} {event.taker_side} {event.price:g}x{event.qty:g} #{event.trade_id}"
                )

    def hear(self, *frames, seen_ns=1):
        """Feed frames (objects, or raw bytes); returns what was told since the last call."""
        for frame in frames:
            try:
                self.decoder.on_frame(frame if isinstance(frame, bytes) else spell(frame), seen_ns)
            except BadFrame:
                self.told.append("bad frame")
        return self.take()

    def rest(self, symbol, body):
        self.decoder.on_rest_book(symbol, spell(body), 1)
        return self.take()

    def take(self):
        told, self.told = self.told, []
        return told


def spell(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _side(levels):
    return ",".join(f"{price:g}x{size:g}" for price, size in levels)
