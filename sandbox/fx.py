"""Three USD/KRW sources of different shape, all telling the tape's rate, with faults of their own."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from aiohttp import web
from msgspec import Struct, field

from sandbox.venues.spelling import KST, json_bytes, utc_parts

_NAMES: tuple[Literal["frankfurter", "dunamu", "koreaexim"], ...] = ("frankfurter", "dunamu", "koreaexim")


class FxFault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one source misbehaves until told otherwise; the default is health."""

    source: Literal["frankfurter", "dunamu", "koreaexim"]
    outage: bool = False
    frozen: bool = False  # keeps the rate and the time of this moment
    off_percent: Decimal = Decimal(0)


class _Source(Struct):
    fault: FxFault
    frozen_rate: Decimal = Decimal(0)
    frozen_ms: int = 0
    answered: int = field(default=0)


class FxSources:
    def __init__(self, clock: Callable[[], int], rate: Decimal) -> None:
        self._clock = clock
        self.rate = rate
        self._open = rate
        self._high = self._low = rate
        self._sources = {name: _Source(FxFault(source=name)) for name in _NAMES}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/latest", self._frankfurter),
            web.get("/v1/{day:\\d{4}-\\d{2}-\\d{2}}", self._frankfurter),
            web.get("/v1/forex/recent", self._dunamu),
            web.get("/site/program/financial/exchangeJSON", self._koreaexim),
        ]

    def show(self, rate: Decimal) -> None:
        self.rate = rate
        self._high, self._low = max(self._high, rate), min(self._low, rate)

    def break_source(self, fault: FxFault) -> None:
        source = self._sources[fault.source]
        source.fault = fault
        source.frozen_rate, source.frozen_ms = self.rate, self._clock()

    def report(self) -> dict[str, object]:
        return {
            "usdkrw": str(self.rate),
            "answered": {name: source.answered for name, source in self._sources.items()},
        }

    def _tell(self, name: Literal["frankfurter", "dunamu", "koreaexim"]) -> tuple[Decimal, int]:
        """Rate and time of the source."""
        source = self._sources[name]
        if source.fault.outage:
            raise web.HTTPServiceUnavailable(text="<html><body>503</body></html>", content_type="text/html")
        source.answered += 1
        rate, at_ms = (source.frozen_rate, source.frozen_ms) if source.fault.frozen else (self.rate, self._clock())
        return rate * (1 + source.fault.off_percent / 100), at_ms

    async def _frankfurter(self, request: web.Request) -> web.Response:
        """`?base=USD&symbols=KRW` -> one rate per working day."""
        rate, at_ms = self._tell("frankfurter")
        if request.query.get("base", "EUR") != "USD" or "KRW" not in request.query.get("symbols", "KRW").split(","):
            return web.json_response({"message": "not found"}, status=404)
        day = _working_day(datetime.fromtimestamp(at_ms / 1000, UTC).date())
        rates = {"KRW": rate.quantize(Decimal("0.01"))}
        return _json({"amount": Decimal("1.0"), "base": "USD", "date": day.isoformat(), "rates": rates})

    async def _koreaexim(self, request: web.Request) -> web.Response:
        """`?authkey=…&searchdate=20261121&data=AP01`: text with commas; result 3 for a missing key."""
        rate, _ = self._tell("koreaexim")
        if not request.query.get("authkey") or request.query.get("data") != "AP01":
            return _json([{"result": 3}])
        text = f"{rate.quantize(Decimal('0.1')):,}"
        row = {"result": 1, "cur_unit": "USD", "cur_nm": "미국 달러", "deal_bas_r": text, "bkpr": text}
        return _json([row])

    async def _dunamu(self, request: web.Request) -> web.Response:
        """`?codes=FRX.KRWUSD` -> the bank's quotation, Korean time, trailing zeros."""
        rate, at_ms = self._tell("dunamu")
        if request.query.get("codes") != "FRX.KRWUSD":
            return _json([])
        day, time = utc_parts(at_ms, KST)
        change = rate - self._open
        cents = Decimal("0.01")
        stamp = datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
        return _json(
            [
                {
                    "code": "FRX.KRWUSD",
                    "currencyCode": "USD",
                    "currencyName": "달러",
                    "country": "미국",
                    "name": "미국 (KRW/USD)",
                    "date": day,
                    "time": time,
                    "recurrenceCount": at_ms // 1000 % 1000,
                    "basePrice": rate.quantize(cents),
                    "openingPrice": self._open.quantize(cents),
                    "highPrice": self._high.quantize(cents),
                    "lowPrice": self._low.quantize(cents),
                    "change": "RISE" if change > 0 else "FALL" if change < 0 else "EVEN",
                    "changePrice": abs(change).quantize(cents),
                    "cashBuyingPrice": (rate * Decimal("1.0175")).quantize(cents),
                    "cashSellingPrice": (rate * Decimal("0.9825")).quantize(cents),
                    "ttBuyingPrice": (rate * Decimal("0.99")).quantize(cents),
                    "ttSellingPrice": (rate * Decimal("1.01")).quantize(cents),
                    "tcBuyingPrice": None,
                    "fcSellingPrice": None,
                    "usDollarRate": Decimal("1.0000"),
                    "currencyUnit": 1,
                    "provider": "하나은행",
                    "timestamp": at_ms,
                    "id": 79,
                    "createdAt": "2016-10-21T06:13:34.000+0000",
                    "modifiedAt": stamp,
                    "signedChangePrice": change.quantize(cents),
                }
            ]
        )


def _working_day(day: date) -> date:
    """The day itself, or the Friday before a weekend."""
    return day - timedelta(days=max(0, day.weekday() - 4))


def _json(answer: object) -> web.Response:
    return web.Response(body=json_bytes(answer), content_type="application/json")
