"""``arqade check`` and ``arqade doctor``."""

from __future__ import annotations

import pickle
import re
from urllib.parse import urlsplit

import pytest
import redis
from click.testing import CliRunner

from arqade import JSONCodec, RedisSettings, SyncRedisArqQueue
from arqade.cli.main import main
from arqade.cli.server import masked
from arqade.embedded import RedisServer
from arqade.exceptions import DeserializationError, JobExecutionFailed
from tests.cli.conftest import Answer
from tests.harness.sentinels import SERVICE, SentinelCluster
from tests.harness.servers import find_test_server
from tests.harness.states import (
    QUEUE,
    STATES,
    put_deferred,
    put_expired,
    put_queued,
    result_bytes,
    snapshot,
    worker_record,
)

HEALTH = b"Nov-22 19:53:23 j_complete=12 j_failed=1 j_retried=3 j_ongoing=2 queued=4"
PASSWORD = "of-a-user-who-may-little"


@pytest.fixture(scope="module")
def sound_url():
    """A server that is fit for jobs."""
    config = {
        "appendonly": "yes",
        "save": "3600 1",
        "maxmemory": "100mb",
        "maxmemory-policy": "noeviction",
    }
    with RedisServer(binary=find_test_server(), config=config) as server:
        yield server.url


@pytest.fixture
def sound(sound_url):
    """A client of that server, whose database is empty."""
    with redis.Redis.from_url(sound_url) as client:
        client.flushdb()
        yield client


class TestCheck:
    def test_fit(self, cli, sound_url, sound):
        """On a server that is fit for jobs the answer is yes."""
        assert cli("check", url=sound_url) == (0, "ok\n", "")
        assert cli("check", "--json", url=sound_url).json == {"ok": True, "findings": []}

    def test_unfit(self, cli, raw):
        """On one that keeps nothing it is no, with a cure; unless that is allowed."""
        answer = cli("check")
        assert answer.status == 1
        assert "error    persistence: " in answer.out
        assert "         Cure: set appendonly to yes.\n" in answer.out
        assert answer.err == ""
        found = cli("check", "--json")
        assert (found.status, found.json["ok"]) == (1, False)
        assert "persistence" in [finding["code"] for finding in found.json["findings"]]
        assert cli("check", "--allow", "persistence").status == 0

    def test_worker(self, cli, sound_url, sound):
        """A worker is asked for only if it is wanted, of each queue."""
        words = ["check", "--worker", "-q", QUEUE, "-q", "mail"]
        sound.set(f"{QUEUE}:health-check", HEALTH)
        answer = cli(*words, url=sound_url)
        assert answer.status == 1
        assert "error    no-worker: No worker is seen on the queue mail" in answer.out
        sound.set("mail:health-check", HEALTH)
        assert cli(*words, url=sound_url).status == 0

    def test_task(self, cli, sound_url, sound):
        """A worker has to know what is asked for."""
        with SyncRedisArqQueue.from_url(sound_url) as queue:
            queue.record_worker(worker_record(functions=("add", "work")))
        assert cli("check", "--task", "add", "--task", "work", url=sound_url).status == 0
        answer = cli("check", "--task", "add", "--task", "resize", "--json", url=sound_url)
        assert answer.status == 1
        assert [finding["code"] for finding in answer.json["findings"]] == ["unknown-task"]

    def test_unreachable(self, cli):
        """Without a server the status is 3."""
        assert cli("check", url="redis://127.0.0.1:1").status == 3


def diagnoses(answer):
    """Give levels and messages, topic by topic."""
    found = {}
    for diagnosis in answer.json["diagnoses"]:
        found.setdefault(diagnosis["topic"], []).append((diagnosis["level"], diagnosis["message"]))
    return found


class TestDoctor:
    def test_all_is_well(self, cli, sound_url, sound):
        """On a sound server with a worker all is well, and nothing is changed."""
        with SyncRedisArqQueue.from_url(sound_url) as queue:
            queue.record_worker(worker_record())
        put_queued(sound, "k")
        sound.set("arq:result:done", result_bytes("done", 1))
        before = snapshot(sound)
        answer = cli("doctor", "--json", url=sound_url)
        assert snapshot(sound) == before
        assert sound.keys("arqade:once:*") == []
        assert (answer.status, answer.json["ok"]) == (0, True)
        found = diagnoses(answer)
        assert found["workers"] == [("ok", f"On {QUEUE}: 1 worker, with PickleCodec")]
        for topic in ("eviction", "memory", "persistence", "replica", "push", "permissions"):
            assert [level for level, _ in found[topic]] == ["ok"]
        assert found["push"] == [
            ("ok", "The server pushes results to those who wait (RESP3)"),
        ]
        assert found["orphans"] == [("ok", "Nothing is left of jobs that are no more")]
        assert re.search(r"arqade [\d.]+, redis-py [\d.]+", found["client"][0][1])
        assert re.fullmatch(r"(Redis|Valkey) [\d.]+", found["server"][0][1])
        [(_, clock)] = found["clock"]
        skew = float(re.search(r"is ([+-][\d.]+) ms", clock)[1])
        assert abs(skew) < 1000

    def test_text(self, cli, redis_url, raw):
        """For a reader each finding is a line, with its cure below, and the URL is masked."""
        answer = cli("doctor")
        port = urlsplit(redis_url).port
        assert answer.status == 1
        first, *lines = answer.out.splitlines()
        assert first == f"redis://:***@127.0.0.1:{port}/0"
        assert {re.match(r"(ok|info|warning|error)? +\S", line) is not None for line in lines} == {
            True
        }
        assert "         Cure: set appendonly to yes." in lines

    def test_formats(self, cli, raw):
        """The formats of jobs and results are counted, and what workers complain of is told."""
        put_queued(raw, "a")
        put_queued(raw, "b")
        job = {"t": None, "f": "work", "a": [], "k": {}, "et": 1}
        raw.set("arq:job:b", JSONCodec().dumps(job))
        put_queued(raw, "c")
        raw.set("arq:job:c", b"nonsense")
        raw.set("arq:result:d", result_bytes("d", "unable to serialize result", success=False))
        unread = pickle.loads(result_bytes("e", DeserializationError("no"), success=False))
        raw.set("arq:result:e", pickle.dumps({**unread, "f": "<unknown>", "a": (), "k": {}}))
        missing = JobExecutionFailed("function 'resize' not found")
        raw.set("arq:result:f", result_bytes("f", missing, success=False))
        answer = cli("doctor", "--json")
        found = diagnoses(answer)
        assert answer.status == 1
        # Loud numbers are of a class that is not made here.
        assert found["codec"] == [
            (
                "info",
                (
                    "Of the jobs and results looked at: 4 pickle, 1 json, 1 of unknown format; "
                    "3 with classes that are not made here"
                ),
            ),
            ("info", "Of them can't be read here: 1"),
            ("error", "Results that say that the worker could not decode the job: 1"),
            (
                "warning",
                "Results that say that the worker could not encode what the job gave: 1",
            ),
        ]
        assert found["functions"] == [("error", "Workers have no function resize")]

    def test_orphans(self, cli, raw):
        """What is left of jobs is told: entries, requests to abort, and jobs without a queue."""
        for number in range(4):
            put_expired(raw, f"expired-{number}")
        raw.zadd("arq:abort", {"gone": 1})
        put_queued(raw, "lost")
        raw.zrem(QUEUE, "lost")
        for state, put in STATES.items():
            put(raw, state)
        found = diagnoses(cli("doctor", "--json"))
        assert [level for level, _ in found["orphans"]] == ["warning"] * 3
        entries, aborts, jobs = [message for _, message in found["orphans"]]
        assert entries.startswith(f"Entries of {QUEUE} without a job")
        assert entries.endswith(": 4 (expired-0, expired-1, expired-2, ...)")
        assert aborts.startswith("Requests to abort jobs that are not there")
        assert aborts.endswith(": 1 (gone)")
        assert jobs == "Jobs that are in no queue, and will not be run: 1 (lost)"

    def test_other_queues(self, cli, raw):
        """Queues that were not asked for are named, and their jobs are no orphans."""
        put_queued(raw, "a", "mail")
        put_deferred(raw, "b", "sms")
        raw.zadd("scores", {"nobody": 1})
        found = diagnoses(cli("doctor", "--json", "-q", "sms"))
        assert found["queues"] == [("info", "There are jobs in other queues: mail")]
        assert found["orphans"] == [("ok", "Nothing is left of jobs that are no more")]

    def test_unreachable(self, cli):
        """Without a server the status is 3."""
        assert cli("doctor", url="redis://127.0.0.1:1").status == 3


def test_sentinels():
    """By way of sentinels the primary is examined."""
    with SentinelCluster(replicas=1, sentinels=1) as cluster:
        settings = cluster.settings()
        [sentinel] = settings.sentinel_addresses()
        place = f"{sentinel[0]}:{sentinel[1]}/{SERVICE}/0"
        url = (
            f"redis+sentinel://:{settings.password}@{place}"
            f"?sentinel_password={settings.sentinel_password}"
        )
        environment = {"ARQADE_URL": url}
        done = CliRunner().invoke(main, ["doctor", "--json"], env=environment)
    answer = Answer(done.exit_code, done.stdout, done.stderr)
    assert answer.json["server"] == f"redis+sentinel://:***@{place}"
    found = diagnoses(answer)
    assert found["replica"] == [("ok", "This is the primary")]
    assert found["push"][0][0] == "ok"
    assert settings.password not in done.output
    assert settings.sentinel_password not in done.output


class TestPermissions:
    @pytest.fixture
    def limited(self, raw, redis_url):
        """Makes a user of a few permissions, and gives its URL."""

        def make(*rules):
            raw.execute_command("ACL", "SETUSER", "limited", "reset", "on", f">{PASSWORD}", *rules)
            return redis_url.replace("://:", "://limited:").replace(
                urlsplit(redis_url).password, PASSWORD
            )

        yield make
        raw.execute_command("ACL", "DELUSER", "limited")

    def test_reader(self, cli, limited):
        """Of a user who may only read, what it may not do is told command by command."""
        url = limited("~*", "+@read", "+@connection", "+@scripting", "+time", "+info")
        found = diagnoses(cli("doctor", "--json", url=url))
        denied = dict(
            re.fullmatch(rf"This user may not (.+) on {QUEUE}: (.+)", message).groups()
            for _, message in found["permissions"]
        )
        assert set(denied) == {"enqueue", "cancel", "purge", "delete"}
        assert denied["delete"] == "unlink arq:result:*"
        assert "psetex arq:job:*" in denied["enqueue"]
        assert f"zadd {QUEUE}" in denied["enqueue"]

    def test_keys(self, cli, limited):
        """A user who may use one queue may do nothing with another."""
        url = limited("~arq*", "+@all")
        found = diagnoses(cli("doctor", "--json", "-q", QUEUE, "-q", "mail", url=url))
        levels = [message for _, message in found["permissions"]]
        assert levels[0] == f"This user may do everything with {QUEUE}"
        assert any("may not enqueue on mail: zadd mail" in message for message in levels)

    def test_little(self, cli, limited):
        """What the server refuses to tell hides nothing else; without tracking it says so."""
        url = limited("~*", "+time", "+ping")
        answer = cli("doctor", "--json", url=url)
        found = diagnoses(answer)
        assert answer.json["server"].startswith("redis://limited:***@")
        assert [level for level, _ in found["push"]] == ["info"]
        assert "persistence" not in found
        assert found["unknown"]


class TestMasked:
    @pytest.mark.parametrize(
        ("url", "text"),
        [
            ("redis://host", "redis://host:6379/0"),
            ("rediss://:secret@host:1/2", "rediss://:***@host:1/2"),
            ("redis://user:secret@[::1]:1", "redis://user:***@[::1]:1/0"),
            ("unix://user:secret@/run/r.sock?db=1", "unix://user:***@/run/r.sock?db=1"),
            (
                "redis+sentinel://:secret@a:1,b:2/main/3?sentinel_password=secret",
                "redis+sentinel://:***@a:1,b:2/main/3",
            ),
        ],
    )
    def test_url(self, url, text):
        """A server is named without its password."""
        assert masked(RedisSettings.from_url(url)) == text

    def test_wrong_url(self, cli):
        """A URL that is wrong is told without its password, and the status is 2."""
        for url in ("redis://u:hunter2hunter2@host:port", "redis://u:hunter2hunter2@host?nope=1"):
            answer = cli("info", "--url", url)
            assert (answer.status, answer.out) == (2, "")
            assert "hunter2hunter2" not in answer.err

    def test_unreachable_url(self, cli):
        """So is one where nobody answers."""
        answer = cli("info", "--url", "redis://u:hunter2hunter2@127.0.0.1:1")
        assert (answer.status, answer.out) == (3, "")
        assert "hunter2hunter2" not in answer.err

    def test_wrong_password(self, cli, redis_url):
        """A server that refuses the password can't be reached, either."""
        wrong = redis_url.replace(urlsplit(redis_url).password, "hunter2hunter2")
        answer = cli("info", url=wrong)
        assert (answer.status, answer.out) == (3, "")

    def test_unix_socket(self, cli, tmp_path):
        """Everything goes by a Unix socket, too."""
        place = tmp_path / "redis.sock"
        config = {"unixsocket": str(place), "unixsocketperm": "700"}
        with RedisServer(binary=find_test_server(), config=config) as server:
            url = f"unix://:{server.password}@{place}"
            answer = cli("doctor", "--json", url=url)
        assert answer.json["server"] == f"unix://:***@{place}?db=0"
        assert diagnoses(answer)["push"][0][0] == "ok"
