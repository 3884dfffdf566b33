"""Both languages say the same things, and every refusal has a name in both."""

import re
import string
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bot.menu import commands_of
from bot.texts import TEXTS, en_rules, ko_rules, plain, rule_title

REPOSITORY = Path(__file__).parent.parent.parent
KO, EN = TEXTS["ko"], TEXTS["en"]
REFUSALS = REPOSITORY / "docs" / "refusals.md"


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_have_the_same_keys():
    assert KO.keys() == EN.keys()
    assert ko_rules.RULES.keys() == en_rules.RULES.keys()
    assert ko_rules.NUMBERS.keys() == en_rules.NUMBERS.keys()


@pytest.mark.parametrize("key", sorted(KO))
def test_both_languages_have_the_same_placeholders(key):
    assert placeholders(KO[key]) == placeholders(EN[key])


def rules_of_the_page() -> set[str]:
    """First cells of the page's tables: `halted`, `book:<reason>`, ..."""
    cells = re.findall(r"^\| `([a-z_]+)(?::[^`]*)?` \|", REFUSALS.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(cells) > 40, "the page was read wrongly"
    return set(cells)


@pytest.mark.parametrize("rule", sorted(rules_of_the_page()))
def test_every_refusal_is_translated(rule):
    assert rule in ko_rules.RULES and rule in en_rules.RULES
    assert rule_title("ko", rule) != rule


def test_every_number_of_the_gate_has_a_name():
    source = (REPOSITORY / "engine" / "risk" / "rules.py").read_text(encoding="utf-8")
    calls = re.findall(r"refuse\((.*?)\)\n", source, re.DOTALL)
    named = {name for call in calls for name in re.findall(r"\b(\w+)=", call)}
    named -= {"rule", "text", "numbers"}  # the refusal's own fields
    assert {"venue", "limit", "limit_krw"} <= named <= ko_rules.NUMBERS.keys()


class Balanced(HTMLParser):
    """Raises for a tag that Telegram does not know, or that is not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        assert tag in ("b", "i", "code", "pre", "u", "s"), tag
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("texts", [KO, EN], ids=["ko", "en"])
def test_markup_is_what_telegram_accepts(texts):
    for key, text in texts.items():
        parser = Balanced()
        parser.feed(text)
        assert not parser.open, key
        if key.startswith(("button.", "callback.", "word.", "menu.", "curve.picture", "pnl.picture")):
            assert "<" not in text, key


@pytest.mark.parametrize("role", ["viewer", "trader", "owner"])
def test_every_menu_entry_fits(role):
    for language in ("ko", "en"):
        for name in commands_of(role):
            assert 1 <= len(plain(language, f"menu.{name}")) <= 256
            assert re.fullmatch(r"[a-z0-9_]{1,32}", name)
    assert ("kill" in commands_of(role)) == (role != "viewer")


def test_every_text_is_used():
    """A text that nobody says is a text that nobody corrects. Families that are named by a value are left out."""
    sources = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "bot").rglob("*.py"))
    named_by_value = (
        "strategy venue mode mode_button role level order blocked flag breaker alert menu receipt card started own"
        " template order_state stage path sight act"
    )
    families = tuple(f"{name}." for name in named_by_value.split())
    families += tuple(f"{name}." for name in "limit why book figure side kind source ring way warning rule".split())
    families += (
        "button.order_",
        "button.close_",
        "perps.",
        "premium.locked_",
        "button.by_",
        "button.mine",
        "button.desk",
        "alerts.mine",
        "alerts.desk",
    )
    families += ("status.level", "halt.done", "pnl.title", "pnl.picture", "button.pnl")
    counted = {key: sources.count(f'"{key}"') for key in KO}
    # Each text's own line in ko.py and en.py, and one more where it is said.
    assert not [key for key, count in counted.items() if count < 3 and not key.startswith(families)]
