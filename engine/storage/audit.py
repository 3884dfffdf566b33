"""The chain of deeds: each row's hash covers the row and the hash before it, so that a change shows."""

import hashlib
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from engine.domain.report import AuditRow, Deed

GENESIS = "0" * 64


class Head(Struct, frozen=True):
    """The newest row: its id and hash. Before the first row: 0 and zeros."""

    id: int = 0
    hash: str = GENESIS


def link(head: Head, deed: Deed) -> AuditRow:
    """The row that follows `head`."""
    number = head.id + 1
    return AuditRow(
        id=number, prev_hash=head.hash, hash=_digest(head.hash, number, deed), **msgspec.structs.asdict(deed)
    )


def first_broken(head: Head, rows: Iterable[AuditRow]) -> tuple[Head, int | None]:
    """Walk on from `head`: the head reached, and the id of the first row that is missing or was changed."""
    for row in rows:
        expected = head.id + 1
        if row.id != expected or row.prev_hash != head.hash or row.hash != _digest(head.hash, expected, _deed(row)):
            return head, expected
        head = Head(row.id, row.hash)
    return head, None


def _deed(row: AuditRow) -> Deed:
    return Deed(**{name: getattr(row, name) for name in Deed.__struct_fields__})


def _digest(prev_hash: str, number: int, deed: Deed) -> str:
    return hashlib.sha256(msgspec.json.encode((prev_hash, number, *msgspec.structs.astuple(deed)))).hexdigest()
