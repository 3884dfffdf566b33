"""What a review looks at besides the legs themselves. The core fills it; nothing here decides."""

from decimal import Decimal

from msgspec import Struct

from engine.domain.money import ZERO
from engine.risk.limits import Held


class Margin(Struct, frozen=True, kw_only=True):
    """The account of perpetuals that a leg would open a position at. Shares of equity; None: nothing is left of it."""

    usage: Decimal | None  # maintenance margin now
    usage_after: Decimal | None
    liquidation_off: Decimal | None = None  # of the mark, of the position that the leg would make larger; None: none


class Seen(Struct, frozen=True, kw_only=True):
    """What is known around one leg, at the moment of the review. Prices in quote per base; floats are estimates."""

    ready: bool  # its venue is reconciled and may trade
    blocked: str = ""  # why the venue is stopped: "ledger_mismatch: ..."
    clock_off: str = ""  # why its clock is not to be trusted, or ours
    unread: str = ""  # why what is known of its account is too old
    unusable: str = ""  # why its book may not be traded on: "stale", "no_book", ...
    age_ms: float = 0.0
    best_bid: float = 0.0
    best_ask: float = 0.0
    median_mid: float = 0.0  # of the last 60 s; 0 when unknown
    allowed: bool = True  # its symbol is on the list of those configured
    pays: str = ""  # the asset that the order takes from us: quote when buying, base when selling
    needed: Decimal = ZERO  # of it at the worst case, fee included
    available: Decimal = ZERO  # of it: free minus reserved
    unknown_orders: int = 0  # orders without an answer that touch one of the leg's assets at this venue
    margin: Margin | None = None  # None: a spot leg, or one that opens nothing


class Situation(Struct, frozen=True, kw_only=True):
    """The desk as of now, as one trade sees it; `seen` is one per leg, in their order."""

    key: str
    strategy: str
    seen: tuple[Seen, ...]
    is_auto: bool = False  # no person confirmed this size and price
    flags: tuple[str, ...] = ()  # of the intent
    level: int = 0
    level_reason: str = ""
    journal_writable: bool = True
    breaker: str = ""  # the name of the first breaker that stops it
    breaker_reason: str = ""
    dead_letter: str = ""  # the trade whose remainder waits for a person under this key
    open_trades: int = 0  # working trades under this key
    naked_trades: int = 0  # trades with an open exposure in this coin
    opportunity_trade: str = ""  # the trade that this very opportunity has led to already
    since_last_ms: int | None = None  # since the newest trade of this key
    trades_in_window: int = 0  # of this key, within `limits.window_ms`
    trades_last_hour: int = 0
    trades_today: int = 0
    orders_last_minute: int = 0
    notional_last_minute_krw: Decimal = ZERO
    held: Held = Held()
    pnl_today_krw: Decimal = ZERO  # realised, fees included
    pnl_total_krw: Decimal = ZERO
    drawdown_krw: Decimal = ZERO  # newest peak of the total minus the total, not negative
    equity_krw: Decimal | None = None  # None: no rate for something that we hold
    usd_krw: Decimal | None = None  # conservative live rates; None: unknown, so every limit in them is breached
    btc_krw: Decimal | None = None
