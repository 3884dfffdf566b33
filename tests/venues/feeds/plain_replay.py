"""Recordings replayed without any code of the engine: json, Decimal and a dict per side."""

import gzip
import json
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

Side = dict[Decimal, Decimal]


class PlainBook:
    def __init__(self):
        self.synced = False
        self.sides: tuple[Side, Side] = ({}, {})  # bids, asks: price -> size

    def whole(self, bids, asks):
        self.sides = ({}, {})
        self.synced = True
        self.change(bids, asks)

    def change(self, bids, asks):
        for side, rows in zip(self.sides, (bids, asks), strict=True):
            for price, size in rows:
                price, size = Decimal(str(price)), Decimal(str(size))
                if price and size:
                    side[price] = size
                else:
                    side.pop(price, None)

    def levels(self):
        bids, asks = self.sides
        return sorted(bids.items(), reverse=True), sorted(asks.items())


def lines(path: Path):
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def load(text: str):
    return json.loads(text, parse_float=Decimal)


class Plain:
    """Final books and trades of a capture; one method per venue."""

    def __init__(self):
        self.books = defaultdict(PlainBook)
        self.trades = defaultdict(list)  # symbol -> [(price, qty)]

    def upbit(self, path):
        last: dict[str, int] = {}
        for line in lines(path):
            if line["dir"] != "in" or not line["conn"].startswith("ws"):
                continue
            frame = load(line["data"])
            symbol = frame["cd"]
            if frame["ty"] == "trade":
                self.trades[symbol].append((frame["tp"], frame["tv"]))
            elif frame["tms"] >= last.get(symbol, 0):
                last[symbol] = frame["tms"]
                units = frame["obu"]
                self.books[symbol].whole([(u["bp"], u["bs"]) for u in units], [(u["ap"], u["as"]) for u in units])
        return self

    def binance(self, *paths):
        last: dict[str, int] = {}
        waiting: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for path in paths:
            for line in lines(path):
                if line["dir"] != "in":
                    continue
                if line["conn"] == "rest":
                    if "depth?symbol=" in line["req"]:
                        self._binance_base(line, last, waiting)
                    continue
                frame = load(line["data"])["data"]
                if frame.get("e") in ("trade", "aggTrade"):
                    self.trades[frame["s"]].append((Decimal(frame["p"]), Decimal(frame["q"])))
                elif frame.get("e") == "depthUpdate":
                    waiting[frame["s"]].append(frame)
                    self._binance_apply(frame["s"], last, waiting)
        return self

    def _binance_base(self, line, last, waiting):
        symbol = line["req"].split("symbol=")[1].split("&")[0]
        base = load(line["data"])
        self.books[symbol].whole(base["bids"], base["asks"])
        last[symbol] = base["lastUpdateId"]
        self._binance_apply(symbol, last, waiting)

    def _binance_apply(self, symbol, last, waiting):
        if symbol not in last:
            return
        for frame in waiting.pop(symbol, []):
            if frame["u"] <= last[symbol]:
                continue
            assert frame["U"] <= last[symbol] + 1
            last[symbol] = frame["u"]
            self.books[symbol].change(frame["b"], frame["a"])

    def okx(self, path):
        for line in lines(path):
            if line["dir"] != "in" or line["conn"] == "rest":
                continue
            frame = load(line["data"])
            if "data" not in frame:
                continue
            symbol, rows = frame["arg"]["instId"], frame["data"]
            if frame["arg"]["channel"] == "trades":
                self.trades[symbol] += [(Decimal(row["px"]), Decimal(row["sz"])) for row in rows]
            elif frame["arg"]["channel"].startswith("books"):
                sides = [[row[:2] for row in rows[0][name]] for name in ("bids", "asks")]
                (self.books[symbol].whole if frame["action"] == "snapshot" else self.books[symbol].change)(*sides)
        return self

    def coinone(self, path):
        last: dict[str, int] = {}
        for line in lines(path):
            frame = load(line["data"])
            if line["dir"] != "in" or line["conn"] != "ws-public" or frame.get("response_type") != "DATA":
                continue
            row = frame["data"]
            symbol = f"{row['quote_currency']}-{row['target_currency']}"
            if frame["channel"] == "TRADE":
                self.trades[symbol].append((Decimal(row["price"]), Decimal(row["qty"])))
            elif frame["channel"] == "ORDERBOOK" and int(row["id"]) > last.get(symbol, 0):
                last[symbol] = int(row["id"])
                sides = [[(level["price"], level["qty"]) for level in row[name]] for name in ("bids", "asks")]
                self.books[symbol].whole(*sides)
        return self

    def bybit(self, path):
        """Spot and linear by connection: a contract of the same spelling is named apart."""
        spot = {
            frame["data"]["s"]
            for conn, frame in self._bybit_frames(path)
            if "book" in frame["topic"] and "spot" in conn
        }
        for conn, frame in self._bybit_frames(path):
            channel, *_, symbol = frame["topic"].split(".")
            name = f"bybit_linear:{symbol}" if "linear" in conn and symbol in spot else symbol
            if channel == "publicTrade":
                self.trades[name] += [(Decimal(row["p"]), Decimal(row["v"])) for row in frame["data"]]
            elif channel == "orderbook":
                book = self.books[name]
                (book.whole if frame["type"] == "snapshot" else book.change)(frame["data"]["b"], frame["data"]["a"])
        return self

    @staticmethod
    def _bybit_frames(path):
        for line in lines(path):
            if line["dir"] == "in" and line["conn"].startswith("ws"):
                frame = load(line["data"])
                if "topic" in frame:
                    yield line["conn"], frame

    def bitget(self, path):
        for line in lines(path):
            if line["dir"] != "in" or not line["conn"].startswith("ws"):
                continue
            frame = load(line["data"])
            channel, symbol = frame["arg"]["channel"], frame["arg"]["instId"]
            if channel == "books" and "data" in frame:
                (row,) = frame["data"]
                (self.books[symbol].whole if frame["action"] == "snapshot" else self.books[symbol].change)(
                    row["bids"], row["asks"]
                )
            elif channel == "trade" and "data" in frame:  # newest first
                self.trades[symbol] += [(Decimal(row[1]), Decimal(row[2])) for row in reversed(frame["data"])]
        return self

    def kucoin(self, path):
        last: dict[str, int] = {}
        waiting: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for line in lines(path):
            if line["dir"] != "in":
                continue
            frame = load(line["data"])
            if line["conn"] == "rest":
                if "level2?symbol=" in line["req"]:
                    symbol = line["req"].split("symbol=")[1]
                    self.books[symbol].whole(frame["data"]["bids"], frame["data"]["asks"])
                    last[symbol] = int(frame["data"]["sequence"])
                    self._kucoin_apply(symbol, last, waiting)
            elif frame.get("subject") == "trade.l3match":
                row = frame["data"]
                self.trades[row["symbol"]].append((Decimal(row["price"]), Decimal(row["size"])))
            elif frame.get("subject") == "trade.l2update":
                symbol = frame["data"]["symbol"]
                waiting[symbol].append(frame["data"])
                self._kucoin_apply(symbol, last, waiting)
        return self

    def _kucoin_apply(self, symbol, last, waiting):
        if symbol not in last:
            return
        for diff in waiting.pop(symbol, []):
            if diff["sequenceEnd"] <= last[symbol]:
                continue
            assert diff["sequenceStart"] <= last[symbol] + 1
            sides = [
                [row[:2] for row in diff["changes"][name] if int(row[2]) > last[symbol]] for name in ("bids", "asks")
            ]
            last[symbol] = diff["sequenceEnd"]
            self.books[symbol].change(*sides)

    def gate(self, path):
        """Both products: spot rows are lists, futures rows are objects, and futures sizes are signed in trades."""
        last: dict[str, int] = {}
        waiting: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for line in lines(path):
            if line["dir"] != "in":
                continue
            frame = load(line["data"])
            if line["conn"] == "rest":
                if "/order_book?" in line["req"]:
                    symbol = line["req"].split("?")[1].split("&")[0].split("=")[1]
                    self.books[symbol].whole(*self._gate_sides(frame["bids"], frame["asks"]))
                    last[symbol] = frame["id"]
                    self._gate_apply(symbol, last, waiting)
            elif frame["event"] == "update" and frame["channel"] == "spot.trades":
                row = frame["result"]
                self.trades[row["currency_pair"]].append((Decimal(row["price"]), Decimal(row["amount"])))
            elif frame["event"] == "update" and frame["channel"].endswith("order_book_update"):
                waiting[frame["result"]["s"]].append(frame["result"])
                self._gate_apply(frame["result"]["s"], last, waiting)
        return self

    @staticmethod
    def _gate_sides(*sides):
        return [[(row["p"], row["s"]) if isinstance(row, dict) else row for row in side] for side in sides]

    def _gate_apply(self, symbol, last, waiting):
        if symbol not in last:
            return
        for diff in waiting.pop(symbol, []):
            if diff["u"] <= last[symbol]:
                continue
            assert diff["U"] <= last[symbol] + 1
            last[symbol] = diff["u"]
            self.books[symbol].change(*self._gate_sides(diff["b"], diff["a"]))

    def binance_usdm(self, path):
        """The first diff reaches over the snapshot's id, then each names the last id of the one before."""
        last: dict[str, int] = {}
        joined: set[str] = set()
        waiting: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for line in lines(path):
            if line["dir"] != "in":
                continue
            if line["conn"] == "rest":
                if "depth?symbol=" in line["req"]:
                    symbol = line["req"].split("symbol=")[1].split("&")[0]
                    base = load(line["data"])
                    self.books[symbol].whole(base["bids"], base["asks"])
                    last[symbol] = base["lastUpdateId"]
                continue
            frame = load(line["data"])["data"]
            symbol = frame.get("s")
            if frame.get("e") in ("trade", "aggTrade"):
                self.trades[symbol].append((Decimal(frame["p"]), Decimal(frame["q"])))
            elif frame.get("e") == "depthUpdate":
                waiting[symbol].append(frame)
            for diff in waiting.pop(symbol, []) if symbol in last else ():
                if diff["u"] < last[symbol]:
                    continue
                assert diff["pu"] == last[symbol] if symbol in joined else diff["U"] <= last[symbol]
                joined.add(symbol)
                last[symbol] = diff["u"]
                self.books[symbol].change(diff["b"], diff["a"])
        return self
