"""A recording that ends where it should not: what was whole is played, the rest is one counted, named line."""

import gzip
import json

import pytest
import zstandard

from engine.frames import run


def book(price):
    unit = {"ask_price": price + 1, "bid_price": price, "ask_size": 1, "bid_size": 1}
    frame = {"type": "orderbook", "code": "KRW-BTC", "timestamp": price, "orderbook_units": [unit]}
    return json.dumps({"dir": "in", "conn": "ws1", "data": json.dumps(frame), "t": price}).encode() + b"\n"


def zstd(data):
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


LINES = [book(price) for price in range(1, 400)]
WHOLE = b"".join(LINES)
HALF_A_LINE = LINES[0][:60]
CUTS = [  # why, name, bytes, frames that were whole (None: some)
    ("plain text within a line", "a.jsonl", WHOLE + HALF_A_LINE, 399),
    ("gzip within its stream", "a.jsonl.gz", gzip.compress(WHOLE)[:-900], None),
    ("gzip before its checksum", "a.jsonl.gz", gzip.compress(WHOLE)[:-8], 399),
    ("whole gzip of a cut text", "a.jsonl.gz", gzip.compress(WHOLE + HALF_A_LINE), 399),
    ("zstd within its second block", "a.jsonl.zst", zstd(WHOLE) + zstd(WHOLE)[:-200], None),
]


@pytest.mark.parametrize("why, name, data, frames", CUTS, ids=[case[0] for case in CUTS])
def test_a_cut_file_is_a_counted_named_refusal(tmp_path, capsys, why, name, data, frames):
    path = tmp_path / name
    path.write_bytes(data)
    assert run("upbit", [path], as_json=True) == 2
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert (result["cut"], result["errors"]) == (1, 0)
    assert result["frames"] == frames or (frames is None and 0 < result["frames"] < 2 * len(LINES))
    assert said.err.count("\n") == 1
    assert f"{path}:{result['frames'] + 1}: cut in the middle of a line" in said.err


def test_streams_one_behind_the_other_are_one_recording(tmp_path, capsys):
    half = len(LINES) // 2
    first, second = b"".join(LINES[:half]), b"".join(LINES[half:])
    for name, pack in (("a.jsonl.zst", zstd), ("a.jsonl.gz", gzip.compress)):
        (tmp_path / name).write_bytes(pack(first) + pack(second))
        assert run("upbit", [tmp_path / name], as_json=True) == 0
        result = json.loads(capsys.readouterr().out)
        assert result["frames"] == len(LINES)
        assert "cut" not in result
        assert result["books"]["KRW-BTC"]["bids"] == [["399", "1"]]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
def test_bytes_that_are_no_stream_are_one_line_and_exit_2(tmp_path, capsys, name):
    (tmp_path / name).write_bytes(b"no stream at all, but long enough for a header")
    assert run("upbit", [tmp_path / name], as_json=True) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_bytes_that_are_no_text_come_back_as_they_were(tmp_path, capsys):
    line = {"dir": "in", "conn": "ws1", "data": "/wAB", "b64": True, "t": 1.0}
    broken = line | {"data": "/wA"}
    (tmp_path / "a.jsonl").write_text(json.dumps(line) + "\n")
    assert run("upbit", [tmp_path / "a.jsonl"], as_json=True) == 1
    assert "upbit" in capsys.readouterr().err
    (tmp_path / "a.jsonl").write_text(json.dumps(broken) + "\n")
    assert run("upbit", [tmp_path / "a.jsonl"], as_json=True) == 2


def test_a_connection_that_is_being_replaced_does_not_speak_into_the_book_of_its_successor(tmp_path, capsys):
    """A capture over a rollover: the old socket's late changes come between those of the new one."""

    def diff(conn, first, size):
        change = {"e": "depthUpdate", "E": 1, "s": "BTCUSDT", "U": first, "u": first, "b": [["9", size]], "a": []}
        data = json.dumps({"stream": "btcusdt@depth@100ms", "data": change})
        return {"dir": "in", "conn": conn, "data": data, "t": 1.0}

    def base(conn, last):
        body = json.dumps({"lastUpdateId": last, "bids": [["10", "1"]], "asks": [["11", "1"]]})
        req = "GET https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=1000"
        return {"dir": "in", "conn": f"rest-{conn}", "data": body, "t": 1.0, "req": req}

    opened = [{"dir": "out", "conn": conn, "data": "", "ev": "open", "t": 1.0} for conn in ("ws1", "ws2")]
    rows = [opened[0], base("ws1", 100), diff("ws1", 101, "5"), opened[1], base("ws2", 101)]
    rows += [diff("ws2", 102, "6"), diff("ws2", 103, "7"), diff("ws1", 102, "6")]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run("binance", [tmp_path / "a.jsonl"], as_json=True) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["books"]["BTCUSDT"]["bids"] == [["10", "1"], ["9", "7"]]
    assert result["gaps"] == 0
