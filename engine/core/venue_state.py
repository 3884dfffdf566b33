"""What the desk knows of one venue and of its account there."""

from decimal import Decimal

from msgspec import Struct, field

from engine.domain.market import Balance
from engine.domain.order import Abilities
from engine.execution.hearing import Hearing
from engine.market.view import VenueRules
from engine.risk.countdown import Countdown
from engine.risk.margin import Account

SWEEP_REST_MS = 20_000  # Binance: a quarter of a minute's weight, and its books come out of the same purse


class VenueSettings(Struct, frozen=True, kw_only=True):
    """What the core needs to know of a venue beforehand."""

    rules: VenueRules
    symbols: tuple[str, ...]
    dust: dict[str, Decimal]
    late_acceptance_ms: int  # after a restart: how long an order of before may still be accepted …
    expiring_ms: int  # … where a request names the time after which it is refused (Abilities.expiry)
    countdown_s: int = 0  # of its own dead-man timer; 0: not used
    leverage: int = 0  # of an account of perpetuals; 0: it is none
    trades: bool = True  # False: watched only; it has no account, and nothing waits for it


class VenueClock(Struct, kw_only=True):
    """A venue's clock beside ours, as it was read last."""

    offset_ms: int = 0
    uncertainty_ms: int = 0
    read_ns: int = 0
    is_told: bool = False  # that it is too far off


class VenueState(Struct, kw_only=True):
    name: str
    settings: VenueSettings
    rules_known: bool = False
    abilities: Abilities = Abilities()
    opened: bool = False  # its ledger has opening balances
    swept: bool = False  # open orders were read since start
    swept_ns: int = 0  # when the newest answered list of open orders was asked for
    agreed: bool = False  # balances agreed with the ledger since start
    blocked: str = ""
    agreed_ns: int = 0  # when the newest balances were asked for that agreed whole
    differing: frozenset[str] = frozenset()  # assets, by the newest comparison that counted
    mismatches: int = 0
    balances: dict[str, Balance] = field(default_factory=dict)
    balances_ns: int = 0
    balances_asked_ns: int = 0
    differs_ns: int = 0  # since when balances differ where a resting order of ours may have filled; 0: they do not
    empty_since_ns: int = 0  # before its books are opened: since when it has told of nothing; 0: it has not
    touched_ns: int = 0  # newest order event: a comparison older than it is void
    next_check_ns: int = 0
    doubts: int = 0  # of orders that ended with a word of their venue: which are asked for again next
    next_doubt_ns: int = 0  # before then no order believed absent is asked for again
    next_sweep_ns: int = 0  # of its open orders: dearer than balances (Binance: 80 of 1,200 a minute), and seldom news
    rests_until_ns: int = 0  # an order of ours could not leave for it: no new trade until then
    account: Account = field(default_factory=Account)  # of perpetuals: what is told beside balances
    foreign: list[str] = field(default_factory=list)  # venue ids of open orders that are not ours
    strays: dict[str, None] = field(default_factory=dict)  # … and of orders whose fills were told of, newest last
    quiet_until_ns: int = 0  # of others' fills: one was told lately
    failing: str = ""  # newest private call failure, "" after a success
    is_silent: bool = False  # it was told that the account does not answer
    failures: int = 0  # of its balances and open orders, since the last balances
    hearing: Hearing = field(default_factory=Hearing)
    clock: VenueClock = field(default_factory=VenueClock)
    countdown: Countdown = field(default_factory=Countdown)

    @property
    def ready(self) -> bool:
        if not self.settings.trades:
            return self.rules_known
        return self.rules_known and self.opened and self.swept and self.agreed and not self.blocked
