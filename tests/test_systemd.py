"""The unit files: accepted by systemd, sandboxed, each daemon with its own secrets and independent of the other."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bot import config as bot_config
from engine import config as engine_config
from engine.venues.settings import NEEDS_PASSPHRASE

REPOSITORY = Path(__file__).parent.parent
UNITS = ("premia-engine.service", "premia-bot.service", "premia-watchdog.service")
INSTALLED = "/opt/premia/.venv/bin/premia"
MAX_EXPOSURE = 2.0

needs_systemd_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def settings(unit: str) -> dict[str, list[str]]:
    """Key -> every value given to it, in order."""
    found: dict[str, list[str]] = {}
    for line in (REPOSITORY / "systemd" / unit).read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def credentials(unit: str) -> set[str]:
    return {value.partition(":")[0] for value in settings(unit)["LoadCredential"]}


@pytest.fixture
def installed(tmp_path):
    """The units with only the program's path changed: systemd asks that ExecStart name a file that can be executed."""
    program = tmp_path / "premia"
    program.write_text("#!/bin/sh\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    for unit in UNITS:
        text = (REPOSITORY / "systemd" / unit).read_text()
        assert text.count(f"ExecStart={INSTALLED} ") == 1
        (tmp_path / unit).write_text(text.replace(INSTALLED, str(program)))
    return tmp_path


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}
    )


@needs_systemd_analyze
def test_systemd_accepts_the_units(installed):
    answer = analyze("verify", "--man=no", "--recursive-errors=no", *(str(installed / unit) for unit in UNITS))
    complaints = [line for line in (answer.stdout + answer.stderr).splitlines() if "premia" in line]
    assert complaints == []
    assert answer.returncode == 0, answer.stderr


@needs_systemd_analyze
def test_systemd_would_refuse_a_wrong_unit(installed):
    unit = installed / UNITS[0]
    unit.write_text(unit.read_text().replace("Restart=always", "Restart=perhaps\nProtectEverything=yes"))
    answer = analyze("verify", "--man=no", str(unit))
    assert "perhaps" in answer.stderr and "ProtectEverything" in answer.stderr


@needs_systemd_analyze
@pytest.mark.parametrize("unit", UNITS)
def test_exposure_is_low(unit, capsys):
    answer = analyze("security", "--offline=yes", str(REPOSITORY / "systemd" / unit))
    score = re.search(r"Overall exposure level for \S+: ([\d.]+)", answer.stdout)
    assert score, answer.stdout + answer.stderr
    with capsys.disabled():
        print(f"\n{unit}: exposure {score[1]} (limit {MAX_EXPOSURE})")
    assert float(score[1]) <= MAX_EXPOSURE


@pytest.mark.parametrize("unit", UNITS)
def test_a_daemon_is_watched_and_started_again(unit):
    found = settings(unit)
    assert found["Type"] == ["notify"]
    assert int(found["WatchdogSec"][0]) > 0
    assert found["Restart"] == ["always"]
    assert int(found["StartLimitBurst"][0]) * int(found["RestartSec"][0]) < int(found["StartLimitIntervalSec"][0])


def test_the_watchdog_reads_the_engines_state_and_the_bot_what_it_tells():
    engine, bot, watchdog = (settings(unit) for unit in UNITS)
    assert watchdog["User"] == [UNITS[0].removesuffix(".service")], "the name of the engine's dynamic user"
    assert watchdog["StateDirectory"] == engine["StateDirectory"]
    assert watchdog["Group"] == bot["Group"]
    configs, systemd = REPOSITORY / "configs", REPOSITORY / "systemd"
    told = engine_config.load(configs, (systemd / "engine.yaml",)).watchdog.told
    assert told == f"/run/{watchdog['RuntimeDirectory'][0]}/watchdog.json"
    assert yaml.safe_load((systemd / "bot.yaml").read_text())["watchdog"]["told"] == told


def test_engine_and_bot_survive_each_other():
    binding = ("Requires", "Requisite", "BindsTo", "PartOf", "Upholds", "Conflicts", "PropagatesStopTo")
    assert [(unit, key) for unit in UNITS for key in binding if key in settings(unit)] == []


def test_each_daemon_has_its_own_secrets():
    engine, bot, watchdog = (credentials(unit) for unit in UNITS)
    assert engine & bot == {"PREMIA_CONTROL_TOKEN"}
    assert engine - watchdog == {"PREMIA_CONTROL_TOKEN"}, "it cancels at every venue that the engine trades on"
    assert watchdog <= engine
    assert "TELEGRAM_BOT_TOKEN" in bot
    assert not any("_API_" in name for name in bot)


def test_every_secret_is_named_in_the_example():
    named = set(re.findall(r"^([A-Z_]+)=$", (REPOSITORY / ".env.example").read_text(), re.MULTILINE))
    engine, bot, _ = (credentials(unit) for unit in UNITS)
    assert named == engine | bot
    venues = yaml.safe_load((REPOSITORY / "configs" / "venues.yaml").read_text())["venues"]
    tradable = [name for name, venue in venues.items() if venue.get("kind", "native") == "native"]
    keys = {f"{venue.upper()}_API_{part}" for venue in tradable for part in ("KEY", "SECRET")}
    phrases = {f"{venue.upper()}_API_PASSPHRASE" for venue in NEEDS_PASSPHRASE}
    assert {name for name in named if "_API_" in name} == keys | phrases


def test_both_daemons_meet_at_one_socket(tmp_path):
    users = tmp_path / "users.yaml"
    users.write_text("telegram: {users: [{id: 1, role: owner}]}")
    configs, systemd = REPOSITORY / "configs", REPOSITORY / "systemd"
    engine = engine_config.load(configs, (systemd / "engine.yaml",))
    bot = bot_config.load(configs, (systemd / "bot.yaml", users))
    assert (
        engine.control.socket == bot.control.socket == f"/run/{settings(UNITS[0])['RuntimeDirectory'][0]}/control.sock"
    )
    assert engine.data_dir == f"/var/lib/{settings(UNITS[0])['StateDirectory'][0]}"
    assert bot.data_dir == f"/var/lib/{settings(UNITS[1])['StateDirectory'][0]}"
    assert settings(UNITS[0])["Group"] == settings(UNITS[1])["Group"] == ["premia"]


@pytest.mark.parametrize("unit", UNITS)
def test_the_command_line_is_one_that_premia_knows(unit):
    _, *arguments = settings(unit)["ExecStart"][0].split()
    command = [sys.executable, "-m", "engine", *arguments]
    assert subprocess.run([*command, "--help"], cwd=REPOSITORY, capture_output=True).returncode == 0
    assert subprocess.run([*command, "--nonsense", "--help"], cwd=REPOSITORY, capture_output=True).returncode == 2
