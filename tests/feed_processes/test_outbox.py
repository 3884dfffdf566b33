"""What a reader that is late gets: books whole, the newest of the rest, and every word about connections."""

from collections.abc import Sequence

from engine.domain.event import BookDelta, BookLost, BookSnapshot, FeedState, TradePrint
from engine.domain.order import Side
from engine.feed_processes.outbox import Outbox
from engine.feed_processes.wire import Told
from engine.market.book import Book


def whole(bid: float, ask: float, at: int = 1) -> BookSnapshot:
    return BookSnapshot(venue="v", symbol="S", bids=[(bid, 1.0)], asks=[(ask, 1.0)], venue_ts_ms=at, seen_ns=at)


def delta(bids: Sequence[tuple[float, float]], at: int) -> BookDelta:
    return BookDelta(venue="v", symbol="S", bids=list(bids), asks=[], venue_ts_ms=at, seen_ns=at)


def state(connected: bool, at: int) -> FeedState:
    return FeedState(venue="v", connected=connected, reason="test", seen_ns=at)


def trade(price: float, at: int) -> TradePrint:
    return TradePrint(
        venue="v", symbol="S", price=price, qty=1.0, taker_side=Side.BUY, trade_id="", venue_ts_ms=at, seen_ns=at
    )


def played(events: Sequence[Told]) -> Book:
    """The book that the engine makes of them."""
    book = Book()
    for event in events:
        match event:
            case BookSnapshot():
                book.replace(event.bids, event.asks, event.seen_ns, event.venue_ts_ms)
            case BookDelta():
                book.change(event.bids, event.asks, event.seen_ns, event.venue_ts_ms)
            case BookLost() | FeedState(connected=False):
                book.drop()
    return book


def test_a_reader_that_keeps_up_gets_everything_as_it_came():
    box = Outbox()
    events: list[Told] = [whole(9, 10), delta([(8.0, 2.0)], 2), trade(9.5, 3), trade(9.6, 4)]
    for event in events:
        box.take(event)
    assert box.empty() == events
    assert box.empty() == []
    assert box.conflated == 0


def test_a_late_reader_gets_the_book_whole_and_the_newest_trade():
    box = Outbox()
    sent: list[Told] = [whole(9, 10), delta([(8.0, 2.0)], 2)]
    for event in sent:
        box.take(event)
    box.is_late = True
    late: list[Told] = [delta([(9.0, 0.0)], 3), trade(1.0, 4), delta([(8.5, 3.0)], 5), trade(2.0, 6)]
    for event in late:
        box.take(event)
    assert box.empty() == []
    box.is_late = False
    box.take(delta([(7.0, 1.0)], 7))  # before the rest has left: it must not overtake it
    told = box.empty()
    assert told[:2] == sent
    assert [event for event in told if isinstance(event, TradePrint)] == [trade(2.0, 6)]
    assert not [event for event in told[2:] if isinstance(event, BookDelta)]
    assert list(played(told).bids()) == [(8.5, 3.0), (8.0, 2.0), (7.0, 1.0)]
    assert box.conflated == 3
    box.take(delta([(6.0, 1.0)], 8))
    assert box.empty() == [delta([(6.0, 1.0)], 8)]


def test_words_about_connections_are_all_told_and_take_no_newer_book_along():
    box = Outbox()
    box.is_late = True
    lost = BookLost(venue="v", symbol="S", reason="reconnect", seen_ns=2)
    events: list[Told] = [whole(1, 2), state(False, 2), lost, state(True, 3), whole(9, 10, at=4)]
    for event in events:
        box.take(event)
    box.is_late = False
    told = box.empty()
    assert [event.connected for event in told if isinstance(event, FeedState)] == [False, True]
    assert played(told).synced
    assert played(told).best_bid == 9


def test_a_crossed_book_is_trusted_neither_here_nor_there():
    box = Outbox()
    box.take(whole(9, 10))
    assert box.top("v", "S") == (9, 10)
    box.is_late = True
    box.take(delta([(11.0, 1.0)], 2))
    assert box.top("v", "S") is None
    box.is_late = False
    assert not played(box.empty()).synced
