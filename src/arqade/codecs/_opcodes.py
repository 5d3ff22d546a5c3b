"""The opcodes of pickles: how their arguments are read, and those that need no machine."""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any, BinaryIO, TypeAlias

from arqade.codecs._base import DecodingError

__all__ = ["STOP", "steps"]

Operation: TypeAlias = Callable[[Any, Any], None]
"""Carries out an opcode on a machine, with the opcode's argument."""

Step: TypeAlias = tuple[Callable[[BinaryIO], Any] | None, Operation | None, object]
"""What reads an opcode's argument, and what carries it out, or else the value to push."""

STOP = object()

CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": (), "STOP": STOP}
"""Opcodes that push a value of their own."""

PUSHED = frozenset(
    {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
    | {"STRING", "BINSTRING", "SHORT_BINSTRING"}
    | {"UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
    | {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
)
"""Opcodes that push their argument."""

SKIPPED = frozenset({"FRAME"})
"""Opcodes that need nothing to be done."""

REFUSED = {
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), "it uses the registry of extensions"),
    **dict.fromkeys(("PERSID", "BINPERSID"), "it uses persistent ids"),
    **dict.fromkeys(("NEXT_BUFFER", "READONLY_BUFFER"), "it uses buffers beside it"),
}
"""What no worker writes, and why it is refused."""


def steps(operations: dict[str, Operation]) -> dict[bytes, Step]:
    """Tell for each opcode how to read its argument, and what to do, or which value to push.

    Args:
        operations: What a machine does for opcodes, by their names.
    """
    known: dict[str, Operation] = dict.fromkeys(SKIPPED, _skip)
    known |= {name: _refuse(reason) for name, reason in REFUSED.items()} | operations
    table: dict[bytes, Step] = {}
    for opcode in pickletools.opcodes:
        reader = None if opcode.arg is None else opcode.arg.reader
        operation = known.get(opcode.name)
        if operation is None and opcode.name not in PUSHED and opcode.name not in CONSTANTS:
            operation = _refuse("it uses an opcode of a later protocol")
        table[opcode.code.encode("latin-1")] = reader, operation, CONSTANTS.get(opcode.name)
    return table


def _refuse(reason: str) -> Operation:
    def refuse(_: object, __: object) -> None:
        raise DecodingError(reason)

    return refuse


def _skip(_: object, __: object) -> None:
    pass
