"""Pictures: within Telegram's limits, with every glyph, drawn in a process of their own that may die."""

import os
import signal
import struct
import warnings

import msgspec
import pytest

from bot.outbox import Outbox, Priority
from bot.painter import Painter
from bot.store import Store
from bot.views import funding, pictures, premiums, reports
from bot.views.content import Content, Picture
from bot.views.drawings import CurveDrawing
from bot.views.reader import Reader
from engine.control.messages import FundingBoard
from tests.bot.figures import busy_report
from tests.bot.market_figures import funding_board, premium_board

EN = Reader(user_id=3, role="owner", language="en", zone="Asia/Seoul")
KO = Reader(user_id=3, role="owner", language="ko", zone="Asia/Seoul")
PRESENT = CurveDrawing(
    title="테더봇 자본 곡선",
    x_label="프리미엄 (%)",
    y_label="USDT 비중 (%)",
    old=((-5, 1), (0, 0.2), (3, 0)),
    old_label="현재 곡선",
    premium_pct=-9.5,
    weight_now=0.3,
    now_label="지금",
    held_label="현재 보유",
)
PREVIEW = CurveDrawing(
    title="₩ − 곡선", x_label="x", y_label="y", old=((0, 1), (1, 0)), old_label="a", new=((0, 0.5), (1, 0))
)


def report_data(**changes: object) -> bytes:
    picture = reports.pnl(KO, busy_report().model_copy(update=changes)).picture
    assert picture is not None
    return picture.data


def market_data(content: Content) -> bytes:
    assert content.picture is not None
    return content.picture.data


def one_contract() -> FundingBoard:
    board = funding_board()
    return board.model_copy(update={"rows": board.rows[:1]})


CASES = [  # what                              kind     data
    ("a curve, its premium far outside", "curve", msgspec.json.encode(PRESENT)),
    ("a preview without a premium", "curve", msgspec.json.encode(PREVIEW)),
    ("a busy month", "pnl", report_data()),
    ("a busy heatmap", "heat", market_data(funding.heatmap(KO, funding_board()))),
    ("a heatmap of one contract", "heat", market_data(funding.heatmap(EN, one_contract()))),
    ("premiums of both signs", "premium", market_data(premiums.picture(KO, premium_board()))),
    ("a day without trades", "pnl", report_data(days=1, equity=(), by_strategy=(), daily=())),
]


@pytest.mark.parametrize("what, kind, data", CASES, ids=[case[0] for case in CASES])
def test_a_picture_is_complete_and_within_the_limits(what, kind, data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a glyph that the font lacks is a warning
        png = pictures.draw(kind, data)
    assert png.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", png[16:24])
    assert width + height <= 10_000 and max(width, height) / min(width, height) <= 20
    assert 10_000 < len(png) < 1_000_000


async def test_a_dead_worker_is_replaced_and_no_words_are_lost(tmp_path):
    """The worker is killed as for a lack of memory: its successor draws. What cannot be drawn leaves as words."""
    store = Store(tmp_path / "bot.db")
    outbox = Outbox(store, lambda: 0)
    painter = Painter(outbox)
    outbox.post(1, "first", Content(text="a", picture=Picture(kind="no such drawing", data=b"")), Priority.REPLY)
    outbox.post(1, "second", Content(text="b", picture=Picture(kind="curve", data=CASES[1][2])), Priority.REPLY)
    try:
        assert await painter.draw_next()
        os.kill(painter.worker_pid, signal.SIGKILL)
        assert await painter.draw_next()
        assert not await painter.draw_next()
    finally:
        await painter.close()
    first, second = outbox.waiting(1)
    assert first.png is None
    assert second.png is not None and second.png.startswith(b"\x89PNG")
    store.close()
