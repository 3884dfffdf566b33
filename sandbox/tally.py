"""What the scene counts and compares: latencies on the phone, open orders, the venues' accounts."""

import time
from decimal import Decimal
from typing import Any

from sandbox.trader import Message

_SETTLED = ("closed", "dead_letter")
_VENUE_NAMES = {"upbit": "업비트", "bithumb": "빗썸", "binance": "바이낸스", "okx": "OKX"}


def update_to_card(messages: Any, opportunities: list[dict[str, Any]], since_ms: float) -> dict[str, float]:
    """ms from the engine's first sight of an opportunity to its new card on the phone.

    Of those seen after `since_ms`, when the bot was up: what opened before waited for the bot, not for its card.
    """
    samples = []
    for found in opportunities:
        if found["opened_ms"] < since_ms:
            continue
        names = [_VENUE_NAMES[leg["venue"]] for leg in found["legs"]]
        sent = [
            message["sent_wall_ms"] - found["opened_ms"]
            for message in messages
            if not message["mine"]
            and message["sent_wall_ms"] >= found["opened_ms"]
            and found["coin"] in message["text"]
            and all(name in message["text"] for name in names)
        ]
        if sent:
            samples.append(float(min(sent)))
    return spread(samples)


def spread(samples: list[float]) -> dict[str, float]:
    """p50, p99 and how many samples they rest on."""
    samples = sorted(samples)
    if not samples:
        return {"p50": 0.0, "p99": 0.0, "count": 0}
    return {
        "p50": samples[len(samples) // 2],
        "p99": samples[min(len(samples) - 1, int(len(samples) * 0.99))],
        "count": len(samples),
    }


def is_recent(message: Message) -> bool:
    newest_ms = max(int(message["sent_wall_ms"]), int(message["edited_wall_ms"]))
    return time.time() * 1000 - newest_ms < 15_000


def one_leg_filled(trades: list[dict[str, Any]]) -> bool:
    newest = max(trades, key=lambda trade: trade["opened_ms"])
    filled = [str(leg["status"]) == "filled" for leg in newest["legs"]]
    return sorted(filled) == [False, True]


def newest_settled(trades: list[dict[str, Any]]) -> str:
    newest = max(trades, key=lambda trade: trade["opened_ms"])
    return str(newest["id"]) if newest["state"] in _SETTLED else ""


def open_orders(orders: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [order for rows in orders.values() for order in rows if order["state"] == "open"]


def count_orders(orders: dict[str, list[dict[str, Any]]]) -> int:
    return sum(len(rows) for rows in orders.values())


def account_total(accounts: dict[str, Any], venue: str, asset: str) -> Decimal:
    return sum((decimal(held.get(asset, {"total": "0"})["total"]) for held in accounts[venue].values()), Decimal(0))


def decimal(text: str) -> Decimal:
    return Decimal(text)
