"""OKX: the chain of sequence ids, its heartbeat and reset, the retired checksum, and every other frame."""

import json
from binascii import crc32

import pytest

from engine.domain.errors import SequenceGap
from engine.venues.okx.continuity import SequenceGuard
from tests.venues.feeds.ear import Ear, spell

GUARD = [  # why                                     held  (prev, seq)  outcome
    ("follows", 10, (10, 15), 15),
    ("heartbeat: equal ids", 10, (10, 10), 10),
    ("reset: linked, but lower", 10, (10, 3), 3),
    ("duplicate", 10, (8, 10), False),
    ("gap: one missed", 10, (12, 15), SequenceGap),
    ("late: wholly older", 10, (3, 5), SequenceGap),  # nothing proves that it is old: ids may start over
    ("recordings without ids", 10, (-2, -2), -2),
]


@pytest.mark.parametrize("why, held, ids, outcome", GUARD, ids=[case[0] for case in GUARD])
def test_sequence_guard(why, held, ids, outcome):
    guard = SequenceGuard(held)
    if outcome is SequenceGap:
        with pytest.raises(SequenceGap, match=f"expected {held}, received {ids[0]}"):
            guard.accepts(*ids)
    else:
        assert guard.accepts(*ids) is (outcome is not False)
        assert guard.last_seq == (held if outcome is False else outcome)


def row(price, size):
    return [price, size, "0", "1"]


def books(action, prev, seq, bids=(), asks=(), symbol="BTC-USDT", channel="books", **more):
    data = {"asks": asks, "bids": bids, "ts": "7", "checksum": 0, "seqId": seq, "prevSeqId": prev} | more
    frame = {"arg": {"channel": channel, "instId": symbol}, "data": [data]}
    return frame | ({"action": action} if action else {})


def live(ear=None):
    ear = ear or Ear("okx")
    ear.hear(books("snapshot", -1, 10, [row("10", "1")], [row("11", "2")]))
    ear.take()
    return ear


def test_snapshot_then_chain():
    ear = Ear("okx")
    assert ear.hear(books("snapshot", -1, 10, [row("10", "1")], [row("11", "2")])) == ["book BTC-USDT 10x1|11x2"]
    assert ear.hear(books("update", 10, 12, [row("9", "3")], [row("11", "0")])) == ["change BTC-USDT 9x3|11x0"]
    assert ear.hear(books("update", 12, 12)) == ["change BTC-USDT |"]  # heartbeat: it still stands
    assert ear.hear(books("update", 12, 4)) == ["change BTC-USDT |"]  # maintenance: lower, still linked
    assert ear.hear(books("update", 4, 5)) == ["change BTC-USDT |"]


def test_a_gap_loses_the_book_until_the_next_snapshot():
    ear = live()
    assert ear.hear(books("update", 11, 12)) == ["lost BTC-USDT gap", "ask BTC-USDT gap"]
    assert ear.hear(books("update", 12, 13)) == []
    assert ear.hear(books("snapshot", -1, 20, [row("10", "1")], [row("11", "2")])) == ["book BTC-USDT 10x1|11x2"]
    assert (ear.decoder.counts.gaps, ear.decoder.counts.resyncs) == (1, 1)


def test_an_update_before_its_snapshot_is_asked_about_once():
    ear = Ear("okx")
    assert ear.hear(books("update", 1, 2), books("update", 2, 3)) == ["ask BTC-USDT no_snapshot"]
    assert not ear.decoder.is_live("BTC-USDT")


def test_a_malformed_frame_drops_its_book():
    ear = live()
    assert ear.hear(b'{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[{"asks":[["x') == [
        "lost BTC-USDT bad_frame",
        "ask BTC-USDT bad_frame",
        "bad frame",
    ]


def test_a_real_checksum_is_verified_and_a_wrong_one_loses_the_book():
    good = crc32(b"10:1:11:2:9.50:3")  # as spelled, bid and ask in turn, the longer side alone at the end
    good = good - (1 << 32) if good >= 1 << 31 else good
    ear = Ear("okx")
    bids, asks = [row("10", "1"), row("9.50", "3")], [row("11", "2")]
    assert ear.hear(books("snapshot", -2, -2, bids, asks, checksum=good)) == ["book BTC-USDT 10x1,9.5x3|11x2"]
    second = crc32(b"10:1:12:1:9.50:3")
    second = second - (1 << 32) if second >= 1 << 31 else second
    update = books("update", -2, -2, [], [row("11", "0"), row("12", "1")], checksum=second)
    assert ear.hear(update) == ["change BTC-USDT |11x0,12x1"]
    assert ear.hear(books("update", -2, -2, [], [], checksum=second + 1)) == ["lost BTC-USDT gap", "ask BTC-USDT gap"]


def test_a_zero_checksum_is_never_verified():
    assert live().hear(books("update", 10, 11, [row("9", "1")])) == ["change BTC-USDT 9x1|"]


def test_books5_is_a_book_by_itself_and_none_beside_books():
    five = books("", -1, 3, [row("8", "1")], [row("12", "1")], channel="books5")
    assert Ear("okx").hear(five) == ["book BTC-USDT 8x1|12x1"]
    ear = live()
    assert ear.hear(five) == []
    assert ear.decoder.counts.book == 2


def test_contracts_stay_contracts():
    frame = books("snapshot", -1, 1, [row("196.11", "103")], [row("196.2", "1")], symbol="XMR-USDT-SWAP")
    assert Ear("okx").hear(frame) == ["book XMR-USDT-SWAP 196.11x103|196.2x1"]


TRADE = {"instId": "BTC-USDT", "tradeId": "9", "px": "10.5", "sz": "0.2", "side": "sell", "ts": "5"}


def test_each_trade_of_a_frame_is_told():
    frame = {
        "arg": {"channel": "trades", "instId": "BTC-USDT"},
        "data": [TRADE, TRADE | {"tradeId": "10", "side": "buy"}],
    }
    assert Ear("okx").hear(frame) == ["trade BTC-USDT sell 10.5x0.2 #9", "trade BTC-USDT buy 10.5x0.2 #10"]


KINDS = [
    (b"pong", "ack", []),
    (spell({"event": "subscribe", "arg": {"channel": "books", "instId": "BTC-USDT"}, "connId": "a"}), "ack", []),
    (spell({"event": "error", "code": "60018", "msg": "wrong URL", "connId": "a"}), "ack", []),
    (spell({"event": "notice", "code": "64008", "msg": "upgrade", "connId": "a"}), "ack", ["ask  server_shutdown"]),
    (spell({"event": "login", "code": "0"}), "ignored", []),
    (spell({"arg": {"channel": "tickers", "instId": "A"}, "data": [{"last": "1"}]}), "ticker", []),
    (spell({"arg": {"channel": "bbo-tbt", "instId": "A"}, "data": [{"asks": [], "bids": []}]}), "ticker", []),
    (spell({"arg": {"channel": "funding-rate", "instId": "A"}, "data": [{"fundingRate": "0"}]}), "funding", []),
    (spell({"arg": {"channel": "orders", "instType": "SPOT"}, "data": [{}]}), "ignored", []),
    (spell({"arg": {"channel": "candle1D", "instId": "A"}, "data": [["1", "2"]]}), "ignored", []),
    (spell({"id": "1", "op": "order", "data": [{"ordId": "1"}], "code": "0"}), "ignored", []),
    (spell(["31685", "0.7", "0", "17"]), "ignored", []),
]


@pytest.mark.parametrize("frame, kind, told", KINDS)
def test_everything_else_is_one_kind(frame, kind, told):
    ear = Ear("okx")
    assert ear.hear(frame) == told
    assert (ear.decoder.counts.frames, getattr(ear.decoder.counts, kind)) == (1, 1)


def test_spacing_does_not_matter():
    frame = books("snapshot", -1, 1, [row("10", "1")])
    raw = json.dumps(frame | {"arg": {"instId": "BTC-USDT", "channel": "books"}}, sort_keys=True, indent=1).encode()
    assert Ear("okx").hear(raw) == ["book BTC-USDT 10x1|"]
