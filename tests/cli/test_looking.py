"""Commands that look at queues and jobs."""

from __future__ import annotations

import pytest

from arqade import JobMetadata, JobResult, SyncRedisArqQueue
from tests.harness.states import (
    QUEUE,
    STATES,
    put_complete,
    put_deferred,
    put_in_progress,
    put_queued,
    result_bytes,
    snapshot,
    worker_record,
)

HEALTH = b"Nov-22 19:53:23 j_complete=12 j_failed=1 j_retried=3 j_ongoing=2 queued=4"


@pytest.fixture
def four(raw):
    """A job in every state, named by it."""
    for state, put in STATES.items():
        put(raw, state)


class TestInfo:
    def test_table(self, cli, raw, four):
        """It counts the jobs of a queue, and those of a worker."""
        raw.set(f"{QUEUE}:health-check", HEALTH)
        answer = cli("info")
        assert answer.status == 0
        assert answer.out.splitlines()[0].split() == [
            *("queue", "due", "deferred", "running", "oldest", "workers", "done", "failed"),
        ]
        [row] = answer.rows
        assert row[:4] == [QUEUE, "1", "1", "1"]
        assert row[-4:] == ["ago", "some", "12", "1"]

    def test_queues(self, cli, raw):
        """Several queues are counted in the order in which they are named."""
        put_queued(raw, "k", "mail")
        answer = cli("info", "--queue", "sms", "-q", "mail")
        assert [row[:4] for row in answer.rows] == [["sms", "0", "0", "0"], ["mail", "1", "0", "0"]]
        assert answer.rows[0][4:] == ["-", "0", "-", "-"]

    def test_json(self, cli, raw, four):
        """In JSON there is one document, with all that a worker said."""
        raw.set(f"{QUEUE}:health-check", HEALTH)
        [queue] = cli("info", "--json").json["queues"]
        assert (queue["queued"], queue["deferred"], queue["in_progress"]) == (1, 1, 1)
        assert queue["health"]["jobs_retried"] == 3
        assert queue["health"]["expires_in"] is None
        assert queue["workers"] == []

    def test_workers(self, cli, redis_url):
        """Workers that say who they are get counted; in JSON is what they say."""
        with SyncRedisArqQueue.from_url(redis_url) as queue:
            queue.record_worker(worker_record("a"))
            queue.record_worker(worker_record("b"))
        assert cli("info").rows[0][-3:] == ["2", "-", "-"]
        [queue] = cli("info", "--json").json["queues"]
        assert [worker["id"] for worker in queue["workers"]] == ["a", "b"]


class TestJobs:
    def test_table(self, cli, four):
        """The jobs in the queue are listed with their states, and none of their arguments."""
        answer = cli("jobs")
        assert answer.status == 0
        assert sorted(row[:3] for row in answer.rows) == [
            ["deferred", "work", "deferred"],
            ["in_progress", "work", "in_progress"],
            ["queued", "work", "queued"],
        ]
        assert "Loud" not in answer.out

    @pytest.mark.parametrize("state", STATES)
    def test_status(self, cli, four, state):
        """Only jobs in the state that is asked for are listed."""
        assert [row[:3] for row in cli("jobs", "--status", state).rows] == [[state, "work", state]]

    def test_failed(self, cli, raw):
        """Of finished jobs, those that failed are told apart."""
        failed = result_bytes("k", ValueError("no"), success=False)
        raw.set("arq:result:k", failed)
        assert [row[2] for row in cli("jobs", "--status", "complete").rows] == ["failed"]

    def test_name_and_limit(self, cli):
        """The list is of one function's jobs, and no longer than the limit."""
        for number in range(5):
            cli("enqueue", "add" if number % 2 else "work", number)
        assert len(cli("jobs").rows) == 5
        assert [row[1] for row in cli("jobs", "--name", "add").rows] == ["add", "add"]
        assert len(cli("jobs", "--limit", 3).rows) == 3
        assert len(cli("jobs", "--limit", 0).rows) == 5

    def test_arguments(self, cli):
        """Arguments are shown if they are asked for."""
        cli("enqueue", "work", "cat.png", 3, "width=300")
        assert cli("jobs", "--args").out.splitlines()[1].endswith("'cat.png', 3, width=300")

    def test_queues(self, cli, raw):
        """Of several queues, each job's is named."""
        put_queued(raw, "a", "mail")
        put_queued(raw, "b", "sms")
        rows = cli("jobs", "-q", "mail", "-q", "sms").rows
        assert [(row[0], row[-1]) for row in rows] == [("a", "mail"), ("b", "sms")]

    def test_json(self, cli):
        """In JSON each job is a line; with its arguments it is what `from_dict` takes."""
        cli("enqueue", "work", 1, "--id", "a")
        cli("enqueue", "work", 2, "--id", "b")
        lines = cli("jobs", "--json").json_lines
        assert sorted(line["id"] for line in lines) == ["a", "b"]
        assert "args" not in lines[0]
        full = cli("jobs", "--json", "--args").json_lines
        assert sorted(JobMetadata.from_dict(line).args for line in full) == [(1,), (2,)]

    def test_unreadable(self, cli, raw):
        """A job that can't be read hides none of the others, and the status is 1."""
        put_queued(raw, "bad")
        raw.set("arq:job:bad", b"nonsense")
        put_queued(raw, "good")
        answer = cli("jobs")
        assert [row[0] for row in answer.rows] == ["good"]
        assert answer.status == 1
        assert "bad" in answer.err

    def test_empty(self, cli):
        """Without jobs there is a heading, or nothing in JSON."""
        assert cli("jobs").out == "id  name  status  when  try\n"
        assert cli("jobs", "--json") == (0, "", "")


class TestShow:
    @pytest.mark.parametrize("state", STATES)
    def test_states(self, cli, four, state):
        """Whatever a job's state is, it is shown."""
        lines = dict(line.split(maxsplit=1) for line in cli("show", state).out.splitlines())
        assert (lines["id"], lines["name"], lines["status"]) == (state, "work", state)
        assert lines["queue"] == QUEUE
        assert ("result" in lines) is (state == "complete")
        assert ("due" in lines) is (state != "complete")

    def test_result(self, cli, raw):
        """What a finished job returned is shown; what a failed one raised, as such."""
        put_complete(raw, "good", value={"a": (1, b"x")})
        raw.set("arq:result:bad", result_bytes("bad", KeyError("k"), success=False))
        assert cli("show", "good").out.splitlines()[-1] == "result     {'a': (1, b'x')}"
        assert cli("show", "bad").out.splitlines()[-1] == "outcome    failed: KeyError: 'k'"

    def test_json(self, cli, raw):
        """In JSON it is what `from_dict` takes."""
        put_complete(raw, "k", value=[1])
        assert JobResult.from_dict(cli("show", "k", "--json").json).result == [1]
        put_deferred(raw, "later")
        assert JobMetadata.from_dict(cli("show", "later", "--json").json).status == "deferred"

    def test_long_value(self, cli):
        """A long value is cut off, and JSON has it whole."""
        cli("enqueue", "work", "x" * 5000, "--id", "k")
        answer = cli("show", "k")
        assert max(map(len, answer.out.splitlines())) < 2200
        assert "(5002 characters; --json shows all)" in answer.out
        assert cli("show", "k", "--json").json["args"] == ["x" * 5000]

    def test_unknown(self, cli, raw):
        """An unknown job, or one of another queue, is told; in JSON, in JSON."""
        assert cli("show", "no") == (1, "", "Error: Job could not be found. id=no\n")
        put_queued(raw, "k", "mail")
        assert cli("show", "k").status == 1
        assert cli("show", "k", "--queue", "mail").status == 0
        answer = cli("show", "no", "--json")
        assert answer.err == (
            '{"error": "JobNotFound", "message": "Job could not be found. id=no", "job_id": "no"}\n'
        )

    def test_nothing_changes(self, cli, raw, four):
        """Looking changes nothing."""
        before = snapshot(raw)
        for words in (["info"], ["jobs"], ["jobs", "--status", "complete"], ["show", "queued"]):
            assert cli(*words).status == 0
        assert snapshot(raw) == before


class TestResult:
    @pytest.mark.parametrize(
        ("value", "printed"),
        [
            ("a text\n\tof two lines", "a text\n\tof two lines\n"),
            ("\x1b[2J", "\\x1b[2J\n"),
            (3, "3\n"),
            (None, "null\n"),
            ({"a": [1]}, '{\n  "a": [\n    1\n  ]\n}\n'),
        ],
        ids=["text", "control", "number", "None", "dict"],
    )
    def test_value(self, cli, raw, value, printed):
        """A text is printed as it is but for control characters, any other value as JSON."""
        put_complete(raw, "k", value=value)
        assert cli("result", "k") == (0, printed, "")

    def test_failure(self, cli, raw):
        """What a failed job raised is told on standard error, and the status is 1."""
        raw.set("arq:result:k", result_bytes("k", ValueError("no", 1), success=False))
        assert cli("result", "k") == (1, "", "Error: Job failed: ValueError: ('no', 1)\n")
        answer = cli("result", "k", "--json")
        assert answer.status == 1
        assert answer.json["result"] == {"type": "ValueError", "message": "('no', 1)"}

    def test_not_there(self, cli, raw):
        """Without a result the status is 1, also after a wait that is over."""
        put_in_progress(raw, "k")
        assert cli("result", "k") == (1, "", "Error: Job result could not be found. id=k\n")
        assert cli("result", "k", "--wait", "--timeout", "0.1").status == 1
        assert cli("result", "no", "--wait").status == 1

    def test_timeout_alone(self, cli):
        """A time-out without a wait is refused."""
        assert cli("result", "k", "--timeout", 1).status == 2
