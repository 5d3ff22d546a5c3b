"""The page about errors: it names all of them, and servers are refused as it says."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import re

import attrs
import pytest
import redis
from fastapi.testclient import TestClient
from redis.connection import DefaultParser

import arqade
from arqade import (
    ConfigurationError,
    EnqueueManyError,
    JobRequest,
    RedisArqQueue,
    RedisSettings,
    exceptions,
)
from arqade._transport.errors import is_transient, translate
from arqade.embedded import RedisServer
from tests.docs.pages import DOCS, code_blocks, rows
from tests.faults import troubles
from tests.harness.servers import find_test_server
from tests.harness.worker import wait_until

PAGE = DOCS / "reference" / "errors.md"
TEXT = PAGE.read_text("utf-8")

SECTIONS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL))
"""What the page says of each error of arqade's own."""

EXCEPTIONS = {
    name: kind
    for name in exceptions.__all__
    if inspect.isclass(kind := getattr(exceptions, name)) and issubclass(kind, BaseException)
}
OWN = {name for name, kind in EXCEPTIONS.items() if issubclass(kind, exceptions.ArqadeError)}

MADE = [
    exceptions.ArqadeError("x"),
    exceptions.ArqJobError("x", "id"),
    exceptions.JobNotQueued("id", "queued"),
    exceptions.JobNotFound("id"),
    exceptions.JobResultUnavailable("id"),
    exceptions.JobSerializationError("x", "id"),
    exceptions.JobDeserializationError("x", "id"),
    exceptions.PayloadTooLarge("id", 2, 1),
    exceptions.JobCancelled("id"),
    exceptions.RemoteError("x", "y"),
    exceptions.EnqueueUncertain("id", "token"),
    exceptions.EnqueueManyError("x", enqueued=[], not_enqueued=[], uncertain=[]),
    exceptions.QueueConnectionError("x"),
    exceptions.QueueServerError("x"),
    exceptions.QueueClosed("x"),
    exceptions.WrongEventLoopError("x"),
    exceptions.ConfigurationError("x"),
]
"""One of each."""


def linked(cell):
    """Give the name in a cell such as ``[`JobNotFound`](#jobnotfound)``."""
    return re.findall(r"`(\w+)`", cell)[0]


def test_every_exception():
    """Each error of arqade's own has a section, arq's are in a table, and there are no others."""
    assert SECTIONS.keys() == OWN
    stand_ins = rows(PAGE, "exception", "what happened")
    assert {linked(name) for name, _ in stand_ins} == EXCEPTIONS.keys() - OWN
    assert {name for name in vars(arqade) if name in EXCEPTIONS} == OWN


def test_overview():
    """The first table has each error that is raised by itself, and links to its section."""
    overview = rows(
        PAGE, "error", "raised by", "is the job in the queue?", "does trying again help?"
    )
    names = [linked(row[0]) for row in overview]
    assert [row[0] for row in overview] == [f"[`{name}`](#{name.lower()})" for name in names]
    assert sorted(names) == sorted(OWN - {"ArqadeError", "ArqJobError"})


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_attributes(error):
    """The attributes of an error are those of its section."""
    [said] = re.findall(
        r"^\* Attributes: (.*?)(?=^\*|\Z)", SECTIONS[type(error).__name__], re.MULTILINE | re.DOTALL
    )
    listed = {name for name in re.findall(r"`(\w+)`", said) if not name.startswith("_")}
    assert listed == vars(error).keys()
    assert listed or said.split("\n")[0] == "none."


def test_one_of_each():
    """The test above has them all."""
    assert {type(error).__name__ for error in MADE} == OWN


def test_stand_ins_have_no_attributes():
    """The exceptions of arq have no attributes but the one that the page names."""
    found = {
        name: set(vars(EXCEPTIONS[name]())) for name in EXCEPTIONS.keys() - OWN if name != "Retry"
    }
    assert not any(found.values())
    assert vars(exceptions.Retry(defer=1)) == {"defer_score": 1000}
    assert "`defer_score`" in TEXT


def test_hierarchy():
    """The tree is that of the classes."""
    [tree] = [block for block in code_blocks(PAGE, "text") if block.startswith("ArqadeError")]
    above, names = [], []
    for line in tree.splitlines():
        depth, name = re.search(r"\w", line).start() // 4, re.search(r"\w+", line)[0]
        above[depth:] = [name]
        names.append(name)
        if depth:
            assert EXCEPTIONS[name].__bases__[0] is EXCEPTIONS[above[depth - 1]]
    assert sorted(names) == sorted(OWN)
    assert exceptions.ConfigurationError.__bases__[1:] == (ValueError,)


def test_handler():
    """FastAPI answers as the page says."""
    [block] = [block for block in code_blocks(PAGE, "python") if "FastAPI()" in block]
    names = {}
    exec(block, names)

    @names["app"].get("/{kind}")
    async def fail(kind: str) -> None:
        raise {type(error).__name__: error for error in MADE}[kind]

    with TestClient(names["app"]) as client:
        assert client.get("/JobNotFound").status_code == 404
        answer = client.get("/QueueConnectionError")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")


# --- what servers say ----------------------------------------------------------------------

SAID = {
    tuple(re.findall(r"`([^`]+)`", words)): (linked(kind), again == "yes")
    for words, kind, again, _ in rows(PAGE, "code and words", "error", "tried again?", "cure")
}
"""The class of the error, and whether it is tried again, by code and words."""

BUDGET = 3.0
"""Seconds that a call has which is refused for good, and told so at once."""

SHORT_BUDGET = 0.6
"""Seconds that a call has which is tried again all the time."""


@pytest.fixture(scope="module")
def server():
    """A server that may be misconfigured."""
    config = {"enable-debug-command": "yes"}
    with contextlib.ExitStack() as stack:
        try:
            found = stack.enter_context(RedisServer(binary=find_test_server(), config=config))
        except ConfigurationError:  # Redis 6 knows no such setting, and needs none.
            found = stack.enter_context(RedisServer(binary=find_test_server()))
        yield found


@pytest.fixture
def cluster():
    """A node of a cluster to which no key belongs yet."""
    for _ in range(20):
        started = RedisServer(binary=find_test_server(), config={"cluster-enabled": "yes"})
        try:
            started.start()
        except ConfigurationError:
            continue  # A cluster's ports must not be above 55535.
        break
    else:
        pytest.fail("no port was low enough")
    yield started
    started.stop()


@contextlib.contextmanager
def user(raw, *rules):
    """Let there be a user who may do this and no more, and give how it logs in."""
    raw.execute_command("ACL", "SETUSER", "someone", "reset", "on", ">pw", *rules)
    try:
        yield {"username": "someone", "password": "pw"}
    finally:
        raw.acl_deluser("someone")


@contextlib.contextmanager
def unknown_script(raw):
    with user(raw, "+time", "+evalsha", "~*") as login:
        raw.script_flush()
        yield login


@contextlib.contextmanager
def loading(raw):
    """A server that loads for longer than a call has time."""
    # It answers between two keys of this size.
    raw.mset({f"large:{number}": "x" * 1100 for number in range(4000)})
    with troubles.loading(raw, None):
        yield


@contextlib.contextmanager
def wrong_type(raw):
    raw.set("arq:queue", "of another program")
    try:
        yield
    finally:
        raw.delete("arq:queue")


@contextlib.contextmanager
def full(raw):
    """No room for another client: this one has the only place."""
    raw.ping()
    with troubles.configured(raw, maxclients=1):
        yield


def with_login(**login):
    return lambda _: contextlib.nullcontext(login)


PROVOKED = {
    "OOM": troubles.out_of_memory,
    "NOPERM": lambda raw: user(raw, "+time"),
    "NOSCRIPT": unknown_script,
    "READONLY": lambda raw: troubles.read_only(raw, None),
    "MISCONF": troubles.failing_save,
    "LOADING": loading,
    "BUSY": lambda raw: troubles.busy(raw, None),
    "WRONGTYPE": wrong_type,
    "WRONGPASS": with_login(password="not-this-one"),
    "NOAUTH": with_login(password=None),
    "NOREPLICAS": lambda raw: troubles.no_replicas(raw, None),
    "MASTERDOWN": lambda raw: troubles.no_primary(raw, None),
    "DB index is out of range": with_login(database=99),
    "max number of clients reached": full,
}
"""What makes a server say so, by code, or by words that have none."""

OF_A_CLUSTER = {
    "CLUSTERDOWN": lambda queue: queue.enqueue("work"),
    "attempted to access a non local key in a cluster node": lambda queue: queue.purge(),
}

NOT_PROVOKED = {"MOVED"}
"""It takes two nodes."""


def said_of(key):
    """Give the row of a code, or of words that have none."""
    [found] = [row for row in SAID.items() if key in row[0]]
    return found


def assert_told(error, key):
    """An error is what the page says, and quotes the server."""
    (_, words), (kind, again) = said_of(key)
    assert type(error).__name__ in {kind, "Unanswered"}
    assert words.lower() in str(error).lower()
    assert is_transient(error.__cause__) is again


async def attempt(url, call, **fields):
    """Make a call where the server refuses, and give the error."""
    settings = RedisSettings.from_url(url)
    fields = {"retry_budget": BUDGET, "conn_retries": 0, **fields}
    for _ in range(5):
        with pytest.raises(exceptions.ArqadeError) as caught:
            async with await RedisArqQueue.initialize(attrs.evolve(settings, **fields)) as queue:
                await call(queue)
        # On a busy machine, the last try may have no answer.
        if not isinstance(caught.value, exceptions.EnqueueUncertain):
            break
    return caught.value


def test_all_rows_are_tried():
    """Every row of the table is provoked, but those of which it is said."""
    tried = {*PROVOKED, *OF_A_CLUSTER, *NOT_PROVOKED}
    assert {key for key in tried for row in SAID if key in row} == tried
    assert len(SAID) == len(tried)


@pytest.mark.parametrize("key", PROVOKED)
async def test_refused(server, key):
    """A real server refuses with these words, and the error is of this class."""
    with redis.Redis.from_url(server.url) as raw:
        raw.flushall()
        with PROVOKED[key](raw) as login:
            fields = {"retry_budget": SHORT_BUDGET if said_of(key)[1][1] else BUDGET}
            error = await attempt(
                server.url, lambda queue: queue.enqueue("work"), **fields, **(login or {})
            )
            assert_told(error, key)
            if key == "MISCONF":
                assert_told(await attempt(server.url, lambda queue: queue.ping()), key)
            if key == "OOM":
                many = await attempt(
                    server.url, lambda queue: queue.enqueue_many([JobRequest("work")])
                )
                assert type(many) is EnqueueManyError
                assert_told(many.__cause__, key)
        raw.config_set("maxmemory", 0)
        assert not raw.exists("arq:queue")


@pytest.mark.parametrize("key", OF_A_CLUSTER)
async def test_refused_by_a_cluster(cluster, key):
    """A node of a cluster refuses so."""
    if key != "CLUSTERDOWN":
        with redis.Redis.from_url(cluster.url) as raw:
            raw.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
            wait_until(lambda: "'ok'" in repr(raw.execute_command("CLUSTER INFO")))
            raw.zadd("arq:queue", {"k": 1})
    assert_told(await attempt(cluster.url, OF_A_CLUSTER[key]), key)


@pytest.mark.parametrize("key", NOT_PROVOKED)
def test_not_provoked(key):
    """What is not provoked is translated so."""
    (_, words), (kind, again) = said_of(key)
    error = DefaultParser.parse_error(words)
    assert is_transient(error) is again
    assert type(translate(error, effect="nothing was changed", sent=False)).__name__ == kind


async def test_cures_of_a_full_server(server):
    """A server without memory lets jobs be cancelled and purged, and results be deleted."""
    async with await RedisArqQueue.from_url(server.url) as queue:
        for job_id in ("a", "b"):
            await queue.enqueue("work", _job_id=job_id)
        with redis.Redis.from_url(server.url) as raw:
            raw.set("arq:result:done", "x")
            with troubles.out_of_memory(raw):
                assert await queue.get_job_status("a") == "queued"
                assert await queue.cancel_job("a") == "removed"
                assert await queue.purge() == 1
                assert await queue.delete_result("done")


# --- what connections say ------------------------------------------------------------------

CONNECTIONS = {
    words: (linked(kind), again == "yes")
    for cell, kind, again, _ in rows(PAGE, "words", "error", "tried again?", "cure")
    for words in re.findall(r"`([^`]+)`", cell)
}

ELSEWHERE = {
    "certificate was refused",
    "do not agree on TLS",
    "don't know the service",
    "No answer came from the server",
    "The server got the job too late",
}
"""Provoked by the tests of TLS, of sentinels and of broken connections."""


async def refused():
    return await attempt(
        "redis://127.0.0.1:1", lambda queue: queue.ping(), retry_budget=SHORT_BUDGET
    )


async def answered_with(data, **fields):
    """Give the error of a server that says this and no more."""

    async def answer(_, writer):
        writers.append(writer)
        writer.write(data)

    writers = []
    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    try:
        return await attempt(f"redis://127.0.0.1:{port}", lambda queue: queue.ping(), **fields)
    finally:
        listener.close()
        for writer in writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@pytest.mark.parametrize(
    ("words", "provoke"),
    [
        ("can't be reached", refused),
        ("no reply in time", lambda: answered_with(b"", retry_budget=0.1)),
        ("Timeout reading from", lambda: answered_with(b"", socket_timeout=0.1)),
        ("no Redis server", lambda: answered_with(b"HTTP/1.1 400 Bad Request\r\n")),
    ],
)
async def test_no_answer(words, provoke):
    """Where no server answers, the error says so."""
    error = await provoke()
    kind, again = CONNECTIONS[words]
    assert type(error).__name__ == kind
    assert words in str(error)
    assert is_transient(error.__cause__) is again


async def test_no_answer_to_what_is_not_repeated(server):
    """What may not be sent again and has no answer raises at once, and says both."""
    settings = attrs.evolve(RedisSettings.from_url(server.url), socket_timeout=0.1)
    async with await RedisArqQueue.initialize(settings) as queue:
        with redis.Redis.from_url(server.url) as raw:
            raw.client_pause(2000, all=True)
        with pytest.raises(exceptions.QueueConnectionError) as caught:
            await queue.delete_result("k")
    assert str(caught.value).startswith("No answer came from the server")
    assert "no reply within 0.1 seconds" in str(caught.value)


def test_all_connections():
    """The words of the others are in the source."""
    source = (DOCS.parent / "src" / "arqade").rglob("*.py")
    text = re.sub(r'"\s+f?"', "", "\n".join(path.read_text("utf-8") for path in source))
    assert all(words in text for words in ELSEWHERE)
    tried = {"can't be reached", "no reply in time", "Timeout reading from", "no Redis server"}
    assert CONNECTIONS.keys() == ELSEWHERE | tried | {"no reply within 5.0 seconds"}
