"""The language of key expressions and conditions: what is written in a contract becomes parts that can be read.

Nothing of the user's runs here; a form that is not in the language is a DeclarationError.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterable, Mapping
from types import CodeType, FunctionType
from typing import Any, NoReturn, cast

from lifeguard.data import record
from lifeguard.errors import DeclarationError
from lifeguard.keys.reprs import repr_safely
from lifeguard.lazily import ast, inspect

RESULT = "result"
"""The name of the return value in every expression, even where a parameter has the same name."""

Read = Callable[[Mapping[str, object], object], object]
"""Reads something of the arguments and the result."""

_KEY_GRAMMAR = (
    "names, attributes (instance.uuid), subscripts with literals (result['id']) and, at the top, tuples of these; "
    "for anything else give a callable with named parameters"
)
_CONDITION_GRAMMAR = (
    "names, attributes, subscripts with literals, the comparisons == != < <= > >= is in, not, and, or, and literals; "
    "for anything else give a callable with named parameters"
)
_UNUSUAL_CODE = 0x20 | 0x80 | 0x200
"""The flags of generators, coroutines and async generators (inspect.CO_GENERATOR and its siblings)."""

_NOT_ALLOWED = {
    "Call": "a call",
    "BinOp": "an operator",
    "UnaryOp": "an operator",
    "Compare": "a comparison",
    "BoolOp": "a logical operator",
    "Slice": "a slice",
    "Starred": "a starred value",
    "Lambda": "a lambda in text",
    "IfExp": "an if-expression",
    "JoinedStr": "an f-string",
    "NamedExpr": "an assignment",
    "Constant": "a literal",
    "Tuple": "a tuple",
    "List": "a list",
    "Set": "a set",
    "Dict": "a dict",
    "ListComp": "a comprehension",
    "SetComp": "a comprehension",
    "DictComp": "a comprehension",
    "GeneratorExp": "a comprehension",
    "Await": "an await",
    "Yield": "a yield",
    "YieldFrom": "a yield",
}
"""What the node of a tree is called, by the name of its class."""

_COMPARISONS: dict[str, Callable[[Any, Any], object]] = {
    "Eq": operator.eq,
    "NotEq": operator.ne,
    "Lt": operator.lt,
    "LtE": operator.le,
    "Gt": operator.gt,
    "GtE": operator.ge,
    "Is": operator.is_,
    "IsNot": operator.is_not,
    "In": lambda left, right: left in right,
    "NotIn": lambda left, right: left not in right,
}


@record
class Each:
    """Many keys at once: one for each item of what the expression gives. Made by `each`."""

    expression: object

    def __repr__(self) -> str:
        return f"each({source_of(self.expression)})"


@record
class After:
    """An expression that is read when the call has returned. Made by `after`."""

    expression: object

    def __repr__(self) -> str:
        return f"after({source_of(self.expression)})"


def each(expression: object) -> Each:
    """Say that an expression gives many keys: the items of a list, tuple or set, or the keys of a mapping.

    An iterator is never consumed, it is reported as unreadable instead.

    Args:
        expression: text such as `"result.ids"`, a callable, or `after(…)` around one.

    Returns:
        What to give as `key=`, or as one element of a tuple there.
    """
    return Each(expression)


def after(expression: object) -> After:
    """Say that an expression is read after the call, though it mentions only arguments: the call itself sets it.

    Args:
        expression: text such as `"self.uuid"`, a callable, `each(…)` around one, or a tuple of these.

    Returns:
        What to give as `key=`, `when=`, …, or as one element of a tuple there.
    """
    return After(expression)


def source_of(form: object) -> str:
    """A key, condition or amount as the user wrote it, quoted as in Python; a callable by its name and place.

    Args:
        form: what was given as `key=`, `when=`, …

    Returns:
        One bounded line, such as `"result['id']"` in quotes, `each('ids')` or `<lambda at images.py:12>`.
    """
    if isinstance(form, Each | After):
        return repr(form)
    if type(form) is tuple:
        inside = [source_of(part) for part in cast(tuple[object, ...], form)]
        return f"({inside[0]},)" if len(inside) == 1 else f"({', '.join(inside)})"
    code = getattr(form, "__code__", None) if callable(form) else None
    if isinstance(code, CodeType):
        name = code.co_name.strip("<>")
        return f"<{name} at {os.path.basename(code.co_filename)}:{code.co_firstlineno}>"
    return repr_safely(form)


@record
class Part:
    """One element of an expression, with its own moment.

    Attributes:
        source: the element as it was written.
        names: the parameters (and `result`) that it must find.
        optional: parameters that a callable takes where they exist, since it has a default for them.
        code: the same as a Python expression over parameter names and `result`; None for a callable. A wrapper may
            put it inline.
        read: reads the raw value.
        late: it is read when the call has ended.
        many: it gives many keys.
    """

    source: str
    names: frozenset[str]
    optional: frozenset[str]
    code: str | None
    read: Read
    late: bool
    many: bool


def refuse(what: str, form: object, problem: str) -> NoReturn:
    """Raise the DeclarationError for a form that is not in the language.

    Args:
        what: the name of the contract's argument: `key`, `when`, …
        form: what was given there.
        problem: what is wrong with it, and what is right.
    """
    raise DeclarationError.at_caller(f"{what}={source_of(form)}: {problem}")


def split(form: object, what: str) -> tuple[list[Part], bool]:
    """Split a key into its parts.

    Args:
        form: what the user gave.
        what: the name of the contract's argument, for messages.

    Returns:
        The parts, and whether they make a tuple (a single one may).

    Raises:
        DeclarationError: it is not a key.
    """
    try:
        parts, composite = _split(form, form, what, late=False, many=False, top=True)
    except RecursionError:
        refuse(what, form, f"it is nested too deeply; allowed are {_KEY_GRAMMAR}")
    if sum(part.many for part in parts) > 1:
        refuse(what, form, "a key has at most one each(…)")
    return parts, composite


def _split(form: object, whole: object, what: str, *, late: bool, many: bool, top: bool) -> tuple[list[Part], bool]:
    if isinstance(form, After):
        return _split(form.expression, whole, what, late=True, many=many, top=top)
    if isinstance(form, Each):
        if many:
            refuse(what, whole, "a key has at most one each(…)")
        return _split(form.expression, whole, what, late=late, many=True, top=top)
    if isinstance(form, str):
        node = parse_text(form, whole, what, _KEY_GRAMMAR)
        if isinstance(node, ast.Tuple):
            _check_composite(len(node.elts), whole, what, many=many, top=top)
            return [_path_part(item, whole, what, late=late, many=False) for item in node.elts], True
        return [_path_part(node, whole, what, late=late, many=many, source=form.strip())], False
    if type(form) is tuple:
        items = cast(tuple[object, ...], form)
        _check_composite(len(items), whole, what, many=many, top=top)
        parts: list[Part] = []
        for item in items:
            parts += _split(item, whole, what, late=late, many=many, top=False)[0]
        return parts, True
    if callable(form):
        return [_callable_part(form, whole, what, late=late, many=many)], False
    problem = (
        f'{repr_safely(form)} ({type(form).__name__}) is not a key; expected text such as "image_id" or '
        "\"result['id']\", a callable with named parameters, each(…), after(…), or a tuple of these"
    )
    if form is whole:
        raise DeclarationError.at_caller(f"{what}={problem}")
    refuse(what, whole, problem)


def _check_composite(length: int, whole: object, what: str, *, many: bool, top: bool) -> None:
    if many:
        refuse(what, whole, 'each(…) takes one expression, not a tuple; write ("host", each("ids"))')
    if not top:
        refuse(what, whole, "a tuple stands only at the top of a key; write each of its parts by itself")
    if not length:
        refuse(what, whole, "an empty tuple is not a key")


def parse_text(text: str, whole: object, what: str, grammar: str) -> ast.expr:
    """Parse an expression as Python.

    Args:
        text: the expression.
        whole: the form that it stands in, and `what`, the argument's name, for messages.
        what: see `whole`.
        grammar: what is allowed, for messages.

    Returns:
        The tree; it may hold anything that Python knows.

    Raises:
        DeclarationError: it is empty, or no Python expression.
    """
    if not text.strip():
        refuse(what, whole, f"the expression is empty; allowed are {grammar}")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        problem = f"it is not an expression ({error.msg})"
    except (ValueError, RecursionError, MemoryError) as error:
        problem = f"it is not an expression ({type(error).__name__})"
    refuse(what, whole, f"{problem}; allowed are {grammar}")


def _literal(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        return type(node.operand.value) in (int, float)
    return isinstance(node, ast.Constant) and node.value is not ...


def _subscript(node: ast.expr) -> bool:
    value = node.operand.value if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant) else None
    if isinstance(node, ast.Constant):
        value = node.value
    return _literal(node) and (value is None or isinstance(value, str | int))


def _offender(node: ast.expr) -> tuple[ast.expr, str] | None:
    """The outermost piece of a path that is not in the grammar, and what it is; None where all is in order."""
    while True:
        if isinstance(node, ast.Name):
            return None
        if isinstance(node, ast.Attribute):
            node = node.value
        elif isinstance(node, ast.Subscript):
            if isinstance(node.slice, ast.Slice):
                return node, "a slice"
            if not _subscript(node.slice):
                return node, "a subscript with something other than a str, int, bool or None literal"
            node = node.value
        else:
            return node, _name_of(node)


def _name_of(node: ast.AST) -> str:
    return _NOT_ALLOWED.get(type(node).__name__, "not in the grammar")


def _refuse_node(offender: ast.expr, name: str, whole: object, what: str, grammar: str) -> NoReturn:
    refuse(what, whole, f"{repr_safely(ast.unparse(offender), 60)} is {name}; allowed are {grammar}")


def _path_part(node: ast.expr, whole: object, what: str, *, late: bool, many: bool, source: str | None = None) -> Part:
    problem = _offender(node)
    if problem is not None:
        _refuse_node(*problem, whole, what, _KEY_GRAMMAR)
    text, names, read = compile_path(node)
    return Part(source or text, names, frozenset(), text, read, late or RESULT in names, many)


def compile_path(node: ast.expr) -> tuple[str, frozenset[str], Read]:
    """Compile a path that is known to be in the grammar.

    Args:
        node: a name, attribute or subscript.

    Returns:
        Its text, the names in it, and the function that reads it.
    """
    text = ast.unparse(node)
    first: ast.AST = node
    while isinstance(first, ast.Attribute | ast.Subscript):
        first = first.value
    assert isinstance(first, ast.Name)
    # A path begins with its only name: it becomes a look-up, and the rest stays as it is.
    start = RESULT if first.id == RESULT else f"arguments[{first.id!r}]"
    bound = f"lambda arguments, result: {start}{text[len(first.id) :]}"
    names = frozenset({first.id})
    read: Read = eval(compile(bound, f"<lifeguard key {text}>", "eval"), {"__builtins__": {}})
    return text, names, read


def _callable_part(function: Callable[..., object], whole: object, what: str, *, late: bool, many: bool) -> Part:
    positional, required, optional = _wanted(function, whole, what)
    names, everything = frozenset(required), frozenset(required + optional)

    def read(arguments: Mapping[str, object], result: object) -> object:
        given: dict[str, object] = {name: arguments[name] for name in optional if name in arguments}
        for name in required:
            given[name] = result if name == RESULT else arguments[name]
        if RESULT in everything:
            given[RESULT] = result
        return function(*[given.pop(name) for name in positional if name in given], **given)

    return Part(source_of(function), names, frozenset(optional), None, read, late or RESULT in everything, many)


def _wanted(function: Callable[..., object], whole: object, what: str) -> tuple[list[str], list[str], list[str]]:
    """The positional-only, the required and the optional parameters of a callable."""
    if isinstance(function, FunctionType):
        code = function.__code__
        if code.co_flags & _UNUSUAL_CODE:
            refuse(what, whole, "a coroutine or generator function gives no value; expected a plain function")
        if not code.co_flags & 0x0C and not hasattr(function, "__wrapped__") and not hasattr(function, "__signature__"):
            count = code.co_argcount
            named = code.co_varnames[: count + code.co_kwonlyargcount]
            free = set(named[count - len(function.__defaults__ or ()) : count]) | set(function.__kwdefaults__ or ())
            required = [name for name in named if name not in free]
            return list(named[: code.co_posonlyargcount]), required, [name for name in named if name in free]
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        refuse(what, whole, "the parameters of this callable cannot be read; expected a function with named parameters")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        refuse(what, whole, "a coroutine or generator function gives no value; expected a plain function")
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            refuse(what, whole, f"the callable takes {parameter}; its parameters name the arguments that it wants")
    return (
        [one.name for one in parameters if one.kind is one.POSITIONAL_ONLY],
        [one.name for one in parameters if one.default is one.empty],
        [one.name for one in parameters if one.default is not one.empty],
    )


Lookup = Callable[[int], object]
"""Gives the value of a condition's path by its number."""

Evaluate = Callable[[Lookup], object]


@record
class Test:
    """A condition taken apart: the paths that it reads, and how their values make its own."""

    paths: tuple[Part, ...]
    evaluate: Evaluate


def split_condition(form: object, what: str) -> Test:
    """Split a condition into the paths that it reads and its evaluation.

    Args:
        form: text, a callable, or after(…) around one.
        what: the name of the contract's argument, for messages.

    Returns:
        The condition.

    Raises:
        DeclarationError: it is not a condition.
    """
    inner, late = form, False
    while isinstance(inner, After):
        inner, late = inner.expression, True
    if isinstance(inner, Each):
        refuse(what, form, "each(…) gives many values; a condition is one")
    if isinstance(inner, str):
        builder = _ConditionBuilder(form, what, late)
        try:
            evaluate = builder.build(parse_text(inner, form, what, _CONDITION_GRAMMAR))
        except RecursionError:
            refuse(what, form, f"it is nested too deeply; allowed are {_CONDITION_GRAMMAR}")
        return Test(tuple(builder.paths), evaluate)
    if callable(inner):
        return Test((_callable_part(inner, form, what, late=late, many=False),), lambda read: read(0))
    problem = (
        f"{repr_safely(inner)} ({type(inner).__name__}) is not a condition; expected text such as "
        '"result is not None", a callable with named parameters, or after(…) around one'
    )
    if inner is form:
        raise DeclarationError.at_caller(f"{what}={problem}")
    refuse(what, form, problem)


class _ConditionBuilder:
    def __init__(self, whole: object, what: str, late: bool) -> None:
        self.paths: list[Part] = []
        self._whole = whole
        self._what = what
        self._late = late

    def build(self, node: ast.expr) -> Evaluate:
        if isinstance(node, ast.BoolOp):
            return _logical([self.build(value) for value in node.values], stop_at=isinstance(node.op, ast.Or))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            operand = self.build(node.operand)
            return lambda read: not operand(read)
        if isinstance(node, ast.Compare):
            operands = [self.build(value) for value in (node.left, *node.comparators)]
            return _comparison(operands, [_COMPARISONS[type(sign).__name__] for sign in node.ops])
        if _literal(node):
            literal: object = ast.literal_eval(node)
            return lambda read: literal
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            items = [self._item(item) for item in node.elts]
            make: Callable[[Iterable[object]], object] = {ast.Tuple: tuple, ast.List: list, ast.Set: set}[type(node)]
            return lambda read: make([item(read) for item in items])
        return self._path(node)

    def _item(self, node: ast.expr) -> Evaluate:
        if isinstance(node, ast.BoolOp | ast.Compare) or (isinstance(node, ast.UnaryOp) and not _literal(node)):
            _refuse_node(node, f"{_name_of(node)} inside a list", self._whole, self._what, _CONDITION_GRAMMAR)
        return self.build(node)

    def _path(self, node: ast.expr) -> Evaluate:
        problem = _offender(node)
        if problem is not None:
            _refuse_node(*problem, self._whole, self._what, _CONDITION_GRAMMAR)
        text, names, read_path = compile_path(node)
        index = len(self.paths)
        self.paths.append(Part(text, names, frozenset(), text, read_path, self._late or RESULT in names, False))
        return lambda read: read(index)


def _logical(operands: list[Evaluate], *, stop_at: bool) -> Evaluate:
    def evaluate(read: Lookup) -> object:
        return any(operand(read) for operand in operands) if stop_at else all(operand(read) for operand in operands)

    return evaluate


def _comparison(operands: list[Evaluate], signs: list[Callable[[Any, Any], object]]) -> Evaluate:
    def evaluate(read: Lookup) -> object:
        left = operands[0](read)
        outcome: object = True
        for sign, operand in zip(signs, operands[1:], strict=True):
            right = operand(read)
            outcome = sign(left, right)
            if not outcome:
                return outcome
            left = right
        return outcome

    return evaluate
