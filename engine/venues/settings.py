"""What the order side of a venue needs to be told. The configuration's own structs have this shape."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from engine.domain.market import FeeSide

NEEDS_PASSPHRASE = frozenset(
    {"bitget", "bitget_futures", "kucoin", "kucoin_futures", "okx", "okx_swap"}
)  # venues whose key has a third part

# Venues of perpetuals with an account of their own: their configuration names a leverage.
MARGINED = frozenset({"binance_usdm", "bitget_futures", "bybit_linear", "gate_futures", "kucoin_futures", "okx_swap"})


class Key(Protocol):
    """An account's API key."""

    @property
    def key(self) -> str: ...
    @property
    def secret(self) -> str: ...
    @property
    def passphrase(self) -> str: ...


class TickSetting(Protocol):
    """Prices from `from_price` up move in steps of `tick`."""

    @property
    def from_price(self) -> Decimal: ...
    @property
    def tick(self) -> Decimal: ...


class OrderSettings(Protocol):
    """Where the venue is, how long we wait for it, and rules where its own answers lack them."""

    @property
    def rest_base(self) -> str: ...
    @property
    def ws_base(self) -> str: ...
    @property
    def order_path(self) -> str: ...
    @property
    def order_ws_base(self) -> str: ...
    @property
    def order_stream(self) -> bool: ...
    @property
    def symbols(self) -> Sequence[str]: ...
    @property
    def fee_side(self) -> FeeSide: ...
    @property
    def ticks(self) -> Sequence[TickSetting]: ...
    @property
    def min_notional(self) -> Decimal: ...
    @property
    def leverage(self) -> int: ...
    @property
    def order_timeout_ms(self) -> int: ...
    @property
    def settle_margin_ms(self) -> int: ...
    @property
    def late_acceptance_ms(self) -> int: ...
    @property
    def orders_per_second(self) -> Decimal: ...
    @property
    def reads_per_second(self) -> Decimal: ...
    @property
    def look_ups_per_second(self) -> Decimal | None: ...
