"""The book in C, where it was compiled (`engine.native.build`). `PREMIA_PURE=1` asks for plain Python instead.

`native` is None where plain Python does the work. Both give the same answers, to the last bit.
"""

import os
from collections.abc import Sequence
from types import ModuleType

IS_REFUSED = os.environ.get("PREMIA_PURE", "") not in ("", "0")
_NAMES = ("Levels", "Book", "Books", "Reader", "Follower", "walk", "walk_amount", "best_size")


def _load() -> ModuleType | None:
    if IS_REFUSED:
        return None
    try:
        from engine.native import _native
    except ImportError:
        return None
    if not all(hasattr(_native, name) for name in _NAMES):  # built from other sources: the next `make` builds it anew
        return None
    Sequence.register(_native.Levels)
    return _native


native = _load()


def which() -> str:
    """For people."""
    if native is not None:
        return "compiled"
    return "plain Python (PREMIA_PURE is set)" if IS_REFUSED else "plain Python (the compiled one was not built)"
