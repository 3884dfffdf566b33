"""docs/architecture.md §2 as a test: arrows point down, no circles, pure rooms pure, one broad except per process."""

import ast
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.source_rules import (
    EMPTY_NAMES,
    PURE_ROOMS,
    broad_excepts,
    import_circles,
    imports,
    impurities,
    oversized,
    upward_arrows,
    within,
)

REPOSITORY = Path(__file__).parent.parent
HOUSES = ("engine", "bot", "sandbox", "chaos", "crash", "bench", "tests")

DECIDING = ("engine.strategies", "engine.execution", "engine.risk")
MAY_IMPORT: dict[str, Sequence[str]] = {
    # ground
    "engine.domain": (),
    "engine.net": ("engine.domain.errors",),
    "engine.native": (),
    # pure
    "engine.market": ("engine.domain", "engine.native"),
    "engine.portfolio": ("engine.domain",),
    "engine.strategies": ("engine.domain", "engine.market"),
    "engine.execution": ("engine.domain", "engine.market"),
    "engine.risk": ("engine.domain", "engine.market"),
    "engine.core": ("engine.domain", "engine.market", "engine.portfolio", *DECIDING),
    # shell
    "engine.config": ("engine.domain",),
    "engine.plugins": ("engine.domain",),
    "engine.venues": ("engine.domain", "engine.native", "engine.net", "engine.config", "engine.plugins"),
    "engine.storage": ("engine.domain",),
    "engine.schedule": ("engine.domain",),
    "engine.control": ("engine.domain",),
    "engine.desk": ("engine.domain", "engine.core"),
    "engine.questions": ("engine.domain", "engine.desk", "engine.latencies", "engine.risk", "engine.venues"),
    "engine.carrier": (
        *("engine.domain", "engine.desk", "engine.latencies", "engine.questions"),
        *("engine.risk", "engine.storage", "engine.venues"),
    ),
    "engine.streams": ("engine.domain", "engine.desk", "engine.storage", "engine.venues"),
    "engine.shell": (
        *("engine.assemble", "engine.carrier", "engine.config", "engine.core", "engine.desk"),
        *("engine.domain", "engine.risk", "engine.storage", "engine.venues"),
    ),
    "engine.assemble": (
        *("engine.config", "engine.domain", "engine.core", "engine.market", "engine.plugins"),
        *DECIDING,
    ),
    "engine.turnover": ("engine.collect", "engine.config", "engine.core", "engine.desk", "engine.domain"),
    "engine.replay": ("engine.assemble", "engine.config", "engine.core", "engine.domain"),
    "engine.doctor": (
        *("engine.assemble", "engine.catalogue", "engine.config", "engine.domain"),
        *("engine.native", "engine.net", "engine.storage", "engine.venues"),
    ),
    "engine.garbage": (),
    "engine.latencies": ("engine.domain", "engine.risk"),
    "engine.feed_processes": ("engine.domain", "engine.market", "engine.net", "engine.venues"),
    "engine.wires": ("engine.domain", "engine.venues"),
    "engine.checkpoint": ("engine.assemble", "engine.config", "engine.core", "engine.domain", "engine.storage"),
    "engine.identity": ("engine.domain",),
    "engine.catalogue": ("engine.config", "engine.domain", "engine.net", "engine.venues"),
    "engine.markets": (
        *("engine.catalogue", "engine.config", "engine.desk", "engine.domain", "engine.feed_processes"),
        *("engine.identity", "engine.traded", "engine.venues", "engine.wires"),
    ),
    "engine.traded": ("engine.desk", "engine.domain", "engine.identity", "engine.venues"),
    "engine.watchdog": ("engine.config", "engine.domain", "engine.net", "engine.storage", "engine.venues"),
    "engine.status": ("engine.config", "engine.control", "engine.storage"),
    "engine.recordings": ("engine.domain",),
    "engine.frames": ("engine.domain", "engine.market", "engine.recordings", "engine.venues"),
    "engine.collect": ("engine.config", "engine.domain", "engine.venues"),
    "engine.capture": ("engine.config", "engine.domain", "engine.market", "engine.venues"),
    # wiring
    "engine.daemon": ("engine",),
    "engine.__main__": ("engine",),
    "engine": (),
    # the neighbours
    "bot": ("engine.control.client", "engine.control.messages"),
    "sandbox": ("engine.domain",),
    "chaos": ("engine", "sandbox", "bot"),
    "crash": ("engine", "sandbox"),
    "bench": ("engine", "bot", "sandbox"),
    "tests": ("engine", "bot", "sandbox", "chaos", "crash", "bench"),
}

# The tops of the processes: each may turn what nobody expected into one log line and an exit.
PROCESS_TOPS = {
    "engine": ("engine.__main__", "engine.daemon"),
    "bot": ("bot.__main__", "bot.app"),
    "sandbox": ("sandbox.__main__", "sandbox.demo"),
    "chaos": ("chaos.run",),
    "crash": (),
    "bench": (),
}


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


FILES = {module_name(file): file for house in HOUSES for file in sorted((REPOSITORY / house).rglob("*.py"))}
SOURCES = {module: file.read_text(encoding="utf-8") for module, file in FILES.items()}
TREES = {module: ast.parse(source, str(FILES[module])) for module, source in SOURCES.items()}
PACKAGES = frozenset(module for module, file in FILES.items() if file.name == "__init__.py")


def test_arrows_point_down():
    breaches = [
        breach
        for module, tree in TREES.items()
        for breach in upward_arrows(module, tree, MAY_IMPORT, HOUSES, module in PACKAGES)
    ]
    assert breaches == []


def test_no_import_circles():
    assert " -> ".join(import_circles(TREES, PACKAGES)) == ""


def test_pure_rooms_are_pure():
    pure = {module: tree for module, tree in TREES.items() if within(module, (*PURE_ROOMS, "engine.domain"))}
    assert pure
    assert [breach for module, tree in pure.items() for breach in impurities(module, tree)] == []


@pytest.mark.parametrize("house", PROCESS_TOPS)
def test_one_broad_except_per_process_at_its_top(house):
    found = [
        where for module, tree in TREES.items() if within(module, [house]) for where in broad_excepts(module, tree)
    ]
    assert [where for where in found if where.split(":")[0] not in PROCESS_TOPS[house]] == []
    assert len(found) <= 1, found


def test_nothing_is_patched():
    patching = [
        f"{m}:{line}" for m, tree in TREES.items() for name, line in imports(m, tree) if "mock" in name.split(".")
    ]
    assert patching == []


def test_names_say_something_and_nothing_is_oversized():
    assert [module for module in TREES if EMPTY_NAMES & set(module.split("."))] == []
    assert [
        b for module, source in SOURCES.items() if module.split(".")[0] != "tests" for b in oversized(module, source)
    ] == []


# The rules themselves: each must be able to fail.

ARROWS = [  # why, module, source, breaches
    ("down is allowed", "engine.core", "from engine.market.book import Book", 0),
    ("its own room is allowed", "engine.market.fx", "from engine.market import book", 0),
    ("other people's packages are not our houses", "engine.domain.money", "import decimal, engineering", 0),
    ("up is not", "engine.market.book", "from engine.core import State", 1),
    ("a lazy import counts", "engine.risk.review", "def f():\n    import engine.execution.legs", 1),
    ("a relative import counts", "engine.market.book", "from ..venues import protocol", 1),
    ("part of a room", "engine.net.http", "from engine.domain import money", 1),
    ("that part", "engine.net.http", "from engine.domain.errors import VenueUnavailable", 0),
    ("the bot sees the door alone", "bot.alerts", "from engine.domain.money import ZERO", 1),
    ("the bot's door", "bot.client", "from engine.control import client, messages", 0),
    ("the sandbox is unknown", "engine.daemon", "from sandbox.demo import main", 1),
    ("the sandbox knows the domain at most", "sandbox.tape", "from engine.venues.upbit import wire", 1),
    ("nobody takes the whole house", "bot.app", "import engine", 1),
    ("a new room must be planned", "engine.gadgets.x", "", 1),
]


@pytest.mark.parametrize("why, module, source, breaches", ARROWS, ids=[case[0] for case in ARROWS])
def test_the_arrow_rule(why, module, source, breaches):
    assert len(list(upward_arrows(module, ast.parse(source), MAY_IMPORT, HOUSES))) == breaches


def test_the_circle_rule():
    straight = {
        "a": ast.parse("import b.c"),
        "b": ast.parse(""),
        "b.c": ast.parse("from . import d"),
        "b.d": ast.parse(""),
    }
    assert import_circles(straight, frozenset({"b"})) == []
    bent = straight | {"b.d": ast.parse("def lazy():\n    from a import thing")}
    assert set(import_circles(bent, frozenset({"b"}))) == {"a", "b.c", "b.d"}


IMPURE = [
    "async def f(): pass",
    "import time",
    "from datetime import datetime\nx = datetime.now()",
    "from pathlib import Path",
    "import logging",
    "import random",
    "import os.path",
    "import numpy",
    "print(1)",
    "open('x')",
    "hash('x')",
    "for x in {1, 2}: pass",
    "for x in set(y): pass",
    "y = [x for x in frozenset(z)]",
    "waiting: set[str] = f()\nfor x in waiting: pass",
    "def f(venues: frozenset[str]): return tuple(venues)",
    "class S:\n    held: set[str]\ndef f(s):\n    for x in s.held: pass",
    "seen = {1} | other\nfirst = next(iter(seen))",
    "seen = set()\nseen.pop()",
    "x = [*{1, 2}]",
    "for x in left.keys().union(right): pass",
]
PURE = [
    "from decimal import Decimal\nimport msgspec",
    "from datetime import datetime\ndef f(at: datetime): return at.date()",
    "for x in sorted({1, 2}): pass",
    "held: set[str] = set()\nprint_me = 'a' in held\nheld.add('a')",
    "for x in {1: 2}: pass",
    "queue.pop()",
    "low = min({1, 2})",
]


@pytest.mark.parametrize("source", IMPURE)
def test_the_purity_rule_finds(source):
    assert list(impurities("engine.core", ast.parse(source)))


@pytest.mark.parametrize("source", PURE)
def test_the_purity_rule_allows(source):
    assert list(impurities("engine.core", ast.parse(source))) == []


@pytest.mark.parametrize(
    "kind", ["", " Exception", " BaseException as error", " (ValueError, Exception)", " builtins.Exception"]
)
def test_the_breadth_rule_finds(kind):
    assert list(broad_excepts("x", ast.parse(f"try:\n    pass\nexcept{kind}:\n    pass"))) == ["x:3"]
    assert list(broad_excepts("x", ast.parse("try:\n    pass\nexcept (ValueError, KeyError):\n    pass"))) == []


def test_the_size_rule():
    assert list(oversized("x", "def f():\n" + "    pass\n" * 60)) == ["x:1 f has 61 lines"]
    assert list(oversized("x", "def f():\n" + "    pass\n" * 59)) == []
    assert list(oversized("x", "\n" * 401)) == ["x has 401 lines"]
