"""ccxt as the client of every venue server: markets, books, orders, balances, fees and each kind of no."""

from decimal import Decimal

import ccxt  # type: ignore[import-untyped]
import pytest

from tests.sandbox_venues.conftest import SYMBOLS, client

VENUES = list(SYMBOLS)
BY_CLIENT_ID = {"upbit": "identifier", "bithumb": "clientOrderId", "binance": "origClientOrderId", "okx": "clOrdId"}
QTY = 0.01


async def place(exchange, venue, side, price, *, qty=QTY, cid="", tif=None, symbol=None, **params):
    if cid:
        params["clientOrderId"] = cid
    if tif:
        params["timeInForce"] = tif
    return await exchange.create_order(symbol or SYMBOLS[venue], "limit", side, qty, price, params)


async def look_up(exchange, venue, placed, cid):
    """By the client's id alone."""
    params = {BY_CLIENT_ID[venue]: cid}
    if venue == "upbit":
        return exchange.parse_order(await exchange.private_get_order({"identifier": cid}))
    return await exchange.fetch_order(None, SYMBOLS[venue], params)


def total(balance, asset) -> Decimal:
    return Decimal(str(balance["total"].get(asset, 0)))


@pytest.mark.parametrize("venue", VENUES)
async def test_markets_and_book(clients, venue):
    exchange = clients[venue]
    quote = SYMBOLS[venue].split("/")[1]
    assert {f"{base}/{quote}" for base in ("BTC", "ETH", "XRP")} <= set(exchange.markets)
    book = await exchange.fetch_order_book(SYMBOLS[venue], 30)
    assert book["bids"][0][0] < book["asks"][0][0]
    assert book["bids"] == sorted(book["bids"], reverse=True)
    assert book["asks"] == sorted(book["asks"])


@pytest.mark.parametrize("venue", VENUES)
async def test_ioc_buy_fills_and_the_balances_agree(clients, world, venue):
    exchange, cid = clients[venue], "a1b2c3d4e5f6g7h2"
    base, quote = SYMBOLS[venue].split("/")
    before = await exchange.fetch_balance()
    book = await exchange.fetch_order_book(SYMBOLS[venue], 30)
    placed = await place(exchange, venue, "buy", book["asks"][8][0], cid=cid, tif="IOC")
    order = await look_up(exchange, venue, placed, cid)
    assert order["status"] == "closed"
    assert order["clientOrderId"] == cid
    truth = world.floors[venue].exchange.find("trader", client_id=cid)
    assert truth.filled == Decimal(str(QTY))
    after = await exchange.fetch_balance()
    fee_in_base = truth.fee_asset == base
    assert total(after, base) - total(before, base) == truth.filled - (truth.fee if fee_in_base else 0)
    paid = total(before, quote) - total(after, quote)
    assert abs(paid - truth.funds - (0 if fee_in_base else truth.fee)) < Decimal("0.00001")


@pytest.mark.parametrize("venue", VENUES)
async def test_a_resting_order_is_open_then_cancelled(clients, venue):
    exchange, cid = clients[venue], "rest000000000001"
    book = await exchange.fetch_order_book(SYMBOLS[venue], 30)
    placed = await place(exchange, venue, "buy", book["bids"][-1][0], cid=cid)
    quote = SYMBOLS[venue].split("/")[1]
    assert Decimal(str((await exchange.fetch_balance())["used"][quote])) > 0
    mine = await exchange.fetch_open_orders(SYMBOLS[venue])
    assert [order["clientOrderId"] for order in mine] == [cid]
    await exchange.cancel_order(placed["id"], SYMBOLS[venue])
    assert await exchange.fetch_open_orders(SYMBOLS[venue]) == []
    assert (await look_up(exchange, venue, placed, cid))["status"] == "canceled"
    assert Decimal(str((await exchange.fetch_balance())["used"][quote])) == 0
    with pytest.raises(ccxt.OrderNotFound if venue != "bithumb" else ccxt.ExchangeError):
        await exchange.cancel_order(placed["id"], SYMBOLS[venue])


@pytest.mark.parametrize("venue", VENUES)
async def test_post_only_that_would_take_never_trades(clients, world, venue):
    exchange = clients[venue]
    book = await exchange.fetch_order_book(SYMBOLS[venue], 30)
    if venue == "binance":
        with pytest.raises(ccxt.OrderImmediatelyFillable):
            await place(exchange, venue, "buy", book["asks"][9][0], postOnly=True)
        return
    await place(exchange, venue, "buy", book["asks"][9][0], cid="post000000000001", postOnly=True)
    order = world.floors[venue].exchange.find("trader", client_id="post000000000001")
    assert (order.state.value, order.filled) == ("cancelled", 0)


@pytest.mark.parametrize("venue", VENUES)
async def test_fok_is_all_or_nothing(clients, world, venue):
    exchange = clients[venue]
    book = await exchange.fetch_order_book(SYMBOLS[venue], 30)
    await place(exchange, venue, "sell", book["asks"][-1][0], cid="fok0000000000001", tif="FOK")
    await place(exchange, venue, "sell", book["bids"][-1][0], qty=0.35, cid="fok0000000000002", tif="FOK")
    orders = [world.floors[venue].exchange.find("trader", client_id=f"fok000000000000{i}") for i in (1, 2)]
    assert [(order.state.value, order.filled) for order in orders] == [("cancelled", 0), ("filled", Decimal("0.35"))]


@pytest.mark.parametrize("venue", VENUES)
async def test_fee_is_told_per_account(clients, world, venue):
    if venue == "bithumb":
        chance = await clients[venue].private_get_v1_orders_chance({"market": "KRW-BTC"})
        assert Decimal(chance["bid_fee"]) == world.floors[venue].rules.taker_fee
        return
    fee = await clients[venue].fetch_trading_fee(SYMBOLS[venue])
    assert Decimal(str(fee["taker"])) == world.floors[venue].rules.taker_fee


REFUSALS = [  # why, venue, (price, qty), error
    ("bad tick", "upbit", ("94000500", "0.01"), ccxt.ExchangeError),
    ("under the minimum", "upbit", ("94000000", "0.00001"), ccxt.ExchangeError),
    ("under the minimum", "bithumb", ("94000000", "0.00001"), ccxt.ExchangeError),
    ("under the minimum", "binance", ("60000", "0.00005"), ccxt.ExchangeError),
    ("under the minimum", "okx", ("60000", "0.000001"), ccxt.InvalidOrder),
    ("too little money", "upbit", ("94000000", "3"), ccxt.InsufficientFunds),
    ("too little money", "bithumb", ("94000000", "3"), ccxt.ExchangeError),
    ("too little money", "binance", ("60000", "3"), ccxt.InsufficientFunds),
    ("too little money", "okx", ("60000", "3"), ccxt.InsufficientFunds),
]


@pytest.mark.parametrize("why, venue, numbers, error", REFUSALS, ids=[f"{r[1]}: {r[0]}" for r in REFUSALS])
async def test_refusals_reach_ccxt(clients, world, why, venue, numbers, error):
    price, qty = map(float, numbers)
    with pytest.raises(error):
        await place(clients[venue], venue, "buy", price, qty=qty)
    assert not world.floors[venue].exchange.orders


async def test_binance_filters_are_named(clients):
    for query, name in (({"price": "60000.001"}, "PRICE_FILTER"), ({"quantity": "0.000015"}, "LOT_SIZE")):
        request = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "60000"}
        with pytest.raises(ccxt.InvalidOrder, match=name):
            await clients["binance"].private_post_order(request | {"quantity": "0.001"} | query)


async def test_bithumb_names_a_bad_tick(clients):
    order = {"market": "KRW-BTC", "side": "bid", "order_type": "limit", "price": "94000500", "volume": "0.01"}
    with pytest.raises(ccxt.ExchangeError, match="주문가격 단위"):
        await clients["bithumb"].private_post_v2_orders(order)


async def test_client_id_rules_differ(clients, world):
    async def twice(venue):
        """The same id on two orders that rest far below."""
        book = await clients[venue].fetch_order_book(SYMBOLS[venue], 30)
        first = await place(clients[venue], venue, "buy", book["bids"][-1][0], cid="same000000000001")
        return first, place(clients[venue], venue, "buy", book["bids"][-2][0], cid="same000000000001")

    _, again = await twice("okx")
    with pytest.raises(ccxt.InvalidOrder, match="51016"):
        await again
    first, again = await twice("bithumb")
    assert (await again)["id"] == first["id"]
    first, again = await twice("binance")
    with pytest.raises(ccxt.InvalidOrder, match="Duplicate order sent"):
        await again
    await clients["binance"].cancel_order(first["id"], "BTC/USDT")
    assert (await place(clients["binance"], "binance", "buy", 50_000, cid="same000000000001"))["id"] != first["id"]


async def test_upbit_burns_the_id_of_a_failed_request(clients):
    with pytest.raises(ccxt.InsufficientFunds):
        await place(clients["upbit"], "upbit", "buy", 94_000_000, qty=3, cid="burnt00000000001")
    with pytest.raises(ccxt.ExchangeError, match="identifier"):
        await place(clients["upbit"], "upbit", "buy", 90_000_000, cid="burnt00000000001")


@pytest.mark.parametrize("venue", VENUES)
async def test_a_wrong_secret_is_denied(world, venue):
    exchange = client(world, venue, secret="not the secret")
    try:
        exchange.markets = {}  # no public call first: the denial must come from the signature
        ask = {"upbit": "private_get_accounts", "bithumb": "private_get_v1_accounts", "binance": "private_get_account"}
        error = ccxt.ExchangeError if venue == "bithumb" else ccxt.AuthenticationError
        with pytest.raises(error):
            await getattr(exchange, ask.get(venue, "private_get_account_balance"))()
    finally:
        await exchange.close()


async def test_binance_recv_window_expires(clients):
    clients["binance"].nonce = lambda: clients["binance"].milliseconds() - 6_000
    with pytest.raises(ccxt.InvalidNonce):
        await clients["binance"].private_get_account({"recvWindow": 5000})


async def test_okx_request_past_its_expiry_is_not_executed(clients, world):
    clients["okx"].headers = {"expTime": "1000"}
    with pytest.raises(ccxt.ExchangeError, match="51149"):
        await place(clients["okx"], "okx", "buy", 50_000)
    assert not world.floors["okx"].exchange.orders


async def test_market_orders(clients, world):
    upbit = await clients["upbit"].create_order("BTC/KRW", "market", "buy", 1, 100_000)
    order = world.floors["upbit"].exchange.orders[1]
    assert upbit["id"].startswith("00000001") and Decimal(99_990) < order.funds <= 100_000
    await clients["upbit"].create_order("BTC/KRW", "market", "sell", 0.001)
    assert world.floors["upbit"].exchange.orders[2].filled == Decimal("0.001")
    bought = await clients["binance"].create_order("BTC/USDT", "market", "buy", 0, None, {"cost": 100})
    assert bought["status"] == "closed" and 90 < bought["cost"] <= 100
    await clients["okx"].create_order("BTC/USDT", "market", "sell", 0.001)
    assert world.floors["okx"].exchange.orders[1].filled == Decimal("0.001")


async def test_rate_limits_are_told_and_then_punished(clients):
    upbit = clients["upbit"]
    await upbit.public_get_orderbook({"markets": "KRW-BTC"})
    assert "group=orderbook" in upbit.last_response_headers["Remaining-Req"]
    with pytest.raises(ccxt.RateLimitExceeded):
        for _ in range(25):
            await upbit.public_get_orderbook({"markets": "KRW-BTC"})
    with pytest.raises(ccxt.ExchangeError, match=r"418|blocked"):
        for _ in range(40):
            try:
                await upbit.public_get_orderbook({"markets": "KRW-BTC"})
            except ccxt.RateLimitExceeded:
                continue
    await clients["binance"].fetch_time()
    assert int(clients["binance"].last_response_headers["X-MBX-USED-WEIGHT-1M"]) > 0
