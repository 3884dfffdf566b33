"""Client order ids: deterministic, so a restart recomputes them; 26 lower-case base32 letters fit every venue."""

from base64 import b32encode
from hashlib import blake2b


def client_id(instance: str, trade_id: str, leg: int, attempt: int) -> str:
    """128 bits of hash(instance ‖ trade ‖ leg ‖ attempt) (reliability.md §3.3)."""
    digest = blake2b(f"{instance}\x00{trade_id}\x00{leg}\x00{attempt}".encode(), digest_size=16).digest()
    return b32encode(digest).decode().rstrip("=").lower()
