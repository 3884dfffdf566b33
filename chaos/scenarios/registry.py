"""Every scenario, by the number of its fault."""

from chaos.scenarios import answers, endings, legs, markets
from chaos.scenarios.stage import Scenario

SCENARIOS: tuple[Scenario, ...] = tuple(
    sorted(
        (*answers.SCENARIOS, *endings.SCENARIOS, *legs.SCENARIOS, *markets.SCENARIOS),
        key=lambda scenario: scenario.number,
    )
)


def named(number: int) -> Scenario:
    """Raises StopIteration for a fault without a scenario."""
    return next(scenario for scenario in SCENARIOS if scenario.number == number)
