"""Stand-ins for values of a job that can't be had here: readable, comparable, harmless."""

from __future__ import annotations

import copy
import pickle
import reprlib
from typing import Any, Literal, TypeAlias

import attrs

from arqade._compat import override

__all__ = ["Form", "Placeholder", "PlaceholderFoundError", "Unencodable"]

Form: TypeAlias = Literal["call", "new", "new_ex"]
"""How a pickle makes an object: by a call, or by ``__new__`` without or with keyword arguments."""


class PlaceholderFoundError(pickle.PicklingError):
    """A placeholder was met by a pickler that can't write what it stands for."""


@attrs.define(repr=False, eq=False)
class Placeholder:
    """Stands for an object that a codec did not make, since it may not or can't.

    Nothing of the object's module was imported to read it. Two of them are equal if they stand for
    the same thing. `RestrictedPickleCodec` and `PickleCodec` write one as the bytes that it was
    read from; `pickle` itself can't.
    """

    module: str
    """The module of the class or function that the payload names."""

    name: str
    """Its qualified name in that module."""

    args: tuple[Any, ...] | None = None
    """What it would have been called with; None if it was only named, not called."""

    kwargs: dict[str, Any] = attrs.field(factory=dict)
    """Keyword arguments of that call."""

    state: Any = None
    """The state that the object would have been given, such as its ``__dict__``; None if none."""

    items: list[Any] = attrs.field(factory=list)
    """What would have been appended to it, if it is a list of a kind."""

    pairs: list[tuple[Any, Any]] = attrs.field(factory=list)
    """Keys and values that it would have been given, if it is a dict of a kind."""

    form: Form = "call"
    """How the payload makes it, if it does not just name it."""

    named: Any = None
    """What was called: a placeholder of it, or a class that is here and would not be made."""

    @property
    def full_name(self) -> str:
        """The module's and the class's or function's name, with a dot between."""
        return f"{self.module}.{self.name}"

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Placeholder):
            return NotImplemented
        return self._compared() == other._compared()

    @override
    def __hash__(self) -> int:
        # By the names alone: its contents may change, and may have no hash.
        return hash((self.module, self.name))

    def _compared(self) -> tuple[object, ...]:
        # A class that is here, and one that is not, are the same; what another call gives is not.
        called = self.named if isinstance(self.named, Placeholder) else None
        called = None if called is None or called.args is None else called
        call = called, self.args, self.kwargs, self.state
        return self.module, self.name, self.form, call, self.items, self.pairs

    @override
    @reprlib.recursive_repr("<Placeholder ...>")
    def __repr__(self) -> str:
        call = ""
        if self.args is not None:
            words = [repr(value) for value in self.args]
            words += [f"{name}={value!r}" for name, value in self.kwargs.items()]
            called = self.named if isinstance(self.named, Placeholder) else None
            given = (
                f" given by {called!r}" if called is not None and called.args is not None else ""
            )
            call = f"{given}({', '.join(words)})"
        parts = {"state": self.state, "items": self.items, "pairs": self.pairs}
        rest = "".join(f" {name}={part!r}" for name, part in parts.items() if part)
        return f"<Placeholder {self.full_name}{call}{rest}>"

    @override
    def __reduce_ex__(self, _: object) -> Any:
        raise PlaceholderFoundError(f"pickle can't write a placeholder of {self.full_name}")

    def __deepcopy__(self, memo: dict[int, Any]) -> Placeholder:
        """Copy it and all that it holds."""
        twin = memo[id(self)] = Placeholder(self.module, self.name, form=self.form)
        for field in ("args", "kwargs", "state", "items", "pairs", "named"):
            setattr(twin, field, copy.deepcopy(getattr(self, field), memo))
        return twin

    def __copy__(self) -> Placeholder:
        """Copy it; the copy holds the same values."""
        fields = attrs.fields(Placeholder)
        return Placeholder(**{field.name: getattr(self, field.name) for field in fields})


@attrs.frozen
class Unencodable:
    """Stands for a value in a result that the worker's codec could not encode.

    The job itself went as its result says.
    """

    type_name: str
    """The full name of the value's class."""

    text: str
    """The value's `repr`, cut off after a few hundred characters."""
