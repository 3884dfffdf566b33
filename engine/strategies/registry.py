"""Every strategy by name. A new one is one file, one table of cases and one line here."""

from engine.strategies import kimchi, spatial, tether_bot
from engine.strategies.sight import Strategy

REGISTRY: dict[str, Strategy] = {
    "spatial": spatial.STRATEGY,
    "kimchi": kimchi.STRATEGY,
    "tether_bot": tether_bot.STRATEGY,
}
