"""`python -m tests.crash.asker`: one account asks all that a start asks, says `asked`, then places orders (`Errand`,
one JSON line on stdin) and says `placed` after each."""

import asyncio
import sys
from contextlib import suppress

import msgspec
import uvloop

from engine.config import Credential, VenueConfig
from engine.domain.errors import OrderNotFound, VenueRefused, VenueUnavailable
from engine.domain.order import OrderRequest
from engine.venues.protocol import Conditional, DeadMan, Lender, Margined, Orders
from engine.venues.registry import build_orders, lines_of, streams_of
from tests.waiting import until


class Errand(msgspec.Struct, frozen=True):
    venue: str
    config: VenueConfig
    credential: Credential
    orders: tuple[OrderRequest, ...]


async def ask(account: Orders, config: VenueConfig) -> None:
    """Whatever a desk asks of a venue, and what ends or guards an order, but no order."""
    symbol, nobody = config.symbols[0], "abcdefghijklmnopqrstuvwx23"
    for _ in range(10):  # a busy machine
        with suppress(VenueUnavailable):
            await account.warm()
            break
    [rules] = await account.instruments([symbol])
    await account.wallets([rules.base])
    await account.warnings([symbol])
    await account.server_time_ms()
    await account.balances()
    await account.open_orders()
    if isinstance(account, Margined):
        await account.prepare([symbol], config.leverage)
        await account.positions()
        await account.funding_since(0)
    if isinstance(account, Lender):
        await account.loans([rules.base])
    if isinstance(account, DeadMan) and account.abilities.countdown:
        await account.arm(60)
        await account.arm(0)
    for asked in (account.look_up(symbol, nobody), account.cancel(symbol, nobody, "1")):
        with suppress(OrderNotFound, VenueRefused):
            await asked
    if isinstance(account, Conditional):
        await account.waiting_stops()
        for asked in (account.look_up_stop(symbol, nobody), account.cancel_stop(symbol, nobody, "1")):
            with suppress(OrderNotFound, VenueRefused):
                await asked


async def live(errand: Errand) -> None:
    account = build_orders(errand.venue, errand.config, errand.credential)
    lines, [stream] = lines_of([account]), streams_of([account])
    running = [asyncio.create_task(line.run()) for line in lines]
    running.append(asyncio.create_task(stream.run(lambda _: None)))
    await ask(account, errand.config)
    await until(lambda: stream.health().state == "up", 30)
    await until(lambda: all(getattr(line, "is_open", True) for line in lines), 30)
    print("asked", flush=True)
    for order in errand.orders:
        await account.place(order)
        print("placed", flush=True)


if __name__ == "__main__":
    uvloop.run(live(msgspec.json.decode(sys.stdin.readline(), type=Errand)))
