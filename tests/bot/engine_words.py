"""What the engine can say to a person, read out of its source: alerts with their figures, and rules that refuse.

An alert or a refusal that is written in a way that is not read here fails the reading, and does not slip through.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from msgspec import Struct

from engine.domain.alerting import FIGURES

ENGINE = Path(__file__).parent.parent.parent / "engine"
_RULE = re.compile(r"[a-z]+(_[a-z]+)*")
_Function = ast.FunctionDef | ast.AsyncFunctionDef
# Callee -> which of its arguments is a rule. A `reply` names none where it says yes.
_REFUSING = {
    "refuse": (0, 3),
    "no": (1,),
    "_no": (1,),
    "reply": (2,),
    "_reply": (1, 2),
    "_runaway": (0,),
    "missing": (0,),
    "Refused": (1,),
    "Ceiling": (1,),
}
# Rules that are handed on by a variable: their source, and what they can be.
_HANDED_ON = {
    "unknown_": ("unknown_order", "unknown_strategy", "unknown_opportunity", "unknown_trade"),
    "http_": (),  # of an answer that is not the engine's
}
_FOREIGN = ("net", "venues", "collect", "feed_processes")  # `rule` means a rate limit there


class Said(Struct, frozen=True):
    """One place that alerts: `numbers` are the names of the figures it brings, `None` where a variable brings them."""

    where: str
    rule: str
    numbers: tuple[str, ...] | None

    def __str__(self) -> str:
        return f"{self.rule}@{self.where}"


@cache
def _functions() -> Mapping[str, list[_Function]]:
    found: dict[str, list[_Function]] = {}
    for path in sorted((ENGINE / "core").rglob("*.py")):
        for node in ast.walk(_tree(path)):
            if isinstance(node, _Function):
                found.setdefault(node.name, []).append(node)
    return found


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def alerts() -> list[Said]:
    """Every alert of the engine, once per place and set of figures."""
    out: list[Said] = []
    for path in sorted(ENGINE.rglob("*.py")):
        for function in ast.walk(_tree(path)):
            if isinstance(function, _Function):
                for call in _own_calls(function):
                    out += _alert(f"{path.relative_to(ENGINE)}:{call.lineno}", call, function)
    return out


def _own_calls(function: _Function) -> Iterator[ast.Call]:
    """Not those of a function within it: that one is visited by itself."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, _Function):
            continue
        if isinstance(node, ast.Call):
            yield node
        waiting.extend(ast.iter_child_nodes(node))


def _alert(where: str, call: ast.Call, function: _Function) -> list[Said]:
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    if isinstance(call.func, ast.Attribute) and call.func.attr == "alert":
        rule = call.args[0]
    elif isinstance(call.func, ast.Name) and call.func.id == "Ring":
        rule = named["rule"]
    else:
        return []
    if ast.unparse(rule) == "ring.rule":
        return []  # a Ring, which is read where it is made
    rules = FIGURES if ast.unparse(rule) == "wish.figure" else tuple(_strings(rule))
    assert rules, f"{where}: the kind of this alert cannot be read"
    brought = _figures(named["numbers"], function) if "numbers" in named else [()]
    return [Said(where, each, numbers) for each in rules for numbers in brought]


def _strings(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _strings(node.body)
        yield from _strings(node.orelse)


def _figures(node: ast.expr, function: _Function) -> list[tuple[str, ...] | None]:
    """The names in each mapping that this expression can be."""
    match node:
        case ast.Dict() if all(isinstance(key, ast.Constant) for key in node.keys):
            return [tuple(key.value for key in node.keys if isinstance(key, ast.Constant))]  # type: ignore[misc]
        case ast.IfExp():
            return _figures(node.body, function) + _figures(node.orelse, function)
        case ast.BinOp(op=ast.BitOr()):
            left, right = _figures(node.left, function), _figures(node.right, function)
            return [None if one is None or two is None else one + two for one in left for two in right]
        case ast.Name():
            values = [
                each.value
                for each in ast.walk(function)
                if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == node.id
            ]
            return [found for value in values for found in _figures(value, function)] or [None]
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
            made = [
                (each.value, one)
                for one in _functions().get(name, [])
                for each in ast.walk(one)
                if isinstance(each, ast.Return) and each.value is not None
            ]
            return [found for value, one in made for found in _figures(value, one)] or [None]
    return [None]


def refusals() -> dict[str, str]:
    """Every rule that the engine can refuse or pause with -> one place that does."""
    out: dict[str, str] = {}
    for path in sorted(ENGINE.rglob("*.py")):
        where = path.relative_to(ENGINE)
        if where.parts[0] in _FOREIGN:
            continue
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Call):
                for rule in _rules(node):
                    out.setdefault(rule, f"{where}:{node.lineno}")
            elif isinstance(node, _Function) and node.name.startswith("_why"):
                for each in ast.walk(node):  # (rule, text) of what stands against it
                    if isinstance(each, ast.Return) and isinstance(each.value, ast.Tuple):
                        out |= {rule: f"{where}:{each.lineno}" for rule in _strings(each.value.elts[0]) if rule}
    return out


def letters() -> dict[str, str]:
    """Rule with which a trade is left to a person -> one place that does; what names none stands as its source."""
    out: dict[str, str] = {}
    for path in sorted(ENGINE.rglob("*.py")):
        for function in ast.walk(_tree(path)):
            if isinstance(function, _Function) and function.name != "_given_up":
                for call in _own_calls(function):
                    if ast.unparse(call.func) == "_given_up" or _is_letter(call):
                        where = f"{path.relative_to(ENGINE)}:{call.lineno}"
                        out |= {_begins(each): where for each in _values(call.args[-1], function)}
    return out


def _is_letter(call: ast.Call) -> bool:
    return ast.unparse(call.func) == "End" and ast.unparse(call.args[0]) == "TradeState.DEAD_LETTER"


def _values(node: ast.expr, function: _Function) -> list[ast.expr]:
    """What a name of the function can be; else the expression itself."""
    assigns = [each for each in ast.walk(function) if isinstance(each, ast.Assign)]
    return [each.value for each in assigns if ast.unparse(each.targets[0]) == ast.unparse(node)] or [node]


def _begins(node: ast.expr) -> str:
    while isinstance(node, ast.BinOp):
        node = node.left
    first = node.values[0] if isinstance(node, ast.JoinedStr) else node
    rule, colon, _ = str(first.value).partition(": ") if isinstance(first, ast.Constant) else ("", "", "")
    return rule if colon else ast.unparse(node)


def _rules(call: ast.Call) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    given = [call.args[index] for index in _REFUSING.get(name, ()) if index < len(call.args)]
    if name != "Ring":
        given += [keyword.value for keyword in call.keywords if keyword.arg == "rule"]
    for value in given:
        made = re.fullmatch(r"f'([a-z_]+){\w+}'", ast.unparse(value))
        if made:
            yield from _HANDED_ON[made[1]]
        yield from (rule for rule in _strings(value) if _RULE.fullmatch(rule))
