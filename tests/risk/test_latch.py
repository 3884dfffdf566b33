import pytest

from engine.domain.order import LegRole
from engine.risk.latch import allows, cancels_open, opens_trades, raised

TABLE = {  # level: (opening entry, second leg, chase, unwind, flatten)
    0: (True, True, True, True, True),
    1: (False, True, True, True, True),
    2: (False, False, False, False, False),
    3: (False, False, False, True, True),
}


@pytest.mark.parametrize("level, expected", TABLE.items())
def test_what_passes(level, expected):
    found = (
        allows(level, LegRole.ENTRY),
        allows(level, LegRole.ENTRY, finishes=True),
        allows(level, LegRole.CHASE),
        allows(level, LegRole.UNWIND),
        allows(level, LegRole.FLATTEN),
    )
    assert found == expected
    assert opens_trades(level) is (level == 0)
    assert cancels_open(level) is (level >= 2)


def test_the_latch_only_rises():
    assert [raised(level, to) for level in range(4) for to in (1, 2, 3)] == [1, 2, 3, 1, 2, 3, 2, 2, 3, 3, 3, 3]
    for level in (0, 4, -1):
        with pytest.raises(ValueError, match=f"level 1, 2 or 3, not {level}"):
            raised(0, level)
