"""Nothing that arqade says tells arguments, results, tokens or the login."""

from __future__ import annotations

import threading
import traceback

import pytest

from arqade import (
    ArqadeError,
    EnqueueManyError,
    EnqueueUncertain,
    JobRequest,
    QueueServerError,
    RedisArqQueue,
    RedisSettings,
)
from arqade.embedded import RedisServer
from tests.harness.canary import CANARY
from tests.harness.servers import find_test_server
from tests.harness.states import job_bytes, result_bytes

TOKEN = "token-7d1f0b"
PASSWORD = "password-5e8a"


class Telling:
    """Says what it holds wherever it can."""

    def __init__(self):
        self.value = CANARY

    def __repr__(self):
        return CANARY

    __str__ = __repr__


class Unpicklable(Telling):
    def __reduce__(self):
        raise ValueError(CANARY)


class Undecodable(Telling):
    def __reduce__(self):
        return fail, (CANARY,)


def fail(value):
    raise LookupError(value)


ARGS = (CANARY, Telling(), [CANARY])
KWARGS = {"to": CANARY, "by": {CANARY: Telling()}}
BROKEN = b"\x80\x04\x95" + CANARY.encode()


def said_by(error):
    """Give all that an error says, and those behind it, with their notes and tracebacks."""
    said = traceback.format_exception(error)
    while error is not None:
        said += [str(error), repr(error), *getattr(error, "__notes__", ())]
        error = error.__cause__ or error.__context__
    return "\n".join(said)


@pytest.fixture
async def proxied(proxy):
    """A queue behind the proxy, with little patience."""
    settings = RedisSettings.from_url(proxy.url, retry_budget=0.3)
    async with await RedisArqQueue.initialize(settings) as queue:
        yield queue


async def test_what_is_returned(queue, raw):
    """Neither the queue nor what it returns shows values, whichever way it is printed."""
    job = await queue.enqueue("work", *ARGS, _job_id="k", _token=TOKEN, **KWARGS)
    many = await queue.enqueue_many([JobRequest("work", ARGS, KWARGS, job_id="m")])
    raw.set("arq:result:r", result_bytes("r", Telling()))
    raw.set("arq:result:f", result_bytes("f", ValueError(CANARY), success=False))
    results = [await queue.get_job_result(job_id) for job_id in ("r", "f")]
    results += [await queue.wait_for_result("r")]
    shown = [
        queue,
        queue._connections,
        job,
        many,
        results,
        JobRequest("work", ARGS, KWARGS),
        await queue.get_job_metadata("k"),
        await queue.get_jobs_metadata(["k", "m"]),
        [job async for job in queue.iter_jobs()],
        [result async for result in queue.iter_results()],
    ]
    for value in shown:
        for text in (repr(value), str(value), f"{value!r:>10}"):
            assert CANARY not in text
            assert TOKEN not in text


async def exists(queue, raw, proxy):
    await queue.enqueue("work", *ARGS, _job_id="k", _token=TOKEN, **KWARGS)
    await queue.enqueue("work", *ARGS, _job_id="k", **KWARGS)


async def too_large(queue, raw, proxy):
    queue._max_payload_bytes = 10
    await queue.enqueue("work", *ARGS, _token=TOKEN, **KWARGS)


async def not_picklable(queue, raw, proxy):
    await queue.enqueue("work", *ARGS, Unpicklable(), _token=TOKEN)


async def lock_among_others(queue, raw, proxy):
    await queue.enqueue("work", _token=TOKEN, **KWARGS, lock={CANARY: [threading.Lock()]})


async def many_not_picklable(queue, raw, proxy):
    await queue.enqueue_many([JobRequest("work", (*ARGS, Unpicklable()))])


async def broken_job(queue, raw, proxy):
    raw.set("arq:job:k", BROKEN)
    raw.zadd("arq:queue", {"k": 1})
    await queue.get_job_metadata("k")


async def broken_jobs(queue, raw, proxy):
    raw.set("arq:job:k", job_bytes("work", Undecodable()))
    raw.zadd("arq:queue", {"k": 1})
    async for _ in queue.iter_jobs():
        pass


async def broken_result(queue, raw, proxy):
    raw.set("arq:result:k", result_bytes(value=Undecodable()))
    await queue.wait_for_result("k")


async def broken_results(queue, raw, proxy):
    raw.set("arq:result:k", BROKEN)
    async for _ in queue.iter_results():
        pass


async def wrong_envelope(queue, raw, proxy):
    raw.set("arq:result:k", result_bytes().replace(b"work", b"\xffork"))
    await queue.get_job_result("k")


async def unstored_result(queue, raw, proxy):
    raw.set("arq:result:k", result_bytes(value=CANARY, success=False))
    (await queue.get_job_result("k")).unwrap()


async def uncertain(queue, raw, proxy):
    proxy.swallow_replies = True
    await queue.enqueue("work", *ARGS, _token=TOKEN, **KWARGS)


async def many_uncertain(queue, raw, proxy):
    proxy.swallow_replies = True
    await queue.enqueue_many([JobRequest("work", ARGS, KWARGS)])


async def unreachable(queue, raw, proxy):
    proxy.refuse = True
    proxy.break_connections()
    await queue.enqueue("work", *ARGS, _token=TOKEN, **KWARGS)


async def wrong_type(queue, raw, proxy):
    raw.set("arq:queue", "text")
    await queue.enqueue("work", *ARGS, _job_id="k", _token=TOKEN, **KWARGS)


async def full_server(queue, raw, proxy):
    raw.config_set("maxmemory", 1)
    try:
        await queue.enqueue("work", *ARGS, _token=TOKEN, **KWARGS)
    finally:
        raw.config_set("maxmemory", 0)


async def closed(queue, raw, proxy):
    await queue.aclose()
    await queue.enqueue("work", *ARGS, _token=TOKEN, **KWARGS)


async def wrong_password(queue, raw, proxy):
    settings = RedisSettings.from_url(proxy.url, password=PASSWORD, username="default")
    await RedisArqQueue.initialize(settings)


async def no_permission(queue, raw, proxy):
    raw.acl_setuser("nobody", enabled=True, passwords=[f"+{PASSWORD}"], commands=["+time"])
    settings = RedisSettings.from_url(proxy.url, password=PASSWORD, username="nobody")
    try:
        async with await RedisArqQueue.initialize(settings) as other:
            await other.enqueue("work", *ARGS, _token=TOKEN, **KWARGS)
    finally:
        raw.acl_deluser("nobody")


async def bad_token(queue, raw, proxy):
    await queue.enqueue("work", *ARGS, _token=TOKEN * 100, **KWARGS)


async def bad_token_of_control_characters(queue, raw, proxy):
    await queue.enqueue("work", *ARGS, _token=f"{TOKEN}\n", **KWARGS)


async def bad_option(queue, raw, proxy):
    await queue.enqueue("work", *ARGS, _defer_by=-1, _token=TOKEN, **KWARGS)


async def bad_arguments(queue, raw, proxy):
    await queue.enqueue(JobRequest("work", ARGS, KWARGS), CANARY)


async def bad_request(queue, raw, proxy):
    await queue.enqueue_many([JobRequest("work"), CANARY])


FAILURES = [
    *(exists, too_large, not_picklable, lock_among_others, many_not_picklable),
    *(broken_job, broken_jobs, broken_result, broken_results, wrong_envelope, unstored_result),
    *(uncertain, many_uncertain, unreachable, wrong_type, full_server, closed),
    *(wrong_password, no_permission),
    *(bad_token, bad_token_of_control_characters, bad_option, bad_arguments, bad_request),
]


@pytest.mark.parametrize("provoke", FAILURES, ids=lambda function: function.__name__)
async def test_what_is_raised(proxied, raw, proxy, provoke):
    """Errors, their causes and tracebacks tell no argument, result, token or password."""
    with pytest.raises((ArqadeError, TypeError, ValueError)) as caught:
        await provoke(proxied, raw, proxy)
    error = caught.value
    secrets = {CANARY, TOKEN, PASSWORD, RedisSettings.from_url(proxy.url).password}
    # Those that the queue has made by itself, too.
    secrets |= {key.decode().rpartition(":")[2] for key in raw.scan_iter("arqade:once:*")}
    if isinstance(error, EnqueueUncertain):
        assert error.token in secrets
    if isinstance(error, EnqueueManyError):
        assert error.__cause__ is not None
    said = said_by(error)
    assert not [secret for secret in secrets if secret in said]


async def test_server_that_quotes_commands(tmp_path):
    """What a server quotes of a command that it does not know is left out."""
    rules = tmp_path / "rules.conf"
    rules.write_text('rename-command EVALSHA ""\n')
    with RedisServer(binary=find_test_server(), config={"include": str(rules)}) as server:
        async with await RedisArqQueue.from_url(server.url) as queue:
            for words in (("work",), (JobRequest("work", ARGS),)):
                with pytest.raises(QueueServerError, match="unknown command") as caught:
                    await queue.enqueue(*words, _job_id=CANARY, _token=TOKEN)
                said = said_by(caught.value)
                assert TOKEN not in said
                assert "args beginning" not in said
