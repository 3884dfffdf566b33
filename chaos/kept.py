"""Seeds that once broke a law, kept as data: `kind seed hours why`, one a line; every check plays each again."""

from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

SEEDS = Path(__file__).parent.parent / "tests" / "regressions" / "seeds.txt"
STORM = "storm"  # any other kind is the key of a scenario


class Kept(Struct, frozen=True):
    """One run that failed. `hours` is 0 for a scenario."""

    kind: str
    seed: int
    hours: float
    why: str

    @property
    def again(self) -> str:
        """The line that plays it."""
        if self.kind == STORM:
            return f"python -m chaos --first {self.seed} --seeds 1 --hours {self.hours:g} --jobs 1"
        return f"python -m chaos.scenarios --only {self.kind} --first {self.seed} --seeds 1 --jobs 1"


def read(path: Path = SEEDS) -> list[Kept]:
    """Raises ValueError for a line that is none."""
    found = []
    for line in path.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            kind, seed, hours, why = line.split(None, 3)
            found.append(Kept(kind, int(seed), float(hours), why))
    return found


def keep(broken: Iterable[Kept], path: Path = SEEDS) -> int:
    """Append what is not there yet; how many."""
    known = {(each.kind, each.seed, each.hours) for each in read(path)}
    fresh = [each for each in broken if (each.kind, each.seed, each.hours) not in known]
    with path.open("a", encoding="utf-8") as file:
        for each in fresh:
            file.write(f"{each.kind} {each.seed} {each.hours:g} {' '.join(each.why.split())[:160]}\n")
    return len(fresh)
