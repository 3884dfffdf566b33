"""ccxt.pro for venues without a native feed: making a client, its addresses, and what its catalogue says."""

import asyncio
import importlib
import re
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import isfinite
from typing import Any

from msgspec import Struct

from engine.domain.errors import ConfigError
from engine.domain.market import FeeSide, Instrument, Levels, Product
from engine.domain.money import TickBand
from engine.net.tls import trusted

_DECIMAL_PLACES, _TICK_SIZE = 2, 4  # ccxt's precisionMode; the third, significant digits, has no tick
_BPS = Decimal(10_000)
_CLOSE_S = 1.0
_LINEAR = {"binanceusdm": "linear", "bybit": "linear"}  # how ccxt calls these markets when it is asked to load them
_HOST = re.compile(r"^[a-z]+://[^/]*")


class Bridged(Struct, frozen=True, kw_only=True):
    """One venue read through ccxt. Empty addresses: ccxt's own."""

    venue: str
    ccxt_id: str
    rest_base: str = ""
    ws_base: str = ""
    symbols: tuple[str, ...]  # ccxt's spelling: BTC/USDT, BTC/USDT:USDT
    levels: int = 0  # a side; 0: the venue's default


class Fallback(Struct, frozen=True, kw_only=True):
    """Rules of the configuration, for what ccxt does not know of a market."""

    maker_fee_bps: Decimal
    taker_fee_bps: Decimal
    fee_side: FeeSide
    min_notional: Decimal = Decimal(0)
    ticks: tuple[TickBand, ...] = ()


def make_client(bridged: Bridged) -> Any:
    """A ccxt.pro client, nothing connected. Raises ConfigError for a venue that ccxt cannot stream."""
    # Loaded here: ccxt.pro takes 100 MB, which a desk without such a venue does not pay.
    pro = importlib.import_module("ccxt.pro")
    where = f"venues.{bridged.venue}"
    if bridged.ccxt_id not in pro.exchanges:
        raise ConfigError(f"{where}: ccxt streams no venue `{bridged.ccxt_id}`")
    client = getattr(pro, bridged.ccxt_id)({"enableRateLimit": True, "newUpdates": True})
    client.ssl_context = trusted()  # a client of its own each time the session begins anew
    if not client.has.get("watchOrderBook"):
        raise ConfigError(f"{where}: ccxt's `{bridged.ccxt_id}` has no stream of order books")
    client.urls["api"] = addressed(client.urls["api"], bridged.rest_base, bridged.ws_base)
    if bridged.symbols and all(":" in symbol for symbol in bridged.symbols):
        narrow(client, "swap")
    return client


def narrow(client: Any, kind: str) -> None:
    """Only the markets of one kind (spot | swap) are loaded: of some venues a third of the megabytes."""
    wanted = _LINEAR.get(client.id, "swap") if kind == "swap" else "spot"
    client.options = client.deep_extend(client.options, {"fetchMarkets": {"types": [wanted]}})
    if kind == "swap":
        client.options["defaultType"] = "swap"


def addressed(urls: Any, rest_base: str, ws_base: str, is_socket: bool = False) -> Any:
    """Every address with its scheme and host replaced; what lies below `ws` is a socket."""
    if isinstance(urls, Mapping):
        return {key: addressed(value, rest_base, ws_base, is_socket or key == "ws") for key, value in urls.items()}
    base = ws_base if is_socket or str(urls).startswith("ws") else rest_base
    return _HOST.sub(base.rstrip("/"), urls, count=1) if base and isinstance(urls, str) else urls


def instruments(client: Any, bridged: Bridged, symbols: Sequence[str], fallback: Fallback) -> list[Instrument]:
    """What ccxt's catalogue says of these symbols; those that it does not list are left out."""
    as_of_ms = time.time_ns() // 1_000_000
    return [
        _instrument(client.precisionMode, client.markets[symbol], symbol, bridged.venue, fallback, as_of_ms)
        for symbol in symbols
        if symbol in client.markets
    ]


def _instrument(
    mode: int, market: Mapping[str, Any], symbol: str, venue: str, fallback: Fallback, as_of_ms: int
) -> Instrument:
    precision, limits = market.get("precision") or {}, market.get("limits") or {}
    tick, step = _step(mode, precision.get("price")), _step(mode, precision.get("amount"))
    if tick is None and not fallback.ticks:
        raise ConfigError(f"venues.{venue}: ccxt knows no tick of {symbol}: name `ticks` in venues.yaml")
    return Instrument(
        venue=venue,
        symbol=symbol,
        base=market["base"],
        quote=market["quote"],
        ticks=fallback.ticks if tick is None else (TickBand(Decimal(0), tick),),
        qty_step=step or Decimal("0.00000001"),
        min_qty=_least(limits, "amount") or Decimal(0),
        min_notional=_least(limits, "cost") or fallback.min_notional,
        maker_fee_bps=_bps(market.get("maker"), fallback.maker_fee_bps),
        taker_fee_bps=_bps(market.get("taker"), fallback.taker_fee_bps),
        fee_side=fallback.fee_side,
        source="venue",
        as_of_ms=as_of_ms,
        product=Product.PERP if market.get("swap") else Product.SPOT,
        contract_size=_decimal(market.get("contractSize")) or Decimal(1),
    )


def _step(mode: int, value: object) -> Decimal | None:
    number = _decimal(value)
    if number is None or mode not in (_DECIMAL_PLACES, _TICK_SIZE):
        return None
    return Decimal(1).scaleb(-int(number)) if mode == _DECIMAL_PLACES else number


def _least(limits: Mapping[str, Any], what: str) -> Decimal | None:
    return _decimal((limits.get(what) or {}).get("min"))


def _bps(ratio: object, otherwise: Decimal) -> Decimal:
    number = _decimal(ratio)
    return otherwise if number is None else number * _BPS


def _decimal(value: object) -> Decimal | None:
    """ccxt gives floats made of the venue's short texts: their shortest form is that text."""
    return None if value is None else Decimal(repr(value) if isinstance(value, float) else str(value))


async def closed(client: Any) -> None:
    """A dead socket never answers the closing handshake: it is not waited for."""
    try:
        async with asyncio.timeout(_CLOSE_S):
            await client.close()
    except TimeoutError:
        if client.session is not None:
            await client.session.close()
        await client.close_connector()


def named(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def is_number(value: object) -> bool:
    return isinstance(value, float | int) and isfinite(value) and value > 0


def levels_of(side: Any, direction: int) -> Levels:
    """Price and size, best first; sizes of zero are no levels. `direction`: asks rise (1), bids fall (-1).

    Raises ValueError, or what indexing raises, for what is no book.
    """
    found: list[tuple[float, float]] = []
    worst = None
    for row in side:
        price, size = row[0], row[1]
        if not is_number(price) or not isinstance(size, float | int) or not isfinite(size) or size < 0:
            raise ValueError(f"no level: {list(row)[:2]}")
        if worst is not None and (price - worst) * direction <= 0:
            raise ValueError(f"levels out of order: {price} after {worst}")
        worst = price
        if size:
            found.append((float(price), float(size)))
    return found
