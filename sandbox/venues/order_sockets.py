"""Order entry over sockets: the REST dialect says yes and no there as well, and the same faults are shown."""

import asyncio
from collections.abc import Awaitable

import msgspec
from aiohttp import web

from sandbox.venues.auth import Denied
from sandbox.venues.door import Dialect, Malformed
from sandbox.venues.floor import Cut, Limited, Page
from sandbox.venues.orders import Refused
from sandbox.venues.sockets import Socket


async def answered(socket: Socket, dialect: Dialect, work: Awaitable[web.Response]) -> web.Response | None:
    """What REST would answer; None where the socket was cut instead.

    A socket shows no page of HTML: the machine in front of the venue that would send one drops the connection.
    """
    try:
        return await work
    except Refused as error:
        return dialect.refused(error)
    except Denied as error:
        return dialect.denied(error)
    except Malformed as error:
        return dialect.malformed(error)
    except Limited as error:
        return dialect.limited(error)
    except Page:
        socket.cut()
    except Cut as error:
        await asyncio.sleep(error.hang_ms / 1000)
        socket.cut()
    return None


def body_of(response: web.Response) -> dict[str, object]:
    """The JSON that an answer carries."""
    assert isinstance(response.body, bytes)
    return msgspec.json.decode(response.body, type=dict[str, object])


def say(socket: Socket, frame: dict[str, object]) -> None:
    socket.send(msgspec.json.encode(frame).decode())
