"""Placements by lines of our own: that they take them, what a cut leaves behind, and every frame a socket may bring."""

import asyncio
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.errors import BadFrame, OutcomeUnknown, VenueRefused
from engine.domain.order import Side, TimeInForce
from engine.venues.binance.order_socket import BinanceOrderDialect
from engine.venues.bybit.order_socket import BybitOrderDialect
from engine.venues.okx.order_socket import OkxOrderDialect
from engine.venues.protocol import Orders
from engine.venues.registry import build_orders, lines_of
from engine.venues.socket_line import LOGIN, OrderDialect, SocketLine
from sandbox.faults import Fault
from sandbox.world import World, WorldConfig
from tests.venues.orders.stage import CREDENTIAL, config
from tests.venues.orders.test_against_sandbox import NATIVE, SOCKETS, Trader

SETTINGS = config("http://127.0.0.1:1")
DIALECTS: dict[str, OrderDialect] = {
    "binance": BinanceOrderDialect(SETTINGS, CREDENTIAL, 400),
    "okx": OkxOrderDialect(SETTINGS, CREDENTIAL),
    "bybit": BybitOrderDialect(SETTINGS, CREDENTIAL, 400),
}


@pytest.fixture
async def trader(request):
    async with World(WorldConfig(seed=7, episodes=False, houses=(request.param,))) as world:
        trader = await Trader(world, request.param, "native").start()
        yield trader
        await trader.close()


def socket_line(orders: Orders) -> SocketLine:
    [line] = lines_of([orders])
    assert isinstance(line, SocketLine)
    return line


async def until(claim):
    for _ in range(1_000):
        if claim():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")


@pytest.mark.parametrize("trader", NATIVE, indirect=True)
async def test_native_placements_leave_by_the_line(trader):
    [line] = lines_of([trader.orders])
    order = trader.wish(Side.SELL, TimeInForce.POST_ONLY, away=Decimal("-0.05"))
    await trader.orders.place(order)
    assert line.sent == 1 and [report.cid for report in await trader.orders.open_orders()] == [order.cid]


@pytest.mark.parametrize("trader", SOCKETS, indirect=True)
async def test_a_cut_leaves_what_was_under_way_unknown_and_the_next_order_finds_a_way(trader):
    line = socket_line(trader.orders)
    trader.floor.faults.arm(Fault(kind="delay_after", ms=30_000))
    order = trader.wish(Side.BUY, TimeInForce.IOC, away=Decimal("0.02"))
    placing = asyncio.create_task(trader.orders.place(order))
    await until(lambda: trader.floor.faults.report()["shown"].get("delay_after"))
    trader.floor.faults.arm(Fault(kind="ws_disconnect"))
    with pytest.raises(OutcomeUnknown):
        await placing
    assert (await trader.settled(order.cid)).filled_qty == order.qty
    line.is_open = False  # the moment before the socket stands again, held
    second = trader.wish(Side.BUY, TimeInForce.IOC, away=Decimal("0.02"))
    await trader.orders.place(second)  # by REST
    assert line.sent == 1 and (await trader.settled(second.cid)).filled_qty == second.qty
    trader.floor.faults.arm(Fault(kind="ws_disconnect"))
    await trader.line_is_open()
    third = trader.wish(Side.BUY, TimeInForce.IOC, away=Decimal("0.02"))
    await trader.orders.place(third)
    assert line.sent == 2


@pytest.mark.parametrize("trader", SOCKETS, indirect=True)
async def test_a_wrong_key_is_refused_whichever_way_it_goes(trader):
    wrong = msgspec.structs.replace(CREDENTIAL, key="nobody", secret="nothing", passphrase="never")
    other = build_orders(trader.venue, trader.settings, wrong)
    line = socket_line(other)
    running = asyncio.create_task(line.run())
    await until(lambda: line.is_open or line.refusals)
    assert line.is_open == (trader.venue == "binance")  # the others log in first
    with pytest.raises(VenueRefused):
        await other.place(trader.wish(Side.BUY, TimeInForce.IOC))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await other.close()


FRAMES = [  # why, venue, frame, key of what it answers (None: nothing), status, body
    ("placed", "binance", {"id": "7", "status": 200, "result": {"orderId": 1}}, "7", 200, {"orderId": 1}),
    (
        "refused",
        "binance",
        {"id": "7", "status": 400, "error": {"code": -2010, "msg": "no"}},
        "7",
        400,
        {"code": -2010, "msg": "no"},
    ),
    ("an event", "binance", {"event": {"e": "serverShutdown"}}, None, 0, None),
    ("logged in", "okx", {"event": "login", "code": "0"}, LOGIN, 200, {"event": "login", "code": "0"}),
    ("refused login", "okx", {"event": "error", "code": "60009"}, LOGIN, 401, {"event": "error", "code": "60009"}),
    ("a notice", "okx", {"event": "notice", "code": "64008"}, None, 0, None),
    ("a pong", "okx", b"pong", None, 0, None),
    (
        "an operation that is none",
        "okx",
        {"id": "7", "event": "error", "code": "60013", "msg": "args"},
        "7",
        200,
        {"id": "7", "event": "error", "code": "60013", "msg": "args"},
    ),
    ("logged in", "bybit", {"op": "auth", "retCode": 0}, LOGIN, 200, None),
    ("refused login", "bybit", {"op": "auth", "retCode": 10004}, LOGIN, 401, None),
    ("a pong", "bybit", {"op": "pong", "retCode": 0, "data": ["1"]}, None, 0, None),
    (
        "refused",
        "bybit",
        {"op": "order.create", "reqId": "7", "retCode": 170131, "retMsg": "no", "data": {}},
        "7",
        200,
        {"retCode": 170131, "retMsg": "no", "result": {}},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    "why, venue, frame, key, status, body", FRAMES, ids=[f"{case[1]}-{case[0]}" for case in FRAMES]
)
def test_frames(why, venue, frame, key, status, body):
    heard = DIALECTS[venue].read(frame if isinstance(frame, bytes) else msgspec.json.encode(frame))
    if key is None:
        assert heard is None
    else:
        assert heard is not None
        assert (heard.key, heard.answer.status, heard.answer.body) == (key, status, body)


def test_binances_limits_are_those_of_its_rest_headers():
    limits = [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000, "count": 5900},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100, "count": 99},
        {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200000, "count": 4},
    ]
    wait = {"serverTime": 1_000, "retryAfter": 4_500}
    frame = {"id": "1", "status": 429, "error": {"code": -1003, "msg": "!", "data": wait}, "rateLimits": limits}
    heard = DIALECTS["binance"].read(msgspec.json.encode(frame))
    said = {"x-mbx-used-weight-1m": "5900", "x-mbx-order-count-10s": "99", "retry-after": "3.5"}
    assert heard is not None and heard.answer.headers == said


@pytest.mark.parametrize(
    "ws_base, url",
    [
        ("wss://stream.binance.com:9443", "wss://ws-api.binance.com:443/ws-api/v3"),
        ("ws://127.0.0.1:9", "ws://127.0.0.1:9/ws-api/v3"),  # a desk that is pointed elsewhere stays there
    ],
)
def test_binances_order_socket_follows_its_streams(ws_base, url):
    assert BinanceOrderDialect(config("http://x", ws_base=ws_base), CREDENTIAL, 400).url() == url


words = st.sampled_from(
    ["id", "op", "event", "order", "login", "auth", "order.create", "status", "code", "data", "result"]
)
things = st.recursive(
    st.none() | st.booleans() | st.integers() | words | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=5),
)


@pytest.mark.parametrize("venue", SOCKETS)
@settings(max_examples=200, deadline=None)
@given(frame=st.binary(max_size=40) | things.map(msgspec.json.encode))
def test_any_frame_answers_something_nothing_or_is_bad(venue, frame):
    try:
        heard = DIALECTS[venue].read(frame)
    except BadFrame:
        return
    assert heard is None or isinstance(heard.key, str)
