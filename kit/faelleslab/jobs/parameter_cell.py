"""Reads the parameters cell as a syntax tree: names, kinds, defaults and comments. Nothing is executed."""

import ast
import io
import tokenize
from dataclasses import dataclass
from datetime import date

from faelleslab.jobs.parameter_values import LARGEST_INTEGER, Value

_KINDS = {"str": "text", "int": "integer", "float": "decimal", "bool": "flag", "date": "date", "datetime.date": "date"}
_KINDS["Kommunekode"] = "municipality"
_HARMLESS_IMPORTS = {"datetime", "typing", "__future__", "faelleslab.jobs"}
_LARGEST_CELL = 1_000_000


@dataclass(frozen=True)
class Declaration:
    """One line of the parameters cell, understood."""

    name: str
    kind: str
    default: Value
    has_default: bool
    optional: bool
    choices: tuple[str | int, ...]
    spelling: str
    comment: str


@dataclass(frozen=True)
class _Type:
    kind: str
    optional: bool = False
    choices: tuple[str | int, ...] = ()
    spelling: str = ""


class _Fault(Exception):
    """A line that cannot be read; its text is the Danish reason."""


def read_cell(source: str) -> tuple[list[Declaration], list[str]]:
    """Read the source of a parameters cell.

    Parameters
    ----------
    source : str
        Python; at most 1 MB.

    Returns
    -------
    declarations : list of Declaration
    faults : list of str
        One Danish sentence per line that cannot be read; empty when all is well.
    """
    if len(source) > _LARGEST_CELL:
        return [], ["Cellen er for stor."]
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        return [], [f"Linje {line}: dette er ikke gyldig Python." if line else "Cellen er ikke gyldig Python."]
    comments = _comments(source)
    found: dict[str, Declaration] = {}
    faults: list[str] = []
    for node in tree.body:
        if _harmless(node):
            continue
        try:
            declaration = _declaration(node, comments.get(node.end_lineno or 0) or comments.get(node.lineno, ""))
            if declaration.name in found:
                raise _Fault(f"navnet '{declaration.name}' er brugt før")
            found[declaration.name] = declaration
        except _Fault as fault:
            faults.append(f"Linje {node.lineno}: {fault}.")
    return list(found.values()), faults


def _harmless(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    if isinstance(node, ast.ImportFrom):
        return node.module in _HARMLESS_IMPORTS and node.level == 0
    if isinstance(node, ast.Import):
        return all(a.name in _HARMLESS_IMPORTS for a in node.names)
    return isinstance(node, ast.Pass)


def _comments(source: str) -> dict[int, str]:
    found = {}
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                found[token.start[0]] = token.string.lstrip("#").strip()
    except (tokenize.TokenError, SyntaxError):  # the tree was read; a comment is never worth an error
        pass
    return found


def _declaration(node: ast.stmt, comment: str) -> Declaration:
    target: ast.expr | None = None
    value: ast.expr | None = None
    kind: _Type | None = None
    if isinstance(node, ast.AnnAssign):
        target, value, kind = node.target, node.value, _annotated(node.annotation)
    elif isinstance(node, ast.Assign) and len(node.targets) == 1:
        target, value = node.targets[0], node.value
    if not isinstance(target, ast.Name):
        raise _Fault("kun navn = værdi hører til her")
    if target.id.startswith("__"):
        raise _Fault("et navn kan ikke begynde med to understreger")
    default: Value = None
    if value is not None:
        default, spelling = _value(value)
        kind = kind or _guessed(default, spelling)
        default = _fitting(default, kind)
    if kind is None:  # cannot be: there is an annotation or a value
        raise _Fault("typen mangler")
    return Declaration(
        target.id, kind.kind, default, value is not None, kind.optional, kind.choices, kind.spelling, comment
    )


def _annotated(node: ast.expr) -> _Type:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):  # the annotation is written as text
        try:
            return _annotated(ast.parse(node.value, mode="eval").body)
        except (SyntaxError, ValueError, RecursionError):
            raise _Fault("typen kendes ikke") from None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        sides = [s for s in (node.left, node.right) if not (isinstance(s, ast.Constant) and s.value is None)]
        if len(sides) == 1:
            return _or_none(_annotated(sides[0]))
    if isinstance(node, ast.Subscript):
        outer = ast.unparse(node.value).rpartition(".")[2]
        if outer == "Optional":
            return _or_none(_annotated(node.slice))
        if outer in ("list", "List") and ast.unparse(node.slice) == "str":
            return _Type("text_list")
        if outer == "Literal":
            return _choice(node.slice)
    if isinstance(node, ast.Name | ast.Attribute):
        spelling = ast.unparse(node)
        if spelling in _KINDS:
            kind = _KINDS[spelling]
            return _Type(kind, spelling=spelling if kind == "date" else "")
    raise _Fault("typen kendes ikke (kendte: str, int, float, bool, date, Literal, list[str], Kommunekode, og | None)")


def _or_none(kind: _Type) -> _Type:
    return _Type(kind.kind, True, kind.choices, kind.spelling)


def _choice(node: ast.expr) -> _Type:
    values = [_value(v)[0] for v in (node.elts if isinstance(node, ast.Tuple) else [node])]
    choices = tuple(v for v in values if v is not None)
    if not choices or not (all(type(v) is str for v in choices) or all(type(v) is int for v in choices)):
        raise _Fault("Literal skal rumme enten tekster eller hele tal")
    return _Type("choice", len(choices) < len(values), choices)  # type: ignore[arg-type]


def _value(node: ast.expr) -> tuple[Value, str]:
    """Return the value of a literal, and how a date is spelled."""
    if isinstance(node, ast.Call):
        spelling = ast.unparse(node.func)
        numbers = [a.value for a in node.args if isinstance(a, ast.Constant) and type(a.value) is int]
        if spelling in ("date", "datetime.date") and len(node.args) == len(numbers) == 3 and not node.keywords:
            try:
                return date(*numbers), spelling
            except (ValueError, OverflowError):
                raise _Fault("datoen findes ikke") from None
        raise _Fault("værdien er beregnet; skriv den ud")
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        inner, _ = _value(node.operand)
        if isinstance(inner, int | float) and not isinstance(inner, bool):
            return (-inner if isinstance(node.op, ast.USub) else inner), ""
    if isinstance(node, ast.List):
        items = [_value(e)[0] for e in node.elts]
        texts = [v for v in items if isinstance(v, str)]
        if len(texts) == len(items):
            return texts, ""
        raise _Fault("en liste kan kun rumme tekster")
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | None):  # a bool is an int
        return node.value, ""
    raise _Fault("værdien er ikke skrevet ud som tekst, tal, ja/nej, dato eller liste af tekst")


def _guessed(value: Value, spelling: str) -> _Type:
    if value is None:
        raise _Fault("None alene siger ikke typen; skriv for eksempel navn: str | None = None")
    kinds = {str: "text", int: "integer", float: "decimal", bool: "flag", list: "text_list", date: "date"}
    return _Type(kinds[type(value)], spelling=spelling)


def _fitting(value: Value, kind: _Type) -> Value:
    if value is None:
        if kind.optional:
            return None
        raise _Fault("None passer ikke til typen; skriv typen som type | None")
    types = {"text": str, "integer": int, "flag": bool, "date": date, "text_list": list, "municipality": str}
    if kind.kind == "decimal" and type(value) in (int, float):
        number = float(value) if not isinstance(value, int) or abs(value) <= LARGEST_INTEGER else float("inf")  # type: ignore[arg-type]
        if number - number == 0.0:
            return number
        raise _Fault("tallet er for stort")
    if kind.kind == "choice":
        if any(value == c and type(value) is type(c) for c in kind.choices):
            return value
        raise _Fault("værdien er ikke et af valgene")
    if type(value) is not types.get(kind.kind):
        raise _Fault("værdien passer ikke til typen")
    if type(value) is int and abs(value) > LARGEST_INTEGER:
        raise _Fault("tallet er for stort")
    return value
