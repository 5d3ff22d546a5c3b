"""The page about scripts: it shows all of them, with their commands, and who may run them."""

from __future__ import annotations

import re

import pytest

from arqade import EnqueueManyError, JobRequest, QueueServerError, RedisArqQueue, RedisSettings
from arqade._protocol import inspection, scripts, workers
from tests.docs.pages import DOCS, rows
from tests.harness.states import put_complete, put_queued, worker_record

PAGE = DOCS / "reference" / "lua.md"
TEXT = PAGE.read_text("utf-8")
LUA = DOCS.parent / "src" / "arqade" / "_protocol" / "lua"
FILES = {path.stem: path.read_text("utf-8") for path in LUA.glob("*.lua")}

SECTIONS = {
    name: text
    for name, text in re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    if "* Commands:" in text
}
"""What the page says of each script."""

TABLE = {
    re.findall(r"\w+", name)[0]: (re.findall(r"`(\w+)`", operations), changes == "yes")
    for name, operations, changes, _ in rows(
        PAGE, "script", "operations", "changes data", "key names"
    )
}
"""The operations of each script, and whether it changes data."""

SCRIPTS = {
    "enqueue": scripts.ENQUEUE,
    "view": scripts.VIEW,
    "cancel": scripts.CANCEL,
    "purge": inspection.PURGE,
    "stats": inspection.STATS,
    "health": inspection.HEALTH,
    "workers": workers.WORKERS,
    "record": workers.RECORD,
    "forget": workers.FORGET,
}

READING = {"EXISTS", "GET", "PTTL", "STRLEN", "TIME", "TYPE", "ZCARD", "ZCOUNT", "ZRANGE"}
READING |= {"ZRANGEBYSCORE", "ZSCORE"}


def commands_in(script):
    """Give the commands that a script calls."""
    code = re.sub(r"--.*", "", script)
    return set(re.findall(r"\bp?call\('(\w+)'", code))


def test_every_script():
    """Every script has a section and a row, and there are no others."""
    assert SECTIONS.keys() == FILES.keys() == TABLE.keys() == SCRIPTS.keys()
    assert {name: script.text for name, script in SCRIPTS.items()} == FILES


@pytest.mark.parametrize("name", FILES)
def test_text(name):
    """Its text is shown, whole."""
    shown = re.findall(r"\{literalinclude\} (\S+)\n:(\w+): (\w+)\n:::", SECTIONS[name])
    assert shown == [(f"../../src/arqade/_protocol/lua/{name}.lua", "language", "lua")]
    assert (PAGE.parent / shown[0][0]).read_text("utf-8") == SCRIPTS[name].text


@pytest.mark.parametrize("name", FILES)
def test_commands(name):
    """The commands that are listed are those that the script calls."""
    [listed] = re.findall(r"^\* Commands: (.*)\.$", SECTIONS[name], re.MULTILINE)
    found = commands_in(FILES[name])
    assert re.findall(r"`(\w+)`", listed) == sorted(found)
    # No command is called by a name that is made at run time.
    assert len(re.findall(r"\bp?call\(", re.sub(r"--.*", "", FILES[name]))) == len(
        re.findall(r"\bp?call\('\w+'", re.sub(r"--.*", "", FILES[name]))
    )
    assert (found <= READING) is not TABLE[name][1]


@pytest.mark.parametrize("name", FILES)
def test_parts(name):
    """A section says what all say, and as much of keys as there is."""
    labels = re.findall(r"^\* (\w+):", SECTIONS[name], re.MULTILINE)
    assert labels == ["Keys", "Arguments", "Answers", "Cost", "Commands"]
    assert "Why it takes a script" in SECTIONS[name]
    assert ("* Keys: none." in SECTIONS[name]) is ("KEYS[" not in FILES[name])


async def drain(items):
    return [item async for item in items]


CALLS = {
    "enqueue": lambda queue: queue.enqueue("work"),
    "enqueue_many": lambda queue: queue.enqueue_many([JobRequest("work")]),
    "get_job_status": lambda queue: queue.get_job_status("w"),
    "get_job_metadata": lambda queue: queue.get_job_metadata("w"),
    "get_jobs_metadata": lambda queue: queue.get_jobs_metadata(["w"]),
    "get_job_result": lambda queue: queue.get_job_result("f"),
    "wait_for_result": lambda queue: queue.wait_for_result("f"),
    "as_completed": lambda queue: drain(queue.as_completed(["f"])),
    "iter_jobs": lambda queue: drain(queue.iter_jobs()),
    "iter_results": lambda queue: drain(queue.iter_results()),
    "cancel_job": lambda queue: queue.cancel_job("w"),
    "abort_job": lambda queue: queue.abort_job("w"),
    "purge": lambda queue: queue.purge(),
    "get_queue_stats": lambda queue: queue.get_queue_stats(),
    "get_worker_health": lambda queue: queue.get_worker_health(),
    "get_workers": lambda queue: queue.get_workers(),
    "check_worker": lambda queue: queue.check_worker(),
    "record_worker": lambda queue: queue.record_worker(worker_record()),
    "forget_worker": lambda queue: queue.forget_worker("w"),
}
OPERATIONS = [
    (name, operation)
    for name, (operations, _) in TABLE.items()
    for operation in operations
    if (name, operation) != ("view", "cancel_job")
]


def fill(raw):
    """Let a job wait, and another one have finished."""
    raw.flushdb()
    put_queued(raw, "w")
    put_complete(raw, "f")


@pytest.mark.parametrize(("name", "operation"), OPERATIONS)
async def test_operations(redis_url, raw, name, operation):
    """An operation of the table runs this script; after SCRIPT FLUSH it teaches it the server."""
    fill(raw)
    async with await RedisArqQueue.from_url(redis_url) as queue:
        raw.script_flush()
        await CALLS[operation](queue)
    known = raw.script_exists(*(script.digest for script in SCRIPTS.values()))
    assert [known for known, found in zip(SCRIPTS, known, strict=True) if found] == [name]


@pytest.mark.parametrize(("name", "operation"), OPERATIONS)
async def test_user_who_may_read_only(redis_url, raw, name, operation):
    """A user who may read only can run the scripts that change nothing, and no others."""
    rules = ["on", ">pw", "~*", "+@read", "+time", "+evalsha", "+eval", "+type"]
    raw.execute_command("ACL", "SETUSER", "reader", "reset", *rules)
    fill(raw)
    before = {key: raw.dump(key) for key in raw.scan_iter()}
    settings = RedisSettings.from_url(redis_url, username="reader", password="pw")
    try:
        async with await RedisArqQueue.initialize(settings) as queue:
            if not TABLE[name][1]:
                await CALLS[operation](queue)
            else:
                with pytest.raises((QueueServerError, EnqueueManyError)):
                    await CALLS[operation](queue)
    finally:
        raw.acl_deluser("reader")
    assert before == {key: raw.dump(key) for key in raw.scan_iter()}


async def test_user_without_eval(redis_url, raw):
    """One without `+eval` can run what the server knows; else the server names the command."""
    rules = ["on", ">pw", "~*", "+@all", "-eval"]
    raw.execute_command("ACL", "SETUSER", "user", "reset", *rules)
    settings = RedisSettings.from_url(redis_url, username="user", password="pw")
    try:
        raw.script_flush()
        async with await RedisArqQueue.initialize(settings) as queue:
            with pytest.raises(QueueServerError, match="'eval'"):
                await queue.enqueue("work")
            raw.script_load(scripts.ENQUEUE.text)
            await queue.enqueue("work")
    finally:
        raw.acl_deluser("user")


async def test_common_way(redis_url, raw):
    """A job with a random id takes the commands that the page names, and no others."""
    [said] = re.findall(r"With a random id and no trouble, these are (.*?)\.", TEXT)
    async with await RedisArqQueue.from_url(redis_url) as queue:
        await queue.enqueue("work")
        raw.config_resetstat()
        await queue.enqueue("work")
        used = {name.removeprefix("cmdstat_").upper() for name in raw.info("commandstats")}
    assert used - {"EVALSHA", "INFO", "CONFIG", "CONFIG|RESETSTAT"} == set(
        re.findall(r"`(\w+)`", said)
    )
