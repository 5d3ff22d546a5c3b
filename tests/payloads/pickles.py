"""Pickles that nobody means well with: programs of all opcodes, and what such programs name.

A program keeps a model of the unpickler's stack, marks and memo, so that most opcodes find there
what they need, and it gets far; a few opcodes come at random.
"""

from __future__ import annotations

import pickle
import pickletools
import struct
from asyncio import CancelledError
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from uuid import UUID

from arqade.exceptions import JobExecutionFailed, JobNotFound, Retry
from tests.payloads.audit import ALLOWED, AppError, Colour, DictOf, ListOf, Plain, Slotted

# --- what programs name --------------------------------------------------------------------

HERE = Plain.__module__
TRAP = "arqade_trap"
"""A module that no test may import."""

CODES = {200: (HERE, "Plain"), 201: ("os", "system"), 70_000: (TRAP, "Thing")}
"""Codes in the registry of extensions."""

DANGEROUS = [
    ("os", "system"), ("posix", "system"), ("nt", "system"), ("os", "popen"), ("pty", "spawn"),
    ("subprocess", "Popen"), ("subprocess", "check_output"), ("builtins", "eval"),
    ("builtins", "exec"), ("builtins", "compile"), ("builtins", "__import__"),
    ("builtins", "open"), ("builtins", "getattr"), ("builtins", "setattr"), ("builtins", "type"),
    ("builtins", "map"), ("builtins", "breakpoint"), ("__builtin__", "eval"),
    ("builtins", "bytes.fromhex"), ("builtins", "str.format"), ("builtins", "object.__new__"),
    ("builtins", "object.__reduce_ex__"), ("builtins", "dict.fromkeys"), ("io", "open"),
    ("importlib", "import_module"), ("runpy", "run_module"), ("pickle", "loads"),
    ("marshal", "loads"), ("types", "CodeType"), ("types", "FunctionType"), ("ctypes", "CDLL"),
    ("operator", "attrgetter"), ("operator", "methodcaller"), ("functools", "partial"),
    ("functools", "reduce"), ("copyreg", "__newobj__"), ("copyreg", "add_extension"),
    ("copyreg", "_inverted_registry"), ("copyreg", "dispatch_table"), ("codecs", "lookup"),
    ("codecs", "encode"), ("_codecs", "decode"), ("sys", "exit"), ("sys", "modules"),
    ("timeit", "timeit"), ("webbrowser", "open"), ("code", "interact"),
    ("collections", "OrderedDict.fromkeys"), ("collections", "namedtuple"),
    ("datetime", "datetime.now"), ("uuid", "UUID.__init__"), ("uuid", "uuid1"),
    ("decimal", "Decimal.from_float"), ("decimal", "getcontext"), ("asyncio", "run"),
    ("arqade.codecs", "PickleCodec"), ("arqade.exceptions", "ArqadeError.__reduce__"),
    ("arqade._placeholders", "Placeholder"), ("arq.worker", "run_worker"), ("arq.jobs", "pickle"),
    (HERE, "Plain.method"), (HERE, "Plain.__init__"), (HERE, "os"), (HERE, "Colour.RED"),
    (HERE, "listed.__globals__"), (TRAP, "Thing"), (TRAP, "Thing.more"), ("__main__", "main"),
    ("", ""), ("os.path", "os.system"), ("builtins", ""), (".os", "system"), ("os ", "system"),
    ("os\x00", "system"), ("caf\xe9", "\u4e2d\udc80"), ("a b", "c d"), ("line\nline", "li\rne"),
]  # fmt: skip
"""What no payload may name, or is no name at all."""

KNOWN = [
    ("builtins", "set"), ("builtins", "frozenset"), ("builtins", "bytes"), ("builtins", "complex"),
    ("builtins", "bytearray"), ("builtins", "range"), ("builtins", "list"), ("builtins", "dict"),
    ("builtins", "tuple"), ("builtins", "object"), ("builtins", "int"), ("builtins", "str"),
    ("builtins", "ValueError"), ("builtins", "OSError"), ("builtins", "IOError"),
    ("builtins", "KeyError"), ("builtins", "StopIteration"), ("builtins", "SystemExit"),
    ("builtins", "AttributeError"), ("builtins", "ImportError"), ("builtins", "SyntaxError"),
    ("builtins", "UnicodeDecodeError"), ("builtins", "ExceptionGroup"),
    ("builtins", "BaseExceptionGroup"), ("builtins", "KeyboardInterrupt"),
    ("_codecs", "encode"), ("copyreg", "_reconstructor"), ("copy_reg", "_reconstructor"),
    ("decimal", "Decimal"), ("uuid", "UUID"), ("collections", "OrderedDict"),
    ("collections", "deque"), ("collections", "Counter"), ("collections", "defaultdict"),
    ("datetime", "date"), ("datetime", "datetime"), ("datetime", "time"),
    ("datetime", "timedelta"), ("datetime", "timezone"), ("asyncio.exceptions", "CancelledError"),
    ("asyncio.exceptions", "TimeoutError"), ("exceptions", "ValueError"),
    ("__builtin__", "set"), ("__builtin__", "xrange"), ("arqade.exceptions", "_rebuild"),
    ("arqade.exceptions", "JobNotFound"), ("arqade.exceptions", "RemoteError"),
    ("arq.worker", "Retry"), ("arq.worker", "JobExecutionFailed"), ("arq.jobs", "ResultNotFound"),
]  # fmt: skip
"""What every restricted codec makes."""

MINE = [(HERE, kind.__name__) for kind in ALLOWED]

WORDS = [
    "", "a", "args", "value", "first", "second", "code", "int", "is_safe", "obj", "latin1",
    "append", "extend", "with_traceback", "add_note", "start", "end", "object", "reason",
    "__class__", "__dict__", "__init__", "__setstate__", "__reduce_ex__", "__getattr__",
    "__slots__", "__notes__", "__cause__", "__traceback__", "__hash__", "__eq__", "__del__",
    "1.5", "nan", "sNaN", "os", "system", "true", "\x00", "\u20ac\U0001f600", "x" * 300,
]  # fmt: skip
"""Texts: names of attributes that mean something, most of all."""

NUMBERS = [0, 1, -1, 2, 7, 24, 100, 255, 2026, 2**31 - 1, 2**63, -(2**64), 2**128 - 1, 10**30]


def opcodes_of(value):
    """Give the opcodes that push a value, as Python writes them; without a memo, if they can."""
    return pickletools.optimize(pickle.dumps(value, 3))[2:-1]


WELL_FORMED = [
    opcodes_of(value)
    for value in [
        Plain(), ListOf([1, [2]]), DictOf(a=1), Slotted(1, "two"), Colour.RED, AppError("reason"),
        Decimal("1.50"), UUID(int=7), date(2026, 11, 28), datetime(2026, 11, 28, tzinfo=UTC),
        timedelta(days=1), time(1, 2, fold=1), range(3), 2j, b"bytes", bytearray(b"bytes"),
        {1, "a"}, frozenset({1}), OrderedDict(a=[1]), Counter("ab"), deque([1, {}], 3),
        defaultdict(list, a=[1]), ValueError("reason", 1), OSError(2, "reason", "file"),
        CancelledError(), StopIteration(3), UnicodeDecodeError("utf-8", b"x", 0, 1, "reason"),
        ExceptionGroup("several", [KeyError("a"), ValueError()]), JobNotFound("id"),
        JobExecutionFailed("reason"), Retry(5),
    ]
]  # fmt: skip
"""Objects as Python itself pickles them."""

# --- opcodes -------------------------------------------------------------------------------

OPCODES = {opcode.name: opcode for opcode in pickletools.opcodes}
MARK = pickletools.markobject.name
SLICE = pickletools.stackslice.name
ANY = pickletools.anyobject.name

NAMES = list(OPCODES)
BEFORE = {name: [kind.name for kind in opcode.stack_before] for name, opcode in OPCODES.items()}
AFTER = {name: [kind.name for kind in opcode.stack_after] for name, opcode in OPCODES.items()}


def _counted(length):
    def encode(value):
        data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        return struct.pack(length, len(data)) + data

    return encode


def _long(value):
    return value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)


def _line(value):
    return str(value).encode("utf-8", "surrogatepass").replace(b"\n", b" ") + b"\n"


ENCODERS = {
    **{
        name: struct.Struct(layout).pack
        for name, layout in [
            ("uint1", "B"), ("uint2", "<H"), ("int4", "<i"), ("uint4", "<I"), ("uint8", "<Q"),
            ("float8", ">d"),
        ]
    },
    **dict.fromkeys(("string1", "bytes1", "unicodestring1"), _counted("B")),
    **dict.fromkeys(("bytes8", "unicodestring8", "bytearray8"), _counted("<Q")),
    **dict.fromkeys(("string4", "bytes4", "unicodestring4"), _counted("<I")),
    "long1": lambda value: _counted("B")(_long(value)),
    "long4": lambda value: _counted("<i")(_long(value)),
    "stringnl": lambda value: ascii(value).encode() + b"\n",
    "unicodestringnl": lambda value: value.encode("raw-unicode-escape").replace(b"\n", b"") + b"\n",
    **dict.fromkeys(("stringnl_noescape", "decimalnl_short", "floatnl"), _line),
    "decimalnl_long": lambda value: b"%dL\n" % value,
    "stringnl_noescape_pair": lambda value: _line(value[0]) + _line(value[1]),
}  # fmt: skip
"""What writes the argument of an opcode, by the argument's kind."""


def op(name, argument=None):
    """Give the bytes of an opcode."""
    opcode = OPCODES[name]
    written = b"" if opcode.arg is None else ENCODERS[opcode.arg.name](argument)
    return opcode.code.encode("latin-1") + written


def envelope(value):
    """Give the pickle of a dict with one value."""
    return b"".join(
        (op("PROTO", 4), op("EMPTY_DICT"), op("BINUNICODE", "r"), value, op("SETITEM"), op("STOP"))
    )


def named(module, name):
    """Push what a name stands for."""
    return op("BINUNICODE", module) + op("BINUNICODE", name) + op("STACK_GLOBAL")


def group(close, *parts):
    """Push what an opcode makes of all that comes since a mark."""
    return op("MARK") + b"".join(parts) + op(close)


def call(target, *args):
    """Call something with arguments."""
    return target + group("TUPLE", *args) + op("REDUCE")


def built(target, **state):
    """Give something a state."""
    pairs = [opcodes_of(name) + value for name, value in state.items()]
    return target + op("EMPTY_DICT") + group("SETITEMS", *pairs) + op("BUILD")


def put(index, code):
    """Keep a value in the memo alone."""
    return code + op("BINPUT", index) + op("POP")


def get(index):
    """Push what was kept."""
    return op("BINGET", index)


def builtin(name):
    """Push one of Python's own classes or functions."""
    return named("builtins", name)


def error(*args):
    """Push an exception."""
    return call(builtin("Exception"), *args)


# --- programs ------------------------------------------------------------------------------


class Program:
    """Writes one pickle, of a dict if all goes well.

    Args:
        random: What decides.
        steps: How many opcodes, or small groups of them, it has between its beginning and its end.
    """

    def __init__(self, random, steps):
        self._random = random
        self._data = []
        self._memo = {}
        self._stack = []
        self.used = []
        """The names of its opcodes."""
        for name, argument in [("PROTO", 4), ("EMPTY_DICT", None), ("BINUNICODE", "r")]:
            self._emit(name, argument)
        self._emit("MARK")
        self._floor = len(self._stack)
        for _ in range(steps):
            self._step()
        while self._stack.count(MARK) > 1 and len(self._stack) >= self._floor:
            self._emit(random.choice(["TUPLE", "TUPLE", "LIST", "POP_MARK"]))
        for name in ["LIST", "SETITEM", "STOP"]:
            self._emit(name)

    @property
    def data(self):
        """The pickle."""
        return b"".join(self._data)

    def _emit(self, name, argument=None):
        """Write an opcode, and do to the model what it does to the stack."""
        opcode = OPCODES[name]
        if argument is None and opcode.arg is not None:
            argument = self._argument(opcode)
        self._data.append(op(name, argument))
        self.used.append(name)
        after = AFTER[name]
        if name == "DUP":
            after = self._stack[-1:] * 2
        elif name.endswith("GET"):
            after = [self._memo.get(argument, ANY)]
        for kind in reversed(BEFORE[name]):
            if kind == SLICE:
                while self._stack and self._stack[-1] != MARK:
                    self._stack.pop()
            elif self._stack:
                self._stack.pop()
        self._stack += after
        if name.endswith("PUT") or name == "MEMOIZE":
            index = len(self._memo) if name == "MEMOIZE" else argument
            self._memo[index] = self._stack[-1] if self._stack else ANY

    def _argument(self, opcode):
        random, kind, name = self._random, opcode.arg.name, opcode.name
        if name.endswith("GET") and self._memo and random.random() < 0.95:
            small = [index for index in self._memo if index < 256]
            return random.choice(small or [0])
        if name.endswith("PUT"):
            huge = {"uint4": 2**32 - 1, "decimalnl_short": 10 ** random.randint(3, 30)}
            return huge.get(kind, 255) if random.random() < 0.05 else random.randrange(20)
        if name.startswith("EXT"):
            codes = [code for code in CODES if code < 256 ** int(name[3])]
            return random.choice([*codes, 0, 5])
        if name == "PROTO":
            return random.choice([0, 1, 2, 3, 4, 5, 5, 200])
        if kind == "stringnl_noescape_pair":
            return self._names()
        if kind in ("float8", "floatnl"):
            return random.choice([0.0, -1.5, 1e308, float("inf"), float("nan")])
        if "string" in kind or "bytes" in kind or "bytearray" in kind:
            text = random.choice(WORDS)
            plain = "bytes" in kind or kind in ("string1", "string4", "bytearray8")
            return text.encode()[:200] if plain else text[:60]
        number = random.choice(NUMBERS)
        bits = {"uint1": 8, "uint2": 16, "uint4": 32, "int4": 31, "uint8": 63}.get(kind)
        return number if bits is None else abs(number) % 2**bits

    def _names(self):
        return self._random.choice(self._random.choice([DANGEROUS, KNOWN, KNOWN, MINE, MINE]))

    def _step(self):
        random = self._random
        chance = random.random()
        if chance < 0.01:
            self._emit(random.choice(pickletools.opcodes).name)
        elif chance < 0.12:
            self._call()
        elif chance < 0.16:
            self._container()
        elif chance < 0.22:
            self._data.append(random.choice(WELL_FORMED))
            self._stack.append(ANY)
        elif chance < 0.35 and ANY in self._stack[-1:]:
            self._change()
        else:
            name = random.choice(NAMES)
            while not self._fits(name):
                name = random.choice(NAMES)
            self._emit(name)

    def _fits(self, name):
        """Tell whether the stack has what an opcode needs; and keep what rarely goes well rare."""
        if self._random.random() < RARE.get(name, 0):
            return False
        if (name.endswith("GET") and not self._memo) or (
            name.endswith("PUT") and self._stack[-1] == MARK
        ):
            return False
        # The dict, its key and the mark at the beginning stay.
        own, before = self._stack[self._floor :], BEFORE[name]
        if SLICE in before:
            if MARK not in own:
                return False
            top = len(own) - 1 - own[::-1].index(MARK)
            # What lies between is taken as it is; only OBJ needs something there.
            own, before = own[:top], before[: before.index(MARK)]
        there = own[len(own) - len(before) :]
        return len(own) >= len(before) and all(
            need == kind or (need == ANY and kind != MARK)
            for need, kind in zip(before, there, strict=True)
        )

    # --- groups of opcodes -------------------------------------------------------------------

    def _name(self):
        module, name = self._names()
        if self._random.random() < 0.5:
            self._emit("GLOBAL", (module, name))
        else:
            self._emit("BINUNICODE", module)
            self._emit("SHORT_BINUNICODE", name)
            self._emit("STACK_GLOBAL")

    def _scalar(self):
        self._emit(self._random.choice(["NONE", "BININT1", "BINUNICODE", "BINBYTES", "LONG1"]))

    def _value(self):
        choice = self._random.random()
        if choice < 0.2 and self._memo:
            self._emit("BINGET")
        elif choice < 0.4:
            self._emit(self._random.choice(["EMPTY_LIST", "EMPTY_DICT", "EMPTY_TUPLE"]))
        elif choice < 0.5:
            self._name()
        else:
            self._scalar()

    def _call(self):
        way = self._random.choice(["REDUCE", "REDUCE", "NEWOBJ", "NEWOBJ_EX", "OBJ", "INST"])
        count = self._random.choice([0, 0, 1, 1, 2, 3])
        if way in ("OBJ", "INST"):
            self._emit("MARK")
        if way != "INST":
            self._name()
        if way not in ("OBJ", "INST"):
            self._emit("MARK")
        for _ in range(count):
            self._value()
        if way not in ("OBJ", "INST"):
            self._emit("TUPLE")
        if way == "NEWOBJ_EX":
            self._items(self._random.choice([0, 0, 1]))
        self._emit(way)

    def _container(self):
        name = self._random.choice(list(FILLED))
        if FILLED[name]:
            self._emit(FILLED[name])
        self._emit("MARK")
        for _ in range(self._random.choice([0, 2, 2, 4])):
            self._scalar()
        self._emit(name)

    def _items(self, count):
        self._emit("EMPTY_DICT")
        for _ in range(count):
            self._emit("BINUNICODE")
            self._value()
            self._emit("SETITEM")

    def _change(self):
        """Do something with what lies on top."""
        choice = self._random.randrange(6)
        if choice == 0:
            self._value()
            self._emit("APPEND")
        elif choice == 1:
            self._scalar()
            self._value()
            self._emit("SETITEM")
        else:
            self._state()
            self._emit("BUILD")
        # Opcodes for lists and dicts leave one, says the model.
        self._stack[-1:] = [ANY]

    def _state(self):
        choice = self._random.randrange(5)
        if choice == 0:
            self._value()
        elif choice == 1:
            self._scalar()
            self._items(self._random.randrange(3))
            self._emit("TUPLE2")
        else:
            self._items(self._random.randrange(4))


FILLED = {
    "APPENDS": "EMPTY_LIST",
    "ADDITEMS": "EMPTY_SET",
    "SETITEMS": "EMPTY_DICT",
    "FROZENSET": None,
    "DICT": None,
}
"""Opcodes for many values, and what makes the container to which they are added."""

RARE = {
    **dict.fromkeys(("EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID", "STOP"), 0.995),
    **dict.fromkeys(("NEXT_BUFFER", "READONLY_BUFFER"), 0.995),
    **dict.fromkeys(("REDUCE", "NEWOBJ", "NEWOBJ_EX", "OBJ", "BUILD", "STACK_GLOBAL"), 0.97),
    **dict.fromkeys(("SETITEM", "SETITEMS", "DICT", "ADDITEMS", "FROZENSET"), 0.7),
    **dict.fromkeys(("POP", "POP_MARK", "INST", "INT", "FLOAT", "LONG", "STRING"), 0.5),
}
"""How often an opcode is left out although it would fit."""


def program(seed):
    """Give the program of a seed."""
    random = Random(seed)
    return Program(random, random.randint(1, 40))
