"""The market boards as people read them: sorted, grey where stale, within Telegram's limits, in both languages."""

import re

import pytest

from bot.views import alert_panel, funding, notices, premiums, venues
from bot.views.ages import age
from bot.views.reader import Reader
from engine.control import messages as m
from tests.bot.market_figures import WALL_MS, funding_board, funding_row, premium_board, premium_row

KO = Reader(user_id=3, role="owner", language="ko", zone="Asia/Seoul")
EN = Reader(user_id=3, role="owner", language="en", zone="Asia/Seoul")


def plain(text: str) -> str:
    return re.sub(r"<[^>]+>", "", text)


def coins_of(text: str) -> list[str]:
    return re.findall(r"<code>([A-Z]+) +[+−–\d]", text)


SORTS = [  # sort, coins
    ("tether", ["XRP", "BTC", "SHIB", "ETH", "DOGE"]),
    ("fx", ["XRP", "BTC", "ETH", "SHIB", "DOGE"]),
    ("name", ["BTC", "DOGE", "ETH", "SHIB", "XRP"]),
    ("age", ["BTC", "ETH", "XRP", "SHIB", "DOGE"]),
]


@pytest.mark.parametrize("sort, coins", SORTS)
def test_the_board_is_sorted_and_the_sort_is_marked(sort, coins):
    content = premiums.board(EN, premium_board(), sort)
    assert coins_of(content.text) == coins, "stale ones last, where they are ranked"
    assert [b.text.startswith("●") for b in content.rows[0]] == [name == sort for name, _ in SORTS]


def test_a_line_has_both_bases_the_age_and_what_is_wrong():
    text = plain(premiums.board(KO, premium_board(), "tether").text)
    assert re.search(r"XRP +\+2\.14% +\+3\.25% +0\.3초 +🔒 업비트·바이낸스", text)
    assert re.search(r"DOGE .* 4\.0초 +▫️", text)
    assert "달러 ₩1,380.0 (24초)" in text and "업비트 ₩1,395.0 (+1.09%)" in text


def test_without_fx_the_board_says_so_and_shows_a_dash():
    row = premium_row("BTC", 0.01).model_copy(update={"k_fx": None})
    board = premium_board().model_copy(update={"rows": (row,), "fx": None, "fx_degraded": "none"})
    text = premiums.board(EN, board, "tether").text
    assert "No usable USD/KRW (no source)" in text and re.search(r"\+1\.00%\s+–", text)
    assert premiums.picture(EN, board).picture is not None


def test_a_board_of_two_hundred_coins_fits_one_message():
    rows = tuple(premium_row(f"COIN{number}", number / 1e4) for number in range(200, 0, -1))
    content = premiums.board(KO, premium_board().model_copy(update={"rows": rows}), "tether")
    assert len(content.text) < 4_096 and "185" in content.text
    assert sum(len(row) for row in content.rows) <= 100
    page = premiums.coin(KO, premium_board().model_copy(update={"rows": rows[:30]}), "BTC")
    assert len(plain(page.text)) < 4_096


def test_a_coin_shows_three_sizes_both_ways_and_every_input():
    board = premium_board()
    content = premiums.coin(EN, board.model_copy(update={"rows": board.rows[1:3]}), "BTC")
    text = plain(content.text)
    assert text.count("sell in Korea") == 6 and text.count("⇄") == 2
    assert "₩1M: sell in Korea +1.44% (net +1.33%) · buy +1.52% (net −1.63%)" in text
    assert "₩100M: sell in Korea global book too thin · buy global book too thin" in text
    assert "Upbit 0.1s/2.0s · Binance 0.1s/0.5s · USDT 0.3s/2.0s · FX 24s/10m 0s" in text
    assert [b.text for b in content.rows[0]] == ["🔄 Refresh", "‹ Back"]


def test_a_locked_and_a_stale_premium_are_labelled():
    board = premium_board()
    locked = plain(premiums.coin(KO, board.model_copy(update={"rows": board.rows[:1]}), "XRP").text)
    assert "막힌 김프" in locked
    stale = plain(premiums.coin(KO, board.model_copy(update={"rows": board.rows[-1:]}), "DOGE").text)
    assert "해외 호가: 너무 오래됨" in stale


LOCK = {"direction": "sell_korea", "venue": "binance", "way": "withdraw", "source": "binance account", "age_ms": 40_000}
WARNED = {"venue": "upbit", "symbol": "KRW-XRP", "kind": "caution", "text": "GLOBAL_PRICE_DIFFERENCES", "at_ms": 0}
ENDS = {
    "venue": "binance",
    "symbol": "XRPUSDT",
    "kind": "delisting",
    "text": "DELIST_SCHEDULE",
    "at_ms": 1_795_300_000_000,
}


def test_a_lock_says_whose_and_a_warning_in_the_venues_word():
    board = premium_board()
    warnings = tuple(m.WarningView.model_validate(told) for told in (WARNED, ENDS))
    row = board.rows[0].model_copy(update={"locks": (m.LockView.model_validate(LOCK),), "warnings": warnings})
    text = plain(premiums.coin(EN, board.model_copy(update={"rows": (row,)}), "XRP").text)
    assert "Binance: withdrawals closed (binance account, 40s ago)" in text
    assert "Upbit: caution (GLOBAL_PRICE_DIFFERENCES)" in text
    assert "Binance: delisting (DELIST_SCHEDULE) 11-22" in text
    assert "막힘" in plain(premiums.coin(KO, board.model_copy(update={"rows": (row,)}), "XRP").text)
    open_row = row.model_copy(update={"locked": (), "locks": ()})
    assert "⛔ " in premiums.board(KO, board.model_copy(update={"rows": (open_row,)}), "tether").text


def test_the_cost_of_a_loan_stands_below_its_coin():
    loan = m.LoanView(
        venue="okx", coin="BTC", hourly=0.0000014, annual=0.012264, limit=None, source="okx account", age_ms=95_000
    )
    board = funding_board().model_copy(update={"loans": (loan, loan.model_copy(update={"coin": "ADA"}))})
    text = plain(funding.table(EN, m.FundingBoard.model_validate(only("BTC") | {"loans": board.loans}), "BTC").text)
    assert "OKX: borrowing BTC costs 0.0011 %/8h · 1.2% a year (okx account, 1m 35s ago)" in text
    assert "ADA" not in text


def test_where_lots_ticks_and_fees_come_from_is_told_apart_where_it_differs():
    rules = {"source": "account", "as_of_ms": 0, "markets": 4, "maker_bps": 4.0, "taker_bps": 4.0}
    text = plain(venues.one(EN, health(rules=rules), 0).text)
    assert "Rules of 4 markets: from the account · fees 4/4 bp" in text
    text = plain(venues.one(EN, health(rules=rules | {"tick_source": "config"}), 0).text)
    assert "lots and minimums from the account, ticks from the configuration, fees from the account" in text


def test_what_is_quarantined_is_named():
    out = m.PremiumBoard.model_validate(
        premium_board().model_dump()
        | {"left_out": [{"venue": "gate", "symbol": "LUNA_USDT", "coin": "LUNA", "reason": "implied premium 31 %"}]}
    )
    assert "Gate LUNA_USDT (implied premium 31 %)" in premiums.board(EN, out, "tether").text


def test_the_heatmap_caption_fits_and_names_the_edge_and_the_change():
    content = funding.heatmap(KO, funding_board())
    text = plain(content.text)
    assert len(text) <= 1_024 and content.picture is not None
    assert "DOGE: 숏 OKX 선물, 롱 바이낸스 선물" in text and "4시간마다" in text and "다음 정산 15:35" in text


def test_the_table_has_every_contract_with_its_true_interval():
    content = funding.table(EN, funding_board())
    text = plain(content.text)
    assert len(text) < 4_096 and content.picture is None
    assert "Bybit perp −0.0280 %/8h · −30.7% a year" in text and "more" in text
    doge = plain(funding.table(EN, m.FundingBoard.model_validate(only("DOGE")), "DOGE").text)
    assert doge.count("/4h") == 6
    assert "Gate perp: too old" in plain(funding.table(EN, m.FundingBoard.model_validate(only("SOL")), "SOL").text)


def only(coin: str) -> dict[str, object]:
    board = funding_board()
    return board.model_dump() | {"rows": [row for row in board.rows if row.coin == coin]}


def test_the_most_traded_coins_are_drawn():
    assert funding._coins(funding_board().rows) == ["BTC", "ETH", "XRP", "SOL", "DOGE", "ADA", "SHIB", "TRX"]
    quiet = [funding_row("okx_swap", "SOL", 0.01), funding_row("okx_swap", "BTC", 0.0001)]
    none = [row.model_copy(update={"quote_volume": None}) for row in quiet]
    assert funding._coins(none) == ["SOL", "BTC"], "without turnover the widest rate"


def health(**changes: object) -> m.VenueHealth:
    line = {
        "name": "bybit_linear#1",
        "state": "up",
        "symbols": ["BTCUSDT"],
        "connected_since_ms": None,
        "last_frame_age_ms": 40.0,
        "frames_per_s": 120.5,
        "reconnects": 3,
        "gaps": 1,
        "resyncs": 1,
        "errors": 0,
        "latency_p50_ms": 12.0,
        "latency_p99_ms": 48.0,
        "ping_rtt_ms": None,
        "reason": "ConnectionResetError <x>",
    }
    values = {
        "venue": "bybit_linear",
        "connected": True,
        "down_ms": 0,
        "trades": False,
        "ready": False,
        "blocked": "reconciling",
        "books": 10,
        "books_usable": 9,
        "age_ms": 40.0,
        "frames_per_s": 120.5,
        "reconnects": 3,
        "gaps": 1,
        "latency_p50_ms": 12.0,
        "latency_p99_ms": 48.0,
        "ping_rtt_ms": None,
        "clock_offset_ms": -3.5,
        "clock_uncertainty_ms": 1.5,
        "rate_use": [{"name": "market", "used": 0.42}],
        "rules": {"source": "venue", "as_of_ms": WALL_MS - 60_000, "markets": 10, "maker_bps": 2.0, "taker_bps": 5.5},
        "connections": [line],
    }
    return m.VenueHealth.model_validate({**values, **changes})


STATES = [  # why, changes, the line's beginning
    ("watched", {}, "🔵 Bybit perp watched"),
    ("ready", {"trades": True, "ready": True}, "🟢 Bybit perp books 9/10"),
    ("getting ready", {"trades": True}, "🟡 Bybit perp reconciling"),
    ("away", {"connected": False, "down_ms": 75_000}, "🔴 Bybit perp disconnected 1m 15s"),
]


@pytest.mark.parametrize("why, changes, begins", STATES, ids=[case[0] for case in STATES])
def test_a_venue_is_one_of_four_things(why, changes, begins):
    text = plain(venues.venues(EN, [health(**changes)], WALL_MS).text)
    assert text.splitlines()[1].startswith(begins)
    assert "120/s · latency 12/48 ms · reconnects 3 · gaps 1 · clock −4±1.5 ms" in text


def test_a_venues_page_has_clock_rules_budget_and_connections():
    text = plain(venues.one(EN, health(), WALL_MS).text)
    assert "Clock −3.5 ± 1.5 ms against ours" in text
    assert "Rules of 10 markets: from the venue (1m 0s) · fees 2/5.5 bp" in text
    assert "Rate budget market: 42 %" in text
    assert "bybit_linear#1" in text and "ping – · reconnects 3" in text
    assert "ConnectionResetError &lt;x&gt;" in text
    bare = health(connections=(), clock_offset_ms=None, rate_use=())
    assert "Clock not measured yet" in venues.one(EN, bare, WALL_MS).text


STREAMS = [  # its state, the line in English, in Korean
    ("up", "🟢 Private order stream: sign of life 0.3s ago, 17 messages, 6 reconnects", "🟢 내 주문 스트림"),
    ("silent", "⚠️ Private order stream kept an order from us", "⚠️ 내 주문 스트림이 주문 하나를 알리지 않음"),
    ("connecting", "🟡 Private order stream: connecting", "🟡 내 주문 스트림 연결 중"),
    ("refused", "⚠️ Private order stream refused by the venue", "⚠️ 거래소가 내 주문 스트림을 거절"),
]


@pytest.mark.parametrize("state, english, korean", STREAMS, ids=[case[0] for case in STREAMS])
def test_a_venues_page_tells_how_its_orders_are_heard(state, english, korean):
    known = {"up_since_ms": None, "alive_age_ms": 310.0, "told_age_ms": None, "errors": 0, "ping_rtt_ms": None}
    found = {**known, "state": state, "reconnects": 6, "told": 17, "reason": ""}
    told = health(order_stream=found)
    for reader, line in ((EN, english), (KO, korean)):
        assert sum(row.startswith(line) for row in plain(venues.one(reader, told, WALL_MS).text).splitlines()) == 1
    assert "rivate order stream" not in venues.one(EN, health(), WALL_MS).text


def test_the_panel_lists_everything_of_both_owners():
    threshold = m.Threshold.model_validate(
        {"id": "t1", "figure": "funding", "side": "below", "level": "-0.5", "venue": "okx_swap"}
    )
    settings = m.AlertSettings(
        thresholds=(threshold,),
        quiet=m.Quiet(from_min=1_380, until_min=420, crit=True),
        silences=(m.Silence(kind="venue", until_ms=WALL_MS), m.Silence(kind="flip", coin="BTC")),
    )
    mine = m.AlertsView(owner="telegram:3", version=1, settings=settings, can_undo=True, held=4)
    desk = m.AlertsView(owner="desk", version=0, settings=m.AlertSettings(), can_undo=False, held=0)
    text = plain(alert_panel.panel(KO, mine, desk, ()).text)
    for part in (
        "1. 펀딩(연) 모든 코인 OKX 선물 −50.00 % 이하",
        "조용한 시간 23:00 – 07:00, 긴급도 기다림",
        "거래소 끊김·복귀 11-21 12:23까지",
        "부호 전환 (BTC) 켤 때까지",
        "지금까지 4건 보류",
        "기준 없음",
    ):
        assert part in text, part


RINGS = [  # rule, numbers, what is said
    ("k_usdt", {"value": "0.0123", "level": "0.01", "side": "above"}, "+1.23 %, above +1.00 %"),
    ("funding", {"value": "-0.61", "level": "-0.5", "side": "below"}, "−61.00 %, below −50.00 %"),
    ("sign_flip", {"figure": "funding", "value": "-0.12"}, "funding a year is −12.00 % now"),
    ("interval_changed", {"before_h": "8", "interval_h": "4"}, "every 4 h now, before 8 h"),
    ("venue_down", {"away_s": "60"}, "no market data for 60 s"),
    ("venue_up", {"away_s": "12.5"}, "back after 12.5 s"),
    ("rate_budget", {"used_pct": "85", "budget": "market"}, "85 % of market used"),
    ("held_back", {"count": "7", "owner": "desk"}, "7 alerts"),
    ("naked", {}, "the engine's own sentence"),
]


@pytest.mark.parametrize("rule, numbers, said", RINGS, ids=[case[0] for case in RINGS])
def test_an_alert_is_said_in_the_readers_words(rule, numbers, said):
    view = m.AlertView(rule=rule, venue="upbit", text="the engine's own sentence", numbers=numbers)
    made = notices.alert(EN, view, "warn", 3)
    assert said in made.text and "3 more were held back" in made.text
    if numbers:
        assert "the engine's own sentence" not in notices.alert(KO, view, "warn").text


def test_ages_in_few_letters():
    assert [age(EN, ms) for ms in (None, 40.0, 9_949.0, 12_000.0, 64_000.0)] == ["–", "0.0s", "9.9s", "12s", "1m 4s"]
