"""The daemon does not pay for what only other processes need."""

import subprocess
import sys

# Parquet is 60 MB, ccxt's sockets 100 MB.
COLLECT = ("engine.collect.run", "engine.collect.source", "engine.collect.store")
HEAVY = ("pyarrow", "ccxt.pro", *COLLECT, "engine.capture", "nautilus_trader", "cryptofeed")


def test_the_daemon_loads_neither_parquet_nor_ccxts_sockets():
    code = f"import sys, engine.daemon; print([name for name in {HEAVY!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
