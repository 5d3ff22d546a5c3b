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

STACK_GLOBAL_PROTOCOL = 4
"""From here on pickles take a global's names from the stack."""

NEW_PROTOCOL = 2
"""From here on pickles make objects by ``__new__``."""


if TYPE_CHECKING:

    class _PythonPickler:
        """What is used here of the standard library's pickler in Python."""

        memo: dict[int, tuple[int, Any]]

        def __init__(self, file: io.BytesIO, protocol: int) -> None: ...
        def dump(self, obj: Any) -> None: ...
        def save(self, obj: Any, save_persistent_id: bool = ...) -> None: ...
        def write(self, data: bytes) -> None: ...
        def get(self, index: int) -> bytes: ...
        def memoize(self, obj: Any) -> None: ...
else:
    # The one in C can't write a class that is missing.
    _PythonPickler = pickle._Pickler  # noqa: SLF001 - there is no public name for it


class _PlaceholderPickler(_PythonPickler):
    """The pickler in Python, which writes what the one in C does, and placeholders as well."""

    def __init__(self, file: io.BytesIO, protocol: int) -> None:
        super().__init__(file, protocol)
        self._protocol = protocol
        self._named: dict[tuple[str, str], Placeholder] = {}

    @override
    def save(self, obj: Any, save_persistent_id: bool = True) -> None:  # noqa: FBT002 - pickle's
        if type(obj) is not Placeholder:
            super().save(obj, save_persistent_id)
        elif (known := self.memo.get(id(obj))) is not None:
            self.write(self.get(known[0]))
        elif obj.args is None:
            self._save_name(obj)
        else:
            self._save_call(obj)

    def _save_name(self, named: Placeholder) -> None:
        if self._protocol >= STACK_GLOBAL_PROTOCOL:
            self.save(named.module)
            self.save(named.name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{named.module}\n{named.name}\n".encode())
        self.memoize(named)

    def _save_call(self, obj: Placeholder) -> None:
        if obj.form in ("new", "new_ex") and self._protocol < NEW_PROTOCOL:
            raise pickle.PicklingError(f"protocol {self._protocol} can't write {obj.full_name}")
        named = obj.named
        if named is None:
            key = obj.module, obj.name
            named = self._named.setdefault(key, Placeholder(*key))
        self.save(named)
        self.save(obj.args)
        if obj.form == "new_ex":
            self.save(obj.kwargs)
            self.write(pickle.NEWOBJ_EX)
        else:
            self.write(pickle.NEWOBJ if obj.form == "new" else pickle.REDUCE)
        if (known := self.memo.get(id(obj))) is not None:
            # Its arguments hold it.
            self.write(pickle.POP + self.get(known[0]))
        else:
            self.memoize(obj)
        self._save_many(((item,) for item in obj.items), pickle.APPEND, pickle.APPENDS)
        self._save_many(obj.pairs, pickle.SETITEM, pickle.SETITEMS)
        if obj.state is not None:
            self.save(obj.state)
            self.write(pickle.BUILD)

    def _save_many(self, rows: Iterable[tuple[Any, ...]], one: bytes, many: bytes) -> None:
        rest = iter(rows)
        while batch := list(islice(rest, BATCH)):
            single = len(batch) == 1 or self._protocol == 0
            if not single:
                self.write(pickle.MARK)
            for row in batch:
                for value in row:
                    self.save(value)
                if single:
                    self.write(one)
            if not single:
                self.write(many)


def dumps(envelope: dict[str, Any], protocol: int) -> bytes:
    """Pickle an envelope with placeholders in it.

    Raises:
        PicklingError: Something in it can't be pickled.
    """
    file = io.BytesIO()
    _PlaceholderPickler(file, protocol).dump(envelope)
    return file.getvalue()
