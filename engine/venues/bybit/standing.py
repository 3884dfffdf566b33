"""What Bybit says of its wallets and of markets that do not trade. Source: Bybit v5 reference, Asset and Market."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeVar

from msgspec import Struct

from engine.domain.errors import OrderNotFound, VenueRefused, VenueUnavailable
from engine.domain.market import Gate, Loan, MarketWarning, Wallet
from engine.domain.money import ZERO
from engine.venues.ccxt_orders import CcxtClient
from engine.venues.purse import Purpose
from engine.venues.reports import number

T = TypeVar("T")
_UNKNOWN = "10001"  # a symbol that is not listed


class _Chain(Struct):
    chain: str
    chainDeposit: str  # "1": open
    chainWithdraw: str
    withdrawFee: str = ""  # empty: no withdrawals
    withdrawMin: str = ""
    confirmation: str = ""


class _Coin(Struct):
    coin: str
    chains: list[_Chain]


class _Rows(Struct):
    rows: list[_Coin]


class _Coins(Struct):
    result: _Rows


class _State(Struct):
    symbol: str
    status: str  # Trading | PreLaunch | Delivering | Closed


class _States(Struct):
    list: list[_State]


class _Ticker(Struct):
    symbol: str
    lastPrice: str | None = None


class _Tops(Struct):
    list: list[_Ticker]


class _Tickers(Struct):
    result: _Tops


class _Markets(Struct):
    result: _States


async def wallets(client: CcxtClient, assets: Sequence[str]) -> list[Wallet]:
    found = []
    for asset in assets:
        answer = await client.ask(Purpose.READ, "GET", "v5/asset/coin/query-info", {"coin": asset}, _Coins)
        found += [_wallet(coin.coin, chain) for coin in answer.result.rows for chain in coin.chains]
    return found


class _LentCoin(Struct):
    currency: str
    borrowable: bool
    hourlyBorrowRate: str
    maxBorrowingAmount: str = ""


class _Level(Struct):
    list: list[_LentCoin]


class _Levels(Struct):
    vipCoinList: list[_Level]


class _Lent(Struct):
    result: _Levels


async def loans(client: CcxtClient, assets: Sequence[str]) -> list[Loan]:
    """The public rates of an account without a level; one call tells of all coins."""
    asked = {"vipLevel": "No%20VIP"}  # ccxt puts it into the address as it is
    answer = await client.ask(Purpose.READ, "GET", "v5/spot-margin-trade/data", asked, _Lent, "public")
    return [
        Loan(
            asset=row.currency,
            hourly=number("bybit", row.hourlyBorrowRate),
            limit=number("bybit", row.maxBorrowingAmount) if row.maxBorrowingAmount else None,
        )
        for level in answer.result.vipCoinList
        for row in level.list
        if row.currency in assets and row.borrowable
    ]


async def warnings(client: CcxtClient, symbols: Sequence[str], category: str) -> list[MarketWarning]:
    """Markets that are not trading, or not listed any more."""
    found = []
    for symbol in symbols:
        told = await market(client, symbol, _Markets, category)
        state = told.result.list[0].status if told is not None and told.result.list else "not listed any more"
        if state != "Trading":
            found.append(MarketWarning(symbol=symbol, kind="suspended", text=state))
    return found


async def last_price(client: CcxtClient, symbol: str, category: str) -> Decimal:
    """Of the last trade, asked urgently; zero where none is told. Raises VenueUnavailable, VenueRefused."""
    asked = {"category": category, "symbol": symbol}
    try:
        answer = await client.ask(Purpose.LOOK_UP, "GET", "v5/market/tickers", asked, _Tickers, "public")
    except OrderNotFound as error:  # no word on any order
        raise VenueUnavailable(f"bybit: no ticker of {symbol}: {error}") from error
    told = next((row.lastPrice for row in answer.result.list if row.symbol == symbol), None)
    return max(number("bybit", told or ""), ZERO)


async def market(client: CcxtClient, symbol: str, shape: type[T], category: str) -> T | None:
    """The rules of one market; None where the venue does not know it."""
    asked = {"category": category, "symbol": symbol}
    try:
        return await client.ask(Purpose.READ, "GET", "v5/market/instruments-info", asked, shape, "public")
    except VenueRefused as error:
        if error.code != _UNKNOWN:
            raise
        return None


def _wallet(coin: str, chain: _Chain) -> Wallet:
    can_withdraw = chain.chainWithdraw == "1" and chain.withdrawFee != ""
    return Wallet(
        asset=coin,
        network=chain.chain,
        deposit=Gate.OPEN if chain.chainDeposit == "1" else Gate.CLOSED,
        withdraw=Gate.OPEN if can_withdraw else Gate.CLOSED,
        fee=number("bybit", chain.withdrawFee) if chain.withdrawFee else None,
        min_withdraw=number("bybit", chain.withdrawMin) if chain.withdrawMin else None,
        confirmations=int(chain.confirmation) if chain.confirmation.isdecimal() else None,
    )
