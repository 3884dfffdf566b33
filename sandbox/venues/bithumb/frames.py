"""Bithumb's frames: 15 levels, sizes with four decimals (dust prints as 0), book times in microseconds."""

from sandbox.venues.orders import Print
from sandbox.venues.spelling import KST, four_places, plain, utc_parts
from sandbox.venues.tickers import Day
from sandbox.venues.ticketed import SHORT_NAMES, Shown, Wanted, as_object, pairs, swap_sides, total
from sandbox.venues.upbit.frames import aggressor, direction

LEVELS = 15
WALL_CLOCK_MS = 9 * 3_600_000  # REST tickers write Korean wall time as Unix ms
IDLE_SECONDS = 60.0


class BithumbFrames:
    idle_seconds = IDLE_SECONDS
    repeats_books = True
    depths = {"": LEVELS, "1": 1, "5": 5, "15": LEVELS}
    flags: tuple[tuple[str, ...], tuple[str, ...]] = (
        ("isOnlySnapshot",),
        ("isOnlyRealtime",),
    )  # snake case is ignored without an error

    def book(self, wanted: Wanted, symbol: str, depth: int, shown: Shown, stream: str) -> str:
        price, size = plain, four_places
        rows = pairs(shown.bids, shown.asks, depth)
        asks, bids = size(total(shown.asks[:depth])), size(total(shown.bids[:depth]))
        if wanted.simple:
            units = ",".join(
                f'{{"ap":{price(ask[0])},"bp":{price(bid[0])},"as":{size(ask[1])},"bs":{size(bid[1])}}}'
                for ask, bid in rows
            )
            return (
                f'{{"ty":"orderbook","cd":"{symbol}","tas":{asks},"tbs":{bids},"obu":[{units}],"lv":1,'
                f'"tms":{micros(shown.at_ms)},"st":"{stream}"}}'
            )
        units = ",".join(
            f'{{"ask_price":{price(ask[0])},"bid_price":{price(bid[0])},"ask_size":{size(ask[1])},'
            f'"bid_size":{size(bid[1])}}}'
            for ask, bid in rows
        )
        return (
            f'{{"type":"orderbook","code":"{symbol}","total_ask_size":{asks},"total_bid_size":{bids},'
            f'"orderbook_units":[{units}],"level":1,"timestamp":{micros(shown.at_ms)},"stream_type":"{stream}"}}'
        )

    def trade(self, wanted: Wanted, number: int, trade: Print, day: Day, touch: Shown, stream: str) -> str:
        date, time = utc_parts(trade.at_ms, KST)
        change = trade.price - day.open
        row = {
            "type": '"trade"',
            "code": f'"{trade.symbol}"',
            "trade_price": plain(trade.price),
            "trade_volume": plain(trade.qty),
            "ask_bid": f'"{aggressor(trade)}"',
            "prev_closing_price": plain(day.open),
            "change": f'"{direction(change)}"',
            "change_price": plain(abs(change)),
            "trade_date": f'"{date}"',
            "trade_time": f'"{time}"',
            "trade_timestamp": str(trade.at_ms),
            "sequential_id": str(number),
            "timestamp": str(trade.at_ms + 60),
            "stream_type": f'"{stream}"',
        }
        return as_object(row, SHORT_NAMES if wanted.simple else None)

    def ticker(self, wanted: Wanted, symbol: str, day: Day, stream: str) -> str:
        date, time = utc_parts(day.last_ms, KST)
        last = day.trades[-1][1]
        row = {
            "type": '"ticker"',
            "code": f'"{symbol}"',
            "opening_price": plain(day.open),
            "high_price": plain(day.high),
            "low_price": plain(day.low),
            "trade_price": plain(day.last),
            "prev_closing_price": plain(day.open),
            "change": f'"{direction(day.change)}"',
            "change_price": plain(abs(day.change)),
            "signed_change_price": plain(day.change),
            "trade_volume": plain(last.qty),
            "acc_trade_volume": plain(day.volume),
            "acc_trade_volume_24h": plain(day.volume),
            "acc_trade_price": plain(day.funds),
            "acc_trade_price_24h": plain(day.funds),
            "trade_date": f'"{date.replace("-", "")}"',
            "trade_time": f'"{time.replace(":", "")}"',
            "trade_timestamp": str(day.last_ms),
            "ask_bid": f'"{aggressor(last)}"',
            "market_state": '"ACTIVE"',
            "is_trading_suspended": "false",
            "delisting_date": '""',
            "market_warning": '"NONE"',
            "timestamp": str(day.last_ms + 60),
            "stream_type": f'"{stream}"',
        }
        return as_object(row, SHORT_NAMES if wanted.simple else None)

    def crossed(self, text: str) -> str:
        return swap_sides(text)


def micros(ms: int) -> int:
    return ms * 1000 + ms % 997
