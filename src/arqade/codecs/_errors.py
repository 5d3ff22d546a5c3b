"""What makes exceptions of what a payload says, without what their classes would do with it."""

from __future__ import annotations

import builtins
from datetime import timedelta
from types import NoneType
from typing import Any

from arqade import exceptions
from arqade.codecs._base import DecodingError
from arqade.codecs._pickle import ARQ_EXCEPTIONS

__all__ = ["BUILTIN_ERRORS", "check_error", "new_error", "set_attribute"]

BUILTIN_ERRORS = {
    name: kind
    for name, kind in vars(builtins).items()
    # IOError and its like are other names of OSError.
    if isinstance(kind, type) and issubclass(kind, BaseException) and kind.__name__ == name
}
"""Python's own errors, by their names."""

UNICODE_ATTRIBUTES = frozenset({"encoding", "object", "start", "end", "reason"})
"""What their class checks when they are made, and trusts later."""

MODULES_OF_RETRY = (ARQ_EXCEPTIONS["Retry"], exceptions.__name__)

DELAYS = (int, float, timedelta, NoneType)
"""What a Retry takes."""


MAX_PLACE = 100_000
"""The last column of a SyntaxError: as many signs are printed to point at it."""

SYNTAX_ATTRIBUTES = frozenset(
    {
        "end_lineno",
        "end_offset",
        "filename",
        "lineno",
        "msg",
        "offset",
        "print_file_and_line",
        "text",
    }
)
"""What their class sets when they are made."""


def _refuse() -> DecodingError:
    return DecodingError("an error is not made as Python makes it")


def check_error(kind: type, args: tuple[Any, ...]) -> None:
    """Refuse arguments with which one of Python's own errors does harm.

    A UnicodeError whose ends are not in its object ends the process when it is printed (Python
    3.11), a SyntaxError is printed with as many carets as it says, a group of errors copies
    anything that can be gone through, a range of any length, and arq's Retry multiplies what it is
    given.

    Raises:
        DecodingError: They are such.
    """
    if issubclass(kind, UnicodeError) and kind is not UnicodeError:
        *texts, start, end, reason = args
        ends_are_inside = (
            type(start) is int and type(end) is int and 0 <= start <= end <= len(texts[-1])
        )
        if not ends_are_inside or type(reason) is not str:
            raise _refuse()
    elif kind.__name__ == "Retry" and kind.__module__ in MODULES_OF_RETRY:
        if len(args) > 1 or not all(type(arg) in DELAYS for arg in args):
            raise _refuse()
    elif issubclass(kind, SyntaxError):
        for detail in args[1:]:
            places = detail if type(detail) in (tuple, list) else ()
            far = any(type(place) is int and abs(place) > MAX_PLACE for place in places)
            if far or type(detail) not in (tuple, list, NoneType):
                raise _refuse()
    elif issubclass(kind, BaseExceptionGroup) and type(args[-1]) not in (list, tuple):
        raise _refuse()


def new_error(kind: type[Any], args: tuple[Any, ...]) -> Any:
    """Make an exception by what Python itself does, past the constructor of its own class."""
    error = kind.__new__(kind, *args)
    base: Any = next(base for base in kind.__mro__ if base.__module__ == "builtins")
    check_error(base, args)
    base.__init__(error, *args)
    return error


def set_attribute(error: BaseException, name: Any, value: Any) -> None:
    """Set an attribute of an exception; none that means something to Python, but for its notes.

    Raises:
        DecodingError: It is such, or its value is of no type that it may have.
    """
    if type(name) is not str:
        raise _refuse()
    if name == "name_from":
        # Python 3.12 imports what it names when such an error is printed.
        return
    if name in ("__notes__", "args"):
        # Anything else that can be gone through would be copied, a range of any length, too.
        right = type(value) is (tuple if name == "args" else list)
    else:
        right = not name.startswith("__")
        right &= not (isinstance(error, UnicodeError) and name in UNICODE_ATTRIBUTES)
        right &= not (isinstance(error, SyntaxError) and name in SYNTAX_ATTRIBUTES)
    if not right:
        raise _refuse()
    # Past the class's own: it may be frozen.
    object.__setattr__(error, name, value)
