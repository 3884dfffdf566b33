"""Venues and strategies of other distributions: real ones, written into a folder on the path."""

import asyncio
import random
import time
from textwrap import dedent

import pytest

from engine.assemble import core_config
from engine.config import load
from engine.core.state import State
from engine.domain.errors import ConfigError
from engine.frames import run as run_frames
from engine.venues.feeds import build_feed, native
from sandbox.world import World, WorldConfig
from tests.conftest import REPOSITORY
from tests.venues.feeds.rig import Listener
from tests.waiting import until

VENUE = """
    from engine.venues.native import Native
    from engine.venues.upbit.feed import UpbitDecoder, UpbitDialect

    NATIVE = Native(decoder=UpbitDecoder, dialect=UpbitDialect)
    NOT_ONE = "a text"
"""
STRATEGY = """
    from msgspec import Struct
    from engine.strategies.sight import Strategy

    class Params(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        venue: str
        threshold: float = 0.01

    STRATEGY = Strategy(
        name="patience",
        params=Params,
        reads=lambda sight, params: frozenset({(params.venue, "KRW-BTC")}),
        evaluate=lambda sight, params, market: [],
        figures=lambda sight, params: {"threshold": params.threshold},
    )
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Make a distribution: its module and what an installer writes beside it."""

    def install(name, source, entries):
        module = name.replace("-", "_")
        place = tmp_path / name
        info = place / f"{module}-1.2.dist-info"
        info.mkdir(parents=True)
        (place / f"{module}.py").write_text(dedent(source))
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        lines = [line for group, names in entries.items() for line in (f"[{group}]", *names)]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        monkeypatch.syspath_prepend(str(place))
        return place

    return install


def configured(tmp_path, text):
    path = tmp_path / "plug.yaml"
    path.write_text(dedent(text))
    return load(REPOSITORY / "configs", (path,))


PATIENCE = """
    strategies:
      patience: {mode: alert, params: {venue: upbit, threshold: 0.25}}
"""


def feed_of(venue, rest, listener):
    return build_feed(
        venue,
        ws_base=rest.replace("http", "ws"),
        rest_base=rest,
        symbols=("KRW-BTC",),
        sink=listener.take,
        clock_ns=time.monotonic_ns,
        rng=random.Random(3),
        top_of=listener.top,
    )


async def test_a_venue_of_another_distribution_is_a_feed_and_can_be_played(install, tmp_path, capsys):
    install("acme-venue", VENUE, {"premia.venues": ["acme = acme_venue:NATIVE"]})
    async with World(WorldConfig(seed=11, episodes=False, houses=("upbit",))) as world:
        listener = Listener()
        feed = feed_of("acme", world.urls["upbit"]["rest"], listener)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(feed.run())
            await until(lambda: listener.top("KRW-BTC") is not None)
            task.cancel()
    (tmp_path / "empty.jsonl").write_text("")
    assert run_frames("acme", [tmp_path / "empty.jsonl"], as_json=True) == 0


def test_a_strategy_of_another_distribution_is_configured_like_our_own(install, tmp_path):
    install("acme-patience", STRATEGY, {"premia.strategies": ["patience = acme_patience:STRATEGY"]})
    held = State(core_config(configured(tmp_path, PATIENCE))).strategies["patience"]
    assert (held.strategy.name, held.params.threshold, held.mode.value) == ("patience", 0.25, "alert")
    wrong = PATIENCE.replace("threshold", "treshold")
    with pytest.raises(ConfigError, match=r"strategies\.patience"):
        core_config(configured(tmp_path, wrong))


def test_what_is_not_configured_is_not_even_imported(install, tmp_path):
    install("acme-broken", "raise RuntimeError('imported')", {"premia.strategies": ["storm = acme_broken:S"]})
    assert "storm" not in core_config(load(REPOSITORY / "configs")).strategies
    with pytest.raises(ConfigError, match=r"known: .*storm"):  # but it is known by name
        core_config(configured(tmp_path, PATIENCE))


BROKEN = [  # why, source, object, what is said
    ("it raises", "raise RuntimeError('no licence')", "X", "RuntimeError: no licence"),
    ("it imports what is not there", "import nowhere_to_be_found", "X", "ModuleNotFoundError"),
    ("it is no Python", "def (", "X", "SyntaxError"),
    ("the object is missing", "Y = 1", "X", "AttributeError"),
    ("the object is something else", "X = 'a text'", "X", "is a str, expected a engine.strategies.sight.Strategy"),
]


@pytest.mark.parametrize("why, source, name, says", BROKEN, ids=[case[0] for case in BROKEN])
def test_a_broken_plug_in_is_one_error_that_names_its_distribution(install, tmp_path, why, source, name, says):
    module = f"acme_{abs(hash(why)) % 10_000}"
    install(module, source, {"premia.strategies": [f"patience = {module}:{name}"]})
    with pytest.raises(ConfigError) as raised:
        core_config(configured(tmp_path, PATIENCE))
    assert f"plug-in {module} 1.2: `patience` of premia.strategies" in str(raised.value)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value).strip()


def test_a_strategy_that_calls_itself_otherwise_is_refused(install, tmp_path):
    source = STRATEGY.replace('name="patience"', 'name="haste"')
    install("acme-haste", source, {"premia.strategies": ["patience = acme_haste:STRATEGY"]})
    with pytest.raises(ConfigError, match="calls itself `haste`"):
        core_config(configured(tmp_path, PATIENCE))


def test_a_name_of_our_own_is_refused_loaded_or_not(install, tmp_path):
    install(
        "acme-thief", "", {"premia.strategies": ["kimchi = acme_thief:X"], "premia.venues": ["upbit = acme_thief:X"]}
    )
    with pytest.raises(ConfigError, match=r"plug-in acme-thief 1\.2: `kimchi` of premia\.strategies is a name of prem"):
        core_config(load(REPOSITORY / "configs"))
    with pytest.raises(ConfigError, match=r"plug-in acme-thief 1\.2: `upbit`"):
        feed_of("upbit", "http://127.0.0.1:1", Listener())


def test_a_name_that_two_distributions_bring_is_refused_with_both_names(install, tmp_path):
    install("acme-one", STRATEGY, {"premia.strategies": ["patience = acme_one:STRATEGY"]})
    install("acme-two", STRATEGY, {"premia.strategies": ["patience = acme_two:STRATEGY"]})
    with pytest.raises(ConfigError, match=r"acme-(one|two) 1\.2 and acme-(one|two) 1\.2: both bring `patience`"):
        core_config(configured(tmp_path, PATIENCE))


def test_a_venue_that_is_none_is_refused(install):
    install("acme-text", VENUE, {"premia.venues": ["acmetext = acme_text:NOT_ONE"]})
    with pytest.raises(ConfigError, match=r"acme-text 1\.2: .* is a str, expected a engine\.venues\.native\.Native"):
        native("acmetext")
