"""Writes placeholders as what they were read from."""

from __future__ import annotations

import io
import pickle
from itertools import islice
from typing import TYPE_CHECKING, Any

from arqade._compat import override
from arqade._placeholders import Placeholder

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["dumps"]

BATCH = 1000
"""How many items of a list or dict are written at once, as in pickle."""

TEXTUAL_PROTOCOL = 0
"""It has no opcodes for many items at once."""

NEW_PROTOCOL = 2
"""From here on pickles make objects by ``__new__``."""

SETS_PROTOCOL = 4
"""From here on pickles have sets, and take a global's names from the stack."""

if TYPE_CHECKING:

    class _PythonPickler:
        """What is used here of the standard library's pickler in Python."""

        framer: Any
        memo: dict[int, tuple[int, Any]]

        def __init__(self, file: io.BytesIO, protocol: int, *, fix_imports: bool) -> None: ...
        def dump(self, obj: Any) -> None: ...
        def save(self, obj: Any, save_persistent_id: bool = ...) -> None: ...
        def write(self, data: bytes) -> None: ...
        def get(self, index: int) -> bytes: ...
        def memoize(self, obj: Any) -> None: ...
else:
    # The one in C can't write a class that is missing.
    _PythonPickler = pickle._Pickler  # noqa: SLF001 - there is no public name for it


class _PlaceholderPickler(_PythonPickler):
    """The pickler in Python, which writes placeholders, and all else as the one in C does."""

    def __init__(self, file: io.BytesIO, protocol: int) -> None:
        super().__init__(file, protocol, fix_imports=False)
        self._protocol = protocol
        self._named: dict[tuple[str, str], Placeholder] = {}
        self._open: set[int] = set()

    @override
    def save(self, obj: Any, save_persistent_id: bool = True) -> None:  # noqa: FBT002 - pickle's
        kind = type(obj)
        ours = kind is Placeholder or (kind in (list, dict, set) and len(obj) >= BATCH)
        if not ours or (self._protocol == TEXTUAL_PROTOCOL and kind is not Placeholder):
            super().save(obj, save_persistent_id)
            return
        self.framer.commit_frame()
        if (known := self.memo.get(id(obj))) is not None:
            self.write(self.get(known[0]))
        elif kind is Placeholder:
            self._save_placeholder(obj)
        elif kind is set and self._protocol < SETS_PROTOCOL:
            super().save(obj, save_persistent_id)
        else:
            self._save_large(obj)

    def _save_placeholder(self, obj: Placeholder) -> None:
        if obj.args is not None:
            self._save_call(obj)
            return
        if self._protocol >= SETS_PROTOCOL:
            self.save(obj.module)
            self.save(obj.name)
            self.write(pickle.STACK_GLOBAL)
        elif "." in obj.name or any(sign in obj.full_name for sign in " \n"):
            raise _unwritable(obj, self._protocol)
        else:
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        self.memoize(obj)

    def _save_call(self, obj: Placeholder) -> None:
        if obj.form in ("new", "new_ex") and self._protocol < NEW_PROTOCOL:
            raise _unwritable(obj, self._protocol)
        named = obj.named
        if named is None:
            key = obj.module, obj.name
            named = self._named.setdefault(key, Placeholder(*key))
        if id(obj) in self._open:
            # Pickle makes such an object twice over. It was made once here.
            raise pickle.PicklingError(f"{obj.full_name} is among its own arguments")
        self._open.add(id(obj))
        self.save(named)
        self.save(obj.args)
        if obj.form == "new_ex":
            self.save(obj.kwargs)
            self.write(pickle.NEWOBJ_EX)
        else:
            self.write(pickle.NEWOBJ if obj.form == "new" else pickle.REDUCE)
        self._open.discard(id(obj))
        self.memoize(obj)
        self._save_many(((item,) for item in obj.items), pickle.APPEND, pickle.APPENDS)
        self._save_many(obj.pairs, pickle.SETITEM, pickle.SETITEMS)
        if obj.state is not None:
            self.save(obj.state)
            self.write(pickle.BUILD)

    def _save_many(self, rows: Iterable[tuple[Any, ...]], one: bytes, many: bytes) -> None:
        """Write what an iterator gave (pickle.py, _batch_appends)."""
        rest = iter(rows)
        while batch := list(islice(rest, BATCH)):
            single = len(batch) == 1 or self._protocol == TEXTUAL_PROTOCOL
            if not single:
                self.write(pickle.MARK)
            for row in batch:
                for value in row:
                    self.save(value)
                if single:
                    self.write(one)
            if not single:
                self.write(many)

    def _save_large(self, obj: Any) -> None:
        """Write a large list, dict or set in the batches of the pickler in C.

        It looks for more after each full batch of a dict or a set, and makes none of one item of a
        list, other than the pickler in Python (_pickle.c, batch_list_exact, batch_dict_exact).
        """
        if type(obj) is list:
            begin, many = pickle.EMPTY_LIST, pickle.APPENDS
        elif type(obj) is dict:
            begin, many = pickle.EMPTY_DICT, pickle.SETITEMS
        else:
            begin, many = pickle.EMPTY_SET, pickle.ADDITEMS
        self.write(begin)
        self.memoize(obj)
        rows = obj.items() if type(obj) is dict else ((item,) for item in obj)
        rest = iter(rows)
        left = len(obj)
        while True:
            batch = list(islice(rest, BATCH))
            self.write(pickle.MARK)
            for row in batch:
                for value in row:
                    self.save(value)
            self.write(many)
            left -= len(batch)
            if len(batch) < BATCH or (left == 0 and type(obj) is list):
                break


def _unwritable(placeholder: Placeholder, protocol: int) -> pickle.PicklingError:
    return pickle.PicklingError(f"protocol {protocol} can't write {placeholder.full_name}")


def dumps(envelope: dict[str, Any], protocol: int) -> bytes:
    """Pickle an envelope with placeholders in it.

    Raises:
        PicklingError: Something in it can't be pickled.
    """
    file = io.BytesIO()
    _PlaceholderPickler(file, protocol).dump(envelope)
    return file.getvalue()
