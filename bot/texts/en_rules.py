"""English: what each refusal's rule is called (docs/refusals.md), and the names of the numbers that come with it."""

RULES: dict[str, str] = {
    "actor": "Not an allowed user",
    "role": "Role is not enough",
    "bad_parameter": "Bad parameter",
    "bad_request": "Bad request",
    "unknown_strategy": "No such strategy",
    "unknown_venue": "No such venue",
    "unknown_token": "Unknown button",
    "not_yours": "Another person's button",
    "not_found": "Not found",
    "stale_confirm": "Confirmed too late",
    "price_moved": "The price has moved",
    "gone": "The opportunity is over",
    "mode": "Not in confirm mode",
    "nothing_to_undo": "Nothing to undo",
    "not_halted": "Nothing is halted",
    "self_check": "Self-check failed",
    "orders_under_way": "Orders without an end",
    "stale": "Too old",
    "not_unknown": "Not an order without an answer",
    "not_dead_letter": "Not a trade for a person",
    "no_book": "No book",
    "depth": "Not enough depth",
    "min_notional": "Below the least order",
    "no_rate": "No rate to convert with",
    "no_rules": "Market rules not known yet",
}

NUMBERS: dict[str, str] = {
    "late_s": "late (s)",
    "ttl_s": "good for (s)",
    "net": "net",
    "floor": "floor",
    "limit": "limit",
    "age_ms": "age (ms)",
}
