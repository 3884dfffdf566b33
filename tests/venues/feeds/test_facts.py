"""What REST alone tells: funding intervals, next settlements, turnover; and a venue whose REST answers nonsense."""

import asyncio
import json
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from engine.domain.errors import BadFrame
from engine.domain.event import DayTicker, PerpState
from engine.net.http import Http
from engine.venues.binance_usdm import facts as binance_usdm
from engine.venues.bitget import facts as bitget
from engine.venues.facts import FactPoll
from engine.venues.gate import facts as gate
from engine.venues.kucoin import facts as kucoin
from engine.venues.tickers import Tickers
from tests.venues.feeds.rig import Listener, running
from tests.waiting import until

GATE = {"name": "BTC_USDT", "funding_next_apply": 1610035200, "funding_interval": 28800, "mark_price": "1"}
KUCOIN = {"symbol": "XBTUSDTM", "fundingFeeRate": -0.0001, "predictedFundingFeeRate": 0.0002, "lastTradePrice": 10.0}
KUCOIN |= {"nextFundingRateDateTime": 1730937600000, "fundingRateGranularity": 28800000, "turnoverOf24h": 5.5}
KUCOIN |= {"nextFundingRateTime": 21031525}
TICKERS = {"time": 3, "ticker": [{"symbol": "BTC-USDT", "last": "10", "volValue": "5.5"}, {"symbol": "OLD-USDT"}]}
BITGET = [{"symbol": "BTCUSDT", "fundInterval": "4"}, {"symbol": "BTCUSDT_240927", "fundInterval": ""}]

SOCKET = web.RequestKey("socket", web.WebSocketResponse)
MARKS = ("venue", "symbol", "venue_ts_ms", "seen_ns")
CASES = [  # facts, answer, symbols, what is told
    (
        binance_usdm.FACTS[0],
        [{"symbol": "BLZUSDT", "fundingIntervalHours": 4}],
        ("BLZUSDT", "BTCUSDT"),
        {"BLZUSDT": {"interval_ms": 14_400_000}, "BTCUSDT": {"interval_ms": 28_800_000}},
    ),
    (
        gate.FUTURES_FACTS[0],
        [GATE, GATE | {"name": "ETH_USDT"}],
        ("BTC_USDT",),
        {"BTC_USDT": {"interval_ms": 28_800_000, "next_funding_ms": 1_610_035_200_000}},
    ),
    (
        bitget.FUTURES_FACTS[0],
        {"code": "00000", "data": BITGET},
        ("BTCUSDT", "BTCUSDT_240927"),
        {"BTCUSDT": {"interval_ms": 14_400_000}},
    ),
    (
        kucoin.FUTURES_FACTS[0],
        {"code": "200000", "data": [KUCOIN, KUCOIN | {"symbol": "ETHUSDTM"}]},
        ("XBTUSDTM",),
        {
            "XBTUSDTM": {"funding_rate": -0.0001, "predicted_rate": 0.0002}
            | {"interval_ms": 28_800_000, "next_funding_ms": 1_730_937_600_000}
            | {"last": 10.0, "quote_volume": 5.5}
        },
    ),
    (
        kucoin.SPOT_FACTS[0],
        {"code": "200000", "data": TICKERS},
        ("BTC-USDT", "OLD-USDT"),
        {"BTC-USDT": {"last": 10.0, "quote_volume": 5.5}},
    ),
]


@pytest.mark.parametrize("facts, answer, symbols, expected", CASES, ids=[case[0].path for case in CASES])
def test_what_is_told(facts, answer, symbols, expected):
    found: dict[str, dict[str, object]] = {}
    for event in facts.read(json.dumps(answer).encode(), frozenset(symbols), 7):
        said = {name: getattr(event, name) for name in event.__struct_fields__}
        kept = {k: v for k, v in said.items() if v is not None and k not in MARKS}
        found.setdefault(event.symbol, {}).update(kept)
    assert found == expected


NONSENSE = [
    "<html><title>maintenance</title></html>",
    "",
    "null",
    "[]x",
    '{"code":"400100","msg":"no"}',
    "\udcff",
    "[" * 9_000,
]


@pytest.mark.parametrize("facts", [case[0] for case in CASES], ids=[case[0].path for case in CASES])
async def test_nonsense_is_a_bad_frame_and_tells_nothing(facts):
    bodies = [text.encode("utf-8", "surrogateescape") for text in NONSENSE]
    told: list[object] = []
    async with answering({facts.path.partition("?")[0]: bodies}) as base:
        http = Http()
        poll = FactPoll("venue", facts, base, ("BTCUSDT",), http, lambda: 1)
        for _ in bodies:
            with pytest.raises(BadFrame):
                await poll.ask(told.append)
        await http.close()
    assert told == []


async def test_a_poll_goes_on_after_nonsense():
    facts = gate.FUTURES_FACTS[0]
    told: list[Any] = []
    async with answering({facts.path: [b"<html>", json.dumps([GATE]).encode()]}) as base:
        http = Http()
        poll = FactPoll("gate_futures", facts, base, ("BTC_USDT",), http, lambda: 1)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(poll.run(told.append))
            await until(lambda: told)
            task.cancel()
        await http.close()
    assert (poll.errors, told[0].symbol) == (1, "BTC_USDT")


@asynccontextmanager
async def answering(bodies):
    """A REST server: each path's bodies one after the other, the last for ever."""

    async def answer(request):
        left = bodies[request.path]
        return web.Response(body=left.pop(0) if len(left) > 1 else left[0])

    app = web.Application()
    for path in bodies:
        app.router.add_get(path, answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def test_pieces_from_several_sources_make_one_whole():
    told: list[Any] = []
    whole = Tickers(told.append)
    whole.hear(PerpState(venue="v", symbol="S", mark=10.0, index=11.0, seen_ns=1))
    whole.hear(PerpState(venue="v", symbol="S", interval_ms=5, next_funding_ms=6, seen_ns=2))
    whole.hear(PerpState(venue="v", symbol="S", interval_ms=5, seen_ns=3))  # nothing new
    assert len(told) == 2
    expected = PerpState(venue="v", symbol="S", mark=10.0, index=11.0, interval_ms=5, next_funding_ms=6, seen_ns=2)
    assert told[-1] == expected


class Sides(Listener):
    def __init__(self):
        super().__init__()
        self.perps: dict[str, PerpState] = {}
        self.days: dict[str, DayTicker] = {}

    def take(self, event):
        if isinstance(event, PerpState):
            self.perps[event.symbol] = event
        elif isinstance(event, DayTicker):
            self.days[event.symbol] = event
        super().take(event)


@asynccontextmanager
async def venue_of(handle):
    """Whatever a venue answers: `handle(request)` for REST, or an open WebSocket in `request[SOCKET]`."""

    async def answer(request):
        if request.headers.get("Upgrade", "").lower() == "websocket":
            request[SOCKET] = web.WebSocketResponse()
            await request[SOCKET].prepare(request)
            await handle(request)
            return request[SOCKET]
        return web.json_response(await handle(request))

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_binance_usdm_has_two_sockets_and_one_whole_state():
    paths = []

    async def handle(request):
        paths.append(request.path_qs)
        ws = request.get(SOCKET)
        if request.path == "/fapi/v1/fundingInfo":
            return [{"symbol": "BTCUSDT", "fundingIntervalHours": 4}]
        if request.path == "/fapi/v1/depth":
            return {"lastUpdateId": 10, "bids": [["100", "1"]], "asks": [["101", "1"]]}
        if request.path == "/market/stream":
            mark = {"e": "markPriceUpdate", "E": 3, "s": "BTCUSDT", "p": "10.1", "i": "10.2", "r": "-0.0002", "T": 9}
            await ws.send_json({"stream": "btcusdt@markPrice@1s", "data": mark})
            day = {"e": "24hrMiniTicker", "E": 3, "s": "BTCUSDT", "c": "10", "q": "5.5"}
            await ws.send_json({"stream": "btcusdt@miniTicker", "data": day})
            trade = {"e": "aggTrade", "E": 3, "s": "BTCUSDT", "a": 7, "p": "100", "q": "2", "T": 3, "m": True}
            await ws.send_json({"stream": "btcusdt@aggTrade", "data": trade})
        async for message in ws:
            assert message.type is not WSMsgType.ERROR
        return None

    async with venue_of(handle) as base:
        ws = base.replace("http", "ws")
        async with running("binance_usdm", ws, base, ("BTCUSDT",), listener=Sides()) as (feed, heard):
            await until(lambda: heard.perps.get("BTCUSDT") and heard.perps["BTCUSDT"].interval_ms)
            await until(lambda: heard.perps["BTCUSDT"].mark and heard.days and heard.trades)
            await until(lambda: heard.all_synced(("BTCUSDT",)))
            state = heard.perps["BTCUSDT"]
            assert (state.mark, state.index, state.funding_rate) == (10.1, 10.2, -0.0002)
            assert (state.interval_ms, state.next_funding_ms) == (14_400_000, 9)
            assert heard.days["BTCUSDT"].quote_volume == 5.5
            assert [line.name for line in feed.health()] == ["binance_usdm-1", "binance_usdm-2"]
    assert any(path.startswith("/public/stream?streams=btcusdt@depth@100ms") for path in paths)


async def test_kucoin_futures_takes_marks_from_the_classic_socket_with_a_token():
    tokens: list[Any] = []
    said: list[Any] = []

    async def handle(request):
        ws = request.get(SOCKET)
        if request.path == "/api/v1/bullet-public":
            assert request.method == "POST"
            server = {"endpoint": f"ws://{request.host}/classic", "pingInterval": 18000}
            return {"code": "200000", "data": {"token": f"t{len(tokens)}", "instanceServers": [server]}}
        if request.path == "/api/v1/contracts/active":
            return {"code": "200000", "data": [KUCOIN]}
        if request.path == "/classic":
            tokens.append(request.query["token"])
            said.append(json.loads((await ws.receive()).data))
            data = {"markPrice": 39612.67, "indexPrice": 39618, "granularity": 1000, "timestamp": 3}
            topic = "/contract/instrument:XBTUSDTM"
            await ws.send_json({"topic": topic, "type": "message", "subject": "mark.index.price", "data": data})
            if len(tokens) == 1:
                await ws.close()
        async for message in ws:
            assert message.type is not WSMsgType.ERROR
        return None

    async with venue_of(handle) as base:
        ws = base.replace("http", "ws")
        async with running("kucoin_futures", ws, base, ("XBTUSDTM",), listener=Sides()) as (_feed, heard):
            await until(lambda: heard.perps.get("XBTUSDTM") and heard.perps["XBTUSDTM"].mark)
            await until(lambda: len(tokens) == 2)  # a new token for a new connection
            state = heard.perps["XBTUSDTM"]
            assert (state.mark, state.index) == (39612.67, 39618.0)
            await until(lambda: heard.perps["XBTUSDTM"].interval_ms == 28_800_000)
            assert heard.days["XBTUSDTM"].quote_volume == 5.5
    assert tokens == ["t0", "t1"]
    assert said[0]["topic"] == "/contract/instrument:XBTUSDTM"
