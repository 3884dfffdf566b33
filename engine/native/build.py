"""Compile the book into this folder: `python -m engine.native.build`. One line says what came of it.

Without a compiler or Python's headers the desk runs on plain Python, several times slower on frames; that is no
failure, so this ends with 0 then too. It ends with 1 where both are there and the sources do not compile.
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

_HERE = Path(__file__).parent
# No fused multiply-add: both builds must walk a book to the same last bit.
_FLAGS = ("-O3", "-fno-plt", "-fPIC", "-shared", "-fvisibility=hidden", "-ffp-contract=off", "-fwrapv")
_QUIET = ("-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-missing-field-initializers")


def target() -> Path:
    """Where the extension of this interpreter stands."""
    return _HERE / f"_native{sysconfig.get_config_var('EXT_SUFFIX')}"


def is_fresh() -> bool:
    made = target()
    sources = [*_HERE.glob("*.c"), *_HERE.glob("*.h"), Path(__file__)]
    return made.is_file() and all(made.stat().st_mtime >= source.stat().st_mtime for source in sources)


def what_is_missing() -> str:
    """ "" where it can be compiled."""
    if shutil.which("cc") is None:
        return "no C compiler (cc)"
    header = Path(sysconfig.get_path("include")) / "Python.h"
    return "" if header.is_file() else f"no {header.name} (Debian: python3-dev)"


def build() -> int:
    if is_fresh():
        return 0
    missing = what_is_missing()
    if missing:
        print(f"premia: the compiled book is left out: {missing}; books run on plain Python")
        return 0
    made = target()
    fresh = made.with_name(made.name + ".new")
    sources = sorted(str(source) for source in _HERE.glob("*.c"))
    command = ["cc", *_FLAGS, *_QUIET, f"-I{sysconfig.get_path('include')}", *sources, "-o", str(fresh)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"premia: the compiled book does not compile; books run on plain Python\n{done.stderr}", file=sys.stderr)
        made.unlink(missing_ok=True)
        return 1
    fresh.replace(made)  # a process that runs keeps the one that it has loaded
    print("premia: the book is compiled")
    return 0


if __name__ == "__main__":
    sys.exit(build())
