"""What Bitget says of its wallets and of markets that do not trade. Source: Bitget API v2, Spot Market."""

from collections.abc import Sequence
from typing import Generic, TypeVar

from msgspec import Struct

from engine.domain.errors import VenueRefused
from engine.domain.market import Gate, MarketWarning, Wallet
from engine.venues.ccxt_orders import CcxtClient
from engine.venues.purse import Purpose
from engine.venues.reports import number

T = TypeVar("T")
_UNKNOWN = "40034"


class _Chain(Struct):
    chain: str
    withdrawable: str  # "true" | "false"
    rechargeable: str
    withdrawFee: str = ""
    minWithdrawAmount: str = ""
    depositConfirm: str = ""


class _Coin(Struct):
    coin: str
    chains: list[_Chain]


class _Rows(Struct, Generic[T]):
    data: list[T]


class _State(Struct):
    status: str  # online | offline | gray | halt


async def wallets(client: CcxtClient, assets: Sequence[str]) -> list[Wallet]:
    found = []
    for asset in assets:
        asked = {"coin": asset}
        answer = await client.ask(Purpose.READ, "GET", "v2/spot/public/coins", asked, _Rows[_Coin], "public")
        found += [_wallet(coin.coin, chain) for coin in answer.data for chain in coin.chains if coin.coin == asset]
    return found


async def warnings(client: CcxtClient, symbols: Sequence[str]) -> list[MarketWarning]:
    found = []
    for symbol in symbols:
        told = await market(client, symbol, _State)
        text = told.status if told is not None else "not listed any more"
        if text != "online":
            found.append(MarketWarning(symbol=symbol, kind="suspended", text=text))
    return found


async def market(client: CcxtClient, symbol: str, shape: type[T]) -> T | None:
    """The rules of one spot market; None where the venue does not list it."""
    path, asked = "v2/spot/public/symbols", {"symbol": symbol}
    try:
        answer = await client.ask(Purpose.READ, "GET", path, asked, _Rows[shape], "public")  # type: ignore[valid-type]
    except VenueRefused as error:
        if error.code != _UNKNOWN:
            raise
        return None
    return answer.data[0] if answer.data else None


async def contract(client: CcxtClient, symbol: str, shape: type[T]) -> T | None:
    """The rules of one USDT perpetual; None where the venue does not list it."""
    path, asked = "v2/mix/market/contracts", {"productType": "USDT-FUTURES", "symbol": symbol}
    try:
        answer = await client.ask(Purpose.READ, "GET", path, asked, _Rows[shape], "public")  # type: ignore[valid-type]
    except VenueRefused as error:
        if error.code != _UNKNOWN:
            raise
        return None
    return answer.data[0] if answer.data else None


def _wallet(coin: str, chain: _Chain) -> Wallet:
    return Wallet(
        asset=coin,
        network=chain.chain,
        deposit=Gate.OPEN if chain.rechargeable == "true" else Gate.CLOSED,
        withdraw=Gate.OPEN if chain.withdrawable == "true" else Gate.CLOSED,
        fee=number("bitget", chain.withdrawFee) if chain.withdrawFee else None,
        min_withdraw=number("bitget", chain.minWithdrawAmount) if chain.minWithdrawAmount else None,
        confirmations=int(chain.depositConfirm) if chain.depositConfirm.isdecimal() else None,
    )
