"""Beside the journal: what its entries up to one of them amount to, so that a start reads only what came later.

It is worth nothing by itself: it names an entry of the journal by seq and hash, and can be made again from the journal
at any time. One that is missing, torn, of another format or of another journal is not used.
"""

import hashlib
import logging
import os
from pathlib import Path

import msgspec
from msgspec import Struct

from engine.domain.past import Past
from engine.storage.latch import sync_directory

log = logging.getLogger(__name__)

FORMAT = 1  # of the sums and of what they mean: another one is read from the journal anew

_encode = msgspec.json.Encoder(decimal_format="string").encode


class Carried(Struct, frozen=True, array_like=True):
    """An entry that is read again: of a trade that is not over, or was not long ago."""

    run: int
    kind: str
    wall_ms: int
    mono_ns: int
    payload: bytes


class Checkpoint(Struct, frozen=True, kw_only=True):
    """`ends`: the last monotonic time of every run that a carried entry is of, and of the newest one."""

    seq: int
    hash: bytes
    ends: dict[int, int]
    carried: tuple[Carried, ...]
    past: Past


class _File(Struct, frozen=True, kw_only=True):
    format: int
    checkpoint: msgspec.Raw
    sha256: str  # of the checkpoint's own bytes


def beside(journal: Path) -> Path:
    """Where the checkpoint of a journal lies."""
    return journal.with_name(journal.name + ".checkpoint")


def read(path: Path) -> Checkpoint | None:
    """None where there is none that can be used."""
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
        if file.format != FORMAT or hashlib.sha256(file.checkpoint).hexdigest() != file.sha256:
            log.warning("checkpoint_unusable path=%s format=%d", path, file.format)
            return None
        return msgspec.json.decode(file.checkpoint, type=Checkpoint)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("checkpoint_unusable path=%s error=%s", path, error)
        return None


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the one before in one step, durable when this returns. Raises OSError: then the old one holds."""
    body = _encode(checkpoint)
    digest = hashlib.sha256(body).hexdigest()
    made = _encode(_File(format=FORMAT, checkpoint=msgspec.Raw(body), sha256=digest))
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.write(made)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)
    sync_directory(path.parent)
