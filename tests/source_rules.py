"""What the plan of the house forbids, read from source text: imports, purity, breadth of excepts, size.

Each rule takes a module's name and its parsed tree and yields one line per breach, so that it can be shown to fail on a
few lines of text as well as be run over the repository.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias

Trees: TypeAlias = Mapping[str, ast.Module]  # dotted module name -> tree; a package goes by its own name

PURE_ROOMS = (
    "engine.core",
    "engine.strategies",
    "engine.risk",
    "engine.execution",
    "engine.market",
    "engine.portfolio",
)

# A pure room may use these and its own house; what is not here has a clock, a file, a socket, a thread or chance in it.
PURE_MODULES = frozenset(
    "__future__ abc base64 bisect collections dataclasses datetime decimal enum fractions functools graphlib hashlib"
    " heapq itertools math msgspec operator re statistics string struct types typing engine".split()
)
# `hash` and `id` differ from process to process; `datetime.now` and its kin read the clock.
IMPURE_CALLS = frozenset("open print input eval exec compile __import__ breakpoint hash id globals vars".split())
CLOCK_READINGS = frozenset("now utcnow today".split())
UNORDERED = frozenset("set frozenset".split())
SET_OPERATIONS = frozenset("union intersection difference symmetric_difference".split())
ORDER_TAKERS = frozenset("list tuple iter next enumerate zip map filter reversed dict".split())

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
EMPTY_NAMES = frozenset("utils util helpers helper common manager managers base misc".split())


def imports(module: str, tree: ast.Module, is_package: bool = False) -> Iterator[tuple[str, int]]:
    """Every imported dotted name with its line, lazy imports too; `from a import b` gives `a.b`."""
    parents = module.split(".")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = node.level - 1 if is_package else node.level
            start = parents[: len(parents) - up] if node.level else []
            source = ".".join([*start, *([node.module] if node.module else [])])
            yield from ((f"{source}.{alias.name}", node.lineno) for alias in node.names)


def room_of(module: str) -> str:
    """`engine.venues.upbit.feed` -> `engine.venues`; outside the engine the package itself is the room."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "engine" and len(parts) > 1 else parts[0]


def within(module: str, places: Sequence[str]) -> bool:
    return any(module == place or module.startswith(place + ".") for place in places)


def upward_arrows(
    module: str,
    tree: ast.Module,
    may_import: Mapping[str, Sequence[str]],
    houses: Sequence[str],
    is_package: bool = False,
) -> Iterator[str]:
    """Imports of our own houses that the module's room may not make; a room that the plan does not know is a breach."""
    room = room_of(module)
    if room not in may_import:
        yield f"{module}: the plan has no room {room}"
        return
    for name, line in imports(module, tree, is_package):
        if within(name, houses) and name not in houses and not within(name, [room, *may_import[room]]):
            yield f"{module}:{line} imports {name}"
        elif name in houses and name not in may_import[room] and name != room:
            yield f"{module}:{line} imports the whole of {name}"


def import_circles(trees: Trees, packages: frozenset[str] = frozenset()) -> list[str]:
    """The first circle of explicit imports among the given modules, as a list of names; empty where there is none."""
    graph = {
        module: {found for name, _ in imports(module, tree, module in packages) if (found := _module_in(name, trees))}
        - {module}
        for module, tree in trees.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _module_in(name: str, trees: Trees) -> str | None:
    """`a.b.c` is the module a.b.c, or something that the module a.b holds, or not ours."""
    return next((module for module in (name, name.rpartition(".")[0]) if module in trees), None)


def impurities(module: str, tree: ast.Module) -> Iterator[str]:
    """Awaits, foreign modules, clock readings, files, print, and orders taken from a set."""
    for name, line in imports(module, tree):
        if name.split(".")[0] not in PURE_MODULES:
            yield f"{module}:{line} imports {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.comprehension) and node.is_async:
            yield f"{module}:{node.iter.lineno} is asynchronous"
        elif isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield f"{module}:{node.lineno} is asynchronous"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
            yield f"{module}:{node.lineno} calls {node.func.id}()"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCK_READINGS:
            yield f"{module}:{node.lineno} calls .{node.func.attr}()"
    yield from _orders_taken_from_sets(module, tree)


def _orders_taken_from_sets(module: str, tree: ast.Module) -> Iterator[str]:
    """A set of strings has another order in every process: nothing may depend on walking one."""
    names = _names_of_sets(tree)
    for node in ast.walk(tree):
        match node:
            case ast.For(iter=walked) | ast.Starred(value=walked):
                expressions = [walked]
            case ast.ListComp(generators=generators) | ast.DictComp(generators=generators):
                expressions = [generator.iter for generator in generators]
            case ast.Call(func=ast.Name(id=name), args=arguments) if name in ORDER_TAKERS:
                expressions = arguments
            case ast.Call(func=ast.Attribute(attr="pop", value=popped), args=[]):
                expressions = [popped]
            case _:
                continue
        yield from (f"{module}:{expr.lineno} walks a set" for expr in expressions if _is_set(expr, names))


def _names_of_sets(tree: ast.Module) -> frozenset[str]:
    """Names and attributes that are annotated as sets or given a set somewhere in the file."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
            target = node.target if isinstance(node, ast.AnnAssign) else node
            if ast.unparse(node.annotation).split("[")[0].lower() in UNORDERED | {"collections.abc.set", "abstractset"}:
                names.add(_last_name(target))
        elif isinstance(node, ast.Assign) and _is_set(node.value, frozenset()):
            names.update(_last_name(target) for target in node.targets)
    return frozenset(names - {""})


def _last_name(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name):
            return name
    return ""


def _is_set(node: ast.expr, names: frozenset[str]) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in UNORDERED
        case ast.Call(func=ast.Attribute(attr=operation)):
            return operation in SET_OPERATIONS
        case ast.BinOp(left=left, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor(), right=right):
            return _is_set(left, names) or _is_set(right, names)
        case ast.Name() | ast.Attribute():
            return _last_name(node) in names
    return False


def broad_excepts(module: str, tree: ast.Module) -> Iterator[str]:
    """`except:`, `except Exception`, `except BaseException`, alone, in a tuple, or as `except*`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            if any(kind is None or _last_name(kind) in ("Exception", "BaseException") for kind in caught):
                yield f"{module}:{node.lineno}"


def oversized(module: str, source: str) -> Iterator[str]:
    """Files and functions past the last line of style."""
    lines = source.count("\n")
    if lines > MAX_FILE_LINES:
        yield f"{module} has {lines} lines"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield f"{module}:{node.lineno} {node.name} has {length} lines"
