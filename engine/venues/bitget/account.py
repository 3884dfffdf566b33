"""What Bitget's products share: one host, one signature, one list of codes, a clock. Source: Bitget API v2, Common."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Generic, TypeVar

from ccxt.async_support.bitget import bitget  # type: ignore[import-untyped]
from msgspec import Struct

from engine.domain.market import Balance, Wallet
from engine.domain.order import TimeInForce
from engine.venues.bitget import standing
from engine.venues.ccxt_orders import CcxtClient, Hooked, options, wall_ms
from engine.venues.purse import Purpose
from engine.venues.settings import Key, OrderSettings
from engine.venues.verdict import Answer, Budgets, Dialect, retry_after_s

T = TypeVar("T")

PAGE = 100
BPS_PER_ONE = 10_000
FORCES = {
    TimeInForce.GTC: "gtc",
    TimeInForce.IOC: "ioc",
    TimeInForce.FOK: "fok",
    TimeInForce.POST_ONLY: "post_only",
}


class _Exchange(Hooked, bitget):  # type: ignore[misc]
    """ccxt keeps an address per product, all of one host."""

    product = "spot"

    def sign(self, path: str, api: Any, method: str = "GET", params: Any = None) -> Any:
        return super().sign(path, [api[0], self.product], method, {} if params is None else params)


class Data(Struct, Generic[T]):
    data: T


class Placed(Struct):
    orderId: str


class Rate(Struct):
    makerFeeRate: Decimal
    takerFeeRate: Decimal


class _Time(Struct):
    serverTime: int


def _error_of(body: Any) -> tuple[str, str] | None:
    code = str(body.get("code", "00000")) if isinstance(body, dict) else "00000"
    return None if code == "00000" else (code, str(body.get("msg", "")))


def _obey(answer: Answer, budgets: Budgets) -> None:
    """`x-mbx-used-remain-limit`: calls left of this second. Which endpoint is not said: reads rest."""
    if answer.headers.get("x-mbx-used-remain-limit") == "0":
        budgets.reads.calm(1.0)


_DIALECT = Dialect(
    error_of=_error_of,
    # 40010 is a timeout; 40015, 40725 and 45001 are its own trouble.
    unknown=frozenset({"40010", "40015", "40200", "40725", "45001"}),
    limited=frozenset({"429", "30007"}),
    # 40307 and 43025 speak of plan orders; the first has been seen of one that had gone off.
    not_found=frozenset({"40109", "40307", "40768", "43001", "43025"}),
    about_rules=("40808", "45110", "45111", "45115"),
    duplicate=("40786", "43118", "uplicate"),
    wait_s=lambda answer: retry_after_s(answer, 1.0),  # windows are a second long
    obey=_obey,
)


class BitgetAccount(ABC):
    """One classic account. Requests have no expiry: what is late is bounded by what was seen (reliability.md §3.2).

    Its countdown stands in the unified account's API alone.
    """

    def __init__(self, venue: str, product: str, config: OrderSettings, credential: Key, budgets: Budgets) -> None:
        self.venue = venue
        self.late_acceptance_ms = config.late_acceptance_ms + config.settle_margin_ms
        settings = options(credential.key, credential.secret, config.order_timeout_ms, credential.passphrase)
        self._exchange = _Exchange(settings)
        self._exchange.product = product
        self._client = CcxtClient(venue, self._exchange, config.rest_base, _DIALECT, budgets)
        self._config = config

    @abstractmethod
    async def balances(self) -> Sequence[Balance]: ...

    async def wallets(self, assets: Sequence[str]) -> Sequence[Wallet]:
        return await standing.wallets(self._client, assets)

    async def server_time_ms(self) -> int:
        sent_ms = wall_ms()
        answer = await self._client.ask(Purpose.READ, "GET", "v2/public/time", {}, Data[_Time], "public")
        received_ms = wall_ms()
        self._exchange.options["timeDifference"] = received_ms - answer.data.serverTime
        return answer.data.serverTime + (received_ms - sent_ms) // 2

    def _now_ms(self) -> int:
        """By the venue's clock, as far as it is known."""
        return int(self._exchange.nonce())

    async def warm(self) -> None:
        """Connect, learn the venue's clock and prove the key before the first order. Raises VenueRefused."""
        await self.server_time_ms()
        await self.balances()

    async def close(self) -> None:
        await self._client.close()

    async def _rate(self, symbol: str, business: str) -> Rate:
        asked = {"symbol": symbol, "businessType": business}
        return (await self._client.ask(Purpose.READ, "GET", "v2/common/trade-rate", asked, Data[Rate])).data
