"""What OKX says beside the book: `funding-rate`, `mark-price`, `index-tickers` and `tickers`."""

from engine.venues.okx import wire
from engine.venues.tickers import Tickers, moment, number

CHANNELS = ("funding-rate", "mark-price")  # of every swap
INDEX = "index-tickers"  # of the pair beneath it
SWAP = "-SWAP"


def tell(tickers: Tickers, venue: str, channel: str, data: bytes, seen_ns: int) -> None:
    """Decode one frame of these channels and tell what is new in it. Raises MsgspecError."""
    match channel:
        case "funding-rate":
            for funding in wire.fundings.decode(data).data:
                _on_funding(tickers, venue, funding, seen_ns)
        case "mark-price":
            for mark in wire.marks.decode(data).data:
                ts_ms = moment(mark.ts_ms) or 0
                tickers.perp(venue, mark.symbol, mark=number(mark.mark), venue_ts_ms=ts_ms, seen_ns=seen_ns)
        case "tickers":
            for ticker in wire.tickers.decode(data).data:
                _on_ticker(tickers, venue, ticker, seen_ns)
        case "index-tickers":
            for index in wire.indices.decode(data).data:
                symbol, ts_ms = f"{index.pair}{SWAP}", moment(index.ts_ms) or 0
                tickers.perp(venue, symbol, index=number(index.index), venue_ts_ms=ts_ms, seen_ns=seen_ns)


def _on_ticker(tickers: Tickers, venue: str, said: wire.Ticker, seen_ns: int) -> None:
    last, volume = number(said.last), number(said.volume)
    if said.inst_type == "SWAP" and last is not None and volume is not None:
        volume *= last  # base assets at the last price: what the day's own prices would give is not said
    if said.inst_type in ("SPOT", "SWAP"):
        tickers.day(venue, said.symbol, last, volume, moment(said.ts_ms) or 0, seen_ns)


def _on_funding(tickers: Tickers, venue: str, said: wire.Funding, seen_ns: int) -> None:
    due, due_after = moment(said.due), moment(said.due_after)
    tickers.perp(
        venue,
        said.symbol,
        funding_rate=number(said.rate),
        predicted_rate=number(said.rate_after),
        interval_ms=due_after - due if due and due_after else None,
        next_funding_ms=due,
        venue_ts_ms=moment(said.ts_ms) or 0,
        seen_ns=seen_ns,
    )
