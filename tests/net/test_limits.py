"""The limiter: by a hand-driven clock, and against local servers that count as the venues do."""

import asyncio
import time
from collections import Counter, deque
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from engine.domain.errors import RateLimited, VenueRefused
from engine.net.http import Http
from engine.net.limits import Cost, Header, Kind, Limiter, Limits, Rule
from engine.venues.binance.limits import LIMITS as BINANCE
from engine.venues.limits import Limiters
from engine.venues.upbit.limits import LIMITS as UPBIT

SECOND = 1_000_000_000


class Time:
    def __init__(self):
        self.now_ns = 0

    def __call__(self):
        return self.now_ns


def limits(kind=Kind.COUNT, most=10.0, window_s=1.0, **more):
    return Limits(host="venue", rules=(Rule(name="all", kind=kind, most=most, window_s=window_s),), **more)


async def at_once(limiter, url="/x", urgent=False):
    """Whether a call may leave now."""
    try:
        async with asyncio.timeout(0.01):
            return await limiter.enter(url, urgent=urgent)
    except TimeoutError:
        return None


async def enter(limiter, count, url="/x", urgent=False):
    tickets = [await at_once(limiter, url, urgent) for _ in range(count)]
    return [ticket for ticket in tickets if ticket is not None]


async def test_the_reserved_share_is_for_urgent_calls():
    limiter = Limiter(limits(reserved=0.2), Time())
    assert len(await enter(limiter, 12)) == 8
    assert len(await enter(limiter, 12, urgent=True)) == 2


async def test_a_place_is_held_until_the_answer_and_one_window_more():
    clock = Time()
    limiter = Limiter(limits(reserved=0.0), clock)
    tickets = await enter(limiter, 10)
    clock.now_ns += 60 * SECOND  # the venue may count them only now
    assert await enter(limiter, 1) == []
    for ticket in tickets:
        limiter.leave(ticket, 200, {})
    clock.now_ns += SECOND - 1
    assert await enter(limiter, 1) == []
    clock.now_ns += 1
    assert len(await enter(limiter, 12)) == 10


WEIGHTS = [  # url, weight in Binance's table
    ("https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=100", 5),
    ("/api/v3/depth?symbol=BTCUSDT&limit=101", 25),
    ("/api/v3/depth?symbol=BTCUSDT&limit=1000", 50),
    ("/api/v3/depth?symbol=BTCUSDT&limit=5000", 250),
    ("/api/v3/depth?symbol=BTCUSDT", 250),  # dearer than it is: nothing says what it takes by itself
    ("/api/v3/time", 1),
    ("/api/v3/ticker/24hr", 80),
]


@pytest.mark.parametrize("url, weight", WEIGHTS)
async def test_calls_weigh_what_the_venue_says(url, weight):
    limiter = Limiter(BINANCE, Time())
    await limiter.enter(url)
    assert limiter.used_share()["weight"] == pytest.approx(weight / 1_200)


async def test_endpoints_have_windows_of_their_own():
    limiter = Limiter(limits(Kind.ENDPOINT, most=2, reserved=0.0), Time())
    assert [len(await enter(limiter, 3, url)) for url in ("/a?x=1", "/b", "/a?x=2")] == [2, 2, 0]


async def test_a_bucket_gives_its_size_at_once_and_then_its_rate():
    clock = Time()
    limiter = Limiter(limits(Kind.BUCKET, most=60, window_s=60.0, reserved=0.0), clock)
    assert len(await enter(limiter, 60)) == 55  # five seconds' worth may be late on the way
    clock.now_ns += 3 * SECOND
    assert len(await enter(limiter, 9)) == 3


SAYS = [  # header of the rule, answer's headers, calls left of 10
    (Header(name="Used", says="used"), {"Used": "7"}, 3),
    (Header(name="Used", says="used"), {"Used": "0"}, 9),  # our own count stands
    (Header(name="Left", says="left"), {"Left": "4"}, 4),
    (Header(name="Left", says="left"), {"Left": "0"}, 0),
    (Header(name="Left", says="left", limit="Limit"), {"Left": "4", "Limit": "6"}, 4),
    (Header(name="Left", says="left", limit="Limit"), {"Left": "19", "Limit": "20"}, 19),  # the venue's word wins
    (Header(name="Remaining-Req", says="groups"), {"Remaining-Req": "group=all; min=600; sec=2"}, 2),
    (Header(name="Remaining-Req", says="groups"), {"Remaining-Req": "group=other; min=600; sec=0"}, 9),
    (Header(name="Left", says="left"), {"Left": "soon"}, 9),
    (Header(name="Left", says="left"), {"Left": "-3"}, 9),
    (Header(name="Remaining-Req", says="groups"), {"Remaining-Req": "nonsense"}, 9),
]


@pytest.mark.parametrize("header, headers, left", SAYS)
async def test_answers_correct_the_count(header, headers, left):
    limiter = Limiter(limits(reserved=0.0, headers=(header,)), Time())
    limiter.leave(await limiter.enter("/x"), 200, headers)
    assert len(await enter(limiter, 25)) == left


async def test_what_others_used_is_forgotten_after_a_window():
    clock = Time()
    limiter = Limiter(limits(reserved=0.0, headers=(Header(name="Used", says="used"),)), clock)
    limiter.leave(await limiter.enter("/x"), 200, {"Used": "10"})
    assert await enter(limiter, 1) == []
    clock.now_ns += SECOND
    assert len(await enter(limiter, 12)) == 10


REFUSALS = [  # status, headers, shut for s
    (429, {"Retry-After": "7"}, 7.0),
    (429, {}, 1.0),
    (418, {}, 120.0),
    (418, {"Retry-After": "300"}, 300.0),
    (403, {}, 600.0),
    (429, {"Reset": "2500"}, 2.5),
]


@pytest.mark.parametrize("status, headers, shut_s", REFUSALS)
async def test_a_refusal_shuts_everything_urgent_or_not(status, headers, shut_s):
    clock = Time()
    bans = ((418, 120.0), (403, 600.0))
    limiter = Limiter(limits(bans=bans, reset_ms_header="Reset"), clock)
    limiter.leave(await limiter.enter("/x"), status, headers)
    for urgent in (False, True):
        with pytest.raises(RateLimited) as caught:
            await limiter.enter("/x", urgent=urgent, patience_s=0.5)
        assert caught.value.retry_after_s == pytest.approx(shut_s)
    clock.now_ns += round(shut_s * SECOND)
    assert await at_once(limiter) is not None


async def test_refusals_that_go_on_are_waited_for_longer():
    clock = Time()
    limiter = Limiter(limits(retry_s=2.0), clock)
    waits = []
    for _ in range(3):
        limiter.leave(await limiter.enter("/x"), 429, {})
        with pytest.raises(RateLimited) as caught:
            await limiter.enter("/x", patience_s=0.0)
        waits.append(caught.value.retry_after_s)
        clock.now_ns += round(waits[-1] * SECOND)
    assert waits == [2.0, 4.0, 8.0]


async def test_eighty_percent_is_told_once_until_it_calmed():
    clock, told = Time(), []
    limiter = Limiter(limits(reserved=0.0), clock, lambda host, rule, share: told.append((host, rule, share)))
    tickets = await enter(limiter, 10)
    assert told == [("venue", "all", 0.8)]
    for ticket in tickets:
        limiter.leave(ticket, 200, {})
    clock.now_ns += SECOND
    await enter(limiter, 8)
    assert len(told) == 2


def test_one_host_one_limiter():
    made = Limiters(time.monotonic_ns)
    assert made.of("bitget") is made.of("bitget_futures")
    assert made.of("binance") is not made.of("binance_usdm")
    assert made.connects("bybit", 1.0) is made.connects("bybit_linear", 1.0)
    assert made.of("elsewhere").limits.rules == ()
    assert made.of("theirs", limits()).limits.host == "venue"
    assert made.of("theirs") is made.of("theirs-too", limits())


class Strict:
    """Counts calls in a sliding window per path and refuses what is over; answers after a while, as the wire does."""

    def __init__(self, most, window_s, weigh=lambda request: 1.0, headers=lambda left: {}):
        self.most, self.window_s, self.weigh, self.headers = most, window_s, weigh, headers
        self.seen: dict[str, deque[tuple[float, float]]] = {}
        self.statuses: Counter[int] = Counter()

    async def answer(self, request):
        await asyncio.sleep(0.002 * (len(self.seen) + self.statuses.total() % 7))  # a way that is now long, now short
        calls, now = self.seen.setdefault(request.path, deque()), time.monotonic()
        while calls and calls[0][0] <= now - self.window_s:
            calls.popleft()
        weight = self.weigh(request)
        used = sum(weight for _, weight in calls) + weight
        status = 429 if used > self.most else 200
        if status == 200:
            calls.append((now, weight))
        self.statuses[status] += 1
        return web.Response(status=status, text="[]", headers=self.headers(max(0, self.most - used)))


@asynccontextmanager
async def serving(strict):
    app = web.Application()
    app.router.add_get("/{path:.*}", strict.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def fast(limits, by=20.0):
    """The venue's rules with shorter windows: the law is the same, the test is not so long."""
    rules = tuple(
        Rule(name=rule.name, kind=rule.kind, most=rule.most, window_s=rule.window_s / by, paths=rule.paths)
        for rule in limits.rules
    )
    return Limits(host=limits.host, rules=rules, costs=limits.costs, headers=limits.headers, reserved=limits.reserved)


def remaining_req(left):
    return {"Remaining-Req": f"group=orderbook; min=600; sec={left:.0f}"}


def depth_weight(request):
    return {"100": 5.0, "500": 25.0, "1000": 50.0}[request.query["limit"]]


BURSTS = [  # limits, the server that enforces them, urls
    (
        fast(UPBIT),
        lambda: Strict(10, 1 / 20, headers=remaining_req),
        [f"/v1/orderbook?markets=KRW-{number}" for number in range(100)],
    ),
    (
        fast(BINANCE, 300.0),
        lambda: Strict(1_200, 60 / 300, depth_weight),
        [f"/api/v3/depth?symbol=S{number}&limit={(100, 500, 1_000)[number % 3]}" for number in range(100)],
    ),
    (
        limits(Kind.ENDPOINT, 20, 0.1),
        lambda: Strict(20, 0.1),
        [f"/api/v5/market/{('books', 'ticker')[number % 2]}?n={number}" for number in range(100)],
    ),
]


@pytest.mark.parametrize("data, server, urls", BURSTS, ids=["upbit", "binance", "endpoint"])
async def test_a_hundred_calls_at_once_never_see_a_429(data, server, urls):
    strict = server()
    async with serving(strict) as base:
        http = Http(limiter=Limiter(data, time.monotonic_ns))
        try:
            async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
                for number, url in enumerate(urls):
                    tasks.create_task(http.get(base + url, urgent=number % 10 == 0))
        finally:
            await http.close()
    assert strict.statuses == {200: 100}


async def test_without_the_limiter_the_same_burst_is_refused():
    strict = BURSTS[0][1]()
    async with serving(strict) as base:
        http = Http()
        refused = 0

        async def call(url):
            nonlocal refused
            try:
                await http.get(base + url)
            except RateLimited:
                refused += 1

        async with asyncio.TaskGroup() as tasks:
            for url in BURSTS[0][2]:
                tasks.create_task(call(url))
        await http.close()
    assert refused > 0


async def test_a_429_holds_the_next_call_back():
    calls: list[float] = []

    async def answer(request):
        calls.append(time.monotonic())
        return web.Response(status=429 if len(calls) == 1 else 200, text="[]", headers={"Retry-After": "0.3"})

    app = web.Application()
    app.router.add_get("/x", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    http = Http(limiter=Limiter(limits(), time.monotonic_ns))
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/x"
        with pytest.raises(RateLimited):
            await http.get(url)
        await http.get(url)
    finally:
        await http.close()
        await runner.cleanup()
    assert calls[1] - calls[0] >= 0.3


async def test_a_forbidden_call_is_a_refusal_and_shuts_where_the_venue_bans_so():
    async def answer(request):
        return web.Response(status=403, text="no")

    app = web.Application()
    app.router.add_get("/x", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    http = Http(limiter=Limiter(limits(bans=((403, 600.0),), costs=(Cost("/", 1),)), time.monotonic_ns))
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/x"
        with pytest.raises(VenueRefused):
            await http.get(url)
        with pytest.raises(RateLimited, match="no calls for"):
            await http.get(url)
    finally:
        await http.close()
        await runner.cleanup()


async def test_ordinary_calls_alone_never_come_near_the_limit():
    told = []
    limiter = Limiter(limits(), Time(), lambda *near: told.append(near))
    assert len(await enter(limiter, 20)) == 7
    assert told == []
    await enter(limiter, 1, urgent=True)
    assert told == [("venue", "all", 0.8)]
