"""Writes the declarations of a worker's functions, for those who don't import its code."""

from __future__ import annotations

import builtins
import difflib
import inspect
import keyword
import re
import sys
import types
import typing
from enum import Enum
from pkgutil import resolve_name
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

from arqade._protocol.keys import DEFAULT_QUEUE
from arqade.jobs import without_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

__all__ = ["StubsError", "drift", "write_stubs"]

WIDTH: Final = 88
"""The longest line, as formatters have it by default."""

DEFAULT: Final = "_DEFAULT"
"""What stands for the defaults of parameters, which are the worker's."""

NOTE: Final = "# Any stands for what has no name outside of the worker: "

POSITIONAL_ONLY = inspect.Parameter.POSITIONAL_ONLY
KEYWORD_ONLY = inspect.Parameter.KEYWORD_ONLY
VAR_POSITIONAL = inspect.Parameter.VAR_POSITIONAL
VAR_KEYWORD = inspect.Parameter.VAR_KEYWORD
STARS: Final[dict[object, str]] = {VAR_POSITIONAL: "*", VAR_KEYWORD: "**"}


class StubsError(Exception):
    """There are no settings of a worker where they are said to be."""


class _Function(NamedTuple):
    """A function of a worker."""

    name: str
    coroutine: Callable[..., Any]


def write_stubs(place: str) -> str:
    """Give the text of a module that declares the functions of a worker.

    Args:
        place: Where the worker's settings are, as for arq: ``"package.module.WorkerSettings"``.

    Raises:
        StubsError: There are none.
    """
    settings = _settings(place)
    functions = _functions(settings.get("functions"))
    if not functions:
        raise StubsError(f"{place} has no functions")
    text = _Module(functions).text(settings.get("queue_name", DEFAULT_QUEUE))
    return "\n".join([*_head(place), *text])


def drift(file: Path, text: str) -> str:
    """Show how a file differs from what it should be; an empty text if it does not.

    Raises:
        OSError: The file can't be read.
    """
    found = file.read_text(encoding="utf-8") if file.exists() else ""
    both = (found.splitlines(keepends=True), text.splitlines(keepends=True))
    return "".join(difflib.unified_diff(*both, str(file), "as it should be"))


def _head(place: str) -> list[str]:
    return [
        f'"""The functions of {place}, declared.',
        "",
        f"Written by: python -m arqade stubs {place}",
        '"""',
        "",
        "from __future__ import annotations",
        "",
    ]


def _settings(place: str) -> Mapping[str, Any]:
    try:
        # As arq, from the last dot.
        settings = resolve_name(":".join(place.rsplit(".", 1)))
    except Exception as error:
        # The module is the caller's code: it may raise anything.
        raise StubsError(f"{place} can't be imported: {error!r}") from error
    if isinstance(settings, dict):
        return settings
    if not isinstance(settings, type):
        raise StubsError(f"{place} must be a class or a dict, not {type(settings).__name__}")
    return vars(settings)  # arq takes no inherited attributes, either.


def _functions(given: object) -> list[_Function]:
    if not isinstance(given, list | tuple | set | frozenset):
        return []
    found = [_function(item) for item in given]
    # A set has no order.
    return sorted(found) if isinstance(given, set | frozenset) else found


def _function(given: Any) -> _Function:
    if isinstance(given, str):
        try:
            return _Function(given, resolve_name(":".join(given.rsplit(".", 1))))
        except Exception as error:
            raise StubsError(f"{given} can't be imported: {error!r}") from error
    coroutine = getattr(given, "coroutine", given)
    name = getattr(given, "name", None) or getattr(coroutine, "__qualname__", None)
    if not inspect.iscoroutinefunction(coroutine) or not isinstance(name, str):
        raise StubsError(f"{given!r} is no function that a worker could run")
    try:
        without_context(coroutine)
    except TypeError as error:
        raise StubsError(str(error)) from error
    return _Function(name, coroutine)


class _Module:
    """What the declarations have in common: the names in use and what they import.

    Args:
        functions: What is declared.
    """

    def __init__(self, functions: list[_Function]) -> None:
        self._taken: dict[str, object] = dict.fromkeys(
            ["Any", "TYPE_CHECKING", "annotations", "arqade", DEFAULT, *vars(builtins)]
        )
        self._identifiers = [self._identifier(function.name) for function in functions]
        self._functions = functions
        self._modules: set[str] = set()
        self._names: dict[str, set[str]] = {}
        self._has_defaults = False
        self._has_any = False

    def text(self, queue: str) -> list[str]:
        """Give the parts of the module after its docstring.

        Args:
            queue: The queue of its jobs.
        """
        declarations = [
            self._declaration(*pair, queue)
            for pair in zip(self._identifiers, self._functions, strict=True)
        ]
        return [*self._head(), *declarations]

    def _head(self) -> list[str]:
        from_typing = ["TYPE_CHECKING"] * bool(self._modules or self._names)
        from_typing += ["Any"] * (self._has_any or self._has_defaults)
        lines = [f"from typing import {', '.join(from_typing)}", ""] if from_typing else []
        lines += ["import arqade", ""]
        imported = [*self._imports(standard=True), "", *self._imports(standard=False)]
        if any(imported):
            block = "\n".join(f"    {line}" if line else "" for line in imported).strip("\n")
            lines += ["if TYPE_CHECKING:", block, ""]
        if self._has_defaults:
            lines += [f"{DEFAULT}: Any = ...", '"""The default of the worker."""', ""]
        return lines

    def _imports(self, *, standard: bool) -> list[str]:
        """Give the imports of the standard library's modules, or those of all others."""

        def wanted(module: str) -> bool:
            return (module.partition(".")[0] in sys.stdlib_module_names) is standard

        lines = [f"import {module}" for module in sorted(filter(wanted, self._modules))]
        for module in sorted(filter(wanted, self._names)):
            names = sorted(self._names[module], key=_by_kind)
            lines += _folded(f"from {module} import ", names, "")
        return lines

    def _declaration(self, identifier: str, function: _Function, queue: str) -> str:
        options = {}
        if identifier != function.name:
            options["name"] = function.name
        if queue != DEFAULT_QUEUE:
            options["queue"] = queue
        names = _TypeNames(function.coroutine, self)
        signature = self._signature(identifier, function.coroutine, names)
        lines = ["", *self._decorator(options), *signature, *_docstring(function.coroutine)]
        if names.nameless:
            lines[1:1] = [NOTE + ", ".join(names.nameless)]
        self._has_any |= names.has_any
        return "\n".join([*lines, "    raise NotImplementedError", ""])

    def imported(self, module: str, name: str) -> str:
        """Give the name under which something of a module can be used, and import it."""
        first = name.partition(".")[0]
        if self._taken.setdefault(first, module) == module:
            self._names.setdefault(module, set()).add(first)
            return name
        self._modules.add(module)
        return f"{module}.{name}"

    def _identifier(self, name: str) -> str:
        """Give the name of a declaration: the last part of the worker's, if nothing has it yet."""
        candidates = [_as_identifier(part) for part in (name.rpartition(".")[2], name)]
        found = next((part for part in candidates if part not in self._taken), candidates[-1])
        while found in self._taken:
            found += "_"
        self._taken[found] = None
        return found

    @staticmethod
    def _decorator(options: Mapping[str, str]) -> list[str]:
        if not options:
            return ["@arqade.job"]
        given = [f"{name}={_quoted(value)}" for name, value in options.items()]
        return _folded("@arqade.job(", given, ")")

    def _signature(self, name: str, function: Callable[..., Any], names: _TypeNames) -> list[str]:
        parameters = list(without_context(function).parameters.values())
        shown = []
        for index, parameter in enumerate(parameters):
            last = parameters[index - 1].kind if index else None
            if parameter.kind is KEYWORD_ONLY and last not in (KEYWORD_ONLY, VAR_POSITIONAL):
                shown.append("*")
            star = STARS.get(parameter.kind, "")
            default = "" if parameter.default is parameter.empty else f" = {DEFAULT}"
            self._has_defaults |= bool(default)
            shown.append(f"{star}{parameter.name}: {names.of(parameter.name)}{default}")
            following = parameters[index + 1].kind if index + 1 < len(parameters) else None
            if parameter.kind is POSITIONAL_ONLY and following is not POSITIONAL_ONLY:
                shown.append("/")
        return _folded(f"def {name}(", shown, f") -> {names.of('return')}:")


def _folded(start: str, items: list[str], end: str) -> list[str]:
    line = start + ", ".join(items) + end
    if len(line) <= WIDTH or not items:
        return [line]
    if not end:
        start, end = f"{start}(", ")"
    # With a comma after the last, formatters leave it so.
    return [start, *(f"    {item}," for item in items), end]


def _by_kind(name: str) -> tuple[int, str]:
    """Order imported names as isort does: constants, classes, the rest."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def _as_identifier(name: str) -> str:
    found = re.sub(r"\W", "_", name)
    return found if found.isidentifier() and not keyword.iskeyword(found) else f"job_{found}"


def _quoted(text: str) -> str:
    shown = repr(text)
    return f'"{shown[1:-1]}"' if shown[0] == "'" and '"' not in shown else shown


def _docstring(function: Callable[..., Any]) -> list[str]:
    text = inspect.getdoc(function)
    if not text or not text.strip():
        return []
    text = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"').strip()
    first, *rest = [line.rstrip() for line in text.splitlines()]
    if not rest:
        space = " " if first.endswith('"') else ""
        return [f'    """{first}{space}"""']
    return [f'    """{first}', *(f"    {line}" if line else "" for line in rest), '    """']


class _TypeNames:
    """Names the types of a function's parameters and of its result.

    Args:
        function: The function.
        module: What imports the names.
    """

    def __init__(self, function: Callable[..., Any], module: _Module) -> None:
        self.has_any = False
        """Whether there is an Any among them."""
        self.nameless: list[str] = []
        """Parameters for whose types it stands, although they have one."""
        self._module = module
        self._function = inspect.unwrap(function)
        self._annotations = inspect.get_annotations(self._function)

    def of(self, parameter: str) -> str:
        """Give the name of a parameter's type, or the result's (``"return"``)."""
        if parameter not in self._annotations:
            return self._any()
        try:
            return self._name(self._resolved(self._annotations[parameter]))
        except Exception:  # noqa: BLE001 - to resolve it runs what the worker's author wrote
            self.nameless.append(parameter)
            return self._any()

    def _any(self) -> str:
        self.has_any = True
        return "Any"

    def _resolved(self, annotation: Any) -> Any:
        """Give the type that an annotation stands for."""

        def holder() -> None: ...

        holder.__annotations__ = {"it": annotation}
        return typing.get_type_hints(holder, vars(inspect.getmodule(self._function)))["it"]

    def _name(self, kind: Any) -> str:
        if kind is Any:
            return self._any()
        if kind is None or kind is types.NoneType:
            return "None"
        if kind is Ellipsis:
            return "..."
        origin, args = get_origin(kind), get_args(kind)
        if origin in (Union, types.UnionType):
            return " | ".join(self._name(arg) for arg in args)
        if origin is Literal:
            return f"{self._imported(Literal)}[{', '.join(map(self._value, args))}]"
        if origin is not None:
            return f"{self._imported(origin)}[{', '.join(self._args(args))}]"
        return self._imported(kind)

    def _args(self, args: Iterable[Any]) -> list[str]:
        return [
            f"[{', '.join(map(self._name, arg))}]" if isinstance(arg, list) else self._name(arg)
            for arg in args
        ] or ["()"]

    def _value(self, value: Any) -> str:
        if isinstance(value, Enum):
            return f"{self._imported(type(value))}.{value.name}"
        return _quoted(value) if isinstance(value, str) else repr(value)

    def _imported(self, kind: Any) -> str:
        """Name something that its module defines.

        Raises:
            LookupError: Its module does not have it under its name.
        """
        name = getattr(kind, "__qualname__", None) or kind.__name__
        module = kind.__module__
        if isinstance(kind, TypeVar) or resolve_name(f"{module}:{name}") is not kind:
            raise LookupError(name)
        return str(name) if module == "builtins" else self._module.imported(module, name)
