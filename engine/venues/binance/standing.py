"""What Binance says of its wallets and of markets that end. Source: binance-spot-api-docs, Wallet endpoints."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import TypeVar

from msgspec import Struct

from engine.domain.errors import VenueRefused
from engine.domain.market import Gate, Loan, MarketWarning, Wallet
from engine.venues.ccxt_orders import CcxtClient
from engine.venues.purse import Purpose

T = TypeVar("T")
_NO_SUCH_SYMBOL = "-1121"
_LOANS_A_CALL = 20


class _Network(Struct):
    network: str
    depositEnable: bool
    withdrawEnable: bool
    withdrawFee: Decimal | None = None
    withdrawMin: Decimal | None = None
    minConfirm: int | None = None
    busy: bool = False  # the network is congested: withdrawals take longer


class _Coin(Struct):
    coin: str
    networkList: list[_Network]


class _State(Struct):
    symbol: str
    status: str


class _States(Struct):
    symbols: list[_State]


class _Ending(Struct):
    delistTime: int  # ms, UTC
    symbols: list[str]


async def wallets(client: CcxtClient, assets: Sequence[str]) -> list[Wallet]:
    """The venue tells of all coins or of none."""
    coins = await client.ask(Purpose.READ, "GET", "capital/config/getall", {}, list[_Coin], "sapi")
    return [_wallet(coin.coin, at) for coin in coins if coin.coin in assets for at in coin.networkList]


def _wallet(asset: str, at: _Network) -> Wallet:
    withdraw = Gate.CLOSED if not at.withdrawEnable else Gate.DELAYED if at.busy else Gate.OPEN
    return Wallet(
        asset=asset,
        network=at.network,
        deposit=Gate.OPEN if at.depositEnable else Gate.CLOSED,
        withdraw=withdraw,
        fee=at.withdrawFee,
        min_withdraw=at.withdrawMin,
        confirmations=at.minConfirm,
    )


class _Rate(Struct):
    asset: str
    nextHourlyInterestRate: Decimal


async def loans(client: CcxtClient, assets: Sequence[str]) -> list[Loan]:
    """Of cross margin, for the hour to come."""
    found: list[Loan] = []
    for first in range(0, len(assets), _LOANS_A_CALL):
        asked = {"assets": ",".join(assets[first : first + _LOANS_A_CALL]), "isIsolated": "FALSE"}
        rows = await client.ask(Purpose.READ, "GET", "margin/next-hourly-interest-rate", asked, list[_Rate], "sapi")
        found += [Loan(asset=row.asset, hourly=row.nextHourlyInterestRate) for row in rows if row.asset in assets]
    return found


async def warnings(client: CcxtClient, symbols: Sequence[str]) -> list[MarketWarning]:
    """Markets that are halted or gone, and those whose end has a date."""
    rows = [row for told in await exchange_info(client, symbols, _States) for row in told.symbols]
    ending = await client.ask(Purpose.READ, "GET", "spot/delist-schedule", {}, list[_Ending], "sapi")
    dated = [
        MarketWarning(symbol=symbol, kind="delisting", text="DELIST_SCHEDULE", at_ms=row.delistTime)
        for row in ending
        for symbol in row.symbols
        if symbol in symbols
    ]
    status = {row.symbol: row.status for row in rows}
    halted = [
        MarketWarning(symbol=symbol, kind="suspended", text=status.get(symbol, "not listed any more"))
        for symbol in symbols
        if status.get(symbol) != "TRADING"
    ]
    return dated + halted


async def exchange_info(client: CcxtClient, symbols: Sequence[str], shape: type[T]) -> list[T]:
    """The rules of these symbols. One that is not listed spoils the whole answer: then each is asked for alone."""
    try:
        return [await _info(client, symbols, shape)]
    except VenueRefused as error:
        if error.code != _NO_SUCH_SYMBOL:
            raise
    found: list[T] = []
    for symbol in symbols:
        try:
            found.append(await _info(client, [symbol], shape))
        except VenueRefused as error:
            if error.code != _NO_SUCH_SYMBOL:
                raise
    return found


async def _info(client: CcxtClient, symbols: Sequence[str], shape: type[T]) -> T:
    asked = {"symbols": json.dumps(list(symbols), separators=(",", ":"))}
    return await client.ask(Purpose.READ, "GET", "exchangeInfo", asked, shape, "public")
