"""Public rules and wallets of watched venues through ccxt, in a process of its own: megabytes of JSON leave with it.

`python -m engine.catalogue` reads a line with a list of `Asked` from standard input and writes one `Told` per line. It
leaves when standard input ends.
"""

import asyncio
import importlib
import logging
import os
import sys
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Self

import msgspec
from msgspec import Struct

from engine.config import VenueConfig
from engine.domain.errors import ConfigError
from engine.domain.market import Gate, Instrument, Loan, Wallet
from engine.domain.money import TickBand
from engine.net.tls import trusted
from engine.venues.ccxt_client import Bridged, Fallback, addressed, instruments, narrow

log = logging.getLogger(__name__)

_LIMIT_S = 60.0
_HOUR_MS = 3_600_000
_MOST_LOANS = 40  # coins of one venue: a call each
# Our name of a venue -> ccxt's, and which of its markets are ours.
_CCXT = {
    "coinone": ("coinone", "spot"),
    "binance_usdm": ("binanceusdm", "swap"),
    "bybit": ("bybit", "spot"),
    "bybit_linear": ("bybit", "swap"),
    "kucoin": ("kucoin", "spot"),
    "kucoin_futures": ("kucoin", "swap"),
    "gate": ("gate", "spot"),
    "gate_futures": ("gate", "swap"),
    "bitget": ("bitget", "spot"),
    "bitget_futures": ("bitget", "swap"),
    "upbit": ("upbit", "spot"),
    "bithumb": ("bithumb", "spot"),
    "binance": ("binance", "spot"),
    "okx": ("okx", "spot"),
    "okx_swap": ("okx", "swap"),
}
_PUBLIC_WALLETS = ("coinone", "kucoin", "gate", "bitget")  # the others tell them to a key only
# Who tells anybody what a loan costs, and what ccxt must be asked with; the others tell it to a key only.
_PUBLIC_LOANS: dict[str, dict[str, object]] = {
    "bybit": {"vipLevel": "No%20VIP"},  # ccxt puts the space of its own default into the address as it is
    "bitget": {"uta": True},
}
_PATHS = {"coinone": {"v2Public": "/public/v2"}}


class Asked(Struct, frozen=True, kw_only=True):
    """One venue to be asked."""

    venue: str
    ccxt_id: str
    kind: str  # spot | swap | any (ccxt's own spelling of symbols)
    rest_base: str
    symbols: tuple[str, ...]
    with_rules: bool
    with_loans: bool = False
    fallback: Fallback

    @classmethod
    def of(cls, name: str, venue: VenueConfig, *, with_rules: bool, with_loans: bool = False) -> Self:
        """A traded venue is asked for what it only watches. Raises ConfigError where ccxt has no catalogue."""
        ccxt_id, kind = (venue.ccxt_id, "any") if venue.ccxt_id else _CCXT.get(name, ("", ""))
        kind = "swap" if venue.also_watch else kind
        if not ccxt_id:
            raise ConfigError(f"venues.{name}: no catalogue is known: set `trade: true` or `kind: ccxt`")
        fallback = Fallback(
            maker_fee_bps=venue.maker_fee_bps,
            taker_fee_bps=venue.taker_fee_bps,
            fee_side=venue.fee_side,
            min_notional=venue.min_notional,
            ticks=tuple(TickBand(band.from_price, band.tick) for band in venue.ticks),
        )
        return cls(
            venue=name,
            ccxt_id=ccxt_id,
            kind=kind,
            rest_base=venue.rest_base,
            symbols=venue.also_watch or venue.symbols,
            with_rules=with_rules,
            with_loans=with_loans and name in _PUBLIC_LOANS,
            fallback=fallback,
        )


class Told(Struct, frozen=True, kw_only=True):
    venue: str
    asked: tuple[str, ...] = ()  # symbols
    instruments: tuple[Instrument, ...] = ()
    wallets: tuple[Wallet, ...] = ()
    loans: tuple[Loan, ...] | None = None  # None: not asked, or not told
    source: str = ""
    error: str = ""


_encode = msgspec.json.Encoder(decimal_format="string").encode
_told = msgspec.json.Decoder(Told)


async def ask_process(asked: Sequence[Asked]) -> AsyncIterator[Told]:
    """The answers as they come. A process that fails says so for whoever it owed one."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "engine.catalogue"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
    )
    owed = {each.venue for each in asked}
    try:
        if process.stdin is not None and process.stdout is not None:
            process.stdin.write(_encode(list(asked)) + b"\n")  # and stays open: its end tells that we are gone
            async with asyncio.timeout(2 * _LIMIT_S):
                async for line in process.stdout:
                    told = _told.decode(line)
                    owed.discard(told.venue)
                    yield told
    except (TimeoutError, msgspec.MsgspecError, OSError) as error:
        log.warning("catalogue_process error=%r", error)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    for venue in sorted(owed):
        yield Told(venue=venue, error="no answer")


def _leave_with_starter() -> None:
    """A killed engine cannot end us: its end of the pipe closes instead."""
    while os.read(sys.stdin.fileno(), 1):  # `sys.stdin` itself would be locked when the interpreter ends
        pass
    os._exit(1)


async def _main() -> None:
    asked = msgspec.json.decode(sys.stdin.buffer.readline(), type=list[Asked])
    threading.Thread(target=_leave_with_starter, daemon=True).start()
    answers = [asyncio.create_task(_ask(each)) for each in asked]
    for answer in asyncio.as_completed(answers):
        sys.stdout.buffer.write(_encode(await answer) + b"\n")
        sys.stdout.flush()


async def _ask(asked: Asked) -> Told:
    errors: Any = importlib.import_module("ccxt.base.errors")
    client = _client(asked)
    try:
        async with asyncio.timeout(_LIMIT_S):
            await client.load_markets()
            found = _rules(client, asked) if asked.with_rules else ()
            wallets = await _wallets(client, asked)
            loans = await _loans(client, asked, errors) if asked.with_loans else None
    except (errors.BaseError, TimeoutError, OSError, KeyError, TypeError, ValueError) as error:
        return Told(venue=asked.venue, error=f"{type(error).__name__}: {error}"[:300])
    finally:
        await client.close()
    source = f"{asked.ccxt_id} currencies"
    return Told(venue=asked.venue, asked=asked.symbols, instruments=found, wallets=wallets, loans=loans, source=source)


def _client(asked: Asked) -> Any:
    kinds: Any = importlib.import_module("ccxt.async_support")
    client = getattr(kinds, asked.ccxt_id)({"enableRateLimit": True})
    client.ssl_context = trusted()
    if asked.kind != "any":
        narrow(client, asked.kind)
    if asked.rest_base:
        client.urls["api"] = addressed(client.urls["api"], asked.rest_base, "")
    return client


def _rules(client: Any, asked: Asked) -> tuple[Instrument, ...]:
    """In our spelling of the symbols."""
    ours = _spelled(client.markets, asked)
    bridged = Bridged(venue=asked.venue, ccxt_id=asked.ccxt_id, symbols=tuple(ours))
    found = instruments(client, bridged, tuple(ours), asked.fallback)
    return tuple(msgspec.structs.replace(each, symbol=ours[each.symbol]) for each in found)


def _spelled(markets: Mapping[str, Any], asked: Asked) -> dict[str, str]:
    """ccxt's symbol -> ours, of those that are asked for."""
    wanted = set(asked.symbols)
    if asked.kind == "any":
        return {symbol: symbol for symbol in markets if symbol in wanted}
    found: dict[str, str] = {}
    for symbol, market in markets.items():
        # Coinone's market id is the id of a ticker's update: its pair is the name.
        name = f"{market['quote']}-{market['base']}" if asked.venue == "coinone" else market["id"]
        if name in wanted and bool(market.get("swap")) == (asked.kind == "swap"):
            found[symbol] = name
    return found


async def _wallets(client: Any, asked: Asked) -> tuple[Wallet, ...]:
    if asked.venue not in _PUBLIC_WALLETS:
        return ()
    coins = client.currencies or await client.fetch_currencies()
    needed = {client.markets[symbol]["base"] for symbol in _spelled(client.markets, asked)} | {"USDT"}
    return tuple(wallet for coin in sorted(needed & set(coins)) for wallet in _of_coin(coin, coins[coin]))


async def _loans(client: Any, asked: Asked, errors: Any) -> tuple[Loan, ...] | None:
    """One call per coin. A coin that is not lent is refused, and left out; None where the venue is away."""
    needed = {client.markets[symbol]["base"] for symbol in _spelled(client.markets, asked)} | {"USDT"}
    found = []
    for coin in sorted(needed)[:_MOST_LOANS]:
        try:
            told = await client.fetch_cross_borrow_rate(coin, _PUBLIC_LOANS[asked.venue])
        except errors.ExchangeError:
            continue
        except errors.BaseError as error:
            log.warning("loans_failed venue=%s error=%s", asked.venue, error)
            return None
        rate, period_ms = _decimal(told.get("rate")), told.get("period")
        if rate is not None and period_ms:
            found.append(Loan(asset=coin, hourly=rate * _HOUR_MS / int(period_ms)))
    return tuple(found)


def _of_coin(coin: str, told: Mapping[str, Any]) -> list[Wallet]:
    networks = told.get("networks") or {"": told}
    return [
        Wallet(
            asset=coin,
            network=name,
            deposit=_gate(network.get("deposit")),
            withdraw=_gate(network.get("withdraw")),
            fee=_decimal(network.get("fee")),
            min_withdraw=_decimal(((network.get("limits") or {}).get("withdraw") or {}).get("min")),
        )
        for name, network in sorted(networks.items())
    ]


def _gate(told: object) -> Gate:
    return Gate.UNKNOWN if told is None else Gate.OPEN if told else Gate.CLOSED


def _decimal(value: object) -> Decimal | None:
    return None if value is None else Decimal(repr(value) if isinstance(value, float) else str(value))


if __name__ == "__main__":
    asyncio.run(_main())
