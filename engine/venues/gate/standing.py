"""What Gate says of its wallets and of markets that do not trade. Source: Gate API v4, Spot."""

from collections.abc import Sequence
from typing import TypeVar

from msgspec import Struct

from engine.domain.errors import VenueRefused
from engine.domain.market import Gate, MarketWarning, Wallet
from engine.venues.ccxt_orders import CcxtClient
from engine.venues.purse import Purpose

T = TypeVar("T")
_UNKNOWN = "INVALID_CURRENCY_PAIR"


class _Chain(Struct):
    name: str
    withdraw_disabled: bool = False
    withdraw_delayed: bool = False
    deposit_disabled: bool = False


class _Coin(Struct):
    currency: str
    chains: list[_Chain] = []


class _State(Struct):
    trade_status: str  # tradable | untradable | buyable | sellable


async def wallets(client: CcxtClient, assets: Sequence[str]) -> list[Wallet]:
    """A delayed withdrawal counts as a closed one: nobody says for how long."""
    coins = [
        await client.ask(Purpose.READ, "GET", "spot/currencies/{currency}", {"currency": asset}, _Coin, "public")
        for asset in assets
    ]
    return [
        Wallet(
            asset=coin.currency,
            network=chain.name,
            deposit=Gate.CLOSED if chain.deposit_disabled else Gate.OPEN,
            withdraw=Gate.CLOSED if chain.withdraw_disabled or chain.withdraw_delayed else Gate.OPEN,
        )
        for coin in coins
        for chain in coin.chains
    ]


async def warnings(client: CcxtClient, symbols: Sequence[str]) -> list[MarketWarning]:
    found = []
    for symbol in symbols:
        told = await market(client, symbol, _State)
        text = told.trade_status if told is not None else "not listed any more"
        if text != "tradable":
            found.append(MarketWarning(symbol=symbol, kind="suspended", text=text))
    return found


async def market(client: CcxtClient, symbol: str, shape: type[T]) -> T | None:
    """The rules of one spot market; None where the venue does not list it."""
    asked = {"currency_pair": symbol}
    try:
        return await client.ask(Purpose.READ, "GET", "spot/currency_pairs/{currency_pair}", asked, shape, "public")
    except VenueRefused as error:
        if error.code != _UNKNOWN:
            raise
        return None
