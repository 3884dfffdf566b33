"""The scene: a scripted trader plays the whole product through the phone, good and bad days, and checks it."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from sandbox import tally
from sandbox.stage import OWNER, STRANGER, Stage
from sandbox.trader import Door, Message, Phone, SceneFailed, button

_EXECUTE = "체결"
_PREMIUM_BPS = 130
_RECORDED_BOOKS = 4 + 7  # the seeded four, and most of the ten recorded codes; some are silent for minutes
_TRIES = 4
_WIDER_BPS = 50
_LOOK_AGAIN_S = 3
_PATIENCE_S = 70  # a chat takes twenty messages a minute: after a busy one an answer may wait for the next
_SETTLED = ("closed", "dead_letter")


class Scene:
    """Steps in order; each raises SceneFailed where it does not hold. `report` is the result."""

    def __init__(self, stage: Stage, session: aiohttp.ClientSession) -> None:
        self._stage = stage
        self._session = session
        self._control = stage.world.urls["control"]["rest"]
        self.phone = Phone(session, stage.telegram_url, OWNER.id)
        self.stranger = Phone(session, stage.telegram_url, STRANGER.id)
        self.door = Door(stage.control_socket, f"telegram:{OWNER.id}")
        self.steps: list[dict[str, object]] = []
        self.counts: Counter[str] = Counter()
        self._orders: dict[str, dict[str, Any]] = {}
        self._seen: dict[str, dict[str, Any]] = {}
        self._watched_ms = 0.0
        self._stale: tuple[Message, str, float] | None = None

    def plan(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        return [
            ("card arrives within 60 s", self.first_card),
            ("card, confirm, both legs filled, receipt", self.confirm),
            ("a second tap gets the same answer", self.double_tap),
            ("a stranger gets no answer", self.no_answer),
            ("a strategy is toggled", self.toggle),
            ("a curve point is changed and the target moves", self.curve),
            ("a leg fails and is unwound", self.unwind),
            ("an answer never comes and is looked up", self.unknown),
            ("a stale confirm is refused", self.stale),
            ("kill -9 between the legs, restart, nothing doubled", self.crash),
            ("the report comes with its picture", self.report_picture),
            ("/kill cancels the open order and stops new ones", self.kill),
            ("/resume with its second step", self.resume),
            ("the ledger agrees with the venues", self.ledger),
            *self._recorded(),
        ]

    def _recorded(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        """With a recording of Upbit: its codes went through the feed and stand as books."""
        if self._stage.config.world.tape != "upbit-20210405":
            return []

        async def stand() -> None:
            def usable(status: dict[str, Any]) -> bool:
                upbit = next(venue for venue in status["venues"] if venue["venue"] == "upbit")
                return int(upbit["books_usable"]) >= _RECORDED_BOOKS

            await self.door.until("/status", usable, 130, f"{_RECORDED_BOOKS} books at Upbit")

        return [("Upbit's recorded frames stand as books", stand)]

    async def play(self) -> bool:
        """Every step in order, stopping at the first that fails."""
        for name, step in self.plan():
            began = time.monotonic()
            failure = ""
            try:
                await step()
            except (SceneFailed, aiohttp.ClientError, TimeoutError) as error:
                failure = f"{type(error).__name__}: {error}"
            self.steps.append(
                {"step": name, "ok": not failure, "seconds": round(time.monotonic() - began, 1), "why": failure}
            )
            if failure:
                return False
        return True

    async def world(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """The world's own door: force a premium, arm a fault, or read what the venues hold."""
        url = f"{self._control}/world/{path}"
        call = self._session.get(url) if body is None else self._session.post(url, json=body)
        async with call as answer:
            if answer.status != 200:
                raise SceneFailed(f"world {path} {body}: {await answer.text()}")
            return await answer.json()

    async def fault(self, venue: str, **fault: object) -> None:
        await self.world("faults", {"venue": venue, "fault": fault})

    async def card(self, coin: str, timeout_s: float = 45, bps: int = _PREMIUM_BPS) -> Message:
        """Open a premium on Upbit against Binance and wait for its card, buttons and all."""
        await self.phone.refresh()
        after = max(self.phone.messages, default=0)
        await self.world("premium", {"venue": "upbit", "coin": coin, "bps": bps, "seconds": 40})

        def fresh() -> Message | None:
            for message in sorted(self.phone.messages.values(), key=lambda item: -item["id"]):
                text = message["text"]
                if (
                    message["mine"]
                    or not re.search(rf"{coin} .*김치", text)
                    or "바이낸스" not in text
                    or "업비트" not in text
                ):
                    continue
                if (message["id"] > after or tally.is_recent(message)) and button(message, _EXECUTE):
                    return message
            return None

        found: Message = await self.phone.until(fresh, timeout_s, f"card for {coin}")
        self.counts["cards"] += 1
        return found

    async def tap(self, coin: str, before_tap: Callable[[], Awaitable[None]] | None = None) -> Message:
        """Open a premium, press Execute on its card: the message whose trade has begun.

        A price that moved between card and tap is refused, as it must be; then a person looks again, and so does this.
        """
        refusal = ""
        for turn in range(_TRIES):
            # On a recorded path the market may run against the premium: each look asks for a wider one.
            message = await self.card(coin, bps=_PREMIUM_BPS + turn * _WIDER_BPS)
            known = {trade["id"] for trade in await self.door.get("/trades")}
            if before_tap is not None:
                await before_tap()
            self._tapped = (message, button(message, _EXECUTE))
            query = await self.phone.press(message, self._tapped[1])
            self.counts["confirms"] += 1
            refusal = await self.phone.answer_of(query)
            if any(trade["id"] not in known for trade in await self.door.get("/trades")):
                return message
            await asyncio.sleep(_LOOK_AGAIN_S)
        raise SceneFailed(f"{_TRIES} taps for {coin} were refused, the last one with {refusal!r}")

    async def receipt(self, message: Message, pattern: str, timeout_s: float = 60) -> Message:
        """Wait until the same message has become the receipt."""
        await self.phone.until(
            lambda: re.search(pattern, self.phone.messages[message["id"]]["text"]), timeout_s, f"receipt {pattern!r}"
        )
        return self.phone.messages[message["id"]]

    async def newest_trade(self) -> dict[str, Any]:
        trades = await self.door.get("/trades")
        if not trades:
            raise SceneFailed("the desk knows no trade")
        newest: dict[str, Any] = max(trades, key=lambda trade: trade["opened_ms"])
        return newest

    async def first_card(self) -> None:
        await self.door.until("/status", lambda status: status.get("ready"), 60, "readiness of all venues")
        await self.phone.say("/start")
        message = await self.card("XRP", 60)
        self._watched_ms = time.time() * 1000
        # The half button: nothing else in the scene presses it, and a token that was used answers as it did then.
        self._stale = (message, button(message, "절반"), time.monotonic())

    async def confirm(self) -> None:
        message = await self.tap("BTC")
        await self.receipt(message, "체결 완료")
        trade = await self.newest_trade()
        if trade["outcome"] != "balanced" or any(leg["status"] != "filled" for leg in trade["legs"]):
            raise SceneFailed(f"not balanced: {trade}")

    async def double_tap(self) -> None:
        """The same button again: no second trade."""
        before = len(await self.door.get("/trades"))
        message, data = self._tapped
        await self.phone.answer_of(await self.phone.press(message, data, forced=True))
        if len(await self.door.get("/trades")) != before:
            raise SceneFailed("a second tap opened a second trade")

    async def no_answer(self) -> None:
        await self.stranger.say("/status")
        await self.stranger.say("/kill")
        await self.phone.say("/status")
        await self.phone.until(lambda: self.phone.newest("업비트.*호가|호가.*업비트|🟢"), _PATIENCE_S, "/status")
        await self.stranger.refresh()
        if any(not message["mine"] for message in self.stranger.messages.values()):
            raise SceneFailed("a stranger was answered")
        if (await self.door.get("/status"))["level"] != 0:
            raise SceneFailed("a stranger halted the desk")

    async def choose_mode(self, strategy: str, mode: str) -> None:
        """/strategies, then the mode's button below the strategy's title."""
        asked = await self.phone.say("/strategies")
        panel: Message = await self.phone.until(
            lambda: self.phone.newest("전략", after=asked, buttons="꺼짐"), _PATIENCE_S, "the panel of strategies"
        )
        rows = panel["buttons"]
        at = next(i for i, row in enumerate(rows) if strategy in row[0]["text"])
        data = next(item["callback_data"] for item in rows[at + 1] if mode in item["text"])
        await self.phone.answer_of(await self.phone.press(panel, data))

    async def toggle(self) -> None:
        await self.choose_mode("거래소 간 차익", "꺼짐")
        await self.door.until(
            "/strategies",
            lambda all_: any(s["name"] == "spatial" and s["mode"] == "off" for s in all_),
            10,
            "spatial off",
        )

    async def curve(self) -> None:
        def target(strategies: list[dict[str, Any]]) -> float:
            return float(next(s["now"]["weight_target"] for s in strategies if s["name"] == "tether_bot"))

        before = target(await self.door.get("/strategies"))
        asked = await self.phone.say("/curve tether_bot 3 0.9")
        preview: Message = await self.phone.until(
            lambda: self.phone.newest("미리보기", after=asked, buttons="적용"), _PATIENCE_S, "the preview of the curve"
        )
        if not preview["photo"]:
            raise SceneFailed("the preview has no picture")
        await self.phone.answer_of(await self.phone.press(preview, button(preview, "적용")))
        await self.door.until(
            "/strategies", lambda all_: abs(target(all_) - before) > 0.05, 15, "a target that follows the curve"
        )

    async def unwind(self) -> None:
        message = await self.tap("ETH", lambda: self.fault("binance", kind="reject_all", ms=8_000))
        await self.receipt(message, "되돌림|사람이")
        await self.world("faults", {"venue": "binance", "clear": True})
        trade = await self.newest_trade()
        if trade["outcome"] != "unwound":
            raise SceneFailed(f"not unwound: {trade}")

    async def unknown(self) -> None:
        async def unheard() -> None:
            """The private stream would tell what the lost answer did not."""
            await self.fault("binance", kind="orders_silence", ms=15_000)
            await self.fault("binance", kind="drop_after", count=1)

        message = await self.tap("BTC", unheard)
        await self.receipt(message, "체결 완료")
        trade = await self.newest_trade()
        if sum(leg["unknowns"] for leg in trade["legs"]) != 1:
            raise SceneFailed(f"no answer was lost: {trade}")

    async def crash(self) -> None:
        message = await self.tap("ETH", lambda: self.fault("binance", kind="delay_before", ms=2_500, count=1))
        await self.door.until("/trades", tally.one_leg_filled, 10, "one filled leg")
        await self.remember_counts()
        await self._stage.engine.kill()
        await self._stage.engine.start()
        trade_id = await self.door.until("/trades", tally.newest_settled, 60, "the reconciled trade")
        await self.receipt(message, "체결 완료|되돌림|종료", 60)
        trades = await self.door.get("/trades")
        outcome = next(trade["outcome"] for trade in trades if trade["id"] == trade_id)
        if outcome not in ("balanced", "unwound"):
            raise SceneFailed(f"after the restart: {outcome}")
        await self.nothing_doubled()

    async def nothing_doubled(self) -> None:
        """Every venue order has its own client id, and the desk knows each."""
        known = {order["request"]["cid"] for order in await self.door.get("/orders")}
        seen: Counter[str] = Counter()
        for venue, orders in (await self.world("orders")).items():
            for order in orders:
                seen[f"{venue}/{order['client_id']}"] += 1
                if order["client_id"] not in known:
                    raise SceneFailed(f"{venue} has an order that the desk does not know: {order}")
        doubled = [cid for cid, times in seen.items() if times > 1]
        if doubled:
            raise SceneFailed(f"placed twice: {doubled}")

    async def stale(self) -> None:
        if self._stale is None:
            raise SceneFailed("no old card")
        message, data, at = self._stale
        await asyncio.sleep(max(0.0, 21 - (time.monotonic() - at)))
        before = len(await self.door.get("/trades"))
        answer = await self.phone.answer_of(await self.phone.press(message, data, forced=True))
        if len(await self.door.get("/trades")) != before or not re.search("초|지났|만료|오래", answer):
            raise SceneFailed(f"a stale confirm was answered with {answer!r}")

    async def report_picture(self) -> None:
        asked = await self.phone.say("/report")
        message: Message = await self.phone.until(
            lambda: (m := self.phone.newest("보고서", after=asked)) and m["photo"] and m,
            _PATIENCE_S,
            "the report with its picture",
        )
        if not (await self.phone.download(message)).startswith((b"\x89PNG", b"\xff\xd8")):
            raise SceneFailed("the report's picture is none")

    async def kill(self) -> None:
        """The tether bot rests a post-only order by itself; /kill cancels it and nothing new goes out."""
        await self.choose_mode("테더봇", "자동")
        yes: Message = await self.phone.until(
            lambda: self.phone.newest("자동", buttons="자동으로"), _PATIENCE_S, "the question"
        )
        await self.phone.answer_of(await self.phone.press(yes, button(yes, "자동으로")))
        await self.until_world(lambda orders: tally.open_orders(orders), _PATIENCE_S, "a resting order")
        asked = await self.phone.say("/kill")
        await self.phone.until(lambda: self.phone.newest("L2|정지|멈", after=asked), 10, "the answer to /kill")
        await self.until_world(lambda orders: not tally.open_orders(orders), 15, "an empty order book of ours")
        placed = tally.count_orders(await self.world("orders"))
        await self.world("premium", {"venue": "upbit", "coin": "BTC", "bps": _PREMIUM_BPS, "seconds": 5})
        await asyncio.sleep(5)
        if tally.count_orders(await self.world("orders")) != placed:
            raise SceneFailed("an order went out after /kill")

    async def until_world(self, holds: Callable[[Any], Any], timeout_s: float, what: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not holds(await self.world("orders")):
            if time.monotonic() > deadline:
                raise SceneFailed(f"no {what} within {timeout_s:g} s")
            await asyncio.sleep(0.2)

    async def resume(self) -> None:
        asked = await self.phone.say("/resume")
        check: Message = await self.phone.until(
            lambda: self.phone.newest("점검", after=asked), _PATIENCE_S, "the self-check"
        )
        data = button(check, "재개")
        if not data:
            raise SceneFailed(f"the self-check did not pass: {check['text']}")
        await self.phone.press(check, data)
        await self.door.until("/status", lambda status: status["level"] == 0, 15, "level 0")
        await self.choose_mode("테더봇", "꺼짐")

    async def ledger(self) -> None:
        """Our ledger, the desk's view of the venues, and the venues' own accounts: one number each."""
        await self.door.until(
            "/trades", lambda trades: all(trade["state"] in _SETTLED for trade in trades), 30, "an end of all trades"
        )
        await self.until_world(lambda orders: not tally.open_orders(orders), 20, "no open order")
        self.difference = await self.differences()
        wrong = {key: value for key, value in self.difference.items() if float(value) != 0}
        if wrong:
            raise SceneFailed(f"ledger and venues differ: {wrong}")

    async def differences(self) -> dict[str, str]:
        """Ledger minus the venue's own account, per venue and asset."""
        accounts = await self.world("accounts")
        out: dict[str, str] = {}
        for row in await self.door.get("/balances"):
            total = tally.account_total(accounts, row["venue"], row["asset"])
            out[f"{row['venue']}:{row['asset']}"] = f"{tally.decimal(row['ledger']) - total:f}"
        return out

    async def remember_counts(self) -> None:
        """A killed engine's counters die with it."""
        metrics = await self.door.get("/metrics/live")
        self.counts.update(metrics["counts"])
        for order in await self.door.get("/orders"):
            # Of an order read back after the crash the first life's figure stands.
            self._orders.setdefault(order["request"]["cid"], order)
        for found in await self.door.get("/opportunities"):
            self._seen.setdefault(found["id"], found)
        self.counts["steps"] += metrics["steps"]

    async def result(self) -> dict[str, object]:
        """What the run amounts to: counts of all engine lives, P&L, latencies, the ledger's difference."""
        await self.remember_counts()
        trades = await self.door.get("/trades")
        return {
            "events": self.counts["steps"],
            "opportunities": self.counts["opportunities"],
            "cards": self.counts["cards"],
            "confirms": self.counts["confirms"],
            "orders": self.counts["orders"],
            "fills": self.counts["fills"],
            "unknowns_resolved": self.counts["unknowns_resolved"],
            "realised_pnl_krw": f"{sum(tally.decimal(trade['pnl']['net_krw']) for trade in trades):.0f}",
            "ledger_difference": getattr(self, "difference", {}),
            "frame_to_order_us": tally.spread([float(order["to_send_us"]) for order in self._orders.values()]),
            "update_to_card_ms": tally.update_to_card(
                self.phone.messages.values(), list(self._seen.values()), self._watched_ms
            ),
        }
