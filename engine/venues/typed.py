"""Frames of books in one pass: the shape of a msgspec type for the compiled reader, where that was built.

It reads what a venue writes every day and hands the rest to the typed decoder, which reads or refuses it as ever.
Levels come as `native.Levels`; rows that hold both sides (Korean venues) as a pair of them, (bids, asks).
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Protocol, TypeVar, cast, get_origin

import msgspec
from msgspec import inspect

from engine.domain.market import Levels
from engine.native import native

T = TypeVar("T")
# As engine/native/shape.h numbers them.
_TEXT, _INTEGER, _REAL, _TRUTH, _ROWS, _NAMED, _UNITS, _LIST, _OBJECT = range(9)
_UNIT = ("bid_price", "bid_size", "ask_price", "ask_size")
_SCALARS: dict[type, int] = {
    inspect.StrType: _TEXT,
    inspect.IntType: _INTEGER,
    inspect.FloatType: _REAL,
    inspect.BoolType: _TRUTH,
}
Shape = tuple[Any, ...]


class _NoShape(Exception):
    """The compiled reader has no word for this type."""


def compiled(decoder: msgspec.json.Decoder[T]) -> Callable[[bytes], T]:
    """What decodes as `decoder` does, faster where it can be. Raises what `decoder.decode` raises."""
    shape = _shape_of(cast(Any, decoder.type), not decoder.strict) if native is not None else None
    if shape is None or native is None:
        return decoder.decode
    read: Callable[[bytes], T] = native.Reader(shape, decoder.decode)
    return read


def best_first(levels: Sequence[tuple[float, float]], highest: bool) -> Levels:
    """A side of a whole book: without zeros, the highest price first, or the lowest."""
    if native is not None and type(levels) is native.Levels:
        ordered: Levels = levels.best_first(highest)  # type: ignore[attr-defined]
        return ordered
    return sorted(((price, size) for price, size in levels if price and size), reverse=highest)


class Unit(Protocol):
    """One row of a Korean venue: the n-th best ask beside the n-th best bid."""

    @property
    def bid_price(self) -> float: ...
    @property
    def bid_size(self) -> float: ...
    @property
    def ask_price(self) -> float: ...
    @property
    def ask_size(self) -> float: ...


def sides(units: Sequence[Unit] | tuple[Levels, Levels]) -> tuple[Levels, Levels]:
    """(bids, asks) of rows that hold both, as the venue ordered them."""
    if isinstance(units, tuple):  # the compiled reader gives the pair
        return cast(tuple[Levels, Levels], units)
    bids = [(unit.bid_price, unit.bid_size) for unit in units]
    return bids, [(unit.ask_price, unit.ask_size) for unit in units]


def is_compiled(rows: object) -> bool:
    """Whether these are levels as the compiled reader gives them, and not rows of their own type."""
    return native is not None and type(rows) is native.Levels


@lru_cache(maxsize=256)
def _shape_of(kind: Any, quoted: bool) -> Shape | None:
    """None where the type is of another number (Decimal), or has no shape."""
    try:
        return _shape(inspect.type_info(kind), quoted)
    except _NoShape:
        return None


def _shape(kind: inspect.Type, quoted: bool, may_be_null: bool = False) -> Shape:
    """(kind, quoted, exact, may be null, class, inner, fields): what `node_from` in shape.c takes."""
    if isinstance(kind, inspect.Metadata):
        return _shape(kind.type, quoted, may_be_null)
    if isinstance(kind, inspect.UnionType):
        others = [other for other in kind.types if not isinstance(other, inspect.NoneType)]
        if len(others) == 1:
            return _shape(others[0], quoted, may_be_null=True)
    if type(kind) in _SCALARS:
        return (_SCALARS[type(kind)], quoted, False, may_be_null, None, None, ())
    if isinstance(kind, inspect.ListType):
        return _levels(kind.item_type, quoted, may_be_null) or (
            *(_LIST, quoted, False, may_be_null, None, _shape(kind.item_type, quoted)),
            (),
        )
    if isinstance(kind, inspect.StructType) and not kind.array_like and not kind.forbid_unknown_fields:
        fields = tuple(_field(field, quoted) for field in kind.fields)
        return (_OBJECT, quoted, False, may_be_null, get_origin(kind.cls) or kind.cls, None, fields)
    raise _NoShape


def _field(field: inspect.Field, quoted: bool) -> Shape:
    if field.default_factory is not msgspec.NODEFAULT:
        raise _NoShape
    missing = () if field.required else (field.default,)
    return (field.encode_name, _shape(field.type, quoted), missing)


def _levels(row: inspect.Type, quoted: bool, may_be_null: bool) -> Shape | None:
    """A list of rows that are levels; None for a list of anything else."""
    if isinstance(row, inspect.TupleType):
        if len(row.item_types) == 2 and all(isinstance(item, inspect.FloatType) for item in row.item_types):
            return (_ROWS, quoted, True, may_be_null, None, None, ())
        return None
    if not isinstance(row, inspect.StructType):
        return None
    columns = {field.name: field for field in row.fields if isinstance(field.type, inspect.FloatType)}
    if row.array_like and list(columns)[:2] == ["price", "size"]:
        # A third column that the type names has a meaning: the typed decoder looks at it.
        return (_ROWS, quoted, len(row.fields) > 2, may_be_null, None, None, ())
    for kind, names in ((_NAMED, ("price", "size")), (_UNITS, _UNIT)):
        if not row.array_like and sorted(columns) == sorted(names) and len(row.fields) == len(names):
            fields = tuple((columns[name].encode_name, None, ()) for name in names)
            return (kind, quoted, False, may_be_null, None, None, fields)
    return None
