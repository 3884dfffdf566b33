"""Candles over REST, as each venue serves them: bounds, order and columns differ, the past is one."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timezone

from aiohttp import web

from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor
from sandbox.venues.orders import Reason, Refused
from sandbox.venues.past import MINUTE_MS, Candle, Past
from sandbox.venues.spelling import KST, fixed, json_bytes, plain

Handler = Callable[[web.Request], Awaitable[web.Response]]

_KOREAN_UNITS = (1, 3, 5, 10, 15, 30, 60, 240)
_SPANS_MS = {"1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "1d": 1440}
_OKX_BARS = {"1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1H": 60, "2H": 120, "4H": 240}
_OKX_RECENT = 1_440  # /market/candles goes no further back


def korean(floor: Floor, zone: timezone) -> Handler:
    """`/v1/candles/minutes/{unit}` of Upbit and Bithumb: newest first, no candle where nothing was traded.

    `to` is exclusive; without an offset of its own it is in `zone` (UTC at Upbit, KST at Bithumb).
    """
    past = Past(floor)

    async def minutes(request: web.Request) -> web.Response:
        symbol = request.query.get("market", "")
        unit = request.match_info["unit"]
        if symbol not in floor.rules.markets:
            raise Malformed("code")
        if not unit.isdigit() or int(unit) not in _KOREAN_UNITS:
            raise Malformed("unit")
        count = min(200, whole(request.query, "count", 1))
        step_ms = int(unit) * MINUTE_MS
        to_ms = _moment(request.query.get("to", ""), zone) or floor.clock() + 1
        found: list[Candle] = []
        end_ms = to_ms
        for _ in range(20):  # quiet minutes leave no candle: look further back, but not for ever
            start_ms = end_ms - (count - len(found)) * step_ms
            found = past.candles(symbol, step_ms, start_ms, end_ms) + found
            end_ms = start_ms
            if len(found) >= count:
                break
        return _json([_korean_row(symbol, each, int(unit)) for each in reversed(found[-count:] if count else [])])

    return minutes


def _korean_row(symbol: str, candle: Candle, unit: int) -> dict[str, object]:
    start = datetime.fromtimestamp(candle.start_ms / 1000, UTC)
    return {
        "market": symbol,
        "candle_date_time_utc": start.strftime("%Y-%m-%dT%H:%M:%S"),
        "candle_date_time_kst": start.astimezone(KST).strftime("%Y-%m-%dT%H:%M:%S"),
        "opening_price": candle.open,
        "high_price": candle.high,
        "low_price": candle.low,
        "trade_price": candle.close,
        "timestamp": candle.last_ms,
        "candle_acc_trade_price": candle.funds,
        "candle_acc_trade_volume": candle.volume,
        "unit": unit,
    }


def _moment(text: str, zone: timezone) -> int:
    """ISO 8601 or `2020-02-20 11:19:00`; 0 where none is given. Raises Malformed."""
    if not text:
        return 0
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise Malformed("to") from error
    return int((found if found.tzinfo else found.replace(tzinfo=zone)).timestamp() * 1000)


def binance(floor: Floor) -> Handler:
    """`/api/v3/klines`: oldest first, a flat candle where nothing was traded."""
    past = Past(floor)

    async def klines(request: web.Request) -> web.Response:
        symbol, interval = request.query.get("symbol", ""), request.query.get("interval", "")
        if symbol not in floor.rules.markets:
            raise Refused(Reason.UNKNOWN_MARKET, symbol)
        if interval not in _SPANS_MS:
            raise Malformed("interval")
        limit = min(1000, whole(request.query, "limit", 500))
        step_ms = _SPANS_MS[interval] * MINUTE_MS
        now_ms = floor.clock()
        end_ms = whole(request.query, "endTime", now_ms)
        start_ms = whole(request.query, "startTime", end_ms - (limit - 1) * step_ms)
        start_ms = -(-start_ms // step_ms) * step_ms
        end_ms = min(end_ms, now_ms, start_ms + (limit - 1) * step_ms)
        return _json([_kline(each, step_ms) for each in filled(past, symbol, step_ms, start_ms, end_ms)])

    return klines


def filled(past: Past, symbol: str, step_ms: int, start_ms: int, end_ms: int) -> list[Candle]:
    """Every span that begins in [start, end], flat at the last close where nothing was traded."""
    traded = {each.start_ms: each for each in past.candles(symbol, step_ms, start_ms - 30 * step_ms, end_ms + 1)}
    close = next((each.close for each in reversed(traded.values()) if each.start_ms < start_ms), None)
    found = []
    for at_ms in range(start_ms, end_ms + 1, step_ms):
        candle = traded.get(at_ms)
        if candle is None and close is not None:
            candle = Candle(at_ms, close, close, close, close, last_ms=at_ms)
        if candle is not None:
            close = candle.close
            found.append(candle)
    return found


def _kline(candle: Candle, step_ms: int) -> list[object]:
    prices = [fixed(each) for each in (candle.open, candle.high, candle.low, candle.close)]
    taken, funds = fixed(candle.volume / 2), fixed(candle.funds / 2)
    sums: list[object] = [fixed(candle.volume), candle.start_ms + step_ms - 1, fixed(candle.funds), candle.count]
    return [candle.start_ms, *prices, *sums, taken, funds, "0"]


def okx(floor: Floor, is_history: bool) -> Handler:
    """`/market/candles` and `/market/history-candles`: newest first, strictly between `before` and `after`."""
    past = Past(floor)

    async def candles(request: web.Request) -> web.Response:
        symbol, bar = request.query.get("instId", ""), request.query.get("bar", "1m")
        if symbol not in floor.rules.markets:
            raise Refused(Reason.UNKNOWN_MARKET, symbol)
        if bar not in _OKX_BARS:
            raise Malformed("bar")
        limit = min(100 if is_history else 300, whole(request.query, "limit", 100))
        step_ms = _OKX_BARS[bar] * MINUTE_MS
        now_ms = floor.clock()
        newest_ms = (whole(request.query, "after", now_ms + 1) - 1) // step_ms * step_ms
        newest_ms = min(newest_ms, now_ms // step_ms * step_ms)
        oldest_ms = max(whole(request.query, "before", 0) + 1, newest_ms - (limit - 1) * step_ms)
        if not is_history:
            oldest_ms = max(oldest_ms, now_ms - _OKX_RECENT * step_ms)
        oldest_ms = -(-oldest_ms // step_ms) * step_ms
        found = filled(past, symbol, step_ms, oldest_ms, newest_ms)
        return _json({"code": "0", "msg": "", "data": [_okx_row(each, step_ms, now_ms) for each in reversed(found)]})

    return candles


def _okx_row(candle: Candle, step_ms: int, now_ms: int) -> list[str]:
    prices = [plain(each) for each in (candle.open, candle.high, candle.low, candle.close)]
    confirmed = "1" if candle.start_ms + step_ms <= now_ms else "0"
    return [str(candle.start_ms), *prices, plain(candle.volume), plain(candle.funds), plain(candle.funds), confirmed]


def _json(answer: object) -> web.Response:
    return web.Response(body=json_bytes(answer), content_type="application/json")
