from __future__ import annotations

import asyncio
import builtins
import contextlib
import io
import pickle
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import partial
from uuid import UUID, SafeUUID
from zoneinfo import ZoneInfo

import pytest

from arqade import exceptions
from arqade._protocol.payloads import decode_result
from arqade.codecs import PickleCodec, Placeholder, RestrictedPickleCodec
from arqade.exceptions import JobDeserializationError, JobSerializationError
from tests.harness.canary import CANARY
from tests.payloads import outlaws
from tests.payloads.outlaws import MAKERS, NAMED, Outer, Plain
from tests.protocol.envelopes import JOB, RESULT
from tests.protocol.golden import samples

NO_MODULE = ZoneInfo._unpickle
"""A method that does not tell where it is."""

MODES = ("error", "placeholder")
CODEC = RestrictedPickleCodec()
WRONG = (True, 1.5, "1", None)
HERE = "tests.payloads.outlaws"

PLAIN = [
    *(None, True, False, 0, -1, 255, 65_536, 2**31, -(2**70), 2**200, 1.5, -0.0, float("inf")),
    *(float("nan"), "", "x", "ünï✓𝄞\0\n\\u0041\ud800", b"", b"\x00\xff", bytearray(), 1 + 2j),
    *(bytearray(b"x"), (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], [1, [2]], {}, {1: {"a": []}}),
    *(set(), {1, (2,)}, frozenset(), frozenset({"a"}), range(1, 9, 2), date(2026, 1, 2)),
    *(datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), datetime(2026, 1, 2, fold=1)),  # noqa: DTZ001 - it is to be naive
    *(time(1, 2, 3, tzinfo=timezone(timedelta(hours=-3, minutes=7), "name")), timedelta(-1, 5, 7)),
    *(UTC, Decimal("-1.10"), Decimal("sNaN"), Decimal("-Infinity"), UUID(int=7)),
    *(UUID(int=2**128 - 1, is_safe=SafeUUID.safe), OrderedDict(b=1, a=[2]), Counter("aab")),
    *(deque(), deque([1, 2], 3), defaultdict(None, a=1)),
    *(defaultdict(kind, a=1) for kind in (bool, int, float, str, list, tuple, dict, set, object)),
    *(int, str, list, object, ValueError, OrderedDict, Decimal, datetime, exceptions.JobNotFound),
]

ARGS = {
    UnicodeDecodeError: ("utf-8", b"\xff", 0, 1, "why"),
    UnicodeEncodeError: ("ascii", "\xff", 0, 1, "why"),
    UnicodeTranslateError: ("\xff", 0, 1, "why"),
    BaseExceptionGroup: ("why", [ValueError(1), KeyboardInterrupt()]),
    ExceptionGroup: ("why", [ValueError(1), OSError(2, "no", "file")]),
}
ERRORS = [
    kind(*ARGS.get(kind, ("why",)))
    for kind in vars(builtins).values()
    if isinstance(kind, type) and issubclass(kind, BaseException)
]
ERRORS += [
    *(OSError(2, "no such", "file"), ImportError("no", name="n", path="p"), KeyError()),
    *(
        asyncio.CancelledError("why"),
        TimeoutError(),
        exceptions.ArqadeError(),
        ValueError([{1: 2}]),
    ),
    *(exceptions.JobNotQueued("j", "queued"), exceptions.JobNotFound("j"), exceptions.Retry(5)),
    *(exceptions.PayloadTooLarge("j", 5, 4), exceptions.RemoteError("a.B", "why", "where")),
    exceptions.EnqueueManyError("why", enqueued=["a"], not_enqueued=[], uncertain=["b"]),
    *(exceptions.EnqueueUncertain("j", "t"), exceptions.QueueClosed(), exceptions.RetryJob(1)),
    *(exceptions.JobExecutionFailed("why"), exceptions.DeserializationError("why")),
]


def noted(error):
    """Give an exception notes and an attribute."""
    error.add_note("a note")
    error.detail = ["more"]
    return error


ERRORS.append(noted(ValueError("noted")))


@pytest.fixture
def without_arq(monkeypatch):
    """An environment in which arq can't be imported, whether it is installed or not."""
    for name in ("arq", "arq.jobs", "arq.worker"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture
def write_module(tmp_path, monkeypatch):
    """Write a module that can be imported."""
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda name, text: (tmp_path / f"{name}.py").write_text(text)
    for name in [name for name in sys.modules if name.startswith("fresh_")]:
        del sys.modules[name]


def told(value):
    """Give all that tells a value from another, whether it can be compared or not."""
    if isinstance(value, BaseException):
        return type(value), repr(value.args), repr(vars(value)), str(value)
    return type(value), repr(value), getattr(value, "is_safe", None), getattr(value, "fold", None)


def holding(code):
    """Make the bytes of a dict of which one value is made by some opcodes of protocol 4."""
    return b"\x80\x04}\x8c\x01r" + code + b"s."


def named(kind):
    """Make the opcode that names a class or a function."""
    return f"c{kind.__module__}\n{kind.__qualname__}\n".encode()


def refused(data, codec=CODEC):
    """Have a codec refuse some bytes, and give the reason."""
    with pytest.raises(JobDeserializationError) as caught:
        codec.loads(data)
    said = str(caught.value)
    assert CANARY not in said
    assert (caught.value.__cause__, caught.value.__context__, caught.value.job_id) == (None,) * 3
    start, _, reason = said.partition(": ")
    assert start == f"{type(codec).__name__} can't decode these bytes"
    return reason


def unsent(envelope, codec=CODEC):
    """Have a codec refuse to write a job, and give the reason."""
    with pytest.raises(JobSerializationError) as caught:
        codec.dumps(envelope)
    assert CANARY not in str(caught.value)
    assert (caught.value.__cause__, caught.value.__context__, caught.value.job_id) == (None,) * 3
    return str(caught.value).partition("RestrictedPickleCodec can't encode this: ")[2]


def doubled(wrap, times):
    """Make a small value that unfolds to a large one."""
    value = wrap(1)
    for _ in range(times - 1):
        value = wrap(value)
    return value


def first_name_in(data):
    """Tell which name Python looks up first for a pickle, but to get an attribute of another."""
    names = []

    class Unpickler(pickle.Unpickler):
        def find_class(self, module, name):
            if name != "getattr":
                names.append(f"{module}.{name}")
            return super().find_class(module, name)

    with contextlib.suppress(LookupError, TypeError):
        Unpickler(io.BytesIO(data)).load()
    return names[0]


class TestAllowed:
    @pytest.mark.parametrize("protocol", range(6))
    @pytest.mark.parametrize("value", [*PLAIN, *ERRORS], ids=lambda value: ascii(value)[:40])
    def test_values(self, value, protocol):
        """Plain data and errors are read as Python reads them, whatever the protocol."""
        data = pickle.dumps({"r": value}, protocol)
        expected = told(pickle.loads(data)["r"])
        for mode in MODES:
            assert told(RestrictedPickleCodec(on_forbidden=mode).loads(data)["r"]) == expected
        if protocol > 3:
            # Older ones have other names for some errors, and no fold.
            assert expected == told(value)

    @pytest.mark.parametrize("value", [*PLAIN, *ERRORS], ids=lambda value: ascii(value)[:40])
    def test_client_sends_them(self, value):
        """A client sends them as `PickleCodec` does."""
        envelope = {**JOB, "a": (value,)}
        assert CODEC.dumps(envelope) == PickleCodec().dumps(envelope)

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("arq", ["with arq", "without arq"])
    @pytest.mark.parametrize("sample", [*samples("jobs"), *samples("results")])
    def test_captures(self, sample, arq, mode, request):
        """What stock arq wrote is read as `PickleCodec` reads it, beside arq and without it."""
        if arq == "without arq":
            request.getfixturevalue("without_arq")
        codec = RestrictedPickleCodec(on_forbidden=mode)
        if sample["label"] == "exception that can't be unpickled":
            if mode == "error":
                assert refused(sample["bytes"]) == "__main__.NeedsArgs is not in its allow-list"
            else:
                expected = Placeholder("__main__", "NeedsArgs", ("code 3",), state={"code": 3})
                assert codec.loads(sample["bytes"])["r"] == expected
            return
        expected = PickleCodec().loads(sample["bytes"])
        assert [told(part) for part in codec.loads(sample["bytes"]).items()] == [
            told(part) for part in expected.items()
        ]
        assert type(codec.loads(sample["bytes"]).get("r")) is type(expected.get("r"))

    @pytest.mark.parametrize("name", ["TimeoutError", "CancelledError"])
    def test_names_of_older_pythons(self, name):
        """Errors are found that Python 3.9 and 3.10 have elsewhere."""
        made = CODEC.loads(holding(f"casyncio.exceptions\n{name}\n)R".encode()))["r"]
        assert type(made) is getattr(asyncio, name)

    def test_metadata_stay_readable(self):
        """A result whose error can't be made tells of its job; only the error is a placeholder."""
        error = outlaws.TwoNeededError(CANARY, 5)
        data = pickle.dumps({**RESULT, "s": False, "r": error})
        codec = RestrictedPickleCodec(on_forbidden="placeholder")
        result = decode_result(data, job_id="j", queue_name="q", codec=codec)
        assert (result.name, result.args, result.kwargs) == ("work", (1,), {"b": 2})
        assert result.result == Placeholder(HERE, "TwoNeededError", error.args, state=vars(error))


class TestForbidden:
    @pytest.mark.parametrize("protocol", [4, 5])
    @pytest.mark.parametrize("name", MAKERS)
    def test_classes(self, name, protocol):
        """A payload with an object of any other class is refused; the error names the class."""
        # Or its module's function, or the outermost class.
        data = pickle.dumps({**JOB, "k": {"x": MAKERS[name]([CANARY])}}, protocol)
        assert refused(data) == f"{first_name_in(data)} is not in its allow-list"

    @pytest.mark.parametrize("protocol", [4, 5])
    @pytest.mark.parametrize("kind", [*NAMED, sys.exit, io.StringIO, pickle.loads])
    def test_names(self, kind, protocol):
        """So is one that names another class or function, and nothing more."""
        data = pickle.dumps({"r": kind}, protocol)
        assert refused(data) == f"{first_name_in(data)} is not in its allow-list"

    @pytest.mark.parametrize(
        "name", ["a b", "a-b", "<lambda>", CANARY, "x" * 201, "ü\ud800"], ids=len
    )
    def test_what_is_no_name(self, name):
        """A name that may be something else is not repeated."""
        data = holding(b"\x8c\x02os" + pickle.dumps(name, 1)[:-1] + b"\x93")
        assert refused(data) == "? is not in its allow-list"

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("call", [b"", b")R", b")\x81", b")}\x92", b")R}b"])
    def test_nothing_is_imported(self, call, mode, write_module):
        """A module that is not in the list is not imported."""
        write_module("fresh_outlaw", "raise SystemExit")
        data = holding(b"cfresh_outlaw\nKind\n" + call)
        if mode == "error":
            assert refused(data) == "fresh_outlaw.Kind is not in its allow-list"
        else:
            codec = RestrictedPickleCodec(on_forbidden=mode)
            assert codec.loads(data)["r"].full_name == "fresh_outlaw.Kind"
        assert "fresh_outlaw" not in sys.modules

    @pytest.mark.parametrize(
        ("code", "reason"),
        [
            *((code, "it uses the registry of extensions") for code in (b"\x82\x01",)),
            (b"\x83\x01\x00", "it uses the registry of extensions"),
            (b"\x84\x01\x00\x00\x00", "it uses the registry of extensions"),
            (b"Pname\n", "it uses persistent ids"),
            (b"NQ", "it uses persistent ids"),
            (b"\x97", "it uses buffers beside it"),
            (b"N\x98", "it uses buffers beside it"),
            (b"K\x01K\x02\x93", "it names a class by something that is no text"),
            (b"N)R", "it calls something that it has not named"),
            (b"cbuiltins\nValueError\nNR", "it calls something with what are no arguments"),
            (b"cbuiltins\nValueError\nN\x81", "it calls something with what are no arguments"),
            (b"cbuiltins\nValueError\n)\x81", "builtins.ValueError can't be made: "),
            (b"cbuiltins\nValueError\n)}K\x01K\x02s\x92", "it calls something with names that"),
            (b"cbuiltins\nset\nI5\n\x85R", "builtins.set can't be made: "),
            (b"cbuiltins\nbytes\nI1000000000000\n\x85R", "builtins.bytes can't be made: "),
            (b"cbuiltins\nint\n\x8c\x015\x85R", "builtins.int can't be made: "),
            (b"cbuiltins\ndict\n)R", "builtins.dict can't be made: "),
            (b"cbuiltins\nobject\n)\x81", "builtins.object can't be made: "),
            (b"ccodecs\nencode\n\x8c\x01x\x8c\x05utf-8\x86R", "codecs.encode is not in"),
            (b"c_codecs\nencode\n\x8c\x01x\x8c\x05utf-8\x86R", "_codecs.encode can't be made: "),
            (b"cbuiltins\ngetattr\n", "builtins.getattr is not in its allow-list"),
            (b"](cbuiltins\ngetattr\nq\x00h\x00e", "builtins.getattr is not in its allow-list"),
            # Names of Python 2 mean something in protocols 0 to 2 alone.
            (b"c__builtin__\nset\n", "__builtin__.set is not in its allow-list"),
            (b"c_codecs\nencode\n", "_codecs.encode is not in its allow-list"),
            (b"carqade.exceptions\n_rebuild\n", "arqade.exceptions._rebuild is not in its"),
            (b"cbuiltins\ngetattr\n\x8c\x01x\x8c\x05upper\x86R", "builtins.getattr can't be made"),
            (
                b"cbuiltins\ngetattr\ncbuiltins\nValueError\n\x8c\x0e__subclasses__\x86R)R",
                "builtins.getattr can't be made: builtins.ValueError.__subclasses__ is not in its",
            ),
            (b"cuuid\nUUID\n)\x81", "uuid.UUID can't be made: it was given no state"),
        ],
    )
    def test_opcodes(self, code, reason):
        """What no worker writes is refused."""
        assert refused(holding(code)).startswith(reason)

    @pytest.mark.parametrize(
        "data",
        [
            *(b"", b"\x80", b"\x80\x04", b".", b"}", b"\x80\x04}}.", b"\x80\x04(.", b"\x80\x04(}."),
            *(b"\x80\x04}.x", b"\x80\x04}..", b"\x80\x04}\n", b"\x80\x04}0.", b"\x80\x04}h\x00."),
            *(b"\x80\x04}\xff.", b"\x80\x04}K\x01s.", b"\x80\x04}(K\x01u.", b"\x80\x04]s."),
            *(b"\x80\x04}\x8c\xffx.", b"{}", b"\x80\x04u."),
        ],
    )
    def test_no_pickle(self, data):
        """Bytes that are no pickle, or end too soon or too late, are refused."""
        for mode in MODES:
            refused(data, RestrictedPickleCodec(on_forbidden=mode))

    @pytest.mark.parametrize("value", [None, [], 5, "text", ("a", "b")], ids=repr)
    def test_no_envelope(self, value):
        """So are bytes that hold no dict."""
        reason = f"they hold {type(value).__name__}, no envelope"
        assert refused(pickle.dumps(value)) == reason


class TestAllowList:
    @pytest.mark.parametrize("form", ["class", "name"])
    @pytest.mark.parametrize(
        "value",
        [
            *(Plain(5), outlaws.Slotted(5), outlaws.SlotsAndDict(5), outlaws.OwnState(5)),
            *(outlaws.Reduced(5), outlaws.NewArgs(5), outlaws.NewArgsEx("first", value=5)),
            *(outlaws.ListOf(5), outlaws.DictOf(5), outlaws.TupleOf(5), outlaws.Pair("first", 5)),
            *(outlaws.Data(5), outlaws.FrozenData(5), outlaws.Model(5), outlaws.FrozenModel(5)),
            *(outlaws.NotedError(5), outlaws.Colour.BLUE, outlaws.Level.LOW, ~outlaws.Rights.READ),
            *(MAKERS["DequeOf"](5), MAKERS["SetOf"](5), Outer.Inner(5), Outer.Inner.Innermost(5)),
            *(outlaws.function, Outer, Outer.static, Decimal(5), UUID(int=5), Counter("a")),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_forms(self, value, form):
        """Classes and functions are allowed by themselves or by name, nested ones as well."""
        kind = value if hasattr(value, "__qualname__") else type(value)
        name = f"{kind.__module__}.{kind.__qualname__}"
        codec = RestrictedPickleCodec([name if form == "name" else kind])
        for protocol in (4, 5):
            found = codec.loads(pickle.dumps({"r": value}, protocol))["r"]
            assert (type(found), found) == (type(value), value)
        assert repr(codec) == (
            f"RestrictedPickleCodec(allow=[{name!r}], on_forbidden='error', protocol=4)"
        )
        if kind.__module__ == HERE:
            refused(pickle.dumps({"r": value}))

    def test_only_what_is_named(self):
        """A class that is allowed lets neither its neighbours in nor what is within it."""
        codec = RestrictedPickleCodec([Outer, f"{HERE}.function"])
        assert refused(pickle.dumps({"r": Outer.Inner(5)}), codec) == (
            f"{HERE}.Outer.Inner is not in its allow-list"
        )
        assert refused(pickle.dumps({"r": Plain(5)}), codec).startswith(f"{HERE}.Plain is not")

    def test_function_that_makes_an_object(self):
        """An allowed function is called."""
        codec = RestrictedPickleCodec([outlaws.make_reduced_ex])
        made = codec.loads(pickle.dumps({"r": outlaws.ReducedEx(5)}))["r"]
        assert (made.value, made.extra) == (5, 2)
        assert (made.items, made.pairs) == ([5, "item"], {"key": 5})

    @pytest.mark.parametrize("protocol", range(2, 6))
    @pytest.mark.parametrize("form", ["method", "name"])
    def test_method_of_a_class(self, form, protocol):
        """An allowed method of an allowed class is called, if the class is allowed as well."""
        method = Outer.of if form == "method" else f"{HERE}.Outer.of"
        data = pickle.dumps({"r": [outlaws.OfClass(5), Outer.of]}, protocol)
        codec = RestrictedPickleCodec([Outer, method])
        assert codec.loads(data) == {"r": [outlaws.OfClass(5), Outer.of]}
        assert refused(data, RestrictedPickleCodec([Outer])) == (
            f"builtins.getattr can't be made: {HERE}.Outer.of is not in its allow-list"
        )
        assert refused(data, RestrictedPickleCodec([method])) == (
            f"{HERE}.Outer is not in its allow-list"
        )

    def test_named_time_zones(self):
        """Times in named zones can be allowed."""
        value = datetime(2026, 7, 1, tzinfo=ZoneInfo("UTC"))
        codec = RestrictedPickleCodec(["zoneinfo.ZoneInfo", "zoneinfo.ZoneInfo._unpickle"])
        (found,) = codec.loads(codec.dumps({**JOB, "a": (value,)}))["a"]
        assert found == value
        assert found.tzinfo is value.tzinfo

    def test_imported_when_needed(self, write_module):
        """A module is imported when a payload first names what is allowed of it."""
        write_module("fresh_module", "class Kind: pass")
        codec = RestrictedPickleCodec(["fresh_module.Kind"])
        assert "fresh_module" not in sys.modules
        assert type(codec.loads(holding(b"cfresh_module\nKind\n)\x81"))["r"]).__name__ == "Kind"

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("fresh_missing.Kind", None),
            ("fresh_package.missing.Kind", None),
            ("fresh_empty.Kind", ""),
            ("fresh_empty.Outer.Kind", "class Outer: pass"),
            ("fresh_importing.Kind", "import fresh_nowhere"),
            ("fresh_broken.Kind", f"raise ValueError('{CANARY}')"),
            ("fresh_wrong.Kind", "class Kind("),
        ],
        ids=["module", "submodule", "class", "nested", "import", "error", "syntax"],
    )
    def test_what_is_not_there(self, name, text, write_module):
        """A name that can't be imported is an error that names it, or a placeholder."""
        if text is not None:
            write_module(name.partition(".")[0], text)
        module, _, kind = name.rpartition(".")
        data = holding(f"c{module}\n{kind}\n)\x81".encode("latin-1"))
        codec = RestrictedPickleCodec([name], "placeholder")
        assert codec.loads(data)["r"] == Placeholder(module, kind, (), form="new")
        assert refused(data, RestrictedPickleCodec([name])) == f"{name} is allowed, and not there"

    @pytest.mark.parametrize(
        "wrong", [5, None, b"app.User", ["app.User"], sys, partial(print), NO_MODULE]
    )
    def test_wrong_types(self, wrong):
        """What is neither a name nor a class nor a function is a TypeError."""
        with pytest.raises(TypeError, match="allow takes names and classes, not"):
            RestrictedPickleCodec([wrong])

    @pytest.mark.parametrize("wrong", ["app.User", b"app.User", 5, None])
    def test_no_list(self, wrong):
        """So is a list that is none."""
        with pytest.raises(TypeError):
            RestrictedPickleCodec(wrong)

    @pytest.mark.parametrize("wrong", ["", "User", "app.", ".User", "a..b", "app.1", "app.U\n"])
    def test_no_full_names(self, wrong):
        """A name without its module is a ValueError."""
        with pytest.raises(ValueError, match="allow takes full names such as"):
            RestrictedPickleCodec([wrong])


class TestMaking:
    @pytest.mark.parametrize(
        ("value", "error"),
        [
            (outlaws.TwoNeededError(CANARY, 5), "TypeError"),
            (outlaws.NamedNeededError(value=CANARY), "TypeError"),
            (outlaws.Refusing(CANARY), "LookupError"),
        ],
    )
    def test_class_that_refuses(self, value, error):
        """An allowed class that can't make an object is named, or a placeholder stands for it."""
        kind = type(value)
        data = pickle.dumps({"r": [value, value]})
        reason = f"{HERE}.{kind.__name__} can't be made: {error}"
        assert refused(data, RestrictedPickleCodec([kind])) == reason
        codec = RestrictedPickleCodec([kind], "placeholder")
        first, second = codec.loads(data)["r"]
        assert first is second
        assert (first.full_name, first.state) == (f"{HERE}.{kind.__name__}", vars(value))
        assert codec.dumps(codec.loads(data)) == data

    def test_class_that_refuses_and_holds_itself(self):
        """Nothing half made is left: what can't be made and is held by itself is refused."""
        value = outlaws.Refusing()
        value.value = [value]
        data = pickle.dumps({"r": value})
        for mode in MODES:
            reason = refused(data, RestrictedPickleCodec([outlaws.Refusing], mode))
            assert reason == f"{HERE}.Refusing can't be made: LookupError"

    @pytest.mark.parametrize("add", [b"K\x01a", b"(K\x01K\x02e", b"K\x01K\x02s"])
    def test_class_that_refuses_items(self, add):
        """An allowed class that takes no items is named, or a placeholder stands for it."""
        data = holding(named(Plain) + b")\x81" + add)
        assert refused(data, RestrictedPickleCodec([Plain])).startswith(f"{HERE}.Plain can't be")
        made = RestrictedPickleCodec([Plain], "placeholder").loads(data)["r"]
        assert made.full_name == f"{HERE}.Plain"

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("change", [b"}\x8c\x05addedK\x01sb", b"N}\x8c\x05addedK\x01s\x86b"])
    @pytest.mark.parametrize(
        "code",
        [
            *(named(kind) for kind in (outlaws.Colour, Plain, outlaws.function, ValueError)),
            named(outlaws.Colour) + b"\x8c\x03red\x85R",
            named(Outer.of.__func__),
            *(b"]", b"}", b")", b"\x8c\x01x", b"K\x01", b"N", b"\x8f", named(timezone)),
        ],
    )
    def test_what_it_did_not_make(self, code, change, mode):
        """A payload can change no class, function, member of an enum, or value."""
        allowed = [outlaws.Colour, Plain, outlaws.function, Outer.of.__func__]
        codec = RestrictedPickleCodec(allowed, mode)
        with contextlib.suppress(JobDeserializationError):
            assert type(codec.loads(holding(code + change))["r"]) is Placeholder
        for thing in (*allowed, outlaws.Colour.RED, ValueError, timezone):
            assert not hasattr(thing, "added")

    @pytest.mark.parametrize(
        ("thing", "change"),
        [
            pytest.param([], b"K\x01a", id="list"),
            pytest.param({}, b"\x8c\x05addedK\x01s", id="dict"),
            pytest.param(set(), b"(K\x01\x90", id="set"),
            pytest.param(outlaws.Colour.RED, b"}\x8c\x05addedK\x01sb", id="member"),
            pytest.param(outlaws.function, b"}\x8c\x05addedK\x01sb", id="function"),
            pytest.param(Outer, b"N}\x8c\x05addedK\x01s\x86b", id="class"),
        ],
    )
    def test_what_a_function_gives(self, thing, change, monkeypatch):
        """Nor can it change what an allowed function gives, but did not make for it."""

        def give():
            return thing

        give.__module__, give.__qualname__ = HERE, "make_reduced_ex"
        codec = RestrictedPickleCodec([give])
        try:
            refused(holding(named(give) + b")R" + change), codec)
            assert not hasattr(thing, "added")
            assert not isinstance(thing, list | dict | set) or not thing
        finally:
            if hasattr(thing, "added"):
                del thing.added


class TestClient:
    def test_forbidden(self):
        """A client does not send what a worker with the same codec would refuse."""
        reason = f"it could not be decoded: {HERE}.Plain is not in its allow-list"
        assert unsent({**JOB, "a": (Plain(CANARY),)}) == reason
        allowed = RestrictedPickleCodec([Plain])
        assert allowed.loads(allowed.dumps({**JOB, "a": (Plain(1),)}))["a"] == (Plain(1),)

    def test_not_made(self):
        """Nor what an allowed class could not make again."""
        codec = RestrictedPickleCodec([outlaws.TwoNeededError])
        assert unsent({**JOB, "a": (outlaws.TwoNeededError(CANARY, 5),)}, codec).endswith(
            f"{HERE}.TwoNeededError can't be made: TypeError"
        )

    @pytest.mark.parametrize("wrap", [list, tuple, lambda parts: {"x": parts[0]}])
    @pytest.mark.parametrize("leaf", [5, Decimal(5)])
    def test_depth(self, wrap, leaf):
        """Nor what is too deep; what just fits is sent and read."""
        value, codec = leaf, RestrictedPickleCodec(max_depth=10)
        for _ in range(9 if leaf == 5 else 8):
            value = wrap([value])
        assert codec.loads(codec.dumps({"a": value})) == {"a": value}
        value = wrap([value])
        assert refused(pickle.dumps({"a": value}), codec) == "it is deeper than 10"
        assert "it is deeper than 10" in unsent({"a": value}, codec)

    def test_what_holds_itself(self):
        """What holds itself is sent and read."""
        value = [ValueError("no")]
        value[0].whole = value
        (found,) = CODEC.loads(CODEC.dumps({**JOB, "a": (value,)}))["a"]
        assert found[0].whole is found

    @pytest.mark.parametrize(
        ("value", "limits"),
        [
            ("x" * 1000, {"max_bytes": 1000}),
            (doubled(lambda part: [part, part], 10), {"max_bytes": 900}),
            ({tuple(range(100_001)): 1}, {}),
            ({2**7_000_000: 1}, {}),
        ],
        ids=["bytes", "values", "key", "number"],
    )
    def test_limits(self, value, limits):
        """Nor what is over another limit."""
        codec = RestrictedPickleCodec(**limits)
        refused(pickle.dumps({**JOB, "a": (value,)}), codec)
        unsent({**JOB, "a": (value,)}, codec)

    @pytest.mark.parametrize("value", [Plain(5), outlaws.TwoNeededError(1, 2), [[[[[[5]]]]]]])
    def test_results_are_stored(self, value):
        """A worker stores any result, since the job has run."""
        data = RestrictedPickleCodec(max_depth=3).dumps({**RESULT, "r": value})
        assert data == pickle.dumps({**RESULT, "r": value}, 4)

    def test_placeholders_are_sent(self):
        """A codec that reads placeholders sends anything."""
        codec = RestrictedPickleCodec(on_forbidden="placeholder")
        assert codec.loads(codec.dumps({**JOB, "a": (Plain(5),)}))["a"][0].state == {"value": 5}

    def test_what_is_no_pickle(self):
        """What pickle can't write is an error as with `PickleCodec`."""
        assert unsent({**JOB, "a": (lambda: CANARY,)}) in ("PicklingError", "AttributeError")


class TestLimits:
    def test_bytes(self):
        """A payload may have as many bytes as are allowed, and no more."""
        data = pickle.dumps({"r": "x" * 50})
        assert RestrictedPickleCodec(max_bytes=len(data)).loads(data) == {"r": "x" * 50}
        codec = RestrictedPickleCodec(max_bytes=len(data) - 1)
        assert refused(data, codec) == f"they are more than {len(data) - 1}"

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize(
        "wrap",
        [
            lambda part: [part, part],
            lambda part: (part, part),
            lambda part: {"x": part, "y": part},
            lambda part: ValueError(part, part),
            lambda part: deque([part, part]),
            lambda part: Plain([part, part]),
            lambda part: outlaws.Reduced([part, part]),
        ],
        ids=["list", "tuple", "dict", "error", "deque", "allowed", "outlaw"],
    )
    def test_unfolding(self, wrap, mode):
        """A few bytes can't stand for more values than there may be bytes; for less they can."""
        codec = RestrictedPickleCodec([Plain, outlaws.Reduced], mode, max_bytes=5000)
        assert refused(pickle.dumps({"r": doubled(wrap, 60)}), codec) == (
            "it unfolds to more than 5000 values"
        )
        assert codec.loads(pickle.dumps({"r": doubled(wrap, 3)})).keys() == {"r"}
        text = "x" * 4000
        assert codec.loads(pickle.dumps({"r": [text] * 100})) == {"r": [text] * 100}

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize(
        ("start", "end"),
        [(b"}", b"K\x01s"), (b"}(", b"K\x01u"), (b"(", b"\x91"), (b"\x8f(", b"\x90")],
        ids=["dict", "dict of many", "frozenset", "set"],
    )
    def test_keys(self, start, end, mode):
        """A key is not hashed that would unfold to more."""
        key = b"N\x85q\x01" + b"0h\x01h\x01\x86q\x01" * 60
        codec = RestrictedPickleCodec(on_forbidden=mode)
        assert refused(holding(start + key + end), codec) == (
            "a key of a dict or a member of a set is too large"
        )

    @pytest.mark.parametrize("make", [dict.fromkeys, set, frozenset])
    def test_equal_hashes(self, make):
        """Keys that have one hash are refused if they are many."""
        keys = [number * (2**61 - 1) for number in range(8, 200)]
        assert len({hash(key) for key in keys}) == 1
        assert CODEC.loads(pickle.dumps({"r": make(keys[:50])})) == {"r": make(keys[:50])}
        assert refused(pickle.dumps({"r": make(keys)})) == (
            "too many keys of a dict or members of a set have one hash"
        )

    @pytest.mark.parametrize(
        ("limits", "error"),
        [
            *(({name: 0}, ValueError) for name in ("max_bytes", "max_depth")),
            *(({name: wrong}, TypeError) for name in ("max_bytes", "max_depth") for wrong in WRONG),
            *(({"on_forbidden": wrong}, ValueError) for wrong in (None, "Error", "", [])),
            *(({"max_depth": 10_001}, ValueError), ({"protocol": 6}, ValueError)),
        ],
        ids=str,
    )
    def test_arguments(self, limits, error):
        """Limits and modes out of bounds or of wrong types are refused."""
        with pytest.raises(error, match=f"{next(iter(limits))} must be"):
            RestrictedPickleCodec(**limits)
