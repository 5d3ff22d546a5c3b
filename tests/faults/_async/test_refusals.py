"""Servers that refuse, for good or for a while."""

from __future__ import annotations

import threading
import time
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis

from arqade import QueueConnectionError, QueueServerError, RedisArqQueue
from tests.faults import troubles
from tests.faults._async.callers import enqueue_all, once_more
from tests.faults.ledger import FAULTS, LONG, kinds
from tests.faults.tasks import meanwhile
from tests.harness.fault_proxy import answered, every
from tests.harness.states import QUEUE, snapshot

BUDGET = 4.0
SECRET = "secret-of-someone-3b7d"

WHILE = 1.0 if LONG else 0.2
"""Seconds for which a server refuses."""

QUICK = 0.1
"""Seconds within which a caller is refused."""

LINES = [
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "LOADING Redis is loading the dataset in memory",
    "READONLY You can't write against a read only replica.",
    "NOREPLICAS Not enough good replicas to write.",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "CLUSTERDOWN The cluster is down",
    "TRYAGAIN Multiple keys request during rehashing of slot",
]


@pytest.fixture
def user_url(own_server, own_raw):
    """The URL of a user of the server that may be misconfigured."""
    own_raw.execute_command(
        "ACL", "SETUSER", troubles.USER, "reset", "on", f">{SECRET}", "~*", "&*", "+@all"
    )
    return f"redis://{troubles.USER}:{SECRET}@{own_server.host}:{own_server.port}/0"


def assert_all_refused(ledger, kind):
    """All calls were refused with such an error, at once."""
    refused = ledger.of("refused")
    assert len(refused) == len(ledger.of("refused", "ok", "uncertain", "exists")) == FAULTS
    assert {type(call.error) for call in refused} == {kind}
    assert sorted(call.took for call in refused)[FAULTS // 2] < QUICK


@pytest.mark.parametrize(
    ("name", "trouble"),
    [
        ("OOM", troubles.out_of_memory),
        ("MISCONF", troubles.failing_save),
        ("NOPERM", troubles.missing_permission),
    ],
)
async def test_refused_by_the_server(own_raw, open_queues, ledgers, user_url, name, trouble):
    """The error is clear and comes at once, nothing is written, and it ends when it is mended."""
    (queue,) = await open_queues(user_url)
    await queue.enqueue("warm", "", -1)
    ledger = ledgers(name, budget=BUDGET, secrets=[SECRET])
    before = own_raw.dbsize(), snapshot(own_raw)
    with trouble(own_raw):
        await enqueue_all([queue] * 4, ledger)
        assert (own_raw.dbsize(), snapshot(own_raw)) == before
    assert_all_refused(ledger, QueueServerError)
    await once_more([queue], ledger)
    ledger.audit(own_raw, raised=True, wait=0)


@pytest.mark.parametrize("name", ["NOAUTH", "WRONGPASS"])
async def test_refused_login(own_server, own_raw, ledgers, name):
    """The error is clear and comes at once, nothing is written, and it ends when it is mended."""
    parts = urlsplit(own_server.url)
    login = "" if name == "NOAUTH" else f":{SECRET}@"
    async with Redis.from_url(f"redis://{login}{parts.hostname}:{parts.port}/0") as client:
        queue = RedisArqQueue(client)
        ledger = ledgers(name, budget=BUDGET, secrets=[SECRET, own_server.password])
        await enqueue_all([queue] * 4, ledger)
        assert_all_refused(ledger, QueueConnectionError)
        assert own_raw.dbsize() == 0
        mend = "nopass" if name == "NOAUTH" else f">{SECRET}"
        own_raw.execute_command("ACL", "SETUSER", "default", mend)
        try:
            await once_more([queue], ledger)
        finally:
            again = ("resetpass", f">{own_server.password}")
            own_raw.execute_command("ACL", "SETUSER", "default", *again)
        ledger.audit(own_raw, raised=True, wait=0)
        await queue.aclose()


@pytest.mark.parametrize(
    ("name", "trouble"),
    [
        ("READONLY", troubles.read_only),
        ("MASTERDOWN", troubles.no_primary),
        ("NOREPLICAS", troubles.no_replicas),
        ("BUSY", troubles.busy),
        ("LOADING", troubles.loading),
        ("max clients", troubles.full),
    ],
)
async def test_refused_for_a_while(own_raw, own_proxy, open_queues, ledgers, name, trouble):
    """All are told ok when it is over, and each job is there once."""
    queues = await open_queues(own_proxy.url, 5, retry_budget=BUDGET)
    await queues[0].enqueue("warm", "", -1)
    ledger = ledgers(f"{name} for a while", budget=BUDGET)
    begun = threading.Event()

    def strike():
        with trouble(own_raw, own_proxy):
            begun.set()
            time.sleep(WHILE)

    with meanwhile(strike):
        assert begun.wait(10)
        await enqueue_all(queues * 20, ledger)
    assert max(call.took for call in ledger.calls) > WHILE / 2
    await once_more(queues, ledger)
    ledger.audit(own_raw)


@kinds(transient_answers=map(answered, LINES))
async def test_answers_of_a_server_that_refuses(
    fault_proxy, raw, open_queues, ledgers, row, faults
):
    """The same holds for every such answer, as a proxy gives it."""
    queues = await open_queues(fault_proxy.url, 5, retry_budget=BUDGET)
    ledger = ledgers(f"{row} for a while, by the proxy", budget=BUDGET)
    end = time.monotonic() + WHILE
    refuse = every(1, *faults)
    fault_proxy.plan = lambda operation: refuse(operation) if time.monotonic() < end else None
    await enqueue_all(queues * 20, ledger)
    assert all(fault_proxy.struck[fault.name] for fault in faults)
    await once_more(queues, ledger)
    ledger.audit(raw)


async def test_scripts_are_flushed(redis_url, raw, open_queues, ledgers):
    """A server that forgets its scripts gets them again."""
    queues = await open_queues(redis_url, 2)
    ledger = ledgers("SCRIPT FLUSH between calls", budget=BUDGET)
    for number in range(FAULTS):
        raw.script_flush()
        await enqueue_all(queues[:1], ledger, [number])
    over = threading.Event()

    def flush():
        while not over.is_set():
            raw.script_flush()
            time.sleep(0.001)

    with meanwhile(flush):
        await enqueue_all(queues * 5, ledger, range(FAULTS, FAULTS * 2), read=True)
        over.set()
    await once_more(queues, ledger)
    ledger.audit(raw)


@pytest.mark.parametrize("kind", ["queue", "job", "result", "marker"])
async def test_key_of_a_wrong_type(redis_url, raw, open_queues, ledgers, kind):
    """The error is clear, and nothing is written."""
    (queue,) = await open_queues(redis_url)
    ledger = ledgers(f"{kind} key of a wrong type", budget=BUDGET)
    for number in range(FAULTS):
        name = {"queue": QUEUE, "marker": f"arqade:once:token{number}"}.get(
            kind, f"arq:{kind}:k{number}"
        )
        raw.hset(name, "another", "program")
    before = raw.dbsize(), snapshot(raw)
    for number in range(FAULTS):
        token = f"token{number}" if kind == "marker" else None
        await enqueue_all([queue], ledger, [number], _job_id=f"k{number}", _token=token)
    assert_all_refused(ledger, QueueServerError)
    assert (raw.dbsize(), snapshot(raw)) == before
    raw.flushdb()
    await once_more([queue], ledger)
    ledger.audit(raw, raised=True, wait=0)
