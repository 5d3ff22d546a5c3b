"""An interpreter of pickles that makes only what it may.

It reads the opcodes with `pickletools` and carries them out itself, since the standard unpickler
calls what a pickle says, trusts the cache of extension codes, and reserves memory for indexes and
lengths that a few bytes can name.
"""

from __future__ import annotations

import io
import pickle
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from arqade._placeholders import Placeholder
from arqade.codecs._allowed import SCALARS, get_attribute, reconstruct
from arqade.codecs._base import CONTAINERS, DecodingError, safe_name
from arqade.codecs._limits import LimitExceededError, Limits
from arqade.codecs._opcodes import STOP, steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from arqade._placeholders import Form
    from arqade.codecs._allowed import AllowList, Known


__all__ = ["Machine"]

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


def _check_names(names: str) -> None:
    if names.count(" ") != 1:
        # pickletools puts one between the module's name and the class's.
        raise DecodingError("it names something that can't be a class")


def _name_of(module: str, name: str) -> str:
    return safe_name(f"{module}.{name}")


def _check_distinct(keys: list[Any], found: int, expected: int) -> None:
    if found != expected and any(type(key) is Placeholder for key in keys):
        # Their class may tell them apart, and none of them may be lost.
        raise DecodingError("two keys of a dict or members of a set are equal placeholders")


def _extend(target: Any, values: list[Any]) -> None:
    """Append to a list of a kind (pickle.py, load_appends)."""
    # In the class: a payload may have given the object attributes.
    kind: Any = type(target)
    if hasattr(kind, "extend"):
        kind.extend(target, values)
    else:
        for value in values:
            kind.append(target, value)


def _update(target: Any, pairs: list[tuple[Any, Any]]) -> None:
    for key, value in pairs:
        target[key] = value


class Machine:
    """Carries out one pickle.

    Args:
        allowed: What it may make.
        placeholders: Whether a placeholder takes the place of what it may not or can't make.
        max_size: How many values the whole may unfold to.
        max_depth: How deep they may lie in each other.
    """

    def __init__(
        self, allowed: AllowList, *, placeholders: bool, max_size: int, max_depth: int
    ) -> None:
        self._allowed = allowed
        self._placeholders = placeholders
        self._limits = Limits(max_size, max_depth, self._parts)
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._globals: dict[int, _Global] = {}
        self._made: dict[int, _Made] = {}
        self._foreign: dict[int, Any] = {}
        self._tools: dict[int, tuple[Placeholder, _Global]] = {}
        self._loose_tools = 0
        self._missing: set[tuple[str, str]] = set()
        self._protocol = 0
        self._containers = 0
        self._shared = False

    def run(self, data: bytes) -> Any:
        """Give the value that a pickle holds.

        Raises:
            DecodingError: It holds something that it may not.
            Exception: It is no pickle, or a constructor of an allowed class failed.
        """
        value = self._run(io.BytesIO(data), len(data))
        # They hold each other, and all that was made. What is too deep is left to the garbage
        # collector: to let go of it link by link would take as much of the stack.
        del self._limits
        return value

    def _run(self, file: io.BytesIO, size: int) -> Any:
        read, known_steps, memo = file.read, self._STEPS, self._memo
        memoize, short_text = pickle.MEMOIZE, pickle.SHORT_BINUNICODE
        while True:
            code = read(1)
            # Most opcodes are one of these two: they are not worth two calls.
            if code == memoize:
                memo[len(memo)] = self._stack[-1]
                continue
            if code == short_text:
                self._stack.append(str(read(read(1)[0]), "utf-8", "surrogatepass"))
                continue
            step = known_steps.get(code)
            if step is None:
                raise DecodingError("it ends too soon, or is no pickle")
            read_argument, operation, constant = step
            if operation is not None:
                operation(self, None if read_argument is None else read_argument(file))
            elif read_argument is not None:
                self._stack.append(read_argument(file))
            elif constant is not STOP:
                self._stack.append(constant)
            else:
                break
        if file.tell() != size:
            raise DecodingError("something comes after its end")
        return self._result()

    def _result(self) -> Any:
        (value,) = self._stack
        if self._marks:
            raise DecodingError("it ends within a list")
        self._check_states()
        if self._loose_tools and not self._placeholders:
            [name, *_] = [tool.full_name for tool, _ in self._tools.values()]
            raise DecodingError(f"{safe_name(name)} is not in its allow-list")
        if self._shared or self._containers > self._limits.max_depth:
            self._limits.measure(value)
        return value

    def _check_states(self) -> None:
        for made in self._made.values():
            if made.named.known.needs_state and not made.is_done:
                raise made.named.failure(DecodingError("it was given no state"))

    # --- the stack -----------------------------------------------------------------------

    def _mark(self, _: object) -> None:
        self._marks.append(self._stack)
        self._stack = []

    def _since_mark(self) -> list[Any]:
        values = self._stack
        self._stack = self._marks.pop()
        return values

    def _pop(self, _: object) -> None:
        if not self._stack:
            self._since_mark()
            return
        value = self._stack.pop()
        if type(value) is Placeholder and value.args and self._stack:
            target, *state = value.args
            if type(target) is Placeholder and target is self._stack[-1] and len(state) == 1:
                raise DecodingError("a function that is not in its allow-list sets a state")

    def _pop_mark(self, _: object) -> None:
        self._since_mark()

    def _dup(self, _: object) -> None:
        self._push_again(self._stack[-1])

    def _push_again(self, value: Any) -> None:
        made = self._made.get(id(value))
        if made is not None:
            made.is_held = True
        if type(value) not in SCALARS:
            self._shared = True
            self._loose_tools += id(value) in self._tools
        self._stack.append(value)

    def _proto(self, protocol: int) -> None:
        self._protocol = protocol

    def _get(self, index: int) -> None:
        self._push_again(self._memo[int(index)])

    def _put(self, index: int) -> None:
        self._memo[int(index)] = self._stack[-1]

    def _memoize(self, _: object) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    # --- containers ----------------------------------------------------------------------

    def _push_container(self, value: Any) -> None:
        self._containers += 1
        self._stack.append(value)

    def _empty_list(self, _: object) -> None:
        self._push_container([])

    def _empty_dict(self, _: object) -> None:
        self._push_container({})

    def _empty_set(self, _: object) -> None:
        self._push_container(set())

    def _list(self, _: object) -> None:
        self._push_container(self._since_mark())

    def _tuple(self, _: object) -> None:
        self._push_container(tuple(self._since_mark()))

    def _tuple_1(self, _: object) -> None:
        self._push_container((self._stack.pop(),))

    def _tuple_2(self, _: object) -> None:
        last = self._stack.pop()
        self._push_container((self._stack.pop(), last))

    def _tuple_3(self, _: object) -> None:
        last, middle = self._stack.pop(), self._stack.pop()
        self._push_container((self._stack.pop(), middle, last))

    def _frozenset(self, _: object) -> None:
        values = self._since_mark()
        self._limits.check_keys(values)
        self._push_container(frozenset(values))
        _check_distinct(values, len(self._stack[-1]), len(values))

    def _dict(self, _: object) -> None:
        values = self._since_mark()
        self._push_container({})
        self._set_items_of(values)

    def _append(self, _: object) -> None:
        value = self._stack.pop()
        self._append_all([value])

    def _appends(self, _: object) -> None:
        self._append_all(self._since_mark())

    def _append_all(self, values: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is list:
            self._check_own(target)
            target.extend(values)
        else:
            self._placeholder_of(target, *values).items.extend(values)
            self._change(target, lambda: _extend(target, values))

    def _set_item(self, _: object) -> None:
        value = self._stack.pop()
        self._set_items_of([self._stack.pop(), value])

    def _set_items(self, _: object) -> None:
        self._set_items_of(self._since_mark())

    def _set_items_of(self, values: list[Any]) -> None:
        target = self._stack[-1]
        keys = values[::2]
        pairs = list(zip(keys, values[1::2], strict=True))
        if type(target) is dict:
            self._check_own(target)
            self._limits.check_keys(keys, target)
            size = len(target) + len(pairs)
            target.update(pairs)
            _check_distinct(keys, len(target), size)
        else:
            self._placeholder_of(target, *values).pairs.extend(pairs)
            self._limits.check_keys(keys, target)
            self._change(target, lambda: _update(target, pairs))

    def _add_items(self, _: object) -> None:
        values = self._since_mark()
        target = self._stack[-1]
        if type(target) is not set:
            raise DecodingError("it adds to something that is no set")
        self._check_own(target)
        self._limits.check_keys(values, target)
        size = len(target) + len(values)
        target.update(values)
        _check_distinct(values, len(target), size)

    def _check_own(self, container: Any) -> None:
        if id(container) in self._foreign:
            raise DecodingError(NOT_ITS_OWN)

    # --- objects -------------------------------------------------------------------------

    def _global(self, names: str) -> None:
        _check_names(names)
        module, _, name = names.partition(" ")
        self._name(module, name)

    def _stack_global(self, _: object) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if type(name) is not str or type(module) is not str:
            raise DecodingError("it names a class by something that is no text")
        self._name(module, name)

    def _name(self, module: str, name: str) -> None:
        self._stack.append(self._named(module, name))

    def _named(self, module: str, name: str) -> Any:
        self._limits.spend(len(module) + len(name))
        if self._protocol <= LAST_OF_PYTHON_2:
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

    def _inst(self, names: str) -> None:
        _check_names(names)
        module, _, name = names.partition(" ")
        args = tuple(self._since_mark())
        self._stack.append(self._make(self._named(module, name), args, "call"))

    def _obj(self, _: object) -> None:
        target, *args = self._since_mark()
        self._stack.append(self._make(target, tuple(args), "call"))

    def _reduce(self, _: object) -> None:
        args = self._stack.pop()
        self._stack.append(self._make(self._stack.pop(), args, "call"))

    def _new_obj(self, _: object) -> None:
        args = self._stack.pop()
        self._stack.append(self._make(self._stack.pop(), args, "new"))

    def _new_obj_ex(self, _: object) -> None:
        kwargs, args = self._stack.pop(), self._stack.pop()
        self._stack.append(self._make(self._stack.pop(), args, "new_ex", kwargs))

    def _make(self, target: Any, args: Any, form: Form, kwargs: Any = None) -> Any:
        kwargs = {} if kwargs is None else kwargs
        if type(args) is not tuple or type(kwargs) is not dict:
            raise DecodingError("it calls something with what are no arguments")
        if not all(type(name) is str for name in kwargs):
            raise DecodingError("it calls something with names that are no text")
        self._containers += 1
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
                self._limits.check_keys(value)
        if form == "call":
            return known.call(*args)
        if not known.new:
            raise DecodingError("pickle makes none so")
        return known.target.__new__(known.target, *args, **kwargs)

    def _reconstructed(self, kind: Any, base: Any, state: Any) -> Any:
        """Make an object as protocols 0 and 1 do, of a class without a built-in base."""
        if base is not object or state is not None:
            raise DecodingError("protocol 2 and later make such objects")
        return self._make(kind, (), "new")

    def _attribute(self, owner: Any, name: Any) -> Any:
        """Name what is defined in a class, as pickle does for methods, and before protocol 4."""
        named = self._globals.get(id(owner))
        if named is None or type(name) is not str:
            raise DecodingError("what it belongs to was not named")
        return self._found(named.module, f"{named.name}.{name}")

    def _build(self, _: object) -> None:
        state = self._stack.pop()
        target = self._stack[-1]
        if state is None:
            raise DecodingError("it gives an object None for a state")
        self._limits.copy(state)
        slots = state[1] if type(state) is tuple and len(state) > 1 else None
        placeholder = self._placeholder_of(target, state, *(state if slots else ()))
        if target is placeholder and placeholder.state is not None:
            raise DecodingError("it gives an object a state twice")
        placeholder.state = state
        if target is not placeholder:
            set_state = self._made[id(target)].named.known.set_state
            self._change(target, lambda: set_state(target, state))
            self._made[id(target)].is_done = True

    def _placeholder_of(self, target: Any, *given: Any) -> Placeholder:
        """Give what keeps what an object is given: a payload changes none but those it made."""
        if type(target) is Placeholder and target.args is not None:
            return target
        made = self._made.get(id(target))
        if made is None:
            raise DecodingError(NOT_ITS_OWN)
        made.keep(*given)
        return made.placeholder

    def _change(self, target: Any, change: Callable[[], None]) -> None:
        """Change the object on top, if it was made; its placeholder takes its place if it fails."""
        made = self._made.get(id(target))
        if made is None:
            return
        try:
            change()
        except Exception as error:
            if not self._placeholders or made.is_held:
                # What holds it would be left with half of it.
                raise made.named.failure(error) from error
            made.is_done = True
            self._limits.spend(len(self._memo))
            self._stack[-1] = made.placeholder
            for index, known in self._memo.items():
                if known is target:
                    self._memo[index] = made.placeholder

    def _parts(self, value: Any) -> list[Any]:
        """Give what a value holds, apart from what Python's own containers do."""
        if type(value) is not Placeholder:
            made = self._made.get(id(value))
            return [] if made is None else made.parts
        parts = [value.args, value.kwargs, value.state, value.items, value.pairs]
        return [*parts, value.named] if type(value.named) is Placeholder else parts

    _STEPS: ClassVar = steps(
        {
            "PROTO": _proto,
            "MARK": _mark,
            "POP": _pop,
            "POP_MARK": _pop_mark,
            "DUP": _dup,
            "GET": _get,
            "BINGET": _get,
            "LONG_BINGET": _get,
            "PUT": _put,
            "BINPUT": _put,
            "LONG_BINPUT": _put,
            "MEMOIZE": _memoize,
            "EMPTY_LIST": _empty_list,
            "EMPTY_DICT": _empty_dict,
            "EMPTY_SET": _empty_set,
            "LIST": _list,
            "DICT": _dict,
            "TUPLE": _tuple,
            "TUPLE1": _tuple_1,
            "TUPLE2": _tuple_2,
            "TUPLE3": _tuple_3,
            "FROZENSET": _frozenset,
            "APPEND": _append,
            "APPENDS": _appends,
            "SETITEM": _set_item,
            "SETITEMS": _set_items,
            "ADDITEMS": _add_items,
            "GLOBAL": _global,
            "STACK_GLOBAL": _stack_global,
            "INST": _inst,
            "OBJ": _obj,
            "REDUCE": _reduce,
            "NEWOBJ": _new_obj,
            "NEWOBJ_EX": _new_obj_ex,
            "BUILD": _build,
        }
    )
