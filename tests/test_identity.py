"""configs/instruments.yaml: what a market is, from when to when, and what is refused at the start."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from engine.domain.errors import ConfigError
from engine.domain.market import FeeSide, Instrument
from engine.domain.money import TickBand
from engine.identity import Entry, Identity, load_identity

QUOTES = {"KRW": "fiat", "USDT": "stable"}
DAY_MS = 86_400_000


def market(base="BTC", quote="USDT", contract="1"):
    return Instrument(
        venue="gate",
        symbol="BTC_USDT",
        base=base,
        quote=quote,
        ticks=(TickBand(Decimal(0), Decimal("0.1")),),
        qty_step=Decimal(1),
        min_qty=Decimal(1),
        min_notional=Decimal(0),
        maker_fee_bps=Decimal(2),
        taker_fee_bps=Decimal(5),
        fee_side=FeeSide.QUOTE,
        contract_size=Decimal(contract),
    )


def entry(**more):
    return Entry(venue="gate", symbol="BTC_USDT", **more)


def sorted_by(*entries, rules=None, at_ms=0):
    return Identity(("BTC",), QUOTES, entries).sort([rules or market()], at_ms)


def test_a_known_ticker_is_itself_and_another_is_doubtful():
    assert sorted_by()[0][0].base == "BTC"
    certain, doubtful = sorted_by(rules=market(base="SAND"))
    assert certain == () and "SAND is not mapped" in doubtful["BTC_USDT"]


def test_an_unknown_quote_is_doubtful():
    certain, doubtful = sorted_by(rules=market(quote="JPY"))
    assert certain == () and "JPY" in doubtful["BTC_USDT"]


def test_a_thousand_fold_coin_keeps_its_price_comparable():
    found = sorted_by(entry(asset="SHIB", multiplier=Decimal(1000)), rules=market(base="1000SHIB", contract="10"))[0][0]
    assert (found.base, found.price_per, found.contract_size) == ("SHIB", Decimal(1000), Decimal(10_000))


def test_the_same_ticker_is_another_asset_where_an_entry_says_so():
    assert sorted_by(entry(asset="BTC-OLD"))[0][0].base == "BTC-OLD"


@pytest.mark.parametrize("at, asset", [("2026-01-01", "OLD"), ("2026-06-30", "OLD"), ("2026-07-01", "NEW")])
def test_an_entry_holds_between_its_dates(at, asset):
    at_ms = int(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() * 1000)
    old, new = entry(asset="OLD", until="2026-07-01"), entry(asset="NEW", since="2026-07-01")
    assert sorted_by(old, new, at_ms=at_ms)[0][0].base == asset


def test_outside_every_date_it_is_doubtful():
    assert "no entry" in sorted_by(entry(asset="OLD", until="2020-01-01"), at_ms=20_000 * DAY_MS)[1]["BTC_USDT"]


def test_another_contract_size_than_configured_is_doubtful():
    assert "its contract is 1" in sorted_by(entry(asset="BTC", contract_size=Decimal("0.0001")))[1]["BTC_USDT"]


HEAD = "known: [BTC]\nquotes: {}\ninstruments:\n"
ONE = "  - {venue: a, symbol: b, asset: c, "
REFUSED = [
    ("known: [BTC]\nquotes: {USDT: money}\n", "quotes.USDT"),
    ("known: [BTC]\n", "quotes"),
    (HEAD + ONE + "size: 1}\n", "size"),
    (HEAD + ONE + "multiplier: 0}\n", "multiplier"),
    (HEAD + ONE + "from: 2026-02-01, until: 2026-01-01}\n", "from"),
    (HEAD + ONE + "until: 2026-07-01}\n" + ONE + "from: 2026-06-01}\n", "overlap"),
    ("known: [BTC\n", "instruments.yaml"),
]


@pytest.mark.parametrize("text, word", REFUSED, ids=[word for _, word in REFUSED])
def test_a_bad_file_is_one_line_that_names_it(tmp_path, text, word):
    (tmp_path / "instruments.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        load_identity(tmp_path)
    assert "instruments.yaml" in str(error.value) and word in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"instruments\.yaml"):
        load_identity(tmp_path)
