"""ccxt.pro and cryptofeed, set up to take one recorded frame at a time through their own handlers.

Each builder returns `handle(frame) -> (best bid, best ask)`: the library's own parsing, its own book, its own top.
"""

import json
import logging
from collections.abc import Callable
from decimal import Decimal
from typing import Any

CRYPTOFEED = ("binance", "okx", "upbit")  # its Bybit handler wants a connection of its own making
Handle = Callable[[Any], tuple[float, float]]


def have_cryptofeed() -> bool:
    try:
        import cryptofeed  # noqa: F401
    except ImportError:
        return False
    return True


def ccxt_handle(venue: str, base: dict[str, Any] | None, codes: list[str]) -> Handle:
    """A fresh ccxt.pro exchange; frames go in where its socket client puts them. Runs inside an event loop."""
    import ccxt.pro as ccxt_pro  # type: ignore[import-untyped]
    from ccxt.async_support.base.ws.client import Client  # type: ignore[import-untyped]

    exchange = getattr(ccxt_pro, venue)({"newUpdates": False})
    urls = {
        "binance": "wss://stream.binance.com:9443/stream",
        "okx": "wss://ws.okx.com:8443/ws/v5/public",
        "bybit": "wss://stream.bybit.com/v5/public/spot",
        "upbit": "wss://api.upbit.com/websocket/v1",
    }
    client = Client(urls[venue], exchange.handle_message, None, None, None, {})
    symbol = ccxt_symbol(venue, codes[0])
    shapes = []
    for code in codes:
        base_asset, _, quote_asset = ccxt_symbol(venue, code).partition("/")
        shape = {"id": code, "symbol": f"{base_asset}/{quote_asset}", "base": base_asset, "quote": quote_asset}
        shapes.append(exchange.safe_market_structure(shape | {"type": "spot", "spot": True}))
    exchange.set_markets(shapes)
    books = exchange.orderbooks
    if venue == "binance" and base is not None:
        books[symbol] = exchange.order_book({}, 1000)
        parsed = exchange.parse_order_book(base, symbol)
        parsed["nonce"] = base["lastUpdateId"]
        books[symbol].reset(parsed)
    if venue == "okx":
        client.subscriptions["books:BTC/USDT"] = "subscribed"

    def handle(frame: str) -> tuple[float, float]:
        client.handle_text_or_binary_message(frame)
        book = books[symbol]
        return book["bids"][0][0], book["asks"][0][0]

    def handle_upbit(pair: tuple[str, str]) -> tuple[float, float]:
        code, frame = pair
        client.handle_text_or_binary_message(frame)
        book = books[code]
        return book["bids"][0][0], book["asks"][0][0]

    if venue != "upbit":
        return handle
    return handle_upbit


def ccxt_upbit_books(handle: Handle, codes: list[str]) -> None:
    """Upbit's handler makes a book on a SNAPSHOT frame only; the recording has none, so each pair gets an empty one."""
    for code in codes:
        frame = json.dumps({"type": "orderbook", "code": code, "orderbook_units": [], "stream_type": "SNAPSHOT"})
        try:
            handle((ccxt_symbol("upbit", code), frame))
        except IndexError:
            continue  # an empty book has no top


def ccxt_symbol(venue: str, code: str) -> str:
    if venue == "upbit":
        quote, _, base = code.partition("-")
        return f"{base}/{quote}"
    return "BTC/USDT"


def cryptofeed_handle(venue: str, base: dict[str, Any] | None, codes: list[str]) -> Handle:
    """A fresh cryptofeed feed; frames go into its `message_handler`, which never really waits once the book stands."""
    from cryptofeed.defines import L2_BOOK
    from cryptofeed.exchanges import OKX, Binance, Upbit
    from cryptofeed.symbols import Symbols
    from cryptofeed.types import OrderBook

    logging.getLogger("feedhandler").setLevel(logging.ERROR)
    kind = {"binance": Binance, "okx": OKX, "upbit": Upbit}[venue]
    names = {_cryptofeed_symbol(venue, code): code for code in codes}
    Symbols.set(kind.id, names, {"instrument_type": dict.fromkeys(names, "spot")})
    feed = kind(symbols=list(names), channels=[L2_BOOK])
    if base is not None and venue == "binance":
        name = next(iter(names))
        sides = [{Decimal(price): Decimal(size) for price, size in base[side]} for side in ("bids", "asks")]
        feed._l2_book[name] = OrderBook(feed.id, name, max_depth=0, bids=sides[0], asks=sides[1])
        feed.last_update_id[name] = base["lastUpdateId"]

    def handle(pair: tuple[str, str]) -> tuple[float, float]:
        name, frame = pair
        step = feed.message_handler(frame, None, 0.0)
        try:
            step.send(None)
        except StopIteration:
            pass
        else:
            raise RuntimeError(f"cryptofeed waits for something at {frame[:80]}")
        book = feed._l2_book[name].book
        return book.bids.index(0)[0], book.asks.index(0)[0]

    return handle


def _cryptofeed_symbol(venue: str, code: str) -> str:
    if venue == "upbit":
        quote, _, base = code.partition("-")
        return f"{base}-{quote}"
    return {"BTCUSDT": "BTC-USDT"}.get(code, code)


cryptofeed_symbol = _cryptofeed_symbol
