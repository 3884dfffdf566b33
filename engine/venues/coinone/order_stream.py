"""Coinone's private socket, MYORDER: signed headers with the handshake. Source: docs.coinone.co.kr, Private WebSocket.

Each frame tells one event; how much was filled follows from the size that the first one named.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation

import msgspec
from msgspec import Struct

from engine.domain.errors import BadFrame
from engine.domain.market import FeeSide
from engine.domain.order import OrderReport, OrderStatus, Side
from engine.net.ws import Heartbeat
from engine.venues.coinone.signing import payload, signature
from engine.venues.fill_sums import FillSums
from engine.venues.jwt import nonces
from engine.venues.order_stream import Ready, Refused, Said, figure
from engine.venues.protocol import OrderTold
from engine.venues.settings import Key, OrderSettings

_CHANNEL = "MYORDER"
_MOST_ORDERS = 1_000
_STATUS = {
    "wait": OrderStatus.OPEN,
    "watch": OrderStatus.OPEN,
    "not_triggered": OrderStatus.OPEN,
    "trade": OrderStatus.OPEN,
    "trade_done": OrderStatus.FILLED,
    "cancel": OrderStatus.CANCELLED,
    "cancel_post_only": OrderStatus.CANCELLED,
}

_BEGUN = ("wait", "watch", "not_triggered")  # nothing of it has traded


class _Order(Struct):
    quote_currency: str
    target_currency: str
    order_id: str
    status: str
    side: str
    order_qty: str | None = None
    trade_id: str | None = None
    executed_price: str | None = None
    executed_qty: str | None = None  # of a cancel: what was taken back
    executed_fee: str | None = None
    remain_qty: str | None = None
    user_order_id: str | None = None


class _Frame(Struct):
    response_type: str = ""
    channel: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"")


_frame = msgspec.json.Decoder(_Frame)
_order = msgspec.json.Decoder(_Order)


class CoinoneStreamDialect:
    venue = "coinone"
    heartbeat = Heartbeat(every_ms=20_000, idle_ms=2_000, text=b'{"request_type":"PING"}', pong=b"PONG")
    acknowledges = True

    def __init__(
        self, config: OrderSettings, credential: Key, secret: Callable[[], str], wall_ms: Callable[[], int]
    ) -> None:
        """`secret` as it signs: the venue may want it in upper case."""
        self._base = config.order_ws_base or config.ws_base
        self._key = credential.key
        self._secret = secret
        self._wall_ms = wall_ms
        self._symbols = tuple(config.symbols)
        self._in_base = config.fee_side is FeeSide.RECEIVED
        self._nonces = nonces()
        self._fills = FillSums()
        self._sizes: OrderedDict[str, Decimal] = OrderedDict()  # of orders whose beginning was heard

    def url(self) -> str:
        return f"{self._base.rstrip('/')}/v1/private"

    def headers(self) -> Mapping[str, str]:
        fields = {"access_token": self._key, "nonce": next(self._nonces), "timestamp": self._wall_ms()}
        signed = payload(fields)
        return {
            "X-COINONE-PAYLOAD": signed.decode(),
            "X-COINONE-SIGNATURE": signature(self._secret().encode(), signed),
        }

    def hello(self) -> Sequence[bytes]:
        pairs = [symbol.split("-", 1) for symbol in self._symbols]
        topics = [{"quote_currency": quote, "target_currency": target} for quote, target in pairs]
        return [msgspec.json.encode({"request_type": "SUBSCRIBE", "channel": _CHANNEL, "topic": topics})]

    def read(self, frame: bytes) -> Sequence[Said]:
        try:
            wire = _frame.decode(frame)
            if wire.response_type == "ERROR":
                return (Refused(frame.decode("utf-8", "replace")[:200]),)
            if wire.channel != _CHANNEL:
                return ()
            if wire.response_type == "SUBSCRIBED":
                return (Ready(),)
            return (self._report(_order.decode(wire.data)),) if wire.response_type == "DATA" else ()
        except (msgspec.MsgspecError, ValueError, InvalidOperation, RecursionError) as error:
            raise BadFrame(f"coinone order stream: {error}") from error

    def _report(self, row: _Order) -> OrderTold:
        """Raises InvalidOperation, ValueError for what is no number or no status."""
        if row.status not in _STATUS:
            raise ValueError(f"no such status: {row.status!r}")
        status, told_qty = _STATUS[row.status], figure(row.executed_qty)
        side = Side.BUY if row.side == "BID" else Side.SELL
        if row.status in _BEGUN and row.order_qty:
            self._sizes[row.order_id] = figure(row.order_qty)
            if len(self._sizes) > _MOST_ORDERS:
                self._sizes.popitem(last=False)
        if row.trade_id:
            fee_asset = row.target_currency if self._in_base and side is Side.BUY else row.quote_currency
            quote = told_qty * figure(row.executed_price)
            self._fills.add(row.order_id, row.trade_id, told_qty, quote, fee_asset.upper(), figure(row.executed_fee))
        heard, size = self._fills.of(row.order_id), self._sizes.get(row.order_id)
        report = OrderReport(
            cid=row.user_order_id or "",
            venue=self.venue,
            symbol=f"{row.quote_currency}-{row.target_currency}".upper(),
            side=side,
            status=status,
            venue_order_id=row.order_id,
            filled_qty=heard.qty,
            filled_quote=heard.quote,
            fees=tuple(fee for fee in heard.fees if fee.amount),
        )
        return OrderTold(report=report, is_whole=size is not None and self._is_whole(row, heard.qty, size, told_qty))

    def _is_whole(self, row: _Order, heard: Decimal, size: Decimal, told_qty: Decimal) -> bool:
        """Nothing was missed: the fills heard are all that there can be."""
        if row.status in _BEGUN:
            return not heard
        if row.status == "trade_done":
            return heard == size
        if row.status == "trade":
            return row.remain_qty is not None and heard == size - figure(row.remain_qty)
        return heard == size - told_qty
