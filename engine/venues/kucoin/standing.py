"""What KuCoin says of its wallets and of markets that do not trade. Source: KuCoin API, Market Data."""

from collections.abc import Sequence
from typing import Generic, TypeVar

from msgspec import Struct

from engine.domain.errors import VenueRefused
from engine.domain.market import Gate, MarketWarning, Wallet
from engine.venues.ccxt_orders import CcxtClient
from engine.venues.purse import Purpose
from engine.venues.reports import number

T = TypeVar("T")
UNKNOWN = frozenset({"200003", "400000", "400600", "900001"})


class _Chain(Struct):
    chainName: str
    isDepositEnabled: bool
    isWithdrawEnabled: bool
    withdrawalMinFee: str | None = None
    withdrawalMinSize: str | None = None
    confirms: int | None = None


class _Coin(Struct):
    currency: str
    chains: list[_Chain] | None = None  # nothing where no network is known


class _Data(Struct, Generic[T]):
    data: T


class _State(Struct):
    enableTrading: bool


async def wallets(client: CcxtClient, assets: Sequence[str]) -> list[Wallet]:
    found = []
    for asset in assets:
        asked = {"currency": asset}
        path = "currencies/{currency}"
        answer = await client.ask(Purpose.READ, "GET", path, asked, _Data[_Coin], "public")
        found += [_wallet(asset, chain) for chain in answer.data.chains or []]
    return found


async def warnings(client: CcxtClient, symbols: Sequence[str]) -> list[MarketWarning]:
    found = []
    for symbol in symbols:
        told = await market(client, symbol, _State)
        if told is None or not told.enableTrading:
            text = "not listed any more" if told is None else "trading is disabled"
            found.append(MarketWarning(symbol=symbol, kind="suspended", text=text))
    return found


async def market(client: CcxtClient, symbol: str, shape: type[T]) -> T | None:
    """The rules of one spot market; None where the venue does not list it."""
    asked = {"symbol": symbol, "version": "v2"}
    path = "symbols/{symbol}"
    try:
        answer = await client.ask(Purpose.READ, "GET", path, asked, _Data[shape | None], "public")  # type: ignore[valid-type]
    except VenueRefused as error:
        if error.code not in UNKNOWN:
            raise
        return None
    return answer.data


def _wallet(coin: str, chain: _Chain) -> Wallet:
    fee, least = chain.withdrawalMinFee, chain.withdrawalMinSize
    return Wallet(
        asset=coin,
        network=chain.chainName,
        deposit=Gate.OPEN if chain.isDepositEnabled else Gate.CLOSED,
        withdraw=Gate.OPEN if chain.isWithdrawEnabled else Gate.CLOSED,
        fee=number("kucoin", fee) if fee else None,
        min_withdraw=number("kucoin", least) if least else None,
        confirmations=chain.confirms,
    )
