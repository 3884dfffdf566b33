"""What may be committed: locks of names, versions and hashes; no address, machine path, secret or recording."""

import re
import subprocess
import tomllib
from hashlib import sha256
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent

LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-bench.lock")

PINNED = re.compile(
    r"(?P<name>[a-z0-9-]+)==(?P<version>[0-9][0-9a-z.]*)( ; (?P<marker>[a-z_0-9'.<>=!()* ]+))? \\", re.IGNORECASE
)
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")

# Put together here, so that this file does not hold what it forbids.
REGISTRIES = ("pypi" + ".org", "pythonhosted" + ".org", "registry." + "npmjs", "registry." + "yarnpkg")
INDEX_OPTIONS = ("--index" + "-url", "--extra-index" + "-url", "--find" + "-links", "--trusted" + "-host")
MACHINE_PATHS = re.compile(
    "|".join([r"(?<![\w.])/" + r"(work|root)/", r"/home/\w+/", r"/Users/\w+/", r"file:" + r"///\w"])
)
SECRETS = re.compile(r"(?<!\d)\d{8,10}:AA[\w-]{33}|-----BEGIN [A-Z ]*PRIVATE " + r"KEY-----|\bAKIA[0-9A-Z]{16}\b")


def pins(lock: str) -> set[tuple[str, str, str]]:
    """(name, version, marker) of each line; raises AssertionError on a line that is neither a pin nor a hash of one."""
    found: set[tuple[str, str, str]] = set()
    hashes = 1
    for line in (REPOSITORY / lock).read_text().splitlines():
        if pin := PINNED.fullmatch(line):
            assert hashes, f"{lock}: no hash before {line}"
            found.add((pin["name"], pin["version"], pin["marker"] or ""))
            hashes = 0
        else:
            assert HASH.fullmatch(line), f"{lock}: {line}"
            hashes += 1
    assert hashes, f"{lock}: the last pin has no hash"
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_names_versions_and_hashes(lock):
    assert len(pins(lock)) > 20


def test_a_larger_lock_holds_the_smaller_ones():
    runtime, dev, bench = (pins(lock) for lock in LOCKS)
    assert runtime < dev < bench


def test_every_dependency_is_locked():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for lock, wanted in (
        (LOCKS[0], project["dependencies"] + extras["build"]),
        (LOCKS[1], extras["dev"]),
        (LOCKS[2], extras["bench"]),
    ):
        locked = {name for name, _, _ in pins(lock)}
        assert {re.split(r"[\[<>=~! ]", requirement)[0].lower() for requirement in wanted} - locked == set(), lock


@pytest.mark.parametrize(
    "line",
    [
        "--index" + "-url https://example.org/simple",
        "premia @ file:" + "///srv/premia",
        "aiohttp>=3",
        "aiohttp==3.14.5",
        "    --hash=md5:0",
    ],
)
def test_a_lock_with_another_line_is_refused(line):
    assert not PINNED.fullmatch(line) and not HASH.fullmatch(line)


def tracked_files() -> list[Path]:
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout: nothing is tracked")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    return [file for name in listed.split("\0") if name and (file := REPOSITORY / name).is_file()]


def forbidden(text: str) -> list[str]:
    found = [word for word in (*REGISTRIES, *INDEX_OPTIONS) if word in text]
    return found + [match[0] for pattern in (MACHINE_PATHS, SECRETS) for match in pattern.finditer(text)]


def test_tracked_files_name_no_registry_machine_or_secret():
    breaches = {
        str(file.relative_to(REPOSITORY)): found
        for file in tracked_files()
        if (found := forbidden(file.read_bytes().decode("utf-8", "ignore")))
    }
    assert breaches == {}


@pytest.mark.parametrize(
    "text",
    [
        "https://" + REGISTRIES[0] + "/simple",
        "pip " + INDEX_OPTIONS[2] + " wheels",
        "see /" + "work/main/x",
        "open('/" + "home/jiwoo/x')",
        "1234567890:AA" + "x" * 33,
    ],
)
def test_the_forbidden_is_found(text):
    assert forbidden(text)


def test_secrets_and_data_are_not_tracked():
    suffixes = {".db", ".sqlite3", ".sock", ".pem", ".key"}
    assert [f.name for f in tracked_files() if f.name == ".env" or f.suffix in suffixes] == []


def test_no_recording_of_others_is_copied(shared):
    """tests/captures/ is written by our own sandbox; other projects' recordings stay where they lie."""
    recordings = shared / "venues"
    theirs = {
        sha256(f.read_bytes()).digest(): f.name for f in recordings.rglob("*") if f.is_file() and f.stat().st_size
    }
    ours = {file: sha256(file.read_bytes()).digest() for file in tracked_files()}
    assert {str(file): theirs[digest] for file, digest in ours.items() if digest in theirs} == {}
