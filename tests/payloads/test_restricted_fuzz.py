"""Hostile pickles against `RestrictedPickleCodec`.

ARQADE_FUZZ says how many programs each test reads, ARQADE_FUZZ_SEED which one is the first.
"""

from __future__ import annotations

import contextlib
import copyreg
import gc
import os
import pickle
import subprocess
import sys
import weakref
from collections import deque
from uuid import UUID

import pytest

from arqade.codecs import Placeholder, RestrictedPickleCodec
from arqade.exceptions import JobDeserializationError, JobSerializationError
from tests.payloads.audit import (
    ALLOWED,
    Colour,
    Compared,
    ForbiddenError,
    Plain,
    listed,
    unchanged,
    watched,
)
from tests.payloads.pickles import (
    CODES,
    DANGEROUS,
    HERE,
    KNOWN,
    OPCODES,
    TRAP,
    built,
    builtin,
    call,
    envelope,
    error,
    get,
    group,
    named,
    op,
    opcodes_of,
    program,
)

COUNT = int(os.environ.get("ARQADE_FUZZ", "500"))
FIRST = int(os.environ.get("ARQADE_FUZZ_SEED", "0"))

MODES = ("error", "placeholder")
CODECS = {
    (mode, mine): RestrictedPickleCodec(ALLOWED if mine else (), mode)
    for mode in MODES
    for mine in (False, True)
}

EACH_MODE = pytest.mark.parametrize("mode", MODES)
EACH_CODEC = pytest.mark.parametrize(
    "codec", [pytest.param(codec, id=f"{mode}-{mine}") for (mode, mine), codec in CODECS.items()]
)


@pytest.fixture(autouse=True, scope="module")
def _arq_is_imported():
    """The errors of arq are allowed, so they are imported, if arq is there: but once."""
    names = [(module, name) for module, name in KNOWN if module.startswith("arq.")]
    assert names
    for codec in CODECS.values():
        for each in names:
            codec.loads(envelope(op("GLOBAL", each)))


@pytest.fixture(autouse=True)
def trap(tmp_path, monkeypatch):
    """A module that could be imported, and must not be."""
    (tmp_path / f"{TRAP}.py").write_text("class Thing: more = None", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, TRAP, raising=False)
    yield
    assert TRAP not in sys.modules


@contextlib.contextmanager
def told(seed):
    """Tell with a failure which program it is of."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"The pickle is tests.payloads.pickles.program({seed}).data.")
        raise


def loads(codec, data):
    """Give what a pickle holds, or None; nothing else may happen."""
    try:
        with watched():
            found = codec.loads(data)
    except JobDeserializationError:
        return None
    assert type(found) is dict
    return found


# --- properties of programs ----------------------------------------------------------------


def test_every_opcode_is_used():
    """Programs have each opcode of Python's unpickler, and most are carried out to their end."""
    programs = [program(seed) for seed in range(500)]
    assert {name for each in programs for name in each.used} == set(OPCODES)
    codec = CODECS["placeholder", True]
    read = [each for each in programs if loads(codec, each.data) is not None]
    assert len(read) > len(programs) / 3
    unused = {"STOP", "PERSID", "BINPERSID", "NEXT_BUFFER", "READONLY_BUFFER"}
    unused |= {"EXT1", "EXT2", "EXT4"}
    assert {name for each in read for name in each.used} >= set(OPCODES) - unused


@EACH_CODEC
def test_programs(codec):
    """A hostile pickle gives a dict or an error; nothing is imported, run, opened or changed."""
    for first in range(FIRST, FIRST + COUNT, 100):
        with unchanged():
            for seed in range(first, min(first + 100, FIRST + COUNT)):
                with told(seed):
                    loads(codec, program(seed).data)


@EACH_MODE
def test_what_programs_hold(mode):
    """What decodes has a `repr`, is the same each time, and goes back into a pickle of itself."""
    codec = CODECS[mode, True]
    for seed in range(FIRST, FIRST + COUNT):
        data = program(seed).data
        found = loads(codec, data)
        if found is None:
            continue
        with told(seed):
            assert isinstance(repr(found), str)
            again = codec.loads(data)
            comparison = Comparison()
            assert comparison.same(found, again)
            with contextlib.suppress(RecursionError):
                assert found == again or comparison.is_odd
            assert Comparison().same(codec.loads(codec.dumps(found)), found)


class Comparison:
    """Compares two values that may hold themselves."""

    def __init__(self):
        self._seen = set()
        self.is_odd = False
        """Whether there is something that isn't equal to its like: NaN, or an error."""

    def same(self, one, other):
        """Tell whether they are of the same classes and hold the same."""
        if type(one) is not type(other):
            return False
        if (id(one), id(other)) in self._seen:
            return True
        self._seen.add((id(one), id(other)))
        parts = _parts(one)
        if parts is None:
            self.is_odd |= one != one  # noqa: PLR0124 - NaN is what is looked for
            return one == other or repr(one) == repr(other)
        self.is_odd |= isinstance(one, BaseException)
        others = _parts(other)
        return len(parts) == len(others) and all(map(self.same, parts, others))


def _parts(value):
    if isinstance(value, Compared):
        return value.content()
    if isinstance(value, Placeholder):
        names = ("module", "name", "form", "args", "kwargs", "state", "items", "pairs")
        return [getattr(value, name) for name in names]
    if isinstance(value, BaseException):
        return [value.args, value.__dict__]
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    return list(value) if isinstance(value, list | tuple | deque) else None


# --- what may not be named -----------------------------------------------------------------


@pytest.mark.parametrize(("module", "name"), DANGEROUS, ids=repr)
@EACH_MODE
def test_dangerous_names(module, name, mode):
    """What is not in the list is not called: it is an error, or a placeholder of the call."""
    targets = [named(module, name)]
    arg = opcodes_of("true")
    calls = [group("OBJ", targets[0], arg)]
    pair = module + name
    if pair.isascii() and not set(pair) & {" ", "\n", "\r"}:
        targets.append(op("GLOBAL", (module, name)))
        calls.append(op("MARK") + arg + op("INST", (module, name)))
    calls += [call(target, arg) for target in targets]
    calls += [target + group("TUPLE", arg) + op("NEWOBJ") for target in targets]
    for code in calls:
        for codec in (CODECS[mode, False], CODECS[mode, True]):
            found = loads(codec, envelope(code))
            if mode == "error":
                assert found is None
            else:
                placeholder = found["r"]
                assert type(placeholder) is Placeholder
                assert (placeholder.module, placeholder.name) == (module, name)
                assert placeholder.args == ("true",)


def test_trap():
    """The module that must not be imported can be: Python's own unpickler does it."""
    assert pickle.loads(envelope(named(TRAP, "Thing")))["r"].__name__ == "Thing"
    del sys.modules[TRAP]


@pytest.fixture
def extensions():
    """Codes that the process has given to classes, known to the unpickler's cache as well."""
    cache = vars(copyreg)["_extension_cache"]
    for code, (module, name) in CODES.items():
        copyreg.add_extension(module, name, code)
        cache[code] = os.getpid
    yield
    for code, (module, name) in CODES.items():
        copyreg.remove_extension(module, name, code)
    assert not cache


@EACH_CODEC
@pytest.mark.parametrize(
    "code",
    [op("EXT1", 200), op("EXT1", 201), op("EXT2", 200), op("EXT4", 70_000), op("EXT4", 5)],
    ids=repr,
)
def test_extensions(codec, code, extensions):
    """Codes of the registry of extensions mean nothing, though Python knows what they stand for."""
    assert loads(codec, envelope(call(code))) is None
    if code != op("EXT4", 5):
        assert pickle.loads(envelope(code))["r"] is os.getpid


@EACH_CODEC
@pytest.mark.parametrize(
    "code",
    [
        op("PERSID", "os.system"),
        opcodes_of(("os", "system")) + op("BINPERSID"),
        op("NEXT_BUFFER"),
        op("NEXT_BUFFER") + op("READONLY_BUFFER"),
        opcodes_of(bytearray(b"x")) + op("READONLY_BUFFER"),
    ],
    ids=repr,
)
def test_what_lies_beside_a_pickle(codec, code):
    """Persistent ids and buffers are refused."""
    assert loads(codec, envelope(code)) is None


@EACH_CODEC
@pytest.mark.parametrize(
    "target",
    [
        *(named(HERE, kind.__name__) for kind in ALLOWED),
        *map(builtin, ["list", "dict", "object", "set", "Exception", "eval"]),
        named("collections", "OrderedDict"),
        named("datetime", "timezone"),
        named("copyreg", "_reconstructor"),
        opcodes_of(Colour.RED),
    ],
    ids=repr,
)
def test_state_of_what_was_there_before(codec, target):
    """No class, function or member of an enum is given a state, items or keys."""
    state = opcodes_of({"name": "other", "__doc__": "other", "_value_": 2, "__module__": "os"})
    one = opcodes_of(1)
    changes = [state + op("BUILD"), op("NONE") + state + op("TUPLE2") + op("BUILD")]
    changes += [one + op("APPEND"), one + one + op("SETITEM"), group("ADDITEMS", one)]
    with unchanged():
        for change in changes:
            found = loads(codec, envelope(target + change))
            # A member may not be there either: then a placeholder of it is given the state.
            assert found is None or type(found["r"]) is Placeholder


@pytest.mark.parametrize("name", ["append", "extend", "__setstate__", "__reduce_ex__"])
@pytest.mark.parametrize("target", [error(), call(named(HERE, "Plain"))], ids=["error", "mine"])
def test_methods_among_the_attributes(name, target):
    """A payload can't give an object a method that is called when it is read or written."""
    calls = []

    def spy(*args):
        calls.append(args)

    spy.__module__, spy.__qualname__ = "app", "spy"
    codec = RestrictedPickleCodec([*ALLOWED, spy])
    code = built(target, **{name: named("app", "spy")})
    for change in [b"", opcodes_of(5) + op("APPEND"), opcodes_of({}) + op("BUILD")]:
        found = loads(codec, envelope(code + change))
        with contextlib.suppress(JobSerializationError):
            codec.dumps(found or {})
    assert calls == []
    assert loads(codec, envelope(call(named("app", "spy")))) == {"r": None}
    assert calls == [()]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    ("module", "name"),
    [("a\nb", "c"), ("a", "b\nc"), ("a b", "c"), ("a", "b\ncos\nsystem\n(S'true'\ntR."), ("", "")],
    ids=repr,
)
def test_names_that_are_none(module, name, protocol):
    """A name with a line break goes back as it was, or not at all: it never becomes opcodes."""
    codec = RestrictedPickleCodec((), "placeholder", protocol=protocol)
    found = codec.loads(envelope(call(named(module, name))))
    try:
        data = codec.dumps(found)
    except JobSerializationError:
        return
    assert codec.loads(data) == found


@EACH_MODE
def test_memory_is_given_back(mode):
    """What was decoded ends with the last that holds it: nothing waits for the collector."""
    codec = CODECS[mode, True]
    gc.collect()
    gc.disable()
    try:
        found = codec.loads(envelope(call(named(HERE, "Plain"))))
        ends = weakref.ref(found["r"])
        del found
        assert ends() is None
    finally:
        gc.enable()


@EACH_MODE
def test_half_of_a_uuid(mode):
    """A UUID that gets no number, or too late, is none."""
    new = named("uuid", "UUID") + op("EMPTY_TUPLE") + op("NEWOBJ")
    kept = new + op("BINPUT", 1)
    number = opcodes_of({"int": 7}) + op("BUILD")
    tries = [new, new + op("NONE") + op("BUILD"), kept + get(1) + op("APPEND") + number]
    tries += [kept + group("APPENDS", get(1)) + number, kept + get(1) + op("TUPLE2") + number]
    for code in tries:
        repr(loads(CODECS[mode, False], envelope(code)))
    assert loads(CODECS[mode, False], envelope(new + number)) == {"r": UUID(int=7)}


# --- what watches over the tests -----------------------------------------------------------


@pytest.mark.parametrize(
    "act",
    [
        lambda: __import__(TRAP),
        lambda: open(os.devnull, encoding="utf-8"),  # noqa: PTH123, SIM115 - it is not opened
        lambda: exec("1"),
        lambda: compile("1", "x", "eval"),
        lambda: os.system("true"),
        lambda: os.listdir("."),  # noqa: PTH208 - what a payload might call
        lambda: subprocess.Popen(["true"]),
        lambda: pickle.loads(envelope(named("os", "getpid"))),
    ],
)
def test_watched(act):
    """Whatever a payload might do is noticed, prevented, and can't be caught by a codec."""
    with pytest.raises(ForbiddenError), watched(), contextlib.suppress(Exception):
        act()


def test_watched_to_the_end():
    """What was caught on the way is told at the end."""
    with (
        pytest.raises(ForbiddenError, match="caught"),
        watched(),
        contextlib.suppress(BaseException),
    ):
        os.system("true")


def test_unchanged():
    """A changed class is noticed."""
    with pytest.raises(AssertionError), unchanged():
        Plain.attribute = 1
    del Plain.attribute
    with unchanged():
        listed(1)
