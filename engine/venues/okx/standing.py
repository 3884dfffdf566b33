"""What OKX says of its wallets and of markets that end. Source: OKX API v5 reference, Funding and Public Data."""

from collections.abc import Sequence
from typing import TypeVar

from msgspec import Struct

from engine.domain.errors import VenueRefused
from engine.domain.market import Gate, Loan, MarketWarning, Wallet
from engine.venues.ccxt_orders import CcxtClient
from engine.venues.purse import Purpose
from engine.venues.reports import number

T = TypeVar("T")
_NO_SUCH_MARKET = "51001"
_COINS_A_CALL = 20


class _Chain(Struct):
    ccy: str
    chain: str  # USDT-TRC20
    canDep: bool
    canWd: bool
    fee: str = ""  # number fields may be empty text
    minFee: str = ""
    minWd: str = ""
    minDepArrivalConfirm: str = ""

    def wallet(self) -> Wallet:
        fee = self.fee or self.minFee
        return Wallet(
            asset=self.ccy,
            network=self.chain.removeprefix(f"{self.ccy}-"),
            deposit=Gate.OPEN if self.canDep else Gate.CLOSED,
            withdraw=Gate.OPEN if self.canWd else Gate.CLOSED,
            fee=number("okx", fee) if fee else None,
            min_withdraw=number("okx", self.minWd) if self.minWd else None,
            confirmations=int(self.minDepArrivalConfirm) if self.minDepArrivalConfirm.isdecimal() else None,
        )


class _Chains(Struct):
    data: list[_Chain]


class _State(Struct):
    instId: str
    state: str  # live | suspend | preopen
    expTime: str = ""  # ms, UTC: when a market of any kind is taken off


class _States(Struct):
    data: list[_State]


async def wallets(client: CcxtClient, assets: Sequence[str]) -> list[Wallet]:
    found: list[Wallet] = []
    for first in range(0, len(assets), _COINS_A_CALL):
        asked = {"ccy": ",".join(assets[first : first + _COINS_A_CALL])}
        answer = await client.ask(Purpose.READ, "GET", "asset/currencies", asked, _Chains)
        found += [row.wallet() for row in answer.data if row.ccy in assets]
    return found


class _Rate(Struct):
    ccy: str
    interestRate: str  # per hour; empty text where the account may not borrow it


class _Rates(Struct):
    data: list[_Rate]


async def loans(client: CcxtClient, assets: Sequence[str]) -> list[Loan]:
    """The account's own rates; one call tells of all coins."""
    answer = await client.ask(Purpose.READ, "GET", "account/interest-rate", {}, _Rates)
    return [
        Loan(asset=row.ccy, hourly=number("okx", row.interestRate))
        for row in answer.data
        if row.ccy in assets and row.interestRate
    ]


async def warnings(client: CcxtClient, symbols: Sequence[str], kind: str = "SPOT") -> list[MarketWarning]:
    """Markets that are suspended or gone, and those whose end has a date."""
    found: list[MarketWarning] = []
    for symbol in symbols:
        told = await instrument(client, symbol, _States, kind)
        row = told.data[0] if told is not None and told.data else None
        if row is None or row.state != "live":
            text = "not listed any more" if row is None else row.state
            found.append(MarketWarning(symbol=symbol, kind="suspended", text=text))
        if row is not None and row.expTime.isdecimal():
            found.append(MarketWarning(symbol=symbol, kind="delisting", text="expTime", at_ms=int(row.expTime)))
    return found


async def instrument(client: CcxtClient, symbol: str, shape: type[T], kind: str = "SPOT") -> T | None:
    """The rules of one market of this instType; None where the venue does not list it."""
    asked = {"instType": kind, "instId": symbol}
    try:
        return await client.ask(Purpose.READ, "GET", "public/instruments", asked, shape, "public")
    except VenueRefused as error:
        if error.code != _NO_SUCH_MARKET:
            raise
        return None
