"""Marks, funding and turnover: what each venue's frames say of them, and how pieces become a whole."""

import json
from typing import Any

import msgspec
import pytest

from engine.domain.event import DayTicker, PerpState
from engine.recordings import read_lines
from engine.venues.feeds import build_decoder
from engine.venues.tickers import moment, number
from tests.venues.feeds.ear import Ear

BYBIT = {"symbol": "BTCUSDT", "lastPrice": "10", "turnover24h": "5", "markPrice": "10.1", "indexPrice": "10.2"}
BYBIT |= {"fundingRate": "-0.0002", "nextFundingTime": "1673280000000", "fundingIntervalHour": "4", "preQty": ""}
MARK = {"e": "markPriceUpdate", "E": 3, "s": "BTCUSDT", "p": "10.1", "P": "9", "i": "10.2", "r": "-0.0002"}
OKX_FUNDING = {"fundingRate": "-0.0002", "fundingTime": "1700726400000", "instId": "BTC-USDT-SWAP", "ts": "3"}
OKX_FUNDING |= {"nextFundingRate": "0.0003", "nextFundingTime": "1700755200000"}
OKX_INDEX = {"instId": "BTC-USDT", "idxPx": "10.2", "high24h": "11", "ts": "3"}
GATE = {"contract": "BTC_USDT", "last": "10", "mark_price": "10.1", "index_price": "10.2", "funding_rate": "-0.0002"}
GATE |= {"funding_rate_indicative": "0.0003", "volume_24h_quote": "5", "volume_24h": "77"}
BITGET = {"instId": "BTCUSDT", "lastPr": "10", "quoteVolume": "5", "markPrice": "10.1", "indexPrice": "10.2"}
BITGET |= {"fundingRate": "-0.0002", "nextFundingTime": "1695722400000", "ts": "3"}
BITGET_ARG = {"instType": "USDT-FUTURES", "channel": "ticker", "instId": "BTCUSDT"}
BITGET_V3 = {"lastPrice": "10", "turnover24h": "5", "markPrice": "10.1", "indexPrice": "10.2", "fundingRate": "-0.0002"}

PRICES = {"mark": 10.1, "index": 10.2}
PERPS = [  # decoder, frame, venue, symbol, what it says
    (
        "bybit_linear",
        {"topic": "tickers.BTCUSDT", "type": "snapshot", "data": BYBIT, "ts": 3},
        ("bybit_linear", "BTCUSDT"),
        PRICES | {"funding_rate": -0.0002, "next_funding_ms": 1_673_280_000_000, "interval_ms": 14_400_000},
    ),
    (
        "binance_usdm",
        {"stream": "btcusdt@markPrice@1s", "data": MARK | {"T": 1562306400000}},
        ("binance_usdm", "BTCUSDT"),
        PRICES | {"funding_rate": -0.0002, "next_funding_ms": 1_562_306_400_000},
    ),
    (
        "binance_usdm",
        {"stream": "!markPrice@arr", "data": [MARK | {"r": "", "T": 0}]},  # a dated contract
        ("binance_usdm", "BTCUSDT"),
        PRICES,
    ),
    (
        "okx",
        {"arg": {"channel": "funding-rate", "instId": "BTC-USDT-SWAP"}, "data": [OKX_FUNDING]},
        ("okx", "BTC-USDT-SWAP"),
        {"funding_rate": -0.0002, "predicted_rate": 0.0003}
        | {"next_funding_ms": 1_700_726_400_000, "interval_ms": 28_800_000},
    ),
    (
        "okx",
        {
            "arg": {"channel": "mark-price", "instId": "BTC-USDT-SWAP"},
            "data": [{"instType": "SWAP", "instId": "BTC-USDT-SWAP", "markPx": "10.1", "ts": "3"}],
        },
        ("okx", "BTC-USDT-SWAP"),
        {"mark": 10.1},
    ),
    (
        "gate_futures",
        {"time": 1, "channel": "futures.tickers", "event": "update", "result": [GATE]},
        ("gate_futures", "BTC_USDT"),
        PRICES | {"funding_rate": -0.0002, "predicted_rate": 0.0003},
    ),
    (
        "bitget_futures",
        {"action": "snapshot", "arg": BITGET_ARG, "data": [BITGET]},
        ("bitget_futures", "BTCUSDT"),
        PRICES | {"funding_rate": -0.0002, "next_funding_ms": 1_695_722_400_000},
    ),
    (
        "bitget_futures",
        {"action": "snapshot", "arg": BITGET_ARG, "data": [BITGET | {"fundingRate": "0", "nextFundingTime": "0"}]},
        ("bitget_futures", "BTCUSDT"),
        PRICES | {"funding_rate": 0.0},
    ),
    (
        "bitget_futures",
        {
            "action": "snapshot",
            "arg": {"instType": "usdt-futures", "topic": "ticker", "symbol": "BTCUSDT"},
            "data": [BITGET_V3],
        },
        ("bitget_futures", "BTCUSDT"),
        PRICES | {"funding_rate": -0.0002},
    ),
    (
        "kucoin_futures",
        {"T": "mark-price", "P": "1782834987171570181", "d": {"s": "XBTUSDTM", "mp": "10.1", "ip": "10.2", "ts": 3}},
        ("kucoin_futures", "XBTUSDTM"),
        PRICES,
    ),
    (
        "kucoin_futures",
        {
            "T": "funding-fee",
            "P": "1782831961172694254",
            "d": {"s": "XBTUSDTM", "fr": "-0.0002", "ft": 1782806400000, "nt": 1782835200000, "gl": 28800000},
        },
        ("kucoin_futures", "XBTUSDTM"),
        {"funding_rate": -0.0002, "next_funding_ms": 1_782_835_200_000, "interval_ms": 28_800_000},
    ),
    (
        "kucoin_futures",
        {
            "topic": "/contract/instrument:XBTUSDTM",
            "type": "message",
            "subject": "mark.index.price",
            "data": {"markPrice": 10.1, "indexPrice": 10.2, "granularity": 1000, "timestamp": 3},
        },
        ("kucoin_futures", "XBTUSDTM"),
        PRICES,
    ),
]
_FIELDS = ("mark", "index", "funding_rate", "predicted_rate", "interval_ms", "next_funding_ms")


def said(event: PerpState) -> dict[str, Any]:
    return {name: getattr(event, name) for name in _FIELDS if getattr(event, name) is not None}


@pytest.mark.parametrize("decoder, frame, market, expected", PERPS)
def test_a_perpetual_by_its_venue(decoder, frame, market, expected):
    ear = Ear(decoder)
    ear.hear(frame)
    (event,) = [event for event in ear.events if isinstance(event, PerpState)]
    assert ((event.venue, event.symbol), said(event)) == (market, expected)


COINONE = {"quote_currency": "KRW", "target_currency": "BTC", "timestamp": 3, "last": "10", "quote_volume": "5"}
OKX_TICKER = {"instType": "SPOT", "instId": "BTC-USDT", "last": "10", "volCcy24h": "5", "ts": "3"}
KRW = {"type": "ticker", "code": "KRW-BTC", "trade_price": 10.0, "acc_trade_price_24h": 5.0, "timestamp": 3}
KRW |= {"acc_trade_price": 77.0, "acc_trade_volume_24h": 78.0}
DAYS = [
    ("upbit", KRW, ("upbit", "KRW-BTC")),
    (
        "upbit",
        {"ty": "ticker", "cd": "KRW-BTC", "tp": 10.0, "atp": 77.0, "atp24h": 5.0, "tms": 3},
        ("upbit", "KRW-BTC"),
    ),
    ("bithumb", KRW, ("bithumb", "KRW-BTC")),
    ("coinone", {"response_type": "DATA", "channel": "TICKER", "data": COINONE}, ("coinone", "KRW-BTC")),
    ("bybit", {"topic": "tickers.BTCUSDT", "data": BYBIT, "ts": 3}, ("bybit", "BTCUSDT")),
    (
        "binance_usdm",
        {"stream": "btcusdt@ticker", "data": {"e": "24hrTicker", "E": 3, "s": "BTCUSDT", "c": "10", "q": "5"}},
        ("binance_usdm", "BTCUSDT"),
    ),
    ("okx", {"arg": {"channel": "tickers", "instId": "BTC-USDT"}, "data": [OKX_TICKER]}, ("okx", "BTC-USDT")),
    (
        "gate",
        {
            "channel": "spot.tickers",
            "event": "update",
            "result": {"currency_pair": "BTC_USDT", "last": "10", "quote_volume": "5", "base_volume": "77"},
        },
        ("gate", "BTC_USDT"),
    ),
    (
        "gate_futures",
        {"channel": "futures.tickers", "event": "update", "result": [GATE]},
        ("gate_futures", "BTC_USDT"),
    ),
    ("bitget", {"action": "snapshot", "arg": BITGET_ARG, "data": [BITGET]}, ("bitget_futures", "BTCUSDT")),
]


@pytest.mark.parametrize("decoder, frame, market", DAYS)
def test_a_day_by_its_venue(decoder, frame, market):
    ear = Ear(decoder)
    ear.hear(frame)
    (event,) = [event for event in ear.events if isinstance(event, DayTicker)]
    assert ((event.venue, event.symbol), event.last, event.quote_volume) == (market, 10.0, 5.0)


def test_the_turnover_of_a_swap_counts_the_base_and_is_told_at_the_last_price():
    ear = Ear("okx")
    row = OKX_TICKER | {"instType": "SWAP", "instId": "BTC-USDT-SWAP"}
    ear.hear({"arg": {"channel": "tickers", "instId": "BTC-USDT-SWAP"}, "data": [row]})
    (day,) = ear.events
    assert (day.symbol, day.quote_volume) == ("BTC-USDT-SWAP", float(row["last"]) * float(row["volCcy24h"]))
    ear.hear({"arg": {"channel": "tickers", "instId": "BTC-USDT-240927"}, "data": [row | {"instType": "FUTURES"}]})
    assert len(ear.events) == 1


def test_an_index_is_told_of_the_swap_on_it():
    ear = Ear("okx")
    ear.hear({"arg": {"channel": "index-tickers", "instId": "BTC-USDT"}, "data": [OKX_INDEX]})
    (state,) = ear.events
    assert (state.venue, state.symbol, state.index, state.mark) == ("okx", "BTC-USDT-SWAP", 10.2, None)


def test_the_day_of_binance_spot():
    ear = Ear("binance")
    day = {"e": "24hrMiniTicker", "E": 3, "s": "BTCUSDT", "c": "10", "o": "9", "v": "77", "q": "5"}
    ear.hear({"stream": "btcusdt@miniTicker", "data": day})
    (told,) = ear.events
    assert (told.symbol, told.last, told.quote_volume, ear.decoder.counts.ticker) == ("BTCUSDT", 10.0, 5.0, 1)


def bybit(**data):
    return {"topic": "tickers.BTCUSDT", "type": "delta", "ts": 4, "data": {"symbol": "BTCUSDT"} | data}


def test_pieces_become_a_whole_and_repeats_are_not_told():
    ear = Ear("bybit_linear")
    ear.hear({"topic": "tickers.BTCUSDT", "type": "snapshot", "data": BYBIT, "ts": 3})
    before = len(ear.events)
    ear.hear(bybit(bid1Price="9"), bybit(markPrice="10.1"))
    assert len(ear.events) == before
    ear.hear(bybit(markPrice="10.3"))
    assert said(ear.events[-1]) == said(ear.events[0]) | {"mark": 10.3}
    ear.hear(bybit(turnover24h="6"))
    assert (ear.events[-1].last, ear.events[-1].quote_volume) == (10.0, 6.0)


def test_a_new_connection_starts_from_nothing():
    ear = Ear("bybit_linear")
    ear.hear({"topic": "tickers.BTCUSDT", "type": "snapshot", "data": BYBIT, "ts": 3})
    ear.decoder.drop("", "reconnect", 5)
    ear.hear(bybit(markPrice="10.1"))
    assert said(ear.events[-1]) == {"mark": 10.1}


@pytest.mark.parametrize("word", ["abc", "nan", "inf", "1,000"])
def test_a_word_for_a_number_is_a_bad_frame(word):
    ear = Ear("bybit_linear")
    assert ear.hear(bybit(markPrice=word)) == ["bad frame"]
    assert ear.events == []
    with pytest.raises(msgspec.ValidationError):
        number(word)


def test_nothing_said_is_none():
    assert [number(value) for value in (None, "", "0", "1e-7", 5)] == [None, None, 0.0, 1e-7, 5.0]
    assert [moment(value) for value in (None, "", "0", 0, "1562306400000")] == [None, None, None, None, 1562306400000]


def test_a_recorded_session_ends_in_what_its_frames_said_last(shared):
    file = shared / "venues" / "bybit" / "ws-v5-20260809-btc-sol-44s.jsonl.gz"
    names = {
        "markPrice": "mark",
        "indexPrice": "index",
        "fundingRate": "funding_rate",
        "nextFundingTime": "next_funding_ms",
    }
    expected: dict[str, dict[str, float]] = {}
    told: dict[str, PerpState] = {}
    decoder = build_decoder("bybit_linear", lambda event: keep(told, event), lambda symbol, reason: None)
    for line in read_lines(file):
        if line.dir == "in" and line.conn == "ws-linear":
            decoder.on_frame(line.data.encode(), 1)
            frame = json.loads(line.data)
            if frame.get("topic", "").startswith("tickers."):
                state = expected.setdefault(frame["data"]["symbol"], {})
                state |= {names[key]: float(value) for key, value in frame["data"].items() if key in names}
    assert set(expected) == {"BTCUSDT", "SOLUSDT"}
    assert {symbol: said(event) for symbol, event in told.items()} == {
        symbol: state | {"interval_ms": 8 * 3_600_000} for symbol, state in expected.items()
    }


def keep(told, event):
    if isinstance(event, PerpState):
        told[event.symbol] = event
