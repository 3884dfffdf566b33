"""What an account may ask: look-ups leave questions their share, or have a rate of their own."""

import asyncio
import time
from decimal import Decimal as D

import pytest

from engine.domain.errors import RateLimited
from engine.venues.purse import Purpose, Purse, budgets


async def most(purse: Purse, purpose: Purpose) -> int:
    """How many leave at once."""
    paid = 0
    while paid < 100:
        try:
            await purse.pay(purpose)
        except RateLimited:
            return paid
        paid += 1
    return paid


async def test_look_ups_leave_half_of_the_reads():
    purse = Purse("upbit", budgets(D(10), D(20), time.monotonic_ns), patience_s=0)
    assert await most(purse, Purpose.LOOK_UP) == 10
    assert await most(purse, Purpose.READ) == 4, "three tenths are for what is urgent"


async def test_look_ups_that_the_venue_counts_by_themselves_cost_no_read():
    purse = Purse("okx", budgets(D(30), D(10), time.monotonic_ns, D(20)), patience_s=0)
    assert await most(purse, Purpose.LOOK_UP) == 20
    assert await most(purse, Purpose.READ) == 7


async def test_too_many_lets_everything_rest():
    purse = Purse("okx", budgets(D(30), D(10), time.monotonic_ns, D(20)), patience_s=0)
    purse.rest(60)
    for purpose in (Purpose.LOOK_UP, Purpose.READ, Purpose.CANCEL):
        with pytest.raises(RateLimited) as told:
            await purse.pay(purpose)
        assert 59 < told.value.retry_after_s <= 60
    with pytest.raises(RateLimited):
        purse.pay_now(urgent=True)


async def test_who_can_wait_waits_for_the_window():
    purse = Purse("okx", budgets(D(30), D(2), time.monotonic_ns), patience_s=5)
    assert await most(Purse("okx", budgets(D(30), D(2), time.monotonic_ns), patience_s=0), Purpose.READ) == 1
    await asyncio.wait_for(asyncio.gather(purse.pay(Purpose.READ), purse.pay(Purpose.READ)), 4)
