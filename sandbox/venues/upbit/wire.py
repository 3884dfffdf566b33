"""Upbit's JSON: requests in, rows out. Numbers in private answers are text, `created_at` is Korean time."""

from collections.abc import Collection, Mapping
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from sandbox.venues.door import Malformed
from sandbox.venues.ledger import ZERO
from sandbox.venues.orders import End, Kind, Order, OrderRequest, Reason, Refused, Side, State, Tif
from sandbox.venues.rules import MarketRules, Stp, VenueRules
from sandbox.venues.spelling import kst, plain
from sandbox.venues.statements import Statements
from sandbox.venues.wallets import Wallets

T = TypeVar("T")
_STP = {"cancel_maker": Stp.CANCEL_MAKER, "cancel_taker": Stp.CANCEL_TAKER, "reduce": Stp.REDUCE}
_CAUTIONS = (
    "PRICE_FLUCTUATIONS",
    "TRADING_VOLUME_SOARING",
    "DEPOSIT_AMOUNT_SOARING",
    "GLOBAL_PRICE_DIFFERENCES",
    "CONCENTRATION_OF_SMALL_ACCOUNTS",
)


def wallet_row(asset: str, wallets: Wallets, now_ms: int) -> dict[str, object]:
    network = {"USDT": "TRX"}.get(asset, asset)
    return {
        "currency": asset,
        "wallet_state": wallets.of(asset, network).korean,
        "block_state": "normal",
        "block_height": now_ms // 600_000,
        "block_updated_at": kst(now_ms - now_ms % 600_000),
        "block_elapsed_minutes": (now_ms % 600_000) // 60_000,
        "net_type": network,
        "network_name": {"USDT": "Tron", "BTC": "Bitcoin", "ETH": "Ethereum"}.get(asset, asset),
    }


def market_event(warnings: Collection[str]) -> dict[str, object]:
    """`WARNING` is the stronger kind, every other one a caution by its name."""
    caution = {kind: kind in warnings for kind in _CAUTIONS}
    return {"warning": "WARNING" in warnings, "caution": caution}


def order_uuid(number: int) -> str:
    return f"{number:08x}-9e0a-4c1f-8a3d-{number * 2654435761 % 2**48:012x}"


def order_number(uuid: str) -> int:
    """Raises Refused for what was never an order's id."""
    try:
        number = int(uuid.split("-")[0], 16)
    except ValueError:
        number = -1
    if number < 0 or order_uuid(number) != uuid:
        raise Refused(Reason.UNKNOWN_ORDER, uuid)
    return number


def order_row(order: Order, *, accepted: bool = False) -> dict[str, object]:
    """An order as the venue shows it; `accepted`: as in the answer to its placement, before it met the book."""
    filled, funds, fee = (ZERO, ZERO, ZERO) if accepted else (order.filled, order.funds, order.fee)
    volume = None if order.qty is None else plain(order.qty)
    row: dict[str, object] = {
        "uuid": order_uuid(order.id),
        "side": order.side.value,
        "ord_type": _type_name(order),
        "price": plain(order.budget) if order.budget is not None else order.price and plain(order.price),
        "state": "wait" if accepted else _state_name(order),
        "market": order.symbol,
        "created_at": kst(order.created_ms),
        "volume": volume,
        "remaining_volume": None if order.qty is None else plain(order.qty - filled),
        "prevented_volume": plain(order.prevented),
        "reserved_fee": "0",
        "remaining_fee": "0",
        "paid_fee": plain(fee),
        "locked": plain(order.held),
        "executed_volume": plain(filled),
        "executed_funds": plain(funds),
        "trades_count": 0 if accepted else len(order.fills),
    }
    if order.tif is not Tif.GTC:
        row["time_in_force"] = order.tif.value
    if order.client_id:
        row["identifier"] = order.client_id
    return row


def trade_rows(order: Order) -> list[dict[str, object]]:
    return [
        {
            "market": order.symbol,
            "uuid": f"{fill.id:08x}-71d2-4d3a-9b60-{order.id:012x}",
            "price": plain(fill.price),
            "volume": plain(fill.qty),
            "funds": plain(fill.price * fill.qty),
            "trend": "up" if order.side is Side.BUY else "down",
            "side": order.side.value,
            "created_at": kst(fill.at_ms),
        }
        for fill in order.fills
    ]


def _type_name(order: Order) -> str:
    return "price" if order.kind is Kind.BUDGET else order.kind.value


def _state_name(order: Order) -> str:
    if order.state is State.OPEN:
        return "wait"
    if order.end is End.SELF_TRADE:
        return "prevented"
    # A market buy that leaves some of its money over ends as `cancel`, trades or not.
    left_over = order.budget is not None and order.funds < order.budget
    return "cancel" if order.state is State.CANCELLED or left_over else "done"


def wish(account: str, body: Mapping[str, object]) -> OrderRequest:
    """Raises Malformed."""
    side = choice(body, "side", {"bid": Side.BUY, "ask": Side.SELL})
    kind = choice(
        body, "ord_type", {"limit": Kind.LIMIT, "price": Kind.BUDGET, "market": Kind.MARKET, "best": Kind.BEST}
    )
    by_money = kind is Kind.BUDGET or (kind is Kind.BEST and side is Side.BUY)
    if kind in (Kind.BUDGET, Kind.MARKET) and (kind is Kind.BUDGET) != (side is Side.BUY):
        raise Malformed("ord_type")
    tif = choice(body, "time_in_force", {"ioc": Tif.IOC, "fok": Tif.FOK, "post_only": Tif.POST_ONLY, "": Tif.GTC})
    if (tif is Tif.GTC and kind is Kind.BEST) or (tif is Tif.POST_ONLY and kind is not Kind.LIMIT):
        raise Malformed("time_in_force")
    stp = _STP.get(str(body.get("smp_type", "")))
    if tif is Tif.POST_ONLY and stp is not None:
        raise Malformed("smp_type")
    return OrderRequest(
        account=account,
        symbol=str(body.get("market", "")),
        side=side,
        kind=kind,
        tif=tif,
        price=number(body, "price") if kind is Kind.LIMIT else None,
        budget=number(body, "price") if by_money else None,
        qty=None if by_money else number(body, "volume"),
        client_id=str(body.get("identifier") or ""),
        stp=stp,
    )


def choice(body: Mapping[str, object], name: str, choices: Mapping[str, T]) -> T:
    """Raises Malformed."""
    found = choices.get(str(body.get(name) or ""))
    if found is None:
        raise Malformed(name)
    return found


def number(body: Mapping[str, object], name: str) -> Decimal:
    """Raises Malformed."""
    try:
        value = Decimal(str(body[name]))
    except (KeyError, InvalidOperation) as error:
        raise Malformed(name) from error
    if not value.is_finite() or value <= 0:
        raise Malformed(name)
    return value


def account_rows(statements: Statements, account: str) -> list[dict[str, object]]:
    return [
        {
            "currency": asset,
            "balance": plain(balance.free),
            "locked": plain(balance.held),
            "avg_buy_price": "0",
            "avg_buy_price_modified": True,
            "unit_currency": "KRW",
        }
        for asset, balance in statements.balances(account).items()
        if balance.total
    ]


def chance_row(venue: VenueRules, rules: MarketRules, accounts: list[dict[str, object]]) -> dict[str, object]:
    """Fees, minimum and balances of one market: the venue's authority on them."""
    fee, maker = plain(venue.taker_fee), plain(venue.maker_fee)
    rows = {str(row["currency"]): row for row in accounts}
    empty: dict[str, object] = {"balance": "0", "locked": "0", "avg_buy_price": "0", "avg_buy_price_modified": False}
    types = ["best_fok", "best_ioc", "limit", "limit_fok", "limit_ioc"]
    return {
        "bid_fee": fee,
        "ask_fee": fee,
        "maker_bid_fee": maker,
        "maker_ask_fee": maker,
        "market": {
            "id": rules.symbol,
            "name": f"{rules.base}/{rules.quote}",
            "order_types": [],
            "order_sides": ["ask", "bid"],
            "bid_types": [*types, "price"],
            "ask_types": [*types, "market"],
            "bid": {"currency": rules.quote, "min_total": plain(rules.min_notional)},
            "ask": {"currency": rules.base, "min_total": plain(rules.min_notional)},
            "max_total": plain(rules.max_notional),
            "state": "active",
        },
        "bid_account": rows.get(rules.quote, empty | {"currency": rules.quote, "unit_currency": rules.quote}),
        "ask_account": rows.get(rules.base, empty | {"currency": rules.base, "unit_currency": rules.quote}),
    }
