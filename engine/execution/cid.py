"""Client order ids: deterministic, so a restart recomputes them; 26 lower-case base32 letters fit every venue."""

import re
from hashlib import blake2b

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _LETTERS for second in _LETTERS]
_SHIFTS = range(120, -1, -10)  # ten bits a pair: 128 bits and two zeros
_FORM = re.compile(f"[{_LETTERS}]{{26}}")


def client_id(instance: str, trade_id: str, leg: int, attempt: int) -> str:
    """128 bits of hash(instance ‖ trade ‖ leg ‖ attempt) (reliability.md §3.3)."""
    digest = blake2b(f"{instance}\x00{trade_id}\x00{leg}\x00{attempt}".encode(), digest_size=16).digest()
    # base64.b32encode takes three times as long, and this stands between a frame and its order.
    bits = int.from_bytes(digest) << 2
    return "".join([_PAIRS[bits >> shift & 1023] for shift in _SHIFTS])


def is_like_ours(cid: str) -> bool:
    """Of the form that `client_id` makes, by whichever instance. Nobody types such a one by chance."""
    return _FORM.fullmatch(cid) is not None
