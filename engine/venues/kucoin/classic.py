"""KuCoin's classic socket, for what the Pro one does not bring: mark and index of every contract.

Its address bears a token that a REST call gives, a new one for every connection.
"""

from random import Random

import msgspec
from msgspec import Struct, field

from engine.domain.errors import BadFrame
from engine.net.ws import Heartbeat
from engine.venues.dialect import LineLimits
from engine.venues.kucoin.continuity import FUTURES

_SUCCESS = "200000"


class _Server(Struct):
    endpoint: str


class _Token(Struct):
    token: str
    servers: list[_Server] = field(name="instanceServers")


class _Answer(Struct):
    code: str
    data: _Token | None = None


_answer = msgspec.json.Decoder(_Answer)


class KucoinClassic:
    """A side of the futures feed: no books."""

    venue = FUTURES
    # Without client frames it dies at 60 s even while streaming; the welcome asks for a ping every 18 s.
    heartbeat = Heartbeat(every_ms=15_000, idle_ms=5_000, text=b'{"id":"1","type":"ping"}', pong=b"pong")
    limits = LineLimits(max_symbols=100, sends_per_second=5, send_burst=10)  # 100 topics per subscribe

    def __init__(self, ws_base: str, rest_base: str, symbols: tuple[str, ...], rng: Random) -> None:
        self._rest_base = rest_base
        self._symbols = symbols
        self._rng = rng

    def url(self) -> str:
        """REST, POST: where to connect, and with which token."""
        return f"{self._rest_base}/api/v1/bullet-public"

    def with_token(self, body: bytes) -> str:
        try:
            answer = _answer.decode(body)
        except msgspec.MsgspecError as error:
            raise BadFrame(f"{FUTURES} bullet-public: {error}") from error
        if answer.code != _SUCCESS or answer.data is None or not answer.data.servers:
            raise BadFrame(f"{FUTURES} bullet-public: code {answer.code}, no server")
        return f"{answer.data.servers[0].endpoint}?token={answer.data.token}&connectId={self._rng.getrandbits(64):016x}"

    def subscribe(self) -> list[bytes]:
        topic = f"/contract/instrument:{','.join(self._symbols)}"
        return [msgspec.json.encode({"id": "1", "type": "subscribe", "topic": topic, "response": True})]
