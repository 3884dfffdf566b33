"""Kept connections against a server that answers byte by byte as it is told."""

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any

import pytest
import uvloop

from engine.net.outcome import NotSent, NoVerdict
from engine.net.pooled_http import HttpPool, RawAnswer

REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
FINE = b"HTTP/1.1 201 Created\r\nX-Left: 3\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers every request with the next script: bytes to send, None to cut, "hang" to stay silent."""

    def __init__(self):
        self.scripts, self.requests, self.connections = [], 0, 0
        self.writers = []

    async def serve(self, reader, writer):
        self.connections += 1
        self.writers.append(writer)
        while await reader.readuntil(b"\r\n\r\n"):
            self.requests += 1
            script = self.scripts.pop(0) if self.scripts else [FINE]
            for step in script:
                if step is None:
                    writer.transport.abort()
                    return
                if step == "hang":
                    await asyncio.Event().wait()
                writer.write(step)
                await writer.drain()
                await asyncio.sleep(0)


@asynccontextmanager
async def pool(**over):
    server = Server()

    async def serve(reader, writer):
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await server.serve(reader, writer)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    settings: dict[str, Any] = {"timeout_s": 5.0, "clock_ns": time.monotonic_ns, "rng": Random(1)} | over
    made = HttpPool(base, **settings)
    try:
        yield made, server
    finally:
        await made.close()
        listening.close()


async def until(claim):
    for _ in range(1_000):
        if claim():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")


ANSWERS = [
    ("in one piece", [FINE], b"ok"),
    ("byte by byte", [FINE[i : i + 1] for i in range(len(FINE))], b"ok"),
    (
        "in chunks",
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc", b"\r\nA;x=1\r\n0123456789\r\n0\r\n\r\n"],
        b"abc0123456789",
    ),
    ("without a body", [b"HTTP/1.1 204 No Content\r\n\r\n"], b""),
    ("empty", [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], b""),
]


@pytest.mark.parametrize("why, script, body", ANSWERS, ids=[case[0] for case in ANSWERS])
async def test_an_answer_and_the_next_on_the_same_connection(why, script, body):
    async with pool() as (client, server):
        server.scripts = [script]
        answer = await client.ask(lambda: REQUEST)
        assert answer.body == body and answer.status < 300
        again = await client.ask(lambda: REQUEST)
        assert again == RawAnswer(201, {"x-left": "3", "content-length": "2"}, b"ok")
        assert (server.connections, server.requests) == (1, 2)


NO_VERDICT = [
    ("cut before a byte", [None]),
    ("cut in the middle", [FINE[:30], None]),
    ("cut in the body", [FINE[:-1], None]),
    ("not HTTP", [b"SSH-2.0-OpenSSH_9.2\r\n\r\n"]),
    ("an interim answer", [b"HTTP/1.1 100 Continue\r\n\r\n"]),
    ("no length", [b"HTTP/1.1 200 OK\r\n\r\nwhat comes"]),
    ("a length that is no number", [b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"]),
    ("longer than it says", [FINE + b"more"]),
    ("compressed", [b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"]),
    ("a bad chunk", [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc\r\n0\r\n\r\n"]),
    ("a chunk of another length", [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n"]),
    ("a flood", [b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + bytes(2_000_000)]),
    ("a header without a colon", [b"HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 0\r\n\r\n"]),
]


@pytest.mark.parametrize("why, script", NO_VERDICT, ids=[case[0] for case in NO_VERDICT])
async def test_what_is_no_answer_is_no_verdict_and_is_not_sent_again(why, script):
    async with pool() as (client, server):
        server.scripts = [script]
        with pytest.raises(NoVerdict):
            await client.ask(lambda: REQUEST)
        assert server.requests == 1
        assert (await client.ask(lambda: REQUEST)).status == 201
        assert server.connections == 2  # the one that failed is not used again


async def test_silence_ends_with_the_timeout():
    async with pool(timeout_s=0.2) as (client, server):
        server.scripts = [["hang"]]
        with pytest.raises(NoVerdict, match="no answer within"):
            await client.ask(lambda: REQUEST)
        assert (await client.ask(lambda: REQUEST)).status == 201


async def test_nothing_is_sent_where_nobody_listens():
    async with pool() as (client, server):
        pass
    with pytest.raises(NotSent):
        await client.ask(lambda: REQUEST)
    assert server.requests == 0


async def test_busy_connections_have_a_bound():
    async with pool(most=1) as (client, server):
        server.scripts = [["hang"]]
        waiting = asyncio.create_task(client.ask(lambda: REQUEST))
        await until(lambda: server.requests)
        with pytest.raises(NotSent, match="busy"):
            await client.ask(lambda: REQUEST)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (await client.ask(lambda: REQUEST)).status == 201
        assert server.connections == 2  # the cancelled one's answer may still come: not ours to read


async def test_a_connection_that_was_closed_while_idle_is_not_used():
    async with pool() as (client, server):
        await client.ask(lambda: REQUEST)
        server.writers[0].close()
        await until(lambda: not client._idle[0].is_usable)
        assert (await client.ask(lambda: REQUEST)).status == 201
        assert server.connections == 2


async def test_words_that_nobody_asked_for_end_a_connection():
    async with pool() as (client, server):
        await client.ask(lambda: REQUEST)
        server.writers[0].write(FINE)
        await until(lambda: not client._idle[0].is_usable)
        assert (await client.ask(lambda: REQUEST)).body == b"ok"
        assert server.connections == 2


async def test_the_venue_may_end_a_connection_with_its_answer():
    async with pool() as (client, server):
        server.scripts = [[b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"]]
        await client.ask(lambda: REQUEST)
        await client.ask(lambda: REQUEST)
        assert server.connections == 2


async def test_connections_are_opened_ahead_and_replaced_when_old():
    now_ns = 0
    async with pool(keep=2, idle_s=30, clock_ns=lambda: now_ns) as (client, server):
        running = asyncio.create_task(client.run())
        await until(lambda: server.connections == 2)
        now_ns = 31_000_000_000
        await until(lambda: server.connections == 4)
        assert (await client.ask(lambda: REQUEST)).status == 201 and server.connections == 4
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def test_on_the_loop_of_the_daemon():
    """uvloop's transports are its own classes."""

    async def ask_twice():
        async with pool() as (client, server):
            server.scripts = [[FINE[:9], FINE[9:]]]
            answers = [await client.ask(lambda: REQUEST) for _ in range(2)]
            with pytest.raises(NoVerdict):
                server.scripts = [[None]]
                await client.ask(lambda: REQUEST)
            return [answer.body for answer in answers], server.connections

    assert uvloop.run(ask_twice()) == ([b"ok", b"ok"], 1)
