from __future__ import annotations

import asyncio
import collections
import copy
import enum
import inspect
import json
import math
import pickle
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import StrEnum

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arqade import models
from arqade.exceptions import JobCancelled, JobExecutionFailed, JobSerializationError
from arqade.models import (
    CancelOutcome,
    Finding,
    JobMetadata,
    JobRequest,
    JobResult,
    JobStatus,
    Severity,
)
from tests.harness.states import worker_record

TIME = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
START = TIME + timedelta(seconds=1)
FINISH = TIME + timedelta(seconds=2)
JOB = ("j", "work", (1,), {"b": 2}, TIME, JobStatus.queued, "mail")
RESULT = (*JOB[:5], JobStatus.complete, "mail", START, FINISH, True, 42)


METADATA_NAMES = [
    "id",
    "name",
    "args",
    "kwargs",
    "enqueue_time",
    "status",
    "queue_name",
    "score",
    "job_try",
]
REQUEST_NAMES = [
    "task_name",
    "args",
    "kwargs",
    "job_id",
    "queue_name",
    "defer_until",
    "defer_by",
    "expires",
    "job_try",
    "on_conflict",
]


class Color(enum.Enum):
    red = 1


class Level(enum.IntFlag):
    low = 1
    high = 2


@attrs.define
class Point:
    x: int
    _secret: bytes = b""


class Odd:
    def __repr__(self):
        return "<odd>"


Pair = collections.namedtuple("Pair", "one two")  # noqa: PYI024 - the untyped kind is used too


def job(**changes):
    return attrs.evolve(JobMetadata(*JOB), **changes)


def result(**changes):
    return attrs.evolve(JobResult(*RESULT), **changes)


REQUEST = JobRequest(
    "work",
    (1,),
    {"b": 2},
    job_id="j",
    queue_name="mail",
    defer_until=TIME,
    expires=60,
    job_try=3,
    on_conflict="replace",
)
FINDING = Finding("eviction", Severity.error, "The server drops jobs", "see its settings")
EACH_MODEL = pytest.mark.parametrize(
    "model",
    [job(), result(), REQUEST, FINDING, worker_record()],
    ids=lambda model: type(model).__name__,
)


class TestFields:
    @pytest.mark.parametrize(
        ("model", "names"),
        [
            (JobMetadata, METADATA_NAMES),
            (JobResult, [*METADATA_NAMES, "start_time", "finish_time", "success", "result"]),
            (JobRequest, REQUEST_NAMES),
        ],
        ids=["metadata", "result", "request"],
    )
    def test_names(self, model, names):
        """The fields are those of the contract, in its order."""
        assert [field.name for field in attrs.fields(model)] == names

    def test_metadata_is_made_as_in_safir(self):
        """Metadata is made of safir's seven arguments, in its order."""
        made = JobMetadata(*JOB)
        names = METADATA_NAMES[:7]
        assert tuple(getattr(made, name) for name in names) == JOB
        assert (made.score, made.job_try) == (None, None)
        assert made == JobMetadata(**dict(zip(names, JOB, strict=True)))

    def test_result_is_made_as_in_safir(self):
        """A result is made of safir's eleven arguments, in its order."""
        made = JobResult(*RESULT)
        assert (made.queue_name, made.start_time, made.finish_time) == ("mail", START, FINISH)
        assert (made.success, made.result) == (True, 42)
        assert (made.score, made.job_try) == (None, None)

    @pytest.mark.parametrize(("model", "arguments"), [(JobMetadata, JOB), (JobResult, RESULT)])
    def test_number_of_positional_arguments(self, model, arguments):
        """All of safir's arguments are needed, and there are no more without a name."""
        kinds = inspect.signature(model).parameters
        named = [name for name, item in kinds.items() if item.kind is item.KEYWORD_ONLY]
        assert named == ["score", "job_try"]
        for wrong in (arguments[:-1], (*arguments, 5)):
            with pytest.raises(TypeError):
                model(*wrong)

    @pytest.mark.parametrize("model", [JobMetadata, JobResult])
    def test_score_and_try_stay_out_of_equality(self, model):
        """Score and try may differ between equal objects; no other field may."""
        arguments = JOB if model is JobMetadata else RESULT
        assert model(*arguments, score=5, job_try=1) == model(*arguments)
        for index in range(len(arguments)):
            changed = [*arguments]
            changed[index] = "other"
            assert model(*changed) != model(*arguments)

    def test_result_is_no_metadata(self):
        """A result does not equal metadata of the same job."""
        assert result(status=JobStatus.queued) != job()
        assert isinstance(result(), JobMetadata)

    @pytest.mark.parametrize("model", [job(), result()], ids=["metadata", "result"])
    def test_mutable(self, model):
        """Metadata and results belong to the caller, who may change every field."""
        for field in attrs.fields(type(model)):
            setattr(model, field.name, "new")
            assert getattr(model, field.name) == "new"

    def test_request_is_frozen(self):
        """A request can't be changed."""
        for field in attrs.fields(JobRequest):
            with pytest.raises(attrs.exceptions.FrozenInstanceError):
                setattr(REQUEST, field.name, None)

    @EACH_MODEL
    def test_slots(self, model):
        """No model has other attributes than its fields."""
        assert not hasattr(model, "__dict__")
        with pytest.raises(AttributeError):
            model.new = 1

    @EACH_MODEL
    @pytest.mark.parametrize(
        "clone", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
    )
    def test_clone(self, model, clone):
        """Every model can be copied and pickled."""
        assert clone(model) == model
        assert clone(model) is not model

    @pytest.mark.parametrize("model", [job(), result()], ids=["metadata", "result"])
    def test_unhashable(self, model):
        """What may change is not hashable."""
        with pytest.raises(TypeError, match="unhashable"):
            hash(model)

    @pytest.mark.parametrize("model", [JobMetadata, JobResult, JobRequest])
    def test_generic(self, model):
        """Models take the type of their result as a parameter."""
        assert model[int].__origin__ is model

    def test_all(self):
        """The module exports its models."""
        exported = ["CancelOutcome", "JobMetadata", "JobRequest", "JobResult", "JobStatus"]
        assert set(exported) <= set(models.__all__)
        assert all(hasattr(models, name) for name in models.__all__)


class TestEnums:
    @pytest.mark.parametrize(
        ("kind", "names"),
        [
            (JobStatus, "deferred queued in_progress complete not_found"),
            (CancelOutcome, "removed aborted complete not_found unconfirmed"),
            (Severity, "info warning error"),
        ],
    )
    def test_members(self, kind, names):
        """Members are strings with their own names."""
        assert [member.name for member in kind] == names.split()
        for member in kind:
            assert member == member.value == member.name == str(member)
            assert hash(member) == hash(member.value)
            assert json.dumps(member) == f'"{member.name}"'

    def test_status_equals_arqs(self):
        """A status equals arq's of the same name, in both directions and in sets."""
        jobs = pytest.importorskip("arq.jobs", reason="arq is not installed here")
        for status in JobStatus:
            theirs = jobs.JobStatus[status.name]
            assert status == theirs
            assert theirs == status
            assert len({status, theirs}) == 1


class TestUnwrap:
    @pytest.mark.parametrize("value", [42, None, "unable to serialize result", [1]], ids=str)
    def test_value(self, value):
        """What a job returned is returned."""
        assert result(result=value).unwrap() is value

    @pytest.mark.parametrize(
        "error", [ValueError("x"), asyncio.CancelledError(), KeyboardInterrupt()], ids=repr
    )
    def test_returned_exception(self, error):
        """An exception that a job returned, and did not raise, is returned."""
        assert result(result=error).unwrap() is error

    @pytest.mark.parametrize(
        "error",
        [ValueError("x", 1), TimeoutError(), KeyError("k"), JobExecutionFailed("job expired")],
        ids=repr,
    )
    def test_raised_exception(self, error):
        """What a job raised is raised: the same object, again and again."""
        failed = result(success=False, result=error)
        for _ in range(2):
            with pytest.raises(type(error)) as caught:
                failed.unwrap()
            assert caught.value is error

    def test_raised_group(self):
        """A group of exceptions is raised as it is."""
        group = ExceptionGroup("several", [ValueError(), KeyError()])
        with pytest.raises(ExceptionGroup, match="several"):
            result(success=False, result=group).unwrap()

    @pytest.mark.parametrize(
        "kind", [asyncio.CancelledError, type("Mine", (asyncio.CancelledError,), {})]
    )
    def test_aborted(self, kind):
        """An aborted job raises what can't cancel the caller."""
        with pytest.raises(JobCancelled, match="id=j") as caught:
            result(success=False, result=kind()).unwrap()
        assert caught.value.job_id == "j"
        assert isinstance(caught.value, Exception)

    @pytest.mark.parametrize("stored", ["unable to serialize result", None, 5], ids=repr)
    def test_unserializable(self, stored):
        """A result that could not be stored is an error with the id, whatever stands for it."""
        with pytest.raises(JobSerializationError, match="could not store its result") as caught:
            result(success=False, result=stored).unwrap()
        assert caught.value.job_id == "j"
        assert str(stored) not in str(caught.value)


class TestRequests:
    def test_defaults(self):
        """Only the task is needed."""
        request = JobRequest("work")
        values = [getattr(request, field.name) for field in attrs.fields(JobRequest)]
        assert values == ["work", (), {}, None, None, None, None, None, None, "raise"]

    def test_args_are_a_tuple(self):
        """Arguments become a tuple, and keyword arguments a mapping of the request's own."""
        args, kwargs = [1, 2], {"b": 3}
        request = JobRequest("work", args, kwargs)
        args.append(4)
        kwargs["c"] = 5
        assert (request.args, request.kwargs) == ((1, 2), {"b": 3})
        assert type(JobRequest("work", Pair(1, 2)).args) is tuple
        assert type(JobRequest("work", (), collections.OrderedDict(a=1)).kwargs) is dict

    def test_underscores(self):
        """A request's keyword arguments may have any names."""
        assert JobRequest("work", (), {"_job_id": 1, "self": 2}).kwargs == {"_job_id": 1, "self": 2}

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"args": 5}, "args must be a tuple or a list, not int"),
            ({"args": "ab"}, "args must be a tuple or a list, not str"),
            ({"args": {1}}, "args must be a tuple or a list, not set"),
            ({"args": None}, "args must be a tuple or a list, not NoneType"),
            ({"kwargs": [("b", 1)]}, "kwargs must be a dict, not list"),
            ({"kwargs": None}, "kwargs must be a dict, not NoneType"),
            ({"kwargs": {1: 2}}, "kwargs must have str keys, not int"),
            ({"task_name": None}, "task_name must be a str"),
            ({"job_id": 5}, "job_id must be a str"),
            ({"queue_name": b"mail"}, "queue_name must be a str"),
            ({"defer_by": "5"}, "defer_by must be seconds"),
            ({"defer_until": 5}, "defer_until must be a datetime"),
            ({"expires": True}, "expires must be seconds"),
            ({"job_try": 1.5}, "job_try must be an int"),
        ],
    )
    def test_wrong_type(self, fields, reason):
        """A field of a wrong type is a TypeError that names it."""
        with pytest.raises(TypeError, match=reason):
            JobRequest(**{"task_name": "work", **fields})

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"task_name": ""}, "task_name must not be empty"),
            ({"job_id": ""}, "job_id must not be empty"),
            ({"queue_name": "arq:job:x"}, "reserved"),
            ({"defer_by": 1, "defer_until": TIME}, "not both"),
            ({"defer_by": -1}, "defer_by must not be negative: -1"),
            ({"expires": 0}, "expires must be positive: 0"),
            ({"expires": math.nan}, "expires must be finite"),
            ({"job_try": 0}, "job_try must be from 1"),
            ({"on_conflict": "drop"}, "on_conflict must be one of .* not 'drop'"),
        ],
    )
    def test_wrong_value(self, fields, reason):
        """A value that is not allowed is a ValueError that says why."""
        with pytest.raises(ValueError, match=reason):
            JobRequest(**{"task_name": "work", **fields})

    @pytest.mark.parametrize(
        ("change", "value"),
        [
            ("task_name", "other"),
            ("args", (5,)),
            ("kwargs", {"c": 1}),
            ("job_id", None),
            ("queue_name", "other"),
            ("defer_until", None),
            ("expires", None),
            ("job_try", 1),
            ("on_conflict", "raise"),
        ],
    )
    def test_with_options(self, change, value):
        """A copy has the changed field, and the request stays."""
        before = copy.deepcopy(REQUEST)
        changed = REQUEST.with_options(**{change: value})
        assert getattr(changed, change) == value
        assert changed.with_options(**{change: getattr(REQUEST, change)}) == REQUEST == before

    def test_with_options_is_checked(self):
        """A copy is checked like a request."""
        with pytest.raises(ValueError, match="not both"):
            REQUEST.with_options(defer_by=5)
        with pytest.raises(TypeError, match="job_id"):
            REQUEST.with_options(job_id=5)

    def test_with_unknown_options(self):
        """A field that there is not is a TypeError that names it."""
        with pytest.raises(TypeError, match="defer"):
            REQUEST.with_options(defer=5)


class TestRepr:
    @pytest.mark.parametrize(
        ("args", "kwargs", "shown"),
        [
            ((), {}, "args=<0 values>, kwargs=<none>"),
            (("c4n4ry",), {"to": "c4n4ry"}, "args=<1 value>, kwargs=<to>"),
            (("c4n4ry", 2), {"subject": 1, "to": 2}, "args=<2 values>, kwargs=<subject, to>"),
        ],
    )
    def test_arguments(self, args, kwargs, shown):
        """Arguments are counted and keywords are named; no value is shown."""
        models = [
            job(args=args, kwargs=kwargs),
            result(args=args, kwargs=kwargs, result="c4n4ry"),
            JobRequest("work", args, kwargs),
        ]
        for model in models:
            for text in (repr(model), str(model), f"{[model]}"):
                assert f"ame='work', {shown}, " in text
                assert "c4n4ry" not in text

    @pytest.mark.parametrize(
        ("value", "shown"), [(42, "<int>"), (None, "<NoneType>"), (ValueError("x"), "<ValueError>")]
    )
    def test_result(self, value, shown):
        """Of a result its type is shown."""
        assert repr(result(result=value)).endswith(f"success=True, result={shown})")

    def test_other_fields(self):
        """All other fields are shown as they are."""
        assert repr(REQUEST) == (
            "JobRequest(task_name='work', args=<1 value>, kwargs=<b>, job_id='j', "
            f"queue_name='mail', defer_until={TIME!r}, defer_by=None, expires=60, job_try=3, "
            "on_conflict='replace')"
        )
        assert repr(job(score=5)).endswith("queue_name='mail', score=5, job_try=None)")

    def test_values_of_wrong_types(self):
        """Whatever a caller has put into metadata, there is a `repr`."""
        assert "args=<NoneType>, kwargs=<str>" in repr(job(args=None, kwargs="c4n4ry"))
        assert "kwargs=<?, b>" in repr(job(kwargs={1: 1, "b": 2}))

    def test_assertions_still_tell_the_difference(self, pytester):
        """Where two models are not equal, pytest shows the values that differ by itself."""
        pytester.makepyfile(
            """
            from arqade import JobRequest

            def test_it():
                assert JobRequest("work", (), {"b": "one"}) == JobRequest("work", (), {"b": "two"})
            """
        )
        done = pytester.runpytest_subprocess("-p", "no:cacheprovider")
        done.stdout.fnmatch_lines(["*Differing attributes:*", "*'kwargs'*", "*'one'*'two'*"])


class TestToDict:
    def test_metadata(self):
        """Metadata become a mapping of plain types, by field."""
        assert job(score=5, job_try=1).to_dict() == {
            "id": "j",
            "name": "work",
            "args": [1],
            "kwargs": {"b": 2},
            "enqueue_time": "2026-01-02T03:04:05.678000+00:00",
            "status": "queued",
            "queue_name": "mail",
            "score": 5,
            "job_try": 1,
        }

    def test_result(self):
        """A result becomes a mapping of plain types, by field."""
        plain = result().to_dict()
        assert list(plain) == [field.name for field in attrs.fields(JobResult)]
        assert (plain["success"], plain["result"]) == (True, 42)
        assert plain["start_time"] == "2026-01-02T03:04:06.678000+00:00"

    def test_request(self):
        """A request becomes a mapping of plain types; a duration becomes seconds."""
        plain = JobRequest("work", (1,), defer_by=timedelta(minutes=1)).to_dict()
        assert plain == {
            "task_name": "work",
            "args": [1],
            "kwargs": {},
            "job_id": None,
            "queue_name": None,
            "defer_until": None,
            "defer_by": 60.0,
            "expires": None,
            "job_try": None,
            "on_conflict": "raise",
        }

    @pytest.mark.parametrize(
        ("value", "plain"),
        [
            (None, None),
            (True, True),
            (5, 5),
            (1.5, 1.5),
            (math.nan, "nan"),
            (math.inf, "inf"),
            (-math.inf, "-inf"),
            ("ünï", "ünï"),
            (b"\x00\xff", "AP8="),
            (bytearray(b"\x00\xff"), "AP8="),
            (TIME, "2026-01-02T03:04:05.678000+00:00"),
            (datetime(2026, 1, 2), "2026-01-02T00:00:00"),  # noqa: DTZ001
            (date(2026, 1, 2), "2026-01-02"),
            (time(3, 4), "03:04:00"),
            (timedelta(minutes=1), 60.0),
            (Decimal("1.10"), "1.10"),
            (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
            (Color.red, 1),
            (JobStatus.queued, "queued"),
            (Level.low | Level.high, 3),
            ((1, (2,)), [1, [2]]),
            ({1}, [1]),
            (frozenset({"a"}), ["a"]),
            (Pair(1, b"\x00"), [1, "AA=="]),
            ({1: {None: TIME.date()}}, {"1": {"None": "2026-01-02"}}),
            ({Color.red: (), (1, 2): []}, {"1": [], "[1, 2]": []}),
            (collections.OrderedDict(a=1), {"a": 1}),
            ({"a": 1}.keys(), ["a"]),
            (ValueError("x", 1), {"type": "ValueError", "message": "('x', 1)"}),
            (asyncio.CancelledError(), {"type": "CancelledError", "message": ""}),
            (Point(1, b"\x00"), {"x": 1, "_secret": "AA=="}),
            ([Point(1)], [{"x": 1, "_secret": ""}]),
            (Odd(), "<odd>"),
            (range(3), "range(0, 3)"),
            (1 + 2j, "(1+2j)"),
            (Point, f"{Point!r}"),
            (Color, f"{Color!r}"),
        ],
        ids=lambda value: ascii(value)[:30],
    )
    @pytest.mark.parametrize("place", ["args", "kwargs", "result"])
    def test_odd_values(self, value, plain, place):
        """Whatever a job's values are, JSON can show them."""
        if place == "args":
            shown = job(args=(value, [value])).to_dict()
            assert shown["args"] == [plain, [plain]]
        elif place == "kwargs":
            shown = REQUEST.with_options(kwargs={"x": value}).to_dict()
            assert shown["kwargs"] == {"x": plain}
        else:
            shown = result(result=value).to_dict()
            assert shown["result"] == plain
        assert json.loads(json.dumps(shown, allow_nan=False)) == shown

    def test_nothing_is_shared(self):
        """A change of the mapping does not reach the model."""
        model = job(args=([1],))
        model.to_dict()["args"][0].append(2)
        model.to_dict()["kwargs"].clear()
        assert (model.args, model.kwargs) == (([1],), {"b": 2})


class TestFromDict:
    @EACH_MODEL
    def test_round_trip(self, model):
        """A model comes back from its mapping, also by way of JSON."""
        plain = json.loads(json.dumps(model.to_dict()))
        back = type(model).from_dict(plain)
        assert (type(back), back) == (type(model), model)
        assert type(getattr(back, "args", ())) is tuple

    def test_score_and_try_come_back(self):
        """The fields that stay out of equality come back too."""
        back = JobMetadata.from_dict(job(score=5, job_try=1).to_dict())
        assert (back.score, back.job_try) == (5, 1)

    def test_status_is_a_member(self):
        """The status is the enum's member again."""
        assert JobResult.from_dict(result().to_dict()).status is JobStatus.complete

    def test_subclass(self):
        """A subclass comes back as itself."""

        @attrs.define
        class Mine(JobMetadata):
            note: str = attrs.field(default="", kw_only=True)

        model = Mine(*JOB, note="n")
        back = Mine.from_dict(model.to_dict())
        assert (type(back), back.note) == (Mine, "n")

    @pytest.mark.parametrize("defer_by", [5, 1.5, timedelta(minutes=1)], ids=repr)
    def test_durations(self, defer_by):
        """A duration comes back in seconds."""
        back = JobRequest.from_dict(JobRequest("work", defer_by=defer_by).to_dict())
        seconds = 60.0 if isinstance(defer_by, timedelta) else defer_by
        assert (type(back.defer_by), back.defer_by) == (type(seconds), seconds)

    @pytest.mark.parametrize("field", ["defer_until", "defer_by", "job_id", "on_conflict"])
    def test_optional_fields(self, field):
        """A field with a default may be left out."""
        plain = REQUEST.to_dict()
        del plain[field]
        expected = {"on_conflict": "raise"}.get(field)
        assert getattr(JobRequest.from_dict(plain), field) == expected

    @pytest.mark.parametrize(
        ("model", "field"),
        [
            *((job(), name) for name in METADATA_NAMES[:7]),
            *((result(), name) for name in ("id", "start_time", "success", "result")),
            (REQUEST, "task_name"),
        ],
        ids=lambda value: value if isinstance(value, str) else type(value).__name__,
    )
    def test_missing_field(self, model, field):
        """A field without a default can't be left out."""
        plain = model.to_dict()
        del plain[field]
        with pytest.raises(ValueError, match=f"this is no {type(model).__name__}"):
            type(model).from_dict(plain)

    @EACH_MODEL
    def test_unknown_field(self, model):
        """A field that there is not is a ValueError that names the model."""
        with pytest.raises(ValueError, match=f"this is no {type(model).__name__}"):
            type(model).from_dict(model.to_dict() | {"new": 1})

    @pytest.mark.parametrize("data", [None, 5, "text", [], b"", {}], ids=repr)
    @EACH_MODEL
    def test_no_mapping(self, model, data):
        """What is no mapping of a model's fields is a ValueError."""
        with pytest.raises(ValueError, match="this is no"):
            type(model).from_dict(data)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("args", 5),
            ("args", None),
            ("kwargs", 5),
            ("kwargs", None),
            ("kwargs", [1]),
            ("enqueue_time", None),
            ("enqueue_time", 5),
            ("enqueue_time", "yesterday"),
            ("start_time", ""),
            ("status", "unknown"),
            ("status", None),
            ("score", "x"),
            ("job_try", [1]),
        ],
        ids=str,
    )
    def test_wrong_value(self, field, value):
        """A field of a wrong type is a ValueError."""
        with pytest.raises(ValueError, match="this is no JobResult"):
            JobResult.from_dict(result().to_dict() | {field: value})

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("task_name", ""),
            ("args", 5),
            ("kwargs", 5),
            ("job_id", ""),
            ("queue_name", "arqade:x"),
            ("defer_until", "tomorrow"),
            ("defer_by", "5"),
            ("defer_by", 5),
            ("expires", -1),
            ("expires", [5]),
            ("job_try", 0),
            ("on_conflict", "drop"),
            ("on_conflict", None),
        ],
        ids=str,
    )
    def test_wrong_request(self, field, value):
        """A request that would not be accepted does not come from a mapping either."""
        with pytest.raises(ValueError, match="this is no JobRequest"):
            JobRequest.from_dict(REQUEST.to_dict() | {field: value})


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
TIMES = st.datetimes(timezones=st.just(UTC))
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=40)
METADATA = {
    "id": st.text(),
    "name": st.text(),
    "args": st.lists(JSON, max_size=3).map(tuple),
    "kwargs": st.dictionaries(st.text(), JSON, max_size=3),
    "enqueue_time": TIMES,
    "status": st.sampled_from(JobStatus),
    "queue_name": st.text(),
    "score": st.none() | st.integers(),
    "job_try": st.none() | st.integers(),
}
DURATIONS = st.floats(0.001, 10**9) | st.integers(1, 10**9)
DEFERS = st.one_of(
    st.just({}),
    st.builds(lambda time: {"defer_until": time}, TIMES | st.datetimes()),
    st.builds(lambda duration: {"defer_by": duration}, DURATIONS),
)
MODELS = st.one_of(
    st.builds(JobMetadata, **METADATA),
    st.builds(
        JobResult,
        **METADATA,
        start_time=TIMES,
        finish_time=TIMES,
        success=st.booleans(),
        result=JSON,
    ),
    st.builds(
        lambda defer, **fields: JobRequest(**fields, **defer),
        DEFERS,
        task_name=NAMES,
        args=METADATA["args"],
        kwargs=METADATA["kwargs"],
        job_id=st.none() | NAMES,
        queue_name=st.none() | NAMES.map(lambda name: "q" + name + "q"),
        expires=st.none() | DURATIONS,
        job_try=st.none() | st.integers(1, 1_000_000),
        on_conflict=st.sampled_from(["raise", "return_existing", "ignore_result", "replace"]),
    ),
)


@settings(deadline=None)
@given(MODELS)
def test_any_model_round_trips(model):
    """Any model with values that JSON knows comes back from its mapping by way of JSON."""
    back = type(model).from_dict(json.loads(json.dumps(model.to_dict(), allow_nan=False)))
    assert back == model
    for field in attrs.fields(type(model)):
        assert getattr(back, field.name) == getattr(model, field.name)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*METADATA, "result", "new"]), JSON), JSON)
def test_any_mapping_is_a_model_or_an_error(fields, anything):
    """Whatever `from_dict` is given, it gives a model or a ValueError."""
    for data in (result().to_dict() | fields, fields, anything):
        try:
            made = JobResult.from_dict(data)
        except ValueError:
            continue
        assert type(made) is JobResult


@pytest.mark.parametrize(
    "zone", [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-12))], ids=str
)
def test_zones_come_back(zone):
    """A time of any zone comes back as the same moment."""
    until = TIME.astimezone(zone)
    back = JobRequest.from_dict(JobRequest("work", defer_until=until).to_dict())
    assert back.defer_until == until
    assert back.defer_until.utcoffset() == until.utcoffset()


def test_enum_as_a_name():
    """An enum's member as a name of a request becomes a plain str."""
    kind = StrEnum("kind", ["mail"])
    request = JobRequest(kind.mail, job_id=kind.mail, queue_name=kind.mail)
    names = (request.task_name, request.job_id, request.queue_name)
    assert [type(name) for name in names] == [str, str, str]
