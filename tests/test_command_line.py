"""The `premia` command with bad input: one line that names file and key, exit 2, nothing started."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.assemble import core_config
from engine.config import load
from engine.domain.errors import ConfigError

REPOSITORY = Path(__file__).parent.parent
SECRETS = {
    f"{venue}_API_{part}": "x" for venue in ("UPBIT", "BITHUMB", "BINANCE", "OKX") for part in ("KEY", "SECRET")
} | {"OKX_API_PASSPHRASE": "x"}


def premia(tmp_path: Path, overlay: str, secrets: dict[str, str]) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "overlay.yaml"
    path.write_text(f"data_dir: {tmp_path / 'var'}\n{overlay}", encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if "_API_" not in name} | secrets
    return subprocess.run(
        [sys.executable, "-m", "engine", "run", "--config", "configs", "--overlay", str(path)],
        cwd=REPOSITORY,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


CASES = [  # why, overlay, what the line names
    ("unknown top key", "sped: 3", "unknown key `sped`"),
    ("unknown key of a venue", "venues: {upbit: {taker_fee: 5}}", "taker_fee"),
    ("a number that is none", "execution: {max_chase: many}", "max_chase"),
    ("a fee outside its range", "venues: {okx: {taker_fee_bps: 500}}", "taker_fee_bps must lie in"),
    ("unknown strategy", "strategies: {moon: {mode: auto}}", "strategies.moon"),
    ("unknown parameter of a strategy", "strategies: {kimchi: {params: {min_nett: 0.1}}}", "min_nett"),
    ("a parameter outside its range", "strategies: {kimchi: {params: {depth_share: 7}}}", "depth_share"),
    ("unknown mode", "strategies: {kimchi: {mode: maybe}}", "mode"),
    ("unknown limit", "risk: {overrides: {max_luck: 1}}", "max_luck"),
    ("unknown profile", "risk: {profile: yolo}", "profile"),
    ("not YAML", "venues: [", "overlay.yaml"),
    ("a role that does not exist", "telegram: {users: [{id: 1, role: king}]}", "role must be"),
]


@pytest.mark.parametrize("why, overlay, named", CASES, ids=[case[0] for case in CASES])
def test_bad_configuration_names_file_and_key(tmp_path, why, overlay, named):
    path = tmp_path / "overlay.yaml"
    path.write_text(overlay, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        core_config(load(REPOSITORY / "configs", (path,)))
    assert named in str(raised.value)
    assert ".yaml" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_bad_configuration_is_one_line_and_exit_2(tmp_path):
    ended = premia(tmp_path, "sped: 3", SECRETS)
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr == f"premia: {tmp_path / 'overlay.yaml'}: unknown key `sped`\n"


def test_a_missing_secret_is_named(tmp_path):
    ended = premia(tmp_path, "", {key: value for key, value in SECRETS.items() if key != "OKX_API_PASSPHRASE"})
    assert ended.returncode == 2
    assert ended.stderr.strip() == "premia: environment: missing secret OKX_API_PASSPHRASE"
