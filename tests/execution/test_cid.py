"""Client ids: the same after a restart, different for everything else, and fit for every venue."""

import re
import subprocess
import sys
from base64 import b32encode
from hashlib import blake2b
from itertools import product
from pathlib import Path

from engine.execution.cid import client_id

ROOT = Path(__file__).parent.parent.parent


def test_the_form_fits_every_venue():
    for attempt in range(200):
        assert re.fullmatch(r"[a-z2-7]{26}", client_id("premia-1", "t1a2b-7", 0, attempt))


def test_another_process_computes_the_same():
    code = "from engine.execution.cid import client_id; print(client_id('premia-1', 't1a2b-7', 1, 3))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == client_id("premia-1", "t1a2b-7", 1, 3)


def test_the_letters_are_base32():
    """An order of an older version must be found under its id."""
    for attempt in range(50):
        digest = blake2b(f"premia-1\0t1\0{1}\0{attempt}".encode(), digest_size=16).digest()
        assert client_id("premia-1", "t1", 1, attempt) == b32encode(digest).decode().rstrip("=").lower()


def test_no_two_are_alike():
    parts = list(product(["premia-1", "premia-2"], ["t1-1", "t1-11", "t11-1"], range(3), range(12)))
    assert len({client_id(*part) for part in parts}) == len(parts)


def test_parts_do_not_run_into_each_other():
    assert client_id("a", "bc", 1, 2) != client_id("ab", "c", 1, 2)
    assert client_id("a", "b", 1, 12) != client_id("a", "b", 11, 2)
