"""What the venues share of ccxt: signing, one HTTP request per call, and its errors read as ours.

Of ccxt only the raw endpoints are used: its unified methods fetch metadata, pass prices through floats and may send a
second request. A placement here is one POST with the texts that the caller gave.
"""

import asyncio
import logging
import re
import socket
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from types import SimpleNamespace
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import aiohttp
import ccxt.async_support as ccxt  # type: ignore[import-untyped]
import msgspec

from engine.domain.errors import OrderNotFound, OutcomeUnknown, PremiaError, RateLimited, VenueRefused, VenueUnavailable
from engine.domain.order import LegRole, OrderRequest
from engine.net.outcome import NotSent, NoVerdict
from engine.net.tls import trusted
from engine.venues.departure import check, left
from engine.venues.line import Line
from engine.venues.purse import Purpose, Purse
from engine.venues.verdict import Answer, Budgets, Dialect, exact_json

T = TypeVar("T")

_KEEP_ALIVE_S = 30  # a warm connection between two reconciliations; every venue's front holds an idle one longer
_TITLE = re.compile(r"<title[^>]*>([^<]+)</title>", re.IGNORECASE)
_LONGEST_BAN_S = 3 * 86_400.0  # Binance's longest; a larger figure in an answer is nonsense


def wall_ms() -> int:
    """Our wall clock, UTC: for the venues' own clocks only, never for an age."""
    return time.time_ns() // 1_000_000


def plain(value: Decimal) -> str:
    """Digits without exponent: what every venue reads the same way."""
    return f"{value:f}"


class Hooked:
    """Goes before a ccxt class: its answers are exact, and its error hook asks the client first."""

    on_json_response = staticmethod(exact_json)
    judge: Callable[[Answer, Callable[[], None]], None]

    def handle_errors(
        self,
        status: int,
        reason: str,
        url: str,
        method: str,
        headers: Mapping[str, str],
        text: str,
        body: Any,
        request_headers: Any,
        request_body: Any,
    ) -> None:
        inherited: Any = super()
        answer = Answer(status, {name.lower(): value for name, value in headers.items()}, body, text)
        self.judge(
            answer,
            lambda: inherited.handle_errors(
                status, reason, url, method, headers, text, body, request_headers, request_body
            ),
        )


def options(key: str, secret: str, timeout_ms: int, passphrase: str = "") -> dict[str, Any]:
    """Settings of a ccxt class: our rate budgets instead of its throttle, nothing sent twice."""
    settings: dict[str, Any] = {
        "apiKey": key,
        "secret": secret,
        "timeout": timeout_ms,
        "enableRateLimit": False,
        "options": {"maxRetriesOnFailure": 0},
    }
    if passphrase:
        settings["password"] = passphrase
    return settings


class CcxtClient:
    """One account's way to one venue: a pooled session, two budgets, one request per call; placements by `line`."""

    def __init__(
        self,
        venue: str,
        exchange: Any,
        rest_base: str,
        dialect: Dialect,
        budgets: Budgets,
        line: Line | None = None,
    ) -> None:
        self.venue = venue
        self._line = line
        self.exchange = exchange
        self._dialect = dialect
        self._budgets = budgets
        self._base = rest_base.rstrip("/")
        self._timeout_s = exchange.timeout / 1000
        self._purse = Purse(venue, budgets, self._timeout_s)
        self._session: aiohttp.ClientSession | None = None
        self._lists: dict[str, asyncio.Future[Any]] = {}  # asked for, and not on their way yet
        exchange.judge = self._judge
        exchange.urls = {**exchange.urls, "api": point_at(self._base, exchange.urls["api"])}
        exchange.timeout_on_exit = 0  # ccxt waits that long for sockets that we never open
        # ccxt writes signed requests, keys and all, at DEBUG.
        exchange.logger.setLevel(logging.INFO)

    async def place(self, order: OrderRequest, path: str, params: dict[str, Any], shape: type[T]) -> T:
        """POST one order, once. Raises OutcomeUnknown, VenueUnavailable (nothing left), RateLimited, VenueRefused.

        What reduces exposure may use the reserved share of the budget.
        """
        self._purse.pay_now(urgent=order.role is not LegRole.ENTRY)
        try:
            answer = await self._carry(path, params)
            return msgspec.convert(answer, shape, strict=False)
        except NotSent as error:
            raise VenueUnavailable(f"{self.venue}: {error}") from error
        except NoVerdict as error:
            raise OutcomeUnknown(f"{self.venue}: {error}") from error
        except msgspec.ValidationError as error:
            raise OutcomeUnknown(f"{self.venue}: unreadable answer to a placement: {error}") from error

    async def ask(
        self,
        purpose: Purpose,
        method: str,
        path: str,
        params: dict[str, Any],
        shape: type[T],
        access: str = "private",
        price: int = 1,
    ) -> T:
        """Anything but a placement; `price` as the venue weighs it, in usual calls.

        Raises VenueUnavailable, RateLimited, VenueRefused; OrderNotFound for LOOK_UP.
        """
        await self._purse.pay(purpose, price)
        return await self._answer(purpose, method, path, params, shape, access)

    async def _answer(
        self, purpose: Purpose, method: str, path: str, params: dict[str, Any], shape: type[T], access: str = "private"
    ) -> T:
        try:
            answer = await self._request(method, path, params, access)
            return msgspec.convert(answer, shape, strict=False)
        except (NotSent, NoVerdict) as error:
            raise VenueUnavailable(f"{self.venue}: {error}") from error
        except msgspec.ValidationError as error:
            raise VenueUnavailable(f"{self.venue}: unreadable answer to {method} {path}: {error}") from error
        except VenueRefused as error:
            if purpose is Purpose.LOOK_UP and error.code in self._dialect.not_found:
                raise OrderNotFound(f"{self.venue}: {error}") from error
            raise

    async def ended(self, path: str, params: dict[str, Any], shape: type[T], price: int = 1) -> T:
        """A list of orders, as the second witness of a look-up: no error of it says that an order is absent.

        Look-ups that want the same list share one that waits for its budget still: it is asked for later than each of
        them began. After a start dozens of orders want one, and at Binance it costs as much as five look-ups.
        Raises VenueUnavailable, RateLimited, VenueRefused.
        """
        wish = f"{path} {params}"
        if (queued := self._lists.get(wish)) is not None:
            shared: T
            shared, asked_ns = await asyncio.shield(queued)
            left("ccxt", asked_ns)
            return shared
        queued = self._lists[wish] = asyncio.get_running_loop().create_future()
        try:
            found, asked_ns = await self._listed(wish, path, params, shape, price)
            queued.set_result((found, asked_ns))
            return found
        finally:
            if not queued.done():  # whoever shares it asks again
                queued.set_exception(VenueUnavailable(f"{self.venue}: {path} was not read"))
                queued.exception()  # it may be that nobody does

    async def _listed(self, wish: str, path: str, params: dict[str, Any], shape: type[T], price: int) -> tuple[T, int]:
        """With our monotonic time from which on it was asked for."""
        try:
            await self._purse.pay(Purpose.LOOK_UP, price)
        finally:
            del self._lists[wish]  # who comes from here on would hear of a time before its own question
        try:
            asked_ns = time.monotonic_ns()
            return await self._answer(Purpose.LOOK_UP, "GET", path, params, shape), asked_ns
        except OrderNotFound as error:
            raise VenueUnavailable(f"{self.venue}: {path} was answered with {error}") from error

    async def date_header(self, path: str) -> tuple[int, int, str]:
        """(sent, received, Date) of one public GET; both times are our wall clock in ms. Raises VenueUnavailable."""
        await self._purse.pay(Purpose.READ)
        sent_ms = wall_ms()
        try:
            async with self._open().get(
                self._base + path, timeout=aiohttp.ClientTimeout(total=self._timeout_s), allow_redirects=False
            ) as response:
                received_ms = wall_ms()
                _check_here(response.status)
                date = response.headers.get("Date", "")
        except (TimeoutError, aiohttp.ClientError, NoVerdict, RuntimeError) as error:  # RuntimeError: as in _request
            raise VenueUnavailable(f"{self.venue}: GET {path}: {type(error).__name__}") from error
        if not date:
            raise VenueUnavailable(f"{self.venue}: GET {path}: no Date header")
        return sent_ms, received_ms, date

    async def close(self) -> None:
        if self._line is not None:
            await self._line.close()
        await self.exchange.close()
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=trusted(), keepalive_timeout=_KEEP_ALIVE_S)
            tracing = aiohttp.TraceConfig()
            tracing.on_request_headers_sent.append(_left)
            self._session = aiohttp.ClientSession(connector=connector, trace_configs=[tracing])
            self.exchange.own_session = False
            self.exchange.session = _unfollowing(self._session)
            self.exchange.ssl_context = trusted()  # or it makes one of its own
        return self._session

    async def _carry(self, path: str, params: dict[str, Any]) -> Any:
        """By the line of our own where it can, else the library's way.

        What is no plain yes is judged as any answer is. Of a yes only its limits are heeded: whether it is one, its
        shape decides.
        """
        line = self._line
        if line is None or not line.carries(path, params):
            return await self._request("POST", path, params, "private")
        answer = await line.send(params, int(self.exchange.nonce()))
        if 200 <= answer.status < 300 and answer.body is not None and self._dialect.error_of(answer.body) is None:
            self._dialect.obey(answer, self._budgets)
            return answer.body
        self.exchange.handle_errors(
            answer.status, "", path, "POST", answer.headers, answer.text, answer.body, None, None
        )
        return answer.body

    async def _request(self, method: str, path: str, params: dict[str, Any], access: str) -> Any:
        self._open()
        try:
            return await self.exchange.request(path, [access], method, params)
        except PremiaError:
            raise
        except ccxt.BaseError as error:
            cause = error.__cause__
            reason = f"{method} {path}: {type(cause or error).__name__}"
            if isinstance(cause, socket.gaierror | aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
                raise NotSent(reason) from error
            raise NoVerdict(reason) from error
        except RuntimeError as error:
            # uvloop takes a new socket for an old one after a connect that was cancelled (MagicStack/uvloop#653).
            raise NoVerdict(f"{method} {path}: {error}") from error

    def _judge(self, answer: Answer, ccxt_opinion: Callable[[], None]) -> None:
        """Called for every answer, before ccxt's own reading of it. Raises what the answer means when it is a no."""
        self._dialect.obey(answer, self._budgets)
        if answer.status in (418, 429):
            self._limited(answer)
        _check_here(answer.status)
        if answer.status >= 500 or answer.status == 408 or answer.body is None:
            raise NoVerdict(f"HTTP {answer.status} {_short(answer.text)}")
        found = self._dialect.error_of(answer.body)
        try:
            ccxt_opinion()
        except ccxt.BaseError as error:
            self._refuse(answer, found or (type(error).__name__, _short(answer.text)), error)
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            # ccxt expects the documented shapes; what it trips over is no word from the venue.
            raise NoVerdict(f"HTTP {answer.status} {_short(answer.text)}") from error
        if found is not None:
            self._refuse(answer, found, None)
        if not 200 <= answer.status < 300:
            raise NoVerdict(f"HTTP {answer.status} {_short(answer.text)}")

    def _refuse(self, answer: Answer, found: tuple[str, str], opinion: Exception | None) -> NoReturn:
        code, text = found
        dialect = self._dialect
        if any(fragment in f"{code} {text}" for fragment in dialect.duplicate):
            raise VenueRefused("duplicate", f"{code} {text}")
        if code in dialect.limited or isinstance(opinion, ccxt.RateLimitExceeded):
            self._limited(answer)
        failed = isinstance(opinion, ccxt.OperationFailed) and not isinstance(opinion, ccxt.InvalidNonce)
        if code in dialect.unknown or (failed and code not in dialect.refused | dialect.not_found):
            raise NoVerdict(f"{code} {text}")
        is_about_rules = any(fragment in f"{code} {text}" for fragment in dialect.about_rules)
        raise VenueRefused(code, text, about_rules=is_about_rules)

    def _limited(self, answer: Answer) -> NoReturn:
        """Nothing was accepted."""
        wait_s = min(self._dialect.wait_s(answer), _LONGEST_BAN_S)
        self._purse.rest(wait_s)
        raise RateLimited(f"{self.venue}: HTTP {answer.status} {_short(answer.text)}", wait_s)


async def _left(*_: object) -> None:
    """aiohttp calls it with its connection in hand, before it writes the first byte."""
    check()
    left("ccxt")


def _unfollowing(session: aiohttp.ClientSession) -> SimpleNamespace:
    """What ccxt uses of a session; a redirect is an answer here.

    Following one would send a signed order a second time, and somewhere else.
    """
    names = ("get", "post", "put", "patch", "delete")
    calls = {name: partial(getattr(session, name), allow_redirects=False) for name in names}
    return SimpleNamespace(headers=session.headers, **calls)


def _check_here(status: int) -> None:
    if 300 <= status < 400:
        raise NoVerdict(f"HTTP {status} to another address")


def point_at(base: str, urls: Any) -> Any:
    """Every address of a ccxt `urls` entry, moved to `base`: no sub-key may still name another host."""
    if isinstance(urls, Mapping):
        return {key: point_at(base, value) for key, value in urls.items()}
    return base + urlsplit(urls).path


def _short(text: str) -> str:
    """Of an answer, for a sentence that a person reads: of a page its title alone."""
    if text.lstrip().startswith("<"):
        title = _TITLE.search(text)
        return f"a page of HTML ({' '.join(title[1].split())[:80]})" if title else "a page of HTML"
    return " ".join(text.split())[:200]
