"""Jobs and results with what a client may not make, or can't: all else of them can be read."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import pytest

from arqade import JobDeserializationError, JobStatus, Placeholder, RedisArqQueue, RemoteError
from arqade.codecs import PickleCodec, RestrictedPickleCodec
from tests.harness.deadly import Calling
from tests.harness.payload_codecs import MODELS, Item
from tests.harness.states import result_bytes
from tests.harness.stock_values import CustomError, Elsewhere, UndecodableError
from tests.harness.worker import run_burst

APP = "tests.harness.payload_codecs"
VALUES = "tests.harness.stock_values"
ITEM, ORDER = MODELS["model"], MODELS["dataclass"]

STRICT = RestrictedPickleCodec()
PLACEHOLDERS = RestrictedPickleCodec(on_forbidden="placeholder")
SOME = [Item, f"{VALUES}.CustomError", UndecodableError]


class Case(NamedTuple):
    """A job that a worker has run, and what a client sees of it that has an empty allow-list."""

    task: str
    result: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}  # noqa: RUF012 - it is only read


def raised(name, args, state=""):
    """Show the placeholder of one of the app's errors."""
    return f"<Placeholder {VALUES}.{name}({args}){state and ' state='}{state}>"


READABLE = {
    "plain": Case("give_back", "{'args': (1,), 'kwargs': {'x': 2}}", (1,), {"x": 2}),
    "error": Case("raise_error", "ValueError('no', 1)"),
}
UNREADABLE = {
    "model": Case(
        "give_model", f"<Placeholder {APP}.Item() state={{'name': 'tea', 'price': Decimal('2')}}>"
    ),
    "custom": Case("raise_custom", raised("CustomError", "'custom', 7", "{'code': 7}")),
    "constructor": Case("raise_foreign", raised("UndecodableError", "'foreign (7)'")),
    "returned": Case("give_foreign_error", raised("UndecodableError", "'foreign (7)'")),
    "elsewhere": Case(
        "return_undecodable", "<Placeholder importlib.import_module('no_such_module')>"
    ),
}
CASES = READABLE | UNREADABLE
ARGUMENTS = {"args": (ITEM, [ORDER]), "kwargs": {"order": ORDER}}
NEVER_RUN = "DeserializationError('unable to deserialize job')"


@pytest.fixture(scope="module")
def redis_url(module_redis_url):
    """One server for all these tests: one worker runs all the jobs."""
    return module_redis_url


@pytest.fixture(scope="module")
async def ran(redis_url):
    """A worker that makes whatever a pickle names has run the jobs; two wait in another queue."""
    async with await RedisArqQueue.from_url(redis_url) as queue:
        for name, case in CASES.items():
            await queue.enqueue(case.task, *case.args, _job_id=name, **case.kwargs)
        for name in ("arguments", "waits"):
            queue_name = "waiting" if name == "waits" else None
            await queue.enqueue(
                "give_back", ITEM, [ORDER], order=ORDER, _job_id=name, _queue_name=queue_name
            )
        await queue.enqueue("give_back", Elsewhere(), _job_id="lost")
        await queue.enqueue("give_back", Elsewhere(), _job_id="lost later", _queue_name="waiting")
    run_burst(redis_url, codec="pickle")


async def opened(redis_url, codec):
    return await RedisArqQueue.from_url(redis_url, codec=codec)


async def collect(jobs, found):
    """Note what comes before an error."""
    async for job in jobs:
        found.append(job)


async def unreadable(queue):
    """Give the ids of the jobs whose result is an error, which must be one and the same."""
    found = set()
    for name in CASES:
        assert await queue.get_job_status(name) is JobStatus.complete
        errors = []
        for read in (queue.get_job_result, queue.get_job_metadata, queue.wait_for_result):
            try:
                await read(name)
            except JobDeserializationError as error:
                errors.append(error)
        assert len({str(error) for error in errors}) == len(errors) // 3
        found |= {error.job_id for error in errors}
    return found


async def test_placeholders_stand_for_results(redis_url, ran):
    """A result is read with a placeholder for what it holds, and so are all its metadata."""
    async with await opened(redis_url, PLACEHOLDERS) as queue:
        for name, case in CASES.items():
            result = await queue.get_job_result(name)
            assert repr(result.result) == case.result
            assert result.success is not case.task.startswith("raise")
            job = await queue.get_job_metadata(name)
            for seen in (result, job):
                assert (seen.id, seen.name, seen.status) == (name, case.task, JobStatus.complete)
                assert (seen.args, seen.kwargs, seen.job_try) == (case.args, case.kwargs, 1)
            waited = await queue.wait_for_result(name, timeout=5)
            assert (repr(waited.result), waited.args) == (case.result, case.args)
        assert repr((await queue.get_job_result("lost")).result) == NEVER_RUN


async def test_placeholders_stand_for_arguments(redis_url, ran):
    """They stand in arguments as well, of jobs that wait and of finished ones, and are equal."""
    async with await opened(redis_url, PLACEHOLDERS) as queue:
        done, waits = (
            await queue.get_job_metadata("arguments"),
            await queue.get_job_metadata("waits", "waiting"),
        )
        assert (await queue.get_job_result("arguments")).result == {
            "args": done.args,
            "kwargs": done.kwargs,
        }
        assert (done.args, done.kwargs) == (waits.args, waits.kwargs)
        item, [order] = waits.args
        assert type(item) is type(order) is Placeholder
        assert (item.full_name, order.full_name) == (f"{APP}.Item", f"{APP}.Order")
        assert item.state == {"name": "tea", "price": ITEM.price}
        assert order.state["at"] == ORDER.at
        assert order.state["items"][0].full_name == f"{APP}.Item"
        assert waits.kwargs == {"order": order}
        lost = await queue.get_job_metadata("lost later", "waiting")
        assert repr(lost.args) == "(<Placeholder importlib.import_module('no_such_module')>,)"


async def test_placeholders_in_listings(redis_url, ran):
    """Listings give all jobs and results, none is left out."""
    async with await opened(redis_url, PLACEHOLDERS) as queue:
        results, jobs, completed = [], [], []
        await collect(queue.iter_results(), results)
        await collect(queue.iter_jobs("waiting"), jobs)
        await collect(queue.as_completed(CASES, timeout=5), completed)
        many = await queue.get_jobs_metadata(CASES)
    assert {job.id for job in results} == {*CASES, "arguments", "lost"}
    assert {job.id for job in jobs} == {"waits", "lost later"}
    assert {job.id for job in completed} == {*CASES}
    assert [job.name for job in many] == [case.task for case in CASES.values()]


@pytest.mark.parametrize(
    ("name", "type_name", "message"),
    [
        ("constructor", f"{VALUES}.UndecodableError", "foreign (7)"),
        ("custom", f"{VALUES}.CustomError", "custom, 7"),
    ],
)
async def test_raised_placeholder_is_a_remote_error(redis_url, ran, name, type_name, message):
    """`unwrap()` raises a `RemoteError` with the class's name and what the error was made of."""
    async with await opened(redis_url, PLACEHOLDERS) as queue:
        result = await queue.get_job_result(name)
    with pytest.raises(RemoteError) as caught:
        result.unwrap()
    assert (caught.value.type_name, caught.value.message) == (type_name, message)
    assert str(caught.value) == f"{type_name}: {message}"


async def test_returned_placeholder_is_returned(redis_url, ran):
    """`unwrap()` gives a placeholder of what the job returned, be it an error."""
    async with await opened(redis_url, PLACEHOLDERS) as queue:
        for name in ("model", "returned", "elsewhere"):
            assert repr((await queue.get_job_result(name)).unwrap()) == CASES[name].result


async def test_allowed_classes(redis_url, ran):
    """What is allowed is made; a placeholder stands for what its class's constructor refuses."""
    async with await opened(redis_url, RestrictedPickleCodec(SOME, "placeholder")) as queue:
        assert type((await queue.get_job_result("model")).unwrap()) is Item
        custom = (await queue.get_job_result("custom")).result
        assert (type(custom), custom.args, custom.code) == (CustomError, ("custom", 7), 7)
        failed = await queue.get_job_result("constructor")
        assert repr(failed.result) == CASES["constructor"].result
        with pytest.raises(RemoteError, match="UndecodableError"):
            failed.unwrap()


@pytest.mark.parametrize(
    ("codec", "expected"),
    [
        (STRICT, {*UNREADABLE}),
        (RestrictedPickleCodec(SOME), {"constructor", "returned", "elsewhere"}),
        (PickleCodec(), {"constructor", "returned", "elsewhere"}),
        (PLACEHOLDERS, set()),
    ],
    ids=["strict", "some", "pickle", "placeholders"],
)
async def test_which_are_unreadable(redis_url, ran, codec, expected):
    """Without placeholders such a result is an error; the job's state is told all the same."""
    async with await opened(redis_url, codec) as queue:
        assert await unreadable(queue) == expected


async def test_errors_of_the_strict(redis_url, ran):
    """An error names the class that is not allowed, and no value; a listing goes on after it."""
    async with await opened(redis_url, STRICT) as queue:
        with pytest.raises(JobDeserializationError, match=rf"{VALUES}\.CustomError") as caught:
            await queue.get_job_result("custom")
        assert "'custom'" not in str(caught.value)
        with pytest.raises(JobDeserializationError, match=rf"{APP}\.Item"):
            await queue.get_job_metadata("waits", "waiting")
        assert await queue.get_job_status("waits", "waiting") is JobStatus.queued
        results, jobs = [], []
        with pytest.raises(JobDeserializationError) as caught:
            await collect(queue.iter_results(), results)
        assert all(name in str(caught.value) for name in (*UNREADABLE, "arguments"))
        assert {job.id for job in results} == {*READABLE, "lost"}
        with pytest.raises(JobDeserializationError, match=r"^2 of the jobs can't be decoded"):
            await collect(queue.iter_jobs("waiting"), jobs)
        assert jobs == []


async def test_placeholders_are_enqueued_as_what_they_stand_for(redis_url, ran):
    """A job that was read with placeholders is enqueued again as the same job, and runs."""
    async with (
        await opened(redis_url, PLACEHOLDERS) as reader,
        await opened(redis_url, PickleCodec()) as trusting,
    ):
        seen = await reader.get_job_metadata("arguments")
        await reader.enqueue(seen.name, *seen.args, _job_id="again", **seen.kwargs)
        run_burst(redis_url, codec="pickle")
        again = await trusting.get_job_result("again")
        assert again.unwrap() == ARGUMENTS == (await trusting.get_job_result("arguments")).unwrap()
        assert (again.args, again.kwargs) == (ARGUMENTS["args"], ARGUMENTS["kwargs"])
        assert await trusting.delete_result("again")


async def test_nothing_is_done_for_a_placeholder(redis_url, raw, tmp_path):
    """What a payload would do when it is unpickled is shown, and not done."""
    made = tmp_path / "made"
    raw.set("arq:result:evil", result_bytes("evil", Calling(os.mkdir, str(made))))
    try:
        async with await opened(redis_url, RestrictedPickleCodec([], "placeholder")) as queue:
            result = (await queue.get_job_result("evil")).unwrap()
    finally:
        raw.delete("arq:result:evil")
    assert (result.full_name, result.args) == ("posix.mkdir", (str(made),))
    assert not made.exists()
