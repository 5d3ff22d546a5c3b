"""Classes that payloads may name: models and errors, each by the name it is registered by."""

from __future__ import annotations

import asyncio
import copyreg
import dataclasses
import functools
import traceback
from collections.abc import Mapping
from enum import Enum
from types import MethodDescriptorType
from typing import TYPE_CHECKING, Any

import attrs

from arqade import exceptions
from arqade.codecs._base import (
    DecodingError,
    EncodingError,
    full_name,
    safe_name,
    shown,
    text_of,
)
from arqade.codecs._errors import BUILTIN_ERRORS, check_error, new_error, set_attribute
from arqade.codecs._pickle import ARQ_EXCEPTIONS, arq_exception
from arqade.exceptions import RemoteError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arqade.codecs._models import Models

__all__ = ["Registry", "is_model"]

MAX_TRACEBACK = 20_000
"""How many characters of a traceback are kept: the last ones, which tell most."""

TRACEBACK_NOTE = "Traceback of the worker:\n"
"""How the note of an error begins that holds its traceback."""


@functools.cache
def _known_errors() -> dict[str, type[BaseException]]:
    """Give the errors that need not be registered, but for arq's."""
    errors = dict(BUILTIN_ERRORS)
    errors["CancelledError"] = asyncio.CancelledError
    for name in exceptions.__all__:
        kind = getattr(exceptions, name)
        if isinstance(kind, type) and kind is not RemoteError:
            errors[f"{'arq' if name in ARQ_EXCEPTIONS else 'arqade'}.{name}"] = kind
    return errors


@functools.cache
def _names_of_known_errors() -> dict[type, str]:
    return {kind: name for name, kind in _known_errors().items()}


class Registry:
    """Models and errors by name."""

    def __init__(self) -> None:
        self._kinds: dict[str, type] = {}
        self._names: dict[type, str] = {}
        self._models: Models | None = None

    def add_all(self, kinds: Mapping[str, type] | Iterable[type]) -> None:
        """Register classes; a mapping gives their names."""
        if isinstance(kinds, Mapping):
            for name, kind in kinds.items():
                self.add(kind, name)
        else:
            for kind in kinds:
                self.add(kind, None)

    def add(self, kind: type, name: str | None) -> None:
        """Register a class; see `JSONCodec.register`."""
        if not isinstance(kind, type):
            raise TypeError(f"only classes are registered, not {type(kind).__name__}")
        if name is None:
            name = kind.__qualname__
        elif not isinstance(name, str):
            raise TypeError(f"name must be a str, not {type(name).__name__}")
        if not (is_model(kind) or issubclass(kind, Enum | BaseException)):
            raise TypeError(f"{name} is no attrs class, dataclass, enum or exception")
        if _known_errors().get(name) is kind:
            return
        if self._kinds.get(name, kind) is not kind or name in _known_errors():
            raise ValueError(f"another class has the name {name!r}: give one with name=")
        if self._names.get(kind, name) != name:
            raise ValueError(f"{name!r} is registered as {self._names[kind]!r}")
        self._kinds[name] = kind
        self._names[kind] = name
        if self._models is not None:
            self._models.add(kind)

    @property
    def names(self) -> list[str]:
        """The names of all classes that were registered."""
        return list(self._kinds)

    @property
    def models(self) -> Models:
        """What turns models into their fields and back."""
        if self._models is None:
            from arqade.codecs._models import Models  # noqa: PLC0415 - cattrs loads when needed

            self._models = Models()
            for kind in self._names:
                self._models.add(kind)
        return self._models

    def has_model(self, value: object) -> bool:
        """Tell whether a value's class is registered as a model or an enum."""
        return type(value) in self._names and not isinstance(value, BaseException)

    # --- models ------------------------------------------------------------------------------

    def describe_model(self, value: Any) -> list[Any]:
        """Give a model's name and fields, or an enum's name and value.

        Raises:
            EncodingError: They are not of the types that the class gives them, so that the reader
                could not make it again.
        """
        kind = type(value)
        name = self._names[kind]
        if isinstance(value, Enum):
            return [name, value.value]
        try:
            fields = self.models.fields(value)
            self.models.check(value, self.models.make(kind, fields))
        except Exception as error:
            raise EncodingError(
                f"{safe_name(name)} could not be made again of its fields ({type(error).__name__})"
            ) from error
        return [name, fields]

    def make_model(self, name: object, fields: Any) -> Any:
        """Make a model of its fields, or give an enum's member by its value.

        Raises:
            DecodingError: None is registered by that name, or these are not its fields.
        """
        kind = self._kinds.get(name) if isinstance(name, str) else None
        if kind is None or issubclass(kind, BaseException):
            raise DecodingError(f"no model is registered as {safe_name(name)!r}")
        try:
            return kind(fields) if issubclass(kind, Enum) else self.models.make(kind, fields)
        except Exception as error:
            raise DecodingError(
                f"{safe_name(name)} can't be made ({type(error).__name__})"
            ) from error

    # --- errors ------------------------------------------------------------------------------

    def describe_error(self, error: BaseException) -> dict[str, Any]:
        """Give what is kept of an exception: no more than its text, if it is not registered."""
        body: dict[str, Any] = {}
        args, state = _kept(error)
        notes = state.pop("__notes__", None)
        notes = notes if isinstance(notes, list | tuple) else ()
        notes = [text_of(note) for note in notes if isinstance(note, str)]
        if isinstance(error, RemoteError):
            body |= {"type": shown(error.type_name, str), "text": shown(error.message, str)}
            notes = [note for note in notes if not note.startswith(TRACEBACK_NOTE)]
        else:
            name = self._error_name(type(error))
            body |= {"type": name or full_name(type(error)), "text": shown(error, str)}
            if name is not None:
                body |= {"args": list(args)} | ({"state": state} if state else {})
        if notes:
            body["notes"] = notes
        if trace := _traceback(error):
            body["traceback"] = trace
        return body

    def make_error(self, body: Any) -> BaseException:
        """Make an exception again, or a `RemoteError` that stands for it.

        Raises:
            DecodingError: This describes none.
        """
        if not isinstance(body, dict):
            raise DecodingError("what should be an error is none")
        # Any: what they are is checked below.
        name: Any = body.get("type")
        text: Any = body.get("text")
        args: Any = body.get("args")
        state: Any = body.get("state", {})
        notes: Any = body.get("notes", [])
        trace: Any = body.get("traceback")
        texts = [name, text, "" if trace is None else trace, *notes]
        if not all(isinstance(each, str) for each in texts):
            raise DecodingError("what should be an error is none")
        kind = self._error_kind(name) if isinstance(args, list) else None
        error = None if kind is None else _rebuilt(kind, tuple(args), state)
        if error is None:
            error = RemoteError(name, text, trace)
        for note in notes:
            error.add_note(note)
        if trace is not None:
            error.add_note(TRACEBACK_NOTE + trace)
        return error

    def _error_name(self, kind: type[BaseException]) -> str | None:
        name = self._names.get(kind) or _names_of_known_errors().get(kind)
        if name is None and ARQ_EXCEPTIONS.get(kind.__name__) == kind.__module__:
            name = f"arq.{kind.__name__}"
        return name

    def _error_kind(self, name: str) -> type[BaseException] | None:
        kind = self._kinds.get(name)
        if kind is not None:
            return kind if issubclass(kind, BaseException) else None
        group, _, rest = name.partition(".")
        if group == "arq" and rest in ARQ_EXCEPTIONS:
            return arq_exception(rest)
        return _known_errors().get(name)


def is_model(kind: Any) -> bool:
    """Tell whether something is a class with fields."""
    return isinstance(kind, type) and (attrs.has(kind) or dataclasses.is_dataclass(kind))


def _kept(error: BaseException) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Give the arguments and the attributes of which an exception can be made again."""
    if isinstance(type(error).__reduce__, MethodDescriptorType):
        # As Python's own say: a file's name is not among the arguments, say.
        reduced: Any = error.__reduce__()
        _, args, *rest = reduced
        state = _attributes(error) | dict(*rest)
        state.pop("args", None)
        return args, state
    return error.args, _attributes(error)


def _attributes(error: BaseException) -> dict[str, Any]:
    """Give what an exception keeps in its ``__dict__`` and in its class's slots."""
    state = dict(getattr(error, "__dict__", {}))
    slots = copyreg._slotnames(type(error))  # type: ignore[attr-defined] # noqa: SLF001 - as pickle
    state |= {name: getattr(error, name) for name in slots if hasattr(error, name)}
    if isinstance(error, AttributeError | NameError) and error.name is not None:
        # Python 3.11 keeps it nowhere else.
        state["name"] = error.name
    return state


def _rebuilt(kind: type[BaseException], args: tuple[Any, ...], state: Any) -> BaseException | None:
    try:
        error = _called(kind, args)
        for name, value in state.items():
            if not name.startswith("__"):
                set_attribute(error, name, value)
    except Exception:  # noqa: BLE001 - a foreign class may raise anything
        return None
    return error


def _called(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    """Call a class with the arguments that an instance keeps, or go past its constructor.

    Many constructors take other arguments than those that they hand on to be kept. Those of arqade
    are not called: they put their arguments into a text.
    """
    check_error(kind, args)
    if not issubclass(kind, exceptions.ArqadeError):
        try:
            error = kind(*args)
            if _kept(error)[0] == args:
                return error
        except Exception:  # noqa: BLE001, S110 - a foreign class may raise anything
            pass
    made: BaseException = new_error(kind, args)
    return made


def _traceback(error: BaseException) -> str | None:
    if isinstance(error, RemoteError):
        return None if error.traceback is None else shown(error.traceback, str)
    if error.__traceback__ is None:
        return None
    try:
        return "".join(traceback.format_exception(error))[-MAX_TRACEBACK:]
    except Exception:  # noqa: BLE001 - a foreign class may raise anything
        return None
