"""Upbit's frames. Three spellings of a number: DEFAULT prints prices as doubles (1.16539E8) and sizes with their
zeros, SIMPLE prints plain prices and sizes as doubles (7.9276E-4), REST prints plain."""

from decimal import Decimal

import msgspec

from sandbox.venues.ledger import ZERO
from sandbox.venues.orders import Print, Side
from sandbox.venues.spelling import KST, fixed, java_double, java_plain, plain, utc_parts
from sandbox.venues.tickers import Day
from sandbox.venues.ticketed import SHORT_NAMES, Flags, Shown, Wanted, as_object, pairs, swap_sides, total

IDLE_SECONDS = 60.5  # documented 120; the wire closes here


class UpbitFrames:
    idle_seconds = IDLE_SECONDS
    repeats_books = False
    depths = {"": 30, "1": 1, "5": 5, "15": 15, "30": 30}
    flags: Flags = (
        ("is_only_snapshot", "isOnlySnapshot"),
        ("is_only_realtime", "isOnlyRealtime"),
    )

    def book(self, wanted: Wanted, symbol: str, depth: int, shown: Shown, stream: str) -> str:
        price, size = (java_plain, java_double) if wanted.simple else (java_double, fixed)
        a, b, c, d = _SHORT_UNIT if wanted.simple else _UNIT
        units = ",".join(
            f'{{"{a}":{price(ask[0])},"{b}":{price(bid[0])},"{c}":{size(ask[1])},"{d}":{size(bid[1])}}}'
            for ask, bid in pairs(shown.bids, shown.asks, depth)
        )
        asks, bids = size(total(shown.asks[:depth])), size(total(shown.bids[:depth]))
        if wanted.simple:
            return (
                f'{{"ty":"orderbook","cd":"{symbol}","tms":{shown.at_ms},"tas":{asks},"tbs":{bids},'
                f'"obu":[{units}],"st":"{stream}","lv":0}}'
            )
        return (
            f'{{"type":"orderbook","code":"{symbol}","timestamp":{shown.at_ms},"total_ask_size":{asks},'
            f'"total_bid_size":{bids},"orderbook_units":[{units}],"stream_type":"{stream}","level":0}}'
        )

    def trade(self, wanted: Wanted, number: int, trade: Print, day: Day, touch: Shown, stream: str) -> str:
        date, time = utc_parts(trade.at_ms)
        change = trade.price - day.open
        row: dict[str, str] = {
            "type": '"trade"',
            "code": f'"{trade.symbol}"',
            "timestamp": str(trade.at_ms + 40),
            "trade_date": f'"{date}"',
            "trade_time": f'"{time}"',
            "trade_timestamp": str(trade.at_ms),
            "trade_price": java_double(trade.price),
            "trade_volume": fixed(trade.qty),
            "ask_bid": f'"{aggressor(trade)}"',
            "prev_closing_price": java_double(day.open),
            "change": f'"{direction(change)}"',
            "change_price": java_double(abs(change)),
            "sequential_id": str(number),
        }
        if touch.bids and touch.asks:
            (bid, bid_qty), (ask, ask_qty) = touch.bids[0], touch.asks[0]
            row |= {"best_ask_price": java_double(ask), "best_ask_size": fixed(ask_qty)}
            row |= {"best_bid_price": java_double(bid), "best_bid_size": fixed(bid_qty)}
        row["stream_type"] = f'"{stream}"'
        return as_object(row, SHORT_NAMES if wanted.simple else None)

    def ticker(self, wanted: Wanted, symbol: str, day: Day, stream: str) -> str:
        row = {"type": '"ticker"', "code": f'"{symbol}"'}
        row |= {key: _json_text(value) for key, value in ticker_row(day).items()}
        row["stream_type"] = f'"{stream}"'
        return as_object(row, SHORT_NAMES if wanted.simple else None)

    def crossed(self, text: str) -> str:
        return swap_sides(text)


_UNIT = ("ask_price", "bid_price", "ask_size", "bid_size")
_SHORT_UNIT = ("ap", "bp", "as", "bs")


def ticker_row(day: Day) -> dict[str, object]:
    """A ticker without its name; REST and socket share it."""
    date, time = utc_parts(day.last_ms)
    kst_date, kst_time = utc_parts(day.last_ms, KST)
    last = day.trades[-1][1] if day.trades else None
    rate = day.change / day.open if day.open else ZERO
    return {
        "opening_price": day.open,
        "high_price": day.high,
        "low_price": day.low,
        "trade_price": day.last,
        "prev_closing_price": day.open,
        "change": direction(day.change),
        "change_price": abs(day.change),
        "signed_change_price": day.change,
        "change_rate": round(abs(rate), 10),
        "signed_change_rate": round(rate, 10),
        "ask_bid": aggressor(last) if last else "BID",
        "trade_volume": last.qty if last else ZERO,
        "acc_trade_volume": day.volume,
        "acc_trade_volume_24h": day.volume,
        "acc_trade_price": day.funds,
        "acc_trade_price_24h": day.funds,
        "trade_date": date.replace("-", ""),
        "trade_time": time.replace(":", ""),
        "trade_date_kst": kst_date.replace("-", ""),
        "trade_time_kst": kst_time.replace(":", ""),
        "trade_timestamp": day.last_ms,
        "highest_52_week_price": day.high,
        "highest_52_week_date": date,
        "lowest_52_week_price": day.low,
        "lowest_52_week_date": date,
        "market_state": "ACTIVE",
        "is_trading_suspended": False,
        "delisting_date": None,
        "market_warning": "NONE",
        "timestamp": day.last_ms,
    }


def trade_tick_row(symbol: str, number: int, trade: Print, day: Day) -> dict[str, object]:
    """One row of REST trades/ticks."""
    date, time = utc_parts(trade.at_ms)
    return {
        "market": symbol,
        "trade_date_utc": date,
        "trade_time_utc": time,
        "timestamp": trade.at_ms,
        "trade_price": trade.price,
        "trade_volume": trade.qty,
        "prev_closing_price": day.open,
        "change_price": trade.price - day.open,
        "ask_bid": aggressor(trade),
        "sequential_id": number,
    }


def aggressor(trade: Print) -> str:
    return "BID" if trade.aggressor is Side.BUY else "ASK"


def direction(change: Decimal) -> str:
    return "RISE" if change > 0 else "FALL" if change < 0 else "EVEN"


def _json_text(value: object) -> str:
    if isinstance(value, Decimal):
        return java_double(value) if abs(value) >= 10_000_000 else plain(value)
    return msgspec.json.encode(value).decode()
