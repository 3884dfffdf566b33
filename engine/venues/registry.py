"""Which code speaks to which venue, by the venue's name in the configuration."""

import importlib
import time
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from engine.domain.errors import ConfigError
from engine.domain.order import OrderKind
from engine.venues.line import Line
from engine.venues.protocol import Orders, OrderStream
from engine.venues.purse import budgets
from engine.venues.settings import MARGINED, NEEDS_PASSPHRASE, Key, OrderSettings
from engine.venues.verdict import Budgets

__all__ = ["NEEDS_PASSPHRASE", "build_orders", "lines_of", "streams_of"]

# Loaded when an account is there: each brings its part of ccxt, 0.1 to 0.3 s of start that other desks do not pay.
_ORDERS = {
    "binance": "BinanceOrders",
    "binance_usdm": "BinanceUsdmOrders",
    "bitget": "BitgetOrders",
    "bitget_futures": "BitgetFuturesOrders",
    "bithumb": "BithumbOrders",
    "bybit": "BybitOrders",
    "bybit_linear": "BybitLinearOrders",
    "coinone": "CoinoneOrders",
    "gate": "GateOrders",
    "gate_futures": "GateFuturesOrders",
    "kucoin": "KucoinOrders",
    "kucoin_futures": "KucoinFuturesOrders",
    "okx": "OkxOrders",
    "okx_swap": "OkxSwapOrders",
    "upbit": "UpbitOrders",
}
# Whose code stands in the folder of the same venue's spot market.
_MODULES = {
    "bitget_futures": "bitget.futures",
    "bybit_linear": "bybit.linear",
    "gate_futures": "gate.futures",
    "kucoin_futures": "kucoin.futures",
    "okx_swap": "okx.swap_orders",
}


def build_orders(
    name: str, config: OrderSettings, credential: Key, clock_ns: Callable[[], int] = time.monotonic_ns
) -> Orders:
    """The order side of one venue. Raises ConfigError for a venue that nobody speaks to, or perpetuals unmargined."""
    if name not in _ORDERS:
        raise ConfigError(f"venues.{name}: no such venue, expected one of {', '.join(sorted(_ORDERS))}")
    if name in MARGINED and not config.leverage:
        raise ConfigError(f"venues.{name}: `leverage` must say how its positions are margined: 1 to 20")
    module = importlib.import_module(f"engine.venues.{_MODULES.get(name, f'{name}.orders')}")
    make: Callable[[OrderSettings, Key, Budgets], Orders] = getattr(module, _ORDERS[name])
    allowed = budgets(config.orders_per_second, config.reads_per_second, clock_ns, config.look_ups_per_second)
    made = make(config, credential, allowed)
    if config.stops == "desk":  # those that wait at the venue from before are found and cancelled as ever
        made.abilities = replace(made.abilities, kinds=made.abilities.kinds - {OrderKind.STOP_LOSS})
    return made


def lines_of(orders: Iterable[Orders]) -> list[Line]:
    """The lines of our own behind these order sides: each wants its `run` while they are used."""
    lines = [getattr(each, "line", None) for each in orders]
    return [line for line in lines if line is not None]


def streams_of(orders: Iterable[Orders]) -> list[OrderStream]:
    """The private streams of these accounts, where there is code for them: each wants its `run`."""
    streams = [getattr(each, "stream", None) for each in orders]
    return [stream for stream in streams if stream is not None]
