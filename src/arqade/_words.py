"""A job's arguments as words of a command line."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["read_json", "read_words"]


def read_words(words: Iterable[str]) -> tuple[list[Any], dict[str, Any]]:
    """Read a job's arguments.

    Args:
        words: Each is JSON if it can be read as such, else a text. One like ``name=value`` is a
            keyword argument.

    Returns:
        The positional arguments, and those that have names.

    Raises:
        ValueError: A name is given twice, or begins with an underscore.
    """
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (equals and name.isidentifier()):
            args.append(_value(word))
            continue
        # Whoever writes `_job_id=k` means the option, as `enqueue` of a queue has it.
        if name.startswith("_"):
            raise ValueError(f"{name} is no argument; options begin with --, as in --defer-by")
        if name in kwargs:
            raise ValueError(f"{name} is given twice")
        kwargs[name] = _value(value)
    return args, kwargs


def read_json(text: str | bytes) -> Any:
    """Read a text as JSON, and as no more than that: Python reads NaN and Infinity, too.

    Args:
        text: Of any length and depth.

    Raises:
        ValueError: It is no JSON, or Python can't hold a number or the depth; the message has none
            of its values.
    """
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("it is too deep") from error


def _value(word: str) -> Any:
    try:
        return read_json(word)
    except ValueError:
        return word


def _refuse(_constant: str) -> None:
    raise ValueError("it has NaN or Infinity")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("it has a number that is too large")
    return number
