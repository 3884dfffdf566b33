"""What passes between the forge and its client, one JSON line each."""

from msgspec import Struct


class Order(Struct, frozen=True, kw_only=True):
    """Start `premia` with these arguments, its environment laid over the forge's own."""

    argv: list[str]
    env: dict[str, str]
    log: str


class Heard(Struct, frozen=True, kw_only=True):
    """`code` is -1 while it lives; a process that was killed ends with minus its signal."""

    pid: int
    ended: bool = False
    code: int = 0
