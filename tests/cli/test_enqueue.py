"""``arqade enqueue``."""

from __future__ import annotations

import json
import pickle
import time

import pytest

from tests.harness.states import put_complete, put_queued

QUEUE = "arq:queue"


def job(raw, job_id="k"):
    """Give what a worker reads."""
    return pickle.loads(raw.get(f"arq:job:{job_id}"))


def lines_of(*fields):
    return "".join(f"{json.dumps(each)}\n" for each in fields)


class TestArguments:
    def test_words(self, cli, raw):
        """A word is JSON if it can be read as such, else a text; name=value is a keyword."""
        words = [
            "cat.png",
            "3",
            "1.5",
            "true",
            "null",
            '"3"',
            "[1]",
            "width=300",
            "mode=a=b",
            "9=x",
        ]
        assert cli("enqueue", "resize", "--id", "k", *words) == (0, "k\n", "")
        found = job(raw)
        assert found["f"] == "resize"
        assert found["a"] == ("cat.png", 3, 1.5, True, None, "3", [1], "9=x")
        assert found["k"] == {"width": 300, "mode": "a=b"}

    @pytest.mark.parametrize(
        "word",
        ["NaN", "-Infinity", "[Infinity]", "a²=1", pytest.param("[" * 100_000, id="deep")],
    )
    def test_texts(self, cli, raw, word):
        """What is no JSON, too deep for it, or has no name before its sign is a text."""
        assert cli("enqueue", "--id", "k", "work", "--", word, f"value={word}").status == 0
        assert (job(raw)["a"], job(raw)["k"]) == ((word,), {"value": word})

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["_job_id=canary"], "Error: _job_id is no argument; options begin with --"),
            (["a=canary", "a=2"], "Error: a is given twice\n"),
        ],
    )
    def test_wrong_names(self, cli, raw, words, message):
        """A name that is none, or is given twice, is told without its value; nothing is sent."""
        answer = cli("enqueue", "work", *words)
        assert (answer.status, answer.out) == (2, "")
        assert message in answer.err
        assert "canary" not in answer.err
        assert raw.keys("arq:*") == []

    def test_dash(self, cli, raw):
        """Words that begin with a dash come after two dashes; else they are wrong options."""
        assert cli("enqueue", "work", "-5").status == 2
        assert cli("enqueue", "--id", "k", "work", "--", "-5", "--x").status == 0
        assert job(raw)["a"] == (-5, "--x")

    def test_json(self, cli, raw):
        """Arguments may be given as JSON."""
        options = ["--args", '["a=b", 1]', "--kwargs", '{"c": null}', "--id", "k"]
        cli("enqueue", "work", *options)
        assert (job(raw)["a"], job(raw)["k"]) == (("a=b", 1), {"c": None})

    @pytest.mark.parametrize(
        "words",
        [
            [],
            ["work", "--args", "{"],
            ["work", "--args", "{}"],
            ["work", "--args", "[NaN]"],
            ["work", "--args", "[1e999]"],
            pytest.param(["work", "--args", "[" * 100_000], id="work --args [[["),
            ["work", "a=1", "--kwargs", '{"a": 2}'],
            ["work", "--kwargs", "[]"],
            ["work", "--defer-by", "1", "--defer-until", "2026-11-28"],
            ["work", "--defer-by", "soon"],
            ["work", "--defer-until", "soon"],
            ["work", "--expires", "0"],
            ["work", "--job-try", "0"],
            ["work", "--id", ""],
            ["work", "--queue", ""],
            ["work", "--on-conflict", "hope"],
            ["work", "1", "--from-jsonl", "-"],
            ["--id", "k", "--from-jsonl", "-"],
            ["--from-jsonl", "no-such-file"],
            [""],
        ],
        ids=" ".join,
    )
    def test_wrong(self, cli, raw, words):
        """What is wrong is told before anything is sent, and the status is 2."""
        answer = cli("enqueue", *words)
        assert (answer.status, answer.out) == (2, "")
        assert "Error: " in answer.err
        assert raw.keys("arq:*") == []


class TestOptions:
    @pytest.mark.parametrize(
        ("text", "seconds"), [("90", 90), ("1.5s", 1.5), ("5m", 300), ("2h", 7200), ("1d", 86400)]
    )
    def test_defer_by(self, cli, raw, text, seconds):
        """A duration is a number of seconds, or has a unit."""
        before = time.time()
        cli("enqueue", "work", "--id", "k", "--defer-by", text)
        due = raw.zscore(QUEUE, "k") / 1000
        assert before + seconds - 0.01 <= due <= time.time() + seconds + 0.01

    def test_defer_until(self, cli, raw):
        """A time is one of ISO 8601."""
        cli("enqueue", "work", "--id", "k", "--defer-until", "2100-01-01T01:00:00+01:00")
        assert raw.zscore(QUEUE, "k") == 4_102_444_800_000

    def test_others(self, cli, raw):
        """Queue, expiry and try are the job's."""
        cli("enqueue", "work", "-q", "mail", "--id", "k", "--expires", "1h", "--job-try", 3)
        assert raw.zscore("mail", "k") is not None
        assert 3_500_000 < raw.pttl("arq:job:k") <= 3_600_000
        assert job(raw)["t"] == 3

    def test_random_id(self, cli, raw):
        """Without an id one is made, and printed."""
        [job_id] = cli("enqueue", "work").out.split()
        assert raw.exists(f"arq:job:{job_id}") == 1

    def test_output_in_json(self, cli):
        """In JSON it is the job's metadata."""
        answer = cli("enqueue", "work", 1, "--id", "k", "--defer-by", "1h", "--json").json
        assert (answer["id"], answer["status"], answer["args"]) == ("k", "deferred", [1])

    def test_conflict(self, cli, raw):
        """An id that is taken is a negative answer, unless a policy says otherwise."""
        put_queued(raw, "k")
        answer = cli("enqueue", "work", "--id", "k", "--json")
        assert answer.status == 1
        assert json.loads(answer.err)["error"] == "JobNotQueued"
        assert cli("enqueue", "work", "--id", "k", "--on-conflict", "return_existing").status == 0
        assert cli("enqueue", "work", 7, "--id", "k", "--on-conflict", "replace").status == 0
        assert job(raw)["a"] == (7,)


class TestLines:
    def test_standard_input(self, cli, raw):
        """Each line is a job; the name and the options hold where a line doesn't say otherwise."""
        stdin = lines_of(
            {"args": [1], "job_id": "a"},
            {"task_name": "other", "job_id": "b", "defer_until": "2100-01-01T00:00:00+00:00"},
            {"kwargs": {"x": None}, "job_id": "c", "queue_name": "sms"},
        )
        words = ["work", "--queue", "mail", "--defer-by", "1h", "--from-jsonl", "-"]
        answer = cli("enqueue", *words, stdin=stdin.replace("\n", "\n\n"))
        assert answer.status == 0
        assert answer.out.startswith("3 jobs enqueued in ")
        assert [job(raw, job_id)["f"] for job_id in "abc"] == ["work", "other", "work"]
        assert job(raw, "c")["k"] == {"x": None}
        assert raw.zscore("mail", "b") == 4_102_444_800_000
        assert raw.zscore("mail", "a") / 1000 > time.time() + 3000
        assert raw.zscore("sms", "c") is not None

    def test_many(self, cli, raw, tmp_path):
        """As many as there are go from a file, each once."""
        file = tmp_path / "jobs.jsonl"
        file.write_text(lines_of(*({"args": [n]} for n in range(20_050))))
        answer = cli("enqueue", "work", "--from-jsonl", file, "--json").json
        assert (answer["enqueued"], answer["existing"]) == (20_050, 0)
        assert raw.zcard(QUEUE) == 20_050

    def test_empty(self, cli):
        """No lines are no jobs."""
        assert cli("enqueue", "--from-jsonl", "-", stdin="").out.startswith("0 jobs enqueued")

    def test_ids_that_are_taken(self, cli, raw):
        """They are counted, and the status is 1."""
        put_queued(raw, "a")
        put_complete(raw, "b")
        stdin = lines_of(*({"job_id": name} for name in "abc"))
        answer = cli("enqueue", "work", "--from-jsonl", "-", stdin=stdin)
        assert answer.status == 1
        assert answer.out.startswith("1 job enqueued in ")
        assert answer.out.endswith(", 2 not: their ids are taken\n")
        answer = cli(
            "enqueue", "work", "--on-conflict", "return_existing", "--from-jsonl", "-", stdin=stdin
        )
        assert answer.status == 0

    @pytest.mark.parametrize(
        "line",
        [
            "no JSON: canary-9f2c41",
            "[1]",
            '{"args": [1]}',
            '{"task_name": "work", "nope": "canary-9f2c41"}',
            '{"task_name": "work", "args": "canary-9f2c41"}',
            '{"task_name": "work", "args": [Infinity]}',
            pytest.param("[" * 100_000, id="deep"),
            '{"task_name": "work", "defer_until": "soon"}',
            '{"task_name": "work", "expires": "soon"}',
        ],
    )
    def test_wrong_line(self, cli, raw, line):
        """It is named by its number, without its values; those before it are enqueued or not."""
        stdin = lines_of(*({"task_name": "work"} for _ in range(250))) + line
        answer = cli("enqueue", "--from-jsonl", "-", stdin=stdin)
        assert (answer.status, answer.out) == (2, "")
        assert "line 251: " in answer.err
        assert "canary" not in answer.err
        assert f"(enqueued before that: {raw.zcard(QUEUE)};" in answer.err
