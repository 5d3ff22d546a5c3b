from __future__ import annotations

import functools
import inspect
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from unittest.mock import AsyncMock

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arqade import ArqQueue, SyncArqQueue
from arqade._protocol.requests import OPTIONS, check_timeout, make_request
from arqade.models import JobRequest

NONE = {
    "queue_name": None,
    "job_id": None,
    "defer_until": None,
    "defer_by": None,
    "expires": None,
    "job_try": None,
    "on_conflict": "raise",
}
THEN = datetime(2030, 1, 1, tzinfo=UTC)
FULL = JobRequest(
    "work",
    (1,),
    {"b": 2},
    job_id="j",
    queue_name="mail",
    defer_by=5,
    expires=60,
    job_try=3,
    on_conflict="replace",
)


class Name(StrEnum):
    work = "work"


async def work(ctx):
    """A worker's function."""


class Tasks:
    async def method(self, ctx):
        """A worker's function that is a method."""

    async def __call__(self, ctx):
        """What an instance of this class does when it is called."""


async def generate():
    """No worker's function: an asynchronous generator."""
    yield 1


def plain(ctx):
    """No worker's function: it is no coroutine function."""


def make(task, *args, kwargs=None, **options):
    return make_request(task, args, kwargs or {}, **NONE | options)


class TestTasks:
    @pytest.mark.parametrize(
        ("task", "name"),
        [
            ("work", "work"),
            (Name.work, "work"),
            ("cron:work", "cron:work"),
            (work, "work"),
            (Tasks.method, "Tasks.method"),
            (Tasks().method, "Tasks.method"),
            (functools.wraps(work)(AsyncMock()), "work"),
        ],
        ids=["str", "enum", "cron", "function", "function of a class", "method", "wrapper"],
    )
    def test_name(self, task, name):
        """A task is named by a str, or by a coroutine function's qualified name."""
        actual = make(task).task_name
        assert (type(actual), actual) == (str, name)

    def test_function_in_a_function(self):
        """A function that was made in another one has the name that arq gives it."""

        async def inner(ctx):
            """A worker's function."""

        assert make(inner).task_name == inner.__qualname__
        assert make(inner).task_name.endswith("<locals>.inner")

    @pytest.mark.parametrize(
        "task",
        [
            None,
            5,
            b"work",
            ["work"],
            lambda: None,
            plain,
            Tasks,
            Tasks(),
            generate,
            object(),
            functools.partial(plain, 1),
            functools.partial(work, 1),
            AsyncMock(),
        ],
        ids=[
            "None",
            "int",
            "bytes",
            "list",
            "lambda",
            "function",
            "class",
            "callable",
            "generator",
            "object",
            "partial",
            "partial of a coroutine function",
            "mock without a name",
        ],
    )
    def test_no_task(self, task):
        """What names no task is a TypeError that says what does."""
        with pytest.raises(TypeError, match=r"^task must be the name of a worker's function"):
            make(task)

    @pytest.mark.parametrize(
        ("name", "reason"), [("", "empty"), ("a\nb", "control"), ("\ud800", "surrogate")]
    )
    def test_wrong_name(self, name, reason):
        """A task's name follows the rules of names."""
        with pytest.raises(ValueError, match=f"task_name must .*{reason}"):
            make(name)


class TestArguments:
    def test_arguments(self):
        """Positional and keyword arguments are the job's."""
        request = make("work", 1, None, kwargs={"b": 2})
        assert request == JobRequest("work", (1, None), {"b": 2})

    @pytest.mark.parametrize(
        "name",
        ["task", "self", "args", "kwargs", "job_id", "queue_name", "timeout", "cls", "ctx", "x_y_"],
    )
    def test_parameter_of_any_name(self, name):
        """A task may have a parameter of any name that does not start with an underscore."""
        assert make("work", kwargs={name: 1}).kwargs == {name: 1}

    def test_keyword_arguments_are_a_copy(self):
        """Changes of the caller's mapping do not reach the request."""
        kwargs = {"b": 2}
        request = make("work", kwargs=kwargs)
        kwargs["c"] = 3
        assert request.kwargs == {"b": 2}

    @pytest.mark.parametrize(
        ("name", "hint"),
        [
            ("_queue", "did you mean _queue_name?"),
            ("_queue_nam", "did you mean _queue_name?"),
            ("_queuename", "did you mean _queue_name?"),
            ("_job", "did you mean _job_id?"),
            ("_id", "did you mean _job_id?"),
            ("_jobid", "did you mean _job_id?"),
            ("_defer", "did you mean _defer_until?"),
            ("_deferby", "did you mean _defer_by?"),
            ("_expire", "did you mean _expires?"),
            ("_expires_in", "did you mean _expires?"),
            ("_job_tries", "did you mean _job_try?"),
            ("_conflict", "did you mean _on_conflict?"),
            ("_tokens", "did you mean _token?"),
            ("_zzz", "the options are _queue_name, _job_id, _defer_until, _defer_by, _expires, "),
            ("__dunder__", "the options are "),
        ],
    )
    def test_unknown_option(self, name, hint):
        """A keyword with an underscore that is no option is an error that names the nearest one."""
        with pytest.raises(TypeError) as caught:
            make("work", kwargs={"fine": 1, name: "s3cr3t"})
        assert f"enqueue() has no option {name!r}; {hint}" in str(caught.value)
        assert "s3cr3t" not in str(caught.value)

    @pytest.mark.parametrize("queue", [ArqQueue, SyncArqQueue], ids=lambda queue: queue.__name__)
    def test_options_are_those_of_enqueue(self, queue):
        """The options that are suggested are those that `enqueue` has, and tasks name no others."""
        parameters = inspect.signature(queue.enqueue).parameters.values()
        kinds = {parameter.name: parameter.kind for parameter in parameters}
        assert kinds.pop("self") == kinds.pop("task") == inspect.Parameter.POSITIONAL_ONLY
        assert kinds.pop("args") == inspect.Parameter.VAR_POSITIONAL
        assert kinds.pop("kwargs") == inspect.Parameter.VAR_KEYWORD
        assert tuple(kinds) == OPTIONS
        assert set(kinds.values()) == {inspect.Parameter.KEYWORD_ONLY}


class TestOptions:
    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("queue_name", "mail"),
            ("job_id", "j"),
            ("job_id", "é" * 256),
            ("defer_until", THEN),
            ("defer_until", datetime(2030, 1, 1)),  # noqa: DTZ001
            ("defer_until", datetime(1970, 1, 1, tzinfo=UTC)),
            ("defer_by", 0),
            ("defer_by", -0.0),
            ("defer_by", 0.5),
            ("defer_by", timedelta(days=400)),
            ("expires", 0.0001),
            ("expires", timedelta(microseconds=1)),
            ("expires", 5),
            ("job_try", 1),
            ("job_try", 1_000_000),
            ("on_conflict", "return_existing"),
            ("on_conflict", "ignore_result"),
            ("on_conflict", "replace"),
        ],
    )
    def test_option(self, option, value):
        """An option is in the request as it was given."""
        assert make("work", **{option: value}) == JobRequest("work", **{option: value})
        assert getattr(make("work", **{option: value}), option) == value
        assert getattr(make(JobRequest("work"), **{option: value}), option) == value

    @pytest.mark.parametrize("option", ["job_id", "queue_name"])
    def test_enum_as_a_name(self, option):
        """An enum's member as a name becomes a plain str."""
        actual = getattr(make("work", **{option: Name.work}), option)
        assert (type(actual), actual) == (str, "work")

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            ({"defer_until": THEN, "defer_by": 5}, "not both"),
            ({"defer_until": THEN, "defer_by": 0}, "not both"),
            ({"defer_by": -1}, "defer_by must not be negative"),
            ({"defer_by": -0.0001}, "defer_by must not be negative"),
            ({"defer_by": timedelta(microseconds=-1)}, "defer_by must not be negative"),
            ({"defer_by": math.nan}, "defer_by must be finite"),
            ({"defer_by": math.inf}, "defer_by must be finite"),
            ({"defer_by": 10**400}, "defer_by is too long"),
            ({"defer_by": 1e300}, "defer_by is too long"),
            ({"expires": 0}, "expires must be positive"),
            ({"expires": 0.0}, "expires must be positive"),
            ({"expires": timedelta(0)}, "expires must be positive"),
            ({"expires": -1}, "expires must be positive"),
            ({"expires": timedelta(seconds=-1)}, "expires must be positive"),
            ({"expires": math.nan}, "expires must be finite"),
            ({"expires": -math.inf}, "expires must be finite"),
            ({"expires": timedelta.max}, "expires is too long"),
            ({"job_id": ""}, "job_id must not be empty"),
            ({"job_id": "a\x00"}, "job_id must not have control characters"),
            ({"job_id": "\ud83d"}, "job_id must be encodable"),
            ({"job_id": "é" * 256 + "a"}, "job_id must be at most 512 bytes"),
            ({"queue_name": ""}, "queue_name must not be empty"),
            ({"queue_name": "arq:abort"}, "reserved"),
            ({"queue_name": "arqade:x"}, "reserved"),
            ({"queue_name": "mail:health-check"}, "reserved"),
            ({"job_try": 0}, "job_try must be from 1 to 1000000"),
            ({"job_try": -1}, "job_try must be from 1 to 1000000"),
            ({"job_try": 1_000_001}, "job_try must be from 1 to 1000000"),
            ({"on_conflict": "drop"}, "on_conflict must be one of raise, return_existing"),
            ({"on_conflict": ""}, "on_conflict must be one of"),
        ],
        ids=lambda value: ascii(value)[:40],
    )
    @pytest.mark.parametrize("task", ["work", JobRequest("work")], ids=["name", "request"])
    def test_value_that_is_not_allowed(self, task, options, reason):
        """A value that is not allowed is a ValueError that says why."""
        with pytest.raises(ValueError, match=reason):
            make(task, **options)

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("queue_name", 5),
            ("queue_name", b"mail"),
            ("job_id", 5),
            ("job_id", b"j"),
            ("job_id", True),
            ("defer_until", 5),
            ("defer_until", "2030-01-01"),
            ("defer_until", THEN.date()),
            ("defer_by", "5"),
            ("defer_by", True),
            ("defer_by", THEN),
            ("defer_by", Decimal(5)),
            ("expires", "5"),
            ("expires", False),
            ("expires", THEN),
            ("job_try", "x"),
            ("job_try", True),
            ("job_try", 1.0),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("task", ["work", JobRequest("work")], ids=["name", "request"])
    def test_value_of_a_wrong_type(self, task, option, value):
        """A value of a wrong type is a TypeError that names the option and the type."""
        with pytest.raises(TypeError, match=rf"{option} must be .* not {type(value).__name__}"):
            make(task, **{option: value})


class TestRequests:
    def test_request_alone(self):
        """A request without further options is taken as it is."""
        assert make(FULL) is FULL

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("queue_name", "other"),
            ("job_id", "other"),
            ("defer_by", 7),
            ("defer_by", 0),
            ("expires", 9),
            ("job_try", 1),
            ("on_conflict", "ignore_result"),
        ],
    )
    def test_option_wins(self, option, value):
        """An option that is given wins over the request's, and the others stay."""
        assert make(FULL, **{option: value}) == attrs.evolve(FULL, **{option: value})
        assert getattr(FULL, option) != value

    def test_defer_replaces_the_other_kind(self):
        """A defer that is given replaces the request's, of whichever kind."""
        until = make(FULL, defer_until=THEN)
        assert (until.defer_until, until.defer_by) == (THEN, None)
        by = make(until, defer_by=1)
        assert (by.defer_until, by.defer_by) == (None, 1)

    def test_both_defers(self):
        """Both defers are refused, whatever the request says."""
        with pytest.raises(ValueError, match="not both"):
            make(FULL, defer_until=THEN, defer_by=1)

    @pytest.mark.parametrize(
        ("args", "kwargs"), [((1,), {}), ((), {"b": 1}), ((None,), {"b": None})]
    )
    def test_request_with_arguments(self, args, kwargs):
        """A request holds its arguments and takes no others."""
        with pytest.raises(TypeError, match="give it alone"):
            make(FULL, *args, kwargs=kwargs)

    def test_subclass_stays(self):
        """A subclass of a request keeps its class."""

        @attrs.frozen
        class Special(JobRequest):
            color: str = "red"

        actual = make(Special("work", color="blue"), job_id="j")
        assert (type(actual), actual.color, actual.job_id) == (Special, "blue", "j")


class TestTimeout:
    @pytest.mark.parametrize(
        ("timeout", "seconds"),
        [
            (None, None),
            (0, 0.0),
            (5, 5.0),
            (0.5, 0.5),
            (10**9, 1e9),
            (-1, -1.0),
            (1e300, 1e300),
            (math.inf, None),
            (10**400, None),
        ],
        ids=lambda value: str(value)[:5],
    )
    def test_timeout(self, timeout, seconds):
        """A time-out is in seconds; None and what no float can hold are no limit."""
        actual = check_timeout(timeout)
        assert actual == seconds
        assert actual is None or type(actual) is float

    @pytest.mark.parametrize(
        "timeout", [True, False, "5", timedelta(5), Decimal(5), 5j, b"", [5], math], ids=ascii
    )
    def test_timeout_of_a_wrong_type(self, timeout):
        """A time-out is a number or None, and a bool is neither."""
        with pytest.raises(TypeError, match="timeout must be seconds or None"):
            check_timeout(timeout)

    def test_no_number(self):
        """A time-out can't be no number."""
        with pytest.raises(ValueError, match="not nan"):
            check_timeout(math.nan)


ANYTHING = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.timedeltas()
    | st.datetimes()
    | st.datetimes(timezones=st.just(UTC))
    | st.sampled_from([10**400, "raise", "replace", work, JobRequest("work"), [], {}])
)


@settings(deadline=None, max_examples=500)
@given(task=ANYTHING, options=st.fixed_dictionaries(dict.fromkeys(NONE, st.none() | ANYTHING)))
def test_any_options_are_a_request_or_an_error(task, options):
    """Any values make a request, a TypeError or a ValueError, and nothing else."""
    try:
        request = make(task, **options)
    except (TypeError, ValueError):
        return
    assert type(request.task_name) is str
    assert request.job_id is None or 1 <= len(request.job_id.encode()) <= 512
