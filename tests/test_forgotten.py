"""Queues that are garbage-collected without having been closed."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import warnings

import pytest
import redis
from redis import asyncio as async_redis

from arqade import RedisArqQueue, SyncRedisArqQueue
from tests.harness.states import put_queued
from tests.harness.worker import wait_until

NAME = "forgotten"
"""What the queues' connections are called."""

EACH_KIND = pytest.mark.parametrize("owned", [True, False], ids=["owned", "borrowed"])


@pytest.fixture
def url(redis_url, raw):
    """The server, with a job for which one can wait."""
    put_queued(raw)
    return f"{redis_url}?client_name={NAME}"


def connections(raw):
    """How many connections of forgotten queues the server sees."""
    return sum(client["name"] == NAME for client in raw.client_list())


def gone(raw):
    """Wait until the server sees no connection any more."""
    wait_until(lambda: connections(raw) == 0, timeout=5)


async def open_queue(url, *, owned):
    """A queue with a connection for commands and one on which it hears of results."""
    if owned:
        queue = await RedisArqQueue.from_url(url)
    else:
        queue = RedisArqQueue(async_redis.Redis.from_url(url))
    with pytest.raises(TimeoutError):
        await queue.wait_for_result("k", timeout=0.1)
    assert queue.push_mode == "resp3"
    return queue


def open_sync_queue(url, *, owned):
    """The same for blocking code."""
    if owned:
        queue = SyncRedisArqQueue.from_url(url)
    else:
        queue = SyncRedisArqQueue(redis.Redis.from_url(url))
    with pytest.raises(TimeoutError):
        queue.wait_for_result("k", timeout=0.1)
    assert queue.push_mode == "resp3"
    return queue


class Warned:
    """Collects what is warned of while queues are forgotten."""

    def __enter__(self):
        self._catcher = warnings.catch_warnings(record=True)
        self._caught = self._catcher.__enter__()
        warnings.simplefilter("always")
        return self

    def __exit__(self, *exc_info):
        self._said = []
        gc.collect()
        while self._caught:
            self._said += [(warning.category, str(warning.message)) for warning in self._caught]
            # They hold what they warn of, and that holds sockets.
            self._caught.clear()
            gc.collect()
        self._catcher.__exit__(*exc_info)

    def of_queues(self):
        """Give the warnings that are arqade's; all there are must be of unclosed resources."""
        assert {category for category, _ in self._said} <= {ResourceWarning}
        return [text for _, text in self._said if "ArqQueue" in text]


@EACH_KIND
def test_in_its_event_loop(url, raw, owned):
    """Its sockets are closed soon, and it warns if it owns them."""

    async def use():
        queue = await open_queue(url, owned=owned)
        client = None if owned else queue._connections._pool
        assert connections(raw) >= 2
        with Warned() as warned:
            del queue
            gc.collect()
            await asyncio.sleep(0.05)
        if client is not None:
            assert connections(raw) == 1, "that of the borrowed pool"
            await client.aclose()
        gone(raw)
        return warned.of_queues()

    expected = ["unclosed <RedisArqQueue arq:queue>"] if owned else []
    assert asyncio.run(use()) == expected


@EACH_KIND
def test_after_its_event_loop(url, raw, owned):
    """When its event loop is closed, so are its sockets once nobody has it."""
    with Warned() as warned:
        queue = asyncio.run(open_queue(url, owned=owned))
        assert connections(raw) >= 1
        del queue
        gc.collect()
    gone(raw)
    assert warned.of_queues() == (["unclosed <RedisArqQueue arq:queue>"] if owned else [])


@EACH_KIND
def test_in_another_thread_than_its_event_loop(url, raw, owned):
    """The loop closes the sockets, whichever thread was the last to have the queue."""

    async def use():
        held = [await open_queue(url, owned=owned)]
        client = None if owned else held[0]._connections._pool

        def forget():
            held.clear()
            gc.collect()

        with Warned() as warned:
            await asyncio.to_thread(forget)
            await asyncio.sleep(0.05)
        if client is not None:
            await client.aclose()
        await asyncio.to_thread(gone, raw)
        return warned.of_queues()

    assert len(asyncio.run(use())) == owned


@EACH_KIND
def test_in_another_thread(url, raw, owned):
    """A blocking queue closes its sockets in whichever thread it is forgotten."""
    held = [open_sync_queue(url, owned=owned)]
    client = None if owned else held[0]._connections._pool
    assert connections(raw) == 2

    def forget():
        held.clear()
        gc.collect()

    with Warned() as warned:
        thread = threading.Thread(target=forget)
        thread.start()
        thread.join()
    if client is not None:
        wait_until(lambda: connections(raw) == 1, timeout=5)
        client.disconnect()
    gone(raw)
    assert warned.of_queues() == (["unclosed <SyncRedisArqQueue arq:queue>"] if owned else [])


# --- programs of their own ----------------------------------------------------------------

OPEN = {
    "sync owned": """
queue = SyncRedisArqQueue.from_url(url)
use = lambda: [queue.enqueue("work"), wait(queue)]
""",
    "sync borrowed": """
client = redis.Redis.from_url(url)
atexit.register(client.close)
queue = SyncRedisArqQueue(client)
use = lambda: [queue.enqueue("work"), wait(queue)]
""",
    "async owned": """
loop = asyncio.new_event_loop()
queue = loop.run_until_complete(RedisArqQueue.from_url(url))
use = lambda: loop.run_until_complete(use_async(queue))
""",
    "async borrowed": """
loop = asyncio.new_event_loop()
client = redis.asyncio.Redis.from_url(url)
queue = RedisArqQueue(client)
use = lambda: loop.run_until_complete(use_async(queue))
""",
}

PROLOGUE = """
import asyncio, atexit, gc, os, sys
import redis, redis.asyncio
from arqade import RedisArqQueue, SyncRedisArqQueue
url = sys.argv[1]
def wait(queue):
    try:
        queue.wait_for_result("k", timeout=0.1)
    except TimeoutError:
        return
async def use_async(queue):
    await queue.enqueue("work")
    try:
        await queue.wait_for_result("k", timeout=0.1)
    except TimeoutError:
        return
"""

AT_EXIT = "use()\n"

FORKED = """
use()
pid = os.fork()
if not pid:
    del queue, use
    gc.collect()
    if sys.argv[2] == "leave":
        os._exit(0)
    sys.exit()
status = os.waitpid(pid, 0)[1]
assert status == 0, status
for _ in range(3):
    use()
print("the parent goes on", flush=True)
os._exit(0)
"""


def run(program, *args, strict=True):
    """Run a program that may not print anything of what it knows."""
    return subprocess.run(
        [sys.executable, *(["-W", "error"] if strict else []), "-c", PROLOGUE + program, *args],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.mark.parametrize("kind", OPEN)
def test_at_exit(url, raw, kind):
    """A program that ends without closing its queue ends well, and says nothing."""
    done = run(OPEN[kind] + AT_EXIT, url, strict=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    gone(raw)


@pytest.mark.parametrize("kind", OPEN)
def test_at_exit_with_strict_warnings(url, raw, kind):
    """With ``-W error`` it still ends well, and is told of the queue if that owns connections."""
    done = run(OPEN[kind] + AT_EXIT, url)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.count("ResourceWarning: unclosed <RedisArq") == (kind == "async owned")
    assert done.stderr.count("ResourceWarning: unclosed <SyncRedisArq") == (kind == "sync owned")
    if kind == "sync borrowed":
        assert done.stderr == ""
    errors = [line for line in done.stderr.splitlines() if line and line[0] not in " T"]
    assert all(line.startswith(("ResourceWarning", "Exception ignored")) for line in errors), errors
    gone(raw)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.parametrize("way", ["leave", "exit"])
@pytest.mark.parametrize("kind", OPEN)
def test_in_a_forked_child(url, raw, kind, way):
    """A child that forgets its parent's queue leaves the parent's connections alone."""
    done = run(OPEN[kind] + FORKED, url, way, strict=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "the parent goes on\n", "")
    assert raw.zcard("arq:queue") == 1 + 4
    gone(raw)
