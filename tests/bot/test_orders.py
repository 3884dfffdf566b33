"""A person's own order on the phone: preview, tap, a card with its bar, hold, go on, end."""

from msgspec import structs

from engine.domain.effect import Notice
from engine.domain.errors import NoHistory
from engine.domain.order import OrderKind
from engine.domain.parent import ParentState
from tests.bot.rig import OWNER, TRADER, VIEWER, House


def relay(house: House) -> None:
    """The core's notices of persons' orders reach the door as the daemon's do."""

    def hear(notice: Notice) -> None:
        if notice.kind == "parent":
            for listener in list(house.desk.listeners):
                listener(notice)

    house.desk.rig.desk.subscribe(hear)


async def test_an_order_from_words_to_its_end(house: House) -> None:
    phone, rig = house.phone, house.desk.rig
    relay(house)
    async with house.engine(), house.bot():
        await phone.says(OWNER, "/order 매수 BTC 0.006 업비트 분할 8초 4개")
        draft = await phone.finds(OWNER, "주문 미리보기", button="매수 시작")
        assert "예상 비용" in draft.text and "₩84" in draft.text and "4개" in draft.text and not rig.state.parents.all
        await phone.presses(OWNER, draft, "매수 시작")
        await phone.finds(OWNER, "주문을 시작했습니다")
        [parent] = rig.state.parents.all.values()

        rig.run_for(500)
        card = await phone.finds(TRADER, "Buy 0.006 BTC", button="⏸")
        await phone.presses(TRADER, card, "⏸")
        held = await phone.finds(TRADER, "paused", button="▶")
        assert held.id == card.id and parent.state is ParentState.PAUSED
        assert "▰" in held.text
        await phone.presses(TRADER, held, "▶")
        await phone.finds(TRADER, "running", button="⏸")
        rig.run_until(lambda: parent.is_over, 20_000)
        rig.run_for(500)
        end = await phone.finds(TRADER, "✅ done")
        assert end.id == card.id and "▰▰▰▰▰▰▰▰▰▰ 100 %" in end.text and not end.buttons
        assert not [m for m in await phone.chat(VIEWER) if m.buttons], "a viewer sees the card, without its buttons"


async def test_what_cannot_be_says_why_and_sends_nothing(house: House) -> None:
    phone = house.phone
    async with house.engine(), house.bot():
        await phone.says(VIEWER, "/order buy BTC 0.001 upbit twap")
        await phone.finds(VIEWER, "Only traders and owners")
        await phone.says(TRADER, "/order buy BTC 0.001 upbit somehow")
        await phone.finds(TRADER, "somehow was not understood")
        await phone.says(TRADER, "/order buy BTC 0.05 upbit market")
        await phone.finds(TRADER, "one slice is worth")
        await phone.says(OWNER, "/order 매수 XX 1 업비트 시장가")
        await phone.finds(OWNER, "없는 마켓")
        await phone.says(TRADER, "/order")
        await phone.finds(TRADER, "No order is under way")
    assert not house.desk.rig.sent


class Hours:
    """Turnover that is being read at the first ask, and known at the next."""

    def __init__(self) -> None:
        self.asks = 0

    async def curve(self, venue: str, base: str) -> tuple[float, ...]:
        self.asks += 1
        if self.asks == 1:
            raise NoHistory("curve_pending", f"the turnover of {base} at {venue} is being read")
        return (1.0,) * 24


async def test_a_vwap_needs_no_figures_from_the_person(house: House) -> None:
    phone = house.phone
    async with house.engine(Hours()), house.bot():
        await phone.says(TRADER, "/order buy BTC 0.006 upbit vwap 1h x4")
        await phone.finds(TRADER, "Volume history being read")
        await phone.says(OWNER, "/order 매수 BTC 0.006 업비트 거래량 1시간 4개")
        draft = await phone.finds(OWNER, "주문 미리보기", button="매수 시작")
        assert "VWAP" in draft.text and "4개" in draft.text
    assert not house.desk.rig.sent


async def test_what_rests_follows_the_touch_where_it_is_asked_to(house: House) -> None:
    phone, rig = house.phone, house.desk.rig
    relay(house)
    async with house.engine(), house.bot():
        await phone.says(TRADER, "/order buy BTC 0.006 upbit twap 1h follow")
        await phone.finds(TRADER, "Only resting orders follow the touch")
        await phone.says(OWNER, "/order 매수 BTC 0.006 업비트 사다리 2개 100bp 추적")
        draft = await phone.finds(OWNER, "호가를 따라 움직이며", button="매수 시작")
        await phone.presses(OWNER, draft, "매수 시작")
        await phone.finds(OWNER, "주문을 시작했습니다")
        [parent] = rig.state.parents.all.values()
        rig.run_for(3_000)
        before = {order.price for order in rig.sent}
        rig.set_book("upbit", "KRW-BTC", 140_400_000)
        rig.run_for(6_000)
        assert len(parent.live) == 2 and {order.price for order in rig.sent[-2:]}.isdisjoint(before)
        card = await phone.finds(TRADER, "Follows the touch", button="✖")
        await phone.presses(TRADER, card, "✖")
        rig.run_until(lambda: parent.is_over, 20_000)


async def test_a_stop_says_where_it_waits(house: House) -> None:
    phone, rig = house.phone, house.desk.rig
    held = rig.state.venues["binance"]
    held.abilities = structs.replace(held.abilities, kinds=frozenset(OrderKind))
    async with house.engine(), house.bot():
        await phone.says(TRADER, "/order sell BTC 0.005 binance stop 99,000")
        draft = await phone.finds(TRADER, "Order preview", button="Sell now")
        assert "also while this desk is down" in draft.text
        await phone.says(OWNER, "/order 매도 BTC 0.005 업비트 손절 139,000,000")
        draft = await phone.finds(OWNER, "주문 미리보기", button="매도 시작")
        assert "켜져 있는 동안만" in draft.text
