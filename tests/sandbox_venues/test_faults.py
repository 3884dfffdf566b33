"""Every fault that can be asked for is shown, counted, and over when it said so."""

import asyncio
import json
import time
from decimal import Decimal

import aiohttp
import ccxt  # type: ignore[import-untyped]
import pytest

from tests.sandbox_venues.conftest import SYMBOLS, client
from tests.sandbox_venues.listening import Book, Gap, binance_apply, decode, listening, okx_apply

VENUES = list(SYMBOLS)


async def arm(world, venue, kind, **more):
    """Over HTTP, as the scene does it."""
    async with aiohttp.ClientSession() as session:
        order = {"venue": venue, "fault": {"kind": kind, **more}}
        async with session.post(f"{world.urls['control']['rest']}/world/faults", json=order) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()


def shown(world, venue, kind):
    return world.floors[venue].faults.report()["shown"].get(kind, 0)


async def buy(exchange, world, venue, cid, *, tif="IOC", qty=0.01):
    """At a price that surely takes."""
    price = float(world.floors[venue].exchange.book(MARKETS[venue])[1][10][0])
    return await exchange.create_order(
        SYMBOLS[venue], "limit", "buy", qty, price, {"clientOrderId": cid, "timeInForce": tif}
    )


async def until(holds):
    """Look again every 20 ms, for 5 s at most."""
    async with asyncio.timeout(5):
        while True:
            if holds():
                return
            await asyncio.sleep(0.02)


MARKETS = {"upbit": "KRW-BTC", "bithumb": "KRW-BTC", "binance": "BTCUSDT", "okx": "BTC-USDT"}


def orders(world, venue):
    return list(world.floors[venue].exchange.orders.values())


@pytest.mark.parametrize("venue", VENUES)
async def test_answer_that_never_came_after_executing(clients, world, venue):
    await arm(world, venue, "drop_after")
    with pytest.raises(ccxt.NetworkError):
        await buy(clients[venue], world, venue, "lost000000000001")
    assert [order.filled for order in orders(world, venue)] == [Decimal("0.01")]
    assert shown(world, venue, "drop_after") == 1
    await buy(clients[venue], world, venue, "next000000000001")
    assert len(orders(world, venue)) == 2


@pytest.mark.parametrize("venue", VENUES)
async def test_request_that_never_arrived(clients, world, venue):
    await arm(world, venue, "drop_before")
    with pytest.raises(ccxt.NetworkError):
        await buy(clients[venue], world, venue, "lost000000000001")
    assert orders(world, venue) == [] and shown(world, venue, "drop_before") == 1


async def test_a_hanging_answer_runs_into_the_clients_own_timeout(clients, world):
    await arm(world, "upbit", "drop_after", ms=5000)
    clients["upbit"].timeout = 150
    with pytest.raises(ccxt.RequestTimeout):
        await buy(clients["upbit"], world, "upbit", "hang000000000001")
    assert len(orders(world, "upbit")) == 1


@pytest.mark.parametrize("venue", VENUES)
async def test_refusal_with_the_venues_own_code(clients, world, venue):
    code = {"binance": "-2015", "okx": "51008"}.get(venue, "insufficient_funds_bid")
    await arm(world, venue, "reject", code=code, side="bid")
    with pytest.raises(ccxt.ExchangeError):
        await buy(clients[venue], world, venue, "no00000000000001")
    assert orders(world, venue) == []
    await buy(clients[venue], world, venue, "yes0000000000001")
    assert len(orders(world, venue)) == 1


async def test_reject_all_until_cleared(clients, world):
    await arm(world, "okx", "reject_all")
    for i in range(3):
        with pytest.raises(ccxt.ExchangeError):
            await buy(clients["okx"], world, "okx", f"no0000000000000{i}")
    async with aiohttp.ClientSession() as session:
        await session.post(f"{world.urls['control']['rest']}/world/faults", json={"venue": "okx", "clear": True})
    await buy(clients["okx"], world, "okx", "yes0000000000001")
    assert len(orders(world, "okx")) == 1 and shown(world, "okx", "reject_all") == 3


async def test_delay_before_executing_meets_the_requests_expiry(clients, world):
    await arm(world, "binance", "delay_before", ms=120)
    with pytest.raises(ccxt.InvalidNonce):
        clients["binance"].options["recvWindow"] = 50
        await buy(clients["binance"], world, "binance", "late000000000001")
    assert orders(world, "binance") == []
    await arm(world, "upbit", "delay_before", ms=120)
    began = time.monotonic()
    await buy(clients["upbit"], world, "upbit", "late000000000001")
    assert time.monotonic() - began >= 0.12 and len(orders(world, "upbit")) == 1


async def test_delay_of_the_answer_alone(clients, world):
    await arm(world, "bithumb", "delay_after", ms=150)
    task = asyncio.create_task(buy(clients["bithumb"], world, "bithumb", "slow000000000001"))
    await until(lambda: orders(world, "bithumb"))
    assert not task.done()
    await task


@pytest.mark.parametrize("executed", [False, True])
async def test_a_page_of_html_with_or_without_execution(clients, world, executed):
    await arm(world, "binance", "http_error", status=502, executed=executed)
    with pytest.raises(ccxt.NetworkError):
        await buy(clients["binance"], world, "binance", "html000000000001")
    assert len(orders(world, "binance")) == int(executed)


async def test_429_and_418_on_queries(clients, world):
    await arm(world, "binance", "rate_limit", scope="query")
    with pytest.raises(ccxt.DDoSProtection, match="429"):
        await clients["binance"].fetch_balance()
    await arm(world, "binance", "ban", scope="query")
    with pytest.raises(ccxt.DDoSProtection, match="418"):
        await clients["binance"].fetch_balance()
    await clients["binance"].fetch_balance()


async def test_half_a_fill(clients, world):
    await arm(world, "upbit", "partial", ratio="0.5")
    await buy(clients["upbit"], world, "upbit", "half000000000001")
    order = orders(world, "upbit")[0]
    assert (order.filled, order.state.value) == (Decimal("0.005"), "cancelled")


async def test_an_order_is_not_found_until_it_is_old_enough(clients, world):
    await arm(world, "upbit", "query_lag", ms=300)
    await buy(clients["upbit"], world, "upbit", "lag0000000000001")
    with pytest.raises(ccxt.OrderNotFound):
        await clients["upbit"].private_get_order({"identifier": "lag0000000000001"})
    async with asyncio.timeout(5):
        while True:
            try:
                found = await clients["upbit"].private_get_order({"identifier": "lag0000000000001"})
                break
            except ccxt.OrderNotFound:
                await asyncio.sleep(0.05)
    assert Decimal(found["executed_volume"]) == Decimal("0.01")


async def test_rest_outage_lasts_as_long_as_asked(world):
    exchange = client(world, "okx")
    try:
        await exchange.fetch_time()
        await arm(world, "okx", "rest_outage", ms=600)
        with pytest.raises(ccxt.NetworkError):
            await exchange.fetch_time()
        async with asyncio.timeout(10):
            while True:
                try:
                    await exchange.fetch_time()
                    break
                except ccxt.NetworkError:
                    await asyncio.sleep(0.05)
    finally:
        await exchange.close()


# sockets

BINANCE_STREAM = "?streams=btcusdt@depth@100ms"
OKX_ASK = json.dumps({"op": "subscribe", "args": [{"channel": "books", "instId": "BTC-USDT"}]})
UPBIT_ASK = json.dumps([{"ticket": "t"}, {"type": "orderbook", "codes": ["KRW-BTC.5"]}])


async def test_a_lost_delta_breaks_the_chain(world):
    async with listening(world.urls["binance"]["stream"] + BINANCE_STREAM) as heard:
        await heard.until(lambda frames: len(frames) >= 2)
        await arm(world, "binance", "ws_gap", symbol="BTCUSDT")
        frames = await heard.until(lambda frames: len(frames) >= 6)
    events = [decode(frame.data)["data"] for frame in frames]
    with pytest.raises(Gap):
        last_id = events[0]["U"] - 1
        for event in events:
            last_id = binance_apply(({}, {}), last_id, event)
    async with listening(world.urls["okx"]["ws"], OKX_ASK) as heard:
        await heard.until(lambda frames: len(frames) >= 3)
        await arm(world, "okx", "ws_gap")
        frames = await heard.until(lambda frames: len(frames) >= 6)
    with pytest.raises(Gap):
        last_id = 0
        for frame in frames[1:]:
            last_id = okx_apply(({}, {}), last_id, decode(frame.data))
    assert shown(world, "binance", "ws_gap") == shown(world, "okx", "ws_gap") == 1


async def test_a_crossed_book_and_the_next_is_sound_again(world):
    await arm(world, "upbit", "ws_crossed", symbol="KRW-BTC")
    async with listening(world.urls["upbit"]["ws"], UPBIT_ASK) as heard:
        frames = await heard.until(lambda frames: len(frames) >= 4)
    touches = [decode(frame.data)["orderbook_units"][0] for frame in frames]
    assert [unit["bid_price"] >= unit["ask_price"] for unit in touches].count(True) == 1
    async with listening(world.urls["okx"]["ws"], OKX_ASK) as heard:
        await heard.until(lambda frames: len(frames) >= 2)
        await arm(world, "okx", "ws_crossed")
        frames = await heard.until(lambda frames: len(frames) >= 7)
    book: Book = ({}, {})
    last_id, crossings = 0, 0
    for frame in frames[1:]:
        last_id = okx_apply(book, last_id, decode(frame.data))
        crossings += max(book[0]) >= min(book[1])
    assert crossings == 1 and max(book[0]) < min(book[1])
    async with listening(world.urls["binance"]["stream"] + BINANCE_STREAM) as heard:
        await heard.until(lambda frames: bool(frames))
        await arm(world, "binance", "ws_crossed", symbol="BTCUSDT")
        frames = await heard.until(lambda frames: len(frames) >= 6)
    best_bid = world.floors["binance"].exchange.book("BTCUSDT")[0][0][0]
    lies = [decode(frame.data)["data"]["b"][-1] for frame in frames]
    lie = next(price for price, size in lies if Decimal(size) == 1 and Decimal(price) > best_bid)
    later = [row for frame in frames for row in decode(frame.data)["data"]["b"] if row[0] == lie]
    assert [Decimal(size) for _, size in later] == [1, 0]


@pytest.mark.parametrize("venue", ["upbit", "binance", "okx"])
async def test_a_malformed_frame(world, venue):
    urls = world.urls[venue]
    url = urls["stream"] + BINANCE_STREAM if venue == "binance" else urls["ws"]
    first = {"upbit": [UPBIT_ASK], "okx": [OKX_ASK]}.get(venue, [])
    await arm(world, venue, "ws_malformed", symbol=MARKETS[venue])
    async with listening(url, *first) as heard:
        frames = await heard.until(lambda frames: len(frames) >= 5)
    broken = 0
    for frame in frames:
        try:
            decode(frame.data)
        except json.JSONDecodeError:
            broken += 1
    assert broken == 1


async def test_one_symbol_falls_silent_and_comes_back(world):
    await arm(world, "upbit", "ws_silence", symbol="KRW-BTC", ms=400)
    ask = json.dumps([{"ticket": "t"}, {"type": "orderbook", "codes": ["KRW-BTC.1", "KRW-XRP.1"]}])
    async with listening(world.urls["upbit"]["ws"], ask) as heard:
        frames = await heard.until(lambda fs: sum(b'"KRW-BTC"' in f.data and b"REALTIME" in f.data for f in fs) >= 2)
    codes = [decode(f.data)["code"] for f in frames if b"REALTIME" in f.data]
    assert codes[: codes.index("KRW-BTC")].count("KRW-XRP") >= 2


async def test_half_open_keeps_the_socket_and_says_nothing(world):
    async with listening(world.urls["binance"]["stream"] + BINANCE_STREAM) as heard:
        await heard.until(lambda frames: len(frames) >= 2)
        await arm(world, "binance", "ws_half_open")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.6):
                while True:  # what was under way may still come
                    await heard.ws.receive()
        assert not heard.ws.closed
    assert shown(world, "binance", "ws_half_open") == 1


async def test_disconnect_cuts_and_refuse_keeps_out(world):
    async with listening(world.urls["upbit"]["ws"], UPBIT_ASK) as heard:
        await heard.until(lambda frames: bool(frames))
        await arm(world, "upbit", "ws_refuse", ms=300)
        await arm(world, "upbit", "ws_disconnect")
        frames = await heard.until(lambda frames: frames[-1].type is not aiohttp.WSMsgType.BINARY)
        assert frames[-1].type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    with pytest.raises(aiohttp.WSServerHandshakeError):
        async with listening(world.urls["upbit"]["ws"]):
            raise AssertionError("let in")
    async with asyncio.timeout(5):
        while True:
            try:
                async with listening(world.urls["upbit"]["ws"], UPBIT_ASK) as heard:
                    await heard.until(lambda frames: bool(frames))
                return
            except aiohttp.WSServerHandshakeError:
                await asyncio.sleep(0.05)


# the control door


async def test_status_tells_accounts_orders_and_faults(clients, world):
    await buy(clients["upbit"], world, "upbit", "told000000000001")
    await arm(world, "okx", "drop_after", count=2)
    async with aiohttp.ClientSession(base_url=world.urls["control"]["rest"]) as session:
        status = await (await session.get("/world/status")).json()
        told = await (await session.get("/world/orders")).json()
        deposit = {"venue": "okx", "asset": "USDT", "amount": "-100"}
        after = await (await session.post("/world/accounts", json=deposit)).json()
        wrong = await session.post("/world/faults", json={"venue": "okx", "fault": {"kind": "nonsense"}})
        nowhere = await session.post("/world/faults", json={"venue": "mtgox"})
    upbit = status["venues"]["upbit"]
    assert (upbit["orders"], upbit["open"]) == (1, 0) and Decimal(upbit["fees"]["KRW"]) > 0
    assert Decimal(upbit["balances"]["trader"]["BTC"]["total"]) == Decimal("0.41")
    assert status["venues"]["okx"]["faults"]["armed"][0]["left"] == 2
    assert told["upbit"][0]["client_id"] == "told000000000001"
    assert Decimal(after["balances"]["trader"]["USDT"]["free"]) == Decimal("29900")
    assert (wrong.status, nowhere.status) == (400, 404)


async def test_premium_and_fx_are_moved_on_request(world):
    def ratio():
        book = world.floors["upbit"].exchange.book, world.floors["bithumb"].exchange.book
        return book[0]("KRW-XRP")[0][0][0] / book[1]("KRW-XRP")[0][0][0] - 1

    async with aiohttp.ClientSession() as session:
        control, fx = world.urls["control"]["rest"], world.urls["fx"]["rest"]
        order = {"venue": "upbit", "coin": "XRP", "bps": 200, "seconds": 5}
        assert (await session.post(f"{control}/world/premium", json=order)).status == 200
        await until(lambda: ratio() >= Decimal("0.015"))
        frankfurter = f"{fx}/v1/latest?base=USD&symbols=KRW"
        dunamu = f"{fx}/v1/forex/recent?codes=FRX.KRWUSD"
        first = decode(await (await session.get(frankfurter)).text())
        second = decode(await (await session.get(dunamu)).text())[0]
        assert abs(first["rates"]["KRW"] / second["basePrice"] - 1) < Decimal("0.001")
        assert abs(second["timestamp"] / 1000 - time.time()) < 5
        await session.post(f"{control}/world/fx", json={"source": "frankfurter", "off_percent": "1.2"})
        await session.post(f"{control}/world/fx", json={"source": "dunamu", "outage": True})
        off = decode(await (await session.get(frankfurter)).text())["rates"]["KRW"]
        assert off / first["rates"]["KRW"] > Decimal("1.01")
        assert (await session.get(dunamu)).status == 503
