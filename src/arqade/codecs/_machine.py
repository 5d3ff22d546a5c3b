"""An interpreter of pickles that makes only what it may.

It reads the opcodes with `pickletools` and carries them out itself, since the standard unpickler
calls what a pickle says, trusts the cache of extension codes, and reserves memory for indexes and
lengths that a few bytes can name.
"""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any, ClassVar

from arqade._placeholders import Placeholder
from arqade.codecs._allowed import SCALARS
from arqade.codecs._base import DecodingError
from arqade.codecs._limits import Limits, is_long_text
from arqade.codecs._objects import Objects
from arqade.codecs._opcodes import STOP, steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from arqade._placeholders import Form
    from arqade.codecs._allowed import AllowList

__all__ = ["Machine"]


def _check_names(names: str) -> None:
    if names.count(" ") != 1:
        # pickletools puts one between the module's name and the class's.
        raise DecodingError("it names something that can't be a class")


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
        self._limits = Limits(max_size, max_depth)
        self._objects = Objects(allowed, self._limits, placeholders=placeholders)
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._containers = 0
        self._shared = False

    def run(self, data: bytes) -> Any:
        """Give the value that a pickle holds.

        Raises:
            DecodingError: It holds something that it may not.
            Exception: It is no pickle, or a constructor of an allowed class failed.
        """
        self._limits.grant(len(data))
        try:
            return self._run(io.BytesIO(data), len(data))
        except BaseException:
            self._objects.take_apart()
            raise

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
        self._objects.check()
        if self._shared or self._containers > self._limits.max_depth:
            # What the payload has dropped, too: to let go of it is as deep as it is.
            self._limits.measure([value, *self._objects.all_made()], self._objects.parts)
        return value

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
        self._shared |= type(value) not in SCALARS or is_long_text(value)
        self._objects.hold(value)
        self._stack.append(value)

    def _proto(self, protocol: int) -> None:
        self._objects.protocol = protocol

    def _get(self, index: int) -> None:
        self._push_again(self._memo[int(index)])

    def _put(self, index: int) -> None:
        self._memo[int(index)] = self._stack[-1]

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
        self._check_keys(values)
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
            self._objects.check_own(target)
            target.extend(values)
        else:
            self._objects.placeholder_of(target, *values).items.extend(values)
            self._change(lambda: _extend(target, values))

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
            self._objects.check_own(target)
            self._check_keys(keys, target)
            size = len(target) + len(pairs)
            target.update(pairs)
            _check_distinct(keys, len(target), size)
        else:
            self._objects.placeholder_of(target, *values).pairs.extend(pairs)
            self._check_keys(keys, target)
            self._change(lambda: _update(target, pairs))

    def _add_items(self, _: object) -> None:
        values = self._since_mark()
        target = self._stack[-1]
        if type(target) is not set:
            raise DecodingError("it adds to something that is no set")
        self._objects.check_own(target)
        self._check_keys(values, target)
        size = len(target) + len(values)
        target.update(values)
        _check_distinct(values, len(target), size)

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
        self._stack.append(self._objects.named(module, name))

    def _inst(self, names: str) -> None:
        _check_names(names)
        module, _, name = names.partition(" ")
        args = tuple(self._since_mark())
        self._stack.append(self._made(self._objects.named(module, name), args, "call"))

    def _obj(self, _: object) -> None:
        target, *args = self._since_mark()
        self._stack.append(self._made(target, tuple(args), "call"))

    def _reduce(self, _: object) -> None:
        args = self._stack.pop()
        self._stack.append(self._made(self._stack.pop(), args, "call"))

    def _new_obj(self, _: object) -> None:
        args = self._stack.pop()
        self._stack.append(self._made(self._stack.pop(), args, "new"))

    def _new_obj_ex(self, _: object) -> None:
        kwargs, args = self._stack.pop(), self._stack.pop()
        self._stack.append(self._made(self._stack.pop(), args, "new_ex", kwargs))

    def _made(self, target: Any, args: Any, form: Form, kwargs: Any = None) -> Any:
        self._containers += 1
        return self._objects.make(target, args, form, {} if kwargs is None else kwargs)

    def _build(self, _: object) -> None:
        state = self._stack.pop()
        target = self._stack[-1]
        self._change(self._objects.state_setter(target, state))

    def _change(self, change: Callable[[], None]) -> None:
        """Change the object on top; if that fails, its placeholder may take its place."""
        target = self._stack[-1]
        placeholder = self._objects.change(target, change)
        if placeholder is not None:
            self._limits.spend(len(self._memo))
            self._stack[-1] = placeholder
            for index, known in self._memo.items():
                if known is target:
                    self._memo[index] = placeholder

    def _check_keys(self, keys: list[Any], holder: object | None = None) -> None:
        self._limits.check_keys(keys, self._objects.parts, holder)

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
