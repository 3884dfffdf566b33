"""Every scenario, by the number of its fault."""

from chaos.scenarios import answers, doors, endings, feeds, legs, markets
from chaos.scenarios.stage import Scenario

SCENARIOS: tuple[Scenario, ...] = tuple(
    sorted(
        (
            *(*answers.SCENARIOS, *doors.SCENARIOS, *endings.SCENARIOS),
            *(*feeds.SCENARIOS, *legs.SCENARIOS, *markets.SCENARIOS),
        ),
        key=lambda scenario: (scenario.number, scenario.part),
    )
)


def named(key: str) -> Scenario:
    """Raises StopIteration for a fault without a scenario."""
    return next(scenario for scenario in SCENARIOS if scenario.key == key)
