"""Frames as they came, for who records them: a decoder that tells a tap first. Venue-independent."""

from collections.abc import Callable
from typing import Protocol

from engine.venues.decoder import Ask, Decoder
from engine.venues.protocol import Sink

MakeDecoder = Callable[[Sink, Ask], Decoder]


class Tap(Protocol):
    """Takes raw traffic of one venue. Called in the socket's callback: it may not wait, nor change what it is given."""

    def joined(self, connection: "TappedDecoder") -> str:
        """A connection that will be told of; returns its name, unique within the venue."""
        ...

    def opened(self, name: str, url: str, seen_ns: int) -> None:
        """Before the first frame of a connection, and after each reconnect."""
        ...

    def frame(self, name: str, data: bytes, seen_ns: int) -> None: ...

    def answer(self, name: str, url: str, body: bytes, seen_ns: int) -> None:
        """A REST answer that this connection's books are based on."""
        ...


class TappedDecoder:
    """A Decoder that shows everything to a tap before the real decoder sees it."""

    def __init__(self, inner: Decoder, tap: Tap, url: str, book_url: Callable[[str], str]) -> None:
        self.counts = inner.counts
        self._inner = inner
        self._tap = tap
        self._url = url
        self._book_url = book_url
        self._is_open = False
        self._name = tap.joined(self)
        self.is_live = inner.is_live

    def on_frame(self, data: bytes, seen_ns: int) -> None:
        self._show_open(seen_ns)
        self._tap.frame(self._name, data, seen_ns)
        self._inner.on_frame(data, seen_ns)

    def on_rest_book(self, symbol: str, body: bytes, seen_ns: int) -> None:
        self._show_open(seen_ns)
        self._tap.answer(self._name, self._book_url(symbol), body, seen_ns)
        self._inner.on_rest_book(symbol, body, seen_ns)

    def drop(self, symbol: str, reason: str, seen_ns: int) -> None:
        if not symbol:
            self._is_open = False
        self._inner.drop(symbol, reason, seen_ns)

    def start_over(self, seen_ns: int) -> None:
        """The tap has a hole: every book is asked for anew, so that what it records from here stands by itself."""
        self._inner.drop("", "gap", seen_ns)

    def _show_open(self, seen_ns: int) -> None:
        if not self._is_open:
            self._is_open = True
            self._tap.opened(self._name, self._url, seen_ns)


def tapped(make: MakeDecoder, tap: Tap, url: str, book_url: Callable[[str], str]) -> MakeDecoder:
    return lambda sink, ask: TappedDecoder(make(sink, ask), tap, url, book_url)
