"""One socket against a local server: handshake, fragments, size, heartbeat, death, return."""

import asyncio
import random
import ssl
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import Any

import uvloop
from aiohttp import WSMsgType, web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from engine.net.ratelimit import TokenBucket
from engine.net.ws import Heartbeat, Socket
from tests.waiting import until

BEAT = Heartbeat(every_ms=60_000, idle_ms=100)


class Owner:
    def __init__(self):
        self.messages: list[bytes] = []
        self.lost: list[str] = []
        self.opened = 0
        self.alive = 0

    def on_open(self):
        self.opened += 1
        return [b"hello"]

    def on_message(self, data, seen_ns):
        assert seen_ns <= time.monotonic_ns()
        self.messages.append(data)

    def on_alive(self, seen_ns):
        self.alive += 1

    def on_lost(self, reason):
        self.lost.append(reason)


@asynccontextmanager
async def connected(serve, beat=BEAT, dead_ms=1_000, server_tls=None, client_tls=None):
    """A server whose every connection runs `serve(ws, request)`, and one Socket to it."""

    async def handler(request):
        ws = web.WebSocketResponse(autoping=False, max_msg_size=0)
        await ws.prepare(request)
        await serve(ws, request)
        return ws

    app = web.Application()
    app.router.add_get("/ws", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_tls)
    await site.start()
    owner = Owner()
    budget = TokenBucket(100.0, 10.0, time.monotonic_ns)
    url = f"{'wss' if server_tls else 'ws'}://127.0.0.1:{runner.addresses[0][1]}/ws"
    socket = Socket(url, owner, beat, dead_ms, time.monotonic_ns, random.Random(5), budget, client_tls)
    try:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(socket.run())
            try:
                yield socket, owner
            finally:
                task.cancel()
    finally:
        await runner.cleanup()


async def read_until_closed(ws, on_message=None):
    async for message in ws:
        if on_message is not None:
            await on_message(message)


async def test_the_handshake_has_no_origin_and_says_what_on_open_says():
    seen: list[Any] = []

    async def serve(ws, request):
        seen.append({name.lower() for name in request.headers})
        seen.append(await ws.receive())
        await read_until_closed(ws)

    async with connected(serve) as (_socket, _owner):
        await until(lambda: len(seen) == 2)
        assert "origin" not in seen[0]
        assert (seen[1].type, seen[1].data) == (WSMsgType.TEXT, "hello")


async def test_text_binary_and_fragments_arrive_whole():
    async def serve(ws, request):
        await ws.send_str("text")
        await ws.send_bytes(b"binary")
        for opcode, fin, part in ((0x1, False, b"one "), (0x0, False, b"two "), (0x0, True, b"three")):
            request.transport.write(bytes([(0x80 if fin else 0) | opcode, len(part)]) + part)
        await ws.send_str("after")
        await read_until_closed(ws)

    async with connected(serve) as (_socket, owner):
        await until(lambda: len(owner.messages) == 4)
        assert owner.messages == [b"text", b"binary", b"one two three", b"after"]


async def test_what_is_sent_in_one_turn_arrives_in_order_whatever_its_size():
    heard: list[str] = []

    async def serve(ws, request):
        async for message in ws:
            heard.append(message.data)

    texts = [f"{size} ".ljust(size, "x") for size in (8, 5, 125, 126, 127, 65_535, 65_536)]
    async with connected(serve) as (socket, _owner):
        await until(lambda: heard == ["hello"])
        for turn in range(3):
            for text in texts:
                socket.send_now(f"{turn}{text}".encode())
            await asyncio.sleep(0)
        await until(lambda: len(heard) == 1 + 3 * len(texts))
        assert heard[1:] == [f"{turn}{text}" for turn in range(3) for text in texts]


async def test_what_waits_for_the_end_of_a_turn_never_leaves_on_another_connection():
    heard: list[str] = []

    async def serve(ws, request):
        async for message in ws:
            heard.append(message.data)

    async with connected(serve) as (socket, owner):
        await until(lambda: heard == ["hello"])
        for text in (b"first", b"second"):
            socket.send_now(text)
        socket.reconnect("on request")
        socket.send_now(b"third")
        await until(lambda: owner.opened == 2 and heard.count("hello") == 2)
        socket.send_now(b"again")
        await until(lambda: "again" in heard)
        assert heard in (["hello", "first", "hello", "again"], ["hello", "hello", "again"])


async def test_a_frame_of_ten_megabytes_is_refused_and_the_socket_comes_back():
    async def serve(ws, request):
        if not owner_box[0].lost:
            await ws.send_bytes(b"x" * 10_000_000)
        await read_until_closed(ws)

    owner_box = []
    async with connected(serve) as (_socket, owner):
        owner_box.append(owner)
        await until(lambda: owner.opened == 2)
        assert len(owner.messages) == 0
        assert len(owner.lost) == 1


async def test_fragments_that_add_up_to_too_much_are_refused():
    flooded: list[bool] = []

    async def serve(ws, request):
        if flooded:
            await read_until_closed(ws)
            return
        flooded.append(True)
        part = b"x" * 60_000
        head = len(part).to_bytes(2, "big")
        request.transport.write(b"\x02\x7e" + head + part)
        for _ in range(100):
            request.transport.write(b"\x00\x7e" + head + part)
        await read_until_closed(ws)

    async with connected(serve) as (_socket, owner):
        await until(lambda: owner.opened == 2)
        assert owner.messages == []


async def test_a_quiet_socket_is_pinged_and_its_pong_is_life():
    pings = []

    async def serve(ws, request):
        async def answer(message):
            if message.type is WSMsgType.PING:
                pings.append(time.monotonic())
                await ws.pong(message.data)

        await read_until_closed(ws, answer)

    async with connected(serve, dead_ms=700) as (_socket, owner):
        await until(lambda: len(pings) >= 12)  # longer than dead_ms: the pongs kept it
        assert owner.lost == []
        assert owner.alive > 3


async def test_text_pings_where_the_venue_wants_them():
    asked = []

    async def serve(ws, request):
        async def answer(message):
            asked.append(message.data)
            if message.data == "ping":
                await ws.send_str("pong")

        await read_until_closed(ws, answer)

    async with connected(serve, Heartbeat(every_ms=60_000, idle_ms=50, text=b"ping")) as (_socket, owner):
        await until(lambda: owner.messages.count(b"pong") >= 3)
        assert asked[:2] == ["hello", "ping"]


async def test_the_servers_ping_is_answered():
    pongs = []

    async def serve(ws, request):
        await ws.ping(b"are you there")

        async def take(message):
            if message.type is WSMsgType.PONG:
                pongs.append(bytes(message.data))

        await read_until_closed(ws, take)

    async with connected(serve):
        await until(lambda: b"are you there" in pongs)


async def test_a_socket_that_answers_nothing_is_dead_and_made_anew():
    async def serve(ws, request):
        await read_until_closed(ws)  # never a pong

    async with connected(serve, dead_ms=300) as (_socket, owner):
        await until(lambda: owner.opened == 2)
        assert owner.lost[0].startswith("dead: nothing for")


async def test_a_close_by_the_venue_names_its_code():
    async def serve(ws, request):
        await ws.close(code=1001, message=b"going away")

    async with connected(serve) as (_socket, owner):
        await until(lambda: len(owner.lost) >= 1)
        assert "1001" in owner.lost[0]


async def test_a_cut_without_a_close_frame_is_seen_at_once():
    async def serve(ws, request):
        request.transport.abort()

    async with connected(serve) as (_socket, owner):
        await until(lambda: len(owner.lost) >= 1)
        assert "1006" in owner.lost[0]


async def test_our_own_reconnect_gives_our_reason():
    async def serve(ws, request):
        await read_until_closed(ws)

    async with connected(serve) as (socket, owner):
        await until(lambda: owner.opened == 1)
        socket.reconnect("resubscribe KRW-BTC")
        await until(lambda: owner.opened == 2)
        assert owner.lost == ["resubscribe KRW-BTC"]


async def test_nobody_listening_is_tried_again_and_cancelled_cleanly():
    owner = Owner()
    budget = TokenBucket(100.0, 10.0, time.monotonic_ns)
    socket = Socket("ws://127.0.0.1:9/ws", owner, BEAT, 1_000, time.monotonic_ns, random.Random(5), budget)
    task = asyncio.ensure_future(socket.run())
    await until(lambda: len(owner.lost) >= 3)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert owner.opened == 0


def certificate(directory):
    """A fresh authority of one: certificate and key for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = directory / "server.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(built.public_bytes(Encoding.PEM) + secret)
    return pem


async def test_tls_with_a_trusted_certificate(tmp_path):
    pem = certificate(tmp_path)
    server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_tls.load_cert_chain(pem)

    async def serve(ws, request):
        await ws.send_bytes(b"secret")
        await read_until_closed(ws)

    async with connected(serve, server_tls=server_tls, client_tls=ssl.create_default_context(cafile=str(pem))) as (
        _socket,
        owner,
    ):
        await until(lambda: owner.messages == [b"secret"])


async def test_tls_with_a_strangers_certificate_is_refused(tmp_path):
    server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_tls.load_cert_chain(certificate(tmp_path))

    async def serve(ws, request):
        await ws.send_bytes(b"lies")

    async with connected(serve, server_tls=server_tls) as (_socket, owner):
        await until(lambda: owner.lost)
        assert "certificate" in owner.lost[0].lower()
        assert owner.messages == []


def test_a_socket_with_much_to_say_does_not_keep_the_loop_for_all_of_it():
    """While this side is busy megabytes come in: a turn of the loop serves what the kernel may hold, not all of it."""
    burst = 12_000  # frames of a kilobyte
    turns: list[int] = []

    async def serve(ws, request):
        await ws.receive()
        payload = b"\x82\x7e\x04\x00" + b"x" * 1_024
        for _ in range(burst):
            ws._writer.transport.write(payload)
        await read_until_closed(ws)

    async def play() -> None:
        async with connected(serve) as (socket, owner):
            before = 0
            async with asyncio.timeout(60):
                while len(owner.messages) < burst:
                    await asyncio.sleep(0)  # one turn
                    turns.append(len(owner.messages) - before)
                    before = len(owner.messages)
            assert (socket.connects, owner.lost) == (1, [])

    uvloop.run(play())
    assert sum(turns) == burst
    assert max(turns) <= 1_500, max(turns)
