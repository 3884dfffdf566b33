"""Coinone's rules, wallets and markets that do not trade. Source: Coinone API, Public REST v2; probed."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from engine.domain.errors import VenueRefused
from engine.domain.market import Gate, MarketWarning, Wallet
from engine.venues.ccxt_orders import CcxtClient
from engine.venues.purse import Purpose
from engine.venues.reports import number, positive

_UNKNOWN = frozenset({"107", "108"})
_TRADE_STATES = {0: "no trading", 1: "", 2: "no buying", 3: "no selling"}


class Market(Struct):
    quote_currency: str
    target_currency: str
    price_unit: Decimal
    qty_unit: Decimal
    min_qty: Decimal
    min_order_amount: Decimal
    trade_status: int
    maintenance_status: int


class _Markets(Struct):
    markets: list[Market]


class Unit(Struct):
    """Prices from `range_min` up move in steps of `price_unit`."""

    range_min: Decimal
    price_unit: Decimal


class _Units(Struct):
    range_price_units: list[Unit]


class _Ticker(Struct):
    last: str | None = None


class _Tickers(Struct):
    tickers: list[_Ticker]


class _Coin(Struct):
    symbol: str
    deposit_status: str  # normal | suspended
    withdraw_status: str
    deposit_confirm_count: int | None = None
    withdrawal_fee: str | None = None
    withdrawal_min_amount: str | None = None


class _Coins(Struct):
    currencies: list[_Coin]


def pair_of(symbol: str) -> Mapping[str, str]:
    """KRW-BTC as the venue's two fields."""
    quote, _, base = symbol.partition("-")
    return {"quote_currency": quote, "target_currency": base}


async def wallets(client: CcxtClient, assets: Sequence[str]) -> list[Wallet]:
    """One network for each currency, unnamed."""
    found = []
    for asset in assets:
        path = "public/v2/currencies/{currency}"
        answer = await client.ask(Purpose.READ, "GET", path, {"currency": asset}, _Coins, "public")
        found += [_wallet(coin) for coin in answer.currencies if coin.symbol.upper() == asset]
    return found


async def warnings(client: CcxtClient, symbols: Sequence[str]) -> list[MarketWarning]:
    found = []
    for symbol in symbols:
        told = await market(client, symbol)
        if told is None:
            text = "not listed any more"
        elif told.maintenance_status:
            text = "maintenance"
        else:
            text = _TRADE_STATES.get(told.trade_status, f"trade_status {told.trade_status}")
        if text:
            found.append(MarketWarning(symbol=symbol, kind="suspended", text=text))
    return found


async def market(client: CcxtClient, symbol: str) -> Market | None:
    """The rules of one market; None where the venue does not list it."""
    path = "public/v2/markets/{quote_currency}/{target_currency}"
    try:
        answer = await client.ask(Purpose.READ, "GET", path, dict(pair_of(symbol)), _Markets, "public")
    except VenueRefused as error:
        if error.code not in _UNKNOWN:
            raise
        return None
    return answer.markets[0] if answer.markets else None


async def units(client: CcxtClient, symbol: str) -> list[Unit]:
    path = "public/v2/range_units/{quote_currency}/{target_currency}"
    answer = await client.ask(Purpose.READ, "GET", path, dict(pair_of(symbol)), _Units, "public")
    return answer.range_price_units


async def last_price(client: CcxtClient, symbol: str) -> Decimal:
    """Asked urgently: an order waits for it. Raises VenueUnavailable where it tells none."""
    path = "public/v2/ticker_new/{quote_currency}/{target_currency}"
    answer = await client.ask(Purpose.CANCEL, "GET", path, dict(pair_of(symbol)), _Tickers, "public")
    return positive("coinone", (answer.tickers[0].last or "") if answer.tickers else "")


def _wallet(coin: _Coin) -> Wallet:
    return Wallet(
        asset=coin.symbol.upper(),
        network="",
        deposit=Gate.OPEN if coin.deposit_status == "normal" else Gate.CLOSED,
        withdraw=Gate.OPEN if coin.withdraw_status == "normal" else Gate.CLOSED,
        fee=number("coinone", coin.withdrawal_fee) if coin.withdrawal_fee else None,
        min_withdraw=number("coinone", coin.withdrawal_min_amount) if coin.withdrawal_min_amount else None,
        confirmations=coin.deposit_confirm_count,
    )
