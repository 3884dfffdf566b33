"""One list of authorities for the whole process: whoever reads it again holds the loop for 40 ms and more."""

import asyncio
import random
import ssl
import time

import pytest

from engine.config import Credential
from engine.domain.errors import VenueUnavailable
from engine.net.pooled_http import HttpPool
from engine.net.ratelimit import TokenBucket
from engine.net.tls import tls_for, trusted
from engine.net.ws import Heartbeat, Socket
from engine.venues.registry import build_orders
from tests.venues.orders.stage import config


class Lost(Exception):
    """Ends the loop of a socket."""


class Owner:
    def on_message(self, payload, seen_ns):
        raise AssertionError("nobody speaks")

    def on_open(self):
        return []

    def on_alive(self, seen_ns):
        raise AssertionError("nobody speaks")

    def on_lost(self, reason):
        raise Lost(reason)


@pytest.fixture
def no_new_context(monkeypatch):
    def refuse(*_args, **_named):
        raise AssertionError("a context of its own")

    trusted()
    monkeypatch.setattr(ssl, "create_default_context", refuse)


def test_an_address_without_tls_has_no_context():
    assert tls_for("ws://127.0.0.1:1/ws") is None
    assert tls_for("http://127.0.0.1:1") is None
    assert tls_for("wss://venue.example/ws") is trusted() is tls_for("https://venue.example")


@pytest.mark.usefixtures("no_new_context")
@pytest.mark.parametrize("venue", ["upbit", "coinone", "binance", "okx", "kucoin"])
async def test_an_account_asks_its_venue_with_the_context_of_all(venue):
    orders = build_orders(venue, config("https://127.0.0.1:9"), Credential("k", "s", "p"))
    with pytest.raises(VenueUnavailable):  # nobody is there
        await orders.balances()
    await orders.close()


@pytest.mark.usefixtures("no_new_context")
async def test_a_pool_and_a_socket_take_it_too():
    pool = HttpPool("https://127.0.0.1:9", timeout_s=1, clock_ns=time.monotonic_ns, rng=random.Random(1))
    assert pool._tls is trusted()
    async with await asyncio.start_server(lambda _, theirs: theirs.close(), "127.0.0.1", 0) as server:
        url = f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
        budget = TokenBucket(10, 10, time.monotonic_ns)
        beat = Heartbeat(every_ms=1_000, idle_ms=500)
        socket = Socket(url, Owner(), beat, 1_000, time.monotonic_ns, random.Random(1), budget)
        with pytest.raises(Lost):  # the handshake, not the context
            await socket.run()
