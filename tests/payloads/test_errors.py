from __future__ import annotations

import asyncio
import builtins
import dataclasses
import json
import subprocess
import sys

import attrs
import msgpack
import pytest

from arqade import exceptions
from arqade.codecs import JSONCodec, MsgpackCodec, Unencodable
from arqade.codecs._pickle import ARQ_EXCEPTIONS
from arqade.codecs._tagged import CODES
from arqade.exceptions import JobDeserializationError, RemoteError
from tests.payloads import models
from tests.payloads.golden import ERRORS
from tests.payloads.models import Cat, Colour, Dog, Point
from tests.payloads.values import job, result, shape, through_job, through_result

KINDS = [JSONCodec, MsgpackCodec]

pytestmark = pytest.mark.parametrize("kind", KINDS)

NOTE = "Traceback of the worker:\n"


def forged(kind, body):
    """Give a result that holds an error with some body, as an attacker may write it."""
    if kind is JSONCodec:
        return json.dumps(result({"$error": body})).encode()
    return msgpack.packb(result(msgpack.ExtType(CODES["error"], msgpack.packb(body))))


def raised(error, cause=None):
    """Give an error that was raised, as a worker meets it."""
    with pytest.raises(type(error)):
        raise error from cause
    return error


def notes_of(error):
    """Give the notes of an error."""
    return getattr(error, "__notes__", [])


def assert_kept(codec, error):
    """An error comes back as it was, as argument and as result."""
    assert shape(through_job(codec, error)) == shape(error)
    assert shape(through_result(codec, error)) == shape(error)


# --- errors that need not be registered ----------------------------------------------------

DETAILS = {
    "two files": OSError(2, "no", "a", None, "b"),
    "a file in bytes": OSError(2, "no", b"a"),
    "a file with a number": OSError(2, "no", 5),
    "blocking, with a count": BlockingIOError(11, "no", 5),
    "a text alone": OSError("no"),
    "many arguments": OSError(1, 2, 3, 4, 5, 6),
    "a module": ImportError("no", name="a", path="b"),
    "a missing module": ModuleNotFoundError("no", name="a"),
    "a missing attribute": AttributeError("no", name="a", obj=5),
    "a missing name": NameError("no", name="a"),
    "an encoding": UnicodeEncodeError("ascii", "\ud800", 0, 1, "bad"),
    "a translation": UnicodeTranslateError("x", 0, 1, "bad"),
    "a text that is no code": SyntaxError("bad"),
    "an indentation": IndentationError("bad", ("file", 1, 2, "text")),
    "a value": StopIteration((1, 2)),
    "a text as code": SystemExit("bye"),
    "a tuple": KeyError(("a", 1)),
    "an error": ValueError(KeyError("a"), [TypeError()]),
    "no text at all": ValueError(),
    "a text of surrogates": ValueError("\udc80"),
    "groups": ExceptionGroup("a", [ValueError(1), ExceptionGroup("b", (OSError(2, "x", "f"),))]),
    "other groups": BaseExceptionGroup("a", [SystemExit(1), asyncio.CancelledError()]),
}
"""Errors with what their class alone has."""


@pytest.mark.parametrize("label", ERRORS | DETAILS)
def test_error_is_kept(kind, label):
    """Errors of Python and arqade come back with all that they say."""
    assert_kept(kind(), (ERRORS | DETAILS)[label])


NEED_ARGUMENTS = {
    "UnicodeDecodeError": ("utf-8", b"\xff", 0, 1, "bad"),
    "UnicodeEncodeError": ("ascii", "é", 0, 1, "bad"),
    "UnicodeTranslateError": ("é", 0, 1, "bad"),
    "BaseExceptionGroup": ("g", [KeyboardInterrupt()]),
    "ExceptionGroup": ("g", [ValueError()]),
}


@pytest.mark.parametrize(
    "name",
    sorted(
        kind.__name__
        for kind in vars(builtins).values()
        if isinstance(kind, type) and issubclass(kind, BaseException)
    ),
)
def test_every_error_of_python(kind, name):
    """Every class of errors that Python has needs no registration."""
    error = getattr(builtins, name)(*NEED_ARGUMENTS.get(name, ("text",)))
    error.attribute = [1]
    error.add_note("note")
    assert_kept(kind(), error)


OF_ARQADE = [
    exceptions.ArqadeError("text", 1),
    exceptions.ArqJobError("text", "j"),
    exceptions.ConfigurationError("text"),
    exceptions.EnqueueManyError("text", enqueued=["a"], not_enqueued=[], uncertain=("b",)),
    exceptions.EnqueueUncertain("j", "token"),
    exceptions.JobCancelled("j"),
    exceptions.JobDeserializationError("text", None),
    exceptions.JobNotFound("j"),
    exceptions.JobNotQueued("j", "queued"),
    exceptions.JobResultUnavailable("j"),
    exceptions.JobSerializationError("text", "j"),
    exceptions.PayloadTooLarge("j", 5, 3),
    exceptions.PayloadTooLarge("j", 5, 3, message="text"),
    exceptions.QueueClosed("text"),
    exceptions.QueueConnectionError("text"),
    exceptions.QueueServerError("text"),
    exceptions.RemoteError("app.Error", "text"),
    exceptions.RemoteError("app.Error", ""),
    exceptions.WrongEventLoopError("text"),
]


@pytest.mark.parametrize("error", OF_ARQADE, ids=lambda error: type(error).__name__)
def test_error_of_arqade(kind, error):
    """An error of arqade's own comes back, whatever its constructor takes."""
    assert_kept(kind(), error)


def test_all_errors_of_arqade(kind):
    """All of them are tested."""
    names = {name for name in exceptions.__all__ if isinstance(getattr(exceptions, name), type)}
    assert {type(error).__name__ for error in OF_ARQADE} == names - set(ARQ_EXCEPTIONS)


OF_ARQ = [
    ("Retry", ()),
    *((name, (5,) if name == "Retry" else ("text", 5)) for name in ARQ_EXCEPTIONS),
]


@pytest.mark.parametrize(("name", "args"), OF_ARQ)
def test_error_of_arq(kind, name, args):
    """An error of arq's comes back as arq's own where arq is, and otherwise as the stand-in."""
    stand_in = getattr(exceptions, name)(*args)
    kept = through_result(kind(), stand_in)
    assert (type(kept).__name__, kept.args, vars(kept)) == (name, args, vars(stand_in))
    assert_kept(kind(), kept)


def test_errors_of_arq_without_arq(kind):
    """What was written where arq is installed is read where it is not, as stand-ins."""
    errors = [getattr(exceptions, name)(*args) for name, args in OF_ARQ]
    # arq's own, if it is here.
    written = through_result(kind(), errors)
    reader = (
        "import sys; sys.modules.update(dict.fromkeys(['arq', 'arq.jobs', 'arq.worker']))\n"
        f"from arqade.codecs import {kind.__name__} as Codec\n"
        "for error in Codec().loads(sys.stdin.buffer.read())['r']:\n"
        "    print(type(error).__module__, type(error).__name__, error.args)"
    )
    output = subprocess.run(
        [sys.executable, "-c", reader], input=kind().dumps(result(written)), stdout=-1, check=True
    ).stdout
    assert output.decode().splitlines() == [
        f"arqade.exceptions {name} {args}" for name, args in OF_ARQ
    ]


@pytest.mark.parametrize("name", ARQ_EXCEPTIONS)
def test_class_of_arq(kind, name):
    """Where arq is installed, its own class comes back."""
    module = pytest.importorskip(ARQ_EXCEPTIONS[name], reason="arq is not installed here")
    assert_kept(kind(), getattr(module, name)())


# --- registered errors ---------------------------------------------------------------------

REGISTERED = [
    models.SimpleError("text", 1),
    models.Stop(),
    models.TwoError(1, 2),
    models.NamedError(code=3),
    models.ReducedError("text", 5),
    models.Many("text", [models.TwoError(1, 2), ValueError(3)]),
    models.FieldsError(6),
    models.FieldsError(6, text="text"),
    models.DataError(8),
    models.DataError(code=8, parts=[9]),
    models.ChoosyError("text"),
]


@pytest.mark.parametrize("error", REGISTERED, ids=lambda error: type(error).__name__)
def test_registered_error(kind, error):
    """A registered error comes back with its attributes, whatever its constructor takes."""
    codec = kind(errors=models.ERRORS)
    assert_kept(codec, error)
    assert str(through_result(codec, error)) == str(error)
    noted = through_result(codec, error)
    noted.add_note("note")
    noted.attribute = {"a": (1,)}
    assert_kept(codec, noted)


HARD = [
    models.SlottedError("text", 4),
    models.DiskError(2, "no", disk="a"),
    models.NamedFieldsError(code=7),
]


@pytest.mark.parametrize("error", HARD, ids=lambda error: type(error).__name__)
def test_no_error_is_half_made(kind, error):
    """A registered error that is hard to make comes back whole, or as a `RemoteError`."""
    kept = through_result(kind(errors=models.ERRORS), error)
    if type(kept) is RemoteError:
        assert (kept.type_name, kept.message) == (type(error).__name__, str(error))
    else:
        assert shape(kept) == shape(error)
        assert str(kept) == str(error)


def test_error_that_can_not_be_made(kind):
    """A `RemoteError` takes the place of an error that not even ``__new__`` makes."""
    kept = through_result(kind(errors=models.ERRORS), models.StrictError(1, 2))
    assert shape(kept) == shape(RemoteError("StrictError", "1"))


def test_constructor_that_refuses(kind, monkeypatch):
    """An error comes back even if its constructor refuses its arguments now."""
    codec = kind(errors=models.ERRORS)
    data = codec.dumps(result(models.ChoosyError("text")))
    monkeypatch.setattr(models.ChoosyError, "refuses", True)
    kept = codec.loads(data)["r"]
    assert (type(kept), kept.args) == (models.ChoosyError, ("text",))


@pytest.mark.parametrize(
    "error", [*REGISTERED, *HARD, models.DerivedError("x"), models.MuteError()], ids=repr
)
def test_unregistered_error(kind, error):
    """Of any other error, `RemoteError` tells the class and what it said."""
    kept = through_result(kind(), error)
    name = type(error).__qualname__
    text = "<tests.payloads.models.MuteError>" if name == "MuteError" else str(error)
    assert shape(kept) == shape(RemoteError(f"tests.payloads.models.{name}", text))
    assert str(kept) == (f"{kept.type_name}: {text}" if text else kept.type_name)


def test_derived_error(kind):
    """A class derived from a registered one is another class."""
    kept = through_result(kind(errors=[models.SimpleError]), models.DerivedError("text"))
    assert kept.type_name == "tests.payloads.models.DerivedError"


def test_unregistered_errors_in_group(kind):
    """In a group, a `RemoteError` takes the place of a single one."""
    group = BaseExceptionGroup("g", [models.TwoError(1, 2), KeyboardInterrupt(), KeyError("k")])
    kept = through_result(kind(), group)
    assert type(kept) is BaseExceptionGroup
    assert [type(error) for error in kept.exceptions] == [RemoteError, KeyboardInterrupt, KeyError]
    assert shape(through_result(kind([], [models.TwoError]), group)) == shape(group)


@pytest.mark.parametrize("success", [True, False])
def test_success_is_kept(kind, success):
    """Whether the job has failed or returned its error is kept, whatever becomes of that."""
    for error in (ValueError(object()), models.StrictError(1, 2), models.MuteError()):
        assert kind().loads(kind().dumps(result(error, success=success)))["s"] is success


# --- what an error says of itself ----------------------------------------------------------


@pytest.mark.parametrize("error", [models.FancyError(), models.SimpleError()], ids=repr)
@pytest.mark.parametrize("registered", [[], [models.FancyError, models.SimpleError]])
def test_text_of_another_class(kind, error, registered):
    """An error may speak and take notes in a subclass of `str`, such as a translated text."""
    error = type(error)()
    error.add_note(models.Text("fancy note"))
    for kept in (
        through_result(kind([], registered), error),
        through_job(kind([], registered), error),
    ):
        assert str(kept).endswith(str(error))
        assert shape(notes_of(kept)) == shape(["fancy note"])


@pytest.mark.parametrize("notes", [None, ("note", 5), "note", 5], ids=repr)
def test_odd_notes(kind, notes):
    """Notes that are none do not keep an error from coming back."""
    error = ValueError("text")
    error.__notes__ = notes
    kept = through_result(kind(), error)
    assert (type(kept), kept.args) == (ValueError, ("text",))


@pytest.mark.parametrize(
    "args", [(5, "text"), ("app.Error", None), ("app.Error", "text", 5)], ids=repr
)
def test_odd_remote_error(kind, args):
    """A result with a `RemoteError` is read, even if that was made of anything."""
    assert type(through_result(kind(), RemoteError(*args))) in (RemoteError, Unencodable)


# --- tracebacks ----------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError("text"), models.TwoError(1, 2)], ids=repr)
def test_traceback(kind, error):
    """A registered error has the traceback of the worker as a note, and no more than that."""
    error = raised(error.with_traceback(None), raised(KeyError("why")))
    kept = through_result(kind(errors=models.ERRORS), error)
    assert (type(kept), kept.args, kept.__traceback__) == (type(error), error.args, None)
    (note,) = notes_of(kept)
    assert note.startswith(f"{NOTE}Traceback (most recent call last):\n  File ")
    assert "KeyError: 'why'\n\nThe above exception was the direct cause of" in note
    assert note.rstrip().endswith(f"{type(error).__name__}: {error}")
    assert __file__ in note


def test_traceback_of_unregistered_error(kind):
    """A `RemoteError` has it as its attribute, too."""
    error = raised(models.SimpleError("text"), raised(KeyError("why")))
    error.add_note("note")
    kept = through_result(kind(), error)
    assert notes_of(kept) == ["note", NOTE + kept.traceback]
    assert kept.traceback.startswith("Traceback (most recent call last):\n")
    assert "KeyError: 'why'" in kept.traceback
    assert kept.traceback.endswith("tests.payloads.models.SimpleError: text\nnote\n")
    assert (kept.type_name, kept.message) == ("tests.payloads.models.SimpleError", "text")


def test_long_traceback(kind):
    """Of a long traceback, the end is kept."""
    error = raised(models.SimpleError("x" * 50_000))
    kept = through_result(kind(), error)
    assert len(kept.traceback) == 20_000
    assert kept.traceback.endswith("x\n")
    assert kept.message == str(error)


@pytest.mark.parametrize("error", [ValueError("text"), models.TwoError(1, 2)], ids=repr)
@pytest.mark.parametrize("registered", [[], [models.TwoError]])
def test_nothing_grows(kind, error, registered):
    """What was decoded is encoded as it was, however often: tracebacks do not pile up."""
    codec = kind(errors=registered)
    error = raised(error.with_traceback(None))
    first = through_result(codec, error)
    again = through_result(codec, first)
    assert shape(again) == shape(first)
    assert codec.dumps(result(again)) == codec.dumps(result(first))
    assert len(notes_of(again)) == 1


# --- forged errors -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("os.system", "builtins.exec", "exec", "antigravity.fly", "int", "IOError", ""),
        *("Point", "SimpleError", "RemoteError", "arqade.RemoteError", "arq.Worker"),
        "arqade.exceptions.JobNotFound",
    ],
)
def test_forged_name(kind, name):
    """A payload makes no class but those that are registered: a `RemoteError` tells its name."""
    before = set(sys.modules)
    codec = kind([Point], [models.TwoError])
    kept = codec.loads(forged(kind, {"type": name, "args": ["true"], "text": "said"}))["r"]
    assert shape(kept) == shape(RemoteError(name, "said"))
    assert set(sys.modules) == before


BODY = {"type": "TwoError", "args": ["x"], "text": "said"}


@pytest.mark.parametrize(
    "changes",
    [
        *({"type": None}, {"type": ["a"]}, {"text": None}, {"text": 5}),
        *({"notes": [5]}, {"notes": 5}, {"notes": None}, {"traceback": 5}, {"traceback": ["a"]}),
    ],
    ids=repr,
)
def test_forged_body(kind, changes):
    """A body that is none of an error makes the payload undecodable."""
    for body in ({**BODY, **changes}, [BODY], "TwoError", None):
        with pytest.raises(JobDeserializationError):
            kind(errors=[models.TwoError]).loads(forged(kind, body))


@pytest.mark.parametrize("state", [[], "ab", 5, None, {1: 2}, {"args": 5}, {"left": 1}], ids=repr)
def test_forged_state(kind, state):
    """Attributes that can't be set make a `RemoteError` of it."""
    if kind is JSONCodec and state == {1: 2}:
        state = {"$dict": [[1, 2]]}
    kept = kind(errors=[models.TwoError]).loads(forged(kind, {**BODY, "state": state}))["r"]
    assert type(kept) is (models.TwoError if state == {"left": 1} else RemoteError)


@pytest.mark.parametrize("name", ["__class__", "__dict__", "__reduce_ex__", "__cause__", "__str__"])
def test_forged_attributes(kind, name):
    """A payload sets no attribute that means something to Python."""
    kept = kind(errors=[models.TwoError]).loads(forged(kind, {**BODY, "state": {name: {}}}))["r"]
    assert type(kept) is models.TwoError
    assert vars(kept) == {}
    assert kept.__cause__ is None


# --- names, of models too ------------------------------------------------------------------


def written_name(codec, value):
    """Give the name of a model in what a codec writes."""
    names = []
    make = codec._registry.make_model
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            codec._registry, "make_model", lambda *args: (names.append(args[0]), make(*args))[1]
        )
        through_job(codec, value)
    return names


def test_names(kind):
    """A class is named by its qualified name, or by another one that it is given."""
    assert written_name(kind([Point]), Point(1)) == ["Point"]
    assert written_name(kind({"app.Point": Point}), Point(1)) == ["app.Point"]
    assert written_name(kind(iter([Point, Colour])), Colour.RED) == ["Colour"]
    codec = kind()
    assert codec.register(Point) is Point
    assert codec.register(Cat, name="cat") is Cat
    assert codec.register(name="dog")(Dog) is Dog
    assert codec.register()(Colour) is Colour
    assert written_name(codec, [Point(1), Cat("c"), Dog("d"), Colour.RED]) == [
        "Point",
        "cat",
        "dog",
        "Colour",
    ]


def test_decorators(kind):
    """A class can be registered where it is defined."""
    codec = kind()

    @codec.register
    @attrs.define
    class First:
        a: int

    @codec.register(name="second")
    @dataclasses.dataclass
    class Second:
        b: int

    assert written_name(codec, [First(1), Second(2)]) == [First.__qualname__, "second"]
    assert_kept(codec, [First(1), Second(2)])


def test_error_that_is_known_already(kind):
    """To register one of Python's own errors, or of arqade's, is harmless."""
    codec = kind(errors=[ValueError, asyncio.CancelledError])
    codec.register(exceptions.JobNotFound, name="arqade.JobNotFound")
    assert shape(through_result(codec, ValueError("x"))) == shape(ValueError("x"))


def test_name_is_what_counts(kind):
    """Writer and reader may have other classes of one name; one without it can't read it."""
    data = kind({"pet": Cat}).dumps(job(Cat("c")))
    assert kind({"pet": Dog}).loads(data)["a"] == (Dog("c"),)
    with pytest.raises(JobDeserializationError, match="no model is registered as 'pet'"):
        kind([Cat, Dog]).loads(data)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({"a": Cat}, {"a": Dog}, "another class has the name 'a'"),
        ({"a": Cat}, {"a": models.TwoError}, "another class has the name 'a'"),
        ({"a": Cat}, {"b": Cat}, "'b' is registered as 'a'"),
        ({"Dog": Cat}, [Dog], "another class has the name 'Dog'"),
        ({}, {"ValueError": Cat}, "another class has the name 'ValueError'"),
        ({}, {"arq.Retry": Cat}, "another class has the name 'arq.Retry'"),
        ({}, {"arqade.JobNotFound": Cat}, "another class has the name 'arqade.JobNotFound'"),
    ],
    ids=repr,
)
def test_conflicts(kind, first, second, message):
    """A name is that of one class, and a class has one name."""
    with pytest.raises(ValueError, match=message):
        kind(first, second)


def test_same_class_twice(kind):
    """A class may be registered twice by one name, as a model and an error, say."""
    codec = kind([Cat, Cat], [Cat])
    codec.register(Cat)
    assert_kept(codec, Cat("c"))


@pytest.mark.parametrize("what", [int, models.Plain, models.Pair, Point(1), "app.Point", None, len])
def test_what_is_no_model(kind, what):
    """Only attrs classes, dataclasses, enums and exceptions can be registered."""
    with pytest.raises(TypeError):
        kind([what])
    with pytest.raises(TypeError):
        kind().register(name="name")(what)
    with pytest.raises(TypeError):
        kind().register(Point, name=5)


def test_repr(kind):
    """A codec says which names it knows."""
    assert repr(kind()) == f"{kind.__name__}(<no models>)"
    assert repr(kind({"p": Point}, [models.TwoError])) == f"{kind.__name__}(<p, TwoError>)"
