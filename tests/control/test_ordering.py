"""Persons' orders through the door, from the real core."""

from pathlib import Path

import pytest

from engine.control import messages as m
from engine.control import views
from engine.control.client import Door
from engine.domain import view as domain
from engine.domain.errors import NoHistory
from tests.control.conftest import OWNER, TRADER, VIEWER, open_house
from tests.control.desk import MemoryDesk

USER = 2
BODY = m.OrderBody.model_validate({"template": "twap", "side": "buy", "base": "BTC", "qty": "0.006", "venue": "upbit"})


@pytest.mark.parametrize("name", ["ParentView", "ParentQuote"])
def test_messages_mirror_the_domain(name: str) -> None:
    assert tuple(getattr(views, name).model_fields) == getattr(domain, name).__struct_fields__


async def test_preview_confirm_pause_cancel(door: Door, desk: MemoryDesk) -> None:
    commands = door.commands(TRADER)
    planned = await commands.preview_order(BODY, USER, USER)
    quote = m.ParentQuote.model_validate(planned.body)
    assert planned.ok and quote.order.state == "draft" and await door.reads(VIEWER).parents() == []
    begun = m.ParentView.model_validate((await commands.confirm_order(quote.token, USER, USER)).body)
    assert [order.id for order in await door.reads(VIEWER).parents()] == [begun.id]
    paused = await commands.move_order(begun.id, "pause", "once")
    assert m.ParentView.model_validate(paused.body).state == "paused"
    assert await commands.move_order(begun.id, "pause", "once") == paused, "a repeated request gets its first answer"
    assert (await commands.move_order(begun.id, "sideways")).rule == "bad_request"
    assert (await commands.move_order("p0", "cancel")).rule == "unknown_order"
    assert (await door.commands(OWNER).move_order(begun.id, "cancel")).ok


async def test_a_viewer_gives_no_order(door: Door, desk: MemoryDesk) -> None:
    refused = await door.commands(VIEWER).preview_order(BODY, USER, USER)
    assert not refused.ok and not desk.rig.state.parents.drafts


async def test_somebody_elses_preview_is_not_confirmed(door: Door) -> None:
    planned = await door.commands(TRADER).preview_order(BODY, USER, USER)
    token = m.ParentQuote.model_validate(planned.body).token
    assert (await door.commands(OWNER).confirm_order(token, 3, 3)).rule == "not_yours"


async def test_a_vwap_takes_its_curve_as_data(door: Door) -> None:
    body = BODY.model_copy(update={"template": "vwap", "over_ms": 60_000})
    assert (await door.commands(TRADER).preview_order(body, USER, USER)).rule == "no_curve"
    flat = body.model_copy(update={"curve": (1.0,) * 24})
    assert (await door.commands(TRADER).preview_order(flat, USER, USER)).ok
    short = body.model_copy(update={"curve": (1.0,)})
    assert (await door.commands(TRADER).preview_order(short, USER, USER)).rule == "bad_parameter"


class Hours:
    """What is known of turnover: nothing yet, then all."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.refusal: NoHistory | None = NoHistory("curve_pending", "it is being read")

    async def curve(self, venue: str, base: str) -> tuple[float, ...]:
        self.asked.append((venue, base))
        if self.refusal is not None:
            raise self.refusal
        return (0.0, *(1.0,) * 23)


async def test_a_vwap_without_a_curve_gets_its_hours_at_the_door(tmp_path: Path, desk: MemoryDesk) -> None:
    body, hours = BODY.model_copy(update={"template": "vwap", "over_ms": 3_600_000}), Hours()
    async with open_house(tmp_path, desk, turnover=hours) as house, Door(socket=house.socket) as door:
        refused = await door.commands(VIEWER).preview_order(body, USER, USER)
        assert not refused.ok and hours.asked == [], "a viewer makes nobody read"
        pending = await door.commands(TRADER).preview_order(body, USER, USER)
        assert (pending.ok, pending.rule, pending.text) == (False, "curve_pending", "it is being read")
        hours.refusal = NoHistory("no_curve", "nothing is known; use twap")
        assert (await door.commands(TRADER).preview_order(body, USER, USER)).text == "nothing is known; use twap"
        hours.refusal = None
        planned = await door.commands(TRADER).preview_order(body, USER, USER)
        assert planned.ok and hours.asked == [("upbit", "BTC")] * 3
        [draft] = desk.rig.state.parents.drafts.values()
        assert draft.plan.ask.curve == (0.0, *(1.0,) * 23)
        twap = await door.commands(TRADER).preview_order(BODY, USER, USER)
        assert twap.ok and len(hours.asked) == 3, "others need none"
