"""The objects of a pickle: what it names, what it makes, and what it may change."""

from __future__ import annotations

import contextlib
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import deque
from enum import Enum
from types import (
    BuiltinFunctionType,
    FunctionType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import TYPE_CHECKING, Any

import attrs

from arqade._placeholders import Placeholder
from arqade.codecs._allowed import SCALARS, get_attribute, reconstruct
from arqade.codecs._base import CONTAINERS, DecodingError, safe_name
from arqade.codecs._limits import LimitExceededError

if TYPE_CHECKING:
    from collections.abc import Callable

    from arqade._placeholders import Form
    from arqade.codecs._allowed import AllowList, Known
    from arqade.codecs._limits import Limits

__all__ = ["Objects"]

NOT_ITS_OWN = "it changes something that it did not make"

NEVER_CHANGED = (type, Enum, FunctionType, BuiltinFunctionType, MethodType, ModuleType)
"""What an allowed function may give and a payload must not change: others have it, too."""

RENAMED = {("asyncio.exceptions", "TimeoutError"): ("builtins", "TimeoutError")}
"""What was a class of its own until Python 3.10."""

LAST_OF_PYTHON_2 = 2
"""The last pickle protocol that writes the names of Python 2."""


@attrs.define(eq=False)
class _Global:
    """A class or function that the payload has named."""

    known: Known
    module: str
    name: str

    def failure(self, error: Exception) -> DecodingError:
        """Make the error of an object that this can't make."""
        reason = error if isinstance(error, DecodingError) else type(error).__name__
        return DecodingError(f"{_name_of(self.module, self.name)} can't be made: {reason}")


# Not by value: it is found by the object's identity, and keeps the object alive for that.
@attrs.define(eq=False)
class _Made:
    """An object that this machine made by calling something."""

    value: Any
    named: _Global
    placeholder: Placeholder
    """What would stand for it."""

    parts: list[Any] = attrs.field(factory=list)
    """All that it was ever given, as it was then: what holds that may be changed since."""

    is_held: bool = False
    """Whether something else may hold it already."""

    is_done: bool = False
    """Whether it has a state, or was replaced."""

    def keep(self, *values: Any) -> None:
        """Note what it is given."""
        for value in values:
            self.parts.append(value)
            if type(value) is dict:
                self.parts += (*value, *value.values())
            elif type(value) in (list, set):
                self.parts += value


def _name_of(module: str, name: str) -> str:
    return safe_name(f"{module}.{name}")


def _empty(value: Any) -> None:
    if isinstance(value, deque):
        deque.clear(value)
    elif isinstance(value, dict):
        dict.clear(value)
    elif isinstance(value, BaseException):
        value.__dict__.clear()
        value.args = ()
        members = [member for kind in type(value).__mro__ for member in vars(kind).values()]
        for member in members:
            if isinstance(member, MemberDescriptorType):
                # Some can't be changed, and hold nothing of the payload's.
                with contextlib.suppress(AttributeError, TypeError):
                    member.__set__(value, None)


class Objects:
    """Names and makes the objects of one pickle.

    Args:
        allowed: What may be made.
        limits: What it may cost.
        placeholders: Whether a placeholder takes the place of what may not or can't be made.
    """

    def __init__(self, allowed: AllowList, limits: Limits, *, placeholders: bool) -> None:
        self.protocol = 0
        """The pickle's protocol."""
        self._allowed = allowed
        self._limits = limits
        self._placeholders = placeholders
        self._globals: dict[int, _Global] = {}
        self._made: dict[int, _Made] = {}
        self._foreign: dict[int, Any] = {}
        self._tools: dict[int, tuple[Placeholder, _Global]] = {}
        self._loose_tools = 0
        self._missing: set[tuple[str, str]] = set()

    # --- names ---------------------------------------------------------------------------

    def named(self, module: str, name: str) -> Any:
        """Give a class or a function by its name, or a placeholder of it.

        Raises:
            DecodingError: It is not allowed or not there, and no placeholder is wanted.
        """
        self._limits.spend(len(module) + len(name))
        if self.protocol <= LAST_OF_PYTHON_2:
            renamed = IMPORT_MAPPING.get(module, module), name
            module, name = NAME_MAPPING.get((module, name), renamed)
        module, name = RENAMED.get((module, name), (module, name))
        if (module, name) not in self._missing:
            try:
                return self._found(module, name)
            except DecodingError:
                if not self._placeholders:
                    raise
                # Not again: to find that a module is missing takes long.
                self._missing.add((module, name))
        return Placeholder(module, name)

    def _found(self, module: str, name: str) -> Any:
        known = self._allowed.find(module, name)
        if known is None:
            raise DecodingError(f"{_name_of(module, name)} is not in its allow-list")
        named = _Global(known, module, name)
        if known.is_tool:
            tool = Placeholder(module, name)
            self._tools[id(tool)] = tool, named
            self._loose_tools += 1
            return tool
        self._globals[id(known.target)] = named
        return known.target

    # --- making --------------------------------------------------------------------------

    def make(self, target: Any, args: Any, form: Form, kwargs: Any) -> Any:
        """Call a class or a function, or let a placeholder stand for what it would give.

        Raises:
            DecodingError: It may not be called, or fails, and no placeholder is wanted.
        """
        if type(args) is not tuple or type(kwargs) is not dict:
            raise DecodingError("it calls something with what are no arguments")
        if not all(type(name) is str for name in kwargs):
            raise DecodingError("it calls something with names that are no text")
        named = self._what_is_called(target)
        if named is None:
            # A class, a function, or what another call would have given.
            return Placeholder(target.module, target.name, args, kwargs, form=form, named=target)
        placeholder = Placeholder(named.module, named.name, args, kwargs, form=form, named=target)
        try:
            value = self._called(named, args, form, kwargs)
        except LimitExceededError:
            raise
        except Exception as error:
            if self._placeholders:
                return placeholder
            raise named.failure(error) from error
        if type(value) is Placeholder or id(value) in self._made:
            return value
        if isinstance(value, NEVER_CHANGED) or type(value) in CONTAINERS:
            self._foreign[id(value)] = value
        elif type(value) not in SCALARS or named.known.needs_state:
            made = self._made[id(value)] = _Made(value, named, placeholder)
            made.keep(*args, *kwargs.values())
        return value

    def _what_is_called(self, target: Any) -> _Global | None:
        """Give what a target was named as; None if it is not here, and a placeholder stands in."""
        tool = self._tools.get(id(target))
        if tool is not None:
            self._loose_tools -= 1
            return tool[1]
        named = self._globals.get(id(target))
        if named is None and type(target) is not Placeholder:
            raise DecodingError("it calls something that it has not named")
        return named

    def _called(self, named: _Global, args: tuple[Any, ...], form: Form, kwargs: Any) -> Any:
        known = named.known
        if known.call is reconstruct:
            return self._reconstructed(*args)
        if known.call is get_attribute:
            return self._attribute(*args)
        self._limits.copy(args)
        for value in (*args, *kwargs.values()):
            self._limits.copy(value)
            if known.target in (set, frozenset) and type(value) is list:
                self._limits.check_keys(value, self.parts)
        if form == "call":
            return known.call(*args)
        if not known.new:
            raise DecodingError("pickle makes none so")
        return known.target.__new__(known.target, *args, **kwargs)

    def _reconstructed(self, kind: Any, base: Any, state: Any) -> Any:
        """Make an object as protocols 0 and 1 do, of a class without a built-in base."""
        if base is not object or state is not None:
            raise DecodingError("protocol 2 and later make such objects")
        return self.make(kind, (), "new", {})

    def _attribute(self, owner: Any, name: Any) -> Any:
        """Name what is defined in a class, as pickle does for methods, and before protocol 4."""
        named = self._globals.get(id(owner))
        if named is None or type(name) is not str:
            raise DecodingError("what it belongs to was not named")
        return self._found(named.module, f"{named.name}.{name}")

    # --- changing ------------------------------------------------------------------------

    def hold(self, value: Any) -> None:
        """Note that something may hold a value from now on."""
        made = self._made.get(id(value))
        if made is not None:
            made.is_held = True
        self._loose_tools += id(value) in self._tools

    def check_own(self, container: Any) -> None:
        """Refuse to change a container that an allowed function gave."""
        if id(container) in self._foreign:
            raise DecodingError(NOT_ITS_OWN)

    def placeholder_of(self, target: Any, *given: Any) -> Placeholder:
        """Give what keeps what an object is given: a payload changes none but those it made."""
        if type(target) is Placeholder and target.args is not None:
            return target
        made = self._made.get(id(target))
        if made is None:
            raise DecodingError(NOT_ITS_OWN)
        made.keep(*given)
        return made.placeholder

    def state_setter(self, target: Any, state: Any) -> Callable[[], None]:
        """Give what gives an object its state.

        Raises:
            DecodingError: The object has no state, or has one, or the state is none.
        """
        if state is None:
            raise DecodingError("it gives an object None for a state")
        self._limits.copy(state)
        placeholder = self.placeholder_of(target, state, *(state if type(state) is tuple else ()))
        if target is placeholder and placeholder.state is not None:
            raise DecodingError("it gives an object a state twice")
        placeholder.state = state

        def set_state() -> None:
            made = self._made[id(target)]
            made.named.known.set_state(target, state)
            made.is_done = True

        return set_state

    def change(self, target: Any, change: Callable[[], None]) -> Placeholder | None:
        """Change an object that was made, or give the placeholder that must take its place.

        Raises:
            DecodingError: It can't be changed, and no placeholder can take its place.
        """
        made = self._made.get(id(target))
        if made is None:
            return None
        try:
            change()
        except Exception as error:
            if not self._placeholders or made.is_held:
                # What holds it would be left with half of it.
                raise made.named.failure(error) from error
            made.is_done = True
            return made.placeholder
        return None

    def check(self) -> None:
        """Check at the end that every object was given what it needs, and no tool is left.

        Raises:
            DecodingError: It was not, or one is.
        """
        for made in self._made.values():
            if made.named.known.needs_state and not made.is_done:
                raise made.named.failure(DecodingError("it was given no state"))
        if self._loose_tools and not self._placeholders:
            [name, *_] = [tool.full_name for tool, _ in self._tools.values()]
            raise DecodingError(f"{safe_name(name)} is not in its allow-list")

    def all_made(self) -> list[Any]:
        """Give all objects that were made, whether anything holds them or not."""
        return [made.value for made in self._made.values()]

    def take_apart(self) -> None:
        """Let go of what was made, one by one.

        Python lets go of an error, a deque or a defaultdict by way of what it holds, and that by
        way of what it holds in turn: a long chain of them would take all of the stack.
        """
        for made in self._made.values():
            made.parts.clear()
            made.placeholder.items.clear()
            made.placeholder.pairs.clear()
            made.placeholder.args = made.placeholder.state = None
            made.placeholder.kwargs = {}
            if not made.named.known.is_callers:
                # What the caller's own functions gave may be theirs.
                _empty(made.value)

    def parts(self, value: Any) -> list[Any]:
        """Give what a value holds, apart from what Python's own containers do."""
        if type(value) is not Placeholder:
            made = self._made.get(id(value))
            return [] if made is None else made.parts
        parts = [value.args, value.kwargs, value.state, value.items, value.pairs]
        return [*parts, value.named] if type(value.named) is Placeholder else parts
