"""Persons' orders through the door, from the real core."""

import pytest

from engine.control import messages as m
from engine.control import views
from engine.control.client import Door
from engine.domain import view as domain
from tests.control.conftest import OWNER, TRADER, VIEWER
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
