"""What a person types becomes an order, in both languages, or is refused by the word that was not understood."""

from decimal import Decimal as D
from typing import Any

import pytest

from bot.order_text import NotUnderstood, parse
from engine.domain.parent import Template
from engine.execution.templates.registry import TEMPLATES

WORDS: list[tuple[str, dict[str, Any]]] = [
    (
        "buy btc 0.5 upbit twap 10m",
        {"side": "buy", "base": "BTC", "venue": "upbit", "template": "twap", "over_ms": 600_000},
    ),
    ("매수 BTC 0.5 업비트 분할 10분", {"side": "buy", "venue": "upbit", "template": "twap", "over_ms": 600_000}),
    ("sell ETH 2 market", {"side": "sell", "base": "ETH", "venue": "best", "template": "sweep"}),
    ("매도 BTC 0.1 최적 시장가 30bp", {"venue": "best", "template": "sweep", "band_bps": D(30)}),
    ("sell BTC 0.1 upbit stop 139,000,000 @138,000,000", {"stop": D(139_000_000), "price": D(138_000_000)}),
    ("buy BTC 0.1 okx ladder x7 50bp 1h", {"parts": 7, "band_bps": D(50), "over_ms": 3_600_000}),
    ("매도 BTC 1 빗썸 빙산 141,000,000 노출=0.05", {"venue": "bithumb", "price": D(141_000_000), "shown": D("0.05")}),
    ("매도 BTC 1 빗썸 단계 4개", {"template": "buckets", "parts": 4}),
    ("buy BTC 0.1 okx ladder 141,000,000 follow", {"price": D(141_000_000), "follow": True}),
    ("sell BTC 0.1 binance_usdm market reduce", {"venue": "binance_usdm", "template": "sweep", "reduce_only": True}),
    ("매수 BTC 0.1 binance_usdm 시장가 축소", {"side": "buy", "reduce_only": True}),
    ("매수 BTC 0.1 업비트 빙산 추적", {"template": "iceberg", "follow": True}),
]


@pytest.mark.parametrize("words, expected", WORDS, ids=[row[0] for row in WORDS])
def test_words_become_an_order(words: str, expected: dict[str, Any]) -> None:
    body = parse(words).model_dump()
    assert {name: body[name] for name in expected} == expected


NONSENSE = [
    ("", ""),
    ("buy BTC 0.5", ""),
    ("buy BTC 0.5 upbit", ""),
    ("hold BTC 0.5 upbit twap", "hold"),
    ("buy BTC lots upbit twap", "lots"),
    ("buy BTC -1 upbit twap", "-1"),
    ("buy BTC NaN upbit twap", "NaN"),
    ("buy BTC 1e9 upbit somehow", "somehow"),
    ("buy BTC 1 upbit twap 10m 20m", "20m"),
    ("buy BTC 1 upbit twap quickly", "quickly"),
    ("buy BTC 1 upbit twap 900bp", "band_bps"),
    ("buy B;TC 1 upbit twap", "B;TC"),
]


@pytest.mark.parametrize("words, blamed", NONSENSE, ids=[row[0] or "nothing" for row in NONSENSE])
def test_what_is_not_understood_is_named_and_never_guessed(words: str, blamed: str) -> None:
    with pytest.raises(NotUnderstood) as error:
        parse(words)
    assert error.value.word == blamed


def test_every_template_can_be_asked_for() -> None:
    assert {parse(f"buy BTC 1 upbit {name}").template for name in TEMPLATES} == {str(name) for name in Template}
