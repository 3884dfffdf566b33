"""The one door: FastAPI on a Unix socket, and on loopback TCP when configured. Reading, acting, sockets meet here."""

import asyncio
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from engine.control.acting import Acting, CurveRules
from engine.control.archive import History, Keeper
from engine.control.clerk import Clerk
from engine.control.door import Desk, Turnover
from engine.control.gate import Gate, Refused, answer_refused, said
from engine.control.markets import Markets
from engine.control.ordering import Ordering
from engine.control.perps import Perps
from engine.control.reading import Reading
from engine.control.sockets import Sockets
from engine.control.stream import Stream
from engine.domain.errors import ConfigError, StoreUnavailable

_SOCKET_MODE = 0o660  # the engine's user, and the group that the bot is in


class ControlServer:
    """Everything behind the door. Construct it in the loop's thread, before the first event that may cause a notice.

    `desk`: the daemon. `keeper`, `history`: engine.storage's Writer and Queries. `curves`: engine.strategies.curve.
    `turnover`: where the hours of a VWAP come from; without it they must come with the order.
    `users`: actor -> viewer | trader | owner, for example {"telegram:1001": "owner", "bot": "viewer", "cli": "owner"}.
    """

    def __init__(
        self,
        desk: Desk,
        keeper: Keeper,
        history: History,
        users: Mapping[str, str],
        curves: CurveRules,
        turnover: Turnover | None = None,
    ) -> None:
        self._users = users
        stream = Stream(keeper, history)
        self._leave_desk = desk.subscribe(stream.take)
        reading = Reading(desk, keeper, history)
        clerk = Clerk(desk, keeper, history)
        acting = Acting(clerk, reading, curves)
        markets = Markets(desk, clerk)
        ordering = Ordering(desk, clerk, turnover)
        perps = Perps(desk, clerk)
        self._routers = [
            *(part.router() for part in (reading, acting, markets, ordering, perps)),
            Sockets(desk, stream).router(),
        ]

    def build(self, token: str = "") -> FastAPI:
        """The application of one address. With a `token` every request must bear it."""
        app = FastAPI(title="premia control door", version="1", docs_url=None, redoc_url=None)
        app.state.gate = Gate(self._users, token)
        for router in self._routers:
            app.include_router(router)
        app.add_exception_handler(Refused, answer_refused)
        app.add_exception_handler(RequestValidationError, _answer_invalid)
        app.add_exception_handler(HTTPException, _answer_http)
        app.add_exception_handler(StoreUnavailable, _answer_unavailable)
        return app

    async def serve(self, socket_path: Path, tcp_port: int = 0, token: str = "") -> None:
        """Serve until cancelled. Raises ConfigError when TCP is asked for without a token, or an address is taken."""
        if tcp_port and not token:
            raise ConfigError("control.tcp_port: is set, but the secret PREMIA_CONTROL_TOKEN is missing")
        addresses = [_unix(self.build(), socket_path)] + ([_tcp(self.build(token), tcp_port)] if tcp_port else [])
        try:
            async with asyncio.TaskGroup() as tasks:
                for address in addresses:
                    tasks.create_task(_serve(address), name=f"control {address.uds or address.port}")
        finally:
            self._leave_desk()
            socket_path.unlink(missing_ok=True)


async def _answer_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    parts = [f"{'.'.join(str(step) for step in e['loc'])}: {e['msg']}" for e in error.errors()]
    return said(422, {"rule": "bad_request", "text": "; ".join(parts)})


async def _answer_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return said(error.status_code, {"rule": f"http_{error.status_code}", "text": str(error.detail)})


async def _answer_unavailable(_: Request, error: Exception) -> Response:
    return said(503, {"rule": "storage", "text": str(error)})


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the daemon."""
        yield


async def _serve(config: uvicorn.Config) -> None:
    server = _Server(config)
    try:
        await server.serve()
    except asyncio.CancelledError:
        if server.started:
            await server.shutdown()
        raise


def _unix(app: FastAPI, path: Path) -> uvicorn.Config:
    """The lease on the data directory says that no other engine lives, so a socket file that lies there is dead."""
    path.unlink(missing_ok=True)
    # uvicorn gives its socket the mode of the file that it replaces, and 0666 where there is none.
    before = os.umask(0o777 & ~_SOCKET_MODE)
    try:
        with socket.socket(socket.AF_UNIX) as placeholder:
            placeholder.bind(str(path))
    except OSError as error:
        raise ConfigError(f"control.socket: {path}: {error.strerror or error}") from error
    finally:
        os.umask(before)
    return _config(app, uds=str(path))


def _tcp(app: FastAPI, port: int) -> uvicorn.Config:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigError(f"control.tcp_port: {port}: {error.strerror}") from error
    return _config(app, host="127.0.0.1", port=port)


def _config(app: FastAPI, uds: str | None = None, host: str = "127.0.0.1", port: int = 0) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        uds=uds,
        host=host,
        port=port,
        lifespan="off",
        log_config=None,
        access_log=False,
        ws="websockets-sansio",
        ws_ping_interval=10.0,
        ws_ping_timeout=10.0,
        ws_per_message_deflate=False,
        timeout_keep_alive=75,  # above the client's 15 s: an idle connection must not be closed under a request
        timeout_graceful_shutdown=2,
        server_header=False,
    )
