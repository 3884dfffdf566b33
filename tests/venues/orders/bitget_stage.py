"""What Bitget says about stops in either product, for a scripted server."""

from decimal import Decimal as D

from engine.domain.market import FeeSide
from engine.domain.order import OrderKind, Side, TimeInForce
from engine.venues.bitget.futures import BitgetFuturesOrders
from engine.venues.bitget.orders import BitgetOrders
from engine.venues.verdict import Budgets
from tests.venues.orders.stage import CID, CREDENTIAL, Open, Say, config, order

BTC, PLAN_ID, MADE_ID = "BTCUSDT", "1111503385931620352", "1111503399000000001"


def yes(data):
    return Say({"code": "00000", "msg": "success", "data": data})


def no(code, text="no", status=400):
    return Say({"code": code, "msg": text, "data": None}, status)


class Spot:
    kind, name = BitgetOrders, "bitget"
    place, cancel = "POST /api/v2/spot/trade/place-plan-order", "POST /api/v2/spot/trade/cancel-plan-order"
    waiting, ended = "GET /api/v2/spot/trade/current-plan-order", "GET /api/v2/spot/trade/history-plan-order"
    made, named = "GET /api/v2/spot/trade/orderInfo", "GET /api/v2/spot/trade/plan-sub-order"
    orders_ended, resting = "GET /api/v2/spot/trade/history-orders", "GET /api/v2/spot/trade/unfilled-orders"
    fills, cancel_made = "GET /api/v2/spot/trade/fills", "POST /api/v2/spot/trade/cancel-order"
    ticker = "GET /api/v2/spot/market/tickers"
    nothing, cancelled, refused = yes([]), yes({"result": "success"}), no("43026", "The planned order has been closed")
    body = {
        "symbol": BTC,
        "side": "sell",
        "orderType": "limit",
        "size": "0.0150",
        "triggerPrice": "61000.50",
        "triggerType": "fill_price",
        "clientOid": CID,
        "planType": "amount",
        "executePrice": "60000.10",
    }
    taken_back = {"clientOid": CID}
    made_cancelled = {"symbol": BTC, "orderId": MADE_ID}

    @staticmethod
    def plans(*rows):
        return yes({"nextFlag": len(rows) == 100, "orderList": rows})

    @staticmethod
    def plan(word, **over):
        row = {"orderId": PLAN_ID, "clientOid": CID, "symbol": BTC, "side": "sell", "status": word, "uTime": "1700"}
        return row | {"triggerPrice": "61000.50"} | over

    @staticmethod
    def orders(*rows):
        return yes(list(rows))

    @staticmethod
    def order(word, filled, **over):
        ids = {
            "symbol": BTC,
            "orderId": MADE_ID,
            "clientOid": PLAN_ID,
            "side": "sell",
            "uTime": "1800",
            "cTime": "1799",
        }
        return ids | {"status": word, "baseVolume": filled, "quoteVolume": "600"} | over

    told = orders
    filled = yes([{"tradeId": "7", "size": "0.01", "feeDetail": {"feeCoin": "USDT", "totalFee": "-0.6"}}])


class Mix:
    kind, name = BitgetFuturesOrders, "bitget_futures"
    place, cancel = "POST /api/v2/mix/order/place-plan-order", "POST /api/v2/mix/order/cancel-plan-order"
    waiting, ended = "GET /api/v2/mix/order/orders-plan-pending", "GET /api/v2/mix/order/orders-plan-history"
    made, named = "GET /api/v2/mix/order/detail", ""
    orders_ended, resting = "GET /api/v2/mix/order/orders-history", "GET /api/v2/mix/order/orders-pending"
    fills, cancel_made = "GET /api/v2/mix/order/fills", "POST /api/v2/mix/order/cancel-order"
    ticker = "GET /api/v2/mix/market/ticker"
    nothing = no("40109", "The data of the order cannot be found")
    cancelled = yes({"successList": [{"orderId": PLAN_ID, "clientOid": CID}], "failureList": []})
    refused = yes({"successList": [], "failureList": [{"orderId": "", "clientOid": CID, "errorMsg": "notExistend"}]})
    product = {"productType": "USDT-FUTURES"}
    body = {
        "productType": "USDT-FUTURES",
        "symbol": BTC,
        "side": "sell",
        "orderType": "limit",
        "size": "0.0150",
        "triggerPrice": "61000.50",
        "triggerType": "fill_price",
        "clientOid": CID,
        "planType": "normal_plan",
        "price": "60000.10",
        "marginMode": "crossed",
        "marginCoin": "USDT",
    }
    taken_back = product | {
        "symbol": BTC,
        "marginCoin": "USDT",
        "planType": "normal_plan",
        "orderIdList": [{"clientOid": CID}],
    }
    made_cancelled = product | {"symbol": BTC, "marginCoin": "USDT", "orderId": MADE_ID}

    @staticmethod
    def plans(*rows):
        return yes({"entrustedList": list(rows) or None})

    @staticmethod
    def plan(word, **over):
        ids = {"orderId": PLAN_ID, "clientOid": CID, "symbol": BTC, "side": "sell", "planType": "normal_plan"}
        ids |= {"triggerPrice": "61000.50"}
        made = {"executeOrderId": MADE_ID} if word == "executed" else {}
        return ids | {"planStatus": word, "uTime": "1700"} | made | over

    @staticmethod
    def orders(*rows):
        return yes({"entrustedList": list(rows) or None})

    @staticmethod
    def order(word, filled, **over):
        ids = {
            "symbol": BTC,
            "orderId": MADE_ID,
            "clientOid": PLAN_ID,
            "side": "sell",
            "uTime": "1800",
            "cTime": "1799",
        }
        return ids | {"status": {"cancelled": "canceled"}.get(word, word), "baseVolume": filled} | over

    @staticmethod
    def told(row):
        return yes(row)

    filled = yes(
        {
            "fillList": [
                {
                    "tradeId": "7",
                    "price": "60000",
                    "baseVolume": "0.01",
                    "feeDetail": [{"feeCoin": "USDT", "totalFee": "-0.6"}],
                }
            ]
        }
    )


def client(play, venue):
    settings = config(play.base, symbols=(BTC,), fee_side=FeeSide.QUOTE, min_notional=D(1), ticks=())
    return venue.kind(settings, CREDENTIAL, Budgets(Open(), Open()))


def stop(venue, **over):
    values = {"qty": D("0.0150"), "price": D("60000.10"), "stop_price": D("61000.50"), "side": Side.SELL}
    return order(venue.name, BTC, TimeInForce.GTC, kind=OrderKind.STOP_LOSS, **(values | over))


def asked(play):
    return [f"{heard.method} {heard.path}" for heard in play.heard]


def last_price(price):
    return yes([{"symbol": BTC, "lastPr": price}])


AHEAD, THERE = last_price("61000.51"), last_price("61000.50")
