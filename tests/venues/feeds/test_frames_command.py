"""`premia frames`: what is counted, connections, joins, exit status, one object on stdout."""

import gzip
import json

import pytest

from engine.frames import run

OPEN = {"dir": "out", "conn": "ws1", "data": "", "ev": "open", "t": 1.0}


def wire(data, conn="ws1", **more):
    text = data if isinstance(data, str) else json.dumps(data)
    return {"dir": "in", "conn": conn, "data": text, "t": 2.0} | more


def diff(first, last, bids=(), symbol="BTCUSDT"):
    data = {"e": "depthUpdate", "E": 1, "s": symbol, "U": first, "u": last, "b": bids, "a": []}
    return wire({"stream": f"{symbol.lower()}@depth@100ms", "data": data})


def base(last, symbol="BTCUSDT"):
    body = {"lastUpdateId": last, "bids": [["10.50", "1.0"]], "asks": [["11", "123456789.12345678"]]}
    return wire(body, "rest", req=f"GET https://api.binance.com/api/v3/depth?symbol={symbol}&limit=1000")


def trade(qty, price="10.10"):
    return wire({"e": "trade", "E": 1, "s": "BTCUSDT", "t": 1, "p": price, "q": qty, "T": 1, "m": True})


@pytest.fixture
def play(tmp_path, capsys):
    def play(venue, *files):
        paths = []
        for number, rows in enumerate(files):
            path = tmp_path / f"{number}.jsonl{'.gz' if number % 2 else ''}"
            text = "".join(json.dumps(row) + "\n" for row in rows).encode()
            path.write_bytes(gzip.compress(text) if number % 2 else text)
            paths.append(path)
        status = run(venue, paths, as_json=True)
        out = capsys.readouterr().out
        return status, json.loads(out) if out else None

    return play


def test_the_object(play):
    rows = [
        OPEN,
        diff(99, 101, [["10.49", "3"]]),
        base(100),
        diff(102, 102, [["10.50", "0"]]),
        trade("0.1"),
        trade("0.2"),
    ]
    assert play("binance", rows) == (
        0,
        {
            "venue": "binance",
            "frames": 4,
            "events": {"book": 2, "trade": 2, "ticker": 0, "funding": 0, "ack": 0, "ignored": 0},
            "errors": 0,
            "gaps": 0,
            "resyncs": 0,
            "books": {
                "BTCUSDT": {
                    "synced": True,
                    "updates": 3,
                    "bids": [["10.49", "3"]],
                    "asks": [["11", "123456789.12345678"]],
                }
            },
            "trades": {"BTCUSDT": {"count": 2, "base_qty": "0.3", "last_price": "10.10"}},
        },
    )


def test_files_continue_each_other(play):
    status, result = play("binance", [diff(100, 101), base(100)], [diff(102, 103, [["9", "1"]])])
    assert (status, result["gaps"]) == (0, 0)
    assert result["books"]["BTCUSDT"]["bids"] == [["10.50", "1.0"], ["9", "1"]]


def test_a_gap_loses_the_book_until_the_next_base(play):
    status, result = play("binance", [diff(100, 101), base(100), diff(105, 106)])
    assert (status, result["gaps"], result["resyncs"]) == (0, 1, 0)
    assert result["books"]["BTCUSDT"] == {"synced": False, "updates": 2, "bids": [], "asks": []}
    status, result = play("binance", [diff(100, 101), base(100), diff(105, 106), base(104)])
    assert (result["gaps"], result["resyncs"], result["books"]["BTCUSDT"]["synced"]) == (1, 1, True)


def test_a_connection_opened_again_loses_its_books(play):
    rows = [OPEN, diff(100, 101), base(100), OPEN, diff(900, 901)]
    status, result = play("binance", rows)
    assert (status, result["gaps"], result["books"]["BTCUSDT"]["synced"]) == (0, 0, False)


def test_another_recordings_connection_leaves_other_books_alone(play):
    first = [OPEN, diff(100, 101), base(100)]
    second = [OPEN, diff(5, 6, symbol="ETHUSDT"), base(5, "ETHUSDT")]
    result = play("binance", first, second)[1]
    assert {symbol: book["synced"] for symbol, book in result["books"].items()} == {"BTCUSDT": True, "ETHUSDT": True}


def test_updates_without_a_base_are_an_unsynced_book(play):
    result = play("binance", [diff(1, 2)])[1]
    assert result["books"] == {"BTCUSDT": {"synced": False, "updates": 0, "bids": [], "asks": []}}


def test_a_frame_that_cannot_be_decoded_is_exit_1(play):
    status, result = play("binance", [wire('{"stream":"btcusdt@depth@100ms","data":{"s":')])
    assert (status, result["errors"]) == (1, 1)


def test_other_dialects_are_ignored(play):
    rows = [
        wire({"type": "orderbookdepth", "content": {"list": []}}),
        wire({"status": "0000", "resmsg": "Connected Successfully"}),
        wire({"anything": 1}, "ws-private"),
        wire("not even JSON", "ws-legacy"),
    ]
    status, result = play("bithumb", rows)
    assert (status, result["frames"], result["events"]["ignored"], result["errors"]) == (0, 4, 4, 0)


def test_fixtures_stand_each_for_itself_and_their_blanks_are_filled(play):
    def book(ts, price, name):
        unit = {"ask_price": price + 1, "bid_price": price, "ask_size": 1, "bid_size": 1}
        frame = {"type": "orderbook", "code": "KRW-BTC", "timestamp": ts, "orderbook_units": [unit]}
        return wire(frame, "ws-public", name=name)

    result = play("upbit", [book(9, 100, "a"), book(5, 200, "b")])[1]
    assert result["books"]["KRW-BTC"]["bids"] == [["200", "1"]]
    assert play("binance", [wire('{"result":null,"id":|1|}', "ws-public", name="x")])[1]["events"]["ack"] == 1


def bybit(conn, price, kind="snapshot", update_id=5, symbol="BTCUSDT"):
    data = {"s": symbol, "b": [[price, "1"]], "a": [], "u": update_id, "seq": 1}
    return wire({"topic": f"orderbook.50.{symbol}", "type": kind, "ts": 1, "data": data}, conn)


def opened(conn):
    url = f"wss://stream.bybit.com/v5/public/{conn.removeprefix('ws-')}"
    return {"dir": "out", "conn": conn, "data": "", "ev": "open", "url": url, "t": 1.0}


def test_a_contract_spelled_like_a_spot_market_is_another_market(play):
    rows = [opened("ws-spot"), opened("ws-linear")]
    rows += [bybit("ws-spot", "10"), bybit("ws-linear", "20"), bybit("ws-spot", "11", "delta", 6)]
    rows += [bybit("ws-linear", "30", symbol="SOLUSDT")]
    status, result = play("bybit", rows)
    assert (status, result["gaps"]) == (0, 0)
    assert {name: book["bids"][0][0] for name, book in result["books"].items()} == {
        "BTCUSDT": "11",
        "SOLUSDT": "30",  # nobody else is spelled so
        "bybit_linear:BTCUSDT": "20",
    }
    alone = play("bybit_linear", [opened("ws-linear"), bybit("ws-linear", "20")])[1]
    assert list(alone["books"]) == ["BTCUSDT"]


def test_the_path_of_a_rest_base_tells_its_product(play):
    def change(product, rows):
        result = {"t": 1, "s": "BTC_USDT", "U": 6, "u": 6, "b": rows, "a": []}
        return wire({"channel": f"{product}.order_book_update", "event": "update", "result": result})

    def rest(path, rows):
        body = {"id": 5, "bids": rows, "asks": []}
        return wire(body, "rest", req=f"GET https://api.gateio.ws/api/v4/{path}=BTC_USDT&with_id=true")

    spot = play("gate", [rest("spot/order_book?currency_pair", [["10", "1"]]), change("spot", [["9", "1"]])])[1]
    assert spot["books"]["BTC_USDT"]["bids"] == [["10", "1"], ["9", "1"]]
    row = {"p": "10", "s": 7}
    futures = [rest("futures/usdt/order_book?contract", [row]), change("futures", [row | {"p": "9"}])]
    assert play("gate", futures)[1]["books"]["BTC_USDT"]["bids"] == [["10", "7"], ["9", "7"]]


def test_a_crossed_book_is_a_gap(play):
    result = play("binance", [diff(100, 101), base(100), diff(102, 102, [["12", "1"]])])[1]
    assert (result["gaps"], result["books"]["BTCUSDT"]["synced"]) == (1, False)


@pytest.mark.parametrize("text", ["no json\n", '{"dir":"in"}\n'])
def test_a_file_that_is_no_recording_is_one_line_and_exit_2(tmp_path, capsys, text):
    path = tmp_path / "broken.jsonl"
    path.write_text(text)
    assert run("upbit", [path], as_json=True) == 2
    err = capsys.readouterr().err
    assert f"{path}:1:" in err
    assert err.count("\n") == 1


def test_a_missing_file_and_an_unknown_venue_are_exit_2(tmp_path, capsys):
    assert run("upbit", [tmp_path / "none.jsonl"], as_json=True) == 2
    assert run("nowhere", [], as_json=True) == 2
    assert "nowhere" in capsys.readouterr().err
