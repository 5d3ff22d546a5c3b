"""Primaries that are replaced under load, and sentinels that fail."""

from __future__ import annotations

import contextlib
import functools
import itertools
import threading
import time
from urllib.parse import urlsplit

import pytest

from arqade import EnqueueManyError, JobRequest, QueueConnectionError, RedisArqQueue
from arqade._concurrency import async_sleep
from tests.faults._async.callers import enqueue_all, enqueue_one
from tests.faults._async.test_waiting import SAFETY_PAUSE, finish, wait_for_all
from tests.faults.ledger import CANARY, FAULTS, LONG, TOLERANCE, long_only
from tests.faults.tasks import async_together, meanwhile
from tests.harness.sentinels import HOST, SentinelCluster, free_port
from tests.harness.states import put_queued
from tests.harness.tls import tls_url
from tests.harness.worker import wait_until

CALLERS = 20 if LONG else 10
PAUSE = 0.015
"""Seconds between two calls of a caller."""

BEFORE, AFTER = (2.0, 4.0) if LONG else (0.5, 0.5)
"""Seconds of load before a failover, and after all has come to rest."""

BULK = 50
FIRST_IN_BULK = 10_000_000
"""Numbers of jobs that come with others, by so many."""

FREEZE = 6.0
"""Seconds for which a primary does nothing."""

LAST_INSTANT = 0.3
"""Seconds around a primary's end in which jobs may not have reached a replica."""

SWITCH = 3.0
"""Seconds that sentinels have to agree, and clients to follow."""

BUDGET = 10.0
PATIENT = {"retry_budget": BUDGET, "socket_timeout": 1}

QUICK = 1.0
"""Seconds that a call may take while one sentinel fails and the others don't."""

OPENING = 2.0
"""Seconds that it may take to open a queue then: who has not answered yet may be connecting."""


def new_cluster(replicas=1):
    """A cluster that may be broken: in the short run its sentinels are quicker than others."""
    return SentinelCluster(replicas=replicas, down_after=2000 if LONG else 1000, hurry=not LONG)


async def enqueue_bulk(queue, ledger, first):
    """Enqueue some jobs at once, and write down what came of each."""
    jobs = [
        JobRequest("echo", (CANARY, number, ""), job_id=f"k{number}")
        for number in range(first, first + BULK)
    ]
    try:
        ledger.settle_many(await queue.enqueue_many(jobs, chunk_size=BULK // 5), first=first)
    except EnqueueManyError as error:
        ledger.settle_many(error=error)


async def enqueue_meanwhile(story, loads, bulk_loads):
    """Enqueue without end while something happens, one by one and many at once.

    Args:
        story: What happens.
        loads: A queue and a ledger for each kind of callers that enqueue one by one.
        bulk_loads: The same for `enqueue_many`.
    """
    over = threading.Event()
    numbers = itertools.count()
    firsts = itertools.count(FIRST_IN_BULK, BULK)

    def tell():
        try:
            story()
        finally:
            over.set()

    async def one_by_one(queue, ledger, owner):
        while not over.is_set():
            await enqueue_one(queue, ledger, next(numbers), owner=owner)
            await async_sleep(PAUSE)

    async def in_bulk(queue, ledger):
        while not over.is_set():
            await enqueue_bulk(queue, ledger, next(firsts))
            await async_sleep(PAUSE * 10)

    with meanwhile(tell):
        await async_together(
            [
                *(
                    functools.partial(one_by_one, queue, ledger, f"load {number}")
                    for number, (queue, ledger) in enumerate(loads)
                    for _ in range(CALLERS)
                ),
                *(functools.partial(in_bulk, *load) for load in bulk_loads),
            ]
        )


async def settle(queue, ledger, calls=None):
    """Repeat with their tokens the calls whose callers don't know what became of their jobs."""

    async def repeat(call):
        names = {"_job_id": call.error.job_id, "_token": call.error.token}
        await enqueue_one(queue, ledger, call.number, owner=call.owner, **names)

    calls = ledger.of("uncertain") if calls is None else calls
    await async_together([functools.partial(repeat, call) for call in calls])


def longest_gap(ledger):
    """Seconds in which nobody was told ok."""
    ends = sorted(call.ended for call in ledger.of("ok"))
    return max(later - earlier for earlier, later in itertools.pairwise(ends))


# --- the primary is replaced -------------------------------------------------------------


class Load:
    """What is enqueued while a primary is replaced: durable or not, one by one and many at once.

    Args:
        ledgers: Makes ledgers.
        row: What happens.
        losses: What may be lost if it is not durable, for the table.
    """

    def __init__(self, ledgers, row, losses=""):
        self.plain = ledgers(row + losses, budget=BUDGET)
        self.plain_bulk = ledgers(f"{row}, many{losses}", budget=BUDGET)
        self.durable = ledgers(f"{row}, all-replicas", budget=BUDGET)
        self.durable_bulk = ledgers(f"{row}, many, all-replicas", budget=BUDGET)

    async def run(self, story, cluster, open_queues):
        """Enqueue while something happens."""
        (plain,) = await open_queues(cluster.url, **PATIENT)
        (durable,) = await open_queues(cluster.url, durability="all-replicas", **PATIENT)
        await enqueue_meanwhile(
            story,
            [(plain, self.plain), (durable, self.durable)],
            [(plain, self.plain_bulk), (durable, self.durable_bulk)],
        )
        assert not self.durable.of("refused", "exists"), self.durable.of("refused", "exists")
        await settle(durable, self.durable)

    def audit(self, raw, *, raised, may_lose):
        """Nothing that is durable is lost, and of the rest what may be.

        Args:
            raw: A client of the last primary.
            raised: Whether calls may end with an error if they are not to be durable.
            may_lose: As for `Ledger.audit`.
        """
        for ledger in (self.plain, self.plain_bulk):
            ledger.audit(raw, raised=raised, may_lose=may_lose)
        for ledger in (self.durable, self.durable_bulk):
            ledger.audit(raw, raised=True)


@pytest.mark.parametrize("replicas", [1, pytest.param(2, marks=long_only)])
async def test_planned_failover(open_queues, ledgers, replicas):
    """Hardly a job is lost although the old primary takes some to its grave; if durable, none."""
    load = Load(ledgers, f"Sentinel: planned failover, replicas: {replicas}")
    with new_cluster(replicas) as cluster:

        def story():
            time.sleep(BEFORE)
            old = cluster.failover()
            cluster.wait_for_primary(other_than=old.address)
            cluster.wait_until_follows(old)
            time.sleep(AFTER)

        await load.run(story, cluster, open_queues)
        raw = cluster.primary_server().client
        load.audit(raw, raised=False, may_lose=lambda _: True)
        for ledger in (load.plain, load.plain_bulk):
            assert ledger.counted("lost") <= ledger.counted("ok") * 0.02


@pytest.mark.parametrize(
    ("trouble", "replicas", "with_sentinel"),
    [
        ("killed", 1, False),
        pytest.param("killed", 2, False, marks=long_only),
        pytest.param("killed", 2, True, marks=long_only),
        pytest.param("frozen", 1, False, marks=long_only),
        pytest.param("frozen", 2, True, marks=long_only),
    ],
)
async def test_primary_fails(open_queues, ledgers, trouble, replicas, with_sentinel):
    """Soon jobs go to another one; those of the last instant may be lost, unless durable."""
    how = trouble + (f" {FREEZE:.0f} s" if trouble == "frozen" else "")
    how += " with a sentinel" if with_sentinel else ""
    row = f"Sentinel: primary {how}, replicas: {replicas}"
    load = Load(ledgers, row, ", the last instant excepted")
    with new_cluster(replicas) as cluster:
        struck = [cluster.primary_server(), *cluster.sentinels[:with_sentinel]]
        moments = []

        def story():
            time.sleep(BEFORE)
            moments.append(time.monotonic())
            for node in struck:
                if trouble == "frozen":
                    node.freeze()
                else:
                    node.kill()
            cluster.wait_for_primary(other_than=struck[0].address)
            moments.append(time.monotonic())
            if trouble == "frozen":
                # A sentinel that comes back so names the old primary for a moment.
                time.sleep(max(moments[0] + FREEZE - time.monotonic(), 0))
                cluster.thaw()
            else:
                cluster.restart(struck[0])
            cluster.wait_until_follows(struck[0])
            time.sleep(AFTER)

        await load.run(story, cluster, open_queues)
        end, named = moments
        load.audit(
            cluster.primary_server().client,
            raised=True,
            may_lose=lambda call: abs(call.ended - end) <= LAST_INSTANT,
        )
        # Sentinels whose votes are split need longer than clients can be blamed for.
        limit = max(cluster.down_after + SWITCH, named - end + SWITCH / 2)
        assert longest_gap(load.plain) <= limit


@pytest.mark.parametrize("trouble", ["failover", pytest.param("kill_primary", marks=long_only)])
async def test_waiting_through_a_failover(open_queues, ledgers, monkeypatch, trouble):
    """A result on the new primary ends the wait, even if the old one does not know that it is."""
    monkeypatch.setattr("arqade._protocol.tracking.SAFETY_PAUSE", SAFETY_PAUSE)
    with SentinelCluster(replicas=1) as cluster:
        first = cluster.primary_server()
        for number in range(FAULTS):
            put_queued(first.client, f"k{number}")
        first.client.wait(1, 1000)
        (queue,) = await open_queues(cluster.url, max_connections=FAULTS, **PATIENT)

        def story():
            getattr(cluster, trouble)()
            new = cluster.server(cluster.wait_for_primary(other_than=first.address))
            for number in range(FAULTS):
                finish(new.client, number)

        ledger = ledgers(f"waiting: {trouble.replace('_', ' ')}", budget=BUDGET)
        with meanwhile(story, after=0.3):
            await wait_for_all(queue, ledger, found=True, within=BUDGET)

        # From now on it is the new primary that tells of results.
        new = cluster.primary_server()
        new.client.flushall()
        for number in range(FAULTS):
            put_queued(new.client, f"k{number}")
        monkeypatch.setattr("arqade._protocol.tracking.SAFETY_PAUSE", 10 * BUDGET)
        ledger = ledgers(f"waiting: after {trouble.replace('_', ' ')}", budget=BUDGET)
        with meanwhile(lambda: [finish(new.client, number) for number in range(FAULTS)], after=0.3):
            await wait_for_all(queue, ledger, found=True, within=SWITCH)


async def test_first_contact_during_a_failover(open_queues, ledgers):
    """Queues that are opened meanwhile wait for the new primary."""
    ledger = ledgers("Sentinel: opened during a failover", budget=BUDGET)
    with new_cluster() as cluster:
        cluster.kill_primary()
        start = time.monotonic()
        queues = await open_queues(cluster.url, 2, **PATIENT)
        assert time.monotonic() - start <= BUDGET
        await enqueue_all(queues, ledger)
        ledger.audit(cluster.primary_server().client)


# --- sentinels fail ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster():
    """A cluster whose servers nobody breaks."""
    with SentinelCluster(replicas=1) as cluster:
        yield cluster


@pytest.fixture
def primary(cluster):
    """A client of the primary, whose database is empty."""
    client = cluster.primary_server().client
    client.flushall()
    return client


def addresses(*sentinels):
    """Say where sentinels are."""
    return [sentinel.address for sentinel in sentinels]


def frozen(sentinel):
    """Freeze a sentinel until the cluster ends."""
    sentinel.freeze()
    return sentinel


BROKEN = {
    "dead": lambda _: (HOST, free_port()),
    "a black hole": lambda cluster: frozen(cluster.stranger()).address,
    "of another password": lambda cluster: cluster.stranger(password="another-91f3").address,
    "a stranger to the service": lambda cluster: cluster.stranger().address,
    "stale": lambda cluster: cluster.stranger(cluster.servers[1].address).address,
}
"""Kinds of a sentinel that is of no use."""


@pytest.mark.parametrize("kind", BROKEN)
async def test_one_sentinel_is_of_no_use(cluster, primary, open_queues, ledgers, kind):
    """The others are asked, whatever the order, and soon."""
    ledger = ledgers(f"Sentinel: one is {kind}", budget=QUICK)
    useless = BROKEN[kind](cluster)
    good = addresses(*cluster.sentinels)
    orders = [[useless, *good], [useless, good[0]], [*good, useless]]
    start = time.monotonic()
    opened = await async_together(
        [
            functools.partial(open_queues, cluster.url, host=hosts, socket_timeout=5)
            for hosts in orders
        ]
    )
    assert time.monotonic() - start <= OPENING
    for turn, queues in enumerate(opened):
        await enqueue_all(queues * 5, ledger, range(turn * FAULTS, (turn + 1) * FAULTS))
    ledger.audit(primary)


async def test_sentinels_go_after_the_queue_was_opened(open_queues, ledgers):
    """A queue goes on with its primary until the replicas leave that, and with the sentinels."""
    ledger = ledgers("Sentinel: all are gone for a while", budget=2 * QUICK)
    with SentinelCluster(replicas=1) as cluster:
        primary, replica = cluster.servers
        (queue,) = await open_queues(cluster.url, retry_budget=2 * QUICK)
        await enqueue_all([queue], ledger, [0])
        cluster.sentinels[0].freeze()
        for sentinel in cluster.sentinels[1:]:
            sentinel.kill()
        for number in range(1, 4):
            await async_sleep(0.3)
            await enqueue_all([queue] * 5, ledger, range(number * FAULTS, (number + 1) * FAULTS))
        assert len(ledger.of("ok")) == 1 + 3 * FAULTS

        # As in a failover of which nobody can tell.
        replica.client.execute_command("REPLICAOF", "NO", "ONE")
        await async_sleep(0.3)
        await enqueue_all([queue] * 10, ledger, range(10 * FAULTS, 10 * FAULTS + 10))
        assert len(ledger.of("refused")) == 10
        assert any("sentinel" in str(call.error) for call in ledger.of("refused"))

        replica.client.execute_command("REPLICAOF", *primary.address)
        wait_until(lambda: replica.follows(primary.address))
        cluster.thaw()
        for sentinel in cluster.sentinels[1:]:
            sentinel.start()
        await enqueue_all([queue] * 5, ledger, range(11 * FAULTS, 12 * FAULTS))
        assert len(ledger.of("ok")) == 1 + 4 * FAULTS
        ledger.audit(primary.client, raised=True)


@pytest.mark.parametrize("kind", ["dead", "a black hole"])
async def test_no_sentinel_answers(cluster, kind):
    """The error comes within the budget, and names the sentinels."""
    hosts = [BROKEN[kind](cluster) for _ in range(3)]
    settings = cluster.settings(host=hosts, conn_retries=0, retry_budget=2)
    start = time.monotonic()
    with pytest.raises(QueueConnectionError, match=r"[Ss]entinel"):
        await RedisArqQueue.initialize(settings)
    assert time.monotonic() - start <= settings.retry_budget + TOLERANCE


async def test_unknown_service(cluster):
    """The error names it, and says where to look."""
    settings = cluster.settings(sentinel_master="no-such-service")
    start = time.monotonic()
    with pytest.raises(QueueConnectionError, match="no-such-service") as caught:
        await RedisArqQueue.initialize(settings)
    assert "sentinel_master" in str(caught.value)
    assert time.monotonic() - start <= QUICK


@pytest.mark.parametrize("password", ["wrong-password-55c0", None])
async def test_login_at_the_sentinels_is_refused(cluster, password):
    """The error speaks of the login at the sentinels, and comes at once."""
    settings = cluster.settings(sentinel_password=password)
    start = time.monotonic()
    with pytest.raises(QueueConnectionError, match="login") as caught:
        await RedisArqQueue.initialize(settings)
    assert "sentinel" in str(caught.value)
    assert "wrong-password" not in str(caught.value)
    assert time.monotonic() - start <= QUICK


async def test_login_at_the_server_is_refused(cluster):
    """The error speaks of the login."""
    settings = cluster.settings(password="wrong-password-55c0")
    with pytest.raises(QueueConnectionError, match="login") as caught:
        await RedisArqQueue.initialize(settings)
    assert "sentinel" not in str(caught.value)


async def test_user_of_the_sentinels(cluster, primary, open_queues, ledgers):
    """A user who may do there what clients need is enough."""
    ledger = ledgers("Sentinel: ACL user", budget=QUICK)
    secret = "secret-of-a-user-7d1e"
    commands = ("get-master-addr-by-name", "master", "replicas")
    user = ("someone", "reset", "on", f">{secret}", *(f"+sentinel|{name}" for name in commands))
    for sentinel in cluster.sentinels:
        sentinel.client.execute_command("ACL", "SETUSER", *user)
    who = {"sentinel_username": "someone", "sentinel_password": secret}
    for durability in ("primary", "all-replicas"):
        (queue,) = await open_queues(cluster.url, durability=durability, **who)
        await enqueue_all([queue], ledger, [len(ledger.calls)])
    ledger.audit(primary)
    with pytest.raises(QueueConnectionError, match="login"):
        await open_queues(cluster.url, **{**who, "sentinel_username": "nobody"})


async def test_old_primary_that_takes_writes(open_queues, ledgers):
    """After a failover sentinels that know nothing of it are not believed, nor the old primary."""
    ledger = ledgers("Sentinel: stale, and the old primary takes writes", budget=QUICK)
    with SentinelCluster(replicas=1) as cluster:
        old = cluster.failover()
        new = cluster.server(cluster.wait_for_primary(other_than=old.address))
        stale = [cluster.stranger(old.address) for _ in cluster.sentinels]
        hosts = addresses(*stale, *cluster.sentinels)
        queues = await open_queues(cluster.url, 2, host=hosts, socket_timeout=5)
        await enqueue_all(queues * 2, ledger)
        assert old.role() == "master"
        ledger.audit(new.client)


# --- durable jobs ------------------------------------------------------------------------


async def test_replica_does_not_answer(cluster, primary, open_queues, ledgers):
    """Who wants jobs on all replicas is told that it is uncertain, until the replica is back."""
    budget = 0.7  # More than one WAIT takes.
    ledger = ledgers("Sentinel: replica frozen, all-replicas", budget=budget)
    bulk = ledgers("Sentinel: replica frozen, many, all-replicas", budget=budget)
    options = {"durability": "all-replicas", "retry_budget": budget, "socket_timeout": 5}
    queues = await open_queues(cluster.url, 2, **options)
    await enqueue_all(queues, ledger, range(2))
    replica = cluster.servers[1]
    replica.freeze()
    try:
        await enqueue_all(queues * 5, ledger, range(2, 12))
        assert len(ledger.of("uncertain")) == 10
        # Nor does it help to ask again: the job is there, and still on one server alone.
        others = await open_queues(cluster.url, **options)
        for queue in (queues[0], *others):
            await settle(queue, ledger, ledger.of("uncertain")[:1])
        assert len(ledger.of("uncertain")) == 12
        await enqueue_bulk(queues[0], bulk, FIRST_IN_BULK)
        assert bulk.of("uncertain")
        assert not bulk.of("ok", "exists")
    finally:
        replica.thaw()
    await settle(queues[0], ledger)
    await enqueue_all(queues, ledger, range(12, 14))
    assert not ledger.of("refused", "exists")
    assert {call.number for call in ledger.of("ok")} == set(range(14))
    for each in (ledger, bulk):
        each.audit(primary, raised=True)
    cluster.wait_healthy()


# --- TLS ---------------------------------------------------------------------------------


@pytest.fixture
def behind_tls(tmp_path):
    """Puts a proxy that speaks TLS before a node; gives its address and its authority."""
    with contextlib.ExitStack() as stack:
        folders = map(str, itertools.count())

        def behind_tls(node, host=HOST):
            folder = tmp_path / next(folders)
            folder.mkdir()
            parts = urlsplit(stack.enter_context(tls_url(node.url, folder, host)))
            return (HOST, parts.port), (folder / "authority.pem").read_text()

        yield behind_tls


async def test_tls(cluster, primary, open_queues, ledgers, behind_tls):
    """Sentinels and servers are reached by TLS, or sentinels alone."""
    ledger = ledgers("Sentinel: TLS", budget=QUICK)
    server, server_authority = behind_tls(cluster.primary_server())
    sentinel, authority = behind_tls(cluster.stranger(server))
    (queue,) = await open_queues(
        cluster.url, host=[sentinel], ssl=True, ssl_ca_data=server_authority + authority
    )
    await enqueue_all([queue], ledger, range(2))
    sentinel, authority = behind_tls(cluster.stranger(cluster.primary()))
    (queue,) = await open_queues(
        cluster.url, host=[sentinel], sentinel_ssl=True, ssl_ca_data=authority
    )
    await enqueue_all([queue], ledger, range(2, 4))
    ledger.audit(primary)


@pytest.mark.parametrize("where", ["sentinel", "server"])
@pytest.mark.parametrize("fault", ["another host", "another authority"])
async def test_certificate_is_refused(cluster, behind_tls, where, fault):
    """The error speaks of the certificate, and nothing is sent."""
    hosts = {where: "another.example"} if fault == "another host" else {}
    server, server_authority = behind_tls(cluster.primary_server(), hosts.get("server", HOST))
    sentinel, authority = behind_tls(cluster.stranger(server), hosts.get("sentinel", HOST))
    trusted = {"sentinel": authority, "server": server_authority}
    if fault == "another authority":
        del trusted[where]
    settings = cluster.settings(host=[sentinel], ssl=True, ssl_ca_data="".join(trusted.values()))
    start = time.monotonic()
    with pytest.raises(QueueConnectionError, match="certificate"):
        await RedisArqQueue.initialize(settings)
    assert time.monotonic() - start <= QUICK
