"""What a user needs at least: the table in docs/reference/api.md, row by row."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest
import redis

from arqade import (
    EnqueueManyError,
    JobRequest,
    QueueServerError,
    RedisArqQueue,
    RedisSettings,
)
from arqade._protocol import workers
from arqade.exceptions import ArqJobError
from tests.harness.states import (
    now_ms,
    put_complete,
    put_deferred,
    put_expired,
    put_finished_cron,
    put_in_progress,
    put_queued,
    worker_record,
)
from tests.harness.worker import ROOT

PASSWORD = "of the least user"
QUEUED, DEFERRED, RUNNING, COMPLETE = "queued", "deferred", "running", "complete"
EXPIRED, CRON, UNKNOWN = "expired", "cron", "unknown"
IDS = [QUEUED, DEFERRED, RUNNING, COMPLETE, EXPIRED, CRON, UNKNOWN]
POLICIES = ["return_existing", "ignore_result", "replace"]


class Row(NamedTuple):
    """A row of the table."""

    commands: list[str]
    keys: list[str]


def read_table():
    """Give the table's rows by their first column; "the same" and "those" are filled in."""
    text = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    section = text.partition("## Permissions")[2].partition("\n## ")[0].replace("\\|", "\0")
    reading = re.findall(r"%[^`\s]+", section.partition("The keys of reading are")[2])
    rows = {}
    for line in section.splitlines():
        cells = [cell.replace("\0", "|").strip() for cell in line.split("|")]
        if len(cells) != 5 or "`" not in cells[1] + cells[2]:
            continue
        _, name, commands, keys, _ = cells
        same = next(iter(rows.values())) if '"raise"' in commands else None
        same = same or (list(rows.values())[-1] if "the same" in commands + keys else None)
        row = Row(re.findall(r"\+[a-z|]+", commands), re.findall(r"%[^`\s]+", keys))
        if "the same" in commands:
            row.commands[:0] = same.commands
        if keys == "the same":
            row.keys.extend(same.keys)
        if keys.startswith("those of reading"):
            row.keys.extend(reading[:4])
        if "no script" not in commands:
            row.commands.append("+evalsha")
        rows[name] = row
    return rows


TABLE = read_table()


async def each(call, ids=IDS):
    """Make a call for a job in each state; what is said of the job itself is no matter here."""
    for job_id in ids:
        try:
            await call(job_id)
        except (ArqJobError, TimeoutError):
            continue
        except EnqueueManyError as error:
            if isinstance(error.__cause__, QueueServerError):
                raise error.__cause__ from None
            raise


async def enqueue(queue, *policies):
    """Enqueue where there is such a job, and twice with one token."""
    for policy in policies:
        await each(lambda i, p=policy: queue.enqueue("work", _job_id=i, _on_conflict=p))
        for _ in range(2):
            await queue.enqueue("work", _token=f"token-{policy}", _on_conflict=policy)
        await each(
            lambda i, p=policy: queue.enqueue_many([JobRequest("work", job_id=i, on_conflict=p)])
        )


async def drain(items):
    """Take all of an iterator."""
    return [item async for item in items]


OPERATIONS = {
    '`enqueue`, `enqueue_many` with the policy `"raise"`': lambda q: enqueue(q, "raise"),
    "... with the other policies": lambda q: enqueue(q, *POLICIES),
    "`get_job_status`": lambda q: each(q.get_job_status),
    "`get_job_metadata`": lambda q: each(q.get_job_metadata),
    "`get_jobs_metadata`": lambda q: q.get_jobs_metadata(IDS),
    "`get_job_result`": lambda q: each(q.get_job_result),
    "`wait_for_result`": lambda q: each(
        lambda i: q.wait_for_result(i, timeout=0.05), [COMPLETE, QUEUED]
    ),
    "`as_completed`": lambda q: each(
        lambda i: drain(q.as_completed([i], timeout=0.05)), [COMPLETE, QUEUED]
    ),
    "`iter_jobs`": lambda q: drain(q.iter_jobs()),
    "`iter_results`": lambda q: drain(q.iter_results()),
    '`iter_jobs(status="complete")`': lambda q: drain(q.iter_jobs(status="complete")),
    "`get_queue_stats`": lambda q: q.get_queue_stats(),
    "`get_worker_health`": lambda q: q.get_worker_health(),
    "`get_workers`": lambda q: q.get_workers(),
    "`check_worker`": lambda q: q.check_worker("work"),
    "`record_worker`": lambda q: q.record_worker(worker_record()),
    "`forget_worker`": lambda q: q.forget_worker("w"),
    "`cancel_job`": lambda q: each(lambda i: q.cancel_job(i, timeout=0.05)),
    "`abort_job`": lambda q: each(lambda i: q.abort_job(i, timeout=0.05)),
    "`purge`": lambda q: q.purge(),
    "`delete_result`": lambda q: each(q.delete_result),
    "`ping`": lambda q: q.ping(),
    "`check`": lambda q: q.check(),
}

WITHOUT_RESULT = {"+exists", "+zscore", "%R~arq:job:*", "%R~arq:queue", "%R~arq:in-progress:*"}

NOT_TRIED = {'... with `durability="all-replicas"`'}
"""It needs replicas: see the tests of those."""

NOT_NEEDED = {
    # To say which state is in the way, and to undo what the server refused half-way.
    '`enqueue`, `enqueue_many` with the policy `"raise"`': {"+exists", "+del"},
    # To let go of what an earlier job with the id has left.
    "... with the other policies": {"+zrem", "%W~arq:abort", "%W~arq:retry:*"},
    # Else it is asked again and again.
    "`wait_for_result`": {"+client|tracking", "+ping"},
    "`as_completed`": {"+client|tracking", "+ping"},
    # For results that expire between two looks.
    "`iter_results`": WITHOUT_RESULT,
    '`iter_jobs(status="complete")`': WITHOUT_RESULT,
    # What it can't see is a finding, too.
    "`check`": {"+info", "+config|get"},
}
"""What goes without notice where it is missing, in the states above."""


def names_in(column):
    """Give the operations that the first column of a row names."""
    return re.split(r"(?<=`), ", column)


def row_of(operation):
    """Find the row that names an operation."""
    rows = [row for name, row in TABLE.items() if operation in {name, *names_in(name)}]
    assert len(rows) == 1
    return rows[0]


def fill(raw):
    """Put a job in each state, and what two workers say of themselves."""
    raw.flushdb()
    for put, job_id in zip(
        (put_queued, put_deferred, put_in_progress, put_complete, put_expired, put_finished_cron),
        IDS,
        strict=False,
    ):
        put(raw, job_id)
    raw.set(
        "arq:queue:health-check",
        "Nov-22 19:53:23 j_complete=0 j_failed=0 j_retried=0 j_ongoing=0 queued=0",
        px=1000,
    )
    *_, life, before, after = workers.record(worker_record()).words
    raw.set("arqade:worker:w", f"{before}5{after}", px=life)
    raw.zadd("arqade:workers:arq:queue", {"w": now_ms() + life})


async def refusal(raw, url, operation, permissions):
    """Give what is said to a user who tries an operation; None if nobody minds."""
    fill(raw)
    raw.execute_command("ACL", "SETUSER", "least", "reset", "on", f">{PASSWORD}", *permissions)
    settings = RedisSettings.from_url(url, username="least", password=PASSWORD, conn_retries=0)
    try:
        async with await RedisArqQueue.initialize(settings) as queue:
            await OPERATIONS[operation](queue)
    except QueueServerError as error:
        return str(error)
    finally:
        raw.acl_deluser("least")
    return None


@pytest.fixture
async def known_scripts(redis_url, raw):
    """The server knows all scripts."""
    async with await RedisArqQueue.from_url(redis_url) as queue:
        for operation in OPERATIONS.values():
            fill(raw)
            await operation(queue)


def test_table_is_read():
    """Every row is tried, and every operation is in the table."""
    named = {part for name in TABLE for part in [name, *names_in(name)]}
    assert named >= OPERATIONS.keys()
    tried = {name for name in TABLE if {name, *names_in(name)} & OPERATIONS.keys()}
    assert TABLE.keys() - tried == NOT_TRIED
    assert all(row.commands for row in TABLE.values())


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_least_permissions(redis_url, raw, known_scripts, operation):
    """A user with just these permissions can do it; one with any of them missing is refused."""
    row = row_of(operation)
    permissions = ["+time", *row.commands, *row.keys]
    assert await refusal(raw, redis_url, operation, permissions) is None
    needless = set()
    for missing in dict.fromkeys([*row.commands, *row.keys]):
        left = [permission for permission in permissions if permission != missing]
        said = await refusal(raw, redis_url, operation, left)
        if said is None:
            needless.add(missing)
        else:
            assert "give this user the permissions that the documentation lists" in said
    assert needless == NOT_NEEDED.get(operation, set())


async def test_user_who_may_only_enqueue_forges_nothing(redis_url, raw, known_scripts):
    """The user of the guide enqueues, and can neither read jobs and results nor write results."""
    fill(raw)
    guide = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
    rules = guide.partition("ACL SETUSER web on >PASSWORD")[2].partition("```")[0].split()
    assert rules[0] == "%W~arq:job:*"
    raw.execute_command("ACL", "SETUSER", "least", "reset", "on", f">{PASSWORD}", *rules)
    settings = RedisSettings.from_url(redis_url, username="least", password=PASSWORD)
    try:
        async with await RedisArqQueue.initialize(settings) as queue:
            await queue.enqueue("work", _job_id="new")
            await queue.enqueue_many([JobRequest("work", job_id=f"m{n}") for n in range(3)])
            for call in (queue.get_job_metadata, queue.get_job_result, queue.delete_result):
                with pytest.raises(QueueServerError):
                    await call(COMPLETE)
            for policy in ("ignore_result", "replace"):
                with pytest.raises(QueueServerError):
                    await queue.enqueue("work", _job_id=COMPLETE, _on_conflict=policy)
        login = {"username": "least", "password": PASSWORD, "protocol": 2}
        with redis.Redis.from_url(raw_url(redis_url), **login) as user:
            before = raw.get(f"arq:result:{COMPLETE}")
            for words in (
                ("SET", f"arq:result:{COMPLETE}", "forged"),
                ("SET", "arq:result:new", "forged"),
                ("PSETEX", "arq:result:new", 1000, "forged"),
                ("ZADD", "arq:result:new", 1, "forged"),
                ("DEL", f"arq:result:{COMPLETE}"),
                ("GET", f"arq:result:{COMPLETE}"),
                ("SET", "arq:job:new", "x", "GET"),
                ("SET", "arq:in-progress:new", "1"),
                ("EVAL", "return redis.call('SET', 'arq:result:new', 'forged')", 0),
            ):
                with pytest.raises(redis.exceptions.NoPermissionError):
                    user.execute_command(*words)
    finally:
        raw.acl_deluser("least")
    assert raw.zcard("arq:queue") == 4 + 4
    assert (raw.get(f"arq:result:{COMPLETE}"), raw.exists("arq:result:new")) == (before, 0)


def raw_url(url):
    """Give a URL without its password."""
    return re.sub(r"//[^@]*@", "//", url)
