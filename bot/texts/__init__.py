"""Every word that people read, in two languages. A template's values are escaped here, and nowhere else."""

from bot.texts import (
    en,
    en_alerts,
    en_guard,
    en_markets,
    en_orders,
    en_perps,
    en_rules,
    ko,
    ko_alerts,
    ko_guard,
    ko_markets,
    ko_orders,
    ko_perps,
    ko_rules,
)
from bot.views.content import Markup, html

TEXTS = {
    "ko": ko.TEXTS | ko_alerts.TEXTS | ko_markets.TEXTS | ko_guard.TEXTS | ko_orders.TEXTS | ko_perps.TEXTS,
    "en": en.TEXTS | en_alerts.TEXTS | en_markets.TEXTS | en_guard.TEXTS | en_orders.TEXTS | en_perps.TEXTS,
}
_RULES = {"ko": ko_rules.RULES, "en": en_rules.RULES}
_NUMBERS = {"ko": ko_rules.NUMBERS, "en": en_rules.NUMBERS}


def say(language: str, key: str, /, **values: object) -> Markup:
    """The text of `key` as HTML. Raises KeyError for a key or placeholder that does not exist."""
    return Markup(TEXTS[language][key].format(**{name: html(value) for name, value in values.items()}))


def plain(language: str, key: str, /, **values: object) -> str:
    """The same for places that know no markup: buttons, callback answers, pictures."""
    return TEXTS[language][key].format(**values)


def named(language: str, kind: str, value: str) -> str:
    """The word for one of the engine's own values (`venue`, `mode`, ...); the value itself if we have none."""
    return TEXTS[language].get(f"{kind}.{value}", value)


def rule_title(language: str, rule: str) -> str:
    """What a refusal's rule is called; a rule that we do not know keeps its name."""
    return _RULES[language].get(rule, rule)


def number_name(language: str, name: str) -> str:
    return _NUMBERS[language].get(name, name)
