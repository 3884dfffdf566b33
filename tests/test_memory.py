import subprocess
import sys

STARTER = """
import subprocess, sys
held = bytearray(b"1") * 400_000_000
subprocess.run([sys.executable, "-c", sys.argv[1]], check=True)
"""
SHOWN = """
import resource
from engine.garbage import resident_mb
print(resident_mb(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_a_process_that_a_large_one_started_shows_its_own_memory():
    """The kernel's peak does not: it outlives exec."""
    command = [sys.executable, "-c", STARTER, SHOWN]
    shown, peak = map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert 5 < shown < 100 and peak > 380
