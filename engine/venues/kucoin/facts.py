"""Turnover and funding by REST: one call names every market, and no public channel that we read has them."""

from collections.abc import Iterator

import msgspec
from msgspec import Struct, field

from engine.domain.event import DayTicker, PerpState
from engine.venues.facts import Facts, Told
from engine.venues.kucoin.continuity import FUTURES, SPOT
from engine.venues.tickers import Said, moment, number

_SUCCESS = "200000"


class _Ticker(Struct):
    symbol: str
    last: Said = None
    turnover: Said = field(name="volValue", default=None)  # in the quote asset


class _Tickers(Struct):
    ticker: list[_Ticker]
    ts_ms: int = field(name="time", default=0)


class _AllTickers(Struct):
    code: str
    data: _Tickers | None = None


class _Contract(Struct):
    """`fundingFeeRate` is due at `next`; `nextFundingRateTime` would be a countdown."""

    symbol: str
    rate: Said = field(name="fundingFeeRate", default=None)
    predicted: Said = field(name="predictedFundingFeeRate", default=None)
    next: Said = field(name="nextFundingRateDateTime", default=None)
    interval_ms: Said = field(name="fundingRateGranularity", default=None)
    last: Said = field(name="lastTradePrice", default=None)
    turnover: Said = field(name="turnoverOf24h", default=None)


class _Contracts(Struct):
    code: str
    data: list[_Contract] = []


_all_tickers = msgspec.json.Decoder(_AllTickers)
_contracts = msgspec.json.Decoder(_Contracts)


def _succeeded(code: str) -> None:
    if code != _SUCCESS:
        raise msgspec.ValidationError(f"code {code}")


def _read_spot(body: bytes, symbols: frozenset[str], seen_ns: int) -> Iterator[DayTicker]:
    """GET /api/v1/market/allTickers."""
    answer = _all_tickers.decode(body)
    _succeeded(answer.code)
    for row in answer.data.ticker if answer.data else ():
        last, turnover = number(row.last), number(row.turnover)
        if row.symbol in symbols and last is not None and turnover is not None:
            ts_ms = answer.data.ts_ms if answer.data else 0
            yield DayTicker(
                venue=SPOT, symbol=row.symbol, last=last, quote_volume=turnover, venue_ts_ms=ts_ms, seen_ns=seen_ns
            )


def _read_futures(body: bytes, symbols: frozenset[str], seen_ns: int) -> Told:
    """GET /api/v1/contracts/active."""
    answer = _contracts.decode(body)
    _succeeded(answer.code)
    for row in answer.data:
        if row.symbol not in symbols:
            continue
        yield PerpState(
            venue=FUTURES,
            symbol=row.symbol,
            funding_rate=number(row.rate),
            predicted_rate=number(row.predicted),
            interval_ms=moment(row.interval_ms),
            next_funding_ms=moment(row.next),
            seen_ns=seen_ns,
        )
        last, turnover = number(row.last), number(row.turnover)
        if last is not None and turnover is not None:
            yield DayTicker(
                venue=FUTURES, symbol=row.symbol, last=last, quote_volume=turnover, venue_ts_ms=0, seen_ns=seen_ns
            )


SPOT_FACTS = (Facts("/api/v1/market/allTickers", 30.0, _read_spot),)
FUTURES_FACTS = (Facts("/api/v1/contracts/active", 30.0, _read_futures),)
